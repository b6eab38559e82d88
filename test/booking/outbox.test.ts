/** What a write in the booking system leaves in the outbox, for every way of writing that PostgreSQL knows. */
import assert from 'node:assert/strict';
import { test } from 'vitest';
import { openTestDatabase, type TestDatabase } from '../support/database.ts';
import { day } from '../support/dates.ts';
import { install } from '../support/settings.ts';

const event = (id: number, room = 101) => `
  INSERT INTO bb_event (id, activity_id, name, from_, to_, building_name, contact_name, contact_email, contact_phone, secret)
  VALUES (${id}, 1, 'Choir', '${day(20, '10:00')}', '${day(20, '11:00')}', 'b', 'c', 'e', 'p', 's');
  INSERT INTO bb_event_date (event_id, from_, to_) VALUES (${id}, '${day(20, '10:00')}', '${day(20, '11:00')}');
  INSERT INTO bb_event_resource (event_id, resource_id) VALUES (${id}, ${room});`;

const booking = (id: number, group = 1) => `
  INSERT INTO bb_booking (id, group_id, season_id, activity_id, from_, to_, secret)
  VALUES (${id}, ${group}, 1, 1, '${day(20, '10:00')}', '${day(20, '11:00')}', 's');
  INSERT INTO bb_booking_resource VALUES (${id}, 101);`;

const allocation = (id: number, organization = 1) => `
  INSERT INTO bb_allocation (id, organization_id, season_id, from_, to_)
  VALUES (${id}, ${organization}, 1, '${day(20, '10:00')}', '${day(20, '11:00')}');
  INSERT INTO bb_allocation_resource VALUES (${id}, 101);`;

/** Takes what is in the outbox: 'event 5', each once, in the order of ids; 'event all' is a marker. */
async function taken(db: TestDatabase): Promise<string[]> {
  const rows = await db.query<{ what: string }>(
    `WITH gone AS (DELETE FROM bridge_changes RETURNING *)
     SELECT DISTINCT coalesce(reservation_type, 'all') || ' ' || coalesce(reservation_id::text, 'all') AS what,
            reservation_id AS id FROM gone ORDER BY id, what`,
  );
  return rows.map(({ what }) => what);
}

/** What one write leaves, after what was there before it is taken away. */
async function leaves(db: TestDatabase, before: string, write: string): Promise<string[]> {
  await db.query(before);
  await taken(db);
  await db.query(write);
  return taken(db);
}

/** The notifications that `write` sends, each statement a transaction of its own. */
async function notificationsOf(db: TestDatabase, writes: readonly string[]): Promise<number> {
  const listener = await db.pool.connect();
  let heard = 0;
  listener.on('notification', () => (heard += 1));
  try {
    await listener.query('LISTEN bridge_changes; SELECT pg_advisory_lock_shared(7230912, 6)');
    for (const write of writes) await db.query(write);
    await listener.query('SELECT'); // what was sent before is delivered with this answer at the latest
    return heard;
  } finally {
    listener.removeAllListeners('notification');
    await listener.query('UNLISTEN *; SELECT pg_advisory_unlock_shared(7230912, 6)');
    listener.release();
  }
}

const open = () => openTestDatabase({ schema: 'bridge' });

test('a new event, booking and allocation each leave their own id', async () => {
  await using db = await open();
  assert.deepEqual(await leaves(db, '', event(1)), ['event 1']);
  assert.deepEqual(await leaves(db, '', booking(2)), ['booking 2']);
  assert.deepEqual(await leaves(db, '', allocation(3)), ['allocation 3']);
});

test('a statement leaves one row for each reservation it changed, not one for each column or trigger', async () => {
  await using db = await open();
  await db.query(event(1) + event(2) + event(3));
  await taken(db);
  await db.query(`UPDATE bb_event SET name = 'New', active = 0, to_ = to_ + interval '1 hour' WHERE id < 3`);
  assert.deepEqual(await db.query('SELECT reservation_id AS id FROM bridge_changes ORDER BY 1'), [
    { id: 1 },
    { id: 2 },
  ]);
});

