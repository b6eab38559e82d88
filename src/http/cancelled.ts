/** Results of cancellations, in the guide's form. */
import { z } from '@hono/zod-openapi';
import type { Id } from '../id.ts';
import type { CancelAnswer, Cancelled, Detected } from '../sync/manual/cancellations.ts';
import type { Differing } from '../sync/manual/cancellation-store.ts';
import { noRoom, Problem } from './problem.ts';
import { mappingColumns } from './mapping-schema.ts';
import { answeredId, instant, instantOrNull } from './schema.ts';
import { detailOf, detailSchema, settledAs, settledItem, untouched } from './synced.ts';

const differing = z.object({
  id: answeredId.nullable().openapi({ description: 'The id of the reservation.' }),
  reservation_type: z.string().nullable(),
  name: z.string().nullable(),
  active: z.number().int().openapi({ description: '1 or 0, as in the booking system.' }),
  resource_id: z.number().int(),
  mapping_id: z.number().int(),
  outlook_event_id: z.string().nullable().openapi({ description: 'Its former event.' }),
  sync_status: z.string().openapi({ description: 'The status when it was found.' }),
  action: z
    .string()
    .openapi({ description: 'deleted, declined, unchanged, error, held (by the brake), pending, reset' }),
  error: z.string().optional(),
  hint: z.string().optional(),
});

export const detectedSchema = z
  .object({
    detected: z.number().int(),
    processed: z.number().int(),
    success_rate: z.string().openapi({ example: '100%' }),
    cancelled_events: z.array(differing),
    reenabled_events: z.array(differing),
    outlook_deletions: z.number().int(),
    pending_resets: z.number().int(),
    errors: z.number().int(),
    pending: z
      .number()
      .int()
      .openapi({ description: 'Not finished within 20 s; they continue in the background.' }),
  })
  .openapi('DetectedCancellations');

export function summariseDetected({ cancelled, reenabled }: Detected): z.infer<typeof detectedSchema> {
  const cancelledEvents = cancelled.map(({ found, outcome }) => ({
    ...shown(found),
    action: outcome.action,
    ...(outcome.error === null ? {} : { error: outcome.error }),
    ...(outcome.hint === null ? {} : { hint: outcome.hint }),
  }));
  const reenabledEvents = reenabled.map(({ found, reset }) => ({
    ...shown(found),
    action: reset ? 'reset' : 'pending',
  }));
  const all = [...cancelledEvents, ...reenabledEvents];
  const count = (...actions: readonly string[]) => all.filter((one) => actions.includes(one.action)).length;
  const pending = count('pending');
  const errors = count('error', 'held');
  return {
    detected: all.length,
    processed: all.length - pending,
    success_rate: rateOf(all.length - pending - errors, all.length - pending),
    cancelled_events: cancelledEvents,
    reenabled_events: reenabledEvents,
    outlook_deletions: count('deleted', 'declined'),
    pending_resets: count('reset'),
    errors,
    pending,
  };
}

/** The share in percent; 100 % of none. */
export const rateOf = (good: number, all: number) => `${all === 0 ? 100 : Math.floor((100 * good) / all)}%`;

/** A message with the number of pending items. */
export const withPending = (message: string, pending: number) =>
  pending === 0 ? message : `${message}, ${pending} pending`;

const shown = (found: Differing) => ({
  id: found.reservationId,
  reservation_type: found.type,
  name: found.title,
  active: found.active ? 1 : 0,
  resource_id: found.resourceId,
  mapping_id: found.mappingId,
  outlook_event_id: found.eventId,
  sync_status: found.status,
});

export const cancelledReservation = z
  .object({
    mapping_id: z.number().int(),
    ...mappingColumns,
    sync_direction: z.string(),
    processing_status: z.string().openapi({
      description:
        'processed (not in Outlook any more), pending, error, held (by the brake), kept (a person keeps the event), ' +
        'active (it is not cancelled)',
    }),
    starts_at: instantOrNull,
    ends_at: instantOrNull,
    updated_at: instant,
  })
  .openapi('CancelledReservation');

