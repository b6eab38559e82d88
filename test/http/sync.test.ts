import { expect, test } from 'vitest';
import { Permanent } from '../../src/errors.ts';
import { spoilColumn } from '../sync/failing-row.ts';
import { failed } from '../sync/outlook-in-memory.ts';
import { openApi, type Answer } from './api.ts';

const room = 'formannskapssalen@bergen.example';
const resultsOf = (answer: Answer) =>
  answer.body['results'] as Record<string, number> & { details: Record<string, unknown>[] };
const resultOf = (answer: Answer) => answer.body['result'] as Record<string, unknown>;
const statisticsOf = (answer: Answer) =>
  answer.body['statistics'] as { total_mappings: number; summary: Record<string, number>; by_type: object };

test('what waits is listed and synced as the guide prints it', async () => {
  await using api = await openApi({ worked: false, waitMs: 0 });
  const event = await api.desk.book(101, {
    title: 'Formannskap',
    from: api.day(1, '10:00'),
    to: api.day(1, '11:00'),
  });
  await api.settle();
  const later = await api.desk.book(101, {
    title: 'Høring',
    from: api.day(2, '10:00'),
    to: api.day(2, '11:00'),
  });
  await api.fold();
  const listed = await api.call('GET', '/sync/pending-items');
  expect(listed.body).toMatchObject({ success: true, count: 1, total: 1 });
  expect(listed.body['items']).toMatchObject([
    {
      reservation_type: 'event',
      reservation_id: later.id,
      resource_id: 101,
      outlook_item_id: room,
      sync_status: 'pending',
      priority_level: 1,
      title: 'Høring',
    },
  ]);
  expect(event.id).not.toBe(later.id);
});

test('a booking made a moment ago is created by the next call, seen by a trigger or not', async () => {
  await using api = await openApi();
  const event = await api.desk.book(101, {
    title: 'Formannskap',
    from: api.day(1, '10:00'),
    to: api.day(1, '11:00'),
  });
  const answer = await api.call('POST', '/sync/to-outlook');
  expect(answer.body).toMatchObject({ success: true, message: 'Sync completed' });
  expect(resultsOf(answer)).toMatchObject({ processed: 1, created: 1, updated: 0, errors: 0 });
  expect(resultsOf(answer).details).toMatchObject([
    {
      item_type: 'event',
      item_id: event.id,
      resource_id: 101,
      action: 'created',
      outlook_event_id: api.outlook.in(room)[0]!.id,
      title: 'Formannskap',
    },
  ]);
});

test('the limit is kept, the most important and soonest first', async () => {
  await using api = await openApi({ worked: false, waitMs: 0 });
  await api.settle();
  for (const day of [3, 1, 2])
    await api.desk.book(101, { from: api.day(day, '10:00'), to: api.day(day, '11:00') });
  const training = await api.desk.bookGroup(101, { from: api.day(1, '14:00'), to: api.day(1, '15:00') });
  const two = await api.call('POST', '/sync/to-outlook?limit=2');
  expect(resultsOf(two)).toMatchObject({ processed: 0, pending: 2 });
  expect((await api.call('GET', '/sync/pending-items?limit=2')).body).toMatchObject({ count: 2, total: 4 });
  const all = await api.call('GET', '/sync/pending-items?limit=1000000');
  const items = all.body['items'] as {
    reservation_id: number;
    reservation_type: string;
    starts_at: string;
  }[];
  expect(items.at(-1)).toMatchObject({ reservation_type: 'booking', reservation_id: training.id });
  expect(items.slice(0, 3).map((item) => item.starts_at)).toEqual(
    items
      .slice(0, 3)
      .map((item) => item.starts_at)
      .sort(),
  );
});

test('a filter by resource leaves the other rooms alone', async () => {
  await using api = await openApi();
  await api.desk.book(101, { title: 'Her', from: api.day(1, '10:00'), to: api.day(1, '11:00') });
  await api.desk.book(102, { title: 'Der', from: api.day(1, '10:00'), to: api.day(1, '11:00') });
  const answer = await api.call('POST', '/sync/to-outlook?resource_id=102');
  expect(resultsOf(answer).details.map((detail) => detail['title'])).toEqual(['Der']);
});

