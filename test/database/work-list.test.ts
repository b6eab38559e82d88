/** The functions of our own schema: how a change in the booking system becomes work, and work becomes settled. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import type pg from 'pg';
import { describe, test } from 'vitest';
import { sqlState } from '../../src/database.ts';
import { openTestDatabase, type TestDatabase } from '../support/database.ts';

/** Rooms 101 and 102, both compared with Outlook and with the booking system already, and nothing due. */
async function open(): Promise<TestDatabase> {
  const db = await openTestDatabase({ schema: 'bridge' });
  await db.query(`INSERT INTO bridge_resource_mappings (id, resource_id, outlook_item_id, outlook_item_name)
      VALUES (1, 101, 'a@x', 'A'), (2, 102, 'b@x', 'B')`);
  await rested(db);
  return db;
}

const rested = (db: TestDatabase) =>
  db.query('UPDATE bridge_room_state SET baselined_at = now(), reconciled_at = now(), push_due_at = NULL');

interface Slot {
  /** Hours of the day after tomorrow, local. */
  readonly from?: number;
  readonly to?: number;
  readonly room?: number;
}

const at = (hour: number) => `((now() AT TIME ZONE 'Europe/Oslo')::date + 2 + interval '${hour} hours')`;

const event = (id: number, { from = 10, to = 11, room = 101 }: Slot = {}) => `
  INSERT INTO bb_event (id, activity_id, name, from_, to_, building_name, contact_name, contact_email, contact_phone, secret)
  VALUES (${id}, 1, 'Event ${id}', ${at(from)}, ${at(to)}, 'b', 'c', 'e', 'p', 's');
  INSERT INTO bb_event_resource (event_id, resource_id) VALUES (${id}, ${room});`;

const booking = (id: number, { from = 10, to = 11, room = 101 }: Slot = {}) => `
  INSERT INTO bb_booking (id, group_id, season_id, activity_id, from_, to_, secret)
  VALUES (${id}, 1, 1, 1, ${at(from)}, ${at(to)}, 's');
  INSERT INTO bb_booking_resource VALUES (${id}, ${room});`;

const allocation = (id: number, { from = 10, to = 11, room = 101 }: Slot = {}) => `
  INSERT INTO bb_allocation (id, organization_id, season_id, from_, to_) VALUES (${id}, 1, 1, ${at(from)}, ${at(to)});
  INSERT INTO bb_allocation_resource VALUES (${id}, ${room});`;

const fold = async (db: TestDatabase, most = 1000) =>
  (await db.query<{ n: number }>('SELECT bridge_fold(7, 365, $1) AS n', [most]))[0]!.n;

interface Row {
  readonly id: number;
  readonly key: string;
  readonly due: boolean;
  readonly present: boolean;
  readonly status: string;
  readonly revision: number;
  readonly lane: number;
}

const rows = (db: TestDatabase) =>
  db.query<
    Row & pg.QueryResultRow
  >(`SELECT id, reservation_type || ' ' || reservation_id || ' in ' || resource_id AS key,
      due_at IS NOT NULL AS due, present, sync_status AS status, revision, lane
    FROM bridge_mappings ORDER BY reservation_type, reservation_id, resource_id`);

const due = async (db: TestDatabase) => (await rows(db)).filter((row) => row.due).map((row) => row.key);

/** Marks everything as shown in Outlook as it is now. */
const allSynced = (db: TestDatabase) =>
  db.query(`UPDATE bridge_mappings m SET sync_status = 'synced', due_at = NULL, revision = revision + 1,
      outlook_event_id = 'event-' || id,
      booking_seen = (SELECT bridge_item_state(i.starts_at, i.ends_at, i.all_day, i.title, i.description, i.is_private)
                      FROM bridge_items i WHERE (i.reservation_type, i.reservation_id, i.resource_id)
                        = (m.reservation_type, m.reservation_id, m.resource_id))`);

interface DueItem {
  readonly reservationType: string;
  readonly reservationId: number;
  readonly revision: number;
  readonly active: boolean | null;
  readonly inWindow: boolean | null;
  readonly covered: boolean;
  readonly coverConfirmed: boolean;
  readonly booking: { readonly title: string } | null;
}

