/** Settlements of unmapped events. */
import type { Permanent, Retryable } from '../../../errors.ts';
import { itemOf, type OutlookEvent } from '../../../event.ts';
import type { Item } from '../../../item.ts';
import type { Settlement } from '../../store/settle.ts';
import type { LeasedRoom } from '../../store/work-list.ts';
import { unreadableEventHint, waitFields, type WaitsFor } from '../../store/waits.ts';
import type { ConflictNote, Unmapped } from '../../store/work-item.ts';
import { choose, takenAgainMs } from './conflict.ts';
import { afterRepair, isOfItemForGood, reported, retryMs } from './failed.ts';
import { keepUnmapped, readFields } from './keep.ts';

/** An unmapped event as it was read. */
export interface UnmappedEvent {
  readonly room: LeasedRoom;
  readonly unmapped: Unmapped;
  readonly event: OutlookEvent;
  readonly item: Item;
}

/** Decided about, as it was read. */
export const settledAsRead = (
  unmapped: Unmapped,
  event: OutlookEvent,
  action: Settlement['action'],
  change: Partial<Settlement>,
): Settlement =>
  keepUnmapped(unmapped, action, {
    news: null,
    waitsFor: null,
    outlookSeen: itemOf(event.shows),
    ...readFields(event),
    ...change,
  });

/** We do not handle it any more. */
export const dropped = (
  unmapped: Unmapped,
  action: 'forgotten' | 'declined' | 'deleted',
  reason: string,
): Settlement => keepUnmapped(unmapped, action, { status: 'forget', news: null, waitsFor: null, reason });

/** An unrecorded create made it; the log of its reservation shows the deletion. */
export const createTakenOut = (
  unmapped: Unmapped,
  ofCreate: NonNullable<Settlement['ofCreate']>,
): Settlement => ({
  ...dropped(
    unmapped,
    'deleted',
    'a create without an answer had made it, and its reservation needs no such event',
  ),
  ofCreate,
});

/** Changed since the decision, or the booking system is busy: read again after `inMs`. */
export const readLater = (unmapped: Unmapped, inMs = 0, error: string | null = null): Settlement =>
  keepUnmapped(unmapped, 'delayed', {
    status: unmapped.status === 'conflict' ? 'conflict' : 'imported',
    news: 'look',
    waitsFor: null,
    dueInMs: inMs,
    attempt: unmapped.attempt + 1,
    conflict: unmapped.conflict,
    error,
  });

export const waiting = (unmapped: Unmapped, event: OutlookEvent, waitsFor: WaitsFor): Settlement =>
  settledAsRead(unmapped, event, 'unchanged', { status: 'imported', ...waitFields(waitsFor) });

/** The same meeting is in the room under another id, which usually disappears soon. */
export const waitingForTwin = (unmapped: Unmapped, event: OutlookEvent, inMs: number): Settlement =>
  settledAsRead(unmapped, event, 'unchanged', {
    status: 'imported',
    news: 'look',
    attempt: unmapped.attempt + 1,
    dueInMs: inMs,
  });

/** A person still has to decide. */
export const stillOpen = (unmapped: Unmapped, event: OutlookEvent): Settlement =>
  settledAsRead(unmapped, event, 'unchanged', {
    status: 'conflict',
    conflict: unmapped.conflict,
    outlookSeen: unmapped.outlookSeen,
    error: unmapped.error,
    hint: choose,
  });

/** ... about a meeting that its reservation was moved away from, and that shows `item` now. */
export const stillDetached = (unmapped: Unmapped, event: OutlookEvent, item: Item): Settlement =>
  settledAsRead(unmapped, event, 'unchanged', {
    status: 'conflict',
    conflict: { ...unmapped.conflict!, outlook: item },
    error:
      unmapped.status === 'conflict'
        ? (unmapped.error ?? 'The booking system moved this reservation away from its meeting.')
        : null,
    hint: choose,
  });

/** It exists and cannot be read: a person corrects it in Outlook. */
export const notUnderstood = (unmapped: Unmapped, event: OutlookEvent, why: string): Settlement =>
  settledAsRead(unmapped, event, unmapped.status === 'error' ? 'unchanged' : 'parked', {
    status: 'error',
    outlookSeen: unmapped.outlookSeen,
    error: why,
    hint: unreadableEventHint,
  });

export const flagged = (
  unmapped: Unmapped,
  event: OutlookEvent,
  conflict: ConflictNote,
  error: string,
): Settlement =>
  settledAsRead(unmapped, event, unmapped.conflict?.kind === conflict.kind ? 'unchanged' : 'parked', {
    status: 'conflict',
    conflict,
    error,
    hint: choose,
  });

/** Its time is taken in the booking system. */
export const flaggedAsTaken = (
  unmapped: Unmapped,
  event: OutlookEvent,
  item: Item,
  error: string,
): Settlement => ({
  ...flagged(unmapped, event, { kind: 'overlap', outlook: item }, error),
  ...(unmapped.conflict?.kind === 'overlap' ? {} : { dueInMs: takenAgainMs }),
});

/** A rule of the booking system refuses it. */
export const refused = ({ unmapped, event }: UnmappedEvent, message: string): Settlement =>
  settledAsRead(unmapped, event, 'parked', {
    status: 'error',
    error: message,
    hint: 'The booking system refuses it; correct that, then POST /booking/process-imports.',
  });

/** A function or view of the booking system failed: once it is repaired, the import succeeds without a request. */
export const refusedByFailure = ({ unmapped, event }: UnmappedEvent, message: string): Settlement =>
  settledAsRead(unmapped, event, reported(unmapped, message), {
    // a person's choice is still to be carried out
    status: unmapped.conflict === null ? 'error' : 'conflict',
    conflict: unmapped.conflict,
    error: message,
    hint: 'The booking system failed: repair it. It is tried again at least every ten minutes, and at POST /booking/process-imports.',
    ...afterRepair(unmapped),
  });

/** It could not be read, deleted or declined. */
export function importFailed(unmapped: Unmapped, error: Retryable | Permanent): Settlement {
  const isParked = isOfItemForGood(error);
  return keepUnmapped(unmapped, isParked ? 'parked' : 'delayed', {
    status: unmapped.status === 'conflict' ? 'conflict' : isParked ? 'error' : 'imported',
    conflict: unmapped.conflict,
    attempt: unmapped.attempt + 1,
    error: error.message,
    hint: error.hint ?? null,
    dueInMs: isParked ? null : retryMs(error, unmapped.attempt),
  });
}