test.each([
  'active = 0',
  `name = 'New'`,
  `organizer = 'New'`,
  `customer_organization_name = 'New'`,
  `description = 'New'`,
  `from_ = from_ - interval '1 hour'`,
  `to_ = to_ + interval '1 hour'`,
  `contact_name = 'New'`,
  `contact_email = 'New'`,
  'is_public = 0',
])('an event is noted when %s', async (change) => {
  await using db = await open();
  assert.deepEqual(await leaves(db, event(1), `UPDATE bb_event SET ${change}`), ['event 1']);
});

test('what the view does not read leaves nothing where a row leads to others, and so does an update to the same value or to no row', async () => {
  await using db = await open();
  await db.query(event(1) + booking(1) + allocation(1));
  for (const write of [
    'UPDATE bb_event SET name = name || name WHERE id = 999',
    `UPDATE bb_group SET description = 'x', shortname = 'y'`,
    `UPDATE bb_organization SET phone = '1', customer_ssn = '2'`,
    'UPDATE bb_event_date SET from_ = from_',
    'DELETE FROM bb_event_resource WHERE event_id = 999',
    `UPDATE bb_resource SET name = name || '!'`,
  ])
    assert.deepEqual(await leaves(db, '', write), [], write);
});

test('a renamed group is a change of its bookings, a renamed organisation of its allocations and bookings', async () => {
  await using db = await open();
  await db.query(booking(1, 1) + booking(2, 2) + booking(3, 3) + allocation(4, 1) + allocation(5, 2));
  assert.deepEqual(await leaves(db, '', `UPDATE bb_group SET name = 'New' WHERE id = 1`), ['booking 1']);
  assert.deepEqual(await leaves(db, '', `UPDATE bb_organization SET name = 'New' WHERE id = 1`), [
    'booking 1',
    'booking 2',
    'allocation 4',
  ]);
});

test('a reservation that moves between rooms, or to another reservation id, leaves every id that is concerned', async () => {
  await using db = await open();
  await db.query(event(1) + event(2));
  assert.deepEqual(
    await leaves(db, '', 'UPDATE bb_event_resource SET resource_id = 102 WHERE event_id = 1'),
    ['event 1'],
  );
  assert.deepEqual(
    await leaves(
      db,
      '',
      'UPDATE bb_event_resource SET event_id = 2 WHERE event_id = 1 AND resource_id = 102',
    ),
    ['event 1', 'event 2'],
  );
});

test('a rolled-back booking leaves nothing, a savepoint rolled back takes only its part along', async () => {
  await using db = await open();
  await db.query(`BEGIN; ${event(1)} ROLLBACK`);
  assert.deepEqual(await taken(db), []);
  await db.query(`BEGIN; ${event(1)} SAVEPOINT s; ${event(2)} ROLLBACK TO SAVEPOINT s; ${event(3)} COMMIT`);
  assert.deepEqual(await taken(db), ['event 1', 'event 3']);
});

test('an error that a function of the booking system catches takes its part of the outbox along', async () => {
  await using db = await open();
  await db.query(`DO $$ BEGIN
      ${event(1)}
      BEGIN
        ${event(2)}
        RAISE EXCEPTION 'no';
      EXCEPTION WHEN OTHERS THEN NULL;
      END;
    END $$`);
  assert.deepEqual(await taken(db), ['event 1']);
});

test('COPY, INSERT ... SELECT, ON CONFLICT and bulk updates are noted', async () => {
  await using db = await open();
  await db.query(event(1));
  const copy = `CREATE TEMP TABLE stage AS SELECT * FROM bb_event WHERE id = 1; UPDATE stage SET id = 2;
    INSERT INTO bb_event SELECT * FROM stage`;
  assert.deepEqual(await leaves(db, '', copy), ['event 2']);
  const upsert = `INSERT INTO bb_event_date (id, event_id, from_, to_) VALUES (1, 2, '${day(40, '10:00')}', '${day(40, '11:00')}'),
    (77, 2, '${day(40, '12:00')}', '${day(40, '13:00')}') ON CONFLICT (id) DO UPDATE SET event_id = excluded.event_id`;
  assert.deepEqual(await leaves(db, '', upsert), ['event 1', 'event 2']);
  await db.query(`INSERT INTO bb_event_resource SELECT 1, id FROM bb_resource ON CONFLICT DO NOTHING`);
  assert.deepEqual(await taken(db), ['event 1']);
  await db.query(
    `CREATE TABLE copied (LIKE bb_event_resource); INSERT INTO copied VALUES (2, 103), (2, 104)`,
  );
  await db
    .query(`COPY bb_event_resource FROM PROGRAM 'printf "2\\\\t103\\\\n2\\\\t104\\\\n"'`)
    .catch(async () => {
      await db.query('INSERT INTO bb_event_resource TABLE copied'); // a server without a shell
    });
  assert.deepEqual(await taken(db), ['event 2']);
});