const dueItems = async (db: TestDatabase, room = 101, most = 100) =>
  (
    await db.query<{ d: DueItem }>(
      'SELECT d FROM bridge_window(7, 365) w, bridge_due_items($1, $2, w.opens, w.closes) d',
      [room, most],
    )
  ).map((row) => row.d);

interface Taken {
  readonly folded: number;
  readonly more: boolean;
  readonly stopped: readonly number[];
  readonly rooms: readonly {
    readonly id: number;
    readonly epoch: number;
    readonly due: readonly DueItem[];
  }[];
}

interface Asked {
  readonly held?: readonly number[];
  readonly rooms?: number;
  readonly anyLane?: boolean;
  readonly askedOnly?: boolean;
}

async function take(session: Pick<pg.ClientBase, 'query'>, asked: Asked = {}): Promise<Taken> {
  const { rows: answer } = await session.query<{ t: Taken }>(
    'SELECT bridge_take($1, $2, $3, 50, 7, 365, 1000, $4, $5) AS t',
    [randomUUID(), asked.held ?? [], asked.rooms ?? 10, asked.anyLane ?? true, asked.askedOnly ?? false],
  );
  return answer[0]!.t;
}

const result = (row: Row, more: object = {}) => ({
  id: row.id,
  revision: row.revision,
  status: 'synced',
  eventId: `event-${row.id}`,
  generation: 0,
  bookingBase: {},
  outlookBase: {},
  bookingSeen: {},
  attempt: 0,
  action: 'created',
  ...more,
});

const settle = (db: TestDatabase, room: number, epoch: number, results: readonly object[]) =>
  db.query('SELECT bridge_settle($1, $2, $3) AS s', [room, epoch, JSON.stringify(results)]);

const epochOf = async (db: TestDatabase, room: number) =>
  (
    await db.query<{ e: number }>(
      'SELECT lease_epoch AS e FROM bridge_room_state WHERE resource_mapping_id = $1',
      [room],
    )
  )[0]!.e;

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
        { due: null, lane: 0 },
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
});

describe('one slot is shown once', () => {
  test('a booking under an event is covered, and the cover is confirmed once it is in Outlook', async () => {
    await using db = await open();
    await db.query(booking(1));
    await fold(db);
    assert.deepEqual(
      (await dueItems(db)).map((item) => item.covered),
      [false],
    );
    await allSynced(db);
    await db.query(event(2, { from: 9, to: 12 }));
    await fold(db);
    const [cover, under] = await dueItems(db);
    assert.deepEqual([cover?.reservationType, cover?.covered], ['event', false]);
    assert.deepEqual(
      [under?.reservationType, under?.covered, under?.coverConfirmed],
      ['booking', true, false],
    );
    const [, eventRow] = await rows(db);
    await settle(db, 1, await epochOf(db, 1), [result(eventRow!)]);
    const [again] = await dueItems(db);
    assert.deepEqual(
      [again?.reservationType, again?.covered, again?.coverConfirmed],
      ['booking', true, true],
    );
  });

  test('a cover made of pieces covers, one with a gap does not', async () => {
    await using db = await open();
    await db.query(
      allocation(1, { from: 10, to: 14 }) + booking(1, { from: 10, to: 12 }) + event(1, { from: 12, to: 14 }),
    );
    await fold(db);
    const covered = async () =>
      (await dueItems(db)).find((item) => item.reservationType === 'allocation')?.covered;
    assert.equal(await covered(), true);
    await db.query(`UPDATE bb_event SET from_ = from_ + interval '1 minute'`);
    await fold(db);
    assert.equal(await covered(), false);
  });

  test('a cancelled event covers nothing, and what it covered is looked at again', async () => {
    await using db = await open();
    await db.query(booking(1) + event(1));
    await fold(db);
    await allSynced(db);
    await db.query('UPDATE bb_event SET active = 0');
    await fold(db);
    assert.deepEqual(await due(db), ['booking 1 in 101', 'event 1 in 101']);
    assert.deepEqual(
      (await dueItems(db)).map((item) => item.covered),
      [false, false],
    );
  });

  test('moving cover away rings those it leaves and those it comes to, and nobody else', async () => {
    await using db = await open();
    await db.query(
      booking(1, { from: 8, to: 9 }) +
        booking(2, { from: 10, to: 11 }) +
        booking(3, { from: 12, to: 13 }) +
        booking(4, { from: 8, to: 13, room: 102 }) +
        event(1, { from: 8, to: 9 }) +
        event(2, { from: 10, to: 13 }),
    );
    await fold(db);
    await allSynced(db);
    await db.query(`UPDATE bb_event SET from_ = ${at(12)}, to_ = ${at(13)} WHERE id = 1`);
    await fold(db);
    assert.deepEqual(await due(db), ['booking 1 in 101', 'booking 3 in 101', 'event 1 in 101']);
  });

  test('an item of the same or a higher priority is never rung, and one that only touches is not', async () => {
    await using db = await open();
    await db.query(event(1) + booking(1) + booking(2, { from: 11, to: 12 }));
    await fold(db);
    await allSynced(db);
    await db.query(`UPDATE bb_booking SET active = 0 WHERE id = 1`);
    await fold(db);
    assert.deepEqual(await due(db), ['booking 1 in 101']);
    await allSynced(db);
    await db.query('UPDATE bb_event SET active = 0');
    await fold(db);
    assert.deepEqual(await due(db), ['event 1 in 101']);
  });

  test('an item of no length neither covers nor breaks the reading of the others', async () => {
    await using db = await open();
    await db.query(booking(1) + event(1, { from: 10, to: 10 }) + event(2, { from: 10, to: 9 }));
    await fold(db);
    assert.deepEqual(
      (await dueItems(db)).map((item) => item.covered),
      [false, false, false],
    );
  });
});

