/** One call of a person or a script that waits for work: since when, how long, and whether anybody still waits. */
import { setTimeout as pause } from 'node:timers/promises';
import type { Queryable } from '../../database.ts';

export interface Call {
  /** The end of bridge_log when the call arrived: what was done since then counts. */
  readonly mark: number;
  /** The newest mapping then. */
  readonly newest: number;
  /** On the monotonic clock. */
  readonly deadline: number;
  /** The caller is gone, or we are stopping: what is open then is reported as pending. */
  readonly signal: AbortSignal;
}

export async function beginCall(db: Queryable, waitMs: number, signal: AbortSignal): Promise<Call> {
  const deadline = performance.now() + waitMs;
  const { rows } = await db.query<{ mark: number; newest: number }>({
    name: 'end_of_books',
    text: `SELECT (SELECT coalesce(max(id), 0) FROM bridge_log) AS mark,
      (SELECT coalesce(max(id), 0) FROM bridge_mappings) AS newest`,
  });
  return { ...rows[0]!, deadline, signal };
}

/** Milliseconds the call may still wait; 0 when nobody waits any more. */
export const msLeft = (call: Pick<Call, 'deadline' | 'signal'>): number =>
  call.signal.aborted ? 0 : Math.max(0, call.deadline - performance.now());

/**
 * Looks until `open` answers false or the time is up: after a few ms first, since an item takes hardly longer, then
 * less and less often, so that many waiting callers do not load the database.
 */
export async function until(
  call: Pick<Call, 'deadline' | 'signal'>,
  open: () => Promise<boolean>,
): Promise<void> {
  for (let waitMs = 4; msLeft(call) > 0 && (await open()); waitMs = Math.min(250, waitMs * 1.5)) {
    const rest = pause(Math.min(waitMs, msLeft(call)), undefined, { signal: call.signal });
    await rest.catch(() => undefined); // the caller is gone: the condition of the loop sees it
  }
}
