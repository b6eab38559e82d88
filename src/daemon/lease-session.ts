/** The session that holds the leases of one daemon's rooms. */
import type { Config } from '../config.ts';
import { openSession } from '../database.ts';

/** Everything on the way from wake to work is answered in milliseconds; what is not comes from a half-open connection. */
export const answerMs = 8_000;

/** Whose open transaction has a row of ours is not waited for: a statement that waits keeps back all rooms. */
export const boundedLocks = `SET lock_timeout = '250ms'`;

/**
 * Opens it, and ends what the server still knows of an earlier one of the same daemon. Throws when the database does not
 * answer, and behind a pooler, where two daemons would hold the same room.
 */
export async function openLease(config: Config, name: string) {
  const own = await openSession(config.database, `${name} leases`, answerMs);
  try {
    // nobody waits for the disk between wake and work: what a crash of the server forgets of it is looked at again
    await own.session.query(`SET synchronous_commit = off; ${boundedLocks}`);
    // an earlier session of ours that the server has not missed yet would keep our rooms from us
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
