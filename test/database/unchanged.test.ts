/** What the triggers note and nothing changed in: the fold leaves it alone, and never what changed. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, test } from 'vitest';
import type { TestDatabase } from '../support/database.ts';
import { allSynced, allocation, booking, due, event, fold, open } from './work-list-world.ts';

interface Seen {
  readonly due: boolean;
  readonly revision: number;
  readonly modified: Date | null;
  readonly attempt: number;
  readonly status: string;
}

const seen = async (db: TestDatabase, kind = 'event', id = 1) =>
  (
    await db.query<Seen & { [column: string]: unknown }>(
      `SELECT due_at IS NOT NULL AS due, revision, last_modified_booking AS modified, attempt, sync_status AS status
       FROM bridge_mappings WHERE reservation_type = $1 AND reservation_id = $2`,
      [kind, id],
    )
  )[0]!;

const rung = async (db: TestDatabase) =>
  (await db.query('SELECT FROM bridge_room_state WHERE push_due_at IS NOT NULL')).length;

/** One event, booking and allocation, each in Outlook as it is. */
async function openAtRest(): Promise<TestDatabase> {
  const db = await open();
  await db.query(
    event(1) +
      booking(1, { from: 20, to: 21 }) +
      allocation(1, { from: 22, to: 23 }) +
      event(2, { from: 14, to: 15 }),
  );
  await fold(db);
  await allSynced(db);
  await db.query('UPDATE bridge_room_state SET push_due_at = NULL');
  return db;
}

const irrelevant = [
  `UPDATE bb_event SET cost = 100, secret = 'x', contact_phone = '1', completed = 1, reminder = 0, customer_ssn = '1'`,
  'UPDATE bb_event SET name = name, from_ = from_, active = active',
  'UPDATE bb_event SET id = id',
  `UPDATE bb_event SET name = name || ' '`, // the view trims it
  `UPDATE bb_booking SET cost = 100, reminder = 1, secret = 'y'`,
  'UPDATE bb_allocation SET cost = 100, completed = 1',
  'UPDATE bb_event_resource SET resource_id = resource_id',
  `BEGIN; UPDATE bb_event SET name = 'Other', to_ = to_ + interval '1 hour'; UPDATE bb_event SET name = 'Event ' || id, to_ = to_ - interval '1 hour'; COMMIT`,
  'DELETE FROM bb_event_resource WHERE event_id = 1; INSERT INTO bb_event_resource (event_id, resource_id) VALUES (1, 101)',
];

const relevant = [
  'active = 0',
  `name = 'New'`,
  `description = 'New'`,
  `from_ = from_ - interval '1 hour'`,
  `to_ = to_ + interval '1 hour'`,
  'is_public = 0',
];

