/** Cancellations: those made in the booking system, those made in Outlook, and those asked for here. */
import { createRoute, z } from '@hono/zod-openapi';
import type { Cancellations } from '../sync/cancellations.ts';
import type { CancellationReports } from '../sync/cancellation-reports.ts';
import {
  bulkResultsSchema,
  cancelledReservation,
  detectedSchema,
  processedAnswer,
  rateOf,
  reservationAnswer,
  summariseBulk,
  summariseDetected,
} from './cancelled.ts';
import { Problem } from './problem.ts';
import {
  answers,
  bodyId,
  instantOrNull,
  limit,
  newRoutes,
  reservationId,
  reservationType,
  resourceId,
} from './schema.ts';
import { detailOf, detailSchema, resultsSchema, summarise } from './synced.ts';

export interface CancelParts {
  readonly cancellations: Cancellations;
  readonly cancellationReports: CancellationReports;
  /** Aborts when we are stopping: nobody is kept waiting then. */
  readonly stopping: AbortSignal;
}

const tags = ['Cancellations'];
const success = z.literal(true);
const params = z.object({ type: reservationType, id: reservationId, resource: resourceId });

const detectRoute = (path: string) =>
  createRoute({
    method: 'post',
    path,
    tags,
    summary: 'Find what was cancelled or re-enabled in the booking system, and process it',
    responses: answers(
      'What was found, and what became of it. A re-enabled reservation waits for a fresh event then.',
      z.object({ success, message: z.string(), results: detectedSchema }),
    ),
  });

const reenabledRoute = (path: string) =>
  createRoute({
    method: 'post',
    path,
    tags,
    summary: 'Find what was re-enabled in the booking system, and have fresh events made',
    responses: answers(
      'What was found, and what became of it.',
      z.object({ success, message: z.string(), results: detectedSchema }),
    ),
  });

