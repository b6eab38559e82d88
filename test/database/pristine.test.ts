import { expect, test } from 'vitest';
import { openTestDatabase } from '../support/database.ts';

type TestDatabase = Awaited<ReturnType<typeof openTestDatabase>>;

/** What a test can see of those before it. */
const contents = async (db: TestDatabase) => ({
  rows: await db.query<{ name: string; rows: string }>(
    `SELECT c.oid::regclass::text AS name, query_to_xml(format('SELECT t::text AS row FROM %s t ORDER BY 1', c.oid::regclass), true, true, '')::text AS rows
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'r' AND n.nspname IN ('public', 'transitions')
     ORDER BY 1`,
  ),
  next: await db.query(
    `SELECT sequencename, query_to_xml(format('SELECT last_value, is_called FROM %I.%I', schemaname, sequencename), true, true, '')::text
     FROM pg_sequences ORDER BY 1`,
  ),
  session: (
    await db.pool.query(
      "SELECT current_user, current_setting('search_path'), current_setting('lock_timeout')",
    )
  ).rows as object[],
  locks: await db.query(
    "SELECT FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
  ),
});

/** Opens one, lets a test work in it, and tells what the next one gets. */
async function after(work: (db: TestDatabase) => Promise<unknown>) {
  const before = await openTestDatabase({ schema: 'bridge' });
  const found = await contents(before);
  await work(before);
  await before[Symbol.asyncDispose]();
  await using next = await openTestDatabase({ schema: 'bridge' });
  return { isSame: next.url === before.url, found, again: await contents(next), before };
}

test('the next test gets the database of the last one with the rows, sequences and session settings of the template', async () => {
  const { isSame, found, again } = await after(async ({ pool }) => {
    await pool.query(
      `INSERT INTO bridge_resource_mappings (resource_id, outlook_item_id) VALUES (101, 'room@example.org')`,
    );
    await pool.query(
      `UPDATE bb_event SET name = 'Renamed'; DELETE FROM bb_allocation_resource; UPDATE bridge_settings SET value = '?'`,
    );
    await pool.query(`SELECT nextval(pg_get_serial_sequence('bb_event', 'id')), pg_advisory_lock(1)`);
    await pool.query(`SET search_path = pg_temp; SET lock_timeout = '1s'; BEGIN`);
  });
  expect(isSame).toBe(true);
  expect(again).toEqual(found);
});

test('a database with other statistics, as autovacuum collects them, is used again', async () => {
  const { isSame } = await after(({ query }) => query('ANALYZE'));
  expect(isSame).toBe(true);
});

test.each([
  ['switched off a trigger', 'ALTER TABLE bb_event DISABLE TRIGGER USER'],
  ['replaced a function', 'CREATE OR REPLACE FUNCTION bridge_wake() RETURNS void LANGUAGE sql AS $$ $$'],
  ['made a table', 'CREATE TABLE own ()'],
  ['took a right away', 'REVOKE ALL ON bb_event FROM PUBLIC, postgres'],
  [
    'set something for all sessions',
    "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET lock_timeout = 1', current_database()); END $$",
  ],
  ['wrote a comment', "COMMENT ON TABLE bb_event IS 'own'"],
  ['made a cast', 'CREATE CAST (text AS date) WITH INOUT'],
  [
    'gave a right on the database',
    "DO $$ BEGIN EXECUTE format('GRANT CREATE ON DATABASE %I TO pg_monitor', current_database()); END $$",
  ],
])('one that %s is the last of its database', async (_, statement) => {
  const { isSame } = await after(({ query }) => query(statement));
  expect(isSame).toBe(false);
});

test('what a test left running cannot reach the database of the next one', async () => {
  let session: Awaited<ReturnType<TestDatabase['session']>> | undefined;
  const { isSame, before } = await after(async (db) => {
    session = await db.session();
  });
  expect(isSame).toBe(true);
  for (const query of [
    () => before.pool.query('SELECT 1'),
    () => before.query('SELECT 1'),
    () => session!.query('SELECT 1'),
  ])
    await expect(query()).rejects.toThrow('the test is over');
});

test('one that ended its pool is the last of its database', async () => {
  const { isSame } = await after(async ({ pool }) => {
    await pool.query('SELECT 1');
    await pool.end();
  });
  expect(isSame).toBe(false);
});
