/** A mailbox that is another one than before: what was in the old one was not deleted by a person. */
import { expect, test } from 'vitest';
import { openRooms } from '../bench-of-rooms.ts';
import { at, dinner, heard, room, type Rooms } from '../two-way-world.ts';

/** One reservation of each side, in a room whose mailbox is called by an id. */
async function openTwo(change: (w: Rooms) => void = () => undefined) {
  const w = await openRooms();
  change(w);
  await w.settle();
  w.outlook.put(room, dinner(), null);
  await w.desk.book(101, { title: 'Choir', from: w.day(3, '18:00'), to: w.day(3, '20:00') });
  await w.settle();
  await heard(w);
  expect(await reservations(w)).toEqual(['Choir', 'Dinner']);
  return w;
}
const reservations = async (w: Rooms) =>
  (await w.db.query<{ name: string }>('SELECT name FROM bb_event WHERE active = 1 ORDER BY name')).map(
    ({ name }) => name,
  );
/** Both sides show both, and the mailbox is called by this id. */
async function expectBoth(w: Rooms, id: string | null) {
  expect(w.outlook.titles(room).toSorted()).toEqual(['Choir', 'Dinner']);
  expect(await reservations(w)).toEqual(['Choir', 'Dinner']);
  expect(await w.db.query('SELECT outlook_object_id AS id FROM bridge_resource_mappings')).toEqual([{ id }]);
  expect(await w.db.query('SELECT DISTINCT sync_status FROM bridge_mappings')).toEqual([
    { sync_status: 'synced' },
  ]);
}

test('an id that is refused is dropped, and all is shown in the mailbox that the address names now', async () => {
  await using w = await openTwo((one) => one.outlook.identify(room, 'object-1'));
  w.outlook.makeAnew(room);
  w.outlook.identify(room, 'object-2');
  await heard(w);
  await heard(w);
  await expectBoth(w, 'object-2');
});

test('so it is when the booking system is heard of it first', async () => {
  await using w = await openTwo((one) => one.outlook.identify(room, 'object-1'));
  w.outlook.makeAnew(room);
  w.outlook.identify(room, 'object-2');
  await w.db.query("UPDATE bb_event SET description = 'Bring notes' WHERE name = 'Choir'");
  await w.settle();
  await heard(w);
  await expectBoth(w, 'object-2');
});

test('what a new mailbox has of the old one already is recognised', async () => {
  await using w = await openTwo((one) => one.outlook.identify(room, 'object-1'));
  const before = w.outlook.in(room);
  w.outlook.makeAnew(room);
  for (const { item, properties, iCalUId } of before) {
    const copy = w.outlook.put(
      room,
      { ...item!, startsAt: at(4, '08:00'), endsAt: at(4, '09:00') },
      properties,
    );
    w.outlook.alter(copy.id, { iCalUId });
  }
  w.outlook.identify(room, 'object-2');
  await heard(w);
  await heard(w);
  await expectBoth(w, 'object-2');
});

test('a mailbox that was made anew under the same name is no deletion, however small the room', async () => {
  await using w = await openTwo();
  w.outlook.makeAnew(room);
  await heard(w);
  await heard(w);
  await expectBoth(w, null);
});

test('a mailbox that lost its place in the changes and one of its events lost that one', async () => {
  await using w = await openTwo();
  const [kept] = w.outlook.in(room);
  const { item, ...rest } = kept!;
  w.outlook.makeAnew(room);
  w.outlook.restore({ ...rest, shows: { is: 'occupied', item: item! }, ...{ item } });
  await heard(w);
  await heard(w);
  expect(await reservations(w)).toEqual([item!.title]);
});