describe('taking', () => {
  test('it folds, leases and reads in one call; a change made now goes before the backfill', async () => {
    await using db = await open();
    await db.query(event(1) + booking(1, { from: 20, to: 21 }) + event(2, { from: 14, to: 15 }));
    await fold(db);
    await db.query('UPDATE bridge_mappings SET lane = 1, revision = revision + 1');
    await db.query(`UPDATE bb_booking SET to_ = to_ + interval '1 hour'`);
    const { folded, rooms } = await take(db.pool);
    assert.equal(folded, 1);
    assert.deepEqual(
      rooms.map((room) => [
        room.id,
        room.epoch,
        room.due.map((d) => `${d.reservationType} ${d.reservationId}`),
      ]),
      [[1, 1, ['booking 1']]],
    );
  });

  test('the backfill comes in the order of priority and start', async () => {
    await using db = await open();
    await db.query(
      booking(1, { from: 8, to: 9 }) +
        event(1, { from: 14, to: 15 }) +
        allocation(1, { from: 6, to: 7 }) +
        event(2, { from: 12, to: 13 }),
    );
    await fold(db);
    await db.query('UPDATE bridge_mappings SET lane = 1, revision = revision + 1');
    const { rooms } = await take(db.pool);
    assert.deepEqual(
      rooms[0]?.due.map((d) => `${d.reservationType} ${d.reservationId}`),
      ['event 2', 'event 1', 'booking 1', 'allocation 1'],
    );
    assert.deepEqual((await take(db.pool, { anyLane: false, held: [1] })).rooms, []);
  });

  test('a room is leased to one session; another takes it when that session is gone, with a higher epoch', async () => {
    await using db = await open();
    await db.query(event(1) + event(2, { room: 102 }));
    const [one, two] = [await db.pool.connect(), await db.pool.connect()];
    try {
      const first = await take(one, { rooms: 1 });
      assert.equal(first.more, true);
      assert.deepEqual(
        first.rooms.map((room) => room.id),
        [1],
      );
      assert.deepEqual(
        (await take(two)).rooms.map((room) => [room.id, room.epoch]),
        [[2, 1]],
      );
      assert.deepEqual((await take(one, { held: [1] })).rooms, []);
      const { rows: pids } = await one.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
      one.release(true);
      await db.query(`SELECT pg_terminate_backend($1, 5000)`, [pids[0]!.pid]);
      assert.deepEqual(
        (await take(two, { held: [2] })).rooms.map((room) => [room.id, room.epoch]),
        [[1, 2]],
      );
    } finally {
      two.release(true);
    }
  });

  test.each([
    [`retry_at = now() + interval '1 minute'`],
    [`throttled_until = now() + interval '1 minute'`],
    [`push_due_at = now() + interval '1 minute'`],
  ])('a room waits while %s', async (state) => {
    await using db = await open();
    await db.query(event(1));
    await fold(db);
    await db.query(`UPDATE bridge_room_state SET ${state}`);
    assert.deepEqual((await take(db.pool)).rooms, []);
  });

  test('with AUTO_SYNC off only what was asked for is taken, and everything is folded all the same', async () => {
    await using db = await open();
    await db.query(event(1) + event(2, { room: 102 }));
    const refused = await take(db.pool, { askedOnly: true });
    assert.deepEqual([refused.rooms, refused.folded], [[], 4]);
    await db.query('UPDATE bridge_room_state SET asked_at = now() WHERE resource_mapping_id = 2');
    assert.deepEqual(
      (await take(db.pool, { askedOnly: true })).rooms.map((room) => room.id),
      [2],
    );
  });

  test('a room that was switched off is not taken, and its holder is told', async () => {
    await using db = await open();
    await db.query(event(1));
    await db.query('UPDATE bridge_resource_mappings SET active = 0 WHERE id = 1');
    const { rooms, stopped } = await take(db.pool, { held: [1, 2, 77] });
    assert.deepEqual([rooms, stopped.toSorted()], [[], [1, 77]]);
  });

  test('a room that was not compared yet is given without items: nothing is created before its baseline', async () => {
    await using db = await open();
    await db.query(event(1));
    await db.query('UPDATE bridge_room_state SET baselined_at = NULL');
    const { rooms } = await take(db.pool);
    assert.deepEqual(
      rooms.map((room) => [room.id, room.due]),
      [[1, []]],
    );
  });
});

