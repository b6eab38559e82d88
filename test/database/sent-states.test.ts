/** States of a reservation that may have been sent and are not settled (database/functions/28_sent.sql). */
import assert from 'node:assert/strict';
import { describe, test } from 'vitest';
import { isContended } from '../../src/database.ts';
import type { TestDatabase } from '../support/database.ts';
import { allSynced, epochOf, event, fold, open, result, rows, settle, take } from './work-list-world.ts';

/** An event in Outlook that a clerk has retitled. */
async function retitled(...titles: readonly string[]) {
  const db = await open();
  await db.query(event(1));
  await fold(db);
  await allSynced(db);
  await db.query('UPDATE bridge_room_state SET baselined_at = now(), reconciled_at = now()');
  for (const title of titles) {
    await db.query('UPDATE bb_event SET name = $1', [title]);
    await fold(db);
  }
  return db;
}

const sent = async (db: TestDatabase) =>
  (
    await db.query<{ titles: string[] | null }>(
      `SELECT (SELECT array_agg(s.one ->> 'title' ORDER BY s.n) FROM jsonb_array_elements(m.sent_states) WITH ORDINALITY s (one, n)) AS titles
       FROM bridge_mappings m`,
    )
  )[0]!.titles;

test('a fold stores the state that it makes due, in the order of the folds, each once', async () => {
  await using db = await retitled('A', 'B', 'A', 'C');
  assert.deepEqual(await sent(db), ['B', 'A', 'C']);
});

test('of many states the first and the last ones are kept', async () => {
  const all = Array.from({ length: 30 }, (_, n) => `T${n}`);
  await using db = await retitled(...all);
  assert.deepEqual(await sent(db), [...all.slice(0, 8), ...all.slice(-8)]);
});

test.for([
  [
    'of which only a part is the same',
    '[{"a": 1, "b": 2}, {"c": 3}]',
    '[{"a": 1, "b": 2}, {"c": 3}, {"a": 1}]',
  ],
  ['that is the last one', '[{"c": 3}, {"a": 1}]', '[{"c": 3}, {"a": 1}]'],
  ['that is an earlier one', '[{"a": 1}, {"c": 3}]', '[{"c": 3}, {"a": 1}]'],
] as const)('a state %s is stored once, as the last one', async ([, before, after]) => {
  await using db = await open();
  const [row] = await db.query<{ same: boolean }>(
    `SELECT bridge_with_sent($1::jsonb, '{"a": 1}') = $2::jsonb AS same`,
    [before, after],
  );
  assert.equal(row?.same, true);
});

test('a fold stores the state of a new reservation, which is sent with its create', async () => {
  await using db = await open();
  await db.query(event(1));
  await fold(db);
  assert.deepEqual(await sent(db), ['Event 1']);
});

test('a fold stores nothing of a reservation that is cancelled or did not change', async () => {
  await using db = await retitled();
  await db.query(`UPDATE bb_event SET name = name`);
  await fold(db);
  assert.equal(await sent(db), null);
  await db.query(`UPDATE bb_event SET active = 0`);
  await fold(db);
  assert.equal(await sent(db), null);
});

describe('a settlement', () => {
  const settling = async (more: object, meanwhile?: string) => {
    const db = await retitled('A', 'B');
    await take(db.pool);
    const [row] = await rows(db);
    const [{ state }] = (await db.query<{ state: object }>(
      'SELECT sent_states -> -1 AS state FROM bridge_mappings',
    )) as [{ state: object }];
    if (meanwhile !== undefined) {
      await db.query('UPDATE bb_event SET name = $1', [meanwhile]);
      await fold(db);
    }
    await settle(db, 1, await epochOf(db, 1), [result(row!, { bookingSeen: state, ...more })]);
    return db;
  };

  test('that knows what Outlook shows clears the states', async () => {
    await using db = await settling({ keepsSent: false });
    assert.equal(await sent(db), null);
  });

  test('without an answer keeps them', async () => {
    await using db = await settling({ status: 'pending', keepsSent: true });
    assert.deepEqual(await sent(db), ['A', 'B']);
  });

  test('that a fold has overtaken leaves the state of that fold', async () => {
    await using db = await settling({ keepsSent: false }, 'C');
    assert.deepEqual(await sent(db), ['C']);
  });

  test('that a fold has overtaken, and without an answer, keeps all', async () => {
    await using db = await settling({ status: 'pending', keepsSent: true }, 'C');
    assert.deepEqual(await sent(db), ['A', 'B', 'C']);
  });

  test('of a daemon of the previous version clears them', async () => {
    await using db = await settling({});
    assert.equal(await sent(db), null);
  });
});

