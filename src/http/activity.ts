/** Recent changes and their latency, over all rooms and in both directions. */
import { createRoute, z } from '@hono/zod-openapi';
import type { createActivity } from '../sync/report/activity.ts';
import { sentence, who, whyOf } from './mappings.ts';
import { answeredId, answers, instant, limit, mappingId, newRoutes, resourceId, whole } from './schema.ts';

export interface ActivityParts {
  readonly activity: ReturnType<typeof createActivity>;
}

const hoursMost = 168;
const direction = z.enum(['booking_to_outlook', 'outlook_to_booking']);
const ms = z.number().nullable();
const percentiles = { count: z.number().int(), p50_ms: ms, p95_ms: ms, p99_ms: ms };

export const lineSchema = z
  .object({
    id: z.number().int(),
    at: instant,
    direction,
    action: z.string(),
    text: z.string(),
    reason: z.string().nullable(),
    why: z.string().openapi({ description: 'The reason in words.' }),
    who,
    latency_ms: ms,
    call_ms: ms,
    mapping_id: z.number().int().nullable(),
    resource_id: z.number().int().nullable(),
    room: z.string().nullable(),
    reservation_type: z.string().nullable(),
    reservation_id: answeredId.nullable(),
    title: z.string().nullable(),
    outlook_event_id: z.string().nullable(),
    request_id: z.string().nullable(),
  })
  .openapi('ActivityLine');

const curve = z
  .object({
    ...percentiles,
    backfilled: z.number().int().openapi({
      description: 'Items of a backfill; they are not included in any other figure.',
    }),
    histogram: z.array(z.object({ le_ms: z.number().int().nullable(), count: z.number().int() })).openapi({
      description: 'Latencies up to `le_ms` and above the previous bound; null: above all bounds.',
    }),
    curve: z.array(z.object({ at: instant, ...percentiles })),
  })
  .openapi('LatencyCurve');

const logRoute = createRoute({
  method: 'get',
  path: '/log',
  tags: ['Activity'],
  summary: 'Recent changes by all daemons',
  request: {
    query: z.object({
      limit: limit(50),
      resource_id: resourceId.optional(),
      before: mappingId
        .optional()
        .openapi({ description: 'Only lines older than the line with this id, for paging.' }),
      asked: z
        .enum(['true', 'false'])
        .optional()
        .openapi({ description: 'true: only requests made through this API, with their callers.' }),
    }),
  },
  responses: answers(
    'The newest lines, newest first.',
    z.object({ success: z.literal(true), count: z.number().int(), lines: z.array(lineSchema) }),
  ),
});

const latencyRoute = createRoute({
  method: 'get',
  path: '/stats/latency',
  tags: ['Activity'],
  summary: 'Latency of changes, from one side to acceptance by the other',
  request: {
    query: z.object({
      hours: whole(hoursMost)
        .refine((hours) => hours > 0, { error: 'it is at least 1' })
        .optional()
        .openapi({ type: 'integer', minimum: 1, maximum: hoursMost, default: 24 }),
    }),
  },
  responses: answers(
    'Percentiles, histogram and time series of each direction.',
    z.object({
      success: z.literal(true),
      hours: z.number().int(),
      from: instant,
      to: instant,
      step_seconds: z.number(),
      directions: z.object({ booking_to_outlook: curve, outlook_to_booking: curve }),
    }),
  ),
});

export function activityRoutes({ activity }: ActivityParts) {
  return newRoutes()
    .openapi(logRoute, async (c) => {
      const { limit: most, resource_id: resource = null, asked, before = null } = c.req.valid('query');
      const found = await activity.newest(most, resource, asked === 'true', before);
      const lines = found.map((entry) => ({ ...entry, text: sentence(entry), why: whyOf(entry) }));
      return c.json({ success: true as const, count: lines.length, lines }, 200);
    })
    .openapi(latencyRoute, async (c) => {
      const { hours = 24 } = c.req.valid('query');
      const { directions, ...history } = await activity.latency(hours);
      const { booking_to_outlook: out, outlook_to_booking: back } = directions;
      const copied = {
        booking_to_outlook: { ...out, histogram: [...out.histogram], curve: [...out.curve] },
        outlook_to_booking: { ...back, histogram: [...back.histogram], curve: [...back.curve] },
      };
      return c.json({ success: true as const, hours, ...history, directions: copied }, 200);
    });
}
