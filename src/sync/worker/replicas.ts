/**
 * The other daemons on this database. Each beats every second, by the server's clock, with the backends it holds.
 * One that has not beaten for five seconds is frozen or cut off: its backends are ended (same role, no further
 * right), which frees its leases.
 */
import type { Queryable } from '../../database.ts';

export const beatEveryMs = 1_000;
const staleMs = 5_000;

/** Writes our heartbeat and ends stale peers. Returns how many other daemons are alive. */
export async function beat(db: Queryable, replica: string, pids: readonly number[]): Promise<number> {
  const { rows } = await db.query<{ peers: number }>({
    name: 'beat',
    text: 'SELECT bridge_beat($1, $2, $3) AS peers',
    values: [replica, pids, staleMs],
  });
  return rows[0]!.peers;
}

/** Takes us off the list, so that nobody waits for us. */
export async function leave(db: Queryable, replica: string): Promise<void> {
  await db.query('DELETE FROM bridge_replicas WHERE id = $1', [replica]);
}

/** Rings every daemon: there is more to do than we work on, or something was asked for by hand. */
export async function ringAll(db: Queryable): Promise<void> {
  await db.query(`SELECT pg_notify('bridge_changes', '')`);
}
