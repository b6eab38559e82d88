/** What lies on top of each other in a room is shown once. */
import assert from 'node:assert/strict';
import { describe, test } from 'vitest';
import {
  open,
  at,
  event,
  booking,
  allocation,
  fold,
  rows,
  due,
  allSynced,
  dueItems,
  result,
  settle,
  epochOf,
} from './work-list-world.ts';

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
    await db.query(`UPDATE bb_group SET name = name || '!'`);
    await fold(db);
    const [cover, under] = await dueItems(db);
    assert.deepEqual([cover?.reservationType, cover?.covered], ['event', false]);
    assert.deepEqual(
      [under?.reservationType, under?.covered, under?.coverConfirmed],
      ['booking', true, false],
    );
    await db.query(`UPDATE bridge_mappings SET sync_status = 'synced', due_at = NULL, revision = revision + 1
      WHERE reservation_type = 'booking'`);
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

  test('cover that moves makes due what it leaves, what it comes to once it is shown there, and nothing else', async () => {
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
    assert.deepEqual(await due(db), ['booking 1 in 101', 'event 1 in 101']);
    const moved = (await rows(db)).find(({ key }) => key === 'event 1 in 101')!;
    await settle(db, 1, await epochOf(db, 1), [result(moved)]);
    assert.deepEqual(await due(db), ['booking 1 in 101', 'booking 3 in 101']);
  });

  test('an item of the same or a higher priority is never made due, and one that only touches is not', async () => {
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
