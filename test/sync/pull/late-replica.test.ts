/** A mailbox whose replica, like delta, shows a change later than its notification. */
import { expect, test } from 'vitest';
import { Retryable } from '../../../src/errors.ts';
import { markRooms } from '../../../src/sync/webhooks/subscription-store.ts';
import { dinner, heard, open, room, type Rooms } from '../two-way-world.ts';

const hint = (w: Rooms, eventId: string, { etag = null as string | null, deleted = false } = {}) =>
  markRooms(w.db.pool, [{ id: 1, gapMs: 0, events: [{ eventId, deleted, etag }] }]);

/** Delta shows nothing, and its next round is far off. */
async function openLagging() {
  const w = await open();
  w.outlook.trouble(() => ({ answer: 'page', rows: [], removed: [], nextLink: null, deltaLink: '0' }));
  return w;
}

async function drainRoom(w: Rooms): Promise<void> {
  for (const room of (await w.take()).rooms) await w.drainOne(room);
}

/** An imported event of version v1. */
async function versioned(w: Rooms) {
  const event = w.outlook.put(room, dinner(), null);
  w.outlook.version(event.id, 'v1');
  await hint(w, event.id);
  await w.settle();
  await w.db.query(`UPDATE bridge_mappings SET outlook_etag = 'v1'`);
  w.outlook.reads.length = 0;
  return { event };
}

/** The pause before the next read is over. */
const later = (w: Rooms) =>
  w.db.query(`UPDATE bridge_hints SET read_after = least(read_after, now());
    UPDATE bridge_room_state SET hinted_at = least(hinted_at, now()) WHERE resource_mapping_id = 1`);

const hints = (w: Rooms) =>
  w.db.query('SELECT event_id AS event, misses, read_after > now() AS waits FROM bridge_hints ORDER BY 1');

test('a new event is read again later, and imported', async () => {
  await using w = await openLagging();
  const event = w.outlook.put(room, dinner(), null);
  w.outlook.hide(event.id);
  await hint(w, event.id);
  await drainRoom(w);
  expect(await hints(w)).toEqual([{ event: event.id, misses: 1, waits: true }]);
  w.outlook.hide(event.id, false);
  await later(w);
  await drainRoom(w);
  expect((await w.reserved()).map(({ item }) => item.title)).toEqual([dinner().title]);
  expect(await hints(w)).toEqual([]);
});

test('a new event that delta shows before it can be read is imported, too', async () => {
  await using w = await openLagging();
  const event = w.outlook.put(room, dinner(), null);
  w.outlook.version(event.id, 'v1');
  w.outlook.hide(event.id);
  await hint(w, event.id, { etag: 'v1' });
  await drainRoom(w);
  w.outlook.trouble(null);
  await heard(w);
  expect(await w.reserved()).toEqual([]);
  w.outlook.hide(event.id, false);
  await later(w);
  await w.settle();
  expect((await w.reserved()).map(({ item }) => item.title)).toEqual([dinner().title]);
});

test('a new event that never shows is given up', async () => {
  await using w = await openLagging();
  await hint(w, 'gone');
  for (let drains = 1; (await hints(w)).length > 0; drains += 1) {
    expect(drains).toBeLessThan(10);
    await later(w);
    await drainRoom(w);
  }
  expect(w.outlook.reads.length).toBeLessThan(12);
  expect(await w.db.query('SELECT FROM bridge_room_state WHERE hinted_at IS NOT NULL')).toEqual([]);
});

test('a failed full scan of a room that is not followed any more is repeated, although a hint waited', async () => {
  await using w = await openLagging();
  await hint(w, 'gone');
  await drainRoom(w);
  await w.db.query(`UPDATE bridge_resource_mappings SET sync_direction = 'booking_to_outlook'`);
  await w.settle();
  await w.notify();
  await w.settle();
  await w.db.query('UPDATE bridge_room_state SET compare_at = now(), pull_due_at = now()');
  w.outlook.failList(new Retryable('Graph says 504', { reach: 'room' }));
  await drainRoom(w);
  expect(
    await w.db.query('SELECT hinted_at, hints_retry FROM bridge_room_state WHERE pull_due_at > now()'),
  ).toEqual([{ hinted_at: null, hints_retry: false }]);
});

test('a hint does not wait for the next read of an earlier one', async () => {
  await using w = await openLagging();
  await hint(w, 'gone');
  await drainRoom(w);
  await w.db.query(`UPDATE bridge_hints SET read_after = now() + interval '1 hour';
    UPDATE bridge_room_state SET hinted_at = now() + interval '1 hour'`);
  const event = w.outlook.put(room, dinner(), null);
  await hint(w, event.id);
  w.outlook.reads.length = 0;
  await drainRoom(w);
  expect((await w.reserved()).map(({ item }) => item.title)).toEqual([dinner().title]);
  expect(w.outlook.reads).not.toContain('gone');
  expect(
    await w.db.query(
      `SELECT FROM bridge_room_state WHERE hinted_at > now() + interval '30 minutes' AND hints_retry`,
    ),
  ).toHaveLength(1);
});

test('a pause of the room is kept, although its earlier hints wait longer', async () => {
  await using w = await openLagging();
  await hint(w, 'gone');
  await drainRoom(w);
  await w.db.query(`UPDATE bridge_room_state SET hinted_at = now() + interval '1 hour', hints_retry = false`);
  await hint(w, 'another');
  expect(
    await w.db.query(`SELECT FROM bridge_room_state WHERE hinted_at > now() + interval '30 minutes'`),
  ).toHaveLength(1);
});

test('an edit whose event still shows the version before is read again later', async () => {
  await using w = await openLagging();
  const { event } = await versioned(w);
  await hint(w, event.id, { etag: 'v2' });
  await drainRoom(w);
  expect(await hints(w)).toEqual([{ event: event.id, misses: 1, waits: true }]);
  w.outlook.edit(event.id, { title: 'Supper' });
  w.outlook.version(event.id, 'v2');
  await later(w);
  await drainRoom(w);
  expect((await w.reserved()).map(({ item }) => item.title)).toEqual(['Supper']);
  expect(await hints(w)).toEqual([]);
});

test('the version before the reported one is not read again if it was written after the notification', async () => {
  await using w = await openLagging();
  const { event } = await versioned(w);
  w.outlook.alter(event.id, { lastModifiedAt: new Date(Date.now() + 60_000).toISOString() });
  await hint(w, event.id, { etag: 'v0' });
  await drainRoom(w);
  expect([await hints(w), w.outlook.reads]).toEqual([[], [event.id]]);
});

test('a deletion whose event is still there is verified again later', async () => {
  await using w = await openLagging();
  const { event } = await versioned(w);
  await hint(w, event.id, { deleted: true });
  await drainRoom(w);
  expect((await w.reserved()).map(({ active }) => active)).toEqual([true]);
  expect(await hints(w)).toEqual([{ event: event.id, misses: 1, waits: true }]);
  w.outlook.remove(event.id);
  await later(w);
  await drainRoom(w);
  expect((await w.reserved()).map(({ active }) => active)).toEqual([false]);
  w.outlook.reads.length = 0;
  await later(w);
  await drainRoom(w);
  expect([await hints(w), w.outlook.reads]).toEqual([[], []]);
});
