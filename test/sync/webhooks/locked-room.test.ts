/** Notifications while a person's transaction has locked the row of one of the rooms. */
import pg from 'pg';
import { expect, onTestFinished, test } from 'vitest';
import { openPool } from '../../../src/database.ts';
import { createNotifications } from '../../../src/sync/webhooks/notifications.ts';
import { markHinted } from '../../../src/sync/webhooks/subscription-store.ts';
import { notificationFor, openSubscribed } from './subscribed.ts';

/** Rooms 101, which is locked until `unlock`, and 102. */
async function openLocked() {
  const world = await openSubscribed([101, 102]);
  onTestFinished(() => world[Symbol.asyncDispose]());
  await world.keep();
  await world.pulled();
  const pool = openPool({ url: world.db.url, ssl: false }, 'receiver', 2, 60_000, 100);
  onTestFinished(() => pool.end());
  const person = new pg.Client(world.db.url);
  await person.connect();
  onTestFinished(() => person.end());
  await person.query('BEGIN');
  // as a trigger does, for example to pause the room
  await person.query(`UPDATE bridge_room_state s SET updated_at = now() FROM bridge_resource_mappings r
    WHERE r.id = s.resource_mapping_id AND r.resource_id = 101`);
  const { receive } = createNotifications({
    db: pool,
    tell: () => undefined,
    waitMs: 60_000,
    readEveryMs: 5,
  });
  return { world, receive, person, unlock: () => person.query('COMMIT') };
}

test('the other rooms are marked meanwhile, and the hint of the locked one is stored, and told when it is free', async () => {
  const { world, receive, unlock } = await openLocked();
  const [locked, free] = [await notificationFor(world, 101), await notificationFor(world, 102)];
  // one POST with both, and one for each
  const all = await Promise.all([receive([locked, free]), receive([locked]), receive([free])]);
  expect(all.map(({ accepted }) => accepted)).toEqual([2, 1, 1]);
  expect(await world.due()).toEqual([102]);
  expect(await world.db.query('SELECT event_id AS event FROM bridge_hints')).toHaveLength(2);

  await markHinted(world.db.pool);
  expect(await world.due()).toEqual([102]);
  await unlock();
  await markHinted(world.db.pool);
  expect(await world.due()).toEqual([101, 102]);
});

test('what names no event of the locked room is refused, so that Graph repeats it, and the rest is stored', async () => {
  const { world, receive, unlock } = await openLocked();
  const missed = { lifecycleEvent: 'missed', changeType: undefined, resourceData: undefined };
  const locked = await notificationFor(world, 101, missed);
  const refused = receive([locked]);
  const accepted = receive([await notificationFor(world, 102, missed)]);
  await expect(refused).rejects.toThrow('another transaction has locked');
  expect(await accepted).toMatchObject({ accepted: 1 });
  expect(await world.due()).toEqual([102]);
  await unlock();
  await receive([locked]);
  expect(await world.due()).toEqual([101, 102]);
});

test('a hint of a mapping that is being deleted does not wait for it', async () => {
  const { world, receive, person } = await openLocked();
  await person.query('ROLLBACK; BEGIN');
  await person.query('DELETE FROM bridge_resource_mappings WHERE resource_id = 101');
  const [locked, free] = [await notificationFor(world, 101), await notificationFor(world, 102)];
  const refused = receive([locked]);
  await receive([free]);
  await expect(refused).rejects.toThrow('another transaction has locked');
  expect(await world.due()).toEqual([102]);
});

test('a mark is not set for hints that are gone', async () => {
  const { world, unlock } = await openLocked();
  await unlock();
  await markHinted(world.db.pool);
  expect(await world.due()).toEqual([]);
});

test('a hint of a mapping whose row alone is locked does not delay the other rooms', async () => {
  const { world, receive, person, unlock } = await openLocked();
  await person.query('ROLLBACK; BEGIN');
  await person.query('SELECT FROM bridge_resource_mappings WHERE resource_id = 101 FOR UPDATE');
  const [locked, free] = [await notificationFor(world, 101), await notificationFor(world, 102)];
  const [both, one] = await Promise.allSettled([receive([locked, free]), receive([free])]);
  expect(both).toMatchObject({
    reason: { message: expect.stringContaining('another transaction has locked') },
  });
  expect(one).toMatchObject({ value: { accepted: 1 } });
  expect(await world.due()).toEqual([102]);
  await unlock();
  await receive([locked]);
  expect(await world.due()).toEqual([101, 102]);
});
