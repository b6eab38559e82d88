/** The lease of a room for calls to its mailbox outside of the daemon's loop. */
import { setTimeout as pause } from 'node:timers/promises';
import type { Queryable } from '../../database.ts';
import { queryValue } from '../../query.ts';
import { locks } from '../../locks.ts';

const waitMs = 5_000;

/** Runs `work` under the lease of the room. Null: a daemon kept it for too long. */
export async function underLease<T>(
  session: Queryable,
  roomId: number,
  signal: AbortSignal,
  work: () => Promise<T>,
): Promise<T | null> {
  const givesUpAt = performance.now() + waitMs;
  for (;;) {
    const ours = await queryValue<boolean>(
      session,
      `SELECT pg_try_advisory_lock(${locks.room}, $1) AS ours`,
      [roomId],
    );
    if (ours) break;
    if (performance.now() > givesUpAt) return null;
    await pause(100, undefined, { signal });
  }
  try {
    return await work();
  } finally {
    // a daemon that found it leased takes it now
    await session.query(`SELECT pg_advisory_unlock(${locks.room}, $1), bridge_wake()`, [roomId]);
  }
}
