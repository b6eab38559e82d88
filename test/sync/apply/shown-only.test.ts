/** Rooms that Outlook is only shown (`booking_to_outlook`): the booking system alone speaks there. */
import { expect, test } from 'vitest';
import { requestFullScans } from '../../../src/sync/worker/sweep.ts';
import { openRooms } from '../bench-of-rooms.ts';

const room = 'room101@example.org';

/** A room with two reservations that are shown, after which the room does not follow Outlook. */
async function openShown() {
  const w = await openRooms();
  await w.db.query(`UPDATE bridge_resource_mappings SET sync_direction = 'booking_to_outlook'`);
  await w.desk.book(101, { title: 'Bunad', from: w.day(3, '10:00'), to: w.day(3, '11:00') });
  await w.desk.book(101, { title: 'Kor', from: w.day(4, '10:00'), to: w.day(4, '11:00') });
  await w.settle();
  return { ...w, [Symbol.asyncDispose]: () => w[Symbol.asyncDispose]() };
}
type Shown = Awaited<ReturnType<typeof openShown>>;

/** The missing-event check, by the clock or by hand. */
async function check(w: Shown) {
  await requestFullScans(w.db.pool, 0);
  await w.settle();
}
const idOf = (w: Shown, title: string) => w.outlook.in(room).find(({ item }) => item?.title === title)!.id;
const active = async (w: Shown) => (await w.reserved()).filter((one) => one.active).length;

test('an event that a person deletes in Outlook comes back, and its reservation stays', async () => {
  await using w = await openShown();
  w.outlook.remove(idOf(w, 'Bunad'));
  await check(w);
  expect(w.outlook.titles(room).sort()).toEqual(['Bunad', 'Kor']);
  expect(await active(w)).toBe(2);
});

test('an event that was called off in Outlook is made anew, once', async () => {
  await using w = await openShown();
  const id = idOf(w, 'Bunad');
  w.outlook.alter(id, { shows: { is: 'released' } });
  await check(w);
  await check(w);
  const standing = w.outlook.in(room).filter(({ shows }) => shows.is === 'occupied');
  expect(standing.map(({ item }) => item!.title)).toEqual(['Bunad', 'Kor']);
  expect(w.outlook.in(room)).toHaveLength(3);
  expect(await active(w)).toBe(2);
});

test('so do all of them at once, without the brake', async () => {
  await using w = await openShown();
  for (const title of ['Bunad', 'Kor']) w.outlook.remove(idOf(w, title));
  await check(w);
  expect(w.outlook.titles(room).sort()).toEqual(['Bunad', 'Kor']);
  expect(w.facts.filter(({ fact }) => fact === 'brake-held')).toEqual([]);
});

test('one that is only missing in the list is read by its id, and not made twice', async () => {
  await using w = await openShown();
  w.outlook.reportRemoved(idOf(w, 'Bunad'));
  await check(w);
  expect(w.outlook.in(room)).toHaveLength(2);
});

test('an event of another program there is not imported, and what is well is not written again', async () => {
  await using w = await openShown();
  const writes = w.outlook.writes.length;
  w.outlook.put(room, { ...w.outlook.in(room)[0]!.item!, title: 'Somebody else' }, null);
  await check(w);
  expect(await active(w)).toBe(2);
  expect(w.outlook.writes.length).toBe(writes);
});

test('a check that found nothing is over: the room is not asked again before the next one', async () => {
  await using w = await openShown();
  await check(w);
  expect(await w.db.query('SELECT compare_at, pull_due_at, next_poll_at FROM bridge_room_state')).toEqual([
    { compare_at: null, pull_due_at: null, next_poll_at: null },
  ]);
});

test('events that are there again under other ids are known by their extended properties, and not made twice', async () => {
  await using w = await openShown();
  const before = w.outlook.in(room);
  for (const { id } of before) w.outlook.remove(id);
  for (const { item, properties } of before) w.outlook.put(room, item!, properties);
  const writes = w.outlook.writes.length;
  await check(w);
  await check(w);
  expect(w.outlook.in(room)).toHaveLength(2);
  expect(w.outlook.writes.length).toBe(writes);
});

test('an event that carries the properties of a cancelled reservation and shows it goes', async () => {
  await using w = await openShown();
  const id = await w.desk.book(101, { title: 'Revy', from: w.day(5, '10:00'), to: w.day(5, '11:00') });
  await w.settle();
  const { item, properties } = w.outlook.in(room).find((event) => event.item?.title === 'Revy')!;
  await w.desk.cancel(id);
  await w.settle();
  w.outlook.put(room, item!, properties); // a create whose answer was lost, and that no search has found since
  await check(w);
  expect(w.outlook.titles(room).sort()).toEqual(['Bunad', 'Kor']);
  expect(await active(w)).toBe(2);
});

test('a copy that a person made of one of our events stays, and is neither imported nor listed', async () => {
  await using w = await openShown();
  const { item, properties } = w.outlook.in(room)[0]!;
  w.outlook.put(room, { ...item!, title: 'Copy' }, properties);
  const writes = w.outlook.writes.length;
  await check(w);
  expect(w.outlook.in(room)).toHaveLength(3);
  expect(w.outlook.writes.length).toBe(writes);
  expect(await w.db.query('SELECT id FROM bridge_mappings WHERE reservation_id IS NULL')).toEqual([]);
});