describe('settling', () => {
  const settled = async () => {
    const db = await open();
    await db.query(event(1));
    await take(db.pool);
    return { db, row: (await rows(db))[0]!, epoch: await epochOf(db, 1) };
  };

  test('it records what was done, with its line in the log and its latency', async () => {
    const { db: opened, row, epoch } = await settled();
    await using db = opened;
    const [answer] = await settle(db, 1, epoch, [result(row, { sinceAcceptedMs: 0, callMs: 12 })]);
    assert.ok(answer!['s'].latency[row.id] > 0);
    assert.deepEqual(
      (await rows(db)).map(({ status, due: d }) => [status, d]),
      [['synced', false]],
    );
    assert.deepEqual(
      await db.query('SELECT action, reservation_id, outlook_event_id, call_ms FROM bridge_log'),
      [{ action: 'created', reservation_id: 1, outlook_event_id: `event-${row.id}`, call_ms: 12 }],
    );
  });

  test('a row that changed meanwhile keeps what was learnt and stays due', async () => {
    const { db: opened, row, epoch } = await settled();
    await using db = opened;
    await db.query(`UPDATE bb_event SET name = 'Meanwhile'`);
    await fold(db);
    await settle(db, 1, epoch, [result(row)]);
    assert.deepEqual(
      await db.query(
        `SELECT sync_status AS status, due_at IS NOT NULL AS due, outlook_event_id AS event, changed_at = last_modified_booking AS latest FROM bridge_mappings`,
      ),
      [{ status: 'pending', due: true, event: `event-${row.id}`, latest: true }],
    );
  });

  test('a failure is due later, and keeps counting its latency', async () => {
    const { db: opened, row, epoch } = await settled();
    await using db = opened;
    await settle(db, 1, epoch, [
      result(row, {
        status: 'error',
        error: '503',
        attempt: 1,
        dueInMs: 60_000,
        action: 'failed',
        eventId: null,
      }),
    ]);
    assert.deepEqual(
      await db.query(
        `SELECT sync_status AS status, due_at > now() + interval '50 s' AS later, attempt, error_message AS error, changed_at IS NOT NULL AS counting, last_sync_at FROM bridge_mappings`,
      ),
      [{ status: 'error', later: true, attempt: 1, error: '503', counting: true, last_sync_at: null }],
    );
  });

  test('a lost lease settles nothing: BR001', async () => {
    const { db: opened, row, epoch } = await settled();
    await using db = opened;
    for (const wrong of [epoch - 1, epoch + 1])
      await assert.rejects(settle(db, 1, wrong, [result(row)]), (error) => sqlState(error) === 'BR001');
    assert.deepEqual(
      (await rows(db)).map(({ status }) => status),
      ['pending'],
    );
    assert.deepEqual(await db.query('SELECT FROM bridge_log'), []);
  });

  test('what was never shown is forgotten, unless it changed meanwhile', async () => {
    const { db: opened, row, epoch } = await settled();
    await using db = opened;
    await settle(db, 1, epoch, [
      result(row, { status: 'forget', eventId: null, revision: row.revision - 1 }),
    ]);
    assert.equal((await rows(db)).length, 1);
    const [now] = await rows(db);
    await settle(db, 1, epoch, [result(now!, { status: 'forget', eventId: null })]);
    assert.deepEqual(await rows(db), []);
  });

  test('it does not wait for a booking that is not committed', async () => {
    const { db: opened, row, epoch } = await settled();
    await using db = opened;
    const clerk = await db.pool.connect();
    try {
      await clerk.query(`BEGIN; UPDATE bb_event SET name = 'Open'`);
      await db.query(
        `SET lock_timeout = '1ms'; SELECT bridge_settle(1, ${epoch}, '${JSON.stringify([result(row)])}'); RESET lock_timeout`,
      );
    } finally {
      clerk.release(true);
    }
    assert.deepEqual(
      (await rows(db)).map(({ status }) => status),
      ['synced'],
    );
  });
});

