/** How a change in the booking system becomes work. */
import assert from 'node:assert/strict';
import { describe, test } from 'vitest';
import { open, event, fold, rows, due, allSynced, dueItems } from './work-list-world.ts';

describe('folding', () => {
  test('ten edits of one reservation are one due row, and all their outbox rows are gone', async () => {
    await using db = await open();
    await db.query(event(1));
    for (let i = 0; i < 9; i += 1) await db.query(`UPDATE bb_event SET name = 'Edit ${i}'`);
    assert.equal(await fold(db), 11);
    assert.deepEqual(await due(db), ['event 1 in 101']);
    assert.equal(await fold(db), 0);
    assert.deepEqual(
      await db.query(
        `SELECT push_due_at <= now() AS due, push_lane AS lane FROM bridge_room_state ORDER BY resource_mapping_id`,
      ),
      [
        { due: true, lane: 0 },
        { due: null, lane: 1 }, // as a new room begins
      ],
    );
  });

  test('the latency of coalesced edits is counted from the first of them', async () => {
    await using db = await open();
    await db.query(event(1));
    const [first] = await db.query('SELECT min(changed_at) AS at FROM bridge_changes');
    await db.query(`UPDATE bb_event SET name = 'Again'`);
    await fold(db);
    await db.query(`UPDATE bb_event SET name = 'And again'`);
    await fold(db);
    assert.deepEqual(await db.query('SELECT changed_at AS at FROM bridge_mappings'), [first]);
  });

  test('it takes no more than it is asked to', async () => {
    await using db = await open();
    await db.query(event(1) + event(2) + event(3));
    assert.deepEqual([await fold(db, 4), await fold(db, 4), await fold(db, 4)], [4, 2, 0]);
    assert.equal((await due(db)).length, 3);
  });

  test('a transaction that took its number early and commits late is not missed', async () => {
    await using db = await open();
    const late = await db.pool.connect();
    try {
      await late.query('BEGIN;' + event(1));
      await db.query(event(2));
      assert.equal(await fold(db), 2);
      assert.deepEqual(await due(db), ['event 2 in 101']);
      await late.query('COMMIT');
      assert.equal(await fold(db), 2);
      assert.deepEqual(await due(db), ['event 1 in 101', 'event 2 in 101']);
    } finally {
      late.release(true);
    }
  });

  test('a reservation that moved to another room is due in both', async () => {
    await using db = await open();
    await db.query(event(1));
    await fold(db);
    await allSynced(db);
    await db.query('UPDATE bb_event_resource SET resource_id = 102');
    await fold(db);
    assert.deepEqual(
      (await rows(db)).map(({ key, present, due: d }) => [key, present, d]),
      [
        ['event 1 in 101', false, true],
        ['event 1 in 102', true, true],
      ],
    );
  });

  test('one that gained a room is due in all, one in rooms that are not ours in none', async () => {
    await using db = await open();
    await db.query(
      event(1) + 'INSERT INTO bb_event_resource VALUES (1, 102), (1, 103);' + event(2, { room: 104 }),
    );
    await fold(db);
    assert.deepEqual(await due(db), ['event 1 in 101', 'event 1 in 102']);
  });

  test('a cancelled one is due and not present; enabled again it is due and present', async () => {
    await using db = await open();
    await db.query(event(1));
    await fold(db);
    await allSynced(db);
    await db.query('UPDATE bb_event SET active = 0');
    await fold(db);
    assert.deepEqual(
      (await rows(db)).map(({ due: d, present, status }) => [d, present, status]),
      [[true, false, 'pending']],
    );
    assert.equal((await dueItems(db))[0]?.active, false);
    await db.query(
      `UPDATE bridge_mappings SET sync_status = 'cancelled', due_at = NULL, revision = revision + 1`,
    );
    await db.query('UPDATE bb_event SET active = 1');
    await fold(db);
    assert.deepEqual(
      (await rows(db)).map(({ due: d, present, status }) => [d, present, status]),
      [[true, true, 'cancelled']],
    );
    assert.equal((await dueItems(db))[0]?.active, true);
  });

  test('a deleted one is due, and there is nothing to be read of it', async () => {
    await using db = await open();
    await db.query(event(1));
    await fold(db);
    await allSynced(db);
    await db.query('DELETE FROM bb_event_resource; DELETE FROM bb_event');
    await fold(db);
    assert.deepEqual(
      (await rows(db)).map(({ due: d, present }) => [d, present]),
      [[true, false]],
    );
    assert.deepEqual(
      (await dueItems(db)).map(({ active, booking: shown }) => [active, shown]),
      [[null, null]],
    );
  });

  test('one that never was active, or lies outside the window, leaves no row', async () => {
    await using db = await open();
    await db.query(
      event(1) +
        'UPDATE bb_event SET active = 0;' +
        event(2, { from: 24 * 400, to: 24 * 400 + 1 }) +
        event(3, { from: -24 * 30, to: -24 * 30 + 1 }),
    );
    await fold(db);
    assert.deepEqual(await rows(db), []);
  });

  test('the window is whole local days, half open', async () => {
    await using db = await open();
    const edges = `(now() AT TIME ZONE 'Europe/Oslo')::date`;
    const put = (id: number, from: string, to: string) =>
      event(id) + `UPDATE bb_event SET from_ = ${from}, to_ = ${to} WHERE id = ${id};`;
    await db.query(
      put(1, `${edges} - 7 - interval '1 hour'`, `${edges} - 7`) + // ends as the window opens
        put(2, `${edges} - 7 - interval '1 hour'`, `${edges} - 7 + interval '1 minute'`) +
        put(3, `${edges} + 365 - interval '1 minute'`, `${edges} + 365 + interval '1 hour'`) +
        put(4, `${edges} + 365`, `${edges} + 365 + interval '1 hour'`), // starts as it closes
    );
    await fold(db);
    assert.deepEqual(await due(db), ['event 2 in 101', 'event 3 in 101']);
    assert.deepEqual(
      (await dueItems(db)).map((item) => item.inWindow),
      [true, true],
    );
  });

  test('a mapped item that is moved out of the window is followed once', async () => {
    await using db = await open();
    await db.query(event(1));
    await fold(db);
    await allSynced(db);
    await db.query(`UPDATE bb_event SET from_ = from_ + interval '3 years', to_ = to_ + interval '3 years'`);
    await fold(db);
    assert.deepEqual(
      (await dueItems(db)).map(({ inWindow, active }) => [inWindow, active]),
      [[false, true]],
    );
  });

  test('a marker makes every room compare itself', async () => {
    await using db = await open();
    await db.query('TRUNCATE bb_booking_resource');
    assert.equal(await fold(db), 1);
    assert.deepEqual(
      await db.query('SELECT reconciled_at, push_due_at <= now() AS due FROM bridge_room_state'),
      [
        { reconciled_at: null, due: true },
        { reconciled_at: null, due: true },
      ],
    );
  });

  test('a room that only takes from Outlook gets no new rows', async () => {
    await using db = await open();
    await db.query(`UPDATE bridge_resource_mappings SET sync_direction = 'outlook_to_booking' WHERE id = 1`);
    await db.query(event(1));
    await fold(db);
    assert.deepEqual(await rows(db), []);
  });

  test('a change while a room is switched off does not make its rows look removed when it is switched on', async () => {
    await using db = await open();
    await db.query(event(1));
    await fold(db);
    await allSynced(db);
    await db.query('UPDATE bridge_resource_mappings SET active = 0 WHERE id = 1');
    await db.query(`UPDATE bb_event SET name = 'Renamed'`);
    await fold(db);
    assert.deepEqual(
      (await rows(db)).map(({ present }) => present),
      [true],
    );
  });

  test('what one change costs does not grow with the rooms', async () => {
    await using db = await open();
    await db.query(`INSERT INTO bridge_resource_mappings (id, resource_id, outlook_item_id)
      SELECT 100 + n, 1000 + n, n || '@x' FROM generate_series(1, 60) n;
      UPDATE bridge_resource_mappings SET privacy = 'full' WHERE id = 160`);
    await db.query(event(1));
    const client = await db.pool.connect();
    try {
      await client.query("BEGIN; SET LOCAL track_functions = 'all'; SELECT bridge_fold(7, 365, 1000)");
      const { rows: read } = await client.query<{ calls: number }>(
        `SELECT calls FROM pg_stat_xact_user_functions WHERE funcname = 'bridge_style'`,
      );
      assert.deepEqual(read, [{ calls: 1 }]);
    } finally {
      client.release(true);
    }
  });
});
