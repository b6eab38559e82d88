/** The rooms of these tests are worked on as the daemon does it. */
import { expect, test } from 'vitest';
import { untilWaiting } from '../database/work-list-world.ts';
import { untilTrue } from '../support/until.ts';
import { open, room } from './two-way-world.ts';

test('a take is tried again after it waited too long for the lock of the fold', async () => {
  await using w = await open();
  await w.desk.book(101, { title: 'Choir', from: w.day(3, '10:00'), to: w.day(3, '11:00') });
  const holder = await w.db.pool.connect();
  try {
    const { rows } = await holder.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
    await holder.query('BEGIN; SELECT bridge_lock_for_fold()');
    const worked = w.settle();
    const holderPid = rows[0]!.pid;
    await Promise.race([worked, untilWaiting(w.db, holderPid)]);
    // as it is, change by change, and as it is again
    for (let tries = 1; tries <= 2; tries += 1) {
      const [last] = await w.db.query<{ at: string | null }>(
        'SELECT max(query_start)::text AS at FROM pg_stat_activity WHERE $1 = ANY (pg_blocking_pids(pid))',
        [holderPid],
      );
      const isTriedAgain = `EXISTS (SELECT FROM pg_stat_activity
        WHERE ${holderPid} = ANY (pg_blocking_pids(pid)) AND query_start > '${last?.at ?? '-infinity'}')`;
      await Promise.race([worked, untilTrue(w.db, isTriedAgain)]);
    }
    await holder.query('COMMIT');
    await worked;
  } finally {
    holder.release(true);
  }
  expect(w.outlook.titles(room)).toEqual(['Choir']);
});
