/** The rooms: how each stands, what the brake holds there, and switching one off, on, or to a fresh comparison. */
import { createRoute, z } from '@hono/zod-openapi';
import type { Alerts } from '../ops/alerts.ts';
import type { createHeldRemovals } from '../sync/manual/held-removals.ts';
import type { Manual } from '../sync/manual/manual.ts';
import type { createRoomReports, RoomReport } from '../sync/report/room-reports.ts';
import type { createRoomSwitch } from '../sync/manual/room-switch.ts';
import { Problem } from './problem.ts';
import { noRoom } from './room-problem.ts';
import { noSetting, ownSettings, settingFields } from './room-settings.ts';
import { answeredId, answers, instant, instantOrNull, newRoutes, resourceId } from './schema.ts';
import { resultsSchema, summarise } from './synced.ts';

export interface RoomParts {
  readonly rooms: ReturnType<typeof createRoomReports>;
  readonly held: ReturnType<typeof createHeldRemovals>;
  readonly roomSwitch: ReturnType<typeof createRoomSwitch>;
  readonly claims: { readonly takeOver: (resource: number) => Promise<string | null> };
  readonly manual: Pick<Manual, 'populate'>;
  readonly alerts: Pick<Alerts, 'check'>;
  /** Aborts when we are stopping: nobody is kept waiting then. */
  readonly stopping: AbortSignal;
}

const tags = ['Rooms'];

const room = z
  .object({
    id: z.number().int(),
    resource_id: z.number().int(),
    outlook_item_id: z.string(),
    outlook_item_name: z.string().nullable(),
    active: z.number().int(),
    sync_direction: z.string(),
    ...ownSettings,
    health: z.string().openapi({
      description:
        'ok, waiting (rests after a failure), refused (a person must act), held (by the brake, or for the claim of somebody else), off (not active)',
    }),
    error: z.string().nullable(),
    hint: z.string().nullable(),
    working: z.boolean(),
    due: z.number().int(),
    lag_ms: z.number().openapi({ description: 'Age of the oldest change that is not in Outlook yet.' }),
    due_at: instantOrNull,
    retry_at: instantOrNull,
    throttled_until: instantOrNull,
    baselined_at: instantOrNull,
    reconciled_at: instantOrNull,
    last_sync_at: instantOrNull.openapi({ description: 'When something of it was last brought over.' }),
    pull_due_at: instantOrNull.openapi({ description: 'When Outlook is asked next what changed there.' }),
    subscription_expires_at: instantOrNull.openapi({
      description: 'Null: Outlook does not tell us, we ask.',
    }),
    backfill: z.object({ total: z.number().int(), done: z.number().int() }),
    held: z.number().int(),
    claimed_by: z.string().nullable().openapi({
      description:
        "The claim of another installation or resource in the mailbox' calendar, for which the room is held.",
    }),
    failed: z
      .number()
      .int()
      .openapi({ description: 'Reservations that could not be brought over (sync_status error).' }),
    conflicts: z
      .number()
      .int()
      .openapi({ description: 'What waits for a person to choose a side: GET /conflicts.' }),
  })
  .openapi('Room');

const held = z
  .object({
    mapping_id: z.number().int(),
    reservation_type: z.string(),
    reservation_id: answeredId,
    outlook_event_id: z.string(),
    side: z.enum(['outlook', 'booking']).openapi({
      description: 'outlook: its event would be deleted; booking: the reservation would be cancelled',
    }),
    title: z.string().nullable(),
    starts_at: instantOrNull,
    ends_at: instantOrNull,
    wanted_at: instant,
  })
  .openapi('HeldRemoval');

const params = z.object({ resource: resourceId });
const chosen = z
  .object({ mappings: z.array(z.number().int().nonnegative()).max(10_000).optional() })
  .openapi({ description: 'Only these mappings; without it all that are held now.' });
const body = { content: { 'application/json': { schema: chosen } } };

const listRoute = createRoute({
  method: 'get',
  path: '/rooms',
  tags,
  summary: 'All rooms',
  responses: answers(
    'The rooms, active ones first.',
    z.object({ success: z.literal(true), count: z.number().int(), rooms: z.array(room) }),
  ),
});

const roomRoute = createRoute({
  method: 'get',
  path: '/rooms/{resource}',
  tags,
  summary: 'One room, with what the brake holds there',
  request: { params },
  responses: answers(
    'The room.',
    z.object({ success: z.literal(true), room, removals: z.array(held) }),
    [404],
  ),
});

const releaseRoute = createRoute({
  method: 'post',
  path: '/rooms/{resource}/brake/release',
  tags,
  summary: 'Take away what the brake holds, each looked at again first',
  request: { params, body },
  responses: answers(
    'What became of each.',
    z.object({
      success: z.literal(true),
      message: z.string(),
      count: z.number().int(),
      results: resultsSchema,
    }),
    [404, 413, 415],
  ),
});

const refuseRoute = createRoute({
  method: 'post',
  path: '/rooms/{resource}/brake/refuse',
  tags,
  summary: 'Keep what the brake holds',
  request: { params, body },
  responses: answers(
    'How many were kept.',
    z.object({ success: z.literal(true), message: z.string(), count: z.number().int() }),
    [404, 413, 415],
  ),
});

const switched = z.object({ success: z.literal(true), message: z.string(), room });

