import { expect, test } from 'vitest';
import type { Item } from '../../src/item.ts';
import { at } from '../support/dates.ts';
import { openApi } from './api.ts';

const mailbox = 'formannskapssalen@bergen.example';
const onTheHour = (hour: number) => `${String(hour).padStart(2, '0')}:00`;
const item = (title: string, hour = 10): Item => ({
  startsAt: at(3, onTheHour(hour)),
  endsAt: at(3, onTheHour(hour + 1)),
  allDay: false,
  title,
  description: '',
  isPrivate: false,
});

test('a poll brings a new event into the booking system, and says so as the guide prints it', async () => {
  await using api = await openApi();
  await api.settle();
  api.outlook.put(mailbox, item('Kor'), null);
  const polled = await api.call('POST', '/polling/poll-changes');
  expect(polled.body).toMatchObject({
    success: true,
    message: 'Outlook polling completed successfully',
    calendars_checked: 2,
    changes_detected: 1,
    deletions_processed: 0,
    errors: [],
  });
  const imports = await api.call('GET', '/booking/processed-imports');
  expect(imports.body).toMatchObject({
    count: 1,
    imports: [{ title: 'Kor', reservation_type: 'event', reservation_id: expect.any(Number) }],
  });
  expect(await api.db.query("SELECT count(*) AS n FROM bb_event WHERE name = 'Kor' AND active = 1")).toEqual([
    { n: 1 },
  ]);
});

test('a poll does not wait for a full scan that is requested for later', async () => {
  await using api = await openApi();
  await api.settle();
  await api.db.query(`UPDATE bridge_room_state SET compare_at = now() + interval '1 hour'`);
  const { body } = await api.call('POST', '/polling/poll-changes');
  expect(body).toMatchObject({ success: true, calendars_checked: 2, errors: [] });
});

test('an event that vanished without a word is found by the missing-event check, and its reservation cancelled', async () => {
  await using api = await openApi();
  await api.settle();
  const event = api.outlook.put(mailbox, item('Kor'), null);
  await api.call('POST', '/polling/poll-changes');
  api.outlook.vanish(event.id);
  expect((await api.call('POST', '/polling/poll-changes')).body).toMatchObject({ deletions_processed: 0 });
  expect((await api.call('POST', '/polling/detect-missing-events')).body).toMatchObject({
    deletions_processed: 1,
    missing_events: 1,
  });
  const [row] = await api.db.query("SELECT active, description FROM bb_event WHERE name = 'Kor'");
  expect(row).toMatchObject({ active: 0, description: expect.stringContaining('Cancelled from Outlook') });
});

test('every calendar has a token after polling is initialized', async () => {
  await using api = await openApi();
  const { body } = await api.call('POST', '/polling/initialize');
  expect(body).toMatchObject({
    success: true,
    details: [{ delta_token: 'present' }, { delta_token: 'present' }],
  });
  expect((await api.call('GET', '/polling/stats')).body).toMatchObject({
    statistics: { total_calendars: 2, polled_calendars: 2, calendars_with_token: 2, health: 'healthy' },
  });
});

test('with IMPORT_MODE=manual an event waits until it is asked for', async () => {
  await using api = await openApi({ importMode: 'manual' });
  await api.settle();
  const event = api.outlook.put(mailbox, item('Kor'), null);
  const from = await api.call('POST', '/sync/from-outlook');
  expect(from.body).toMatchObject({ results: { imported: 0, pending: 1 } });
  expect((await api.call('GET', '/booking/pending-imports')).body).toMatchObject({
    count: 1,
    imports: [{ title: 'Kor', sync_status: 'imported', reservation_id: null }],
  });
  expect((await api.call('GET', '/sync/outlook-events')).body).toMatchObject({ count: 1 });
  const done = await api.call('POST', '/booking/process-imports');
  expect(done.body).toMatchObject({
    message: 'Import processing completed',
    results: {
      processed: 1,
      successful: 1,
      errors: 0,
      success_rate: '100%',
      details: [{ outlook_item_id: event.id, title: 'Kor', resource_id: 101, status: 'created' }],
    },
  });
  expect((await api.call('GET', '/booking/pending-imports')).body).toMatchObject({ count: 0 });
  expect((await api.call('GET', '/booking/processing-stats')).body).toMatchObject({
    statistics: { successful_imports: 1, success_rate: '100%' },
  });
});

