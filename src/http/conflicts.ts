/** Conflicts with both versions, and a person's choice. */
import { createRoute, z } from '@hono/zod-openapi';
import { effectsOf } from '../sync/manual/conflict-effects.ts';
import type { Conflicts, OpenConflict, Resolved } from '../sync/manual/conflicts.ts';
import { fieldNames } from '../sync/plan/plan-words.ts';
import { Problem } from './problem.ts';
import {
  answeredId,
  answers,
  bodyId,
  instant,
  limit,
  mappingId,
  newRoutes,
  resourceId,
  text,
  json,
} from './schema.ts';
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
  description:
    'The version of the conflict that was read; 409 if it has changed. Without it, 409 only if the other side was chosen meanwhile.',
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
        'at a reserved time; moved: the booking system moved the reservation away from another person’s meeting, or a deleted event ' +
        'was restored when its reservation had another one; refused: the ' +
        'booking system refuses the change; rejected: Outlook refuses it; orphan: an event with the extended properties of a ' +
        'reservation that is gone, or that is not known to be its own; free: another person’s meeting is shown as free',
    }),
    message: z.string().nullable(),
    hint: z.string().nullable(),
    since: instant,
    organizer: z.string().nullable().openapi({ description: 'As in the booking system.' }),
    outlook_organizer: z.string().nullable().openapi({ description: 'The organiser of the meeting.' }),
    is_organizer: z.boolean().openapi({ description: 'The room is the organiser; false: it was invited.' }),
    version: z
      .string()
      .openapi({ description: 'Changes whenever either side changes, or a side is chosen.' }),
    chosen: z.enum(['booking', 'outlook']).nullable().openapi({
      description: 'The side that a person chose to keep, until it is carried out.',
    }),
    effects: z
      .object({
        booking: z.string(),
        outlook: z.string(),
        loses: z.enum(['booking', 'outlook']).nullable(),
        mail: z.object({ booking: z.string().nullable(), outlook: z.string().nullable() }),
      })
      .openapi({
        description:
          'The effect of each choice; `loses`: the choice removes something; `mail`: the recipient of mail from Exchange, null: none.',
      }),
    fields: z.array(z.string()).openapi({ description: 'The fields that both sides changed differently.' }),
    booking: shownItem,
    outlook: shownItem,
    taken_by: z.string().nullable().openapi({
      description:
        'For a refused change: the title of the reservation that has the time; null if it is private.',
    }),
  })
  .openapi('Conflict');

const listRoute = createRoute({
  method: 'get',
  path: '/conflicts',
  tags,
  summary: 'Open conflicts with both versions',
  request: {
    query: z.object({
      limit: limit(100),
      resource_id: resourceId.optional(),
      kind: z.enum(kinds).optional(),
      q: text(200).optional().openapi({
        description: 'Part of a title, or of the name of the organiser or the room.',
      }),
    }),
  },
  responses: answers(
    'Open conflicts, soonest first.',
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
      content: json(z.object({ keep, version })),
    },
  },
  responses: answers(
    'The action taken.',
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
      content: json(
        z.object({
          keep,
          conflicts: z
            .array(z.object({ id: bodyId, version }))
            .min(1)
            .max(mostAtOnce),
        }),
      ),
    },
  },
  responses: answers(
    'The result for each; `gone` and `changed` ones were not touched.',
    z.object({
      success: z.literal(true),
      message: z.string(),
      count: z.number().int().openapi({ description: 'The number of resolved conflicts.' }),
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
          : ` ${results.length - count} were not touched because they have changed or are gone.`;
      const message = `Kept the version of ${side === 'booking' ? 'the booking system' : 'Outlook'} in ${count}.${left}`;
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
        throw new Problem(409, message, 'GET /conflicts shows its current state; choose again.');
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
  if (resolved.state === 'changed') return `Conflict ${resolved.id} has changed, and nothing was done.`;
  const { action, error } = resolved.outcome;
  if (action === 'held' || action === 'error')
    return `It is still open: ${error ?? 'the other side refuses it.'}`;
  if (action === 'pending') return 'Chosen; it is carried out as soon as its room can be worked on';
  return `Kept the version of ${side === 'booking' ? 'the booking system' : 'Outlook'}`;
}

const printed = (conflict: OpenConflict): z.input<typeof conflictSchema> => ({
  ...conflict,
  effects: effectsOf(conflict),
  fields: fieldNames(conflict.fields),
  booking: shownSide(conflict.booking),
  outlook: shownSide(conflict.outlook),
});