test('what no daemon is there to do is reported as pending, and is done when one comes', async () => {
  await using api = await openApi({ worked: false, waitMs: 0 });
  await api.settle();
  await api.desk.book(101, { from: api.day(1, '10:00'), to: api.day(1, '11:00') });
  const answer = await api.call('POST', '/sync/to-outlook');
  expect(answer.status).toBe(200);
  expect(resultsOf(answer)).toMatchObject({ processed: 0, pending: 1, details: [{ action: 'pending' }] });
  await api.settle();
  expect(api.outlook.in(room).length).toBe(1);
});

test('an item that Graph refuses is an error with its hint, listed, and tried again by the next call', async () => {
  await using api = await openApi();
  await api.desk.book(101, { title: 'Formannskap', from: api.day(1, '10:00'), to: api.day(1, '11:00') });
  api.outlook.fail(() => failed(new Permanent('Graph refuses the subject', { hint: 'Shorten it.' })));
  const refused = await api.call('POST', '/sync/to-outlook');
  expect(resultsOf(refused)).toMatchObject({
    processed: 1,
    errors: 1,
    details: [{ action: 'error', error: 'Graph refuses the subject', hint: 'Shorten it.' }],
  });
  expect((await api.call('GET', '/sync/pending-items')).body['items']).toMatchObject([
    { sync_status: 'error', error_message: 'Graph refuses the subject' },
  ]);
  api.outlook.fail(null);
  expect(resultsOf(await api.call('POST', '/sync/to-outlook'))).toMatchObject({ processed: 1, created: 1 });
});

test('one reservation in one room is synced, and a second time it is unchanged', async () => {
  await using api = await openApi();
  await api.settle();
  const event = await api.desk.book(101, {
    title: 'Høring',
    from: api.day(1, '10:00'),
    to: api.day(1, '11:00'),
  });
  const path = `/sync/item/event/${event.id}/101`;
  const first = await api.call('POST', path, { headers: { 'Content-Type': 'application/json' } });
  expect(first.body).toMatchObject({ success: true, message: 'Item synced successfully' });
  expect(resultOf(first)).toMatchObject({ item_id: event.id, action: 'created', title: 'Høring' });
  const second = await api.call('POST', path);
  expect(second.status).toBe(200);
  expect(resultOf(second)).toMatchObject({ action: 'unchanged' });
  expect(api.outlook.writes.length).toBe(1);
});

test('a reservation that no trigger saw is synced all the same', async () => {
  await using api = await openApi();
  await api.settle();
  const event = await api.desk.book(101, { from: api.day(1, '10:00'), to: api.day(1, '11:00') });
  await api.db.query('TRUNCATE bridge_changes');
  expect(resultOf(await api.call('POST', `/sync/item/event/${event.id}/101`))).toMatchObject({
    action: 'created',
  });
});

test('a cancelled reservation loses its event, and one that never had any is nothing to do', async () => {
  await using api = await openApi();
  const event = await api.desk.book(101, { from: api.day(1, '10:00'), to: api.day(1, '11:00') });
  await api.settle();
  await api.desk.cancel(event);
  expect(resultOf(await api.call('POST', `/sync/item/event/${event.id}/101`))).toMatchObject({
    action: 'deleted',
  });
  expect(api.outlook.in(room)).toEqual([]);
  const never = await api.desk.book(101, { from: api.day(2, '10:00'), to: api.day(2, '11:00') });
  await api.desk.cancel(never);
  expect(resultOf(await api.call('POST', `/sync/item/event/${never.id}/101`))).toMatchObject({
    action: 'unchanged',
  });
});

