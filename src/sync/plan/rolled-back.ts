/**
 * A transaction that is rolled back whatever comes of it. Others must not wait for it: it never waits long for a lock itself,
 * keeps no fold out (`bridge_is_plan`), and what runs in it asks now and then whether somebody waits for what it has
 * locked.
 */
import type pg from 'pg';
import type { Queryable } from '../../database.ts';

/** Below PostgreSQL's `deadlock_timeout`, 1 s: in a deadlock it is always us who give up. */
const settings = `BEGIN READ WRITE;
  SET LOCAL bridge.plan = 'on'; SET LOCAL lock_timeout = '300ms'; SET LOCAL statement_timeout = '60s';
  SET LOCAL idle_in_transaction_session_timeout = '20s'; SET LOCAL synchronous_commit = off; SAVEPOINT statement`;

/**
 * Runs `work` on a session in a transaction, and rolls back. A statement that fails fails alone, as it would on a connection
 * of its own; statements asked for at the same time run one after the other.
 */
export async function rolledBack<T>(session: Queryable, work: (db: Queryable) => Promise<T>): Promise<T> {
  let last: Promise<unknown> = Promise.resolve();
  const run = async (asked: unknown[]): Promise<unknown> => {
    try {
      const answer = await (session.query as (...args: unknown[]) => Promise<unknown>)(...asked);
      await session.query('RELEASE statement; SAVEPOINT statement');
      return answer;
    } catch (error) {
      await session.query('ROLLBACK TO statement');
      throw error;
    }
  };
  const query = (...asked: unknown[]): Promise<unknown> => {
    const answer = last.then(() => run(asked));
    last = answer.catch(() => undefined);
    return answer;
  };
  await session.query(settings);
  try {
    return await work({ query: query as pg.ClientBase['query'] });
  } finally {
    await last;
    await session.query('ROLLBACK');
  }
}

/** Whether a booking, a daemon or anybody else waits for what this transaction has locked. */
export async function isWaitedFor(db: Queryable): Promise<boolean> {
  const { rows } = await db.query<{ waited: boolean }>({
    name: 'is_waited_for',
    text: `SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY (pg_blocking_pids(pid))) AS waited`,
  });
  return rows[0]!.waited;
}
