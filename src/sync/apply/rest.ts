/** The rest of a room, or an outage, after a failure that reaches further than one item. */
import { backOffMs } from '../../back-off.ts';
import { Permanent, Retryable } from '../../errors.ts';
import type { LeasedRoom, Rest } from '../store/work-list.ts';

export interface Stopped {
  readonly rest: Rest | null;
  /** Graph is unreachable, or refuses all our calls. */
  readonly outage: Retryable | Permanent | null;
}

/** The end of a drain: nothing is due, the room must rest, or Graph is unreachable. */
export interface Drained extends Stopped {
  /** Graph answered during this drain. */
  readonly answered: boolean;
  /** Nothing was due when the room was leased, and Outlook reported no change. */
  readonly isQuiet?: boolean;
}

/** Decided by the failure that reaches furthest. */
export function worst(errors: readonly Error[], room: LeasedRoom): Stopped {
  const refusals = errors.filter((e) => e instanceof Retryable || e instanceof Permanent);
  const outage = refusals.find((error) => error.reach === 'side') ?? null;
  const ofRoom = refusals.filter((error) => error.reach === 'room');
  return {
    outage,
    rest: ofRoom.length === 0 ? null : ofRoom.map((e) => restFor(e, room.attempt)).reduce(longer),
  };
}

const longer = (a: Rest, b: Rest): Rest => ((b.ms ?? 0) > (a.ms ?? 0) ? b : a);

/** The rest of a room after a failure that concerns its whole mailbox. */
export function restFor(error: Retryable | Permanent, attempt: number): Rest {
  const told = { why: error.message, hint: error.hint ?? null };
  if (error instanceof Permanent)
    // a person must act, and a granted permission takes up to two hours to work (Microsoft): retried meanwhile
    return {
      ...told,
      condition: 'refused',
      throttled: false,
      unknownMailbox: error.refusedFor === 'mailbox',
      ms: Math.min(600_000, 15_000 * 2 ** Math.min(attempt, 6)),
    };
  if (error.afterMs !== undefined)
    return { ...told, condition: 'waiting', throttled: true, ms: error.afterMs };
  return { ...told, condition: 'waiting', throttled: false, ms: backOffMs(attempt, Math.random()) };
}

/** Graph cannot read this now, and neither requested rest nor refused the calendar. */
export const isPassing = (error: unknown): error is Retryable =>
  error instanceof Retryable &&
  error.reach !== 'side' &&
  error.afterMs === undefined &&
  error.cause === undefined;

/** Graph refuses this read, in a mailbox that exists. */
export const isRefusal = (error: unknown): error is Permanent =>
  error instanceof Permanent && error.reach !== 'side' && error.refusedFor !== 'mailbox';
