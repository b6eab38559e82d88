/** What needs a person, or did: raised once, closed by itself when the reason is over. */
import { createRoute, z } from '@hono/zod-openapi';
import type { Alerts } from '../ops/alerts.ts';
import { Problem } from './problem.ts';
import { answers, instant, instantOrNull, limit, newRoutes, whole } from './schema.ts';

export interface AlertParts {
  readonly alerts: Pick<Alerts, 'check' | 'book'>;
}

const tags = ['Alerts'];
const success = z.literal(true);
const count = z.number().int();

export const alertSchema = z
  .object({
    id: z.number().int(),
    type: z
      .string()
      .openapi({ description: 'docs/operations.md says of each what it means and what to do.' }),
    severity: z.enum(['warning', 'critical']),
    status: z.enum(['open', 'acknowledged', 'closed']),
    room: z.string().nullable(),
    resource_id: z.number().int().nullable(),
    mailbox: z.string().nullable(),
    message: z.string(),
    hint: z.string().nullable().openapi({ description: 'What to do.' }),
    detail: z.looseObject({}),
    created_at: instant,
    seen_at: instant.openapi({ description: 'When its reason was last seen.' }),
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
  summary: 'Alerts: those that are open, or all',
  request: {
    query: z.object({
      status: z
        .enum(['open', 'closed', 'all'])
        .default('open')
        .openapi({ description: 'open includes acknowledged ones: their reason is still there.' }),
      limit: limit(100),
    }),
  },
  responses: answers('Open ones first, then the newest first.', list),
});

const statsRoute = createRoute({
  method: 'get',
  path: '/alerts/stats',
  tags,
  summary: 'How many alerts there are',
  responses: answers(
    'Open ones by severity and type.',
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
  summary: 'Look at everything now, and not only on schedule',
  responses: answers('What is open now.', list.extend({ message: z.string(), opened: count, closed: count })),
});

const acknowledgeRoute = createRoute({
  method: 'post',
  path: '/alerts/{id}/acknowledge',
  tags,
  summary: 'Say that somebody is at it',
  request: { params: z.object({ id: alertId }) },
  responses: answers(
    'It stays open until its reason is over.',
    z.object({ success, message: z.string(), alert: alertSchema }),
    [404],
  ),
});

const daysMost = 36_500;
const oldRoute = createRoute({
  method: 'delete',
  path: '/alerts/old',
  tags,
  summary: 'Delete alerts that were closed long ago',
  request: {
    query: z.object({
      days: whole(daysMost).optional().openapi({
        type: 'integer',
        minimum: 0,
        maximum: daysMost,
        default: 30,
        description: 'Those closed more than so many days ago.',
      }),
    }),
  },
  responses: answers(
    'How many were deleted; open ones never are.',
    z.object({ success, message: z.string(), count }),
  ),
});

const usualDays = 30;
/** Of one list; more than that is no list. */
const openMost = 1_000;

export function alertRoutes({ alerts: { book, check } }: AlertParts) {
  return newRoutes()
    .openapi(listRoute, async (c) => {
      const { status, limit: most } = c.req.valid('query');
      const alerts = await book.list(status, most);
      return c.json({ success: true as const, count: alerts.length, alerts }, 200);
    })
    .openapi(statsRoute, async (c) =>
      c.json({ success: true as const, statistics: await book.statistics() }, 200),
    )
    .openapi(checkRoute, async (c) => {
      const changed = await check();
      const alerts = await book.list('open', openMost);
      const [opened, closed] = [changed.opened.length, changed.closed.length];
      const message = `${opened} opened, ${closed} closed, ${alerts.length} open`;
      return c.json({ success: true as const, message, opened, closed, count: alerts.length, alerts }, 200);
    })
    .openapi(acknowledgeRoute, async (c) => {
      const { id } = c.req.valid('param');
      const found = await book.acknowledge(id);
      if (found === null)
        throw new Problem(404, `There is no alert ${id}.`, 'GET /alerts?status=all lists them.');
      return c.json({ success: true as const, message: `Acknowledged alert ${id}`, alert: found }, 200);
    })
    .openapi(oldRoute, async (c) => {
      const days = c.req.valid('query').days ?? usualDays;
      const deleted = await book.deleteOld(days);
      const message = `Deleted ${deleted} alerts closed more than ${days} days ago`;
      return c.json({ success: true as const, message, count: deleted }, 200);
    });
}