export const reservationAnswer = z
  .object({
    reservation_type: z.string(),
    reservation_id: answeredId,
    exists: z.boolean().openapi({ description: 'False: its rows no longer exist in the booking system.' }),
    is_cancelled: z.boolean().openapi({ description: 'False also while it is unknown, see `unreadable`.' }),
    unreadable: z.string().nullable().openapi({
      description: 'Why its row cannot be read, so that its state is unknown; null: it can be read.',
    }),
    hint: z.string().nullable(),
    title: z.string().nullable(),
    mappings: z.array(cancelledReservation),
  })
  .openapi('ReservationStatus');

/** The answer of POST /cancel/booking/…; throws a Problem if there is nothing to process. */
export function processedAnswer(answer: CancelAnswer, type: string, id: Id, resource: number) {
  const item = `${type} ${id}`;
  switch (answer.found) {
    case 'no-room':
      throw noRoom(resource);
    case 'no-reservation':
      throw new Problem(
        404,
        'Reservation not found for cancellation',
        `There is no ${item} in the booking system. Check type and id; DELETE /sync/cleanup-orphaned removes what is left of it.`,
      );
    case 'elsewhere':
      throw new Problem(
        404,
        'Reservation not found for cancellation',
        `${item} is not in resource ${resource} but in ${answer.resources.join(', ')}.`,
      );
    case 'active':
      throw new Problem(
        409,
        `${item} is active in the booking system; nothing was removed.`,
        `If it is being cancelled in an uncommitted transaction, no call is needed: the commit is captured. To cancel it from here: DELETE /cancel/reservation/${type}/${id}/${resource}.`,
      );
    case 'nothing-to-remove':
      return settledAs(untouched(type, id, resource), 'No Outlook event ID to delete');
    case 'item':
      return settledItem(answer.outcome, item, 'Cancellation processed successfully');
  }
}

const bulkDetail = z.object({
  reservation_type: z.string(),
  reservation_id: answeredId,
  resource_id: z.number().int(),
  status: z.string().openapi({
    description: 'cancelled, already_cancelled, not_found, error, pending (its events follow)',
  }),
  error: z.string().optional(),
  hint: z.string().optional(),
  events: z.array(detailSchema),
});

export const bulkResultsSchema = z
  .object({
    processed: z.number().int(),
    successful: z.number().int(),
    errors: z.number().int(),
    pending: z.number().int(),
    success_rate: z.string(),
    outlook_deletions: z.number().int(),
    details: z.array(bulkDetail),
  })
  .openapi('BulkCancellation');

export function summariseBulk(cancelled: readonly Cancelled[]): z.infer<typeof bulkResultsSchema> {
  const details = cancelled.map((one) => {
    const wrong = one.outcomes.find((outcome) => outcome.action === 'error' || outcome.action === 'held');
    const error = one.error ?? wrong?.error;
    const hint = one.hint ?? wrong?.hint;
    return {
      reservation_type: one.type,
      reservation_id: one.id,
      resource_id: one.resourceId,
      status: statusOf(one),
      ...(error === null || error === undefined ? {} : { error }),
      ...(hint === null || hint === undefined ? {} : { hint }),
      events: one.outcomes.map(detailOf),
    };
  });
  const count = (...statuses: readonly string[]) =>
    details.filter((one) => statuses.includes(one.status)).length;
  const successful = count('cancelled', 'already_cancelled');
  const pending = count('pending');
  // events of a reservation named twice are counted once
  const deleted = new Set(
    details.flatMap(({ events }) =>
      events
        .filter((event) => event.action === 'deleted' || event.action === 'declined')
        .map((event) => event.mapping_id),
    ),
  );
  return {
    processed: details.length - pending,
    successful,
    errors: details.length - pending - successful,
    pending,
    success_rate: rateOf(successful, details.length - pending),
    outlook_deletions: deleted.size,
    details,
  };
}

function statusOf({ was, outcomes }: Cancelled): string {
  if (was === 'unknown') return 'not_found';
  if (was === 'refused') return 'error';
  if (outcomes.some(({ action }) => action === 'error' || action === 'held')) return 'error';
  if (outcomes.some(({ action }) => action === 'pending')) return 'pending';
  return was === 'active' ? 'cancelled' : 'already_cancelled';
}
