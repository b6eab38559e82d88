/** The rooms: their state, removals held by the brake, and actions: pause, resume, claim, resync, settings. */
import { createRoute, z } from '@hono/zod-openapi';
import type { Alerts } from '../ops/alerts.ts';
import type { createHeldRemovals } from '../sync/manual/held-removals.ts';
import type { Manual } from '../sync/manual/manual.ts';
import type { createRoomReports, RoomReport } from '../sync/report/room-reports.ts';
import type { createRoomSwitch } from '../sync/manual/room-list.ts';
import { noRoom, Problem } from './problem.ts';
import { noSetting, ownSettings, settingFields } from './room-settings.ts';
import { answeredId, answers, instant, instantOrNull, newRoutes, resourceId, json } from './schema.ts';
import { resultsSchema, summarise } from './synced.ts';

export interface RoomParts {
  readonly rooms: ReturnType<typeof createRoomReports>;
  readonly held: ReturnType<typeof createHeldRemovals>;
  readonly roomSwitch: ReturnType<typeof createRoomSwitch>;
  readonly claims: { readonly takeOver: (resource: number) => Promise<string | null> };
  readonly manual: Pick<Manual, 'populate'>;
  readonly alerts: Pick<Alerts, 'check'>;
  /** Aborts when the daemon stops, so that no request is kept waiting. */
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
        'ok, waiting (back-off after a failure), refused (a person must act), held (by the brake, or because of another claim), off (not active)',
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
    last_sync_at: instantOrNull.openapi({ description: 'The time of its last synced change.' }),
    pull_due_at: instantOrNull.openapi({ description: 'The time of the next delta round.' }),
    subscription_expires_at: instantOrNull.openapi({
      description: 'Null: no subscription, the room is polled.',
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
      .openapi({ description: 'Reservations that could not be synced (sync_status error).' }),
    conflicts: z.number().int().openapi({ description: 'Open conflicts: GET /conflicts.' }),
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
  .openapi({ description: 'Only these mappings; default: all that are held now.' });
const body = { content: json(chosen) };

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
  summary: 'One room, with its removals held by the brake',
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
  summary: 'Release the removals held by the brake; each is verified first',
  request: { params, body },
  responses: answers(
    'The result for each item.',
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
  summary: 'Refuse the removals held by the brake',
  request: { params, body },
  responses: answers(
    'The number of refused removals.',
    z.object({ success: z.literal(true), message: z.string(), count: z.number().int() }),
    [404, 413, 415],
  ),
});

const switched = z.object({ success: z.literal(true), message: z.string(), room });

const pauseRoute = createRoute({
  method: 'post',
  path: '/rooms/{resource}/pause',
  tags,
  summary: 'Pause a room: nothing is sent for it, its events and reservations stay',
  request: { params },
  responses: answers('The room, which is off.', switched, [404]),
});

const resumeRoute = createRoute({
  method: 'post',
  path: '/rooms/{resource}/resume',
  tags,
  summary: 'Resume a room: both sides are compared, then it is synced',
  request: { params },
  responses: answers('The room, which is on.', switched, [404, 409]),
});

const claimRoute = createRoute({
  method: 'post',
  path: '/rooms/{resource}/claim',
  tags,
  summary: 'Take over a room with the claim of another installation or resource',
  request: { params },
  responses: answers('The room; both sides are compared, and our claim is written.', switched, [404, 409]),
});

const settingsRoute = createRoute({
  method: 'patch',
  path: '/rooms/{resource}',
  tags,
  summary: 'Change the settings of a room, effective at once; null: the environment’s value',
  request: {
    params,
    body: { content: json(z.strictObject(settingFields).partial()) },
  },
  responses: answers('The room.', switched, [404, 413, 415]),
});

const resyncRoute = createRoute({
  method: 'post',
  path: '/rooms/{resource}/resync',
  tags,
  summary: 'Compare both sides of a room again and sync the differences',
  request: { params },
  responses: answers(
    'The room; work not finished within 20 s continues in the background.',
    switched,
    [404, 422],
  ),
});

export function roomRoutes(parts: RoomParts) {
  const { rooms, held: brake, roomSwitch, claims, manual, alerts, stopping } = parts;
  async function find(resource: number): Promise<RoomReport> {
    const found = await rooms.find(resource);
    if (found === null) throw noRoom(resource);
    return found;
  }
  /** Closes the alert after a decision about the brake. If this fails, the scheduled check of the alerts closes it. */
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
          'GET /rooms has the reason why a room is held.',
        );
      await closeAlert();
      return c.json({ success: true as const, message: 'Taken over', room: await find(resource) }, 200);
    })
    .openapi(resyncRoute, async (c) => {
      const { resource } = c.req.valid('param');
      await find(resource);
      const compared = await manual.populate(resource, AbortSignal.any([c.req.raw.signal, stopping]));
      if (compared === null)
        throw new Problem(
          422,
          `Resource ${resource} is paused.`,
          'Resume it; that compares both sides as well.',
        );
      const message = compared.reconciled === 0 ? 'The comparison follows' : 'Both sides were compared';
      return c.json({ success: true as const, message, room: await find(resource) }, 200);
    });
}
