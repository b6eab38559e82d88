/** The daemon as an operator runs it, called by a simulated tenant over real HTTP. */
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { Config } from '../../src/config.ts';
import { openService } from '../../src/daemon.ts';
import type { Fact } from '../../src/facts.ts';
import { createLog } from '../../src/log.ts';
import { openWorld, rooms } from './world.ts';

/** A port that nobody has. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

async function openCalled(env: Readonly<Record<string, string>> = {}) {
  await using opened = new AsyncDisposableStack();
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const world = opened.use(
    await openWorld({ env: { PORT: String(port), WEBHOOK_BASE_URL: url, ...env }, mapped: [101, 102] }),
  );
  const facts: Fact[] = [];
  const services: (() => Promise<void>)[] = [];
  opened.defer(async () => {
    for (const end of services) await end();
  });
  const start = async (change: Partial<Config> = {}) => {
    const config = { ...world.config, ...change };
    const service = await openService({ config, log: createLog('silent'), prepare: async () => config.wake });
    service.watch((fact) => facts.push(fact));
    const stop = new AbortController();
    const working = service.run(stop.signal);
    let ended: Promise<void> | null = null;
    const end = () =>
      (ended ??= (async () => {
        stop.abort(new Error('the test is over'));
        await working;
        await service[Symbol.asyncDispose]();
      })());
    services.push(end);
    return { end };
  };
  const owned = opened.move();
  return {
    ...world,
    url,
    facts,
    start,
    /** Looks until it is so; bounded by the test's own time limit. */
    until: async (condition: () => boolean | Promise<boolean>) => {
      while (!(await condition())) await pause(20);
    },
    subscriptions: () => world.tenant.webhooks.subscriptions(),
    /** Somebody books the room in Outlook. */
    meet: (resource: number, subject: string) =>
      world.tenant.people.book(rooms[resource]!.upn, {
        subject,
        start: new Date(Date.now() + 86_400_000).toISOString(),
        end: new Date(Date.now() + 90_000_000).toISOString(),
      }),
    imported: async (title: string) =>
      (await world.db.query('SELECT 1 FROM bb_event WHERE name = $1 AND active = 1', [title])).length === 1,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

test('rooms are subscribed by themselves, and a meeting made in Outlook is in the booking system without a poll', async () => {
  await using world = await openCalled();
  await world.start();
  await world.until(() => world.subscriptions().length === 2);
  await world.settled();
  world.meet(101, 'Formannskapsmøte');
  await world.until(() => world.imported('Formannskapsmøte'));
  expect(world.facts.some(({ fact }) => fact === 'notified')).toBe(true);
});

test('what was made in Outlook while no daemon was there is imported at the next start, though nobody calls again', async () => {
  await using world = await openCalled({ POLL_INTERVAL_SECONDS: '900' });
  const first = await world.start();
  await world.until(() => world.subscriptions().length === 2);
  await world.settled();
  await first.end();
  world.tenant.webhooks.vanish();
  world.meet(102, 'Foreldremøte');
  await world.start();
  await world.until(() => world.imported('Foreldremøte'));
});

test('a room that is mapped while the daemon runs is subscribed, one that is switched off is not any more', async () => {
  await using world = await openCalled();
  await world.start();
  await world.until(() => world.subscriptions().length === 2);
  await world.map(103);
  await world.until(() => world.subscriptions().length === 3);
  await world.db.query('UPDATE bridge_resource_mappings SET active = 0 WHERE resource_id <> 103');
  await world.until(() => world.subscriptions().length === 1);
});

test('a daemon that was stopped in between takes its subscriptions up again and makes no others', async () => {
  await using world = await openCalled();
  const first = await world.start();
  await world.until(() => world.subscriptions().length === 2);
  await world.until(
    async () =>
      (await world.db.query('SELECT 1 FROM bridge_subscriptions WHERE subscription_id IS NULL')).length === 0,
  );
  const before = world.subscriptions().map(({ id }) => id);
  await first.end();
  world.meet(101, 'Mens ingen var hjemme');
  await world.start();
  await world.until(() => world.imported('Mens ingen var hjemme'));
  expect(world.subscriptions().map(({ id }) => id)).toEqual(before);
});

test('with every notification lost, polling brings the same, later', async () => {
  await using world = await openCalled({ POLL_INTERVAL_SECONDS: '1' });
  world.tenant.faults.set({ notifyLose: 1 });
  await world.start();
  await world.until(() => world.subscriptions().length === 2);
  world.meet(102, 'Uten varsel');
  await world.until(() => world.imported('Uten varsel'));
  expect(world.facts.some(({ fact }) => fact === 'notified')).toBe(false);
});

test('without WEBHOOK_BASE_URL what was subscribed before is ended', async () => {
  await using world = await openCalled();
  const first = await world.start();
  await world.until(() => world.subscriptions().length === 2);
  await first.end();
  await world.start({ webhookBaseUrl: null });
  await world.until(() => world.subscriptions().length === 0);
});
