import { expect, test } from 'vitest';
import { event, hours, MARCH, openTenant, ROOM, type TenantWorld } from './tenant-client.ts';

const series = (pattern: object, range: object, day = '2026-03-02') => ({
  ...hours(day, 9, 10, 'W. Europe Standard Time'),
  recurrence: { pattern: { interval: 1, ...pattern }, range: { startDate: day, ...range } },
});
const daily = series({ type: 'daily' }, { type: 'numbered', numberOfOccurrences: 3 });

const view = async (world: TenantWorld, window = MARCH) =>
  (await world.ask('GET', `/users/${world.room}/calendarView?${window}&$top=1000`)).body.value as {
    id: string;
    type: string;
    subject: string;
    seriesMasterId: string;
    originalStart: string;
    start: { dateTime: string };
  }[];
const daysOf = (events: readonly { start: { dateTime: string } }[]) =>
  events.map((one) => one.start.dateTime.slice(8, 10));

test.for([
  [
    'every second day, four times',
    series({ type: 'daily', interval: 2 }, { type: 'numbered', numberOfOccurrences: 4 }),
    '02 04 06 08',
  ],
  [
    'daily until the fifth',
    series({ type: 'daily' }, { type: 'endDate', endDate: '2026-03-05' }),
    '02 03 04 05',
  ],
  [
    'on Mondays and Thursdays',
    series(
      { type: 'weekly', daysOfWeek: ['monday', 'thursday'] },
      { type: 'endDate', endDate: '2026-03-12' },
    ),
    '02 05 09 12',
  ],
  [
    'every second week',
    series(
      { type: 'weekly', interval: 2, daysOfWeek: ['monday'], firstDayOfWeek: 'monday' },
      { type: 'noEnd' },
    ),
    '02 16 30',
  ],
  [
    'on the last of each month',
    series({ type: 'absoluteMonthly', dayOfMonth: 31 }, { type: 'noEnd' }, '2026-01-31'),
    '31',
  ],
] as const)('a series recurs %s', async ([, fields, days]) => {
  await using world = await openTenant();
  await world.create(fields);
  expect(daysOf(await view(world)).join(' ')).toBe(days);
});

test('a list of events has the master and no occurrences', async () => {
  await using world = await openTenant();
  await world.create(daily);
  const { body } = await world.ask('GET', `/users/${world.room}/events`);
  expect(body.value.map((one: { type: string }) => one.type)).toEqual(['seriesMaster']);
});

test('occurrences keep their local time across the change to summer time', async () => {
  await using world = await openTenant();
  await world.create(series({ type: 'daily' }, { type: 'numbered', numberOfOccurrences: 2 }, '2026-03-28'));
  expect((await view(world)).map((one) => one.start.dateTime.slice(11, 16))).toEqual(['08:00', '07:00']);
});

test('instances of a master are listed in a window', async () => {
  await using world = await openTenant();
  const { id } = await world.create(daily);
  const { body } = await world.ask('GET', `/users/${world.room}/events/${id}/instances?${MARCH}`);
  expect(daysOf(body.value)).toEqual(['02', '03', '04']);
});

test('an occurrence can be read by its id and names its master', async () => {
  await using world = await openTenant();
  const { id } = await world.create(daily);
  const [first] = await view(world);
  const { body } = await world.ask('GET', `/users/${world.room}/events/${first?.id}`);
  expect([body.type, body.seriesMasterId]).toEqual(['occurrence', id]);
});

test('a patched occurrence becomes an exception that knows its slot', async () => {
  await using world = await openTenant();
  await world.create(daily);
  const [, second] = await view(world);
  await world.ask('PATCH', `/users/${world.room}/events/${second?.id}`, hours('2026-03-03', 15, 16));
  const [, moved] = await view(world);
  expect([moved?.type, moved?.originalStart, moved?.start.dateTime]).toEqual([
    'exception',
    '2026-03-03T08:00:00.0000000Z',
    '2026-03-03T15:00:00.0000000',
  ]);
});

