/** Alerts: raised once, closed automatically when their cause is over. */
import { createRoute, z } from '@hono/zod-openapi';
import type { Alerts } from '../ops/alerts.ts';
import { Problem } from './problem.ts';
import { answers, instant, instantOrNull, limit, newRoutes, whole } from './schema.ts';

export interface AlertParts {
  readonly alerts: Pick<Alerts, 'check' | 'store'>;
}

const tags = ['Alerts'];
const success = z.literal(true);
const count = z.number().int();

export const alertSchema = z
  .object({
    id: z.number().int(),
    type: z.string().openapi({ description: 'docs/operations.md has the meaning and remedy of each type.' }),
    severity: z.enum(['warning', 'critical']),
    status: z.enum(['open', 'acknowledged', 'closed']),
    room: z.string().nullable(),
    resource_id: z.number().int().nullable(),
    mailbox: z.string().nullable(),
    message: z.string(),
    hint: z.string().nullable().openapi({ description: 'The remedy.' }),
    detail: z.looseObject({}),
    created_at: instant,
    seen_at: instant.openapi({ description: 'When its cause was last seen.' }),
    acknowledged_at: instantOrNull,
    closed_at: instantOrNull,
  })
  .openapi('Alert');

const list = z.object({ success, count, alerts: z.array(alertSchema) });
const alertId = whole(Number.MAX_SAFE_INTEGER).openapi({ type: 'integer', example: 1 });

const listRoute = createRoute({
  method: 'get',
  path: '/alerts',
  tags,
  summary: 'Open alerts, or all alerts',
  request: {
    query: z.object({
      status: z
        .enum(['open', 'closed', 'all'])
        .default('open')
        .openapi({ description: 'open includes acknowledged alerts: their cause still exists.' }),
      limit: limit(100),
    }),
  },
  responses: answers('Open ones first, then the newest first.', list),
});

const statsRoute = createRoute({
  method: 'get',
  path: '/alerts/stats',
  tags,
  summary: 'Number of alerts',
  responses: answers(
    'Open alerts by severity and type.',
    z.object({
      success,
      statistics: z.object({
        open: count,
        critical: count,
        warning: count,
        acknowledged: count,
        closed_last_24_hours: count,
        by_type: z.record(z.string(), count),
      }),
    }),
  ),
});

const checkRoute = createRoute({
  method: 'post',
  path: '/alerts/check',
  tags,
  summary: 'Check for alerts now',
  responses: answers('What is open now.', list.extend({ message: z.string(), opened: count, closed: count })),
});

const acknowledgeRoute = createRoute({
  method: 'post',
  path: '/alerts/{id}/acknowledge',
  tags,
  summary: 'Acknowledge an alert',
  request: { params: z.object({ id: alertId }) },
  responses: answers(
    'It stays open until its cause is over.',
    z.object({ success, message: z.string(), alert: alertSchema }),
    [404],
  ),
});

const daysMost = 36_500;
const oldRoute = createRoute({
  method: 'delete',
  path: '/alerts/old',
  tags,
  summary: 'Delete old closed alerts',
  request: {
    query: z.object({
      days: whole(daysMost).optional().openapi({
        type: 'integer',
        minimum: 0,
        maximum: daysMost,
        default: 30,
        description: 'Alerts closed more than this number of days ago.',
      }),
    }),
  },
  responses: answers(
    'The number of deleted alerts; open alerts are never deleted.',
    z.object({ success, message: z.string(), count }),
  ),
});

const usualDays = 30;
/** Upper bound of a list. */
const openMost = 1_000;

export function alertRoutes({ alerts: { store, check } }: AlertParts) {
  return newRoutes()
    .openapi(listRoute, async (c) => {
      const { status, limit: most } = c.req.valid('query');
      const alerts = await store.list(status, most);
      return c.json({ success: true as const, count: alerts.length, alerts }, 200);
    })
    .openapi(statsRoute, async (c) =>
      c.json({ success: true as const, statistics: await store.statistics() }, 200),
    )
    .openapi(checkRoute, async (c) => {
      const changed = await check();
      const alerts = await store.list('open', openMost);
      const [opened, closed] = [changed.opened.length, changed.closed.length];
      const message = `${opened} opened, ${closed} closed, ${alerts.length} open`;
      return c.json({ success: true as const, message, opened, closed, count: alerts.length, alerts }, 200);
    })
    .openapi(acknowledgeRoute, async (c) => {
      const { id } = c.req.valid('param');
      const found = await store.acknowledge(id);
      if (found === null)
        throw new Problem(404, `There is no alert ${id}.`, 'GET /alerts?status=all lists them.');
      return c.json({ success: true as const, message: `Acknowledged alert ${id}`, alert: found }, 200);
    })
    .openapi(oldRoute, async (c) => {
      const days = c.req.valid('query').days ?? usualDays;
      const deleted = await store.deleteOld(days);
      const message = `Deleted ${deleted} alerts closed more than ${days} days ago`;
      return c.json({ success: true as const, message, count: deleted }, 200);
    });
}
