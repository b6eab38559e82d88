/** Graph subscriptions: list, create, renew, delete. The keeper does the same automatically. */
import { createRoute, z } from '@hono/zod-openapi';
import type { Notifications } from '../sync/webhooks/notifications.ts';
import type { Start } from '../sync/worker/start-mode.ts';
import type { SubscriptionReport, SubscriptionRequests } from '../sync/webhooks/subscription-requests.ts';
import { nearest } from './nearest.ts';
import { Problem } from './problem.ts';
import { answers, instant, instantOrNull, newRoutes, text, json } from './schema.ts';

export interface SubscriptionParts {
  readonly subscriptions: SubscriptionRequests;
  readonly notifications: Pick<Notifications, 'counts'>;
  /** Null: polling. */
  readonly webhookBaseUrl: string | null;
  /** Throws Conflict while subscriptions are not allowed (START_MODE plan or shadow). */
  readonly start: Pick<Start, 'needWrites'>;
  /** Aborts when the daemon stops, so that no request is kept waiting. */
  readonly stopping: AbortSignal;
}

const tags = ['Webhooks'];

const statuses = ['active', 'pending', 'failing', 'expired', 'ending', 'off'] as const;
const subscription = z
  .object({
    id: z.number().int(),
    subscription_id: z.string().nullable().openapi({ description: "Graph's id; null while there is none." }),
    calendar_id: z.string(),
    resource_id: z.number().int().nullable().openapi({ description: 'Null: the room was deleted.' }),
    room: z.string(),
    status: z.enum(statuses).openapi({
      description:
        'active, pending, failing (see error), expired, ending (being deleted in Graph), off (ended by a person)',
    }),
    notification_url: z.string(),
    expires_at: instantOrNull,
    created_at: instant,
    renewed_at: instantOrNull,
    due_at: instantOrNull.openapi({ description: 'The time of the next request to Graph.' }),
    error: z.string().nullable(),
    hint: z.string().nullable(),
  })
  .openapi('Subscription');

const count = z.number().int();
const results = z.object({ total: count, active: count, pending: count, errors: count });
const bulkAnswer = z.object({
  success: z.literal(true),
  message: z.string(),
  count,
  results,
  subscriptions: z.array(subscription),
});

const one = z.object({ success: z.literal(true), message: z.string(), subscription });
const params = z.object({ id: text(200) });

const listRoute = createRoute({
  method: 'get',
  path: '/webhook/subscriptions',
  tags,
  summary: 'The subscriptions',
  responses: answers(
    'By room.',
    z.object({ success: z.literal(true), count, subscriptions: z.array(subscription) }),
  ),
});

const statsRoute = createRoute({
  method: 'get',
  path: '/webhook/stats',
  tags,
  summary: 'Statistics of subscriptions and notifications',
  responses: answers(
    'Subscriptions of all daemons, notifications of this one.',
    z.object({
      success: z.literal(true),
      statistics: z.object({
        mode: z.enum(['webhooks', 'polling']),
        webhook_base_url: z.string().nullable(),
        subscriptions: z.object({
          rooms: count.openapi({ description: 'The number of rooms that should have one.' }),
          by_status: z.record(z.string(), count),
          next_due_at: instantOrNull,
          first_expiry_at: instantOrNull,
        }),
        notifications: z.object({
          since: instant,
          changes: count,
          lifecycle: count,
          rejected: count.openapi({ description: 'Forged: unknown subscription or wrong secret.' }),
          last_at: instantOrNull,
        }),
      }),
    }),
  ),
});

const wish = z.object({
  calendar_id: text(400)
    .trim()
    .min(1, { error: 'is empty: the address of a room mailbox' })
    .openapi({ example: 'room1@company.com', description: 'Address or object id of a mapped room mailbox.' }),
});

const createOneRoute = createRoute({
  method: 'post',
  path: '/webhook/create',
  tags,
  summary: 'Subscribe to the changes of one room',
  request: { body: { required: true, content: json(wish) } },
  responses: answers('The subscription, new or as it was.', one, [404, 409, 413, 415, 422]),
});

const createAllRoute = createRoute({
  method: 'post',
  path: '/webhook/create-subscriptions',
  tags,
  summary: 'Subscribe to the changes of all rooms',
  responses: answers('What there is now.', bulkAnswer.extend({ created: count, existing: count }), [409]),
});

const renewOneRoute = createRoute({
  method: 'post',
  path: '/webhook/renew/{id}',
  tags,
  summary: 'Renew one subscription now',
  request: { params },
  responses: answers('The subscription with its new end.', one, [404, 409, 422]),
});

const renewAllRoute = createRoute({
  method: 'post',
  path: '/webhook/renew-subscriptions',
  tags,
  summary: 'Renew all subscriptions now',
  responses: answers('What became of them.', bulkAnswer.extend({ renewed: count }), [409]),
});

const deleteRoute = createRoute({
  method: 'delete',
  path: '/webhook/delete/{id}',
  tags,
  summary: 'Delete one subscription; its room is polled until /webhook/create',
  request: { params },
  responses: answers('Ended, or being ended.', one, [404, 409]),
});

