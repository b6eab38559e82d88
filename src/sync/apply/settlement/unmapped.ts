/** What is written down of an event without a reservation. */
import { Permanent, type Retryable } from '../../../errors.ts';
import { itemOf, type OutlookEvent } from '../../../event.ts';
import type { Item } from '../../../item.ts';
import type { Settlement } from '../../store/settle.ts';
import type { LeasedRoom } from '../../store/work-list.ts';
import {
  unreadableHint,
  waitHints,
  type ConflictNote,
  type Unmapped,
  type WaitsFor,
} from '../../store/work-item.ts';
import { choose } from './conflict.ts';
import { factsOf, keepUnmapped } from './keep.ts';

/** An event that no reservation knows, as it was read. */
export interface UnmappedEvent {
  readonly room: LeasedRoom;
  readonly unmapped: Unmapped;
  readonly event: OutlookEvent;
  readonly item: Item;
}

/** It was dealt with: `event` is how it was read. */
export const dealtWith = (
  unmapped: Unmapped,
  event: OutlookEvent,
  action: Settlement['action'],
  change: Partial<Settlement>,
): Settlement =>
  keepUnmapped(unmapped, action, {
    news: null,
    waitsFor: null,
    outlookSeen: itemOf(event.shows),
    ...factsOf(event),
    ...change,
  });

/** It is none of ours any more, or never was. */
export const dropped = (
  unmapped: Unmapped,
  action: 'forgotten' | 'declined' | 'deleted',
  reason: string,
): Settlement => keepUnmapped(unmapped, action, { status: 'forget', news: null, waitsFor: null, reason });

/** What it was decided by has changed meanwhile, or what has to take it is busy: it is read again after `inMs`. */
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
  dealtWith(unmapped, event, 'unchanged', { status: 'imported', waitsFor, hint: waitHints[waitsFor] });

/** Its meeting is in the room under another id, which mostly goes in a moment. */
export const waitingForTwin = (unmapped: Unmapped, event: OutlookEvent, inMs: number): Settlement =>
  dealtWith(unmapped, event, 'unchanged', {
    status: 'imported',
    news: 'look',
    attempt: unmapped.attempt + 1,
    dueInMs: inMs,
  });

/** A person still has to choose. */
export const stillOpen = (unmapped: Unmapped, event: OutlookEvent): Settlement =>
  dealtWith(unmapped, event, 'unchanged', {
    status: 'conflict',
    conflict: unmapped.conflict,
    outlookSeen: unmapped.outlookSeen,
    error: unmapped.error,
    hint: choose,
  });

/** ... about a meeting that its reservation moved away from, and that shows `item` now. */
export const stillDetached = (unmapped: Unmapped, event: OutlookEvent, item: Item): Settlement =>
  dealtWith(unmapped, event, 'unchanged', {
    status: 'conflict',
    conflict: { ...unmapped.conflict!, outlook: item },
    error:
      unmapped.status === 'conflict'
        ? 'The booking system moved this reservation away from its meeting.'
        : null,
    hint: choose,
  });

/** It is there, and nobody can tell what it is: a person looks at it in Outlook. */
export const notUnderstood = (unmapped: Unmapped, event: OutlookEvent, why: string): Settlement =>
  dealtWith(unmapped, event, unmapped.status === 'error' ? 'unchanged' : 'parked', {
    status: 'error',
    outlookSeen: unmapped.outlookSeen,
    error: why,
    hint: unreadableHint,
  });

export const flagged = (
  unmapped: Unmapped,
  event: OutlookEvent,
  conflict: ConflictNote,
  error: string,
): Settlement =>
  dealtWith(unmapped, event, unmapped.conflict?.kind === conflict.kind ? 'unchanged' : 'parked', {
    status: 'conflict',
    conflict,
    error,
    hint: choose,
  });

/** The booking system refuses to take it. */
export const refused = (unmapped: Unmapped, event: OutlookEvent, message: string): Settlement =>
  dealtWith(unmapped, event, 'parked', {
    status: 'error',
    error: message,
    hint: 'The booking system refuses it; correct that, then POST /booking/process-imports.',
  });

/** It could not be read, deleted or declined; `waitMs`: until the next try. */
export function importFailed(unmapped: Unmapped, error: Retryable | Permanent, waitMs: number): Settlement {
  const parked = error instanceof Permanent && error.reach === 'item';
  return keepUnmapped(unmapped, parked ? 'parked' : 'delayed', {
    status: unmapped.status === 'conflict' ? 'conflict' : parked ? 'error' : 'imported',
    conflict: unmapped.conflict,
    attempt: unmapped.attempt + 1,
    error: error.message,
    hint: error.hint ?? null,
    dueInMs: parked ? null : waitMs,
  });
}
