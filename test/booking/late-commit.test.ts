import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';
import { assert, test } from 'vitest';
import { createAdaptiveNotify, type AdaptiveNotify } from '../../src/booking/adaptive-notify.ts';
import { openListener } from '../../src/booking/listener.ts';
import { connectionSettings } from '../../src/connection.ts';
import { Wake } from '../../src/ops/wake.ts';
import { takeRooms } from '../../src/sync/store/work-list.ts';
import { createRandom } from '../support/random.ts';
import { openTestDatabase, type TestDatabase } from '../support/database.ts';
import { until } from '../support/until.ts';

/** Nothing but NOTIFY, the lock of polling and the drain: without a net, whatever they lose stays lost. */
const withoutNet = { backstopMs: Number.POSITIVE_INFINITY, backstopAmongPeersMs: Number.POSITIVE_INFINITY };

async function take(session: pg.Client): Promise<number> {
  const taken = await takeRooms(session, {
    replica: '00000000-0000-4000-8000-000000000000',
    held: [],
    rooms: 0,
    items: 1,
    window: { pastDays: 7, futureDays: 365 },
    anyLane: true,
    askedOnly: false,
    changedFirst: false,
  });
  await taken.recorded;
  return taken.folded;
}

/** A booking system with `events` events, and sessions that end with it. */
async function openWorld(events: number) {
  await using opened = new AsyncDisposableStack();
  const db = opened.use(await openTestDatabase({ schema: 'bridge' }));
  const clients: pg.Client[] = [];
  opened.defer(async () => void (await Promise.allSettled(clients.map((client) => client.end()))));
  await db.query(
    `INSERT INTO bb_event (activity_id, name, from_, to_, building_name, contact_name, contact_email, contact_phone, secret)
     SELECT (SELECT min(id) FROM bb_activity), 'before', now(), now() + interval '1 hour', '', '', '', '', '' FROM generate_series(1, $1)`,
    [events],
  );
  const ids = (await db.query<{ id: number }>('SELECT id FROM bb_event ORDER BY id')).map(({ id }) => id);
  await db.query('DELETE FROM bridge_changes');
  const owned = opened.move();
  return {
    db,
    ids,
    open: async () => {
      // as the daemon's own, which do without the server's compiling (jit): a take asks for seconds of it
      const client = new pg.Client(connectionSettings(db.config, 'late commits'));
      await client.connect();
      clients.push(client);
      return client;
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Changes the name of an event, which fires the trigger: one outbox row. */
const change = (client: pg.ClientBase, id: number) =>
  client.query('UPDATE bb_event SET name = clock_timestamp()::text WHERE id = $1', [id]);

const waiting = async (db: TestDatabase) =>
  (await db.query<{ n: number }>('SELECT count(*) AS n FROM bridge_changes'))[0]!.n;

test('late commits, rollbacks and savepoints: every committed change is taken, and no other', async ({
  onTestFinished,
}) => {
  await using world = await openWorld(200);
  const stop = new AbortController();
  const wake = new Wake();
  const adaptive = createAdaptiveNotify({
    mode: 'adaptive',
    tuning: { ...withoutNet, burst: 4, burstMs: 100, quietMs: 40 },
  });
  await using listener = openListener({
    config: world.db.config,
    name: 'late commits',
    onWake: () => {
      adaptive.notified();
      wake.ring();
    },
    onState: () => undefined,
  });
  const session = await world.open();
  const seen = { folded: 0, polled: 0, drainedLong: 0 };
  const running = keepTaking(session, adaptive, wake, seen, stop.signal);
  onTestFinished(() => stop.abort());
  await until(() => listener.state.heard);

  const clients = await Promise.all(Array.from({ length: 8 }, () => world.open()));
  const random = createRandom(1);
  let committed = 0;
  for (let storm = 0; storm < 4; storm += 1) {
    const late = lateBooking(clients[0]!, world.ids, adaptive);
    const storms = clients.slice(1).map(async (client) => {
      let changes = 0;
      for (let i = 0; i < 15; i += 1) changes += await book(client, world.ids, random);
      return changes;
    });
    const changes = await Promise.all([late, ...storms]);
    committed += changes.reduce((sum, n) => sum + n, 0);
    // the next storm would pick up what this one left behind
    await until(
      () => waiting(world.db),
      (left) => left === 0,
    );
  }

  stop.abort();
  await running;
  assert.equal(seen.folded, committed);
  assert.isAtLeast(seen.polled, 4, 'it polled and was idle again several times');
  assert.isAtLeast(seen.drainedLong, 4, 'it had late commits to wait for');
}, 60_000);

/** Writes while the daemon polls, and commits when it has been idle for a while if that would not wait for us. */
async function lateBooking(
  client: pg.Client,
  ids: readonly number[],
  adaptive: AdaptiveNotify,
): Promise<number> {
  await until(() => adaptive.state === 'polling');
  await client.query('BEGIN');
  await change(client, ids[0]!);
  await until(() => adaptive.state !== 'polling');
  await pause(50);
  await client.query('COMMIT');
  return 1;
}

/** The daemon's loop, as far as waking goes. */
async function keepTaking(
  session: pg.Client,
  adaptive: AdaptiveNotify,
  wake: Wake,
  seen: { folded: number; polled: number; drainedLong: number },
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    const folded = await take(session);
    seen.folded += folded;
    const before = adaptive.state;
    await adaptive.afterTake(session, folded);
    if (before !== 'polling' && adaptive.state === 'polling') seen.polled += 1;
    if (before === 'draining' && adaptive.state === 'draining' && adaptive.waitMs > 0) seen.drainedLong += 1;
    if (folded === 0) await wake.waitOr(adaptive.waitMs, signal);
  }
}

/** One transaction of a booking system: some wait before they commit, some roll back, wholly or in part. Returns its changes. */
async function book(client: pg.Client, ids: readonly number[], random: () => number): Promise<number> {
  const anyId = () => ids[1 + Math.floor(random() * (ids.length - 1))]!;
  // two rows in one transaction are locked in one order, as a booking system that has no deadlocks does
  const [first, second] = [anyId(), anyId()].sort((a, b) => a - b) as [number, number];
  const kind = random();
  if (kind < 0.6) {
    await change(client, first);
    return 1;
  }
  await client.query('BEGIN');
  await change(client, first);
  let changes = 1;
  if (kind < 0.75) {
    await client.query('SAVEPOINT before_second');
    await change(client, second);
    if (random() < 0.5) await client.query('ROLLBACK TO SAVEPOINT before_second');
    else changes += 1;
  }
  if (random() < 0.5) await pause(random() * 200);
  const commits = random() < 0.7;
  await client.query(commits ? 'COMMIT' : 'ROLLBACK');
  return commits ? changes : 0;
}

/** A commit that comes after the last take of a daemon going idle, and how idle comes about: it is told in between. */
async function lateCommit(
  goIdle: (session: pg.Client, takeOnce: () => Promise<void>, commit: () => Promise<void>) => Promise<void>,
) {
  await using world = await openWorld(1);
  const [daemon, booking, ear] = [await world.open(), await world.open(), await world.open()];
  let notified = 0;
  ear.on('notification', () => (notified += 1));
  await ear.query('LISTEN bridge_changes');
  await daemon.query('SELECT pg_advisory_lock(7230912, 1)');
  await booking.query('BEGIN');
  await change(booking, world.ids[0]!);
  await goIdle(
    daemon,
    async () => void (await take(daemon)),
    async () => void (await booking.query('COMMIT')),
  );
  await ear.query('SELECT'); // what was notified before this answer has arrived
  return { notified, left: await waiting(world.db) };
}

test('the control fails: going idle at once strands a late commit', async () => {
  const { notified, left } = await lateCommit(async (daemon, takeOnce, commit) => {
    await takeOnce();
    await daemon.query('SELECT pg_advisory_unlock(7230912, 1)');
    await takeOnce();
    await commit();
  });
  assert.equal(notified, 0, 'nobody is told');
  assert.isAbove(left, 0);
});

test('going idle behind the barrier finds the same commit', async () => {
  const { left } = await lateCommit(async (daemon, takeOnce, commit) => {
    const adaptive = createAdaptiveNotify({ mode: 'adaptive', tuning: withoutNet });
    await daemon.query('SELECT pg_advisory_unlock(7230912, 1)');
    for (let takes = 0; takes < 10; takes += 1) {
      await takeOnce();
      await adaptive.afterTake(daemon, 0);
    }
    assert.equal(adaptive.state, 'draining');
    await commit();
    while ((adaptive.state as AdaptiveNotify['state']) !== 'notifying') {
      await takeOnce();
      await adaptive.afterTake(daemon, 0);
    }
  });
  assert.equal(left, 0);
});

test('the control fails: a reader that remembers the last sequence number loses what commits late', async () => {
  await using world = await openWorld(2);
  const [early, late] = [await world.open(), await world.open()];
  await world.db.query('ALTER TABLE bridge_changes ADD COLUMN seq bigserial');
  let cursor = 0;
  const readAfterCursor = async () => {
    const rows = await world.db.query<{ seq: number }>(
      'SELECT seq FROM bridge_changes WHERE seq > $1 ORDER BY seq',
      [cursor],
    );
    cursor = rows.at(-1)?.seq ?? cursor;
    return rows.length;
  };
  await late.query('BEGIN');
  await change(late, world.ids[0]!);
  await change(early, world.ids[1]!);
  const first = await readAfterCursor();
  await late.query('COMMIT');
  const second = await readAfterCursor();
  assert.isBelow(first + second, 2);
  // by state it is found
  assert.equal(await take(await world.open()), 2);
});
