import type { QueryConfig } from 'pg';
import { expect, test } from 'vitest';
import type { Queryable } from '../../../src/database.ts';
import { Retryable } from '../../../src/errors.ts';
import { createCalls } from '../../../src/sync/manual/call.ts';
import { createCancellations } from '../../../src/sync/manual/cancellations.ts';
import { createManual } from '../../../src/sync/manual/manual.ts';
import { actionOf } from '../../../src/sync/manual/outcomes.ts';
import { openRooms, window } from '../bench-of-rooms.ts';
import { failed } from '../outlook-in-memory.ts';

const room = 'room101@example.org';
const all = { limit: 50, resourceId: null };
const patient = new AbortController().signal;

type Rooms = Awaited<ReturnType<typeof openRooms>>;

interface Course {
  readonly waitMs?: number;
  /** What the daemon does when it is woken. */
  readonly comes?: () => Promise<unknown>;
  /** What happens as soon as a call has begun. */
  readonly begun?: () => Promise<unknown>;
}

/** Calls over rooms where a daemon comes when it is woken. */
function callsOf(rooms: Rooms, options: Course = {}) {
  let working: Promise<unknown> = Promise.resolve();
  const come = options.comes ?? (() => rooms.settle());
  const ring = () => {
    working = working.then(come);
  };
  const db = rooms.db.pool;
  const query = async (asked: QueryConfig) => {
    const answer = await db.query(asked);
    if (asked.name === 'end_of_log') await options.begun?.();
    return answer;
  };
  const { waitMs = 20_000 } = options;
  const begin = createCalls({ db: { query } as Queryable, window, ring, waitMs });
  return { db, begin, [Symbol.asyncDispose]: async () => void (await working) };
}

/** Foreground drains over such rooms. */
function manualOf(rooms: Rooms, options: Course = {}) {
  const calls = callsOf(rooms, options);
  return { ...createManual({ ...calls, window }), [Symbol.asyncDispose]: calls[Symbol.asyncDispose] };
}

const oneEvent = (rooms: Rooms, title = 'Møte', day = 1) =>
  rooms.desk.book(101, { title, from: rooms.day(day, '10:00'), to: rooms.day(day, '11:00') });
const idle = async () => undefined;

test('what another daemon does while the call waits counts', async () => {
  await using rooms = await openRooms();
  await rooms.settle();
  await oneEvent(rooms);
  const woken = Promise.withResolvers<void>();
  await using manual = manualOf(rooms, { comes: async () => woken.resolve() });
  const called = manual.syncPending(all, patient);
  await woken.promise;
  await rooms.settle();
  expect(await called).toMatchObject([{ action: 'created', title: 'Møte' }]);
});

test('what was pending when the call arrived counts, although it is done before the call has looked', async () => {
  await using rooms = await openRooms();
  const event = await oneEvent(rooms);
  await rooms.settle();
  await rooms.desk.retitle(event, 'Nytt møte');
  await rooms.fold();
  // a room that was never compared comes first, and the daemon that comes for it finds the other one as well
  await rooms.db.query(
    `INSERT INTO bridge_resource_mappings (resource_id, outlook_item_id) VALUES (102, 'new@example.org')`,
  );
  await using manual = manualOf(rooms);
  expect(await manual.syncPending(all, patient)).toMatchObject([{ action: 'updated', title: 'Nytt møte' }]);
});

test('a back-off is cut short by a person', async () => {
  await using rooms = await openRooms();
  const event = await oneEvent(rooms);
  rooms.outlook.fail(() => failed(new Retryable('Graph says 503', { reach: 'room' })));
  await rooms.settle();
  rooms.outlook.fail(null);
  await rooms.db.query(`UPDATE bridge_room_state SET retry_at = now() + interval '1 hour'`);
  await rooms.db.query(`UPDATE bridge_mappings SET due_at = now() + interval '1 hour', attempt = 9`);
  await using manual = manualOf(rooms);
  expect(await manual.syncPending(all, patient)).toMatchObject([{ action: 'created' }]);
  expect(await rooms.mapping(event)).toMatchObject({ sync_status: 'synced', attempt: 0 });
});

test('a Retry-After of Graph is not, and a call does not wait for what cannot come in time', async () => {
  await using rooms = await openRooms();
  await oneEvent(rooms);
  rooms.outlook.fail(() => failed(new Retryable('Graph says 429', { reach: 'room', afterMs: 600_000 })));
  await rooms.settle();
  rooms.outlook.fail(null);
  const writes = rooms.outlook.writes.length;
  const asked = performance.now();
  await using manual = manualOf(rooms);
  const outcomes = await manual.syncPending(all, patient);
  expect(performance.now() - asked).toBeLessThan(15_000);
  expect(outcomes).toMatchObject([{ action: 'pending', error: 'Graph says 429' }]);
  expect(rooms.outlook.writes.length).toBe(writes);
});

test('a caller that stops waiting is told how far it is', async () => {
  await using rooms = await openRooms();
  await rooms.settle();
  await oneEvent(rooms);
  const gone = new AbortController();
  await using manual = manualOf(rooms, { comes: async () => gone.abort() });
  const called = manual.syncPending(all, gone.signal);
  expect(await called).toMatchObject([{ action: 'pending' }]);
});

test('with AUTO_SYNC=off the rooms of a call are worked on, and those that were not asked for are not', async () => {
  await using rooms = await openRooms({ 101: room, 102: 'room102@example.org' });
  await rooms.settle();
  await rooms.desk.book([101, 102], { from: rooms.day(1, '10:00'), to: rooms.day(1, '11:00') });
  await using manual = manualOf(rooms, { comes: idle, waitMs: 100 });
  await manual.syncPending({ limit: 50, resourceId: 101 }, patient);
  const asked = await rooms.db.query(
    'SELECT resource_mapping_id AS id FROM bridge_room_state WHERE asked_at IS NOT NULL',
  );
  expect(asked).toEqual([{ id: 1 }]);
});

