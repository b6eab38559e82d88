/** A database that an older version set up, brought up to date: nothing tells it from a fresh one but its data. */
import assert from 'node:assert/strict';
import { expect, test } from 'vitest';
import { migrate } from '../../src/cli/migrate.ts';
import { catalogue, runFile } from '../support/catalogue.ts';
import { openTestDatabase, type TestDatabase } from '../support/database.ts';

const upgrade = (db: TestDatabase) =>
  migrate(
    {
      database: db.config,
      adapter: 'portico',
      timezone: 'Europe/Oslo',
      wake: 'adaptive',
      logLevel: 'silent',
    },
    () => undefined,
    new AbortController().signal,
  );

/** What a version left that had its functions in the first migration. */
async function openOld(): Promise<TestDatabase> {
  const db = await openTestDatabase({ schema: 'portico' });
  await runFile(db, 'test/fixtures/create_tables-0001.sql');
  return db;
}

test('old tables that were migrated have the schema of fresh ones', async () => {
  await using old = await openOld();
  await using fresh = await openTestDatabase({ schema: 'portico' });
  await runFile(fresh, 'database/create_tables.sql');
  await upgrade(old);
  await upgrade(fresh);
  assert.deepEqual(await catalogue(old, 'all'), await catalogue(fresh, 'all'));
  const [theirs, ours] = [old, fresh].map((db) =>
    db.query('SELECT name, value FROM bridge_settings WHERE name <> ALL ($1) ORDER BY name', [
      ['installation_id', 'database'],
    ]),
  );
  assert.deepEqual(await theirs, await ours);
});

test('what the old version knew is still known', async () => {
  await using db = await openOld();
  await db.query(`INSERT INTO bridge_resource_mappings (resource_id, outlook_item_id) VALUES (101, 'a@example.org');
    UPDATE bridge_room_state SET baselined_at = '2026-01-01', reconciled_at = '2026-01-01';
    INSERT INTO bridge_mappings (reservation_type, reservation_id, resource_id, outlook_item_id, outlook_event_id, sync_status)
    VALUES ('event', 1, 101, 'a@example.org', 'one', 'synced')`);
  const known = `SELECT (SELECT value FROM bridge_settings WHERE name = 'installation_id') AS installation,
    (SELECT jsonb_agg(to_jsonb(m) - 'waits_for') FROM bridge_mappings m) AS mappings, 
    -- the adapter was not installed: its rooms are compared
    (SELECT jsonb_agg(to_jsonb(s) - '{hinted_at,sure_at,reconcile_requested_at,reconciled_at,push_due_at,updated_at}'::text[]) FROM bridge_room_state s) AS rooms`;
  const before = await db.query(known);
  await upgrade(db);
  // what is new since then is added to it
  expect(await db.query(known)).toMatchObject(before);
});

test('what the old version knew of an event that did not occupy its room is read again, and what waits says for what', async () => {
  await using db = await openOld();
  await db.query(`INSERT INTO bridge_resource_mappings (resource_id, outlook_item_id) VALUES (101, 'a@example.org');
    INSERT INTO bridge_mappings (reservation_type, reservation_id, resource_id, outlook_item_id, outlook_event_id, sync_status, outlook_news)
    VALUES ('event', 1, 101, 'a@example.org', 'free or called off', 'pending', 'vacated'),
      ('event', 2, 101, 'a@example.org', 'deleted', 'conflict', 'gone'),
      (NULL, NULL, 101, 'a@example.org', 'for a person to import', 'imported', NULL)`);
  await upgrade(db);
  assert.deepEqual(
    await db.query(
      'SELECT outlook_event_id AS event, outlook_news AS news, waits_for FROM bridge_mappings ORDER BY id',
    ),
    [
      { event: 'free or called off', news: 'look', waits_for: null },
      { event: 'deleted', news: 'gone', waits_for: null },
      { event: 'for a person to import', news: null, waits_for: 'import' },
    ],
  );
});