test('a poll names new events that are not imported: one waits for a request, one is a conflict', async () => {
  await using api = await openApi({ importMode: 'manual' });
  await api.desk.book(101, { title: 'Bunad', from: api.day(3, '11:00'), to: api.day(3, '14:00') });
  await api.settle();
  api.outlook.put(mailbox, item('Kor', 17), null);
  const free = api.outlook.put(mailbox, item('Ledig', 19), null);
  api.outlook.alter(free.id, { shows: { is: 'free', item: free.item! } });
  const polled = (await api.call('POST', '/polling/poll-changes')).body;
  expect(polled).toMatchObject({
    changes_detected: 1,
    details: [{ resource_id: 101, changes_detected: 1, imported: 0, waiting: 1 }, { waiting: 0 }],
  });
  await api.db.query(`UPDATE bridge_resource_mappings SET import_mode = 'auto'`);
  api.outlook.put(mailbox, item('Dans', 11), null);
  expect((await api.call('POST', '/polling/poll-changes')).body).toMatchObject({
    changes_detected: 2,
    details: [{ changes_detected: 2, imported: 1, waiting: 1 }, { changes_detected: 0 }],
  });
  // counts what is reported missing, not what waits
  expect((await api.call('POST', '/polling/detect-missing-events')).body).toMatchObject({
    missing_events: 0,
  });
});

test('an event on a reserved time is a conflict with both sides, until a person chooses', async () => {
  await using api = await openApi();
  await api.desk.book(101, { title: 'Bunad', from: api.day(3, '11:00'), to: api.day(3, '14:00') });
  await api.settle();
  api.outlook.put(mailbox, item('Kor', 11), null);
  await api.call('POST', '/polling/poll-changes');
  const open = (await api.call('GET', '/conflicts')).body as { conflicts: { id: number }[] };
  expect(open).toMatchObject({
    count: 1,
    conflicts: [{ kind: 'overlap', booking: { title: 'Bunad' }, outlook: { title: 'Kor' } }],
  });
  const { id } = open.conflicts[0]!;
  const resolved = await api.call('POST', `/conflicts/${id}/resolve`, json({ keep: 'outlook' }));
  expect(resolved.body).toMatchObject({ success: true, result: { action: 'imported' } });
  expect((await api.call('GET', '/conflicts')).body).toMatchObject({ count: 0 });
  expect((await api.call('POST', `/conflicts/${id}/resolve`, json({ keep: 'outlook' }))).status).toBe(404);
});

test('keeping the booking takes the event out of the room', async () => {
  await using api = await openApi();
  await api.desk.book(101, { title: 'Bunad', from: api.day(3, '11:00'), to: api.day(3, '14:00') });
  await api.settle();
  api.outlook.put(mailbox, item('Kor', 11), null);
  await api.call('POST', '/polling/poll-changes');
  const open = (await api.call('GET', '/conflicts')).body as { conflicts: { id: number }[] };
  await api.call('POST', `/conflicts/${open.conflicts[0]!.id}/resolve`, json({ keep: 'booking' }));
  expect(api.outlook.titles(mailbox)).toEqual(['Bunad']);
  expect((await api.call('GET', '/conflicts')).body).toMatchObject({ count: 0 });
});

test('a choice under way is replaced only by a person who has seen it', async () => {
  await using api = await openApi();
  await api.desk.book(101, { title: 'Bunad', from: api.day(3, '11:00'), to: api.day(3, '14:00') });
  await api.settle();
  api.outlook.put(mailbox, item('Kor', 11), null);
  await api.call('POST', '/polling/poll-changes');
  type Open = { conflicts: { id: number; version: string; chosen: string | null }[] };
  const listed = async () => ((await api.call('GET', '/conflicts')).body as Open).conflicts[0]!;
  const { id, version, chosen } = await listed();
  expect(chosen).toBeNull();
  // another person has chosen, and no daemon has carried it out yet
  await api.db.query(`UPDATE bridge_mappings SET resolution = 'outlook' WHERE id = ${id}`);
  const resolve = (body: object) => api.call('POST', `/conflicts/${id}/resolve`, json(body));
  for (const seen of [{}, { version }]) {
    const refused = await resolve({ keep: 'booking', ...seen });
    expect(refused.status).toBe(409);
    expect(refused.body).toMatchObject({ error: `Conflict ${id} has changed, and nothing was done.` });
  }
  const now = await listed();
  expect(now).toMatchObject({ id, chosen: 'outlook' });
  expect((await resolve({ keep: 'booking', version: now.version })).status).toBe(200);
  expect(api.outlook.titles(mailbox)).toEqual(['Bunad']);
});