describe('comparing a room', () => {
  const reconcile = async (db: TestDatabase, room = 1) =>
    (await db.query('SELECT bridge_reconcile($1, $2, 7, 365) AS r', [room, await epochOf(db, room)]))[0]![
      'r'
    ];

  test('a new room is filled in the backfill lane; a second comparison finds nothing', async () => {
    await using db = await open();
    await db.query(
      event(1) +
        booking(1) +
        event(2, { room: 102 }) +
        event(3) +
        'UPDATE bb_event SET active = 0 WHERE id = 3',
    );
    await db.query('DELETE FROM bridge_changes');
    assert.deepEqual(await reconcile(db), { added: 2, changed: 0, gone: 0 });
    assert.deepEqual(
      (await rows(db)).map(({ key, lane }) => [key, lane]),
      [
        ['booking 1 in 101', 1],
        ['event 1 in 101', 1],
      ],
    );
    await allSynced(db);
    assert.deepEqual(await reconcile(db), { added: 0, changed: 0, gone: 0 });
  });

  test('what differs, is cancelled, enabled again or deleted is found', async () => {
    await using db = await open();
    await db.query(event(1) + event(2) + event(3) + event(4) + event(5));
    await fold(db);
    await allSynced(db);
    await db.query(
      `UPDATE bridge_mappings SET sync_status = 'cancelled', present = false, revision = revision + 1 WHERE reservation_id = 3`,
    );
    await db.query(`UPDATE bb_event SET description = 'New' WHERE id = 1; UPDATE bb_event SET active = 0 WHERE id = 2;
      DELETE FROM bb_event_resource WHERE event_id = 4; DELETE FROM bridge_changes`);
    assert.deepEqual(await reconcile(db), { added: 0, changed: 3, gone: 1 });
    assert.deepEqual(await due(db), ['event 1 in 101', 'event 2 in 101', 'event 3 in 101', 'event 4 in 101']);
  });

  test('what ended before the window is left alone, gone or not', async () => {
    await using db = await open();
    await db.query(event(1));
    await fold(db);
    await allSynced(db);
    await db.query(
      `UPDATE bridge_mappings SET starts_at = starts_at - interval '30 days', ends_at = ends_at - interval '30 days', revision = revision + 1`,
    );
    await db.query('DELETE FROM bb_event_resource; DELETE FROM bb_event; DELETE FROM bridge_changes');
    assert.deepEqual(await reconcile(db), { added: 0, changed: 0, gone: 0 });
  });

  test('a lost lease compares nothing: BR001', async () => {
    await using db = await open();
    await assert.rejects(
      db.query('SELECT bridge_reconcile(1, 99, 7, 365)'),
      (error) => sqlState(error) === 'BR001',
    );
  });
});

