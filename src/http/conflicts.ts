/** What waits for a person because the two sides disagree, side by side, and the person's choice. */
import { createRoute, z } from '@hono/zod-openapi';
import { effectsOf } from '../sync/manual/conflict-effects.ts';
import type { Conflicts, OpenConflict } from '../sync/manual/conflicts.ts';
import { fieldNames } from '../sync/plan/plan-words.ts';
import { Problem } from './problem.ts';
import { answers, instant, limit, mappingId, newRoutes } from './schema.ts';
import { shownItem, shownSide } from './sides.ts';
import { detailSchema, detailOf } from './synced.ts';

export interface ConflictParts {
  readonly conflicts: Conflicts;
  readonly stopping: AbortSignal;
}

const tags = ['Conflicts'];

const conflictSchema = z
  .object({
    id: z.number().int(),
    reservation_type: z.string().nullable(),
    reservation_id: z.number().int().nullable(),
    resource_id: z.number().int(),
    room: z.string(),
    outlook_event_id: z.string().nullable(),
    kind: z.string().openapi({
      description:
        'fields: both sides changed them; deleted: deleted in Outlook, changed in the booking system; overlap: an event ' +
        'on a reserved time; moved: the booking system moved away from somebody else’s meeting; refused: the booking ' +
        'system cannot take the change; rejected: Outlook cannot take it; orphan: marks of a reservation that is not there; ' +
        'free: somebody else’s meeting is shown as free',
    }),
    message: z.string().nullable(),
    hint: z.string().nullable(),
    since: instant,
    is_organizer: z
      .boolean()
      .openapi({ description: 'The room organises the event; false: it was invited.' }),
    version: z.string().openapi({ description: 'Another one once either side shows something else.' }),
    effects: z
      .object({
        booking: z.string(),
        outlook: z.string(),
        loses: z.enum(['booking', 'outlook']).nullable(),
      })
      .openapi({
        description: 'What is done when a side is kept; `loses`: the choice that takes something away.',
      }),
    fields: z.array(z.string()).openapi({ description: 'What both sides changed to different things.' }),
    booking: shownItem,
    outlook: shownItem,
  })
  .openapi('Conflict');

const listRoute = createRoute({
  method: 'get',
  path: '/conflicts',
  tags,
  summary: 'What waits for a person, both sides side by side',
  request: { query: z.object({ limit: limit(100) }) },
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
          schema: z.object({
            keep: z.enum(['booking', 'outlook'], {
              error: ({ input }) => `'${String(input).slice(0, 60)}' is neither booking nor outlook`,
            }),
            version: z.string().max(64).optional().openapi({
              description: 'Of the conflict as it was seen: 409 if it is another one by now.',
            }),
          }),
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

export function conflictRoutes({ conflicts, stopping }: ConflictParts) {
  return newRoutes()
    .openapi(listRoute, async (c) => {
      const open = await conflicts.list(c.req.valid('query').limit);
      return c.json({ success: true as const, count: open.length, conflicts: open.map(printed) }, 200);
    })
    .openapi(resolveRoute, async (c) => {
      const { id } = c.req.valid('param');
      const { keep, version = null } = c.req.valid('json');
      const resolved = await conflicts.resolve(
        id,
        keep,
        version,
        AbortSignal.any([c.req.raw.signal, stopping]),
      );
      if (resolved === null)
        throw new Problem(404, `There is no open conflict ${id}.`, 'GET /conflicts lists the open ones.');
      if (resolved === 'changed')
        throw new Problem(
          409,
          `Conflict ${id} is about something else by now, and nothing was done.`,
          'GET /conflicts shows it as it is; choose again.',
        );
      const { outcome } = resolved;
      const message =
        outcome.action === 'held' || outcome.action === 'error'
          ? `It is still open: ${outcome.error ?? 'the other side cannot take it.'}`
          : outcome.action === 'pending'
            ? 'Chosen; it is carried out as soon as its room can be worked on'
            : `Kept what ${keep === 'booking' ? 'the booking system' : 'Outlook'} shows`;
      return c.json(
        { success: true as const, message, conflict: printed(resolved.conflict), result: detailOf(outcome) },
        200,
      );
    });
}

const printed = (conflict: OpenConflict): z.input<typeof conflictSchema> => ({
  ...conflict,
  effects: effectsOf(conflict),
  fields: fieldNames(conflict.fields),
  booking: shownSide(conflict.booking),
  outlook: shownSide(conflict.outlook),
});
