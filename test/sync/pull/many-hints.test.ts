/** More hints of one room than are read at once. */
import { expect, test } from 'vitest';
import { Retryable } from '../../../src/errors.ts';
import { markRooms } from '../../../src/sync/webhooks/subscription-store.ts';
import { both, dinner, open, room, type Rooms } from '../two-way-world.ts';

const named = (eventIds: readonly string[], etag: string | null = null) =>
  eventIds.map((eventId) => ({ eventId, deleted: false, etag }));

const hint = (w: Rooms, events: ReturnType<typeof named>) =>
  markRooms(w.db.pool, [{ id: 1, gapMs: 0, events }]);

const gone = (n: number) => named(Array.from({ length: n }, (_, at) => `gone-${at}`));

const hinted = async (w: Rooms) =>
  (await w.db.query<{ event: string }>('SELECT event_id AS event FROM bridge_hints ORDER BY 1')).map(
    ({ event }) => event,
  );

/** The room as it is taken now. */
const takeHinted = async (w: Rooms) => (await w.take()).rooms.find(({ id }) => id === 1)!;

test('those that are left are read later, after the other rooms', async () => {
  await using w = await open(undefined, both);
  await hint(w, gone(40));
  await w.drainOne(await takeHinted(w));
  expect(await hinted(w)).toHaveLength(24);
  expect(new Set(w.outlook.reads).size).toBe(16);
  expect(await w.db.query('SELECT FROM bridge_room_state WHERE hinted_at > pulled_at')).toHaveLength(1);
});

test('a settlement of the room meanwhile does not read them earlier', async () => {
  await using w = await open();
  await hint(w, gone(40));
  await w.drainOne(await takeHinted(w));
  await w.db.query(`UPDATE bridge_room_state SET hinted_at = now() + interval '1 hour'`);
  w.outlook.reads.length = 0;
  await w.desk.book(101, { title: 'Choir', from: w.day(3, '18:00'), to: w.day(3, '20:00') });
  await w.settle();
  expect(w.outlook.titles(room)).toEqual(['Choir']);
  expect(w.outlook.reads.filter((id) => id.startsWith('gone'))).toEqual([]);
  expect(await hinted(w)).toHaveLength(24);
});

test('a mapped event is read before unknown ones', async () => {
  await using w = await open();
  const event = w.outlook.put(room, dinner(), null);
  await w.notify();
  await w.settle();
  await hint(w, named([event.id]));
  await hint(w, gone(40));
  w.outlook.edit(event.id, { title: 'Supper' });
  w.outlook.trouble(() => ({ answer: 'page', rows: [], removed: [], nextLink: null, deltaLink: '99' }));
  await w.drainOne(await takeHinted(w));
  expect((await w.reserved()).map(({ item }) => item.title)).toEqual(['Supper']);
});

test('a delta round answers those whose version it shows, and no others', async () => {
  await using w = await open();
  const shown = Array.from({ length: 9 }, () => w.outlook.put(room, dinner(), null));
  await hint(w, [
    ...named(
      shown.map(({ id }) => id),
      'v2',
    ),
    { eventId: 'removed', deleted: true, etag: null },
  ]);
  const read: string[] = [];
  w.outlook.trouble(() => ({
    answer: 'page',
    rows: shown.map((event, n) => ({
      id: event.id,
      type: event.type,
      seriesMasterId: null,
      event: { ...event, etag: n === 0 ? 'v1' : 'v2' },
    })),
    removed: ['removed'],
    nextLink: null,
    deltaLink: '9',
  }));
  w.outlook.meanwhileRead(async () => void read.push(...(await hinted(w))));
  await w.drainOne(await takeHinted(w));
  expect(read).toEqual([shown[0]!.id]);
  expect(await hinted(w)).toEqual([]);
});

test('all remain if the delta round fails', async () => {
  await using w = await open();
  await hint(w, gone(12));
  w.outlook.trouble(() => {
    throw new Error('the daemon was killed');
  });
  const taken = await takeHinted(w);
  await expect(w.drainOne(taken)).rejects.toThrow('killed');
  expect(await hinted(w)).toHaveLength(12);
});

test('they are read although delta rounds fail', async () => {
  await using w = await open();
  const events = Array.from({ length: 9 }, () => w.outlook.put(room, dinner(), null));
  await hint(w, named(events.map(({ id }) => id)));
  w.outlook.trouble(() => {
    throw new Retryable('Graph says 504', { reach: 'room' });
  });
  await w.drainOne(await takeHinted(w));
  expect(await hinted(w)).toHaveLength(9);
  await w.db.query(`UPDATE bridge_room_state SET hinted_at = now(), retry_at = NULL, pull_due_at = now()`);
  await w.drainOne(await takeHinted(w));
  expect(await hinted(w)).toEqual([]);
});
