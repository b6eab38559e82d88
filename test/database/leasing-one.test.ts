/** One change is leased by a way of its own (`bridge_lease_one`): its answer and what it leaves are those of `bridge_lease`. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { describe, test } from 'vitest';
import { takeRooms, type Taken } from '../../src/sync/store/work-list.ts';
import type { TestDatabase } from '../support/database.ts';
import { untilTrue } from '../support/until.ts';
import { testsOwn } from '../support/transitions.ts';
import { allocation, allSynced, at, booking, epochOf, event, fold, open, take } from './work-list-world.ts';

const leaseArguments = `'00000000-0000-0000-0000-000000000001', $1, 10, 12, 7, 365, 300, true, false, true`;
const byMany = `SELECT bridge_lease(${leaseArguments}) AS answer, false AS early`;
const byOne = `
  WITH lease AS MATERIALIZED (SELECT * FROM bridge_lease_one(${leaseArguments})),
  recorded AS MATERIALIZED (
    SELECT bridge_record_one('00000000-0000-0000-0000-000000000001', mapping_id, present_, priority, begins, ends, digest, state, since, places, room_id) FROM lease WHERE room_id IS NOT NULL)
  SELECT answer, room_id IS NOT NULL AS early FROM lease LEFT JOIN recorded ON true`;

/**
 * The answer of a lease, and what it leaves of the mappings, the outbox and the rooms, taken back again. Moments: those of the
 * transaction are told as such. Without epochs, which are never the same, and the numbers of new mappings.
 */
async function left(db: TestDatabase, by: string, held: readonly number[] = []) {
  const session = await db.pool.connect();
  try {
    const { rows: last } = await session.query<{ id: number }>('SELECT max(id) AS id FROM bridge_mappings');
    await session.query('BEGIN');
    const { rows: leased } = await session.query<{ answer: Taken; early: boolean }>(by, [held]);
    const { rows: mappings } = await session.query<{ mapping: { id: number } }>(`
      SELECT to_jsonb(m) || jsonb_build_object('due_at', CASE WHEN due_at = now() THEN 'now' ELSE due_at::text END,
        'created_at', CASE WHEN created_at = now() THEN 'now' ELSE created_at::text END,
        'updated_at', CASE WHEN updated_at = now() THEN 'now' ELSE updated_at::text END) AS mapping
      FROM bridge_mappings m ORDER BY id`);
    const { rows: waiting } = await session.query('SELECT reservation_id FROM bridge_changes');
    const { rows: rooms } = await session.query(`
      SELECT to_jsonb(s) - '{updated_at,lease_epoch}'::text[] || jsonb_build_object('push_due_at', push_due_at IS NOT NULL AND push_due_at <= clock_timestamp()) AS room
      FROM bridge_room_state s ORDER BY resource_mapping_id`);
    await session.query('ROLLBACK');
    const { answer, early } = leased[0]!;
    const taken = answer.rooms.map((room) => ({
      ...room,
      epoch: null,
      due: room.due.map((item) => (item.id > last[0]!.id ? { ...item, id: 'new', createdAt: 'now' } : item)),
    }));
    const stored = mappings.map(({ mapping }) =>
      mapping.id > last[0]!.id ? { ...mapping, id: 'new' } : mapping,
    );
    return { early, left: { answer: { ...answer, rooms: taken }, mappings: stored, waiting, rooms } };
  } finally {
    session.release(true);
  }
}

/** Event 1 in room 101, an event of room 102, a booking and an allocation, all shown in Outlook. */
async function settledWorld(): Promise<TestDatabase> {
  const db = await open();
  await db.query(
    event(1) +
      event(2, { room: 102 }) +
      booking(3, { from: 14, to: 15 }) +
      allocation(4, { from: 16, to: 17 }),
  );
  await fold(db);
  await allSynced(db);
  return db;
}

const mappingSet = (columns: string) =>
  `UPDATE bridge_mappings SET ${columns}, revision = revision + 1 WHERE reservation_type = 'event' AND reservation_id = 1;`;
const folded = 'SELECT bridge_fold(7, 365, 1000);';
const compared = 'UPDATE bridge_room_state SET baselined_at = now(), reconciled_at = now();';
const renamed = `UPDATE bb_event SET name = 'Renamed', description = 'Bring chairs' WHERE id = 1;`;

