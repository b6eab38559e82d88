import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { Socket } from 'node:net';
import fc from 'fast-check';
import pg from 'pg';
import { assert, describe, expect, test, vi } from 'vitest';
import { openListener, restMs, type ListenerState } from '../../src/booking/listener.ts';
import { startTestServer } from '../support/server.ts';
import { openTestDatabase } from '../support/database.ts';
import { openProxy, otherProcessId, refusingPooler } from '../support/proxy.ts';
import { startStandby } from '../support/standby.ts';
import { createSignal, until, untilTrue } from '../support/until.ts';

const heartbeatMs = 200;

/** A listener, and the means to wait for what happens to it. */
function openEar(url: string, { name = 'ear', beat = heartbeatMs } = {}) {
  const told: ListenerState[] = [];
  let rings = 0;
  let onWake = () => undefined as void;
  const signal = createSignal(() => `it told ${JSON.stringify(told.slice(-5))}`);
  const listener = openListener({
    config: { url, ssl: false },
    name,
    heartbeatMs: beat,
    onWake: () => {
      rings += 1;
      onWake();
      signal.changed();
    },
    onState: (state) => {
      told.push(state);
      signal.changed();
    },
  });
  return {
    listener,
    told,
    until: signal.until,
    heard: () => signal.until(() => listener.state.heard),
    deaf: () => signal.until(() => told.length > 0 && !listener.state.heard),
    rings: () => rings,
    whenRung: (then: () => void) => {
      onWake = then;
    },
    /** Resolves when a notification sent by `notify` is heard. */
    hears: async (notify: () => Promise<unknown>) => {
      const before = listener.notifications;
      await notify();
      await signal.until(() => listener.notifications > before);
    },
    [Symbol.asyncDispose]: () => listener[Symbol.asyncDispose](),
  };
}

