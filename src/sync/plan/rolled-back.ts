/**
 * A transaction that is always rolled back. Others must not wait for it: it waits only briefly for locks, does not exclude folds
 * (`bridge_is_plan`), and its work checks from time to time whether another session waits for its locks.
 */
import { oneAtATime } from '../../calls.ts';
import type { Queryable } from '../../database.ts';
import { queriedBy, queryValue } from '../../query.ts';

/** Below PostgreSQL's `deadlock_timeout`, 1 s: in a deadlock, this transaction gives up. */
const settings = `BEGIN READ WRITE;
  SET LOCAL bridge.plan = 'on'; SET LOCAL lock_timeout = '300ms'; SET LOCAL statement_timeout = '60s';
  SET LOCAL idle_in_transaction_session_timeout = '20s'; SET LOCAL synchronous_commit = off; SAVEPOINT statement`;

/**
 * Runs `work` in a transaction and rolls it back. A failing statement does not end the transaction; concurrent statements run one
 * after the other.
 */
export async function rolledBack<T>(session: Queryable, work: (db: Queryable) => Promise<T>): Promise<T> {
  const inOrder = oneAtATime();
  const db = queriedBy(session, (query) =>
    inOrder(async () => {
      try {
        const answer = await query();
        await session.query('RELEASE statement; SAVEPOINT statement');
        return answer;
      } catch (error) {
        await session.query('ROLLBACK TO statement');
        throw error;
      }
    }),
  );
  await session.query(settings);
  try {
    return await work(db);
  } finally {
    await inOrder(() => session.query('ROLLBACK'));
  }
}

/** Whether another session waits for a lock of this transaction. */
export const isWaitedFor = (db: Queryable) =>
  queryValue<boolean>(db, {
    name: 'is_waited_for',
    text: `SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY (pg_blocking_pids(pid))) AS waited`,
  });