describe('giving a room back', () => {
  const release = (
    session: Pick<pg.ClientBase, 'query'>,
    epoch: number,
    rest: number | null,
    throttled = false,
  ) => session.query(`SELECT bridge_release(1, $1, $2, $3, NULL, NULL, 'ok') AS r`, [epoch, rest, throttled]);

  test('it is due again when its earliest mapping is, and its lock is free', async () => {
    await using db = await open();
    await db.query(event(1));
    const [one, two] = [await db.pool.connect(), await db.pool.connect()];
    try {
      const [room] = (await take(one)).rooms;
      await db.query(
        `UPDATE bridge_mappings SET due_at = now() + interval '1 hour', revision = revision + 1`,
      );
      assert.deepEqual((await release(one, room!.epoch, null)).rows, [{ r: true }]);
      assert.deepEqual(
        await db.query(
          `SELECT push_due_at > now() + interval '50 min' AS later, lease_owner FROM bridge_room_state WHERE resource_mapping_id = 1`,
        ),
        [{ later: true, lease_owner: null }],
      );
      assert.deepEqual((await take(two)).rooms, []);
      await db.query(`UPDATE bb_event SET name = 'New'`);
      assert.deepEqual(
        (await take(two)).rooms.map((taken) => taken.id),
        [1],
      );
    } finally {
      one.release(true);
      two.release(true);
    }
  });

  test('it rests for our own back-off or for the Retry-After of Graph, which are told apart', async () => {
    await using db = await open();
    await db.query(event(1));
    const one = await db.pool.connect();
    const state = () =>
      db.query(
        'SELECT retry_at > now() AS backs_off, throttled_until > now() AS throttled, attempt FROM bridge_room_state WHERE resource_mapping_id = 1',
      );
    try {
      const first = await take(one);
      await release(one, first.rooms[0]!.epoch, 60_000);
      assert.deepEqual(await state(), [{ backs_off: true, throttled: null, attempt: 1 }]);
      await db.query('UPDATE bridge_room_state SET retry_at = NULL');
      const second = await take(one);
      await release(one, second.rooms[0]!.epoch, 60_000, true);
      assert.deepEqual(await state(), [{ backs_off: null, throttled: true, attempt: 2 }]);
    } finally {
      one.release(true);
    }
  });

  test('one that somebody else leases by now is not touched', async () => {
    await using db = await open();
    await db.query(event(1));
    await take(db.pool);
    await db.query(
      `UPDATE bridge_room_state SET lease_epoch = 7, push_due_at = NULL WHERE resource_mapping_id = 1`,
    );
    await release(db.pool, 1, 60_000);
    assert.deepEqual(
      await db.query('SELECT retry_at, push_due_at FROM bridge_room_state WHERE resource_mapping_id = 1'),
      [{ retry_at: null, push_due_at: null }],
    );
  });
});

describe('heartbeats', () => {
  const beat = async (db: TestDatabase, replica: string) =>
    (await db.query<{ n: number }>('SELECT bridge_beat($1, $2, 5000) AS n', [replica, []]))[0]!.n;

  test('each daemon learns how many others are alive', async () => {
    await using db = await open();
    const [a, b] = [randomUUID(), randomUUID()];
    assert.deepEqual([await beat(db, a), await beat(db, b), await beat(db, a)], [0, 1, 1]);
  });

  test('one that stopped beating is forgotten', async () => {
    await using db = await open();
    const [a, b] = [randomUUID(), randomUUID()];
    await beat(db, a);
    await db.query(`UPDATE bridge_replicas SET beat_at = now() - interval '6 s'`);
    assert.equal(await beat(db, b), 0);
    assert.deepEqual(await db.query('SELECT id FROM bridge_replicas'), [{ id: b }]);
  });
});
