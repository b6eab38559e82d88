/** A booking write never fails, waits or blocks another one because of us, whatever became of us. */
import assert from 'node:assert/strict';
import { describe, test } from 'vitest';
import type pg from 'pg';
import { openTestDatabase, type TestDatabase } from '../support/database.ts';
import { bookingGrants, openRole } from '../support/roles.ts';
import { day } from '../support/dates.ts';

const event = (id: number, room = 101) => `
  INSERT INTO bb_event (id, activity_id, name, from_, to_, building_name, contact_name, contact_email, contact_phone, secret)
  VALUES (${id}, 1, 'Choir', '${day(20, '10:00')}', '${day(20, '11:00')}', 'b', 'c', 'e', 'p', 's');
  INSERT INTO bb_event_date (event_id, from_, to_) VALUES (${id}, '${day(20, '10:00')}', '${day(20, '11:00')}');
  INSERT INTO bb_event_resource (event_id, resource_id) VALUES (${id}, ${room});`;

/** Every kind of write a clerk does, on every table we watch. */
const aDayAtTheDesk = `
  ${event(1)}
  INSERT INTO bb_allocation (id, organization_id, season_id, from_, to_) VALUES (1, 1, 1, '${day(20, '10:00')}', '${day(20, '11:00')}');
  INSERT INTO bb_allocation_resource VALUES (1, 101);
  INSERT INTO bb_booking (id, group_id, season_id, activity_id, from_, to_, secret)
  VALUES (1, 1, 1, 1, '${day(20, '10:00')}', '${day(20, '11:00')}', 's');
  INSERT INTO bb_booking_resource VALUES (1, 101);
  UPDATE bb_event SET from_ = from_ + interval '1 hour', to_ = to_ + interval '1 hour', name = 'Moved';
  UPDATE bb_event_date SET from_ = from_ + interval '1 hour', to_ = to_ + interval '1 hour';
  UPDATE bb_event_resource SET resource_id = 102;
  UPDATE bb_booking SET active = 0; UPDATE bb_booking_resource SET resource_id = 102;
  UPDATE bb_allocation SET active = 0; UPDATE bb_allocation_resource SET resource_id = 102;
  UPDATE bb_group SET name = name || '!'; UPDATE bb_organization SET name = name || '!';
  DELETE FROM bb_event_resource; DELETE FROM bb_event_date; DELETE FROM bb_event;
  DELETE FROM bb_booking_resource; DELETE FROM bb_booking; DELETE FROM bb_allocation_resource; DELETE FROM bb_allocation;
  ${event(2)}
  TRUNCATE bb_event_resource, bb_event_date, bb_booking_resource, bb_allocation_resource;
  ${event(3)}`;

const left = (db: TestDatabase) => db.query('SELECT id FROM bb_event ORDER BY id');
const missed = async (db: TestDatabase) =>
  (
    await db.query<{ n: number }>(
      'SELECT CASE WHEN is_called THEN last_value ELSE 0 END AS n FROM bridge_missed_seq',
    )
  )[0]!.n;

