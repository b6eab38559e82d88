/** Deletes old rows of the history in small batches, so that no other session waits. */
import type { Queryable } from '../database.ts';
import { sleep } from '../sleep.ts';

const batchRows = 5_000;
/** Maximum rows of one run; the next run deletes the rest. */
const runRows = 2_000_000;
const betweenMs = 50;

/** Deletes rows of `bridge_log` older than `days` days; 0 keeps all. Returns the number of deleted rows. */
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
    await sleep(betweenMs, signal);
  }
  return gone;
}
