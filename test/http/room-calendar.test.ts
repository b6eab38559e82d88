import { expect, test } from 'vitest';
import type { Item } from '../../src/item.ts';
import { at, clockChange, date } from '../support/dates.ts';
import { openApi, type Answer, type Api } from './api.ts';

const room = 'formannskapssalen@bergen.example';
const itemsOf = (answer: Answer) => answer.body['items'] as Record<string, unknown>[];
const day = (api: Api, days: number, resource = 101) =>
  api.call('GET', `/rooms/${resource}/day?date=${date(days)}`);
const book = (api: Api, title: string, from: string, to: string, days = 2) =>
  api.desk.book(101, { title, from: api.day(days, from), to: api.day(days, to) });
const event = (title: string, from: string, to: string, days = 2): Item => ({
  startsAt: at(days, from),
  endsAt: at(days, to),
  allDay: false,
  title,
  description: '',
  isPrivate: false,
});

test('both sides of a day stand side by side, each item with how they stand to each other', async () => {
  await using api = await openApi({ importMode: 'manual' });
  await api.settle();
  const choir = await book(api, 'Korprøve', '18:00', '20:00');
  await book(api, 'Revy', '18:00', '20:00', 3);
  await api.settle();
  api.outlook.put(room, event('Utstilling', '10:00', '11:00'), null);
  await api.notify(101);
  await api.settle();
  const answer = await day(api, 2);
  expect(answer.body).toMatchObject({
    resource_id: 101,
    room,
    timezone: 'Europe/Oslo',
    from: date(2),
    to: date(2),
    outlook_as_of: expect.any(String),
    count: 2,
    total: 2,
  });
  expect(itemsOf(answer)).toMatchObject([
    { state: 'outlook_only', reservation_id: null, booking: null, outlook: { title: 'Utstilling' } },
    {
      state: 'equal',
      fields: [],
      reservation_type: 'event',
      reservation_id: choir.id,
      booking: { title: 'Korprøve', starts_at: at(2, '18:00') },
      outlook: { title: 'Korprøve', starts_at: at(2, '18:00') },
    },
  ]);
  expect((await api.call('GET', String(itemsOf(answer)[1]!['explain']))).status).toBe(200);
});

test('what waits, failed, is shadowed, disagrees or has no event says so', async () => {
  await using api = await openApi();
  await api.settle();
  const one = await book(api, 'Korprøve', '18:00', '20:00');
  await api.settle();
  const stateAfter = async (change: string) => {
    await api.db.query(`UPDATE bridge_mappings SET ${change} WHERE reservation_id = $1`, [one.id]);
    return itemsOf(await day(api, 2)).map(({ state, fields }) => [state, fields]);
  };
  expect(await stateAfter(`sync_status = 'synced', due_at = now()`)).toEqual([['waiting', []]]);
  expect(
    await stateAfter(
      `due_at = NULL, outlook_seen = coalesce(outlook_seen, outlook_base) || '{"title": "Choir", "isPrivate": true}'`,
    ),
  ).toEqual([['different', ['title', 'is_private']]]);
  expect(await stateAfter(`sync_status = 'error'`)).toEqual([['failed', ['title', 'is_private']]]);
  expect(await stateAfter(`sync_status = 'conflict', conflict = '{"kind": "fields"}'`)).toMatchObject([
    ['conflict', {}],
  ]);
  expect(await stateAfter(`sync_status = 'shadowed', outlook_event_id = NULL, conflict = NULL`)).toEqual([
    ['shadowed', []],
  ]);
  expect(await stateAfter(`sync_status = 'synced', outlook_event_id = NULL`)).toEqual([['booking_only', []]]);
});

test('a reservation without a mapping is shown as of the booking system only, and a cancelled one not at all', async () => {
  await using api = await openApi();
  await api.settle();
  const gone = await book(api, 'Avlyst', '08:00', '09:00');
  await api.settle();
  await api.desk.cancel(gone);
  await api.settle();
  await book(api, 'Ny', '18:00', '20:00');
  expect(itemsOf(await day(api, 2))).toMatchObject([
    { state: 'booking_only', mapping_id: null, explain: null, booking: { title: 'Ny' }, outlook: null },
  ]);
});

test('an item that Outlook shows on another day is on both days', async () => {
  await using api = await openApi();
  await api.settle();
  const one = await book(api, 'Korprøve', '18:00', '20:00');
  await api.settle();
  await api.db.query(
    `UPDATE bridge_mappings SET outlook_seen = coalesce(outlook_seen, outlook_base) || jsonb_build_object('startsAt', $2::text, 'endsAt', $3::text)
     WHERE reservation_id = $1`,
    [one.id, at(4, '18:00'), at(4, '20:00')],
  );
  for (const days of [2, 4])
    expect(itemsOf(await day(api, days))).toMatchObject([
      { state: 'different', fields: ['starts_at', 'ends_at'] },
    ]);
  expect(itemsOf(await day(api, 3))).toEqual([]);
});

test('a week goes from Monday to Sunday and holds what begins before it or ends after it', async () => {
  await using api = await openApi();
  await api.settle();
  const monday = (new Date(`${date(0)}T00:00:00Z`).getUTCDay() + 6) % 7;
  const first = 14 - monday;
  await book(api, 'Sunday night', '23:00', '23:59', first - 1);
  await api.desk.book(101, {
    title: 'Over midnight',
    from: api.day(first - 1, '23:00'),
    to: api.day(first, '01:00'),
  });
  await book(api, 'Sunday', '10:00', '11:00', first + 6);
  await book(api, 'Monday after', '00:00', '01:00', first + 7);
  await api.settle();
  const answer = await api.call('GET', `/rooms/101/week?date=${date(first + 3)}`);
  expect(answer.body).toMatchObject({
    from: date(first),
    to: date(first + 6),
    starts_at: expect.stringContaining(at(first, '00:00').slice(0, 16)),
  });
  expect(itemsOf(answer).map(({ booking }) => (booking as { title: string }).title)).toEqual([
    'Over midnight',
    'Sunday',
  ]);
});

test.each(['forward', 'back'] as const)(
  'the day on which the clock is put %s is a whole day',
  async (way) => {
    await using api = await openApi();
    const days = clockChange(way);
    const { body } = await day(api, days);
    const hours = (Date.parse(String(body['ends_at'])) - Date.parse(String(body['starts_at']))) / 3_600_000;
    expect(hours).toBe(way === 'forward' ? 23 : 25);
  },
);

test('without a date it is today, and a room that is not mapped or a date that does not exist is refused', async () => {
  await using api = await openApi();
  const { from } = (await api.call('GET', '/rooms/101/day')).body;
  expect(Math.abs(Date.parse(String(from)) - Date.parse(date(0)))).toBeLessThanOrEqual(86_400_000);
  expect((await api.call('GET', '/rooms/999/day')).status).toBe(404);
  for (const wrong of ['2026-02-31', 'tomorrow', '', '0001-01-01', '9999-12-31', '2026-1-1'])
    expect(await api.call('GET', `/rooms/101/week?date=${wrong}`), wrong).toMatchObject({
      status: 400,
      body: { field: 'date' },
    });
  expect(await api.call('GET', '/rooms/101/day?day=2026-05-17')).toMatchObject({
    status: 400,
    body: { field: 'day' },
  });
});