/** A listener behind a proxy, heard, and a way to notify that passes by the proxy. */
async function openWorld({ beat = heartbeatMs } = {}) {
  await using opened = new AsyncDisposableStack();
  const db = opened.use(await openTestDatabase({ schema: 'empty' }));
  const proxy = opened.use(await openProxy(db.url));
  const ear = opened.use(openEar(proxy.through(db.url), { beat }));
  const owned = opened.move();
  return {
    db,
    proxy,
    ear,
    notify: () => db.query('NOTIFY bridge_changes'),
    sessions: async () =>
      (
        await db.query<{ role: string }>(
          "SELECT substr(application_name, 5) AS role FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'ear %' ORDER BY 1",
        )
      ).map(({ role }) => role),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

describe.concurrent('the traps of pg-listen', () => {
  test('an outage longer than its patience of three seconds does not make it deaf for ever', async () => {
    await using world = await openWorld();
    await world.ear.heard();
    world.proxy.refuseNew = true;
    const before = world.proxy.accepted;
    world.proxy.reset();
    // two sessions a try, and a try at most every two heartbeats: more than four seconds
    await world.proxy.until(({ accepted }) => accepted >= before + 24);
    assert.isFalse(world.ear.listener.state.heard);
    world.proxy.refuseNew = false;
    await world.ear.heard();
    await world.ear.hears(world.notify);
  });

  for (const [which, sent] of [
    ['half-open connections are', ''],
    ['a half-open connection that only listens is', 'LISTEN'],
  ] as const)
    test(`${which} found out and replaced, and nothing of it is left`, async () => {
      await using world = await openWorld();
      await world.ear.heard();
      world.proxy.blackhole(sent);
      await world.ear.deaf();
      assert.match(world.ear.listener.state.reason ?? '', /no notification arrives|timeout/);
      await world.ear.heard();
      await world.ear.hears(world.notify);
      await world.proxy.until(({ open }) => open === 2);
    });

  test('a server that accepts connections and says nothing does not hold it up', async () => {
    await using world = await openWorld();
    await world.ear.heard();
    world.proxy.silentNew = true;
    const before = world.proxy.accepted;
    world.proxy.reset();
    await world.proxy.until(({ accepted }) => accepted >= before + 6);
    world.proxy.silentNew = false;
    await world.ear.heard();
    await world.ear.hears(world.notify);
  });

  test('connected to a standby it says that it is deaf, and it hears once that is promoted', async () => {
    await using primary = await startTestServer();
    await using standby = await startStandby(primary);
    await using proxy = await openProxy(primary.url);
    await using ear = openEar(proxy.through(primary.url));
    await ear.heard();
    proxy.swingTo(standby.url);
    proxy.reset();
    await ear.deaf();
    await ear.until(() => /during recovery/.test(ear.listener.state.reason ?? ''));
    await standby.promote();
    await ear.heard();
    const other = new pg.Client({ connectionString: standby.url });
    await other.connect();
    await ear.hears(() => other.query('NOTIFY bridge_changes'));
    await other.end();
  }, 60_000);

  test('connections that break just when they are about to listen are tried again', async () => {
    await using world = await openWorld();
    await world.ear.heard();
    let broken = 0;
    world.proxy.fromClient = (chunk) => {
      if (!chunk.includes('LISTEN') || (broken += 1) > 3) return chunk;
      throw new Error('reset');
    };
    world.proxy.reset();
    await world.ear.deaf();
    await world.ear.heard();
    assert.isAbove(broken, 3);
    await world.ear.hears(world.notify);
  });

  test('closed while it connects it leaves no session listening', async () => {
    await using world = await openWorld();
    await world.ear.heard();
    world.proxy.pause();
    const before = world.proxy.accepted;
    world.proxy.reset();
    await world.proxy.until(({ accepted }) => accepted >= before + 2);
    await world.ear.listener[Symbol.asyncDispose]();
    const { accepted } = world.proxy;
    world.proxy.resume();
    await world.proxy.until(({ open }) => open === 0);
    await until(world.sessions, ({ length }) => length === 0);
    assert.equal(world.proxy.accepted, accepted);
  });

  test('closed during an outage it lets the process end', async ({ onTestFinished }) => {
    const child = spawn(process.execPath, ['--input-type=module', '-e', closesDuringOutage], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    onTestFinished(() => void child.kill('SIGKILL'));
    const [code] = (await once(child, 'exit')) as [number];
    assert.equal(code, 0);
  });

  test('a first connection that fails is followed by one listener, not two', async () => {
    await using db = await openTestDatabase({ schema: 'empty' });
    await using proxy = await openProxy(db.url);
    proxy.refuseNew = true;
    await using ear = openEar(proxy.through(db.url));
    await ear.deaf();
    await proxy.until(({ accepted }) => accepted >= 6);
    proxy.refuseNew = false;
    await ear.heard();
    await untilTrue(
      db,
      `(SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'ear listener') = 1`,
    );
    await ear.hears(() => db.query('NOTIFY bridge_changes'));
  });

  test('after each outage it subscribes again, and no subscription is asked of a dead connection', async () => {
    // a heartbeat that no busy machine misses: each loss of hearing is one of these outages
    await using world = await openWorld({ beat: 5_000 });
    for (let outage = 0; outage < 3; outage += 1) {
      await world.ear.heard();
      await world.ear.hears(world.notify);
      world.proxy.reset();
      await world.ear.deaf();
    }
    await world.ear.heard();
    assert.deepEqual(
      world.ear.told.map(({ heard }) => heard),
      [true, false, true, false, true, false, true],
    );
  });

  test('payloads of other programs are not read', async () => {
    // a heartbeat that no busy machine misses: what is asserted is that hearing is never lost
    await using world = await openWorld({ beat: 5_000 });
    await world.ear.heard();
    await world.ear.hears(() => world.db.query(`NOTIFY bridge_changes, '{"not json'`));
    await world.ear.hears(() => world.db.query(`SELECT pg_notify('bridge_changes', repeat('x', 7999))`));
    await world.db.query(`NOTIFY bridge_heartbeat, 'somebody else'`);
    await world.ear.hears(world.notify);
    assert.equal(world.ear.told.length, 1);
  });

  test('after each connection it rings once it listens, so that nothing is missed in between', async () => {
    // a heartbeat that no busy machine misses: what is committed meanwhile would not be notified again
    await using world = await openWorld({ beat: 5_000 });
    await world.ear.heard();
    world.proxy.reset();
    await world.ear.deaf();
    const { rings, listener } = world.ear;
    const before = rings();
    const rungBeforeHeard = Promise.withResolvers<void>();
    world.ear.whenRung(() => {
      world.ear.whenRung(() => undefined);
      rungBeforeHeard.resolve();
    });
    await rungBeforeHeard.promise;
    assert.isAbove(rings(), before);
    assert.isFalse(listener.state.heard);
    // what commits after that ring is heard
    const notified = listener.notifications;
    await world.notify();
    await world.ear.until(() => listener.notifications > notified);
  });

  test('daemons that lost the same server do not come back in step', () => {
    const attempt = fc.nat({ max: 10_000 });
    const random = fc.double({ min: 0, max: 1, noNaN: true });
    const heartbeat = fc.integer({ min: 200, max: 60_000 });
    fc.assert(
      fc.property(attempt, heartbeat, random, random, (n, ms, r1, r2) => {
        assert.isBelow(restMs(0, ms, r1), 1_000);
        assert.isAtMost(restMs(n, ms, r1), Math.min(5_000, 2 * ms));
        fc.pre(Math.abs(r1 - r2) > 0.02);
        assert.isAbove(Math.abs(restMs(n, ms, r1) - restMs(n, ms, r2)), 1);
      }),
    );
  });
});

test('keep-alive begins after ten seconds, not after the two hours of the operating system', async () => {
  const setKeepAlive = vi.spyOn(Socket.prototype, 'setKeepAlive');
  await using world = await openWorld();
  await world.ear.heard();
  expect(setKeepAlive).toHaveBeenCalledWith(true, 10_000);
  setKeepAlive.mockRestore();
});

describe.concurrent('the listener', () => {
  test('is two sessions, that are gone when it is closed', async () => {
    await using world = await openWorld();
    await world.ear.heard();
    assert.deepEqual(await world.sessions(), ['heartbeat', 'listener']);
    await world.ear.listener[Symbol.asyncDispose]();
    await until(world.sessions, ({ length }) => length === 0);
  });

  test('survives its server being restarted and each of its sessions being ended', async () => {
    await using world = await openWorld();
    for (const role of ['listener', 'heartbeat']) {
      await world.ear.heard();
      await world.db.query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'ear ' || $1",
        [role],
      );
      await world.ear.deaf();
    }
    await world.ear.heard();
    await world.ear.hears(world.notify);
  });

  test('behind a pooler of transactions, where LISTEN succeeds and is lost, it says so', async () => {
    await using db = await openTestDatabase({ schema: 'empty' });
    await using proxy = await openProxy(db.url);
    proxy.fromServer = otherProcessId;
    await using ear = openEar(proxy.through(db.url));
    await ear.deaf();
    assert.match(ear.listener.state.reason ?? '', /reached through a connection pooler/);
  });
  test('a pooler that refuses our settings is called by its name', async () => {
    await using pooler = await refusingPooler('postgresql://nobody@127.0.0.1/none');
    await using ear = openEar(pooler.url);
    await ear.deaf();
    assert.match(ear.listener.state.reason ?? '', /reached through a connection pooler/);
  });
});

const closesDuringOutage = `
  import { openListener } from '${new URL('../../src/booking/listener.ts', import.meta.url).href}';
  const listener = openListener({
    config: { url: 'postgresql://nobody@127.0.0.1:1/none', ssl: false }, name: 'ear', heartbeatMs: 100,
    onWake: () => {},
    onState: () => void listener[Symbol.asyncDispose](),
  });
`;
