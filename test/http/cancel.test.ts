import { expect, test } from 'vitest';
import { Permanent } from '../../src/errors.ts';
import { failed } from '../sync/outlook-in-memory.ts';
import { openApi, type Answer, type Api } from './api.ts';
import { spoil } from '../sync/failing-row.ts';

const room = 'formannskapssalen@bergen.example';
const other = 'bystyresalen@bergen.example';
const resultsOf = (answer: Answer) => answer.body['results'] as Record<string, unknown>;
const resultOf = (answer: Answer) => answer.body['result'] as Record<string, unknown>;
const statisticsOf = (answer: Answer) => answer.body['statistics'] as Record<string, unknown>;

const book = (api: Api, title: string, resources: number | readonly number[] = 101, day = 1) =>
  api.desk.book(resources, { title, from: api.day(day, '10:00'), to: api.day(day, '11:00') });
const detect = (api: Api) => api.call('POST', '/bridges/sync-deletions');

test('what was cancelled is found, its event goes, and the answer is as the guide prints it', async () => {
  await using api = await openApi();
  const event = await book(api, 'Cancelled Meeting');
  await api.settle();
  await api.desk.cancel(event);
  const answer = await detect(api);
  expect(answer.body).toMatchObject({
    success: true,
    message: 'Cancellation detection and processing completed',
    results: {
      detected: 1,
      processed: 1,
      success_rate: '100%',
      cancelled_events: [
        { id: event.id, name: 'Cancelled Meeting', active: 0, resource_id: 101, action: 'deleted' },
      ],
      reenabled_events: [],
      outlook_deletions: 1,
      pending_resets: 0,
      errors: 0,
    },
  });
  expect(api.outlook.in(room)).toEqual([]);
});

test('a cancellation that no trigger saw is found all the same', async () => {
  await using api = await openApi();
  const event = await book(api, 'Høring');
  await api.settle();
  await api.desk.cancel(event);
  await api.db.query('TRUNCATE bridge_changes');
  expect(resultsOf(await detect(api))).toMatchObject({ detected: 1, outlook_deletions: 1 });
});

test('a second call finds nothing', async () => {
  await using api = await openApi();
  const event = await book(api, 'Høring');
  await api.settle();
  await api.desk.cancel(event);
  await detect(api);
  const writes = api.outlook.writes.length;
  expect(resultsOf(await detect(api))).toMatchObject({ detected: 0, processed: 0, success_rate: '100%' });
  expect(api.outlook.writes.length).toBe(writes);
});

test('one that was re-enabled waits for a fresh event, without the id of the old one', async () => {
  await using api = await openApi({ worked: false });
  const event = await book(api, 'Re-enabled Meeting');
  await api.settle();
  const before = (await api.mapping(event))!['outlook_event_id'] as string;
  await api.desk.cancel(event);
  await api.settle();
  await api.desk.reenable(event);
  const answer = await detect(api);
  expect(resultsOf(answer)).toMatchObject({
    detected: 1,
    cancelled_events: [],
    reenabled_events: [
      { id: event.id, active: 1, outlook_event_id: before, sync_status: 'cancelled', action: 'reset' },
    ],
    pending_resets: 1,
  });
  expect(await api.mapping(event)).toMatchObject({ sync_status: 'pending', outlook_event_id: null });
  await api.settle();
  expect(api.outlook.titles(room)).toEqual(['Re-enabled Meeting']);
  expect(api.outlook.in(room)[0]!.id).not.toBe(before);
});

test('an event that a person kept is taken again when its reservation is back, not doubled', async () => {
  await using api = await openApi({ worked: false });
  for (let day = 1; day <= 12; day += 1) await book(api, `Møte ${day}`, 101, day);
  const kept = await book(api, 'Beholdt', 101, 20);
  await api.settle();
  const rows = await api.db.query('SELECT * FROM bb_event WHERE id = $1', [kept.id]);
  const eventId = (await api.mapping(kept))!['outlook_event_id'];
  await api.loseEvents();
  await api.settle();
  await api.call('POST', '/rooms/101/brake/refuse');
  await api.db.query('INSERT INTO bb_event SELECT * FROM jsonb_populate_recordset(NULL::bb_event, $1)', [
    JSON.stringify(rows),
  ]);
  await api.db.query('INSERT INTO bb_event_resource (event_id, resource_id) VALUES ($1, 101)', [kept.id]);
  const before = api.outlook.writes.length;
  await detect(api);
  await api.settle();
  // it is looked for first: Graph forgets idempotency keys
  expect(api.outlook.writes.slice(before).filter(({ write }) => write.do === 'create')).toEqual([]);
  expect(api.outlook.in(room).filter((event) => event.item!.title === 'Beholdt')).toMatchObject([
    { id: eventId },
  ]);
});