test('MERGE is noted, each of its actions', async ({ skip }) => {
  await using db = await open();
  const [{ version } = { version: 0 }] = await db.query<{ version: number }>(
    `SELECT current_setting('server_version_num')::integer AS version`,
  );
  if (version < 150_000) return skip('MERGE came with PostgreSQL 15');
  await db.query(booking(1) + booking(2) + booking(3));
  await taken(db);
  await db.query(`MERGE INTO bb_booking_resource t USING (VALUES (1, 'move'), (2, 'drop'), (3, 'keep'), (4, 'new')) AS s (id, what)
    ON t.booking_id = s.id
    WHEN MATCHED AND s.what = 'move' THEN UPDATE SET resource_id = 102
    WHEN MATCHED AND s.what = 'drop' THEN DELETE
    WHEN NOT MATCHED THEN INSERT VALUES (3, 104)`);
  assert.deepEqual(await taken(db), ['booking 1', 'booking 2', 'booking 3']);
});

test('what a foreign key deletes along is noted', async () => {
  await using db = await open();
  await db.query(`ALTER TABLE bb_event_resource DROP CONSTRAINT bb_event_resource_event_id_fkey,
    ADD FOREIGN KEY (event_id) REFERENCES bb_event (id) ON DELETE CASCADE`);
  await db.query(event(1) + 'DELETE FROM bb_event_date');
  assert.deepEqual(await leaves(db, '', 'DELETE FROM bb_event'), ['event 1']);
});

test('TRUNCATE asks for a comparison of everything', async () => {
  await using db = await open();
  await db.query(event(1) + booking(2));
  assert.deepEqual(await leaves(db, '', 'TRUNCATE bb_event_resource'), ['all all']);
  assert.deepEqual(await leaves(db, '', 'TRUNCATE bb_event CASCADE'), ['all all']);
  assert.deepEqual(await leaves(db, '', 'TRUNCATE bb_organization CASCADE'), ['all all']);
});

test('a write to a partition is noted, whether it names the table or the partition', async () => {
  await using db = await openTestDatabase({ schema: 'portico' });
  await db.query(`ALTER TABLE bb_event_resource RENAME TO old_resource;
    CREATE TABLE bb_event_resource (event_id integer NOT NULL, resource_id integer NOT NULL, PRIMARY KEY (event_id, resource_id))
      PARTITION BY RANGE (event_id);
    CREATE TABLE bb_event_resource_1 PARTITION OF bb_event_resource FOR VALUES FROM (0) TO (100);
    CREATE TABLE bb_event_resource_2 PARTITION OF bb_event_resource FOR VALUES FROM (100) TO (1000)`);
  await install(db);
  assert.deepEqual(await leaves(db, '', event(1) + event(101)), ['event 1', 'event 101']);
  assert.deepEqual(await leaves(db, '', 'UPDATE bb_event_resource_2 SET resource_id = 102'), ['event 101']);
  assert.deepEqual(await leaves(db, '', 'INSERT INTO bb_event_resource_1 VALUES (1, 104)'), ['event 1']);
  assert.deepEqual(await leaves(db, '', 'DELETE FROM bb_event_resource_1'), ['event 1']);
  assert.deepEqual(await leaves(db, '', 'UPDATE bb_event_resource SET event_id = 1 WHERE event_id = 101'), [
    'event 1',
    'event 101',
  ]);
  assert.deepEqual(await leaves(db, '', 'TRUNCATE bb_event_resource_1'), ['all all']);
});

