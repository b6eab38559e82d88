/** What a person does to a series by one deed is one removal for the brake, however many dates it takes away. */
import { describe, expect, test } from 'vitest';
import { at, date } from '../support/dates.ts';
import { openWorld, rooms } from './world.ts';

const upn = rooms[101]!.upn;
const kari = 'kari@bergen.example';

interface Asked {
  readonly pattern: Readonly<Record<string, unknown>>;
  readonly range: Readonly<Record<string, unknown>>;
}
const daily = (interval = 1) => ({ type: 'daily', interval });
const times = (count: number) => ({ type: 'numbered', numberOfOccurrences: count });

/** A room with a series of 30 days, and five other bookings. */
async function openSeries(asked: Asked = { pattern: daily(), range: times(30) }, invited = false) {
  const world = await openWorld({ mapped: [101] });
  world.tenant.addPerson({ upn: kari, name: 'Kari Nordmann' });
  const daemon = await world.start();
  await world.settled();
  for (const day of [40, 41, 42, 43, 44])
    await world.desk.book(101, {
      title: `Choir ${day}`,
      from: world.day(day, '10:00'),
      to: world.day(day, '11:00'),
    });
  const { people } = world.tenant;
  const what = { subject: 'Rehearsal', start: at(2, '17:00'), end: at(2, '19:00'), ...asked };
  const series = invited ? people.invite(kari, [upn], what) : people.bookSeries(upn, what);
  world.tenant.advance(10_000);
  const pullAll = (running = daemon) => world.pullAll(running);
  await pullAll();
  const active = async () =>
    (
      await world.db.query<{ on: string }>(
        `SELECT to_char(from_, 'YYYY-MM-DD') AS "on" FROM bb_event
         WHERE active = 1 AND name NOT LIKE 'Choir%' AND from_ > now() ORDER BY from_`,
      )
    ).map(({ on }) => on);
  const held = async () =>
    (await world.db.query(`SELECT 1 FROM bridge_mappings WHERE conflict ->> 'kind' = 'gone'`)).length;
  /** Who organises it changes when it is. */
  const repattern = ({ pattern, range }: Asked, from = 2) =>
    people.edit(invited ? kari : upn, series.id, {
      start: { dateTime: at(from, '17:00').slice(0, 19), timeZone: 'UTC' },
      end: { dateTime: at(from, '19:00').slice(0, 19), timeZone: 'UTC' },
      recurrence: { pattern, range: { startDate: at(from, '17:00').slice(0, 10), ...range } },
    });
  return { ...world, daemon, series, pullAll, active, held, repattern };
}

const days = (from: number, count: number, step = 1) =>
  Array.from({ length: count }, (_, n) => date(from + n * step));

const shapes: readonly (readonly [
  string,
  { readonly was: Asked; readonly is: Asked; readonly from?: number; readonly left: readonly string[] },
])[] = [
  [
    'is made shorter',
    {
      was: { pattern: daily(), range: times(30) },
      is: { pattern: daily(), range: times(10) },
      left: days(2, 10),
    },
  ],
  [
    'ends on an earlier day',
    {
      was: { pattern: daily(), range: { type: 'endDate', endDate: date(31) } },
      is: { pattern: daily(), range: { type: 'endDate', endDate: date(11) } },
      left: days(2, 10),
    },
  ],
  [
    'had no end and gets one',
    {
      was: { pattern: daily(15), range: { type: 'noEnd' } },
      is: { pattern: daily(15), range: times(3) },
      left: days(2, 3, 15),
    },
  ],
  [
    'begins later',
    {
      was: { pattern: daily(), range: { type: 'endDate', endDate: date(31) } },
      is: { pattern: daily(), range: { type: 'endDate', endDate: date(31) } },
      from: 20,
      left: days(20, 12),
    },
  ],
  [
    'comes every second day only',
    {
      was: { pattern: daily(), range: { type: 'endDate', endDate: date(31) } },
      is: { pattern: daily(2), range: { type: 'endDate', endDate: date(31) } },
      left: days(2, 15, 2),
    },
  ],
];

describe('a series that', () => {
  test.each(shapes)('%s loses its dates by one deed', async (_, { was, is, from, left }) => {
    await using w = await openSeries(was);
    w.repattern(is, from);
    await w.pullAll();
    expect(await w.held()).toBe(0);
    expect(await w.active()).toEqual(left);
  });

  test.each(shapes)('%s, with new ids for all its dates, keeps those that are left', async (_, shape) => {
    await using w = await openSeries(shape.was);
    w.tenant.faults.set({ renameInstances: true });
    w.repattern(shape.is, shape.from);
    await w.pullAll();
    expect(await w.held()).toBe(0);
    expect(await w.active()).toEqual(shape.left);
  });

  test('its organiser makes shorter loses its dates by one deed', async () => {
    await using w = await openSeries(undefined, true);
    expect(await w.active()).toHaveLength(30);
    w.repattern({ pattern: daily(), range: times(10) });
    w.tenant.advance(10_000);
    await w.pullAll();
    expect(await w.held()).toBe(0);
    expect(await w.active()).toEqual(days(2, 10));
  });

  test('is made shorter while the daemon is down loses its dates by one deed', async () => {
    await using w = await openSeries();
    await w.daemon.stop();
    w.repattern({ pattern: daily(), range: times(10) });
    w.tenant.forgetDeltaTokens(upn);
    const again = await w.start();
    await w.settled();
    await w.pullAll(again);
    expect(await w.held()).toBe(0);
    expect(await w.active()).toEqual(days(2, 10));
  });

  test('loses its dates one by one is held', async () => {
    await using w = await openSeries();
    for (const day of days(4, 20)) w.tenant.people.deleteOccurrence(upn, w.series.id, day);
    await w.pullAll();
    expect(await w.held()).toBe(20);
    expect(await w.active()).toHaveLength(30);
  });
});

test('dates that were deleted one by one stay deeds of their own when their series goes after them', async () => {
  await using w = await openSeries();
  for (const day of days(4, 9)) w.tenant.people.deleteOccurrence(upn, w.series.id, day);
  await w.pullAll();
  w.tenant.people.remove(upn, w.series.id);
  await w.pullAll();
  expect(await w.held()).toBe(0);
  const [choir] = w.events(101);
  w.tenant.people.remove(upn, choir!.id);
  await w.pullAll();
  expect(await w.held()).toBe(1);
});

test('dates that a clerk took up again are no part of their series any more: many that disappear are held', async () => {
  await using w = await openSeries();
  w.repattern({ pattern: daily(), range: times(10) });
  await w.pullAll();
  await w.db.query(`UPDATE bb_event SET active = 1 WHERE name = 'Rehearsal' AND active = 0`);
  await w.settled();
  const singles = w
    .events(101)
    .filter(({ subject, type }) => subject === 'Rehearsal' && type === 'singleInstance');
  expect(singles).toHaveLength(20);
  for (const { id } of singles) w.tenant.people.remove(upn, id);
  await w.pullAll();
  expect(await w.held()).toBe(20);
});
