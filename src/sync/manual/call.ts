/** A call of a person or script that waits for work. */
import type { Queryable } from '../../database.ts';
import { sleep } from '../../sleep.ts';

export interface Call {
  /** The end of bridge_log when the call began: later lines are its results. */
  readonly mark: number;
  /** The newest mapping at that time. */
  readonly newest: number;
  /** On the monotonic clock. */
  readonly deadline: number;
  /** The caller is gone, or the daemon is stopping: open items are reported as pending. */
  readonly signal: AbortSignal;
}

export async function beginCall(db: Queryable, waitMs: number, signal: AbortSignal): Promise<Call> {
  const deadline = performance.now() + waitMs;
  const { rows } = await db.query<{ mark: number; newest: number }>({
    name: 'end_of_log',
    text: `SELECT (SELECT coalesce(max(id), 0) FROM bridge_log) AS mark,
      (SELECT coalesce(max(id), 0) FROM bridge_mappings) AS newest`,
  });
  return { ...rows[0]!, deadline, signal };
}

/** Milliseconds that the call may still wait. */
export const msLeft = (call: Pick<Call, 'deadline' | 'signal'>): number =>
  call.signal.aborted ? 0 : Math.max(0, call.deadline - performance.now());

/**
 * Waits until `open` returns false or the time is over. The first check is after a few ms, which an item takes; the interval then grows,
 * so that many waiting callers do not load the database.
 */
export async function until(
  call: Pick<Call, 'deadline' | 'signal'>,
  open: () => Promise<boolean>,
): Promise<void> {
  for (let waitMs = 4; msLeft(call) > 0 && (await open()); waitMs = Math.min(250, waitMs * 1.5))
    await sleep(Math.min(waitMs, msLeft(call)), call.signal);
}