test('ten thousand rows in one statement are noted about as fast as one after another would be written', async () => {
  await using db = await open();
  await db.query(event(1));
  await db.query(`UPDATE bb_event SET name = 'warm'; UPDATE bb_event SET name = 'warmer'`);
  await db.query(`INSERT INTO bb_event (id, activity_id, name, from_, to_, building_name, contact_name, contact_email, contact_phone, secret)
    SELECT i, 1, 'Choir', '${day(20, '10:00')}', '${day(20, '11:00')}', 'b', 'c', 'e', 'p', 's' FROM generate_series(1000, 10999) i`);
  await taken(db);
  const client = await db.pool.connect();
  try {
    // the plans of the trigger are made for one row, then used for ten thousand: no nested loop may be among them
    for (let i = 0; i < 8; i += 1) await client.query(`UPDATE bb_event SET name = 'x${i}' WHERE id = 1`);
    const began = performance.now();
    await client.query(`UPDATE bb_event SET name = 'bulk'`);
    assert.ok(performance.now() - began < 5_000);
  } finally {
    client.release();
  }
  assert.equal((await taken(db)).length, 10_001);
});

test('a statement wakes the daemon once however many rows it wrote, and not at all when it wrote nothing', async () => {
  await using db = await open();
  await db.query(event(1) + event(2) + event(3));
  assert.equal(await notificationsOf(db, [`UPDATE bb_event SET name = 'New'`]), 1);
  assert.equal(
    await notificationsOf(db, [
      'UPDATE bb_event SET cost = 1 WHERE false',
      'UPDATE bb_group SET name = name',
    ]),
    0,
  );
  assert.equal(await notificationsOf(db, [`BEGIN; ${event(4)} ${event(5)} COMMIT`]), 1);
  assert.equal(await notificationsOf(db, [`BEGIN; ${event(6)} ROLLBACK`]), 0);
});

test('no daemon is woken while one polls, and the outbox is written all the same', async () => {
  await using db = await open();
  const polling = await db.pool.connect();
  try {
    await polling.query('SELECT pg_advisory_lock(7230912, 1)');
    assert.equal(await notificationsOf(db, [event(1)]), 0);
    assert.deepEqual(await taken(db), ['event 1']);
    await polling.query('SELECT pg_advisory_unlock(7230912, 1)');
    assert.equal(await notificationsOf(db, [`UPDATE bb_event SET name = 'New'`]), 1);
  } finally {
    polling.release();
  }
});

test.each(['ALTER TABLE bb_event DISABLE TRIGGER ALL', `SET session_replication_role = replica`])(
  'what slips by the triggers is found by the comparison: %s',
  async (bypass) => {
    await using db = await open();
    await db.query(
      `INSERT INTO bridge_resource_mappings (id, resource_id, outlook_item_id) VALUES (1, 101, 'room@x')`,
    );
    await db.query(event(1) + event(2));
    await taken(db);
    const reconcile = async () =>
      (await db.query(`SELECT bridge_reconcile(1, lease_epoch, 7, 3650) AS r FROM bridge_room_state`))[0]![
        'r'
      ];
    assert.deepEqual(await reconcile(), { added: 2, changed: 0, gone: 0 });
    // both are in Outlook as they are
    await db.query(`UPDATE bridge_mappings m SET sync_status = 'synced', due_at = NULL, revision = revision + 1,
      booking_seen = (SELECT bridge_item_state(i.starts_at, i.ends_at, i.all_day, i.title, i.description, i.is_private)
                      FROM bridge_items i WHERE i.reservation_id = m.reservation_id)`);
    assert.deepEqual(await reconcile(), { added: 0, changed: 0, gone: 0 });
    const client = await db.pool.connect();
    await client.query(`BEGIN; ${bypass}; UPDATE bb_event SET name = 'Slipped by' WHERE id = 1; UPDATE bb_event SET active = 0 WHERE id = 2;
      ${event(3)} SET session_replication_role = origin; COMMIT`);
    client.release();
    await db.query(`DELETE FROM bridge_changes`);
    assert.deepEqual(await reconcile(), { added: 1, changed: 2, gone: 0 });
  },
);
