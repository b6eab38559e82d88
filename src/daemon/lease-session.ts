/** The session that holds the leases of one daemon's rooms. */
import type { Config } from '../config.ts';
import { openSession } from '../database.ts';

/** The time limit of a query of the work loop, which takes milliseconds: a longer one is on a half-open connection. */
export const answerMs = 8_000;

/** A statement that waits for a lock delays all rooms, so it waits only briefly for open transactions of others. */
export const boundedLocks = `SET lock_timeout = '250ms'`;

/**
 * Opens the session and terminates an earlier one of the same daemon that the server has not noticed as lost. Throws when the database
 * does not answer, and behind a pooler, where two daemons would hold the same room.
 */
export async function openLease(config: Config, name: string) {
  const own = await openSession(config.database, `${name} leases`, answerMs);
  try {
    // no wait for the disk between wake and work: after a crash of the server the affected rooms are read again
    await own.session.query(`SET synchronous_commit = off; ${boundedLocks}`);
    const { rows } = await own.session.query<{ pid: number }>(`
      SELECT pg_backend_pid() AS pid, count(pg_terminate_backend(a.pid)) FROM pg_stat_activity a
      WHERE a.datname = current_database() AND a.usename = current_user AND a.pid <> pg_backend_pid()
        AND a.application_name = current_setting('application_name')`);
    return { ...own, pid: rows[0]!.pid };
  } catch (error) {
    await own.close();
    throw error;
  }
}
