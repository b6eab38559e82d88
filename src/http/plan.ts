/** The plan by room, and its confirmation (START_MODE=plan). */
import { createRoute, z } from '@hono/zod-openapi';
import type { Planner } from '../sync/plan/plan.ts';
import { planKinds } from '../sync/plan/plan-words.ts';
import type { Start } from '../sync/worker/start-mode.ts';
import { Problem } from './problem.ts';
import { answeredId, answers, instant, instantOrNull, limit, newRoutes, resourceId, json } from './schema.ts';

export interface PlanParts {
  readonly planner: Planner;
  readonly start: Start;
  /** Aborts when the daemon stops, so that no request is kept waiting. */
  readonly stopping: AbortSignal;
}

/** Rooms not reached within this time are listed as unread. */
const withinMs = 20_000;

const tags = ['Plan'];
const whole = z.number().int();
const counts = z
  .object(
    Object.fromEntries(planKinds.map((kind) => [kind, whole])) as Record<
      (typeof planKinds)[number],
      typeof whole
    >,
  )
  .openapi('PlanCounts');

const item = z
  .object({
    action: z.enum(planKinds).openapi({
      description:
        'create, change, delete: an event in Outlook; decline: another person’s meeting; import, change-booking, cancel-booking: a reservation; adopt: an existing event is matched; conflict: a person has to decide; waiting: no action until a person requests it',
    }),
    title: z.string().nullable(),
    starts_at: instantOrNull,
    ends_at: instantOrNull,
    reservation_type: z.string().nullable(),
    reservation_id: answeredId.nullable().openapi({ description: 'Null: no reservation yet.' }),
    outlook_event_id: z.string().nullable(),
    fields: z.array(z.string()).openapi({ description: 'The fields that would change.' }),
    why: z.string(),
    held: z.boolean().openapi({ description: 'The brake would hold it until a person decides.' }),
  })
  .openapi('PlannedItem');

const room = z
  .object({
    resource_id: whole,
    room: z.string(),
    outlook_item_id: z.string(),
    sync_direction: z.enum(['both', 'booking_to_outlook', 'outlook_to_booking']),
    settings: z.array(z.string()).openapi({ description: 'The room’s own settings, as name=value.' }),
    state: z.enum(['planned', 'busy', 'failed', 'unread']).openapi({
      description:
        'busy: a daemon works on it now; failed: it could not be read (see error); unread: not reached within 20 s',
    }),
    error: z.string().nullable(),
    hint: z.string().nullable(),
    counts,
    equal: whole.openapi({ description: 'Reservations that are equal on both sides.' }),
    held: whole,
    items: z.array(item).openapi({ description: 'The first `limit` items, soonest first.' }),
  })
  .openapi('RoomPlan');

const start = z
  .object({
    mode: z.enum(['sync', 'plan', 'shadow']),
    writes: z.boolean().openapi({ description: 'Whether writes are allowed.' }),
    confirmed_at: instantOrNull.openapi({ description: 'When the plan was confirmed (START_MODE=plan).' }),
    hold: z
      .object({
        reason: z.enum(['database', 'set-back']).openapi({
          description:
            'database: the installation was confirmed for another database; set-back: a mailbox carries a newer claim of ours',
        }),
        why: z.string(),
        hint: z.string(),
      })
      .nullable()
      .openapi({ description: 'Why nothing is written until a person confirms, independent of START_MODE.' }),
  })
  .openapi('Start');

/** The same in /stats, for the dashboard. */
export const startSchema = start;
export async function readStart(from: Pick<Start, 'read'>): Promise<z.input<typeof start>> {
  const { mode, writes, confirmedAt, hold } = await from.read();
  return { mode, writes, confirmed_at: confirmedAt, hold };
}

const planRoute = createRoute({
  method: 'get',
  path: '/plan',
  tags,
  summary: 'What a sync would do, without writing',
  request: { query: z.object({ resource_id: resourceId.optional(), limit: limit(100) }) },
  responses: answers(
    'The planned creates, changes, imports, cancellations, deletions, declines, matches and conflicts.',
    z.object({
      success: z.literal(true),
      start,
      complete: z.boolean().openapi({ description: 'Every room was read.' }),
      differs: z.boolean().openapi({ description: 'The plan is not empty.' }),
      counts,
      equal: whole,
      held: whole,
      count: whole.openapi({ description: 'Rooms.' }),
      rooms: z.array(room),
    }),
    [404],
  ),
});

const confirmRoute = createRoute({
  method: 'post',
  path: '/plan/confirm',
  tags,
  summary: 'Confirm the plan: start a daemon with START_MODE=plan or with a held database',
  request: {
    body: {
      content: json(
        z.object({
          as: z.enum(['same', 'copy']).optional().openapi({
            description:
              'The nature of a held database. same: the same installation, moved or restored; it keeps its rooms. copy: another installation; rooms claimed by the original stay held until a person takes each over. Default: copy for another database, same for a restored one.',
          }),
        }),
      ),
    },
  },
  responses: answers(
    'Confirmed permanently: a restart continues to sync.',
    z.object({
      success: z.literal(true),
      message: z.string(),
      confirmed_at: instant,
      already: z.boolean(),
    }),
    [409, 413, 415],
  ),
});

export function planRoutes({ planner, start: begins, stopping }: PlanParts) {
  return newRoutes()
    .openapi(planRoute, async (c) => {
      const { resource_id: resource = null, limit: itemsMost } = c.req.valid('query');
      const signal = AbortSignal.any([c.req.raw.signal, stopping]);
      const plan = await planner.plan({ resourceId: resource, itemsMost, withinMs }, signal);
      if (plan === null)
        throw new Problem(
          404,
          `Resource ${resource} is not mapped to an active room.`,
          'GET /rooms lists the mapped resources.',
        );
      return c.json({ success: true as const, start: await readStart(begins), ...plan }, 200);
    })
    .openapi(confirmRoute, async (c) => {
      const { mode, hold } = await begins.read();
      if (mode !== 'plan')
        throw new Problem(
          409,
          `There is nothing to confirm: START_MODE is ${mode}.`,
          mode === 'shadow'
            ? 'Nothing is ever written so; set START_MODE=plan or sync and restart.'
            : 'Both sides are kept equal already.',
        );
      const { as = null } = c.req.valid('json');
      if (hold === null && as !== null)
        throw new Problem(409, 'Nothing is held that as could be said of.', 'Leave as out.');
      const { at, before } = await begins.confirm(as);
      const message = before
        ? 'It was confirmed already'
        : 'Confirmed; all daemons of this database start within a second';
      return c.json({ success: true as const, message, confirmed_at: at, already: before }, 200);
    });
}
