/** A series whose change was not read, or not reported yet. */
import { expect, test } from 'vitest';
import { Permanent, Retryable } from '../../../src/errors.ts';
import { at, dinner, heard, open, room, type Rooms } from '../two-way-world.ts';

/** The dates of a series at this hour. */
const dates = (w: Rooms, hour: number) =>
  [3, 4, 5].map((day) => {
    const times = { startsAt: at(day, `${hour}:00`), endsAt: at(day, `${hour + 1}:00`) };
    const event = w.outlook.put(room, dinner(times), null);
    w.outlook.alter(event.id, {
      seriesMasterId: 'series',
      type: 'occurrence',
      originalStart: times.startsAt,
    });
    return event;
  });

/** The dates of a series with reservations. */
async function series(w: Rooms) {
  const events = dates(w, 10);
  await heard(w);
  expect(await w.reserved()).toHaveLength(3);
  return events;
}

/** The next round of changes reports the removal of the series by its master alone. */
const reportMaster = (w: Rooms) =>
  w.outlook.trouble((start) => {
    if (!('link' in start)) return null;
    w.outlook.trouble(null);
    return { answer: 'page', rows: [], removed: ['series'], nextLink: null, deltaLink: start.link };
  });

const errors = [
  new Retryable('Graph says 503', { reach: 'item' }),
  new Permanent('Graph says 400', { reach: 'item' }),
];

test.each(errors)('all of its dates are followed after $message', async (error) => {
  await using w = await open();
  const events = await series(w);
  for (const { id } of events) w.outlook.remove(id);
  reportMaster(w);
  w.outlook.failSeries(error);
  await heard(w);
  w.outlook.failSeries(null);
  const [room_] = await w.db.query('SELECT compare_at > now() AS scans FROM bridge_room_state');
  expect(room_).toEqual({ scans: true });
  await w.db.query('UPDATE bridge_room_state SET compare_at = now(), pull_due_at = now()');
  await w.settle();
  expect((await w.reserved()).map(({ active }) => active)).toEqual([false, false, false]);
});

test('a series that is read needs no full scan', async () => {
  await using w = await open();
  const events = await series(w);
  for (const { id } of events) w.outlook.remove(id);
  reportMaster(w);
  await heard(w);
  expect((await w.reserved()).map(({ active }) => active)).toEqual([false, false, false]);
  expect(await w.db.query('SELECT compare_at FROM bridge_room_state')).toEqual([{ compare_at: null }]);
});

test.each(['booking', 'newest', 'outlook', 'ask'] as const)(
  'with CONFLICT_POLICY %s, the clerk renames a date whose series was moved a moment ago: it is the same reservation',
  async (conflict) => {
    await using w = await open({ conflict });
    for (const { id } of await series(w)) w.outlook.remove(id);
    dates(w, 14);
    await w.db.query(`UPDATE bb_event SET name = 'Quartet' WHERE from_::date = $1::date`, [
      w.day(4, '10:00'),
    ]);
    await w.settle();
    expect((await w.reserved()).map(({ active, item }) => [active, item.title, item.startsAt])).toEqual([
      [true, 'Dinner', at(3, '14:00')],
      [true, 'Quartet', at(4, '14:00')],
      [true, 'Dinner', at(5, '14:00')],
    ]);
    expect(w.outlook.in(room)).toHaveLength(3);
  },
);
