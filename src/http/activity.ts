/** What was done lately and how fast: over all rooms, in both directions. */
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
      description: 'Brought over by a backfill: nobody waited for these, so they are in no other figure.',
    }),
    histogram: z
      .array(z.object({ le_ms: z.number().int().nullable(), count: z.number().int() }))
      .openapi({ description: 'At most `le_ms`, and longer than the bound before; null: longer than all.' }),
    curve: z.array(z.object({ at: instant, ...percentiles })),
  })
  .openapi('LatencyCurve');

const logRoute = createRoute({
  method: 'get',
  path: '/log',
  tags: ['Activity'],
  summary: 'What was done lately, by whichever daemon',
  request: {
    query: z.object({
      limit: limit(50),
      resource_id: resourceId.optional(),
      before: mappingId
        .optional()
        .openapi({ description: 'Only lines older than the one of this id: the last one that was listed.' }),
      asked: z
        .enum(['true', 'false'])
        .optional()
        .openapi({ description: 'true: only what was asked for through this API, and by whom.' }),
    }),
  },
  responses: answers(
    'The newest lines, the newest first.',
    z.object({ success: z.literal(true), count: z.number().int(), lines: z.array(lineSchema) }),
  ),
});

const latencyRoute = createRoute({
  method: 'get',
  path: '/stats/latency',
  tags: ['Activity'],
  summary: 'How long changes took, from one side to its acceptance by the other',
  request: {
    query: z.object({
      hours: whole(hoursMost)
        .refine((hours) => hours > 0, { error: 'it is at least 1' })
        .optional()
        .openapi({ type: 'integer', minimum: 1, maximum: hoursMost, default: 24 }),
    }),
  },
  responses: answers(
    'Percentiles, histogram and curve of each direction.',
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
