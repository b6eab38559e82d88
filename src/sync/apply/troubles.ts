/**
 * Partial failures of rooms: creates are refused (a full mailbox), or the calendar cannot be read for now, while the rest works.
 * Kept in memory: another daemon finds out with one call.
 */
import { backOffMs } from '../../back-off.ts';
import { Permanent, type Retryable } from '../../errors.ts';
import type { Rest } from '../store/work-list.ts';

type What = 'creates' | 'reads';

/** Between two tries of a refused create. A person must act, and then the creates are to resume soon. */
const createsMs = { first: 5_000, most: 30_000 };
/** Between two tries of a refused read. */
const refusedMs = { first: 5_000, most: 60_000 };
/** Longer than the time between two tries: after it, nothing waits any more. */
const forgottenMs = 90_000;

interface Trouble {
  readonly attempt: number;
  readonly error: Retryable | Permanent;
  /** `performance.now()` of the last try. */
  readonly at: number;
}

export type Troubles = ReturnType<typeof createTroubles>;

export function createTroubles() {
  const troubles = new Map<string, Trouble>();
  const keyOf = (roomId: number, what: What) => `${what} ${roomId}`;
  const find = (roomId: number, what: What): Trouble | undefined => {
    const trouble = troubles.get(keyOf(roomId, what));
    if (trouble === undefined || performance.now() - trouble.at < forgottenMs) return trouble;
    troubles.delete(keyOf(roomId, what));
    return undefined;
  };
  return {
    /** Records a failure. Returns the milliseconds until the next try. */
    again(roomId: number, what: What, error: Retryable | Permanent): number {
      const attempt = (find(roomId, what)?.attempt ?? -1) + 1;
      troubles.set(keyOf(roomId, what), { attempt, error, at: performance.now() });
      if (what === 'reads' && !(error instanceof Permanent)) return backOffMs(attempt, Math.random());
      const { first, most } = what === 'reads' ? refusedMs : createsMs;
      return Math.min(most, first * 2 ** Math.min(attempt, 10));
    },
    /** Records a success. Returns whether there was a failure before. */
    over: (roomId: number, what: What): boolean => troubles.delete(keyOf(roomId, what)),
    is: (roomId: number, what: What): boolean => find(roomId, what) !== undefined,
    /** As the condition of the room; null: none. */
    of(roomId: number): Rest | null {
      const creates = find(roomId, 'creates');
      const trouble = creates ?? find(roomId, 'reads');
      if (trouble === undefined) return null;
      const { error } = trouble;
      const refused = creates !== undefined || error instanceof Permanent;
      return {
        ms: null,
        throttled: false,
        condition: refused ? 'refused' : 'waiting',
        why: error.message,
        hint: error.hint ?? null,
      };
    },
  };
}
