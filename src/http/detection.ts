/** Cancellations: detection, processing, list and counts. */
import { createRoute, z } from '@hono/zod-openapi';
import { cancelledReservation, detectedSchema, rateOf, summariseDetected, withPending } from './cancelled.ts';
import type { CancelParts } from './cancel.ts';
import { answers, instantOrNull, limit, newRoutes } from './schema.ts';

const tags = ['Cancellations'];
const success = z.literal(true);

const detectRoute = (path: string) =>
  createRoute({
    method: 'post',
    path,
    tags,
    summary: 'Find and process cancelled and re-enabled reservations',
    responses: answers(
      'The reservations found and the results. A re-enabled reservation then waits for a new event.',
      z.object({ success, message: z.string(), results: detectedSchema }),
    ),
  });

const reenabledRoute = (path: string) =>
  createRoute({
    method: 'post',
    path,
    tags,
    summary: 'Find re-enabled reservations and create new events for them',
    responses: answers(
      'The reservations found and the results.',
      z.object({ success, message: z.string(), results: detectedSchema }),
    ),
  });

const detectionStatsRoute = (path: string) =>
  createRoute({
    method: 'get',
    path,
    tags,
    summary: 'Cancelled and re-enabled reservations that are not yet synced to Outlook',
    responses: answers(
      'Counts by type.',
      z.object({
        success,
        statistics: z.object({
          cancelled: z.number().int(),
          reenabled: z.number().int(),
          by_type: z.record(
            z.string(),
            z.object({ cancelled: z.number().int(), reenabled: z.number().int() }),
          ),
        }),
      }),
    ),
  });

const listRoute = createRoute({
  method: 'get',
  path: '/cancel/cancelled-reservations',
  tags,
  summary: 'Cancelled reservations and the state of their events',
  request: {
    query: z.object({
      limit: limit(50),
      direction: z
        .enum(['booking_to_outlook', 'outlook_to_booking'])
        .optional()
        .openapi({ description: 'Only cancellations made on this side.' }),
    }),
  },
  responses: answers(
    'Newest first.',
    z.object({
      success,
      count: z.number().int().openapi({ description: 'The number of listed items.' }),
      total: z.number().int().openapi({ description: 'The total number.' }),
      cancelled_reservations: z.array(cancelledReservation),
    }),
  ),
});

const statsRoute = createRoute({
  method: 'get',
  path: '/cancel/stats',
  tags,
  summary: 'Cancellations by state, direction and type',
  responses: answers(
    'The statistics.',
    z.object({
      success,
      statistics: z.object({
        total_cancellations: z.number().int(),
        processed: z.number().int(),
        pending: z.number().int(),
        errors: z.number().int(),
        held: z.number().int().openapi({ description: 'Held by the brake until a person decides.' }),
        success_rate: z.string(),
        by_direction: z.object({
          booking_to_outlook: z.number().int(),
          outlook_to_booking: z.number().int(),
        }),
        by_type: z.record(z.string(), z.number().int()),
        error_types: z.record(z.string(), z.number().int()),
        first_processed_at: instantOrNull,
        last_processed_at: instantOrNull,
      }),
    }),
  ),
});

export function detectionRoutes({ cancellations, cancellationReports: reports, stopping }: CancelParts) {
  const waiting = (request: Request) => AbortSignal.any([request.signal, stopping]);
  const routes = newRoutes();
  for (const path of ['/bridges/sync-deletions', '/cancel/detect-and-process', '/cancel/detect'])
    routes.openapi(detectRoute(path), async (c) => {
      const results = summariseDetected(await cancellations.detect('all', waiting(c.req.raw)));
      const message = withPending('Cancellation detection and processing completed', results.pending);
      return c.json({ success: true as const, message, results }, 200);
    });
  for (const path of ['/bridges/sync-deletions-reenabled', '/cancel/detect-reenabled'])
    routes.openapi(reenabledRoute(path), async (c) => {
      const results = summariseDetected(await cancellations.detect('reenabled', waiting(c.req.raw)));
      const message = withPending('Re-enable detection and processing completed', results.pending);
      return c.json({ success: true as const, message, results }, 200);
    });
  for (const path of [
    '/bridges/sync-deletionsion-stats', // printed so in the user's guide
    '/bridges/sync-deletions/stats',
    '/cancel/detection-stats',
  ])
    routes.openapi(detectionStatsRoute(path), async (c) =>
      c.json({ success: true as const, statistics: await reports.detection() }, 200),
    );
  return routes
    .openapi(listRoute, async (c) => {
      const query = c.req.valid('query');
      const { total, reservations } = await reports.list(query.limit, query.direction ?? null);
      return c.json(
        { success: true as const, count: reservations.length, total, cancelled_reservations: reservations },
        200,
      );
    })
    .openapi(statsRoute, async (c) => {
      const { total, booking_to_outlook, outlook_to_booking, ...counted } = await reports.statistics();
      const statistics = {
        total_cancellations: total,
        ...counted,
        success_rate: rateOf(counted.processed, counted.processed + counted.errors),
        by_direction: { booking_to_outlook, outlook_to_booking },
      };
      return c.json({ success: true as const, statistics }, 200);
    });
}
