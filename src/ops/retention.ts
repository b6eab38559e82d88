/** What was done is remembered for a while; then it goes, a little at a time, so that nobody waits for it. */
import { setTimeout as pause } from 'node:timers/promises';
import type { Queryable } from '../database.ts';

const batchRows = 5_000;
/** Rows of one run at most; what is left goes with the next one. */
const runRows = 2_000_000;
const betweenMs = 50;

/** Deletes what `bridge_log` knows of before `days` days; 0 keeps all. Returns how many rows went. */
export async function forgetLog(db: Queryable, days: number, signal: AbortSignal): Promise<number> {
  let gone = 0;
  if (days === 0) return gone;
  while (!signal.aborted && gone < runRows) {
    const { rowCount } = await db.query({
      name: 'forget_log',
      text: `DELETE FROM bridge_log WHERE id IN (
        SELECT id FROM bridge_log WHERE at < now() - $1 * interval '1 day' ORDER BY at LIMIT $2)`,
      values: [days, batchRows],
    });
    gone += rowCount ?? 0;
    if ((rowCount ?? 0) < batchRows) return gone;
    await pause(betweenMs, undefined, { signal }).catch(() => undefined); // stopping cuts the wait short
  }
  return gone;
}
