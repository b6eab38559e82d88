/** An event that was read a moment ago is used once, never after our own change, and for nothing that could discard a later edit. */
import { describe, expect, test } from 'vitest';
import type { Item } from '../../src/item.ts';
import {
  at,
  conflicts,
  dinner,
  heard,
  open,
  resolve,
  room,
  shown,
  titles,
  type Rooms,
} from './two-way-world.ts';

test('an event that was read before our own change of it is not taken for an edit in Outlook', async () => {
  await using w = await open();
  const { event } = await shown(w);
  // Graph tells of our own write, with a version that the mailbox has raised since
  await hinted(w, event.id);
  await w.db.query(`UPDATE bb_event SET name = 'Orchestra'`);
  await w.settle();
  // a person asks for it, which reads the event
  await w.db.query(`UPDATE bridge_mappings SET sync_status = 'pending'`);
  await w.settle();
  expect(await titles(w)).toEqual({ booking: ['Orchestra'], outlook: ['Orchestra'] });
});

test('an answer of the room that only a round of changes reports is not overlooked for the read before it', async () => {
  await using w = await open();
  const { id } = w.outlook.invite(room, dinner(), { shows: { is: 'undecided', item: dinner() } });
  await hinted(w, id);
  expect(await w.reserved()).toEqual([]);
  w.outlook.alter(id, { item: dinner() });
  await heard(w);
  expect(await titles(w)).toEqual({ booking: ['Dinner'], outlook: ['Dinner'] });
});

test('an edit that only a full scan reports is not overlooked for the read before it', async () => {
  await using w = await open();
  const { id } = w.outlook.invite(room, dinner(), { shows: { is: 'undecided', item: dinner() } });
  await hinted(w, id);
  w.outlook.alter(id, { item: dinner() });
  await w.db.query('UPDATE bridge_room_state SET compare_at = now(), pull_due_at = now()');
  await w.settle();
  expect(await titles(w)).toEqual({ booking: ['Dinner'], outlook: ['Dinner'] });
});

/** Graph names the event, in a version that is not known here. */
async function hinted(w: Rooms, id: string): Promise<void> {
  await w.db.query(
    `INSERT INTO bridge_hints (resource_mapping_id, event_id, etag) SELECT id, $1, 'W/"2"' FROM bridge_resource_mappings`,
    [id],
  );
  await w.db.query('UPDATE bridge_room_state SET hinted_at = now()');
  await w.settle();
}

describe('an event that was read a moment ago, and edited since without a report,', () => {
  for (const [conflict, left] of [
    ['outlook', { booking: ['Quartet'], outlook: ['Quartet'] }],
    ['ask', { booking: ['Orchestra'], outlook: ['Quartet'] }],
  ] as const)
    test(`is read before a change of the same field: ${conflict}`, async () => {
      await using w = await open({ conflict });
      const { event } = await shown(w);
      await hinted(w, event.id);
      w.outlook.edit(event.id, { title: 'Quartet' });
      await w.db.query(`UPDATE bb_event SET name = 'Orchestra'`);
      await w.settle();
      expect(await titles(w)).toEqual(left);
      expect(await conflicts(w)).toHaveLength(conflict === 'ask' ? 1 : 0);
    });

  test('is read again, too, before a change that the first read allows', async () => {
    await using w = await open({ conflict: 'newest' });
    const { event } = await shown(w);
    w.outlook.edit(event.id, { title: 'Quartet' });
    await w.db.query(`UPDATE bb_event SET name = 'Orchestra'`);
    editAfterRead(w, event.id, { title: 'Trio' });
    await hinted(w, event.id);
    expect(await titles(w)).toEqual({ booking: ['Trio'], outlook: ['Trio'] });
  });

  test('is not read again for what the booking system takes over', async () => {
    await using w = await open({ conflict: 'outlook' });
    const { event } = await shown(w);
    w.outlook.edit(event.id, { title: 'Quartet' });
    w.outlook.reads.length = 0;
    await hinted(w, event.id);
    expect(await titles(w)).toEqual({ booking: ['Quartet'], outlook: ['Quartet'] });
    expect(w.outlook.reads).toEqual([event.id]);
  });

  test('is read before it is deleted for an event on its former time', async () => {
    await using w = await open();
    const below = await w.desk.allocate(101, { from: w.day(3, '10:00'), to: w.day(3, '12:00'), of: 2 });
    await w.settle();
    const { id } = w.outlook.in(room)[0]!;
    await hinted(w, id);
    const moved = { startsAt: at(3, '20:00'), endsAt: at(3, '22:00') };
    w.outlook.edit(id, moved);
    await w.desk.book(101, { title: 'Concert', from: w.day(3, '10:00'), to: w.day(3, '12:00') });
    await w.settle();
    expect(w.outlook.in(room)).toHaveLength(2);
    expect((await w.reserved()).find((one) => one.type === below.type)!.item).toMatchObject(moved);
  });

  test('is read before it gives way to a reservation, as a person chose', async () => {
    await using w = await open();
    await shown(w);
    const item = dinner({ startsAt: at(3, '17:30'), endsAt: at(3, '18:30') });
    const event = w.outlook.put(room, item, null);
    await heard(w);
    expect(await conflicts(w)).toMatchObject([{ kind: 'overlap' }]);
    editAfterRead(w, event.id, { startsAt: at(3, '20:00'), endsAt: at(3, '22:00') });
    await resolve(w, 'booking');
    expect(w.outlook.in(room)).toHaveLength(2);
  });

  test('is deleted for the cancellation of its reservation, and the log names the edit', async () => {
    await using w = await open();
    const { reservation, event } = await shown(w);
    await w.desk.cancel(reservation);
    await w.settle();
    // a late create of the cancelled reservation
    const late = w.outlook.put(room, event.item!, event.properties);
    editAfterRead(w, late.id, { title: 'Quartet' });
    await hinted(w, late.id);
    expect(w.outlook.in(room)).toEqual([]);
    expect(await w.db.query('SELECT reason FROM bridge_log ORDER BY id DESC LIMIT 1')).toEqual([
      { reason: 'its event was edited in Outlook before: title' },
    ]);
  });
});

/** A person edits an event right after it was read, before anything is decided. */
const editAfterRead = (w: Rooms, id: string, change: Partial<Item>) =>
  w.outlook.meanwhileRead(async () => {
    // the read answers first, and the decision needs queries
    setImmediate(() => w.outlook.edit(id, change));
  });