test('only what was re-enabled is touched when only that is asked for', async () => {
  await using api = await openApi({ worked: false });
  const [gone, back] = [await book(api, 'Avlyst'), await book(api, 'Tilbake', 102)];
  await api.settle();
  await api.desk.cancel(back);
  await api.settle();
  await api.desk.reenable(back);
  await api.desk.cancel(gone);
  const answer = await api.call('POST', '/bridges/sync-deletions-reenabled');
  expect(resultsOf(answer)).toMatchObject({ detected: 1, pending_resets: 1, outlook_deletions: 0 });
  expect(api.outlook.titles(room)).toEqual(['Avlyst']);
});

test('an event that Graph refuses to delete is an error in the answer and the statistics', async () => {
  await using api = await openApi();
  const event = await book(api, 'Fast');
  await api.settle();
  await api.desk.cancel(event);
  api.outlook.fail(() => failed(new Permanent('Graph refuses', { hint: 'Ask an admin.' })));
  expect(resultsOf(await detect(api))).toMatchObject({
    detected: 1,
    errors: 1,
    success_rate: '0%',
    cancelled_events: [{ action: 'error', error: 'Graph refuses', hint: 'Ask an admin.' }],
  });
  expect(statisticsOf(await api.call('GET', '/cancel/stats'))).toMatchObject({
    errors: 1,
    error_types: { 'Graph refuses': 1 },
  });
});

test('what is found is counted before anything is done', async () => {
  await using api = await openApi({ worked: false });
  const [gone, back] = [await book(api, 'Avlyst'), await book(api, 'Tilbake')];
  await api.settle();
  await api.desk.cancel(back);
  await api.settle();
  await api.desk.reenable(back);
  await api.desk.cancel(gone);
  for (const path of [
    '/bridges/sync-deletionsion-stats',
    '/bridges/sync-deletions/stats',
    '/cancel/detection-stats',
  ])
    expect(statisticsOf(await api.call('GET', path)), path).toEqual({
      cancelled: 1,
      reenabled: 1,
      by_type: { event: { cancelled: 1, reenabled: 1 } },
    });
});

test('cancelled reservations are listed with what became of them', async () => {
  await using api = await openApi();
  const [done, waiting] = [await book(api, 'Borte'), await book(api, 'Venter', 102)];
  await api.settle();
  await api.desk.cancel(done);
  await api.settle();
  await api.desk.cancel(waiting);
  await api.fold();
  const answer = await api.call('GET', '/cancel/cancelled-reservations');
  expect(answer.body).toMatchObject({ success: true, count: 2, total: 2 });
  const listed = answer.body['cancelled_reservations'] as Record<string, unknown>[];
  expect(Object.fromEntries(listed.map((one) => [one['reservation_id'], one['processing_status']]))).toEqual({
    [done.id]: 'processed',
    [waiting.id]: 'pending',
  });
  expect(statisticsOf(await api.call('GET', '/cancel/stats'))).toMatchObject({
    total_cancellations: 2,
    processed: 1,
    pending: 1,
    by_direction: { booking_to_outlook: 1, outlook_to_booking: 0 },
    last_processed_at: expect.any(String),
  });
});

test('a cancellation made in the booking system is processed when it is named, and once is enough', async () => {
  await using api = await openApi();
  const event = await book(api, 'Avlyst');
  await api.settle();
  await api.desk.cancel(event);
  const path = `/cancel/booking/event/${event.id}/101`;
  expect(resultOf(await api.call('POST', path))).toMatchObject({ item_id: event.id, action: 'deleted' });
  const writes = api.outlook.writes.length;
  const again = await api.call('POST', path);
  expect(again.status).toBe(200);
  expect(resultOf(again)).toMatchObject({ action: 'unchanged' });
  expect(api.outlook.writes.length).toBe(writes);
});