test('an ask that was forgotten by the end of another drain is repeated', async () => {
  await using rooms = await openRooms();
  await rooms.settle();
  await oneEvent(rooms);
  // what bridge_release does when a room is given back just after it was asked for
  const forget = () => rooms.db.query('UPDATE bridge_room_state SET asked_at = NULL');
  await using manual = manualOf(rooms, { comes: forget, waitMs: 300 });
  await manual.syncPending(all, patient);
  expect(await rooms.db.query('SELECT 1 FROM bridge_room_state WHERE asked_at IS NOT NULL')).toHaveLength(1);
});

test('an item that was done and is due again already is not waited for once more', async () => {
  await using rooms = await openRooms();
  await rooms.settle();
  await oneEvent(rooms);
  const changedMeanwhile = async () => {
    rooms.outlook.meanwhile(async () => {
      await rooms.db.query(
        `UPDATE bridge_mappings SET due_at = now() + interval '3 s', revision = revision + 1`,
      );
    });
    await rooms.settle();
  };
  await using manual = manualOf(rooms, { comes: changedMeanwhile });
  const asked = performance.now();
  expect(await manual.syncPending(all, patient)).toMatchObject([{ action: 'created' }]);
  expect(performance.now() - asked).toBeLessThan(15_000);
});

test('a room that is switched off is left alone', async () => {
  await using rooms = await openRooms();
  await rooms.settle();
  await oneEvent(rooms);
  await rooms.fold();
  await rooms.db.query('UPDATE bridge_resource_mappings SET active = 0');
  await using manual = manualOf(rooms);
  expect(await manual.syncPending(all, patient)).toEqual([]);
});

test('a pending item that has nothing to show any more is forgotten, and said to be', async () => {
  await using rooms = await openRooms();
  await rooms.settle();
  const event = await oneEvent(rooms);
  await rooms.fold();
  await rooms.desk.erase(event);
  await using manual = manualOf(rooms);
  expect(await manual.syncPending(all, patient)).toMatchObject([
    { type: 'event', reservationId: event.id, resourceId: 101, action: 'forgotten' },
  ]);
});

test('twenty callers at once for twenty bookings are all answered, and each event is made once', async () => {
  await using rooms = await openRooms();
  await rooms.settle();
  const events = [];
  for (let day = 1; day <= 20; day += 1) events.push(await oneEvent(rooms, `Møte ${day}`, day));
  await using manual = manualOf(rooms);
  const answers = await Promise.all(events.map((event) => manual.syncItem('event', event.id, 101, patient)));
  for (const answer of answers)
    expect(answer).toMatchObject({ found: 'item', outcome: { eventId: expect.any(String) } });
  expect(rooms.outlook.in(room).length).toBe(20);
});

test('populate waits for the comparison with the booking system', async () => {
  await using rooms = await openRooms();
  await rooms.settle();
  await oneEvent(rooms);
  await rooms.db.query('TRUNCATE bridge_changes');
  await using manual = manualOf(rooms);
  expect(await manual.populate(null, patient)).toMatchObject({
    rooms: 1,
    reconciled: 1,
    created: 1,
    total: 1,
  });
  expect(await manual.populate(999, patient)).toBeNull();
});

test('populate says how many rooms no daemon has come to compare', async () => {
  await using rooms = await openRooms();
  await using manual = manualOf(rooms, { comes: idle, waitMs: 50 });
  expect(await manual.populate(101, patient)).toMatchObject({ rooms: 1, reconciled: 0, created: 0 });
});

test.each([
  [['created'], 'synced', false, 'created'],
  [['delayed', 'created'], 'synced', false, 'created'],
  [['created', 'updated'], 'synced', false, 'created'],
  [['updated', 'deleted'], 'cancelled', false, 'deleted'],
  [['adopted', 'updated'], 'synced', false, 'updated'],
  [['waiting'], 'synced', false, 'unchanged'],
  [['delayed'], 'pending', true, 'pending'],
  [['delayed', 'parked'], 'error', false, 'error'],
  [['parked'], 'conflict', false, 'held'],
  [['parked'], 'conflict', false, 'error', 'rejected'],
  [[], 'synced', false, 'unchanged'],
] as [readonly string[], string, boolean, string, string?][])(
  '%j, then %s (due: %s), is %s in one word',
  (actions, status, due, word, kind) => {
    expect(actionOf({ actions, status, kind: kind ?? null, due })).toBe(word);
  },
);

test('the cancellation of a reservation just made waits for the deletion of the event that is created meanwhile', async () => {
  await using rooms = await openRooms();
  await rooms.settle();
  const event = await oneEvent(rooms);
  await using calls = callsOf(rooms, { begun: () => rooms.settle() });
  const { cancel } = createCancellations({ ...calls, window });
  expect(await cancel([{ type: 'event', id: event.id, resourceId: 101 }], patient)).toMatchObject([
    { was: 'active', outcomes: [{ action: 'deleted' }] },
  ]);
  expect(rooms.outlook.in(room)).toEqual([]);
});

test('a cancellation without a daemon leaves the event that was created meanwhile pending', async () => {
  await using rooms = await openRooms();
  await rooms.settle();
  const event = await oneEvent(rooms);
  await using calls = callsOf(rooms, { comes: idle, waitMs: 300, begun: () => rooms.settle() });
  const { cancel } = createCancellations({ ...calls, window });
  expect(await cancel([{ type: 'event', id: event.id, resourceId: 101 }], patient)).toMatchObject([
    { was: 'active', outcomes: [{ action: 'pending' }] },
  ]);
});