describe('a change of what Outlook does not show', () => {
  test.each(irrelevant)('leaves nothing due, modified or rung: %s', async (write) => {
    await using db = await openAtRest();
    const before = await db.query('SELECT * FROM bridge_mappings ORDER BY id');
    await db.query(write);
    assert.ok((await fold(db)) > 0);
    assert.deepEqual(await db.query('SELECT * FROM bridge_mappings ORDER BY id'), before);
    assert.equal(await rung(db), 0);
  });

  test.each(relevant)(
    'beside one of what it shows, before or after it, hides nothing: %s',
    async (change) => {
      for (const writes of [
        [`UPDATE bb_event SET ${change} WHERE id = 1`],
        [`UPDATE bb_event SET ${change} WHERE id = 1`, 'UPDATE bb_event SET cost = 7'],
        ['UPDATE bb_event SET cost = 7', `UPDATE bb_event SET ${change} WHERE id = 1`],
      ]) {
        await using db = await openAtRest();
        const before = await seen(db);
        await db.query(`BEGIN; ${writes.join(';')}; COMMIT`);
        await fold(db);
        assert.deepEqual(await due(db), ['event 1 in 101']);
        assert.ok((await seen(db)).modified! > before.modified!);
        assert.equal(await rung(db), 1);
      }
    },
  );

  test('in a room with a style of its own is told from a change of what that style shows', async () => {
    await using db = await openAtRest();
    await db.query(
      `UPDATE bridge_resource_mappings SET title_template = '{title} ({organizer})' WHERE id = 1;
       UPDATE bridge_room_state SET reconciled_at = now(), push_due_at = NULL;
       UPDATE bridge_mappings m SET revision = revision + 1, booking_seen = booking_seen || bridge_appearance(
         (SELECT to_jsonb(i) FROM bridge_items i WHERE (i.reservation_type, i.reservation_id) = (m.reservation_type, m.reservation_id)), bridge_style(101))`,
    );
    await db.query('UPDATE bb_event SET cost = 7');
    await fold(db);
    assert.deepEqual(await due(db), []);
    await db.query(`UPDATE bb_event SET contact_name = 'Ada' WHERE id = 2`);
    await fold(db);
    assert.deepEqual(await due(db), ['event 2 in 101']);
  });

  test('in many rows at once leaves alone all but those that changed', async () => {
    await using db = await open();
    await db.query(
      Array.from({ length: 200 }, (_, n) => event(n + 1, { from: 24 * n, to: 24 * n + 1 })).join(''),
    );
    await fold(db);
    await allSynced(db);
    await db.query(
      `UPDATE bb_event SET completed = 1, name = CASE WHEN id % 50 = 0 THEN 'New' ELSE name END`,
    );
    assert.equal(await fold(db, 10_000), 200);
    assert.deepEqual(
      (await due(db)).toSorted(),
      [100, 150, 200, 50].map((id) => `event ${id} in 101`),
    );
  });

  test('of a cancelled reservation leaves it alone, and enabling it does not', async () => {
    await using db = await openAtRest();
    await db.query('UPDATE bb_event SET active = 0 WHERE id = 1');
    await fold(db);
    await db.query(`UPDATE bridge_mappings SET sync_status = 'cancelled', due_at = NULL, booking_seen = NULL, revision = revision + 1
      WHERE reservation_type = 'event' AND reservation_id = 1`);
    await db.query(`UPDATE bb_event SET name = 'Nobody sees this' WHERE id = 1`);
    await fold(db);
    assert.deepEqual(await due(db), []);
    await db.query('UPDATE bb_event SET active = 1 WHERE id = 1');
    await fold(db);
    assert.deepEqual(await due(db), ['event 1 in 101']);
  });

  test('while an earlier change waits to be sent is no news, and puts off no other try', async () => {
    await using db = await openAtRest();
    await db.query(`UPDATE bb_event SET name = 'New' WHERE id = 1`);
    await fold(db);
    await db.query(`UPDATE bridge_mappings SET due_at = now() + interval '1 hour', attempt = 3, revision = revision + 1
      WHERE reservation_type = 'event' AND reservation_id = 1`);
    const before = await seen(db);
    await db.query('UPDATE bb_event SET cost = 7 WHERE id = 1');
    await fold(db);
    // what is being sent at this moment may have been read before another change was taken back
    assert.deepEqual(await seen(db), { ...before, revision: before.revision + 1 });
    await db.query(`UPDATE bb_event SET name = 'Newer' WHERE id = 1`);
    await fold(db);
    const after = await seen(db);
    assert.equal(after.attempt, 0);
    assert.ok(after.modified! > before.modified!);
  });

  test('of what became due without its room being told tells the room', async () => {
    await using db = await openAtRest();
    await db.query(`UPDATE bridge_mappings SET due_at = now(), outlook_news = 'look', sync_status = 'pending', revision = revision + 1
      WHERE reservation_type = 'event' AND reservation_id = 1`);
    await db.query('UPDATE bridge_room_state SET push_due_at = NULL');
    await db.query('UPDATE bb_event SET cost = 7 WHERE id = 1');
    await fold(db);
    assert.equal(await rung(db), 1);
  });

  test('of what waits for a person, or has news from Outlook, has it looked at, and modifies nothing', async () => {
    for (const doubt of [`sync_status = 'conflict'`, `sync_status = 'error'`, `outlook_news = 'look'`]) {
      await using db = await openAtRest();
      await db.query(
        `UPDATE bridge_mappings SET ${doubt}, revision = revision + 1 WHERE reservation_type = 'event' AND reservation_id = 1`,
      );
      const before = await seen(db);
      await db.query('UPDATE bb_event SET cost = 7');
      await fold(db);
      assert.deepEqual(await due(db), ['event 1 in 101'], doubt);
      assert.deepEqual((await seen(db)).modified, before.modified);
    }
  });

  test('in a room that only takes what Outlook gives leaves it alone, too', async () => {
    await using db = await openAtRest();
    await db.query(`UPDATE bridge_resource_mappings SET sync_direction = 'outlook_to_booking';
      UPDATE bridge_mappings SET booking_seen = NULL, revision = revision + 1`);
    await db.query('UPDATE bb_event SET cost = 7');
    await fold(db);
    assert.deepEqual(await due(db), []);
    await db.query(`UPDATE bb_event SET name = 'New' WHERE id = 1`);
    await fold(db);
    assert.deepEqual(await due(db), ['event 1 in 101']);
  });
});

test('of mappings from before the digest nothing is lost, and nothing made due that is at rest', async () => {
  await using db = await openAtRest();
  await db.query('UPDATE bridge_mappings SET booking_digest = NULL, revision = revision + 1');
  await db.query('UPDATE bb_event SET cost = 7');
  await fold(db);
  assert.deepEqual(await due(db), []);
  await db.query(`UPDATE bb_event SET name = 'New' WHERE id = 1`);
  await fold(db);
  assert.deepEqual(await due(db), ['event 1 in 101']);
});