test('a reservation that is active is not cancelled by naming it', async () => {
  await using api = await openApi();
  const event = await book(api, 'Står');
  await api.settle();
  const answer = await api.call('POST', `/cancel/booking/event/${event.id}/101`);
  expect(answer.status).toBe(409);
  expect(answer.body).toMatchObject({ success: false, hint: expect.stringContaining('DELETE /cancel/') });
  expect(api.outlook.titles(room)).toEqual(['Står']);
});

test('one that was never there is not found', async () => {
  await using api = await openApi();
  const event = await book(api, 'Her');
  await api.settle();
  for (const [method, path] of [
    ['POST', '/cancel/booking/event/999999/101'],
    ['POST', `/cancel/booking/event/${event.id}/102`],
    ['DELETE', '/cancel/reservation/event/999999/101'],
    ['DELETE', `/cancel/reservation/event/${event.id}/102`],
    ['GET', '/cancel/check/event/999999'],
    ['POST', '/cancel/outlook/AAMkAGUxZWM3YWY2'],
  ] as const)
    expect((await api.call(method, path)).status, path).toBe(404);
  expect(api.outlook.titles(room)).toEqual(['Her']);
});

test('a reservation is cancelled from here in all its rooms, its note is written, and its events go', async () => {
  await using api = await openApi();
  const event = await book(api, 'To rom', [101, 102]);
  await api.settle();
  const path = `/cancel/reservation/event/${event.id}/101`;
  const answer = await api.call('DELETE', path);
  expect(answer.body).toMatchObject({ message: 'Reservation cancelled successfully' });
  expect(resultsOf(answer)).toMatchObject({ processed: 2, deleted: 2, errors: 0 });
  expect([...api.outlook.in(room), ...api.outlook.in(other)]).toEqual([]);
  const again = await api.call('DELETE', path);
  expect(again.body).toMatchObject({ message: 'The reservation is cancelled already' });
  expect(await api.db.query('SELECT active, description FROM bb_event WHERE id = $1', [event.id])).toEqual([
    { active: 0, description: 'Cancelled through the bridge' },
  ]);
});

test('what the booking system refuses to cancel is left as it is', async () => {
  await using api = await openApi();
  const event = await book(api, 'Flere datoer');
  await api.db.query(
    'INSERT INTO bb_event_date (event_id, from_, to_) VALUES ($1, now(), now() + $2::interval)',
    [event.id, '1 hour'],
  );
  await api.settle();
  expect((await api.call('DELETE', `/cancel/reservation/event/${event.id}/101`)).status).toBe(422);
  expect(api.outlook.titles(room)).toEqual(['Flere datoer']);
});

test('many are cancelled in one call, each with its own end', async () => {
  await using api = await openApi();
  const [one, two] = [
    await book(api, 'En'),
    await api.desk.bookGroup(102, {
      from: api.day(2, '10:00'),
      to: api.day(2, '11:00'),
    }),
  ];
  await api.settle();
  await api.desk.cancel(one);
  await api.settle();
  const named = (type: string, id: number | string, resource: number) => ({
    reservation_type: type,
    reservation_id: id,
    resource_id: resource,
  });
  const answer = await api.call('POST', '/cancel/bulk', {
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({
      reservations: [
        named('event', one.id, 101),
        named('booking', String(two.id), 102),
        named('event', 1, 101),
      ],
    }),
  });
  expect(resultsOf(answer)).toMatchObject({
    processed: 3,
    successful: 2,
    errors: 1,
    outlook_deletions: 1,
    details: [{ status: 'already_cancelled' }, { status: 'cancelled' }, { status: 'not_found' }],
  });
  expect(api.outlook.in(other)).toEqual([]);
});

test('a bulk call without a body cancels nothing', async () => {
  await using api = await openApi();
  const answer = await api.call('POST', '/cancel/bulk', { headers: { 'Content-Type': 'application/json' } });
  expect(answer.status).toBe(200);
  expect(resultsOf(answer)).toMatchObject({ processed: 0, details: [] });
});

test('a bulk call that is wrong in one place cancels nothing and names the place', async () => {
  await using api = await openApi();
  const event = await book(api, 'Står');
  await api.settle();
  const answer = await api.call('POST', '/cancel/bulk', {
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({
      reservations: [
        { reservation_type: 'event', reservation_id: event.id, resource_id: 101 },
        { reservation_type: 'meeting', reservation_id: 1, resource_id: 101 },
      ],
    }),
  });
  expect(answer.status).toBe(400);
  expect(answer.body['error']).toContain('meeting');
  expect(api.outlook.titles(room)).toEqual(['Står']);
});

