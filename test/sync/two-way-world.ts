/** What the tests of both directions share: a room in step with Outlook, what people put into it, and hearing of it. */
import type { Item } from '../../src/item.ts';
import { openRooms } from './bench-of-rooms.ts';
import { at } from '../support/dates.ts';

export { at, wholeDays } from '../support/dates.ts';

export const room = 'room101@example.org';
export const other = 'room102@example.org';
/** Two rooms to open, by their resources. */
export const both = { 101: room, 102: other };
export type Rooms = Awaited<ReturnType<typeof openRooms>>;

export const dinner = (change: Partial<Item> = {}): Item => ({
  startsAt: at(3, '15:00'),
  endsAt: at(3, '17:00'),
  allDay: false,
  title: 'Dinner',
  description: 'For twenty',
  isPrivate: false,
  ...change,
});

/** Rooms in step with Outlook; resource 101 alone unless others are named. */
export async function open(
  change: Parameters<typeof openRooms>[1] = {},
  rooms: Readonly<Record<number, string>> = { 101: room },
): Promise<Rooms> {
  const w = await openRooms(rooms, change);
  await w.settle();
  return w;
}

/** The rooms hear that something changed in Outlook, and work until nothing is due; 101 unless others are named. */
export async function heard(w: Rooms, ...resources: readonly number[]): Promise<void> {
  for (const resource of resources.length === 0 ? [101] : resources) await w.notify(resource);
  await w.settle();
}

/** A reservation of an event that a person made in Outlook. */
export async function imported(w: Rooms, item = dinner()) {
  const event = w.outlook.put(room, item, null);
  await heard(w);
  const [reservation] = await w.reserved();
  w.outlook.writes.length = 0;
  return { event, reservation: reservation! };
}

/** An event of a reservation that a person made in the booking system. */
export async function shown(w: Rooms) {
  const reservation = await w.desk.book(101, {
    title: 'Choir',
    from: w.day(3, '18:00'),
    to: w.day(3, '20:00'),
  });
  await w.settle();
  w.outlook.writes.length = 0;
  return { reservation, event: w.outlook.in(room)[0]! };
}

/** A meeting that a person invited the room to, and its reservation. */
export async function invited(w: Rooms) {
  const event = w.outlook.invite(room, dinner());
  await heard(w);
  const [reservation] = await w.reserved();
  return { event, reservation: reservation! };
}

/** As the endpoint does it: which side a person keeps. */
export async function resolve(w: Rooms, keep: 'booking' | 'outlook'): Promise<void> {
  await w.db.query(
    `UPDATE bridge_mappings SET resolution = $1, due_at = now(), revision = revision + 1 WHERE sync_status = 'conflict'`,
    [keep],
  );
  await w.db.query('UPDATE bridge_room_state SET push_due_at = now(), push_lane = 0');
  await w.settle();
}

export const conflicts = (w: Rooms) =>
  w.db.query<{ kind: string; fields: string[] | null }>(
    `SELECT conflict ->> 'kind' AS kind, conflict -> 'fields' AS fields FROM bridge_mappings
     WHERE sync_status = 'conflict' ORDER BY id`,
  );

/** What each side shows, by title. */
export const titles = async (w: Rooms) => ({
  booking: (await w.reserved()).map(({ item }) => item.title),
  outlook: w.outlook.titles(room),
});

/** The active reservations of a room: id, title and start. */
export const active = async (w: Rooms, resource = 101) =>
  (await w.reserved(resource))
    .filter((one) => one.active)
    .map(({ id, item }) => [id, item.title, item.startsAt]);

export const isActive = async (w: Rooms) => (await w.reserved()).map(({ active }) => active);