/** Makes each read of a row of the booking view draw from a sequence. Returns the function that reads and resets their number. */
async function countReads(db: TestDatabase): Promise<() => Promise<number>> {
  await db.query('CREATE SEQUENCE reads START 1');
  const [{ view }] = (await db.query<{ view: string }>(
    `SELECT rtrim(pg_get_viewdef('bridge_items'), ';') AS view`,
  )) as [{ view: string }];
  await db.query(`CREATE OR REPLACE VIEW bridge_items AS
    SELECT reservation_type, reservation_id, resource_id, priority_level, active, starts_at, ends_at, all_day,
      left(title, nextval('reads')::integer + 1000) AS title, description, organizer_name, organizer_email, is_private
    FROM (${view}) items`);
  return async () => {
    const [{ n }] = (await db.query<{ n: number }>(`SELECT nextval('reads')::integer - 1 AS n`)) as [
      { n: number },
    ];
    await db.query(`SELECT setval('reads', 1, false)`);
    return n;
  };
}

test('the view is read once, whether the room is free, worked on here, or leased by another daemon', async () => {
  await using db = await settledWorld();
  const reads = await countReads(db);
  await db.query(renamed);
  await left(db, byOne);
  assert.equal(await reads(), 1);
  await left(db, byOne, [1]);
  assert.equal(await reads(), 1);
  await db.query(
    'UPDATE bridge_room_state SET lease_owner = gen_random_uuid() WHERE resource_mapping_id = 1',
  );
  await left(db, byOne);
  assert.equal(await reads(), 1);
});

describe('one change is answered as among many, and leaves the same', () => {
  test.each([
    ['a name', renamed],
    ['a time', `UPDATE bb_event SET from_ = ${at(12)}, to_ = ${at(13)} WHERE id = 1`],
    ['a cancellation', 'UPDATE bb_event SET active = 0 WHERE id = 1'],
    [
      'one that is enabled again',
      `UPDATE bb_event SET active = 0 WHERE id = 1; SELECT bridge_fold(7, 365, 1000);
       ${mappingSet(`sync_status = 'cancelled', due_at = NULL`)} UPDATE bb_event SET active = 1 WHERE id = 1`,
    ],
    ['a name, and another one lies beneath', allocation(5) + folded + renamed],
    ['a private one', `UPDATE bb_event SET is_public = 0 WHERE id = 1`],
    ['a booking', `UPDATE bb_booking SET from_ = ${at(13)} WHERE id = 3`],
    ['an allocation', `UPDATE bb_allocation SET to_ = ${at(18)} WHERE id = 4`],
    ['one that is in error', mappingSet(`sync_status = 'error', attempt = 7, error_message = 'x'`) + renamed],
    ['one in conflict', mappingSet(`sync_status = 'conflict', conflict = '{"kind": "fields"}'`) + renamed],
    ['one that is covered', mappingSet(`sync_status = 'shadowed'`) + renamed],
    [
      'one that waits in the backfill',
      mappingSet(
        `sync_status = 'pending', lane = 1, due_at = now() + interval '1 hour', changed_at = now() - interval '1 minute'`,
      ) + renamed,
    ],
    [
      'one that is due',
      mappingSet(
        `sync_status = 'pending', due_at = now() - interval '1 second', changed_at = now() - interval '2 seconds'`,
      ) + renamed,
    ],
    ['one that was saved in parts', `${renamed} UPDATE bb_event SET name = 'Again' WHERE id = 1; ${renamed}`],
    [
      'one of which another state may have been sent',
      mappingSet(`sent_states = '[{"title": "Sent"}]'`) + renamed,
    ],
    [
      'a cancellation of which another state may have been sent',
      mappingSet(`sent_states = '[{"title": "Sent"}]'`) + 'UPDATE bb_event SET active = 0 WHERE id = 1',
    ],
    ['a new one', event(5, { from: 20, to: 21 })],
    ['a new booking', booking(5, { from: 20, to: 21 })],
    ['a new booking beneath another reservation', booking(5)],
    ['a new private one in several tables', event(5) + 'UPDATE bb_event SET is_public = 0 WHERE id = 5;'],
    [
      'a new one of a room with titles of its own',
      `UPDATE bridge_resource_mappings SET title_template = '{title} ({organizer})' WHERE id = 1; ${compared} ${event(5)}`,
    ],
    [
      'one of a room that shows only that it is busy',
      `UPDATE bridge_resource_mappings SET privacy = 'busy-only' WHERE id = 1; ${compared} ${renamed}`,
    ],
    [
      'one of a room with titles of its own',
      `UPDATE bridge_resource_mappings SET title_template = '{title} ({organizer})' WHERE id = 1; ${compared} ${renamed}`,
    ],
    [
      'one where all rooms have titles of their own',
      `INSERT INTO bridge_settings (name, value) VALUES ('title_template', 'Hall: {title}')
         ON CONFLICT (name) DO UPDATE SET value = excluded.value; ${compared} ${renamed}`,
    ],
  ])('%s', async (_, change) => {
    await using db = await settledWorld();
    await db.query(change);
    const [one, many] = [await left(db, byOne), await left(db, byMany)];
    assert.ok(one.early);
    assert.ok(one.left.answer.rooms[0]!.due.length > 0);
    assert.deepEqual(one.left, many.left);
  });

  test('in a room that its daemon works on already: the fold, and the room is due', async () => {
    await using db = await settledWorld();
    await db.query(renamed);
    const [one, many] = [await left(db, byOne, [1]), await left(db, byMany, [1])];
    assert.deepEqual(one, many);
    assert.deepEqual([one.left.answer.folded, one.left.answer.rooms, one.left.waiting], [1, [], []]);
  });
});