describe('a broken bridge', () => {
  const breakages = [
    'DROP TABLE bridge_changes CASCADE',
    'DROP SEQUENCE bridge_missed_seq CASCADE',
    'DROP TABLE bridge_changes CASCADE; DROP SEQUENCE bridge_missed_seq CASCADE',
    'DROP TABLE bridge_mappings, bridge_removals CASCADE',
    'DROP TABLE bridge_settings CASCADE',
    'DROP TABLE bridge_room_state, bridge_resource_mappings, bridge_subscriptions CASCADE',
    'DROP FUNCTION bridge_wake() CASCADE',
    'DROP VIEW bridge_items CASCADE',
    'DROP FUNCTION bridge_fold(integer, integer, integer)',
    'DROP FUNCTION bridge_on_bb_event() CASCADE',
    'ALTER TABLE bridge_changes DROP COLUMN reservation_id',
    'ALTER TABLE bridge_changes RENAME TO bridge_changes_old',
    'DROP TABLE bridge_watched',
    'ALTER TABLE bridge_changes ADD CHECK (reservation_type IS NULL)',
    `CREATE OR REPLACE FUNCTION bridge_wake() RETURNS void LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$`,
    'ALTER TABLE bridge_changes ALTER reservation_id TYPE date USING now()',
    'ALTER SEQUENCE bridge_missed_seq MAXVALUE 2; DROP TABLE bridge_changes CASCADE',
    'REVOKE ALL ON bridge_changes FROM CURRENT_USER, PUBLIC',
  ];

  test.each(breakages)('lets a clerk without any right on it work on: %s', async (breakage) => {
    await using db = await openTestDatabase({ schema: 'bridge' });
    await using clerk = await openRole(db, bookingGrants);
    await db.query(breakage);
    const { client } = await clerk.session();
    await client.query(aDayAtTheDesk);
    assert.deepEqual(await left(db), [{ id: 2 }, { id: 3 }]);
  });

  test('is told of by a warning, and remembers that it missed something', async () => {
    await using db = await openTestDatabase({ schema: 'bridge' });
    await using clerk = await openRole(db, bookingGrants);
    await db.query('DROP TABLE bridge_changes CASCADE');
    const { client, warnings } = await clerk.session();
    await client.query(event(1));
    assert.match(warnings.join('\n'), /outlook-booking-sync did not note this change/);
    assert.equal(await missed(db), 3);
  });

  test('that cannot write because the disk is full lets 500 bookings through and remembers each', async () => {
    await using db = await openTestDatabase({ schema: 'bridge' });
    await using clerk = await openRole(db, bookingGrants);
    await db.query(`
      CREATE FUNCTION disk_full() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100'; END $$;
      CREATE TRIGGER disk_full BEFORE INSERT ON bridge_changes EXECUTE FUNCTION disk_full()`);
    const { client } = await clerk.session();
    for (let id = 1; id <= 500; id += 1) await client.query(event(id));
    assert.equal((await left(db)).length, 500);
    assert.equal(await missed(db), 1500);
    assert.deepEqual(await db.query('SELECT * FROM bridge_changes'), []);
  });

  test('whose outbox is locked by another session makes a booking wait a tenth of a second for each statement at most', async () => {
    await using db = await openTestDatabase({ schema: 'bridge' });
    await using clerk = await openRole(db, bookingGrants);
    const { client } = await clerk.session();
    const rebuild = await db.pool.connect();
    try {
      await rebuild.query('BEGIN; LOCK TABLE bridge_changes IN ACCESS EXCLUSIVE MODE');
      const began = performance.now();
      await client.query(event(1));
      assert.ok(performance.now() - began < 3 * 100 + 700);
      await rebuild.query('ROLLBACK');
    } finally {
      rebuild.release();
    }
    assert.equal(await missed(db), 3);
  });

  test('gives the booking role no way to its tables through its functions', async () => {
    await using db = await openTestDatabase({ schema: 'bridge' });
    await using clerk = await openRole(db, bookingGrants);
    const { client } = await clerk.session();
    for (const forbidden of [
      'SELECT * FROM bridge_mappings',
      'INSERT INTO bridge_changes DEFAULT VALUES',
      `SELECT bridge_import_item('{}')`,
      `SELECT bridge_cancel_item('event', 1, '')`,
    ])
      await assert.rejects(client.query(forbidden), { code: '42501' });
    // a table of the clerk's own, named like what the trigger calls, is not what it calls
    await client.query('CREATE TEMP TABLE bridge_changes (reservation_type text, reservation_id bigint)');
    await client.query(event(1));
    assert.deepEqual((await client.query('SELECT * FROM bridge_changes')).rows, []);
    assert.equal((await db.query('SELECT FROM bridge_changes')).length, 3);
  });
});

describe('two bookings', () => {
  const twoSessions = async (
    db: TestDatabase,
    work: (a: pg.PoolClient, b: pg.PoolClient) => Promise<void>,
  ) => {
    const [a, b] = [await db.pool.connect(), await db.pool.connect()];
    try {
      await work(a, b);
    } finally {
      await a.query('ROLLBACK');
      await b.query('ROLLBACK');
      a.release();
      b.release();
    }
  };

  test('that touch the same two rooms in opposite order do not deadlock', async () => {
    await using db = await openTestDatabase({ schema: 'bridge' });
    await db.query(event(1, 101) + event(2, 102) + event(3, 102) + event(4, 101));
    await db.query(
      `INSERT INTO bridge_resource_mappings (resource_id, outlook_item_id) VALUES (101, 'a'), (102, 'b')`,
    );
    await twoSessions(db, async (a, b) => {
      await a.query('BEGIN; UPDATE bb_event SET active = 0 WHERE id = 1');
      await b.query('BEGIN; UPDATE bb_event SET active = 0 WHERE id = 3');
      await Promise.all([
        a.query('UPDATE bb_event SET active = 0 WHERE id = 2'),
        b.query('UPDATE bb_event SET active = 0 WHERE id = 4'),
      ]);
      await Promise.all([a.query('COMMIT'), b.query('COMMIT')]);
    });
    assert.deepEqual(await db.query('SELECT FROM bb_event WHERE active = 1'), []);
  });

  test('a booking does not wait while our claim of the outbox is open', async () => {
    await using db = await openTestDatabase({ schema: 'bridge' });
    await db.query(event(1));
    await twoSessions(db, async (ours, clerk) => {
      await ours.query('BEGIN');
      assert.equal((await ours.query('SELECT bridge_fold(7, 365, 100) AS n')).rows[0].n, 3);
      await clerk.query(`SET lock_timeout = '1ms'; UPDATE bb_event SET active = 0`);
      assert.equal(await missed(db), 0);
    });
  });

  test('our claim of the outbox does not wait for a booking that is not committed, and takes it afterwards', async () => {
    await using db = await openTestDatabase({ schema: 'bridge' });
    await db.query(event(1));
    await db.query('DELETE FROM bridge_changes');
    await twoSessions(db, async (clerk, ours) => {
      await clerk.query('BEGIN; UPDATE bb_event SET active = 0');
      await ours.query(`SET lock_timeout = '1ms'`);
      assert.equal((await ours.query('SELECT bridge_fold(7, 365, 100) AS n')).rows[0].n, 0);
      await clerk.query('COMMIT');
      assert.equal((await ours.query('SELECT bridge_fold(7, 365, 100) AS n')).rows[0].n, 1);
    });
  });
});