const detectionStatsRoute = (path: string) =>
  createRoute({
    method: 'get',
    path,
    tags,
    summary: 'What is cancelled or re-enabled in the booking system and not yet in Outlook',
    responses: answers(
      'How many, by type.',
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
  summary: 'Reservations that are cancelled, and what became of their events',
  request: {
    query: z.object({
      limit: limit(50),
      direction: z
        .enum(['booking_to_outlook', 'outlook_to_booking'])
        .optional()
        .openapi({ description: 'Only those that were born on this side.' }),
    }),
  },
  responses: answers(
    'The newest first.',
    z.object({
      success,
      count: z.number().int().openapi({ description: 'How many are listed here.' }),
      total: z.number().int().openapi({ description: 'How many there are.' }),
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
        held: z.number().int().openapi({ description: 'By the brake, until a person decides.' }),
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

const processRoute = createRoute({
  method: 'post',
  path: '/cancel/booking/{type}/{id}/{resource}',
  tags,
  summary: 'Remove the event of a reservation that was cancelled in the booking system',
  request: { params },
  responses: answers(
    'What was done to it; nothing, when it was processed already.',
    z.object({ success, message: z.string(), result: detailSchema }),
    [404, 409, 422],
  ),
});

const outlookRoute = createRoute({
  method: 'post',
  path: '/cancel/outlook/{event}',
  tags,
  summary: 'Look at once at an event that was deleted or cancelled in Outlook',
  request: {
    params: z.object({
      event: z.string().min(1).max(1_000).openapi({ description: 'Its id, percent-encoded.' }),
    }),
  },
  responses: answers(
    'What was found. Nothing is cancelled because somebody says so: the event itself is asked.',
    z.object({ success, message: z.string(), result: detailSchema }),
    [404],
  ),
});

const checkRoute = createRoute({
  method: 'get',
  path: '/cancel/check/{type}/{id}',
  tags,
  summary: 'Whether a reservation is cancelled',
  request: { params: z.object({ type: reservationType, id: reservationId }) },
  responses: answers('How it stands.', z.object({ success, reservation_status: reservationAnswer }), [404]),
});

const removeRoute = createRoute({
  method: 'delete',
  path: '/cancel/reservation/{type}/{id}/{resource}',
  tags,
  summary: 'Cancel a reservation in the booking system, in all its rooms, and remove its events',
  request: { params },
  responses: answers(
    'What was done to each of its events.',
    z.object({ success, message: z.string(), results: resultsSchema }),
    [404, 409, 422],
  ),
});

const bulk = z.object({
  reservations: z
    .array(z.object({ reservation_type: reservationType, reservation_id: bodyId, resource_id: bodyId }))
    .max(1_000)
    .default([]),
});

const bulkRoute = createRoute({
  method: 'post',
  path: '/cancel/bulk',
  tags,
  summary: 'Cancel up to 1000 reservations in the booking system and remove their events',
  request: { body: { content: { 'application/json': { schema: bulk } } } },
  responses: answers(
    'What became of each.',
    z.object({ success, message: z.string(), results: bulkResultsSchema }),
    [409, 413, 415],
  ),
});

export function cancelRoutes({ cancellations, cancellationReports: reports, stopping }: CancelParts) {
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
    })
    .openapi(processRoute, async (c) => {
      const { type, id, resource } = c.req.valid('param');
      const answer = await cancellations.processOne({ type, id, resourceId: resource }, waiting(c.req.raw));
      return c.json(processedAnswer(answer, type, id, resource), 200);
    })
    .openapi(outlookRoute, async (c) => {
      const { event } = c.req.valid('param');
      const answer = await cancellations.lookAt(event, waiting(c.req.raw));
      if (answer.found === 'unknown')
        throw new Problem(
          404,
          'No mapping knows this Outlook event.',
          'Send its id as Graph gives it (immutable ids), percent-encoded: / is %2F, + is %2B, = is %3D.',
        );
      const { action } = answer.outcome;
      const message =
        answer.found === 'cancelled'
          ? 'It is cancelled already'
          : answer.found === 'paused'
            ? 'Its room is switched off; nothing was done'
            : action === 'pending'
              ? 'Its room is looked at as soon as possible'
              : 'Its room was looked at';
      const result = { ...detailOf(answer.outcome), outlook_event_id: event };
      return c.json({ success: true as const, message, result }, 200);
    })
    .openapi(checkRoute, async (c) => {
      const { type, id } = c.req.valid('param');
      const status = await reports.check(type, id);
      if (status === null)
        throw new Problem(404, `There is no ${type} ${id}.`, 'Check type and id in the booking system.');
      const { exists, active, title, mappings } = status;
      const reservation = {
        reservation_type: type,
        reservation_id: id,
        exists,
        is_cancelled: active !== true,
        title,
        mappings: [...mappings],
      };
      return c.json({ success: true as const, reservation_status: reservation }, 200);
    })
    .openapi(removeRoute, async (c) => {
      const { type, id, resource } = c.req.valid('param');
      const one = { type, id, resourceId: resource };
      const [cancelled] = await cancellations.cancel([one], waiting(c.req.raw));
      const { was, error, hint, outcomes } = cancelled!;
      if (was === 'unknown' || was === 'refused')
        throw new Problem(was === 'unknown' ? 404 : 422, error ?? 'It was refused.', hint ?? 'See the log.');
      const results = summarise(outcomes);
      const message = withPending(
        was === 'active' ? 'Reservation cancelled successfully' : 'The reservation is cancelled already',
        results.pending,
      );
      return c.json({ success: true as const, message, results }, 200);
    })
    .openapi(bulkRoute, async (c) => {
      const asked = (c.req.valid('json').reservations ?? []).map((one) => ({
        type: one.reservation_type,
        id: one.reservation_id,
        resourceId: one.resource_id,
      }));
      const results = summariseBulk(await cancellations.cancel(asked, waiting(c.req.raw)));
      const message = withPending('Bulk cancellations processed', results.pending);
      return c.json({ success: true as const, message, results }, 200);
    });
}

const withPending = (message: string, pending: number) =>
  pending === 0 ? message : `${message}, ${pending} pending`;
