/** Alerts as an operator meets them: the whole service, its real troubles, and a chat that is told. */
import { expect, test } from 'vitest';
import { openReceiver } from '../ops/receiver.ts';
import { openProxy } from '../support/proxy.ts';
import { startService } from '../support/service.ts';
import { untilTrue } from '../support/until.ts';
import { openWorld } from './world.ts';

async function openWatched() {
  const opened = new AsyncDisposableStack();
  // so many mailboxes that trouble with all of them is an outage and not sick rooms
  const world = opened.use(await openWorld({ mapped: [101, 102, 103, 104] }));
  const receiver = opened.use(await openReceiver());
  const proxy = opened.use(await openProxy(world.db.url));
  const start = async () => {
    const config = {
      ...world.config,
      alertWebhookUrl: receiver.url,
      database: { ...world.config.database, url: proxy.through(world.db.url) },
      http: { ...world.config.http, port: 0 },
    };
    const service = opened.use(await startService(config));
    await service.heard();
    return { end: service.end, get: async (path: string) => (await service.call('GET', path)).body };
  };
  return {
    ...world,
    receiver,
    proxy,
    start,
    told: (line: string) => receiver.until(() => receiver.lines().includes(line)),
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}

test('Graph goes away and comes back: one alert, listed and posted, and its end', async () => {
  await using world = await openWatched();
  const service = await world.start();
  await world.settled();
  world.tenant.faults.add({ action: { do: 'refuse', as: 'serviceUnavailable' } });
  for (const room of [101, 102, 103, 104])
    await world.desk.book(room, { from: world.day(1, '10:00'), to: world.day(1, '11:00') });
  await world.told('opened outlook-outage');
  expect(await service.get('/alerts')).toMatchObject({
    success: true,
    count: 1,
    alerts: [{ type: 'outlook-outage', severity: 'critical', created_at: expect.any(String) }],
  });
  world.tenant.faults.clear();
  await world.told('closed outlook-outage');
  expect(world.receiver.lines()).toEqual(['opened outlook-outage', 'closed outlook-outage']);
});

test('a secret that Microsoft refuses is told as what it is', async () => {
  await using world = await openWatched();
  await world.start();
  await world.settled();
  world.tenant.faults.token({ refuse: 'invalid_client' });
  world.tenant.revokeTokens();
  await world.desk.book(101, { from: world.day(1, '10:00'), to: world.day(1, '11:00') });
  await world.told('opened credential-refused');
  expect(world.receiver.taken[0]!.text).toMatch(/GRAPH_CLIENT_SECRET/);
});

test('the database goes away: told at once, and written down when it is back', async () => {
  await using world = await openWatched();
  const service = await world.start();
  await world.settled();
  world.proxy.refuseNew = true;
  world.proxy.reset();
  await world.told('opened booking-outage');
  expect(world.receiver.taken[0]!.alert.id).toBeNull();
  expect(await world.db.query('SELECT type FROM bridge_alerts')).toEqual([]);
  world.proxy.refuseNew = false;
  await world.told('closed booking-outage');
  expect(await service.get('/alerts?status=all')).toMatchObject({
    alerts: [{ type: 'booking-outage', status: 'closed' }],
  });
});

test('the brake holds: its alert names mailbox and resource', async () => {
  await using world = await openWatched();
  const service = await world.start();
  for (let day = 1; day <= 12; day += 1)
    await world.desk.book(101, { from: world.day(day, '10:00'), to: world.day(day, '11:00') });
  await world.settled();
  await world.db.query('TRUNCATE bb_event CASCADE');
  await world.told('opened brake 101');
  expect(await service.get('/alerts')).toMatchObject({
    alerts: [
      {
        type: 'brake',
        resource_id: 101,
        room: 'Formannskapssalen',
        mailbox: 'formannskapssalen@bergen.example',
        message: expect.stringMatching(/resource 101.*formannskapssalen@bergen\.example/),
      },
    ],
  });
});

test('schedules and their last runs survive a restart', async () => {
  await using world = await openWatched();
  const first = await world.start();
  await untilTrue(
    world.db,
    `EXISTS (SELECT FROM bridge_schedules WHERE name = 'alerts' AND last_result = 'ok')`,
  );
  const before = (await first.get('/schedules'))['schedules'] as {
    name: string;
    last_run_at: string | null;
  }[];
  expect(before.map(({ name }) => name)).toEqual(
    expect.arrayContaining(['alerts', 'log-retention', 'report', 'sweep']),
  );
  await first.end();
  const second = await world.start();
  const after = (await second.get('/schedules'))['schedules'] as typeof before;
  expect(after.find(({ name }) => name === 'alerts')!.last_run_at).not.toBeNull();
});
