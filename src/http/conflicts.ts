/** What waits for a person because the two sides disagree, side by side, and the person's choice. */
import { createRoute, z } from '@hono/zod-openapi';
import { effectsOf } from '../sync/manual/conflict-effects.ts';
import type { Conflicts, OpenConflict, Resolved } from '../sync/manual/conflicts.ts';
import { fieldNames } from '../sync/plan/plan-words.ts';
import { Problem } from './problem.ts';
import { answeredId, answers, bodyId, instant, limit, mappingId, newRoutes, resourceId } from './schema.ts';
import { shownItem, shownSide } from './sides.ts';
import { detailSchema, detailOf } from './synced.ts';

export interface ConflictParts {
  readonly conflicts: Conflicts;
  readonly stopping: AbortSignal;
}

const tags = ['Conflicts'];

const kinds = ['fields', 'deleted', 'overlap', 'moved', 'refused', 'rejected', 'orphan', 'free'] as const;
const keep = z.enum(['booking', 'outlook'], {
  error: ({ input }) => `'${String(input).slice(0, 60)}' is neither booking nor outlook`,
});
const version = z.string().max(64).optional().openapi({
  description: 'Of the conflict as it was seen: 409 if it is another one by now.',
});
const mostAtOnce = 100;

const conflictSchema = z
  .object({
    id: z.number().int(),
    reservation_type: z.string().nullable(),
    reservation_id: answeredId.nullable(),
    resource_id: z.number().int(),
    room: z.string(),
    outlook_event_id: z.string().nullable(),
    kind: z.string().openapi({
      description:
        'fields: both sides changed them; deleted: deleted in Outlook, changed in the booking system; overlap: an event ' +
        'on a reserved time; moved: the booking system moved away from somebody else’s meeting; refused: the booking ' +
        'system cannot take the change; rejected: Outlook cannot take it; orphan: the extended properties of a reservation that is not there; ' +
        'free: somebody else’s meeting is shown as free',
    }),
    message: z.string().nullable(),
    hint: z.string().nullable(),
    since: instant,
    organizer: z.string().nullable().openapi({ description: 'As the booking system knows it.' }),
    outlook_organizer: z.string().nullable().openapi({ description: 'Who invited the room.' }),
    is_organizer: z
      .boolean()
      .openapi({ description: 'The room organises the event; false: it was invited.' }),
    version: z.string().openapi({ description: 'Another one once either side shows something else.' }),
    effects: z
      .object({
        booking: z.string(),
        outlook: z.string(),
        loses: z.enum(['booking', 'outlook']).nullable(),
        mail: z.object({ booking: z.string().nullable(), outlook: z.string().nullable() }),
      })
      .openapi({
        description:
          'What is done when a side is kept; `loses`: the choice that takes something away; `mail`: to whom Exchange sends mail then, null: to nobody.',
      }),
    fields: z.array(z.string()).openapi({ description: 'What both sides changed to different things.' }),
    booking: shownItem,
    outlook: shownItem,
    taken_by: z.string().nullable().openapi({
      description:
        'Of a refused change: the title of what has the time in the booking system; null where it is private.',
    }),
  })
  .openapi('Conflict');

const listRoute = createRoute({
  method: 'get',
  path: '/conflicts',
  tags,
  summary: 'What waits for a person, both sides side by side',
  request: {
    query: z.object({
      limit: limit(100),
      resource_id: resourceId.optional(),
      kind: z.enum(kinds).optional(),
      q: z.string().max(200).optional().openapi({
        description: 'Stands in a title, or in the name of the organiser or the room.',
      }),
    }),
  },
  responses: answers(
    'Open conflicts, the soonest to take place first.',
    z.object({ success: z.literal(true), count: z.number().int(), conflicts: z.array(conflictSchema) }),
  ),
});

const resolveRoute = createRoute({
  method: 'post',
  path: '/conflicts/{id}/resolve',
  tags,
  summary: 'Keep one side of a conflict',
  request: {
    params: z.object({ id: mappingId }),
    body: {
      required: true,
      content: {
        'application/json': {
          schema: z.object({ keep, version }),
        },
      },
    },
  },
  responses: answers(
    'What was done.',
    z.object({
      success: z.literal(true),
      message: z.string(),
      conflict: conflictSchema,
      result: detailSchema,
    }),
    [404, 409],
  ),
});

