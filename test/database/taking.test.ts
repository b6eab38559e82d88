/** Rooms are leased, worked on by one, and given back. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { describe, test } from 'vitest';
import { isContended, openWorkPool } from '../../src/database.ts';
import { createRelease, foldMost, takeRooms } from '../../src/sync/store/work-list.ts';
import { catchUpRooms, mendRooms, sweepRooms } from '../../src/sync/worker/sweep.ts';
import type { TestDatabase } from '../support/database.ts';
import { open, event, booking, allocation, fold, take, allSynced, untilWaiting } from './work-list-world.ts';

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
      rooms.map((room) => [room.id, room.due.map((d) => `${d.reservationType} ${d.reservationId}`)]),
      [[1, ['booking 1']]],
    );
  });

  test('a room with a changed and a new reservation is leased once', async () => {
    await using db = await open();
    await db.query(event(1));
    await fold(db);
    await allSynced(db);
    await db.query(
      `BEGIN; UPDATE bb_event SET name = 'Choir' WHERE id = 1; ${event(2, { from: 14, to: 15 })}; COMMIT`,
    );
    const { rooms } = await take(db.pool, { changedFirst: true });
    assert.deepEqual(
      rooms.map(({ id, due }) => [id, due.length]),
      [[1, 2]],
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

  test.each([
    [
      'many rooms are added',
      `INSERT INTO bridge_resource_mappings (id, resource_id, outlook_item_id) SELECT n, n, 'r' || n || '@x' FROM generate_series(1001, 1030) n`,
    ],
    [
      'rooms are switched on',
      `UPDATE bridge_resource_mappings SET active = 0; UPDATE bridge_resource_mappings SET active = 1`,
    ],
    ['settings of rooms change', `UPDATE bridge_resource_mappings SET privacy = 'full'`],
    [
      'a setting of all rooms changes',
      `INSERT INTO bridge_settings (name, value) VALUES ('title_template', 'Room: {title}')`,
    ],
    [
      'a booking table is emptied',
      `INSERT INTO bridge_changes (reservation_type, reservation_id) VALUES (NULL, NULL)`,
    ],
    ['all mappings are lost', `TRUNCATE bridge_mappings CASCADE`],
    ['a person confirms the plan', `SELECT bridge_confirm(NULL)`],
    ['the state of rooms was lost', null],
  ])('when %s they take no place that is kept for live changes', async (_what, sql) => {
    await using db = await open();
    await db.query(event(1) + event(2, { room: 102 }));
    await fold(db);
    await allSynced(db);
    await db.query('UPDATE bridge_room_state SET push_due_at = NULL, push_lane = 0');
    if (sql === null) {
      await db.query('DELETE FROM bridge_room_state');
      await mendRooms(db.pool);
    } else await db.query(sql);
    assert.deepEqual((await take(db.pool, { anyLane: false })).rooms, []);
    await db.query(`UPDATE bb_event SET description = 'Bring notes' WHERE id = 2`);
    assert.deepEqual(
      (await take(db.pool, { anyLane: false })).rooms.map(({ id }) => id),
      [2],
    );
    assert.ok((await take(db.pool)).rooms.length > 0, 'they are due');
  });

  test('a comparison that is asked for while a room is at work is behind live changes, too', async () => {
    await using db = await open();
    await db.query(event(1));
    const [room] = (await take(db.pool)).rooms;
    await allSynced(db);
    await db.query('UPDATE bridge_room_state SET reconciled_at = NULL WHERE resource_mapping_id = 1');
    await db.query(`SELECT bridge_release(1, $1, NULL, false, NULL, NULL, 'ok')`, [room!.epoch]);
    assert.deepEqual((await take(db.pool, { anyLane: false })).rooms, []);
    assert.deepEqual(
      (await take(db.pool)).rooms.map(({ id }) => id),
      [1],
    );
  });

  test('a room that was only asked for changes is taken over as soon as its holder is gone, though nothing is due in it', async () => {
    await using db = await open();
    await db.query('UPDATE bridge_room_state SET next_poll_at = now() WHERE resource_mapping_id = 1');
    const [one, two] = [await db.pool.connect(), await db.pool.connect()];
    try {
      const [room] = (await take(one)).rooms;
      assert.deepEqual([room?.id, room?.pulls], [1, true]);
      await one.query('SELECT bridge_begin_pull(1, $1, 900000, 900000)', [room?.epoch]);
      assert.deepEqual((await take(two)).rooms, []);
      const { rows: pids } = await one.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
      one.release(true);
      await db.query(`SELECT pg_terminate_backend($1, 5000)`, [pids[0]!.pid]);
      assert.deepEqual(
        (await take(two)).rooms.map(({ id, abandoned }) => [id, abandoned]),
        [[1, true]],
      );
    } finally {
      two.release(true);
    }
  });

  test('and rests when it is given back', async () => {
    await using db = await open();
    await db.query('UPDATE bridge_room_state SET next_poll_at = now() WHERE resource_mapping_id = 1');
    const session = await db.pool.connect();
    try {
      const [room] = (await take(session)).rooms;
      await session.query('SELECT bridge_begin_pull(1, $1, 900000, 900000)', [room?.epoch]);
      await session.query(`SELECT bridge_release(1, $1, NULL, false, NULL, NULL, 'ok')`, [room?.epoch]);
      assert.deepEqual((await take(session)).rooms, []);
    } finally {
      session.release(true);
    }
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
        (await take(two)).rooms.map((room) => room.id),
        [2],
      );
      assert.deepEqual((await take(one, { held: [1] })).rooms, []);
      const { rows: pids } = await one.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
      one.release(true);
      await db.query(`SELECT pg_terminate_backend($1, 5000)`, [pids[0]!.pid]);
      const [again] = (await take(two, { held: [2] })).rooms;
      assert.equal(again?.id, 1);
      assert.ok(again.epoch > first.rooms[0]!.epoch);
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

  test('when asked to, it takes only the rooms of what it folded; the next look is for the others', async () => {
    await using db = await open();
    await db.query(event(1));
    await fold(db);
    await db.query(event(2, { room: 102 }));
    const taken = async (held: readonly number[]) =>
      (await take(db.pool, { held, changedFirst: true })).rooms.map((room) => [
        room.id,
        room.due.map((row) => row.reservationId),
      ]);
    assert.deepEqual(await taken([]), [[2, [2]]]);
    assert.deepEqual(await taken([2]), [[1, [1]]]);
  });

  test.each([
    ['its daemon holds it already', { held: [1] }, ''],
    ['there is no place left', { rooms: 0 }, ''],
    ['it rests', {}, `UPDATE bridge_room_state SET retry_at = now() + interval '1 minute'`],
    ['nobody asked for it', { askedOnly: true }, ''],
  ])('what was folded for a room is due there although %s', async (_, asked, state) => {
    await using db = await open();
    if (state !== '') await db.query(state);
    await db.query(event(1));
    assert.deepEqual((await take(db.pool, { ...asked, changedFirst: true })).rooms, []);
    await db.query('UPDATE bridge_room_state SET retry_at = NULL');
    assert.deepEqual(
      (await take(db.pool)).rooms.map((room) => [room.id, room.due.length]),
      [[1, 1]],
    );
  });

  test('a room that another session holds is due there although that one gives it back meanwhile', async () => {
    await using db = await open();
    await db.query(event(1));
    const [one, two] = [await db.pool.connect(), await db.pool.connect()];
    try {
      const [room] = (await take(one)).rooms;
      await db.query(`UPDATE bb_event SET name = 'Renamed'`);
      assert.deepEqual((await take(two, { changedFirst: true })).rooms, []);
      await one.query(`SELECT bridge_release(1, $1, NULL, false, NULL, NULL, 'ok')`, [room!.epoch]);
      assert.equal((await take(two)).rooms.length, 1);
    } finally {
      one.release(true);
      two.release(true);
    }
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

  test('a room that another daemon works on waits for no place, a free one does', async () => {
    await using db = await open();
    await db.query(event(1) + event(2, { room: 102 }));
    const [one, two] = [await db.pool.connect(), await db.pool.connect()];
    try {
      await take(one, { rooms: 1 });
      await take(two, { rooms: 1 });
      assert.equal((await take(two, { rooms: 0, held: [2] })).more, false);
      await db.query(
        `INSERT INTO bridge_resource_mappings (id, resource_id, outlook_item_id) VALUES (100, 1001, 'r@x')`,
      );
      assert.equal((await take(two, { rooms: 0, held: [2] })).more, true);
    } finally {
      one.release(true);
      two.release(true);
    }
  });

  test('what is free is found behind rooms that others hold, however many those are', async () => {
    await using db = await open();
    await db.query(`INSERT INTO bridge_resource_mappings (id, resource_id, outlook_item_id)
      SELECT 100 + n, 1000 + n, 'r' || n || '@x' FROM generate_series(1, 58) n`);
    const [one, two] = [await db.pool.connect(), await db.pool.connect()];
    try {
      assert.equal((await take(one, { rooms: 48 })).rooms.length, 48);
      const some = await take(two, { rooms: 8 });
      assert.deepEqual([some.rooms.length, some.more], [8, true]);
      const rest = await take(two, { rooms: 8, held: some.rooms.map(({ id }) => id) });
      assert.deepEqual([rest.rooms.length, rest.more], [2, false]);
    } finally {
      one.release(true);
      two.release(true);
    }
  });

  test('a room whose row an open transaction has is passed by, and the others are taken', async () => {
    await using db = await open();
    await db.query(event(1) + event(2, { room: 102 }));
    await fold(db);
    const [one, person] = [await db.pool.connect(), await db.pool.connect()];
    try {
      await person.query(
        `BEGIN; UPDATE bridge_resource_mappings SET outlook_item_name = 'Hall' WHERE id = 1`,
      );
      const [second] = (await take(one)).rooms;
      assert.equal(second?.id, 2);
      await person.query('COMMIT');
      assert.deepEqual(
        (await take(one, { held: [2] })).rooms.map(({ id }) => id),
        [1],
      );
    } finally {
      one.release(true);
      person.release(true);
    }
  });

  test('a room that is given back at this moment is not taken for abandoned', async () => {
    await using db = await open();
    await db.query(event(1));
    const [one, two] = [await db.pool.connect(), await db.pool.connect()];
    try {
      const [room] = (await take(one)).rooms;
      await one.query('BEGIN');
      await one.query(`SELECT bridge_release(1, $1, NULL, false, NULL, NULL, 'ok')`, [room!.epoch]);
      assert.deepEqual((await take(two)).rooms, []);
      await one.query('COMMIT');
      assert.deepEqual(
        (await take(two)).rooms.map(({ id, abandoned }) => [id, abandoned]),
        [[1, false]],
      );
    } finally {
      one.release(true);
      two.release(true);
    }
  });

  test('an abandoned room in which a person has a row locked is passed by, and taken once it is free', async () => {
    await using db = await open();
    await db.query(event(1) + event(2, { room: 102 }));
    await fold(db);
    await db.query(`UPDATE bridge_mappings SET outlook_event_id = 'e' || reservation_id, revision = revision + 1;
      UPDATE bridge_room_state SET lease_owner = gen_random_uuid() WHERE resource_mapping_id = 1`);
    const [daemon, person] = [await db.pool.connect(), await db.pool.connect()];
    const idsTaken = async (held: readonly number[] = []) =>
      (await take(daemon, { held })).rooms.map(({ id }) => id).toSorted();
    try {
      await person.query('BEGIN; SELECT FROM bridge_mappings WHERE reservation_id = 1 FOR UPDATE');
      assert.deepEqual(await idsTaken(), [2]);
      await person.query('ROLLBACK');
      assert.deepEqual(await idsTaken([2]), [1]);
    } finally {
      daemon.release(true);
      person.release(true);
    }
  });

  test('many changes are folded before the rooms are leased, each in a statement of its own', async () => {
    await using db = await open();
    await db.query(event(1) + event(2, { room: 102 }));
    const session = await db.pool.connect();
    const statements: unknown[] = [];
    const query = (asked: pg.QueryConfig) => {
      statements.push(asked.name);
      return session.query(asked);
    };
    try {
      const taken = await takeRooms({ query } as unknown as typeof session, {
        replica: randomUUID(),
        held: [],
        rooms: 10,
        items: 12,
        window: { pastDays: 7, futureDays: 365 },
        anyLane: true,
        askedOnly: false,
        changedFirst: false,
        foldsApart: true,
      });
      assert.ok(taken.folded > 0);
      assert.deepEqual(
        taken.rooms.map(({ due }) => due.length),
        [1, 1],
      );
      assert.deepEqual(statements, ['bridge_fold', 'lease_rooms']);
    } finally {
      session.release(true);
    }
  });

  test('after a change whose row fails, the rooms are leased without those that came meanwhile', async () => {
    await using db = await open();
    await db.query(event(1));
    const session = await db.pool.connect();
    const folds: unknown[] = [];
    let failures = 1;
    const query = (asked: pg.QueryConfig) => {
      if (asked.name !== 'lease_rooms') return session.query(asked);
      folds.push(asked.values![6]);
      if (failures-- > 0)
        throw Object.assign(new pg.DatabaseError('division by zero', 0, 'error'), { code: '22012' });
      return session.query(asked);
    };
    try {
      const taken = await takeRooms({ query } as unknown as typeof session, {
        replica: randomUUID(),
        held: [],
        rooms: 10,
        items: 12,
        window: { pastDays: 7, futureDays: 365 },
        anyLane: true,
        askedOnly: false,
        changedFirst: false,
      });
      await taken.recorded;
      assert.deepEqual(
        taken.rooms.map(({ due }) => due.length),
        [1],
      );
      assert.deepEqual(folds, [foldMost, 0]);
    } finally {
      session.release(true);
    }
  });

  test('one that fails leaves no room locked, and those that are held stay so', async () => {
    await using db = await open();
    await db.query(event(1));
    const [one, two] = [await db.pool.connect(), await db.pool.connect()];
    const asked = { replica: randomUUID(), rooms: 10, items: 12, window: { pastDays: 7, futureDays: 365 } };
    const askedBy = async (held: readonly number[]) => {
      const taken = await takeRooms(one, {
        ...asked,
        held,
        anyLane: true,
        askedOnly: false,
        changedFirst: false,
      });
      await taken.recorded;
      return taken;
    };
    const free = async () =>
      (await two.query('SELECT bridge_try_lock_room(1) AS first, bridge_try_lock_room(2) AS second')).rows[0];
    try {
      assert.deepEqual(
        (await askedBy([])).rooms.map(({ id }) => id),
        [1],
      );
      await db.query(event(2, { room: 102 }));
      // it fails when the room is locked already
      await db.query(`ALTER FUNCTION bridge_due RENAME TO bridge_due_later`);
      await assert.rejects(askedBy([1]), { code: '42883' });
      assert.deepEqual(await free(), { first: false, second: true });
      await two.query('SELECT bridge_unlock_room(2)');
      await db.query(`ALTER FUNCTION bridge_due_later RENAME TO bridge_due`);
      assert.deepEqual(
        (await askedBy([1])).rooms.map(({ id }) => id),
        [2],
      );
    } finally {
      one.release(true);
      two.release(true);
    }
  });
});

describe('giving a room back', () => {
  const release = (session: pg.PoolClient | pg.Pool, epoch: number, ms: number | null, throttled = false) =>
    createRelease(session)(
      { id: 1, epoch },
      ms === null ? null : { ms, throttled, condition: 'waiting', why: 'busy', hint: null },
    );

  test('it is due again when its earliest mapping is, and its lock is free', async () => {
    await using db = await open();
    await db.query(event(1));
    const [one, two] = [await db.pool.connect(), await db.pool.connect()];
    try {
      const [room] = (await take(one)).rooms;
      await db.query(
        `UPDATE bridge_mappings SET due_at = now() + interval '1 hour', revision = revision + 1`,
      );
      await release(one, room!.epoch, null);
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

  test('it is due when another transaction, which ends meanwhile, makes something due in it', async () => {
    await using db = await open();
    await db.query(event(1));
    const [one, two] = [await db.pool.connect(), await db.pool.connect()];
    try {
      const [room] = (await take(one)).rooms;
      await db.query(
        `UPDATE bridge_mappings SET sync_status = 'synced', due_at = NULL, revision = revision + 1`,
      );
      await db.query(`UPDATE bb_event SET name = 'Renamed'`);
      const { rows } = await two.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
      await two.query('BEGIN; SELECT bridge_fold(7, 365, 1000)');
      const released = release(one, room!.epoch, null);
      await untilWaiting(db, rows[0]!.pid);
      await two.query('COMMIT');
      await released;
      assert.deepEqual(
        (await take(two)).rooms.map(({ id }) => id),
        [1],
      );
    } finally {
      one.release(true);
      two.release(true);
    }
  });

  test('rooms are released together, and none waits for one whose row an open transaction has locked', async () => {
    await using db = await open();
    await db.query(event(1) + event(2, { room: 102 }));
    const [one, two] = [await db.pool.connect(), await db.pool.connect()];
    try {
      const { rooms } = await take(one);
      const epochOf = (id: number) => rooms.find((room) => room.id === id)!.epoch;
      const owned = () =>
        db.query(
          'SELECT resource_mapping_id AS id FROM bridge_room_state WHERE lease_owner IS NOT NULL ORDER BY id',
        );
      assert.deepEqual(await owned(), [{ id: 1 }, { id: 2 }]);
      const { rows } = await two.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
      await two.query('BEGIN; SELECT FROM bridge_room_state WHERE resource_mapping_id = 1 FOR UPDATE');
      assert.deepEqual(
        (
          await one.query('SELECT bridge_release_rooms($1, $2) AS released', [
            [1, 2],
            [epochOf(1), epochOf(2)],
          ])
        ).rows,
        [{ released: [2] }],
      );
      assert.deepEqual(await owned(), [{ id: 1 }]);
      const released = release(one, epochOf(1), null);
      await untilWaiting(db, rows[0]!.pid);
      await two.query('COMMIT');
      await released;
      assert.deepEqual(await owned(), []);
      assert.deepEqual((await take(two)).rooms.length, 2);
    } finally {
      one.release(true);
      two.release(true);
    }
  });

  const byHand = {
    'a mapping that a person sets to pending': `UPDATE bridge_mappings SET sync_status = 'pending' WHERE reservation_type = 'booking'`,
    'a mapping that a person uncovers': `UPDATE bridge_mappings SET present = false, revision = revision + 1 WHERE reservation_type = 'event'`,
  };
  for (const [what, statement] of Object.entries(byHand)) {
    /** A booking that nothing makes due, beneath an event. */
    const quiet = async () => {
      const db = await open();
      await db.query(event(1) + booking(1));
      await fold(db);
      await allSynced(db);
      return db;
    };
    const isDue = (db: TestDatabase) =>
      db.query('SELECT push_due_at <= now() AS due FROM bridge_room_state WHERE resource_mapping_id = 1');

    test(`it is due for ${what} in a transaction that ends after its release`, async () => {
      await using db = await quiet();
      const [one, two] = [await db.pool.connect(), await db.pool.connect()];
      try {
        await db.query('UPDATE bridge_room_state SET push_due_at = now()');
        const { epoch } = (await take(one)).rooms.find(({ id }) => id === 1)!;
        const { rows } = await two.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
        await two.query(`BEGIN; ${statement}`);
        const released = release(one, epoch, null);
        await Promise.race([released, untilWaiting(db, rows[0]!.pid)]);
        await two.query('COMMIT');
        await released;
        assert.deepEqual(await isDue(db), [{ due: true }]);
      } finally {
        one.release(true);
        two.release(true);
      }
    });

    test(`it is due for ${what} in a transaction that began before it was leased`, async () => {
      await using db = await quiet();
      const [one, two] = [await db.pool.connect(), await db.pool.connect()];
      try {
        await db.query('UPDATE bridge_room_state SET push_due_at = now()');
        await two.query(`BEGIN; ${statement}`);
        for (const room of (await take(one)).rooms)
          await one.query(`SELECT bridge_release($1, $2, NULL, false, NULL, NULL, 'ok')`, [
            room.id,
            room.epoch,
          ]);
        await two.query('COMMIT');
        assert.deepEqual(await isDue(db), [{ due: true }]);
      } finally {
        one.release(true);
        two.release(true);
      }
    });
  }

  test('one that another daemon leases by now is not touched', async () => {
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

test('a sweep asks all rooms but one that an open transaction has locked, and says that', async () => {
  await using db = await open();
  const busy = await db.pool.connect();
  const sweeping = openWorkPool(db.config, 'test', 1, 5_000);
  try {
    await busy.query('BEGIN; SELECT FROM bridge_room_state WHERE resource_mapping_id = 1 FOR UPDATE');
    await assert.rejects(sweepRooms(sweeping), (error) => isContended(error));
    assert.deepEqual(
      await db.query(
        'SELECT reconciled_at IS NULL AS asked FROM bridge_room_state ORDER BY resource_mapping_id',
      ),
      [{ asked: false }, { asked: true }],
    );
    await busy.query('COMMIT');
    assert.equal(await sweepRooms(sweeping), 2);
  } finally {
    busy.release(true);
    await sweeping.end();
  }
});

test('a daemon that begins asks every room soon, and waits for no transaction that holds the row of one', async () => {
  await using db = await open();
  await db.query(`UPDATE bridge_room_state SET next_poll_at = now() + interval '15 min'`);
  const busy = await db.pool.connect();
  try {
    await busy.query('BEGIN; SELECT FROM bridge_room_state WHERE resource_mapping_id = 1 FOR UPDATE');
    assert.equal(await catchUpRooms(db.pool), 1);
    await busy.query('ROLLBACK');
  } finally {
    busy.release(true);
  }
  assert.deepEqual(
    (await take(db.pool)).rooms.map(({ id, pulls }) => [id, pulls]),
    [[2, true]],
  );
});

describe('heartbeats', () => {
  const beat = async (db: TestDatabase, replica: string) =>
    (await db.query<{ n: number }>('SELECT bridge_beat($1, $2, 5000) AS n', [replica, []]))[0]!.n;

  test('each daemon learns how many others are alive', async () => {
    await using db = await open();
    const [early, late] = [randomUUID(), randomUUID()];
    assert.deepEqual([await beat(db, early), await beat(db, late), await beat(db, early)], [0, 1, 1]);
  });

  test('one that stopped beating is forgotten', async () => {
    await using db = await open();
    const [silent, alive] = [randomUUID(), randomUUID()];
    await beat(db, silent);
    await db.query(`UPDATE bridge_replicas SET beat_at = now() - interval '6 s'`);
    assert.equal(await beat(db, alive), 0);
    assert.deepEqual(await db.query('SELECT id FROM bridge_replicas'), [{ id: alive }]);
  });
});