describe('what was read while it was changed and changed back', () => {
  const outlookHasNews = `UPDATE bridge_mappings SET outlook_news = 'look', due_at = now(), revision = revision + 1
    WHERE reservation_type = 'event' AND reservation_id = 1`;
  const rename = (name: string) => `UPDATE bb_event SET name = '${name}' WHERE id = 1`;

  test('and is written down after the fold is read again', async () => {
    await using db = await openAtRest();
    await db.query(outlookHasNews);
    await db.query(rename('New'));
    const work = await read(db);
    await db.query(rename('Event 1'));
    await fold(db);
    await settle(db, work!);
    assert.deepEqual(await due(db), ['event 1 in 101']);
  });

  test('and was written down before the fold is read again', async () => {
    await using db = await openAtRest();
    await db.query(outlookHasNews);
    await db.query(rename('New'));
    await settle(db, (await read(db))!);
    assert.deepEqual(await due(db), []);
    await db.query(rename('Event 1'));
    await fold(db);
    assert.deepEqual(await due(db), ['event 1 in 101']);
  });

  test('and moved in between has its place put right', async () => {
    await using db = await openAtRest();
    await db.query(outlookHasNews);
    await db.query(`UPDATE bb_event SET to_ = to_ + interval '1 hour' WHERE id = 1`);
    await settle(db, (await read(db))!);
    await fold(db);
    assert.deepEqual(await misplaced(db), []);
  });
});

interface Work {
  readonly revision: number;
  readonly state: unknown;
}

const stateNow = `(SELECT bridge_item_state(i.starts_at, i.ends_at, i.all_day, i.title, i.description, i.is_private)
  FROM bridge_items i WHERE i.reservation_type = 'event' AND i.reservation_id = 1 AND i.active)`;
const first = `reservation_type = 'event' AND reservation_id = 1`;

/** What a worker reads of the first event, when it is due. */
const read = async (db: TestDatabase) =>
  (
    await db.query<{ revision: number; state: unknown }>(
      `SELECT revision, ${stateNow} AS state FROM bridge_mappings WHERE due_at <= now() AND ${first}`,
    )
  )[0];

/** What it writes down of that, as bridge_settle does. */
const settle = (db: TestDatabase, { revision, state }: Work) =>
  db.query(
    `UPDATE bridge_mappings SET booking_seen = $2, sync_status = CASE WHEN $2::jsonb IS NULL THEN 'cancelled' ELSE 'synced' END,
       due_at = CASE WHEN revision = $1 THEN NULL ELSE coalesce(due_at, now()) END, outlook_news = NULL, revision = revision + 1
     WHERE ${first}`,
    [revision, state === null ? null : JSON.stringify(state)],
  );

const misplaced = (db: TestDatabase) =>
  db.query(`SELECT m.* FROM bridge_mappings m LEFT JOIN bridge_items i ON (i.reservation_type, i.reservation_id) = (m.reservation_type, m.reservation_id)
    WHERE (m.present, m.starts_at, m.ends_at) IS DISTINCT FROM (i.active, i.starts_at, i.ends_at)`);

/**
 * An event is edited, a worker reads it and writes down what it read, and the outbox is folded, in any order. Whatever is at rest in the
 * end is what a worker read last, as it is.
 */
test('after any history, what is not due is what was read last', async () => {
  await using db = await open();
  const edit = fc.constantFrom(
    `name = 'A'`,
    `name = 'B'`,
    `to_ = from_ + interval '1 hour'`,
    `to_ = from_ + interval '2 hours'`,
    'active = 0',
    'active = 1',
    'cost = cost + 1',
    `description = 'A'`,
    'description = NULL',
  );
  const step = fc.oneof(
    { weight: 4, arbitrary: edit.map((change) => `UPDATE bb_event SET ${change} WHERE id = 1`) },
    { weight: 2, arbitrary: fc.constantFrom('fold' as const) },
    { weight: 4, arbitrary: fc.constantFrom('news' as const, 'read' as const, 'settle' as const) },
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 4, maxLength: 24 }), async (history) => {
      await db.query(
        `DELETE FROM bb_event_resource; DELETE FROM bb_event; DELETE FROM bridge_mappings; DELETE FROM bridge_changes`,
      );
      await db.query(event(1));
      await fold(db);
      await allSynced(db);
      let work: Work | undefined;
      for (const what of history) {
        if (what === 'fold') await fold(db);
        else if (what === 'read') work = await read(db);
        else if (what === 'news')
          await db.query(
            'UPDATE bridge_mappings SET due_at = coalesce(due_at, now()), revision = revision + 1',
          );
        else if (what === 'settle') {
          if (work !== undefined) await settle(db, work);
          work = undefined;
        } else await db.query(what);
      }
      await fold(db);
      const lost = await db.query(
        `SELECT * FROM bridge_mappings WHERE due_at IS NULL AND booking_seen IS DISTINCT FROM ${stateNow}`,
      );
      assert.deepEqual(lost, []);
      assert.deepEqual(await misplaced(db), []);
    }),
    { numRuns: 100 },
  );
});
