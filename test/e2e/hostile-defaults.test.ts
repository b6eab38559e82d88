/** Defaults that a DBA set for a database or a role: our sessions depend on none of them. */
import { expect, test } from 'vitest';
import { openPlanPool, openSession } from '../../src/database.ts';
import type { Queryable } from '../../src/database.ts';
import { openTestDatabase } from '../support/database.ts';
import { openWorld } from './world.ts';

const isolations = ['serializable', 'repeatable read'];
/** Each fails, or changes the meaning of, something that we ask. */
const others = {
  default_transaction_deferrable: 'on',
  statement_timeout: '1ms',
  lock_timeout: '1ms',
  idle_session_timeout: '200ms',
  TimeZone: 'Asia/Kolkata',
  DateStyle: 'SQL, DMY',
  IntervalStyle: 'sql_standard',
  extra_float_digits: '-15',
  bytea_output: 'escape',
  standard_conforming_strings: 'off',
  transform_null_equals: 'on',
  quote_all_identifiers: 'on',
  search_path: 'pg_catalog',
  client_encoding: 'LATIN1',
} as const;

const setDefaults = async (
  db: { query(text: string): Promise<unknown> },
  defaults: Record<string, string>,
) => {
  for (const [name, value] of Object.entries(defaults))
    await db.query(
      `DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET ${name} = %L', current_database(), '${value}'); END $$`,
    );
};

test.each(isolations)('every session of ours reads committed where the default is %s', async (isolation) => {
  await using db = await openTestDatabase({ schema: 'empty' });
  const plain = await db.pool.connect();
  await setDefaults(db, { default_transaction_isolation: isolation });
  plain.release(true);
  const isolationOf = async (session: Queryable) =>
    (await session.query<{ transaction_isolation: string }>('SHOW transaction_isolation')).rows[0];
  const own = await openSession(db.config, 'a test');
  const reading = openPlanPool(db.config, 'a test', 1);
  for (const session of [own.session, reading])
    expect(await isolationOf(session)).toEqual({ transaction_isolation: 'read committed' });
  await reading.end();
  await own.close();
});

test.each(isolations)(
  'with %s and other defaults the daemon works as ever: no outage, no lost lease, and what clerks write it never fails',
  async (isolation) => {
    await using world = await openWorld({ mapped: [101, 102] });
    await setDefaults(world.db, { default_transaction_isolation: isolation, ...others });
    const running = await world.start();
    const booked = [];
    for (let n = 0; n < 12; n += 1)
      booked.push(
        await world.desk.book(101 + (n % 2), {
          title: `Møte ${n}`,
          from: world.day(2 + n, '10:00'),
          to: world.day(2 + n, '11:00'),
        }),
      );
    await world.settled();
    expect([...world.titles(101), ...world.titles(102)].toSorted()).toEqual(
      booked.map((_, n) => `Møte ${n}`).toSorted(),
    );
    const locks = await world.db.query(`SELECT FROM pg_locks l JOIN pg_stat_activity a USING (pid)
      WHERE l.mode = 'SIReadLock' AND a.application_name LIKE 'bridge%'`);
    expect(locks).toEqual([]);
    const wrong = running.facts.filter(({ fact }) =>
      ['outage', 'bug', 'lease-lost', 'item-parked'].includes(fact),
    );
    expect(wrong).toEqual([]);
  },
);