test('what is not there is 404 and says where it is', async () => {
  await using api = await openApi();
  const event = await api.desk.book(101, { from: api.day(1, '10:00'), to: api.day(1, '11:00') });
  const unknown = await api.call('POST', '/sync/item/event/999/101');
  expect(unknown.status).toBe(404);
  expect(unknown.body).toMatchObject({ success: false, hint: expect.stringContaining('cleanup-orphaned') });
  const elsewhere = await api.call('POST', `/sync/item/event/${event.id}/102`);
  expect(elsewhere.status).toBe(404);
  expect(elsewhere.body['hint']).toBe('It is in 101.');
  const unmapped = await api.call('POST', `/sync/item/event/${event.id}/103`);
  expect(unmapped.status).toBe(404);
  expect(unmapped.body['hint']).toContain('bridge_resource_mappings');
});

test('what lies outside the window, or in a room that takes nothing, is 422', async () => {
  await using api = await openApi();
  const far = await api.desk.book(101, { from: api.day(500, '10:00'), to: api.day(500, '11:00') });
  expect((await api.call('POST', `/sync/item/event/${far.id}/101`)).status).toBe(422);
  await api.db.query(
    `UPDATE bridge_resource_mappings SET sync_direction = 'outlook_to_booking' WHERE resource_id = 101`,
  );
  const near = await api.desk.book(101, { from: api.day(1, '10:00'), to: api.day(1, '11:00') });
  expect((await api.call('POST', `/sync/item/event/${near.id}/101`)).status).toBe(422);
  expect(api.outlook.writes).toEqual([]);
});

test('an item that Graph refuses is 422 with what Graph said', async () => {
  await using api = await openApi();
  const event = await api.desk.book(101, { from: api.day(1, '10:00'), to: api.day(1, '11:00') });
  api.outlook.fail(() => failed(new Permanent('Graph refuses the subject', { hint: 'Shorten it.' })));
  const answer = await api.call('POST', `/sync/item/event/${event.id}/101`);
  expect(answer.status).toBe(422);
  expect(answer.body).toMatchObject({
    success: false,
    error: 'Graph refuses the subject',
    hint: 'Shorten it.',
  });
});

test('a mapped room is filled by populate-mapping, all rooms or the one that is named', async () => {
  await using api = await openApi();
  await api.settle();
  await api.db.query('ALTER TABLE bb_event_resource DISABLE TRIGGER USER');
  await api.db.query('ALTER TABLE bb_event DISABLE TRIGGER USER');
  await api.db.query('ALTER TABLE bb_event_date DISABLE TRIGGER USER');
  for (const day of [1, 2, 3])
    await api.desk.book([101, 102], { from: api.day(day, '10:00'), to: api.day(day, '11:00') });
  const one = await api.call('POST', '/sync/populate-mapping?resource_id=101');
  expect(one.body).toMatchObject({
    success: true,
    results: { rooms: 1, reconciled: 1, created: 3, total: 3 },
  });
  const all = await api.call('POST', '/sync/populate-mapping');
  expect(all.body).toMatchObject({
    success: true,
    results: { rooms: 2, reconciled: 2, created: 3, total: 6 },
  });
  expect((await api.call('POST', '/sync/populate-mapping?resource_id=103')).status).toBe(404);
});

test('after the reset of the guide everything is found again and nothing is made twice', async () => {
  await using api = await openApi();
  for (const day of [1, 2, 3])
    await api.desk.book(101, { from: api.day(day, '10:00'), to: api.day(day, '11:00') });
  await api.settle();
  await api.db.query(`
    UPDATE bridge_mappings
    SET sync_status = 'pending',
        outlook_event_id = NULL,
        reservation_id = NULL
    WHERE sync_status != 'cancelled'`);
  const answer = await api.call('POST', '/sync/to-outlook');
  expect(resultsOf(answer)).toMatchObject({ processed: 3, created: 0, errors: 0, pending: 0 });
  expect(api.outlook.in(room).length).toBe(3);
  expect(statisticsOf(await api.call('GET', '/sync/status')).summary).toMatchObject({
    synced: 3,
    pending: 0,
  });
});

