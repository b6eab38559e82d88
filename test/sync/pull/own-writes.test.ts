/** Notifications of what the daemon wrote itself. */
import { expect, test } from 'vitest';
import { markRooms, mergedEvents } from '../../../src/sync/webhooks/subscription-store.ts';
import { dinner, open, room, type Rooms } from '../two-way-world.ts';

const hint = (w: Rooms, eventId: string, etag: string | null, deleted = false) =>
  markRooms(w.db.pool, [{ id: 1, gapMs: 0, events: [{ eventId, deleted, etag }] }]);

const hints = (w: Rooms) => w.db.query('SELECT etag FROM bridge_hints');

/** An event that was written twice, and a delta that shows nothing. */
async function openWritten() {
  const w = await open();
  const booked = await w.desk.book(101, {
    title: 'Choir',
    from: w.day(3, '18:00'),
    to: w.day(3, '20:00'),
  });
  await w.settle();
  const { id } = w.outlook.in(room)[0]!;
  for (const n of [1, 2]) {
    w.outlook.version(id, `v${n}`);
    await w.desk.retitle(booked, `Choir ${n}`);
    await w.settle();
  }
  w.outlook.trouble(() => ({ answer: 'page', rows: [], removed: [], nextLink: null, deltaLink: '0' }));
  w.outlook.reads.length = 0;
  return { w, id, titles: async () => (await w.reserved()).map(({ item }) => item.title) };
}

async function drainRoom(w: Rooms): Promise<void> {
  for (const room of (await w.take()).rooms) await w.drainOne(room);
}

test.each(['v1', 'v2', 'v1 v2', 'v2 v1'])('are answered without a read: %s', async (versions) => {
  const { w, id } = await openWritten();
  await using _ = w;
  for (const etag of versions.split(' ')) await hint(w, id, etag);
  await drainRoom(w);
  expect([await hints(w), w.outlook.reads]).toEqual([[], []]);
});

test.each([
  ['v3', 'v1'],
  ['v1', 'v3'],
  ['v3', 'v2'],
])('do not hide that of an edit: %s, then %s', async (...etags) => {
  const { w, id, titles } = await openWritten();
  await using _ = w;
  w.outlook.edit(id, { title: 'Quartet' });
  w.outlook.version(id, 'v3');
  for (const etag of etags) await hint(w, id, etag);
  await drainRoom(w);
  expect(await titles()).toEqual(['Quartet']);
  expect(await hints(w)).toEqual([]);
});

test('do not hide that of a deletion', async () => {
  const { w, id } = await openWritten();
  await using _ = w;
  w.outlook.remove(id);
  await hint(w, id, null, true);
  await hint(w, id, 'v2');
  await drainRoom(w);
  expect((await w.reserved()).map(({ active }) => active)).toEqual([false]);
});

test('do not delay others, however many they are, and need no delta round', async () => {
  await using w = await open();
  const booked = [];
  for (let n = 1; n <= 20; n += 1)
    booked.push(
      await w.desk.book(101, { title: `Choir ${n}`, from: w.day(n, '18:00'), to: w.day(n, '20:00') }),
    );
  await w.settle();
  const events = w.outlook.in(room);
  for (const { id } of events) w.outlook.version(id, 'v1');
  for (const one of booked) await w.desk.retitle(one, 'Orchestra');
  await w.settle();
  let rounds = 0;
  w.outlook.trouble(() => {
    rounds += 1;
    return { answer: 'page', rows: [], removed: [], nextLink: null, deltaLink: '0' };
  });
  w.outlook.reads.length = 0;
  const edited = w.outlook.put(room, dinner(), null);
  await hint(w, edited.id, 'v1');
  for (const { id } of events) await hint(w, id, 'v1');
  await drainRoom(w);
  expect(await hints(w)).toEqual([]);
  expect([rounds, [...new Set(w.outlook.reads)]]).toEqual([0, [edited.id]]);
});

test('are read if they are of more versions than are kept', async () => {
  const { w, id } = await openWritten();
  await using _ = w;
  for (let n = 0; n < 5; n += 1) await hint(w, id, `v${n}`.padEnd(500, '-'));
  expect(await hints(w)).toEqual([{ etag: null }]);
  await drainRoom(w);
  expect(w.outlook.reads).toEqual([id]);
});

test('in one POST keep their versions, and not those before a deletion', () => {
  const of = (etag: string | null, deleted = false) => ({ eventId: 'a', deleted, etag });
  expect([of('v1'), of('v2'), of('v1')].reduce(mergedEvents)).toEqual(of('v1 v2'));
  expect([of(null, true), of('v2')].reduce(mergedEvents)).toEqual(of(null));
  expect([of('v1'), of(null)].reduce(mergedEvents)).toEqual(of(null));
  expect([of('v'.repeat(1_500)), of('w'.repeat(1_500))].reduce(mergedEvents)).toEqual(of(null));
});