test('a state that is about to be sent is stored unless the mapping has changed or the lease was lost', async () => {
  await using db = await retitled();
  await db.query('UPDATE bridge_mappings SET due_at = now(), revision = revision + 1');
  await db.query('UPDATE bridge_room_state SET push_due_at = now()');
  await take(db.pool);
  const [row] = await rows(db);
  const epoch = await epochOf(db, 1);
  const sending = (revision: number, of = epoch) =>
    db.query('SELECT bridge_sending(1, $1, $2) AS stored', [
      of,
      JSON.stringify([{ id: row!.id, revision, state: { title: 'X' } }]),
    ]);
  assert.deepEqual(await sending(row!.revision + 1), [{ stored: [] }]);
  await assert.rejects(sending(row!.revision, epoch - 1), { code: 'BR001' });
  assert.equal(await sent(db), null);
  assert.deepEqual(await sending(row!.revision), [{ stored: [row!.id] }]);
  assert.deepEqual(await sent(db), ['X']);
  const [after] = await rows(db);
  // the revision tells it from a change by a person
  assert.equal(after!.revision, row!.revision + 1);
});

test('states that are about to be sent are stored without a read of all mappings', async () => {
  await using db = await retitled();
  await db.query('UPDATE bridge_mappings SET due_at = now(), revision = revision + 1');
  await db.query('UPDATE bridge_room_state SET push_due_at = now()');
  await take(db.pool);
  const [row] = await rows(db);
  const sending = JSON.stringify([{ id: row!.id, revision: row!.revision, state: { title: 'X' } }]);
  const epoch = await epochOf(db, 1);
  const session = await db.pool.connect();
  const scans = async () =>
    (
      await session.query<{ seq_scan: string }>(
        `SELECT seq_scan FROM pg_stat_xact_user_tables WHERE relname = 'bridge_mappings'`,
      )
    ).rows[0]!.seq_scan;
  // the counts of a session are reported, and start again, between its transactions only
  await session.query('BEGIN');
  const before = await scans();
  await session.query('SELECT bridge_sending(1, $1, $2)', [epoch, sending]);
  const after = await scans();
  await session.query('ROLLBACK');
  session.release();
  assert.equal(after, before);
});

describe('after the loss of a lease session', () => {
  const doubt = async (db: TestDatabase, sentOf: readonly object[]) => {
    const session = await db.pool.connect();
    try {
      await session.query(`SET lock_timeout = '250ms'`);
      const { rows: answer } = await session.query<{ locked: number[] }>(
        'SELECT bridge_store_doubt($1, gen_random_uuid(), $2) AS locked',
        [[1, 2], JSON.stringify(sentOf)],
      );
      return answer[0]!.locked;
    } finally {
      session.release(true);
    }
  };
  const doubtful = async (db: TestDatabase) =>
    (
      await db.query<{ id: number }>(
        'SELECT resource_mapping_id AS id FROM bridge_room_state WHERE lease_owner IS NOT NULL ORDER BY 1',
      )
    ).map(({ id }) => id);

  test.each([
    ['nothing', null, [], [1, 2], ['A', 'X', 'Y']],
    ['a room', 'SELECT FROM bridge_room_state WHERE resource_mapping_id = 1 FOR UPDATE', [1], [2], ['A']],
    ['a mapping', 'SELECT FROM bridge_mappings FOR UPDATE', [1], [2], ['A']],
  ])(
    'what was sent is stored, while a transaction has locked %s',
    async (_, lock, locked, marked, titles) => {
      await using db = await retitled('A');
      const [row] = await rows(db);
      const sending = ['X', 'Y'].map((title) => ({
        id: row!.id,
        eventId: `event-${row!.id}`,
        state: { title },
        room: 1,
      }));
      const person = await db.pool.connect();
      await person.query('BEGIN');
      if (lock !== null) await person.query(lock);
      assert.deepEqual(await doubt(db, sending), locked);
      assert.deepEqual(await doubtful(db), marked);
      assert.deepEqual(await sent(db), titles);
      await person.query('ROLLBACK');
      person.release();
      assert.deepEqual(await doubt(db, sending), []);
      assert.deepEqual(await doubtful(db), [1, 2]);
      assert.deepEqual(await sent(db), ['A', 'X', 'Y']);
    },
  );

  test('a daemon of the previous version waits for a locked room, and not for a locked mapping', async () => {
    await using db = await retitled('A');
    const call = `SELECT bridge_doubt_rooms('{1,2}', gen_random_uuid(), $1)::text AS done`;
    const [row] = await rows(db);
    const values = [
      JSON.stringify([{ id: row!.id, eventId: `event-${row!.id}`, state: { title: 'X' } }]),
    ] as const;
    const person = await db.pool.connect();
    await person.query('BEGIN; SELECT FROM bridge_room_state WHERE resource_mapping_id = 1 FOR UPDATE');
    await assert.rejects(db.query(call, values), isContended);
    await person.query('ROLLBACK; BEGIN; SELECT FROM bridge_mappings FOR UPDATE');
    assert.deepEqual(await db.query(call, values), [{ done: '' }]);
    await person.query('ROLLBACK');
    person.release();
    assert.deepEqual(await doubtful(db), [1, 2]);
    assert.deepEqual(await sent(db), ['A']);
  });
});