test('the statistics name every status, and both their addresses print the same', async () => {
  await using api = await openApi();
  await api.desk.book(101, { from: api.day(1, '10:00'), to: api.day(1, '11:00') });
  await api.desk.bookGroup(102, { from: api.day(1, '10:00'), to: api.day(1, '11:00') });
  await api.settle();
  const status = await api.call('GET', '/sync/status');
  expect(statisticsOf(status)).toEqual({
    total_mappings: 2,
    summary: { pending: 0, synced: 2, error: 0, conflict: 0, cancelled: 0, imported: 0, shadowed: 0 },
    by_type: { event: { synced: 1 }, booking: { synced: 1 } },
    by_direction: { booking_to_outlook: { synced: 2 } },
  });
  expect((await api.call('GET', '/sync/stats')).body).toEqual(status.body);
  const stats = await api.call('GET', '/stats');
  expect(statisticsOf(stats)).toEqual(statisticsOf(status));
  expect(stats.body).toMatchObject({
    queue: { outbox_rows: 0, due: 0 },
    rooms: { ok: 2 },
    latency: { count: 2 },
  });
});

test('orphans are removed: no reservation, no event, nothing that is under way', async () => {
  await using api = await openApi({ worked: false });
  const wish = (day: number) => ({ from: api.day(day, '10:00'), to: api.day(day, '11:00') });
  const kept = await api.desk.book(101, wish(1));
  const gone = await api.desk.book(101, wish(2));
  const cancelled = await api.desk.book(101, wish(3));
  await api.settle();
  await api.desk.cancel(cancelled);
  await api.desk.erase(gone);
  await api.settle();
  const erased = await api.desk.book(101, wish(4));
  await api.settle();
  await api.desk.erase(erased);
  const never = await api.desk.book(101, wish(5)); // its create may be on its way
  await api.fold();
  await api.desk.erase(never);
  await api.fold();
  expect((await api.call('DELETE', '/sync/cleanup-orphaned')).body).toMatchObject({
    success: true,
    count: 1,
  });
  expect(await api.mapping(gone)).toBeUndefined();
  for (const reservation of [kept, cancelled, erased, never])
    expect(await api.mapping(reservation)).toBeDefined();
});

test('a parameter that is wrong is refused, and named', async () => {
  await using api = await openApi();
  for (const [method, path, field] of [
    ['GET', '/sync/pending-items?limit=0', 'limit'],
    ['GET', '/sync/pending-items?limit=-5', 'limit'],
    ['POST', '/sync/to-outlook?limit=many', 'limit'],
    ['POST', '/sync/to-outlook?limit=1&limit=2', 'limit'],
    ['POST', '/sync/populate-mapping?resource_id=1;DROP', 'resource_id'],
    ['POST', '/sync/item/meeting/1/101', 'type'],
    ['POST', '/sync/item/event/1.5/101', 'id'],
    ['POST', '/sync/item/event/99999999999999999999/101', 'id'],
    ['POST', '/sync/item/event/1/99999999999', 'resource'],
  ] as const) {
    const answer = await api.call(method, path);
    expect(answer.status, path).toBe(400);
    expect(answer.body).toMatchObject({ success: false, field, hint: expect.any(String) });
    expect(answer.body['error']).toContain(field);
  }
});

test.each([
  ['POST', '/sync/item'],
  ['POST', '/cancel/booking'],
])(
  '%s %s of a reservation that the booking system cannot show names it, and the remedy',
  async (method, path) => {
    await using api = await openApi();
    const { id } = await api.desk.book(101, {
      title: 'bad',
      from: api.day(1, '10:00'),
      to: api.day(1, '11:00'),
    });
    await spoilColumn(api, 'active');
    const answer = await api.call(method, `${path}/event/${id}/101`);
    expect(answer).toMatchObject({
      status: 422,
      body: {
        error: `the booking system cannot show event ${id}: division by zero (SQLSTATE 22012)`,
        hint: expect.stringContaining('bridge_items'),
      },
    });
  },
);
