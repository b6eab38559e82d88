/** What was done is written down, and a room is compared with what the booking system says. */
import assert from 'node:assert/strict';
import { describe, test } from 'vitest';
import { isContended, sqlState } from '../../src/database.ts';
import type { TestDatabase } from '../support/database.ts';
import { untilTrue } from '../support/until.ts';
import {
  open,
  event,
  booking,
  fold,
  rows,
  due,
  allSynced,
  take,
  result,
  settle,
  epochOf,
  untilWaiting,
} from './work-list-world.ts';

/** A session of this database waits for the lock of the fold. */
const foldIsWaitedFor = `EXISTS (SELECT FROM pg_locks
  WHERE locktype = 'advisory' AND classid = 7230912 AND objid = 2 AND NOT granted
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))`;

const choir = {
  startsAt: '2026-12-01T17:00:00Z',
  endsAt: '2026-12-01T19:00:00Z',
  allDay: false,
  title: 'Choir',
  description: '',
  isPrivate: false,
};

describe('settling', () => {
  const settled = async () => {
    const db = await open();
    await db.query(event(1));
    await take(db.pool);
    return { db, row: (await rows(db))[0]!, epoch: await epochOf(db, 1) };
  };

  for (const [what, result_, state] of [
    ['agrees', { bookingBase: choir, removing: false }, { agreement: 'agreed', event_intent: null }],
    [
      'lost an answer',
      { status: 'pending', bookingBase: {}, removing: false },
      { agreement: 'unanswered', event_intent: null },
    ],
    [
      'is deleted',
      { status: 'pending', bookingBase: choir, removing: true },
      { agreement: 'agreed', event_intent: 'remove' },
    ],
    [
      'was deleted unseen',
      { status: 'cancelled', bookingBase: null, outlookBase: null, removing: true },
      { agreement: 'never', event_intent: 'remove_again' },
    ],
  ] as const)
    test(`a daemon of 1.0 writes down what ${what}, and it has its name`, async () => {
      const { db: opened, row, epoch } = await settled();
      await using db = opened;
      await settle(db, 1, epoch, [result(row, result_)]);
      assert.deepEqual(await db.query('SELECT agreement, event_intent FROM bridge_mappings'), [state]);
    });

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

  test('a row that is changed while its settlement waits for it stays due', async () => {
    const { db: opened, row, epoch } = await settled();
    await using db = opened;
    const person = await db.pool.connect();
    try {
      const { rows: found } = await person.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
      await person.query(
        `BEGIN; UPDATE bridge_mappings SET outlook_news = 'look', due_at = now(), revision = revision + 1`,
      );
      const write = () => settle(db, 1, epoch, [result(row)]);
      // it waits for a quarter of a second only, which passes on a busy machine
      const settlement = write().catch(async (error: unknown) => {
        if (!isContended(error)) throw error;
        await person.query('COMMIT');
        return await write();
      });
      await Promise.race([settlement, untilWaiting(db, found[0]!.pid)]);
      await person.query('COMMIT');
      await settlement;
    } finally {
      person.release(true);
    }
    assert.deepEqual(
      await db.query(
        'SELECT sync_status AS status, due_at IS NOT NULL AS due, outlook_news AS news FROM bridge_mappings',
      ),
      [{ status: 'pending', due: true, news: 'look' }],
    );
  });

  /** Two rows of one room, the second of which has this event. */
  const two = async (status: string) => {
    const db = await open();
    await db.query(event(1) + event(2, { from: 14, to: 15 }));
    await take(db.pool);
    const [first, second] = await rows(db);
    await db.query(
      `UPDATE bridge_mappings SET outlook_event_id = 'one', sync_status = $2, revision = revision + 1 WHERE id = $1`,
      [second!.id, status],
    );
    return { db, first: first!, second: (await rows(db))[1]!, epoch: await epochOf(db, 1) };
  };
  const held = (db: TestDatabase) =>
    db.query(
      'SELECT outlook_event_id AS event, sync_status AS status, generation, due_at IS NOT NULL AS due FROM bridge_mappings ORDER BY reservation_id',
    );

  test('an event that another reservation has stays there; the next create gets the next key', async () => {
    const { db: opened, first, epoch } = await two('synced');
    await using db = opened;
    await settle(db, 1, epoch, [result(first, { eventId: 'one' })]);
    assert.deepEqual(await held(db), [
      { event: null, status: 'pending', generation: 1, due: true },
      { event: 'one', status: 'synced', generation: 0, due: true },
    ]);
    assert.deepEqual(await db.query('SELECT action FROM bridge_log'), [{ action: 'waiting' }]);
  });

  test('an event of a cancelled reservation goes to who took it, though both are written down at once', async () => {
    const { db: opened, first, second, epoch } = await two('cancelled');
    await using db = opened;
    await settle(db, 1, epoch, [
      result(first, { eventId: 'one' }),
      result(second, { eventId: 'one', status: 'cancelled', action: 'unchanged' }),
    ]);
    assert.deepEqual(
      (await held(db)).map((row) => [row['event'], row['status']]),
      [
        ['one', 'synced'],
        [null, 'cancelled'],
      ],
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

  for (const [what, call] of [
    ['verifies', `bridge_verified(1, $1, jsonb_build_array($2::jsonb))`],
    ['removes', `bridge_removing(1, $1, jsonb_build_array($2::jsonb))`],
    ['puts off', `bridge_put_off_creates(1, $1, ARRAY[($2::jsonb ->> 'id')::bigint], 1000)`],
  ] as const)
    test(`a lost lease ${what} nothing: BR001`, async () => {
      const { db: opened, row, epoch } = await settled();
      await using db = opened;
      const before = await db.query('SELECT * FROM bridge_mappings');
      for (const wrong of [epoch - 1, epoch + 1])
        await assert.rejects(
          db.query(`SELECT ${call}`, [wrong, JSON.stringify({ ...row, news: 'gone' })]),
          (error) => sqlState(error) === 'BR001',
        );
      assert.deepEqual(await db.query('SELECT * FROM bridge_mappings'), before);
    });

  test('one that waits for a change of the room’s mailbox has lost its lease by then', async () => {
    const { db: opened, row, epoch } = await settled();
    await using db = opened;
    const person = await db.pool.connect();
    try {
      await person.query(`BEGIN; UPDATE bridge_resource_mappings SET outlook_item_id = 'c@x' WHERE id = 1`);
      const refused = assert.rejects(
        settle(db, 1, epoch, [result(row)]),
        (error) => sqlState(error) === 'BR001',
      );
      await untilTrue(
        db,
        `EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock')`,
      );
      await person.query('COMMIT');
      await refused;
    } finally {
      person.release(true);
    }
    assert.deepEqual(await db.query('SELECT outlook_item_id, outlook_event_id FROM bridge_mappings'), [
      { outlook_item_id: 'c@x', outlook_event_id: null },
    ]);
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
        booking(1, { from: 12, to: 13 }) +
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

  test('it waits for a fold that writes down the same, and neither is the other one’s victim', async () => {
    await using db = await open();
    await db.query(event(1));
    const [folding, comparing] = [await db.pool.connect(), await db.pool.connect()];
    try {
      await folding.query('BEGIN; SELECT pg_advisory_xact_lock(7230912, 2)');
      const compared = comparing.query<{ r: object }>('SELECT bridge_reconcile(1, $1, 7, 365) AS r', [
        await epochOf(db, 1),
      ]);
      await untilTrue(db, foldIsWaitedFor);
      await folding.query('SELECT bridge_fold(7, 365, 1000)');
      await folding.query('COMMIT');
      assert.deepEqual((await compared).rows, [{ r: { added: 0, changed: 0, gone: 0 } }]);
      assert.equal((await rows(db)).length, 1);
    } finally {
      folding.release(true);
      comparing.release(true);
    }
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

  test('a comparison that is asked for while one is reading is made after it', async () => {
    await using db = await open();
    const [holding, comparing] = [await db.pool.connect(), await db.pool.connect()];
    const asked = () =>
      db.query(
        'SELECT reconciled_at IS NULL AS asked FROM bridge_room_state ORDER BY resource_mapping_id LIMIT 1',
      );
    try {
      await holding.query('BEGIN; SELECT pg_advisory_xact_lock(7230912, 2)');
      const compared = comparing.query('SELECT bridge_reconcile(1, $1, 7, 365)', [await epochOf(db, 1)]);
      await untilTrue(db, foldIsWaitedFor);
      await db.query('UPDATE bridge_room_state SET reconciled_at = NULL');
      await holding.query('COMMIT');
      await compared;
      assert.deepEqual(await asked(), [{ asked: true }]);
      await reconcile(db);
      assert.deepEqual(await asked(), [{ asked: false }]);
    } finally {
      holding.release();
      comparing.release();
    }
  });

  test('a row that an open transaction has locked holds it up for a moment, not until that ends', async () => {
    await using db = await open();
    await db.query(`INSERT INTO bridge_mappings (resource_id, outlook_item_id, outlook_event_id, sync_status, sync_direction, starts_at, ends_at, waits_for)
      VALUES (101, 'a@x', 'unanswered', 'imported', 'outlook_to_booking', now() - interval '30 days', now() - interval '29 days', 'answer')`);
    const [person, comparing] = [await db.pool.connect(), await db.pool.connect()];
    try {
      await person.query(`BEGIN; UPDATE bridge_mappings SET hint = 'mine'`);
      await comparing.query(`SET statement_timeout = '5s'`);
      const compared = comparing.query('SELECT bridge_reconcile(1, $1, 7, 365)', [await epochOf(db, 1)]);
      await assert.rejects(compared, (error) => sqlState(error) === '55P03');
      await person.query('COMMIT');
      await reconcile(db);
      assert.deepEqual(await rows(db), []);
    } finally {
      person.release(true);
      comparing.release(true);
    }
  });

  test('what moved out of the window or into it unnoticed is found', async () => {
    await using db = await open();
    await db.query(event(1) + event(2, { from: 14, to: 15 }));
    await fold(db);
    await allSynced(db);
    await db.query(`UPDATE bridge_mappings SET starts_at = starts_at - interval '100 days', ends_at = ends_at - interval '100 days', revision = revision + 1
      WHERE reservation_id = 2`);
    await db.query(`SET session_replication_role = replica;
      UPDATE bb_event SET from_ = from_ - interval '100 days', to_ = to_ - interval '100 days' WHERE id = 1;
      RESET session_replication_role`);
    assert.deepEqual(await reconcile(db), { added: 0, changed: 2, gone: 0 });
    assert.deepEqual(
      await db.query('SELECT starts_at < now() AS past FROM bridge_mappings ORDER BY reservation_id'),
      [{ past: true }, { past: false }],
    );
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

test.for([
  ['from a daemon of the previous version, which does not say whether a create made it,', null, [4]],
  ['that a create of the mapping made', false, []],
  ['that another made', true, [4, 0]],
] as const)(
  'an event %s is attached: the generations without an event on record are right',
  async ([, notCreated, creates]) => {
    await using db = await open();
    await db.query(event(1));
    await fold(db);
    await db.query(`UPDATE bridge_mappings SET unrecorded_creates = '{4}', generation = $1`, [
      notCreated === false ? 4 : 0,
    ]);
    await take(db.pool);
    const [row] = await rows(db);
    const pair = {
      id: row!.id,
      was: null,
      eventId: 'event-1',
      kept: false,
      lane: 0,
      isOrganizer: true,
      notCreated,
    };
    await db.query('SELECT bridge_attach(1, $1, $2)', [await epochOf(db, 1), JSON.stringify([pair])]);
    assert.deepEqual(
      await db.query('SELECT outlook_event_id AS event, unrecorded_creates AS creates FROM bridge_mappings'),
      [{ event: 'event-1', creates }],
    );
  },
);
