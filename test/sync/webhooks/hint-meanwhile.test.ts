/** A hint that comes while its room is being drained. */
import { expect, test } from 'vitest';
import { markRooms } from '../../../src/sync/webhooks/subscription-store.ts';
import { open, shown } from '../two-way-world.ts';

test('the drain does not say that nothing is left to do, because such a hint woke no daemon', async () => {
  await using w = await open();
  const { event } = await shown(w);
  const hinted = (eventId: string, etag: string | null) =>
    markRooms(w.db.pool, [{ id: 1, gapMs: 0, events: [{ eventId, deleted: false, etag }] }]);
  // the echo of our own write, of which nothing is read
  await w.db.query(`UPDATE bridge_mappings SET outlook_etag = 'W/"1"', revision = revision + 1`);
  await hinted(event.id, 'W/"1"');
  const [room] = (await w.take()).rooms;
  expect(room).toMatchObject({ hints: [{ eventId: event.id }] });
  await hinted('another', null);

  expect(await w.drainOne(room!)).toMatchObject({ isQuiet: false });
  expect(w.outlook.reads).toEqual([]);
  expect(await w.db.query('SELECT event_id AS event FROM bridge_hints')).toEqual([{ event: 'another' }]);
});

test('the drain says that nothing is left to do after a poll that brought nothing', async () => {
  await using w = await open();
  await w.notify();
  const [room] = (await w.take()).rooms;
  expect(await w.drainOne(room!)).toMatchObject({ isQuiet: true });
});
