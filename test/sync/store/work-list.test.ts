/** The work list as a person may leave it behind. */
import { expect, test } from 'vitest';
import { openRooms } from '../bench-of-rooms.ts';
import { at, day } from '../../support/dates.ts';

const room = 'room101@example.org';

test('a due row that names neither side is dropped, its room is compared, and the others are worked on', async () => {
  await using w = await openRooms({ 101: room }, { importMode: 'manual' });
  await w.settle();
  const dinner = {
    title: 'Dinner',
    startsAt: at(3, '18:00'),
    endsAt: at(3, '20:00'),
    allDay: false,
    description: '',
    isPrivate: false,
  };
  w.outlook.put(room, dinner, null);
  await w.notify();
  await w.settle();
  const waiting = `SELECT outlook_event_id AS event FROM bridge_mappings WHERE sync_status = 'imported'`;
  const [before] = await w.db.query<{ event: string }>(waiting);
  await w.db.query(
    `UPDATE bridge_mappings SET outlook_event_id = NULL, due_at = now(), revision = revision + 1 WHERE outlook_event_id = $1`,
    [before!.event],
  );
  await w.db.query('UPDATE bridge_room_state SET push_due_at = now(), push_lane = 0');
  const choir = await w.desk.book(101, { title: 'Choir', from: day(2, '18:00'), to: day(2, '20:00') });
  await w.settle();
  expect(await w.mapping(choir)).toMatchObject({ sync_status: 'synced' });
  expect(await w.db.query(waiting)).toEqual([before]);
});