describe('what is left to the lease of many', () => {
  test.each([
    [
      'it is new in two rooms',
      event(5) + 'INSERT INTO bb_event_resource (event_id, resource_id) VALUES (5, 102)',
    ],
    ['it is new and cancelled', event(5) + 'UPDATE bb_event SET active = 0 WHERE id = 5'],
    [
      'it is new and over',
      event(5) + `UPDATE bb_event SET from_ = ${at(-400)}, to_ = ${at(-399)} WHERE id = 5`,
    ],
    [
      'it is new in a room that only follows Outlook',
      `UPDATE bridge_resource_mappings SET sync_direction = 'outlook_to_booking' WHERE id = 1; ${compared} ${event(5)}`,
    ],
    ['nothing of it changed', 'UPDATE bb_event SET name = name WHERE id = 1'],
    [
      'it is cancelled already',
      `${mappingSet(`sync_status = 'cancelled', present = false`)}
      UPDATE bb_event SET active = 0, name = 'Renamed' WHERE id = 1`,
    ],
    ['two reservations changed', `UPDATE bb_event SET name = 'Renamed'`],
    ['it is in two rooms', 'INSERT INTO bb_event_resource (event_id, resource_id) VALUES (1, 102)'],
    [
      'it left one of its rooms',
      `INSERT INTO bb_event_resource (event_id, resource_id) VALUES (1, 102); SELECT bridge_fold(7, 365, 1000);
       DELETE FROM bb_event_resource WHERE event_id = 1 AND resource_id = 102`,
    ],
    [
      'it left one of its rooms, and was renamed',
      `INSERT INTO bb_event_resource (event_id, resource_id) VALUES (1, 102); SELECT bridge_fold(7, 365, 1000);
       DELETE FROM bb_event_resource WHERE event_id = 1 AND resource_id = 102; ${renamed}`,
    ],
    ['it moved to another room', 'UPDATE bb_event_resource SET resource_id = 102 WHERE event_id = 1'],
    [
      'it made way for one beneath',
      `${allocation(5)} ${folded} UPDATE bb_event SET from_ = ${at(12)}, to_ = ${at(13)} WHERE id = 1`,
    ],
    ['it covers another one now', `UPDATE bb_event SET from_ = ${at(16)}, to_ = ${at(17)} WHERE id = 1`],
    [
      'an event was refused because of it',
      `INSERT INTO bridge_mappings (resource_id, outlook_item_id, outlook_event_id, sync_status, sync_direction, conflict, outlook_seen)
         VALUES (101, 'a@x', 'refused', 'conflict', 'outlook_to_booking', '{"kind": "overlap"}',
           jsonb_build_object('startsAt', now(), 'endsAt', now() + interval '7 days'));
       UPDATE bb_event SET active = 0 WHERE id = 1`,
    ],
    ['it is gone', 'DELETE FROM bb_event_resource WHERE event_id = 1; DELETE FROM bb_event WHERE id = 1'],
    [
      'it was saved in many parts',
      renamed + `UPDATE bb_event SET name = name || '!' WHERE id = 1;`.repeat(8),
    ],
    [
      'everything is to be compared',
      'INSERT INTO bridge_changes (reservation_type, reservation_id) VALUES (NULL, NULL)',
    ],
    ['its room is switched off', `UPDATE bridge_resource_mappings SET active = 0 WHERE id = 1; ${renamed}`],
    [
      'its view says more',
      `ALTER VIEW bridge_items RENAME TO items; CREATE VIEW bridge_items AS SELECT *, 'active'::text AS state FROM items; ${renamed}`,
    ],
  ])('%s', async (_, change) => {
    await using db = await settledWorld();
    await db.query(change);
    const { early, left: leaves } = await left(db, byOne);
    assert.deepEqual([early, leaves.waiting], [false, []]);
    assert.ok(leaves.answer.folded > 0);
  });

  test('an empty outbox is no matter for either', async () => {
    await using db = await settledWorld();
    assert.deepEqual(await left(db, byOne), await left(db, byMany));
  });
});