export function subscriptionRoutes(parts: SubscriptionParts) {
  const { subscriptions, notifications, stopping } = parts;
  const waiting = (request: Request) => AbortSignal.any([request.signal, stopping]);

  return newRoutes()
    .openapi(listRoute, async (c) => {
      const rows = await subscriptions.list();
      return c.json({ success: true as const, count: rows.length, subscriptions: rows }, 200);
    })
    .openapi(statsRoute, async (c) => {
      const statistics = {
        mode: parts.webhookBaseUrl === null ? ('polling' as const) : ('webhooks' as const),
        webhook_base_url: parts.webhookBaseUrl,
        subscriptions: await subscriptions.counts(),
        notifications: notifications.counts(),
      };
      return c.json({ success: true as const, statistics }, 200);
    })
    .openapi(createOneRoute, async (c) => {
      await needWebhooks(parts);
      const { calendar_id: calendarId } = c.req.valid('json');
      const asked = await subscriptions.create(calendarId, waiting(c.req.raw));
      if (asked.found === 'unknown') throw unknownCalendar(calendarId, asked.known);
      if (asked.found === 'unfit') throw unfit(asked.room, asked.active);
      const made = settled(asked.subscription);
      const done =
        made.subscription_id === null ? 'is under way' : asked.existed ? 'existed already' : 'created';
      return c.json({ success: true as const, message: `Subscription ${done}`, subscription: made }, 200);
    })
    .openapi(createAllRoute, async (c) => {
      await needWebhooks(parts);
      const { rooms, rows, existed } = await subscriptions.createAll(waiting(c.req.raw));
      const summary = summarise(rows, rooms);
      const existing = rows.filter(({ id }) => existed.has(id)).length;
      const created = summary.active - rows.filter((row) => existed.has(row.id) && isActive(row)).length;
      const message = `${summary.active} of ${rooms} rooms have a subscription`;
      return c.json(
        {
          success: true as const,
          message,
          count: rows.length,
          results: summary,
          created,
          existing,
          subscriptions: rows,
        },
        200,
      );
    })
    .openapi(renewOneRoute, async (c) => {
      await needWebhooks(parts);
      const { id } = c.req.valid('param');
      const asked = await subscriptions.renew(id, waiting(c.req.raw));
      if (asked === null) throw await unknownSubscription(id);
      const message = asked.renewed === 0 ? 'Subscription is being renewed' : 'Subscription renewed';
      return c.json({ success: true as const, message, subscription: settled(asked.rows[0] ?? null) }, 200);
    })
    .openapi(renewAllRoute, async (c) => {
      await needWebhooks(parts);
      const { rows, renewed } = (await subscriptions.renew(null, waiting(c.req.raw))) ?? none;
      const summary = summarise(rows, rows.length);
      const message = `Renewed ${renewed} of ${rows.length} subscriptions`;
      return c.json(
        {
          success: true as const,
          message,
          count: rows.length,
          results: summary,
          renewed,
          subscriptions: rows,
        },
        200,
      );
    })
    .openapi(deleteRoute, async (c) => {
      await parts.start.needWrites();
      const { id } = c.req.valid('param');
      const removed = await subscriptions.remove(id, waiting(c.req.raw));
      if (removed === null) throw await unknownSubscription(id);
      const message = removed.done
        ? 'Subscription deleted; the room is polled until POST /webhook/create'
        : 'Subscription is being deleted';
      return c.json({ success: true as const, message, subscription: removed.last }, 200);
    });

  async function unknownSubscription(id: string): Promise<Problem> {
    const known = (await subscriptions.list())
      .map((row) => row.subscription_id)
      .filter((one) => one !== null);
    const meant = nearest(id, known);
    return new Problem(
      404,
      `There is no subscription ${id.slice(0, 100)}.`,
      known.length === 0
        ? 'There are none; POST /webhook/create-subscriptions makes them.'
        : `${meant === null ? '' : `The nearest is ${meant}; `}GET /webhook/subscriptions lists all.`,
    );
  }
}

async function needWebhooks(parts: SubscriptionParts): Promise<void> {
  await parts.start.needWrites();
  if (parts.webhookBaseUrl !== null) return;
  throw new Problem(
    409,
    'WEBHOOK_BASE_URL is not set, so there are no subscriptions: rooms are polled.',
    'Set WEBHOOK_BASE_URL to the public https address of this service and restart it; subscriptions are then created automatically.',
  );
}

function unknownCalendar(calendarId: string, known: readonly string[]): Problem {
  const meant = nearest(calendarId.toLowerCase(), known);
  return new Problem(
    404,
    `calendar_id: '${calendarId.slice(0, 100)}' is not a mapped room.`,
    known.length === 0
      ? 'No room is mapped yet: add it to bridge_resource_mappings.'
      : `${meant === null ? '' : `The nearest is '${meant}'. `}A room is mapped by a row in bridge_resource_mappings; GET /rooms lists them.`,
    { more: { field: 'calendar_id' } },
  );
}

const unfit = (room: string, active: boolean) =>
  active
    ? new Problem(
        422,
        `${room} takes no changes from Outlook, so it needs no subscription.`,
        'Its sync_direction in bridge_resource_mappings is booking_to_outlook.',
      )
    : new Problem(422, `${room} is switched off.`, 'Set its active to 1 in bridge_resource_mappings.');

/** A failed subscription is a problem for the caller; a pending one is not. */
function settled(row: SubscriptionReport | null): SubscriptionReport {
  if (row === null)
    throw new Problem(
      503,
      'The subscription is still pending.',
      'It is created automatically if a daemon is ready (GET /ready); see GET /webhook/subscriptions.',
      { headers: { 'Retry-After': '5' } },
    );
  if (row.status !== 'failing') return row;
  throw new Problem(
    422,
    `${row.room}: ${row.error ?? 'it failed'}`,
    row.hint ?? 'It is retried automatically; the room is polled meanwhile.',
    { more: { subscription: row } },
  );
}

const none = { rows: [], renewed: 0 };
const isActive = (row: SubscriptionReport) => row.status === 'active';

function summarise(rows: readonly SubscriptionReport[], total: number): z.infer<typeof results> {
  const active = rows.filter(isActive).length;
  const errors = rows.filter(({ status }) => status === 'failing').length;
  return { total, active, errors, pending: Math.max(0, total - active - errors) };
}