const resolveManyRoute = createRoute({
  method: 'post',
  path: '/conflicts/resolve',
  tags,
  summary: 'Keep one side of many conflicts',
  request: {
    body: {
      required: true,
      content: {
        'application/json': {
          schema: z.object({
            keep,
            conflicts: z
              .array(z.object({ id: bodyId, version }))
              .min(1)
              .max(mostAtOnce),
          }),
        },
      },
    },
  },
  responses: answers(
    'What was done with each; `gone` and `changed` were left alone.',
    z.object({
      success: z.literal(true),
      message: z.string(),
      count: z.number().int().openapi({ description: 'How many were chosen.' }),
      results: z.array(
        z.object({
          id: z.number().int(),
          state: z.enum(['chosen', 'gone', 'changed']),
          message: z.string(),
          result: z.union([detailSchema, z.null()]),
        }),
      ),
    }),
  ),
});

export function conflictRoutes({ conflicts, stopping }: ConflictParts) {
  return newRoutes()
    .openapi(listRoute, async (c) => {
      const { limit: most, resource_id: resource = null, kind = null, q = null } = c.req.valid('query');
      const open = await conflicts.list(most, { resourceId: resource, kind, text: q });
      return c.json({ success: true as const, count: open.length, conflicts: open.map(printed) }, 200);
    })
    .openapi(resolveManyRoute, async (c) => {
      const { keep: side, conflicts: chosen } = c.req.valid('json');
      const ids = new Map(chosen.map(({ id, version: seen = null }) => [id, { id, version: seen }]));
      const signal = AbortSignal.any([c.req.raw.signal, stopping]);
      const resolved = await conflicts.resolve([...ids.values()], side, signal);
      const results = resolved.map((one) => ({
        id: one.id,
        state: one.state,
        message: messageOf(one, side),
        result: one.state === 'chosen' ? detailOf(one.outcome) : null,
      }));
      const count = results.filter(({ state }) => state === 'chosen').length;
      const left =
        count === results.length
          ? ''
          : ` ${results.length - count} were left alone: they are others by now, or gone.`;
      const message = `Kept what ${side === 'booking' ? 'the booking system' : 'Outlook'} shows of ${count}.${left}`;
      return c.json({ success: true as const, message, count, results }, 200);
    })
    .openapi(resolveRoute, async (c) => {
      const { id } = c.req.valid('param');
      const { keep: side, version: seen = null } = c.req.valid('json');
      const signal = AbortSignal.any([c.req.raw.signal, stopping]);
      const [resolved] = await conflicts.resolve([{ id, version: seen }], side, signal);
      if (resolved === undefined || resolved.state === 'gone')
        throw new Problem(404, `There is no open conflict ${id}.`, 'GET /conflicts lists the open ones.');
      const message = messageOf(resolved, side);
      if (resolved.state === 'changed')
        throw new Problem(409, message, 'GET /conflicts shows it as it is; choose again.');
      return c.json(
        {
          success: true as const,
          message,
          conflict: printed(resolved.conflict),
          result: detailOf(resolved.outcome),
        },
        200,
      );
    });
}

function messageOf(resolved: Resolved, side: 'booking' | 'outlook'): string {
  if (resolved.state === 'gone') return `There is no open conflict ${resolved.id}.`;
  if (resolved.state === 'changed')
    return `Conflict ${resolved.id} is about something else by now, and nothing was done.`;
  const { action, error } = resolved.outcome;
  if (action === 'held' || action === 'error')
    return `It is still open: ${error ?? 'the other side cannot take it.'}`;
  if (action === 'pending') return 'Chosen; it is carried out as soon as its room can be worked on';
  return `Kept what ${side === 'booking' ? 'the booking system' : 'Outlook'} shows`;
}

const printed = (conflict: OpenConflict): z.input<typeof conflictSchema> => ({
  ...conflict,
  effects: effectsOf(conflict),
  fields: fieldNames(conflict.fields),
  booking: shownSide(conflict.booking),
  outlook: shownSide(conflict.outlook),
});