test.each(['bridge_mappings', 'bridge_changes', 'bridge_room_state'])(
  'no item is answered while %s cannot be written',
  async (table) => {
    await using db = await settledWorld();
    await db.query(renamed);
    const [holder, taking] = [await db.pool.connect(), await db.pool.connect()];
    try {
      // as REINDEX and CREATE TRIGGER do
      await holder.query(`BEGIN; LOCK TABLE ${table} IN SHARE MODE`);
      await taking.query(`SET lock_timeout = '50ms'`);
      const taken = takeRooms(taking, {
        replica: randomUUID(),
        held: [],
        rooms: 10,
        items: 12,
        window: { pastDays: 7, futureDays: 365 },
        anyLane: true,
        askedOnly: false,
        changedFirst: true,
      });
      const items = await taken.then(
        ({ rooms }) => rooms.flatMap((room) => room.due),
        () => [],
      );
      assert.deepEqual(items, []);
    } finally {
      holder.release(true);
      taking.release(true);
    }
  },
);

test('with an empty outbox no lease waits for a settlement', async () => {
  await using db = await settledWorld();
  const [settling, taking] = [await db.pool.connect(), await db.pool.connect()];
  try {
    await settling.query('BEGIN; SELECT bridge_lock_for_settlement()');
    await taking.query(`SET lock_timeout = '50ms'`);
    const { rows: leased } = await taking.query<{ answer: Taken }>(byOne, [[]]);
    assert.equal(leased[0]!.answer.folded, 0);
  } finally {
    settling.release(true);
    taking.release(true);
  }
});

test('the room of one change is given with it, as it was folded', async () => {
  await using db = await settledWorld();
  await db.query(renamed);
  const { folded, rooms } = await take(db.pool, { changedFirst: true });
  assert.deepEqual(
    [
      folded,
      rooms.map(({ id, due }) => [
        id,
        due.map((row) => [row.reservationId, row.booking?.title, row.inWindow]),
      ]),
    ],
    [1, [[1, [[1, 'Renamed', true]]]]],
  );
  const [{ revision }] = (await db.query<{ revision: number }>(
    'SELECT revision FROM bridge_mappings WHERE reservation_id = 1',
  )) as [{ revision: number }];
  assert.equal(rooms[0]!.due[0]!.revision, revision);
});

test('one change is read once, however many rooms there are', async () => {
  await using db = await settledWorld();
  await db.query(`INSERT INTO bridge_resource_mappings (id, resource_id, outlook_item_id)
    SELECT 100 + n, 1000 + n, n || '@x' FROM generate_series(1, 60) n`);
  await db.query(renamed);
  const session = await db.pool.connect();
  try {
    // PostgreSQL 14 counts earlier transactions of the session that it has not reported yet
    const scans = async () =>
      (
        await session.query<{ scans: number }>(
          `SELECT coalesce(idx_scan, 0) + seq_scan AS scans FROM pg_stat_xact_user_tables WHERE relname = 'bb_event_resource'`,
        )
      ).rows[0]?.scans ?? 0;
    await session.query('BEGIN');
    const before = await scans();
    const { rows: leased } = await session.query<{ answer: Taken }>(byOne, [[]]);
    assert.deepEqual([leased[0]!.answer.folded, (await scans()) - before], [1, 1]);
  } finally {
    session.release(true);
  }
});

