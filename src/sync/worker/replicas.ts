/**
 * The other daemons on this database. Each writes a heartbeat every second, by the server's clock, with its backends. The backends of
 * a daemon without a heartbeat for five seconds are terminated (same role, no further right), which frees its leases.
 */
import type { Queryable } from '../../database.ts';
import { callFunction } from '../../query.ts';

export const beatEveryMs = 1_000;
const staleMs = 5_000;

/** Writes our heartbeat and terminates stale daemons. Returns the number of other daemons. */
export const beat = (db: Queryable, replica: string, pids: readonly number[]) =>
  callFunction<number>(db, 'bridge_beat', replica, pids, staleMs);

/** Removes our heartbeat, so that no daemon waits for us. */
export async function leave(db: Queryable, replica: string): Promise<void> {
  await db.query('DELETE FROM bridge_replicas WHERE id = $1', [replica]);
}

/** Wakes every daemon. */
export async function ringAll(db: Queryable): Promise<void> {
  await db.query(`SELECT pg_notify('bridge_changes', '')`);
}