test('the same choice of two persons is carried out for both', async () => {
  await using api = await openApi();
  await api.desk.book(101, { title: 'Bunad', from: api.day(3, '11:00'), to: api.day(3, '14:00') });
  await api.settle();
  api.outlook.put(mailbox, item('Kor', 11), null);
  await api.call('POST', '/polling/poll-changes');
  const { conflicts } = (await api.call('GET', '/conflicts')).body as {
    conflicts: { id: number; version: string }[];
  };
  const { id, version } = conflicts[0]!;
  await api.db.query(`UPDATE bridge_mappings SET resolution = 'booking' WHERE id = ${id}`);
  const second = await api.call('POST', `/conflicts/${id}/resolve`, json({ keep: 'booking', version }));
  expect(second.body).toMatchObject({ success: true, message: 'Kept the version of the booking system' });
});

test('conflicts are found by title, organiser, room and kind, and one side is kept of many at a time', async () => {
  await using api = await openApi();
  for (const [hour, title] of [
    [8, 'Bunad'],
    [11, 'Bunadkurs'],
    [14, 'Strikking'],
  ] as const) {
    const from = api.day(3, onTheHour(hour));
    await api.desk.book(101, { title, from, to: api.day(3, onTheHour(hour + 2)) });
  }
  await api.settle();
  for (const hour of [8, 11, 14]) api.outlook.put(mailbox, item(`Kor ${hour}`, hour), null);
  await api.call('POST', '/polling/poll-changes');
  const found = async (query: string) => {
    const { body } = await api.call('GET', `/conflicts${query}`);
    return (body['conflicts'] as { id: number; version: string; booking: { title: string } }[]) ?? [];
  };
  expect(await found('')).toHaveLength(3);
  expect((await found('?q=bunad')).map(({ booking }) => booking.title)).toEqual(['Bunad', 'Bunadkurs']);
  expect(await found('?q=KARI')).toHaveLength(3);
  expect(await found('?q=%25')).toEqual([]);
  expect(await found('?kind=deleted')).toEqual([]);
  expect(await found('?resource_id=102')).toEqual([]);
  expect((await found('?limit=1'))[0]).toMatchObject({
    organizer: 'Kari Nordmann',
    effects: { mail: { booking: null, outlook: null } },
  });
  const [first, second] = await found('?q=bunad');
  const answer = await api.call(
    'POST',
    '/conflicts/resolve',
    json({
      keep: 'booking',
      conflicts: [first, { id: second!.id, version: 'another' }, { id: 4711 }].map((one) => ({
        id: one!.id,
        ...('version' in one! ? { version: one.version } : {}),
      })),
    }),
  );
  expect(answer.body).toMatchObject({
    success: true,
    count: 1,
    results: [
      { id: first!.id, state: 'chosen', message: 'Kept the version of the booking system' },
      { id: second!.id, state: 'changed', result: null },
      { id: 4711, state: 'gone', result: null },
    ],
  });
  expect(api.outlook.titles(mailbox).toSorted()).toEqual([
    'Bunad',
    'Bunadkurs',
    'Kor 11',
    'Kor 14',
    'Strikking',
  ]);
  expect(await found('')).toHaveLength(2);
});

test('a choice that is none is refused by its name', async () => {
  await using api = await openApi();
  const answer = await api.call('POST', '/conflicts/1/resolve', json({ keep: 'both' }));
  expect(answer.status).toBe(400);
  expect(answer.body).toMatchObject({ field: 'keep' });
});

const json = (body: object): RequestInit => ({
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(body),
});

test('with AUTO_SYNC=off the events that Outlook alone has are read when they are asked for, and nothing is stored', async () => {
  await using api = await openApi({ change: { autoSync: false } });
  await api.settle();
  const event = api.outlook.put(mailbox, item('Kor'), null);
  const before = await api.db.query('SELECT count(*)::int AS n FROM bridge_mappings');
  const { body } = await api.call('GET', '/sync/outlook-events');
  expect(body).toMatchObject({
    count: 1,
    events: [{ id: null, outlook_event_id: event.id, title: 'Kor', resource_id: 101, reservation_id: null }],
    unread: [],
  });
  const { start_time: start } = (body as { events: { start_time: string }[] }).events[0]!;
  expect(start).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d:00$/);
  const on = (from: string, to: string) =>
    api.call('GET', `/sync/outlook-events?from_date=${from}&to_date=${to}`);
  expect((await on(start.slice(0, 10), start.slice(0, 10))).body).toMatchObject({ count: 1 });
  expect((await on('2020-01-01', '2020-01-02')).body).toMatchObject({ count: 0 });
  expect(await api.db.query('SELECT count(*)::int AS n FROM bridge_mappings')).toEqual(before);
  expect(await api.db.query(`SELECT FROM bb_event WHERE name = 'Kor'`)).toEqual([]);
  await api.call('POST', '/sync/from-outlook');
  expect((await api.call('GET', '/sync/outlook-events')).body).toMatchObject({ count: 0 });
});
