/** The mapping of resources to room mailboxes, edited here or with SQL. */
import { createRoute, z } from '@hono/zod-openapi';
import { Invalid } from '../errors.ts';
import type { createRoomList } from '../sync/manual/room-list.ts';
import { Problem } from './problem.ts';
import { ownSettings, settingFields } from './room-settings.ts';
import { answers, bodyResourceId, instant, newRoutes, resourceId, text, whole, json } from './schema.ts';

export interface ResourceMappingParts {
  readonly roomList: ReturnType<typeof createRoomList>;
}

const tags = ['Rooms'];
const success = z.literal(true);

const mapping = z
  .object({
    id: z.number().int(),
    resource_id: z.number().int(),
    resource_key: z.string().nullable(),
    outlook_item_id: z.string(),
    outlook_item_name: z.string().nullable(),
    active: z.number().int(),
    sync_direction: z.string(),
    ...ownSettings,
    created_at: instant,
    updated_at: instant,
  })
  .openapi('ResourceMapping');

/** `active` is 1 or 0 as in the table; scripts also send true, false and digits. */
const active = z
  .union([z.literal([0, 1]), z.boolean(), z.literal(['0', '1'])], { error: 'is neither 1 nor 0' })
  .transform((value) => Number(value))
  .openapi({ type: 'integer', enum: [0, 1] });

const fields = {
  resource_id: bodyResourceId,
  outlook_item_id: text(320).trim().min(1).openapi({
    description: 'The room mailbox: its address, or its object id.',
    example: 'room1@company.com',
  }),
  outlook_item_name: text(255).nullable(),
  active,
  sync_direction: z.enum(['both', 'booking_to_outlook', 'outlook_to_booking']),
  ...settingFields,
};

const added = z.object({
  ...fields,
  outlook_item_name: fields.outlook_item_name.default(null),
  active: fields.active.default(1),
  sync_direction: fields.sync_direction.default('both'),
  conflict_policy: fields.conflict_policy.default(null),
  overlap_policy: fields.overlap_policy.default(null),
  import_mode: fields.import_mode.default(null),
  privacy: fields.privacy.default(null),
  title_template: fields.title_template.default(null),
});
const changed = z.object(fields).partial();
const one = z.object({ success, message: z.string(), mapping_id: z.number().int(), mapping });
/** The column is an integer. */
const params = z.object({ id: whole(2 ** 31 - 1).openapi({ type: 'integer', example: 1 }) });

const listRoute = createRoute({
  method: 'get',
  path: '/resource-mapping',
  tags,
  summary: 'The mapping of resources to room mailboxes',
  request: { query: z.object({ resource_id: resourceId.optional() }) },
  responses: answers(
    'All rows, active ones first.',
    z.object({ success, count: z.number().int(), mappings: z.array(mapping) }),
  ),
});

const addRoute = createRoute({
  method: 'post',
  path: '/resource-mapping',
  tags,
  summary: 'Add a room; it is compared and backfilled at once',
  request: { body: { content: json(added) } },
  responses: {
    ...answers('It is there already.', one, [409, 413, 415]),
    201: { description: 'Added.', content: json(one) },
  },
});

const findRoute = createRoute({
  method: 'get',
  path: '/resource-mapping/{id}',
  tags,
  summary: 'One row of the mapping',
  request: { params },
  responses: answers('The row.', z.object({ success, mapping }), [404]),
});

const changeRoute = (method: 'put' | 'patch') =>
  createRoute({
    method,
    path: '/resource-mapping/{id}',
    tags,
    summary: 'Change the given fields of a room; active 0 switches it off and changes no event',
    request: { params, body: { content: json(changed) } },
    responses: answers('The row as it is now.', one, [404, 409, 413, 415]),
  });

const removeRoute = createRoute({
  method: 'delete',
  path: '/resource-mapping/{id}',
  tags,
  summary: 'Remove a room; its events and reservations stay',
  request: { params },
  responses: answers('The row that was removed.', one, [404]),
});

export function resourceMappingRoutes({ roomList }: ResourceMappingParts) {
  const routes = newRoutes();
  for (const method of ['put', 'patch'] as const)
    routes.openapi(changeRoute(method), async (c) => {
      const { id } = c.req.valid('param');
      const changes = c.req.valid('json');
      // otherwise a mistyped field would seem to have been changed
      if (Object.values(changes).every((value) => value === undefined)) throw nothingGiven();
      const found = await roomList.change(id, changes);
      if (found === null) throw unknown(id);
      return c.json(answer('Resource mapping updated successfully', found), 200);
    });
  return routes
    .openapi(listRoute, async (c) => {
      const mappings = await roomList.list(c.req.valid('query').resource_id ?? null);
      return c.json({ success: true as const, count: mappings.length, mappings }, 200);
    })
    .openapi(addRoute, async (c) => {
      const body = c.req.valid('json');
      // a missing body passes the validator
      if (body.resource_id === undefined) throw missing('resource_id');
      const { mapping: row, added: isNew } = await roomList.add(body);
      return isNew
        ? c.json(answer('Resource mapping created successfully', row), 201)
        : c.json(answer('Resource mapping is there already', row), 200);
    })
    .openapi(findRoute, async (c) => {
      const { id } = c.req.valid('param');
      const found = await roomList.find(id);
      if (found === null) throw unknown(id);
      return c.json({ success: true as const, mapping: found }, 200);
    })
    .openapi(removeRoute, async (c) => {
      const { id } = c.req.valid('param');
      const found = await roomList.remove(id);
      if (found === null) throw unknown(id);
      return c.json(answer('Resource mapping removed; its events stay', found), 200);
    });
}

const answer = (message: string, row: z.input<typeof mapping>) => ({
  success: true as const,
  message,
  mapping_id: row.id,
  mapping: row,
});

const unknown = (id: number) =>
  new Problem(404, `There is no resource mapping ${id}.`, 'GET /resource-mapping lists them with their ids.');

const nothingGiven = () =>
  new Invalid(
    'body',
    'body: it has no field to change',
    `Send at least one of ${Object.keys(fields).join(', ')}, as JSON.`,
  );

const missing = (field: string) =>
  new Invalid(field, `${field}: is missing`, 'The body needs resource_id and outlook_item_id, as JSON.');