test('a deleted occurrence is gone from the view and named by the master', async () => {
  await using world = await openTenant();
  const { id } = await world.create(daily);
  const [, second] = await view(world);
  await world.ask('DELETE', `/users/${world.room}/events/${second?.id}`);
  const { body } = await world.ask(
    'GET',
    `/users/${world.room}/events/${id}?$select=subject,cancelledOccurrences`,
  );
  expect([daysOf(await view(world)), body.cancelledOccurrences.length]).toEqual([['02', '04'], 1]);
});

test('an occurrence may not move over its neighbour', async () => {
  await using world = await openTenant();
  await world.create(daily);
  const [first] = await view(world);
  const { body } = await world.ask(
    'PATCH',
    `/users/${world.room}/events/${first?.id}`,
    hours('2026-03-03', 15, 16),
  );
  expect(body.error.code).toBe('ErrorOccurrenceCrossingBoundary');
});

test('a retitled master retitles its occurrences', async () => {
  await using world = await openTenant();
  const { id } = await world.create(daily);
  await world.ask('PATCH', `/users/${world.room}/events/${id}`, { subject: 'Yoga' });
  expect(new Set((await view(world)).map((one) => one.subject))).toEqual(new Set(['Yoga']));
});

test('a moved master moves its occurrences', async () => {
  await using world = await openTenant();
  const { id } = await world.create(daily);
  await world.ask(
    'PATCH',
    `/users/${world.room}/events/${id}`,
    hours('2026-03-12', 9, 10, 'W. Europe Standard Time'),
  );
  expect(daysOf(await view(world))).toEqual(['12', '13', '14']);
});

test('a deleted master takes its occurrences along', async () => {
  await using world = await openTenant();
  const { id } = await world.create(daily);
  await world.ask('DELETE', `/users/${world.room}/events/${id}`);
  expect(await view(world)).toEqual([]);
});

test('an endless series costs no more than its window', async () => {
  await using world = await openTenant();
  await world.create(series({ type: 'daily' }, { type: 'noEnd' }, '2020-01-06'));
  expect(await view(world)).toHaveLength(31);
});

test('a master cannot change zone without its recurrence', async () => {
  await using world = await openTenant();
  const { id } = await world.create(daily);
  const { body } = await world.ask(
    'PATCH',
    `/users/${world.room}/events/${id}`,
    hours('2026-03-02', 9, 10, 'Tokyo Standard Time'),
  );
  expect(body.error.code).toBe('ErrorPropertyValidationFailure');
});

test.for([
  [
    'a recurrence zone unlike the event',
    { type: 'daily' },
    { type: 'noEnd', recurrenceTimeZone: 'Tokyo Standard Time' },
  ],
  ['a range that begins on another day', { type: 'daily' }, { type: 'noEnd', startDate: '2026-03-03' }],
  ['no interval', { type: 'daily', interval: 0 }, { type: 'noEnd' }],
  ['weeks without days', { type: 'weekly' }, { type: 'noEnd' }],
  ['an end before the start', { type: 'daily' }, { type: 'endDate', endDate: '2026-03-01' }],
] as const)('%s is refused', async ([, pattern, range]) => {
  await using world = await openTenant();
  const { body } = await world.ask('POST', `/users/${world.room}/events`, event(series(pattern, range)));
  expect(body.error.code).toBe('ErrorPropertyValidationFailure');
});

test('what people did to a series shows in the calendar', async () => {
  await using world = await openTenant();
  const { people } = world.tenant;
  const { id } = people.bookSeries(ROOM, {
    subject: 'Yoga',
    start: '2026-03-02T09:00',
    end: '2026-03-02T10:00',
    timeZone: 'W. Europe Standard Time',
    pattern: { type: 'daily', interval: 1 },
    range: { type: 'numbered', numberOfOccurrences: 3 },
  });
  people.deleteOccurrence(ROOM, id, '2026-03-02');
  people.editOccurrence(ROOM, id, '2026-03-04', { subject: 'Pilates' });
  const shown = world.tenant.calendarOf(ROOM, '2026-03-01T00:00:00Z', '2026-04-01T00:00:00Z');
  expect(shown.map((one) => [one.start.slice(8, 10), one.subject])).toEqual([
    ['03', 'Yoga'],
    ['04', 'Pilates'],
  ]);
});