const pauseRoute = createRoute({
  method: 'post',
  path: '/rooms/{resource}/pause',
  tags,
  summary: 'Switch a room off: nothing is sent for it, its events and reservations stay',
  request: { params },
  responses: answers('The room, which is off.', switched, [404]),
});

const resumeRoute = createRoute({
  method: 'post',
  path: '/rooms/{resource}/resume',
  tags,
  summary: 'Switch a room on: both sides are compared, then it goes on',
  request: { params },
  responses: answers('The room, which is on.', switched, [404, 409]),
});

const claimRoute = createRoute({
  method: 'post',
  path: '/rooms/{resource}/claim',
  tags,
  summary: "Take a room over whose mailbox carries another installation's or resource's claim",
  request: { params },
  responses: answers(
    'The room; both sides are compared, and a claim of ours is written.',
    switched,
    [404, 409],
  ),
});

const settingsRoute = createRoute({
  method: 'patch',
  path: '/rooms/{resource}',
  tags,
  summary:
    'Set what a room does differently from the others; null: as the environment says. It takes effect at once',
  request: {
    params,
    body: { content: { 'application/json': { schema: z.strictObject(settingFields).partial() } } },
  },
  responses: answers('The room.', switched, [404, 413, 415]),
});

const resyncRoute = createRoute({
  method: 'post',
  path: '/rooms/{resource}/resync',
  tags,
  summary: 'Compare a room with both sides again, and make what is missing',
  request: { params },
  responses: answers('The room; what is not done within 20 s follows by itself.', switched, [404, 422]),
});

export function roomRoutes(parts: RoomParts) {
  const { rooms, held: brake, roomSwitch, claims, manual, alerts, stopping } = parts;
  async function find(resource: number): Promise<RoomReport> {
    const found = await rooms.find(resource);
    if (found === null) throw noRoom(resource);
    return found;
  }
  /** Who has answered the brake is not shown its alert any more. What fails here, the schedule of the alerts makes up for. */
  const closeAlert = () => alerts.check().catch(() => null);
  return newRoutes()
    .openapi(listRoute, async (c) => {
      const all = await rooms.list();
      return c.json({ success: true as const, count: all.length, rooms: all }, 200);
    })
    .openapi(roomRoute, async (c) => {
      const { resource } = c.req.valid('param');
      const [found, removals] = await Promise.all([find(resource), brake.list(resource)]);
      return c.json({ success: true as const, room: found, removals }, 200);
    })
    .openapi(releaseRoute, async (c) => {
      const { resource } = c.req.valid('param');
      await find(resource);
      const choice = { resourceId: resource, mappings: c.req.valid('json').mappings ?? null };
      const outcomes = await brake.release(choice, AbortSignal.any([c.req.raw.signal, stopping]));
      await closeAlert();
      const message = `Released ${outcomes.length} ${outcomes.length === 1 ? 'removal' : 'removals'}`;
      const results = summarise(outcomes);
      return c.json({ success: true as const, message, count: outcomes.length, results }, 200);
    })
    .openapi(refuseRoute, async (c) => {
      const { resource } = c.req.valid('param');
      await find(resource);
      const mappings = c.req.valid('json').mappings ?? null;
      const count = await brake.refuse({ resourceId: resource, mappings });
      await closeAlert();
      return c.json(
        {
          success: true as const,
          message: `Refused ${count} ${count === 1 ? 'removal' : 'removals'}`,
          count,
        },
        200,
      );
    })
    .openapi(pauseRoute, async (c) => {
      const { resource } = c.req.valid('param');
      await find(resource);
      const message = (await roomSwitch.pause(resource)) ? 'Paused' : 'It was paused already';
      return c.json({ success: true as const, message, room: await find(resource) }, 200);
    })
    .openapi(settingsRoute, async (c) => {
      const { resource } = c.req.valid('param');
      await find(resource);
      const settings = c.req.valid('json') ?? {};
      if (Object.values(settings).every((value) => value === undefined)) throw noSetting();
      await roomSwitch.set(resource, settings);
      return c.json({ success: true as const, message: 'Set', room: await find(resource) }, 200);
    })
    .openapi(resumeRoute, async (c) => {
      const { resource } = c.req.valid('param');
      await find(resource);
      const message = (await roomSwitch.resume(resource)) ? 'Resumed' : 'It was not paused';
      return c.json({ success: true as const, message, room: await find(resource) }, 200);
    })
    .openapi(claimRoute, async (c) => {
      const { resource } = c.req.valid('param');
      await find(resource);
      if ((await claims.takeOver(resource)) === null)
        throw new Problem(
          409,
          `Resource ${resource} is not held for a claim.`,
          'GET /rooms says why a room is held.',
        );
      await closeAlert();
      return c.json({ success: true as const, message: 'Taken over', room: await find(resource) }, 200);
    })
    .openapi(resyncRoute, async (c) => {
      const { resource } = c.req.valid('param');
      await find(resource);
      const compared = await manual.populate(resource, AbortSignal.any([c.req.raw.signal, stopping]));
      if (compared === null)
        throw new Problem(422, `Resource ${resource} is paused.`, 'Resume it; that compares both sides too.');
      const message = compared.reconciled === 0 ? 'The comparison follows' : 'Both sides were compared';
      return c.json({ success: true as const, message, room: await find(resource) }, 200);
    });
}
