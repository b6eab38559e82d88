/** A database that an older version set up, brought up to date: nothing tells it from a fresh one but its data. */
import assert from 'node:assert/strict';
import { describe, expect, test } from 'vitest';
import { ourNames } from '../../src/cli/own-schema.ts';
import { migrateTables } from '../../src/cli/migrate-tables.ts';
import { openSession } from '../../src/database.ts';
import { catalogue, runFile } from '../support/catalogue.ts';
import { openTestDatabase, type TestDatabase } from '../support/database.ts';
import { install } from '../support/settings.ts';

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
  await install(old);
  await install(fresh);
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
    (SELECT jsonb_agg(to_jsonb(m) - '{waits_for,revision}'::text[]) FROM bridge_mappings m) AS mappings, 
    -- the adapter was not installed: its rooms are compared
    (SELECT jsonb_agg(to_jsonb(s) - '{hinted_at,sure_at,reconcile_requested_at,reconciled_at,push_due_at,updated_at}'::text[]) FROM bridge_room_state s) AS rooms`;
  const before = await db.query(known);
  await install(db);
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
  await install(db);
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

test('until the new functions are there, those of the old version stay', async () => {
  await using old = await openOld();
  const functions = async () =>
    (
      await old.query<{ name: string }>(
        `SELECT oid::regprocedure::text AS name FROM pg_proc
         WHERE pronamespace = 'public'::regnamespace AND proname LIKE 'bridge\\_%' ORDER BY 1`,
      )
    ).map(({ name }) => name);
  const before = await functions();
  const { session, close } = await openSession(old.config, 'test');
  try {
    await migrateTables(session, ourNames(), () => undefined, new AbortController().signal);
  } finally {
    await close();
  }
  const after = await functions();
  // but for what migrations dropped that are published
  expect(before.filter((name) => !after.includes(name))).toEqual([
    'bridge_gather(integer,integer,integer)',
    'bridge_ring_neighbours(integer,smallint,timestamp with time zone,timestamp with time zone)',
  ]);
});

const item = (more: object = {}) =>
  JSON.stringify({
    startsAt: '2026-12-01T17:00:00Z',
    endsAt: '2026-12-01T19:00:00Z',
    allDay: false,
    title: 'Choir',
    description: '',
    isPrivate: false,
    ...more,
  });

/** What a daemon of 1.0 knew, in every state that it kept as a combination of columns. */
const oldStates = `
  INSERT INTO bridge_resource_mappings (resource_id, outlook_item_id) VALUES (101, 'a@example.org');
  INSERT INTO bridge_mappings (reservation_type, reservation_id, resource_id, outlook_item_id, outlook_event_id, sync_status,
    booking_base, outlook_base, removing, outlook_news, present)
  VALUES ('event', 1, 101, 'a@example.org', NULL, 'pending', NULL, NULL, false, NULL, true),
    ('event', 2, 101, 'a@example.org', 'found', 'synced', NULL, '${item()}', false, NULL, true),
    ('event', 3, 101, 'a@example.org', NULL, 'pending', '{}', NULL, false, NULL, true),
    ('event', 4, 101, 'a@example.org', 'partly', 'conflict', '{"title": "Choir"}', '${item()}', false, 'look', true),
    ('event', 5, 101, 'a@example.org', 'agreed', 'synced', '${item()}', '${item()}', false, NULL, true),
    ('event', 6, 101, 'a@example.org', 'going', 'pending', '${item()}', '${item()}', true, NULL, false),
    ('event', 7, 101, 'a@example.org', 'asked for', 'pending', '${item()}', '${item()}', true, 'look', true),
    ('event', 8, 101, 'a@example.org', 'gone', 'cancelled', '${item()}', NULL, false, NULL, false),
    ('event', 9, 101, 'a@example.org', 'unseen', 'cancelled', '${item()}', NULL, true, NULL, false),
    ('event', 10, 101, 'a@example.org', 'kept', 'cancelled', '${item()}', '${item()}', false, NULL, false),
    ('event', 11, 101, 'a@example.org', 'kept unread', 'cancelled', NULL, '{}', false, NULL, false),
    (NULL, NULL, 101, 'a@example.org', 'of nobody', 'imported', NULL, '${item()}', false, 'look', false),
    (NULL, NULL, 101, 'a@example.org', NULL, 'pending', NULL, NULL, false, NULL, true)`;
const named = [
  { reservation: 1, agreement: 'never', event_intent: null },
  { reservation: 2, agreement: 'never', event_intent: null },
  { reservation: 3, agreement: 'unanswered', event_intent: null },
  { reservation: 4, agreement: 'partly', event_intent: null },
  { reservation: 5, agreement: 'agreed', event_intent: null },
  { reservation: 6, agreement: 'agreed', event_intent: 'remove' },
  { reservation: 7, agreement: 'agreed', event_intent: 'renew' },
  { reservation: 8, agreement: 'agreed', event_intent: null },
  { reservation: 9, agreement: 'agreed', event_intent: 'remove_again' },
  { reservation: 10, agreement: 'agreed', event_intent: 'keep' },
  { reservation: 11, agreement: 'never', event_intent: 'keep' },
  { reservation: null, agreement: 'never', event_intent: null },
];
const names =
  'SELECT reservation_id AS reservation, agreement, event_intent FROM bridge_mappings ORDER BY id';

test('every state that the old version kept as a combination of columns has its name', async () => {
  await using db = await openOld();
  await db.query(oldStates);
  await install(db);
  assert.deepEqual(await db.query(names), named);
});

describe('what a daemon of the old version writes beside the new tables has its name', () => {
  const opened = async () => {
    const db = await openTestDatabase({ schema: 'portico' });
    await runFile(db, 'database/create_tables.sql');
    await db.query(oldStates);
    return db;
  };
  test('as it is inserted', async () => {
    await using db = await opened();
    assert.deepEqual(await db.query(names), named);
  });

  const daemon = 'revision = revision + 1';
  for (const [what, statement, state] of [
    [
      'an event that a person keeps',
      `${daemon}, sync_status = 'cancelled', outlook_base = coalesce(outlook_base, '{}')`,
      { agreement: 'agreed', event_intent: 'keep', removing: false },
    ],
    [
      'one that is enabled again',
      `${daemon}, outlook_event_id = NULL, outlook_base = NULL, booking_base = '{}'`,
      { agreement: 'unanswered', event_intent: null, removing: false },
    ],
    [
      'one that a person asked for',
      `${daemon}, outlook_news = 'look', removing = true`,
      { agreement: 'agreed', event_intent: 'renew', removing: true },
    ],
    [
      'one that gets a fresh event',
      `${daemon}, outlook_event_id = NULL, booking_base = NULL, outlook_base = NULL`,
      { agreement: 'never', event_intent: null, removing: false },
    ],
    [
      'one whose status a person set',
      `sync_status = 'pending'`,
      { agreement: 'agreed', event_intent: 'renew', removing: true },
    ],
  ] as const)
    test(what, async () => {
      await using db = await opened();
      await db.query(`UPDATE bridge_mappings SET ${statement} WHERE reservation_id = 5`);
      assert.deepEqual(
        await db.query(
          'SELECT agreement, event_intent, removing FROM bridge_mappings WHERE reservation_id = 5',
        ),
        [state],
      );
    });

  test('and what is written by name, it reads as before', async () => {
    await using db = await opened();
    await db.query(`UPDATE bridge_mappings SET agreement = 'unanswered', revision = revision + 1 WHERE reservation_id = 1;
      UPDATE bridge_mappings SET agreement = 'never', revision = revision + 1 WHERE reservation_id = 5;
      UPDATE bridge_mappings SET event_intent = 'remove', revision = revision + 1 WHERE reservation_id = 5;
      UPDATE bridge_mappings SET event_intent = 'keep', revision = revision + 1 WHERE reservation_id = 9`);
    assert.deepEqual(
      await db.query(`SELECT reservation_id AS reservation, booking_base, outlook_base IS NOT NULL AS content, removing
        FROM bridge_mappings WHERE reservation_id IN (1, 5, 9) ORDER BY id`),
      [
        { reservation: 1, booking_base: {}, content: false, removing: false },
        { reservation: 5, booking_base: null, content: true, removing: true },
        { reservation: 9, booking_base: JSON.parse(item()), content: true, removing: false },
      ],
    );
  });
});
