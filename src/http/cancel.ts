/** Cancellations made in the booking system, made in Outlook, or requested here, one or many. */
import { createRoute, z } from '@hono/zod-openapi';
import type { Cancellations } from '../sync/manual/cancellations.ts';
import type { CancellationReports } from '../sync/report/cancellation-reports.ts';
import {
  bulkResultsSchema,
  processedAnswer,
  reservationAnswer,
  summariseBulk,
  withPending,
} from './cancelled.ts';
import { unreadableHint } from '../sync/store/readable-items.ts';
import { Problem } from './problem.ts';
import {
  answers,
  bodyReservationId,
  bodyResourceId,
  knownType,
  newRoutes,
  reservationId,
  reservationType,
  resourceId,
  text,
  type TypeParts,
  json,
} from './schema.ts';
import { detailOf, detailSchema, resultsSchema, summarise } from './synced.ts';

export interface CancelParts extends TypeParts {
  readonly cancellations: Cancellations;
  readonly cancellationReports: CancellationReports;
  /** Aborts when the daemon stops, so that no request is kept waiting. */
  readonly stopping: AbortSignal;
}

const tags = ['Cancellations'];
const success = z.literal(true);
const params = z.object({ type: reservationType, id: reservationId, resource: resourceId });

const processRoute = createRoute({
  method: 'post',
  path: '/cancel/booking/{type}/{id}/{resource}',
  tags,
  summary: 'Delete the event of a reservation that was cancelled in the booking system',
  request: { params },
  responses: answers(
    'The action taken; none if it was already processed.',
    z.object({ success, message: z.string(), result: detailSchema }),
    [404, 409, 422],
  ),
});

const outlookRoute = createRoute({
  method: 'post',
  path: '/cancel/outlook/{event}',
  tags,
  summary: 'Read an event that was deleted or cancelled in Outlook, now',
  request: {
    params: z.object({
      event: text(1_000).min(1).openapi({ description: 'The id of the event, percent-encoded.' }),
    }),
  },
  responses: answers(
    'The result of the read. The reservation is cancelled only if the event is gone.',
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
  summary: 'Cancel a reservation in the booking system, in all its rooms, and delete its events',
  request: { params },
  responses: answers(
    'The action taken for each of its events.',
    z.object({ success, message: z.string(), results: resultsSchema }),
    [404, 409, 422],
  ),
});

const bulk = z.object({
  reservations: z
    .array(
      z.object({
        reservation_type: reservationType,
        reservation_id: bodyReservationId,
        resource_id: bodyResourceId,
      }),
    )
    .max(1_000)
    .default([]),
});

const bulkRoute = createRoute({
  method: 'post',
  path: '/cancel/bulk',
  tags,
  summary: 'Cancel up to 1000 reservations in the booking system and delete their events',
  request: { body: { content: json(bulk) } },
  responses: answers(
    'The result for each item.',
    z.object({ success, message: z.string(), results: bulkResultsSchema }),
    [409, 413, 415],
  ),
});

export function cancelRoutes(parts: CancelParts) {
  const { cancellations, cancellationReports: reports, stopping } = parts;
  const waiting = (request: Request) => AbortSignal.any([request.signal, stopping]);
  return newRoutes()
    .openapi(processRoute, async (c) => {
      const { type, id, resource } = c.req.valid('param');
      await knownType(parts, type);
      const answer = await cancellations.processOne({ type, id, resourceId: resource }, waiting(c.req.raw));
      return c.json(processedAnswer(answer, type, id, resource), 200);
    })
    .openapi(outlookRoute, async (c) => {
      const { event } = c.req.valid('param');
      const answer = await cancellations.readEvent(event, waiting(c.req.raw));
      if (answer.found === 'unknown')
        throw new Problem(
          404,
          'No mapping has this Outlook event.',
          'Send its id as Graph gives it (immutable ids), percent-encoded: / is %2F, + is %2B, = is %3D.',
        );
      const { action } = answer.outcome;
      const message =
        answer.found === 'cancelled'
          ? 'It is cancelled already'
          : answer.found === 'not-followed'
            ? 'Its room is switched off or takes nothing from Outlook; nothing was done'
            : (looked[action] ?? 'The event is there');
      const result = { ...detailOf(answer.outcome), outlook_event_id: event };
      return c.json({ success: true as const, message, result }, 200);
    })
    .openapi(checkRoute, async (c) => {
      const { type, id } = c.req.valid('param');
      await knownType(parts, type);
      const status = await reports.check(type, id);
      if (status === null)
        throw new Problem(404, `There is no ${type} ${id}.`, 'Check type and id in the booking system.');
      const { exists, active, unreadable, title, mappings } = status;
      const reservation = {
        reservation_type: type,
        reservation_id: id,
        exists,
        is_cancelled: exists ? active === false : true,
        unreadable,
        hint: unreadable === null ? null : unreadableHint,
        title,
        mappings: [...mappings],
      };
      return c.json({ success: true as const, reservation_status: reservation }, 200);
    })
    .openapi(removeRoute, async (c) => {
      const { type, id, resource } = c.req.valid('param');
      await knownType(parts, type);
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
      for (const type of new Set(asked.map((one) => one.type)))
        await knownType(parts, type, 'reservation_type');
      const results = summariseBulk(await cancellations.cancel(asked, waiting(c.req.raw)));
      const message = withPending('Bulk cancellations processed', results.pending);
      return c.json({ success: true as const, message, results }, 200);
    });
}

/** The result of the read of an event as text. */
const looked: Readonly<Record<string, string>> = {
  'booking-cancelled': 'The event is gone; its reservation was cancelled',
  'booking-updated': 'The event is there, but it was changed; so is its reservation now',
  created: 'The event is gone; a fresh one was made',
  forgotten: 'The event is gone; it had no reservation',
  pending: 'The event is looked at as soon as its room can be',
  held: 'A person has to decide about it',
  error: 'It could not be settled',
};
