/** `adapter check` on a database in which people book, or in which another version of the bridge is installed. */
import assert from 'node:assert/strict';
import { expect, test } from 'vitest';
import { checkAdapter } from '../../src/cli/adapter-check.ts';
import { migrate } from '../../src/cli/migrate.ts';
import { Retryable } from '../../src/errors.ts';
import { runFile } from '../support/catalogue.ts';
import { openTestDatabase, type TestDatabase } from '../support/database.ts';
import { openRole } from '../support/roles.ts';
import { untilTrue } from '../support/until.ts';
import { bookingConfig } from '../support/settings.ts';
import { book, found, spoilt } from './adapter-findings.ts';

const never = new AbortController().signal;

// databases made from one template have tables of the same oid
const locked = (granted: string) =>
  `EXISTS (SELECT FROM pg_locks WHERE relation = 'mrbs_entry'::regclass AND mode = 'ShareRowExclusiveLock' AND ${granted}
     AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))`;
const holds = locked('granted');
const waits = locked('NOT granted');
const bridge = `EXISTS (SELECT FROM pg_class WHERE relname = 'bridge_items')`;

test('it is given up, and nothing is left of it, once a session waits for what it has locked', async () => {
  await using db = await openTestDatabase({ schema: 'bare mrbs' });
  await book(db);
  const slow = spoilt('20_functions.sql', (text) =>
    text.replace('BEGIN\n  IF starts IS NULL', 'BEGIN\n  PERFORM pg_sleep(300);\n  IF starts IS NULL'),
  );
  const check = checkAdapter(bookingConfig(db, slow), () => undefined, never).then(
    () => assert.fail('it came to its end'),
    (error: unknown) => error,
  );
  await untilTrue(db, holds);
  await book(db);
  const failure = await check;
  assert.ok(failure instanceof Retryable);
  expect(failure.message).toMatch(/other sessions waited .* nothing was changed/);
  expect(failure.hint).toMatch(/on a copy/);
  await untilTrue(db, `NOT ${bridge}`);
});

test('it waits for a table no longer than half a second, so that bookings get through, and then tries again', async () => {
  await using db = await openTestDatabase({ schema: 'bare mrbs' });
  await using people = await openRole(db, ['GRANT ALL ON ALL TABLES IN SCHEMA public TO role']);
  const { client } = await people.session();
  await client.query(
    `BEGIN; UPDATE mrbs_area SET sort_key = sort_key; LOCK mrbs_entry IN ROW EXCLUSIVE MODE`,
  );
  const check = found(db, 'mrbs');
  await untilTrue(db, waits);
  // behind the check's request, and in front of its next one
  await book(db);
  await client.query('COMMIT');
  expect((await check).filter(({ state }) => state === 'problem')).toEqual([]);
});

test('neither a file nor a role changes how long migrate waits for a lock', async () => {
  await using db = await openTestDatabase({ schema: 'bare mrbs' });
  await using ours = await openRole(db, [
    'ALTER ROLE role SUPERUSER',
    `ALTER ROLE role SET lock_timeout = '1h'`,
  ]);
  const folder = spoilt(
    '40_defaults.sql',
    (text) =>
      `SET lock_timeout = '10s';\nSELECT current_setting('lock_timeout') AS note;\nRESET lock_timeout;\nSELECT current_setting('lock_timeout') AS note;\n${text}`,
  );
  const { notes } = await migrate(
    { ...bookingConfig(db, folder), database: ours.config },
    () => undefined,
    never,
  );
  expect(notes.slice(0, 2)).toEqual(['500ms', '500ms']);
});

const problems = async (db: TestDatabase) => (await found(db, 'mrbs')).filter(({ state }) => state !== 'ok');

test('beside a bridge of an older version it says to run migrate first', async () => {
  await using db = await openTestDatabase({ schema: 'bare mrbs' });
  await runFile(db, 'test/fixtures/create_tables-0001.sql');
  expect(await problems(db)).toEqual([
    {
      state: 'problem',
      check: 'bridge',
      message: expect.stringMatching(
        /is of another version: \d+ of its migrations were not run, from 0010_states on/,
      ) as string,
      repair: expect.stringMatching(/^First run migrate.*migrate$/) as string,
    },
  ]);
});

test.each([
  [
    'functions of another version',
    `UPDATE bridge_settings SET value = 'x y' WHERE name = 'functions'`,
    /functions are of another version/,
  ],
  [
    'a function that was replaced',
    `CREATE OR REPLACE FUNCTION bridge_wake() RETURNS void LANGUAGE sql AS 'SELECT'`,
    /functions are of another version/,
  ],
  ['a table that is gone', `DROP TABLE bridge_alerts CASCADE`, /objects are missing: bridge_alerts/],
])('beside %s, too', async (_what, spoil, says) => {
  await using db = await openTestDatabase({ schema: 'installed mrbs' });
  await db.query(spoil);
  expect(await problems(db)).toMatchObject([
    {
      check: 'bridge',
      message: expect.stringMatching(says) as string,
      repair: expect.stringMatching(/First run migrate/) as string,
    },
  ]);
});

test('beside a newer one it says so, and beside tables of the predecessor it names adopt', async () => {
  {
    await using db = await openTestDatabase({ schema: 'installed mrbs' });
    await db.query(`INSERT INTO bridge_migrations (name, run_on) VALUES ('9999_future', now())`);
    expect(await problems(db)).toMatchObject([
      { check: 'bridge', message: expect.stringMatching(/migrated by .*migrations 9999;/) as string },
    ]);
  }
  await using db = await openTestDatabase({ schema: 'bare mrbs' });
  await db.query('CREATE TABLE bridge_mappings (source_bridge text)');
  expect(await problems(db)).toMatchObject([
    {
      check: 'bridge',
      message: expect.stringMatching(/already exist: bridge_mappings/) as string,
      repair: expect.stringMatching(/adopt$/) as string,
    },
  ]);
});