test('a reservation that cannot be read is reported as unreadable, not as cancelled', async () => {
  await using api = await openApi();
  const event = await book(api, 'bad');
  await api.settle();
  await spoil(api);
  const answer = await api.call('GET', `/cancel/check/event/${event.id}`);
  expect(answer.body['reservation_status']).toMatchObject({
    exists: true,
    is_cancelled: false,
    unreadable: 'the booking system cannot show this reservation: division by zero (SQLSTATE 22012)',
    hint: expect.stringContaining('bridge_items'),
  });
});

test('a reservation is checked without anything being done', async () => {
  await using api = await openApi();
  const event = await book(api, 'Spørsmål');
  await api.settle();
  const path = `/cancel/check/event/${event.id}`;
  expect((await api.call('GET', path)).body['reservation_status']).toMatchObject({
    exists: true,
    is_cancelled: false,
    unreadable: null,
    mappings: [{ processing_status: 'active' }],
  });
  await api.desk.cancel(event);
  await api.settle();
  expect((await api.call('GET', path)).body['reservation_status']).toMatchObject({
    is_cancelled: true,
    mappings: [{ processing_status: 'processed' }],
  });
});

const activeOf = async (api: Api, id: number) =>
  (await api.db.query<{ active: number }>('SELECT active FROM bb_event WHERE id = $1', [id]))[0]!.active;

test('an event that is gone from Outlook takes its reservation along, whatever its id is made of', async () => {
  await using api = await openApi();
  const event = await book(api, 'Slettet');
  await api.settle();
  api.outlook.remove(api.outlook.in(room)[0]!.id);
  const id = 'AAMk/GVm+M4=aL_-==';
  await api.db.query('UPDATE bridge_mappings SET outlook_event_id = $1, revision = revision + 1', [id]);
  const answer = await api.call('POST', `/cancel/outlook/${encodeURIComponent(id)}`);
  expect(answer.status).toBe(200);
  expect(resultOf(answer)).toMatchObject({
    item_id: event.id,
    outlook_event_id: id,
    action: 'booking-cancelled',
  });
  expect(await activeOf(api, event.id)).toBe(0);
  expect(statisticsOf(await api.call('GET', '/cancel/stats'))).toMatchObject({
    by_direction: { booking_to_outlook: 0, outlook_to_booking: 1 },
  });
});

test('an event that is still there is not cancelled by a request that says it is gone', async () => {
  await using api = await openApi();
  const event = await book(api, 'Står');
  await api.settle();
  const id = api.outlook.in(room)[0]!.id;
  const answer = await api.call('POST', `/cancel/outlook/${id}`);
  expect(answer.body).toMatchObject({ message: 'The event is there', result: { action: 'unchanged' } });
  expect(await activeOf(api, event.id)).toBe(1);
});

test('an event that could not be read in time is read later', async () => {
  await using api = await openApi({ worked: false, waitMs: 50 });
  const event = await book(api, 'Slettet');
  await api.settle();
  const { id } = api.outlook.in(room)[0]!;
  api.outlook.remove(id);
  expect(resultOf(await api.call('POST', `/cancel/outlook/${id}`))).toMatchObject({ action: 'pending' });
  await api.settle();
  expect(await activeOf(api, event.id)).toBe(0);
});

test('a room that takes nothing from Outlook is not asked', async () => {
  await using api = await openApi();
  const event = await book(api, 'Enveis');
  await api.settle();
  await api.db.query(`UPDATE bridge_resource_mappings SET sync_direction = 'booking_to_outlook'`);
  await api.settle();
  const { id } = api.outlook.in(room)[0]!;
  api.outlook.remove(id);
  expect((await api.call('POST', `/cancel/outlook/${id}`)).status).toBe(200);
  expect(await activeOf(api, event.id)).toBe(1);
});

test('an event whose reservation is cancelled already is nothing to look at', async () => {
  await using api = await openApi();
  const event = await book(api, 'Borte');
  await api.settle();
  const id = (await api.mapping(event))!['outlook_event_id'] as string;
  await api.desk.cancel(event);
  await api.settle();
  const rings = api.rings();
  const answer = await api.call('POST', `/cancel/outlook/${id}`);
  expect(answer.body).toMatchObject({ message: 'It is cancelled already', result: { action: 'unchanged' } });
  expect(api.rings()).toBe(rings);
});