describe('one change beside others who are at it', () => {
  const untilOneWaits = (db: TestDatabase) =>
    untilTrue(
      db,
      'EXISTS (SELECT FROM pg_locks WHERE NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))',
    );

  test('a settlement of the same mapping is waited for, and what it wrote down stays', async () => {
    await using db = await settledWorld();
    const [settling, taking] = [await db.pool.connect(), await db.pool.connect()];
    try {
      await settling.query('BEGIN; SELECT bridge_lock_for_settlement()');
      await settling.query(mappingSet(`outlook_etag = 'new'`));
      await db.query(renamed);
      const taken = take(taking, { changedFirst: true });
      await untilOneWaits(db);
      await settling.query('COMMIT');
      const [due] = (await taken).rooms[0]!.due;
      assert.deepEqual(
        await db.query(`SELECT revision, outlook_etag FROM bridge_mappings WHERE reservation_id = 1`),
        [{ revision: due!.revision, outlook_etag: 'new' }],
      );
    } finally {
      settling.release(true);
      taking.release(true);
    }
  });

  test('another daemon that folds it is waited for, and it is folded once', async () => {
    await using db = await settledWorld();
    await db.query(renamed);
    const [one, two] = [await db.pool.connect(), await db.pool.connect()];
    try {
      await one.query('BEGIN');
      assert.equal((await take(one, { changedFirst: true })).rooms.length, 1);
      const second = take(two, { changedFirst: true });
      await untilOneWaits(db);
      await one.query('COMMIT');
      const { folded, rooms } = await second;
      assert.deepEqual([folded, rooms.filter(({ id }) => id === 1)], [0, []]);
    } finally {
      one.release(true);
      two.release(true);
    }
  });

  test('what a plan has folded for itself is left to it, and neither waits', async () => {
    await using db = await settledWorld();
    await db.query(renamed);
    const plan = await db.pool.connect();
    try {
      await plan.query(`BEGIN; SET LOCAL bridge.plan = 'on'; SELECT bridge_fold(7, 365, 1000)`);
      assert.deepEqual((await take(db.pool, { changedFirst: true })).folded, 0);
      await plan.query('ROLLBACK');
      assert.deepEqual((await take(db.pool, { changedFirst: true })).folded, 1);
    } finally {
      plan.release(true);
    }
  });

  test('what another fold takes beside it is not taken for it', async () => {
    await using db = await settledWorld();
    await db.query(`UPDATE bb_event SET name = 'Renamed again' WHERE id = 1`);
    const plan = await db.pool.connect();
    try {
      // the tests' own triggers write down each transition once, and would wait for the plan's
      await plan.query(
        `BEGIN; SET LOCAL application_name = '${testsOwn}'; SET LOCAL bridge.plan = 'on'; SELECT bridge_fold(7, 365, 1000)`,
      );
      await db.query(`UPDATE bb_event SET name = 'Renamed too' WHERE id = 2`);
      const { folded, rooms } = await take(db.pool, { changedFirst: true });
      assert.deepEqual(
        [folded, rooms.map(({ id, due }) => [id, due[0]?.booking?.title])],
        [1, [[2, 'Renamed too']]],
      );
      assert.deepEqual(await db.query('SELECT reservation_id::integer AS id FROM bridge_changes'), [
        { id: 1 },
      ]);
    } finally {
      plan.release(true);
    }
  });
});

test.each([
  ['', 'lease_epoch'],
  [' of a database that was restored in another cluster', String(2 ** 40)],
])('a lease that was not committed gives no later one its epoch%s', async (_, epoch) => {
  await using db = await settledWorld();
  await db.query(`UPDATE bridge_room_state SET lease_epoch = ${epoch}; ${renamed}`);
  const session = await db.pool.connect();
  try {
    await session.query('BEGIN');
    const { rooms: lost } = await take(session, { changedFirst: true });
    await session.query('ROLLBACK; SELECT bridge_unlock_other_rooms(ARRAY[]::integer[])');
    const { rooms: leased } = await take(session, { changedFirst: true });
    assert.deepEqual(
      [lost, leased].map((rooms) => rooms.map(({ id }) => id)),
      [[1], [1]],
    );
    assert.ok(leased[0]!.epoch > lost[0]!.epoch);
    assert.equal(leased[0]!.epoch, await epochOf(db, 1));
  } finally {
    session.release(true);
  }
});
