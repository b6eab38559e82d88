/** Notifications while a person's transaction has locked the row of one of the rooms. */
import pg from 'pg';
import { expect, onTestFinished, test } from 'vitest';
import { openPool } from '../../../src/database.ts';
import { createNotifications } from '../../../src/sync/webhooks/notifications.ts';
import { markHinted } from '../../../src/sync/webhooks/subscription-store.ts';
import { until } from '../../support/until.ts';
import { notificationFor, openSubscribed } from './subscribed.ts';

/** Rooms 101, which is locked until `unlock`, and 102. */
async function openLocked(lockMs = 100) {
  const world = await openSubscribed([101, 102]);
  onTestFinished(() => world[Symbol.asyncDispose]());
  await world.keep();
  await world.pulled();
  const pool = openPool({ url: world.db.url, ssl: false }, 'receiver', 2, 60_000, lockMs);
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

test('what names no event of the locked room requests a full scan of it when it is free', async () => {
  const { world, receive, unlock } = await openLocked();
  const missed = { lifecycleEvent: 'missed', changeType: undefined, resourceData: undefined };
  await receive([await notificationFor(world, 101, missed), await notificationFor(world, 102, missed)]);
  expect(await world.due()).toEqual([102]);
  await unlock();
  await markHinted(world.db.pool);
  expect(await world.due()).toEqual([101, 102]);
  expect(await world.db.query('SELECT FROM bridge_room_state WHERE compare_at <= now()')).toHaveLength(1);
});

test('a hint of a mapping that is being deleted does not wait for it, and goes with it', async () => {
  const { world, receive, person, unlock } = await openLocked();
  await person.query('ROLLBACK; BEGIN');
  await person.query('DELETE FROM bridge_resource_mappings WHERE resource_id = 101');
  await receive([await notificationFor(world, 101), await notificationFor(world, 102)]);
  expect(await world.due()).toEqual([102]);
  await unlock();
  await markHinted(world.db.pool);
  expect(await world.db.query('SELECT FROM bridge_hints')).toHaveLength(1);
});

test('the hints of a flood in a locked room are read after the same pause as others', async () => {
  const { world, receive, person, unlock } = await openLocked(30_000);
  await person.query('ROLLBACK');
  const one = await notificationFor(world, 101);
  const told = Array.from({ length: 30 }, (_, n) => ({ ...one, resourceData: { id: `event-${n}` } }));
  for (const each of told) await receive([each]);
  await world.pulled();
  await person.query('BEGIN; SELECT FROM bridge_room_state FOR UPDATE');
  const last = receive([one]);
  await until(
    () =>
      world.db.query(
        `SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%WITH due AS%' AND pid <> pg_backend_pid()`,
      ),
    ({ length }) => length > 0,
  );
  const [from] = await world.db.query<{ at: Date }>('SELECT clock_timestamp() AS at');
  await unlock();
  await last;
  expect(
    await world.db.query(
      `SELECT FROM bridge_room_state WHERE hinted_at > $1::timestamptz + interval '900 milliseconds'`,
      [from!.at],
    ),
  ).toHaveLength(1);
});

test('a mark is not set for hints that are gone', async () => {
  const { world, unlock } = await openLocked();
  await unlock();
  await markHinted(world.db.pool);
  expect(await world.due()).toEqual([]);
});

test('a hint of a mapping whose row alone is locked is stored like any other', async () => {
  const { world, receive, person } = await openLocked();
  await person.query('ROLLBACK; BEGIN');
  await person.query('SELECT FROM bridge_resource_mappings WHERE resource_id = 101 FOR UPDATE');
  await receive([await notificationFor(world, 101), await notificationFor(world, 102)]);
  expect(await world.due()).toEqual([101, 102]);
});
