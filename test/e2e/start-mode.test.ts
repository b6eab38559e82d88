/** The first evening: START_MODE=plan and shadow, as an operator meets them. The whole service, a real tenant's strictness. */
import { expect, test } from 'vitest';
import type { Environment } from '../../src/settings.ts';
import type { Fact } from '../../src/facts.ts';
import { cli } from '../cli/command-line.ts';
import { startService } from '../support/service.ts';
import { environmentOf } from '../support/settings.ts';
import { openWorld } from './world.ts';

async function open(env: Environment) {
  const opened = new AsyncDisposableStack();
  const world = opened.use(await openWorld({ mapped: [101, 102], env }));
  const start = async () => {
    const service = await startService(world.config);
    opened.use(service);
    await service.heard();
    return service;
  };
  return {
    ...world,
    start,
    book: (title: string, on: number) =>
      world.desk.book(101, { title, from: world.day(on, '10:00'), to: world.day(on, '12:00') }),
    /** What was asked of Graph that is no reading. */
    written: () =>
      world.tenant.journal.filter(
        ({ method, path }) => method !== 'GET' && /\/users\/|subscriptions|batch/.test(path),
      ),
    confirm: () => cli({ ...environmentOf(world.db, world.tenant), ...env }, 'plan', '--confirm'),
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}

const created = (fact: Fact) => fact.fact === 'pushed' && fact.action === 'created';

test('START_MODE=plan: it is ready, notices, plans and writes nothing until it is confirmed; a restart goes on', async () => {
  await using world = await open({ START_MODE: 'plan', WEBHOOK_BASE_URL: 'https://sync.bergen.example' });
  await world.book('Choir', 3);
  const first = await world.start();
  expect(await first.until((fact) => fact.fact === 'planned')).toMatchObject({
    rooms: 2,
    complete: true,
    counts: { create: 1 },
  });
  expect((await first.call('GET', '/ready')).status).toBe(200);
  expect((await first.call('GET', '/stats')).body['start']).toEqual({
    mode: 'plan',
    writes: false,
    confirmed_at: null,
    hold: null,
  });
  await world.book('Dance', 4);
  expect(await first.call('GET', '/plan?resource_id=101')).toMatchObject({
    status: 200,
    body: { counts: { create: 2 }, rooms: [{ items: [{ title: 'Choir' }, { title: 'Dance' }] }] },
  });
  for (const path of [
    '/sync/to-outlook',
    '/bridges/sync-deletions',
    '/polling/poll-changes',
    '/webhook/create-subscriptions',
  ])
    expect(await first.call('POST', path)).toMatchObject({
      status: 409,
      body: { success: false, hint: expect.stringContaining('POST /plan/confirm') },
    });
  expect(world.titles(101)).toEqual([]);
  expect(world.written()).toEqual([]);

  expect(await first.call('POST', '/plan/confirm')).toMatchObject({ status: 200, body: { already: false } });
  await first.until(created);
  await world.settled();
  expect(world.titles(101)).toEqual(['Choir', 'Dance']);
  expect(world.written()).not.toEqual([]);
  expect(await first.call('POST', '/plan/confirm')).toMatchObject({ body: { already: true } });
  await first.end();

  const second = await world.start();
  await world.book('Judo', 5);
  await second.until(created);
  expect(world.titles(101)).toEqual(['Choir', 'Dance', 'Judo']);
});

test('the command confirms for every daemon of the database', async () => {
  await using world = await open({ START_MODE: 'plan' });
  await world.book('Choir', 3);
  const [one, two] = [await world.start(), await world.start()];
  const said = await world.confirm();
  expect(said.out).toContain('Confirmed');
  expect(said.code).toBe(0);
  await one.until((fact) => fact.fact === 'plan-confirmed');
  await two.until((fact) => fact.fact === 'plan-confirmed');
  await world.settled();
  expect(world.titles(101)).toEqual(['Choir']);
});

test('START_MODE=shadow: it reports, and nothing is ever written, subscribed to or confirmed', async () => {
  await using world = await open({ START_MODE: 'shadow', WEBHOOK_BASE_URL: 'https://sync.bergen.example' });
  await world.book('Choir', 3);
  world.tenant.people.book('formannskapssalen@bergen.example', {
    subject: 'Dinner',
    start: `${world.day(6, '10:00').replace(' ', 'T')}:00Z`,
    end: `${world.day(6, '12:00').replace(' ', 'T')}:00Z`,
  });
  const service = await world.start();
  expect(await service.until((fact) => fact.fact === 'planned')).toMatchObject({
    counts: { create: 1, import: 1 },
  });
  expect(await service.call('POST', '/plan/confirm')).toMatchObject({ status: 409 });
  expect(await service.call('POST', '/sync/to-outlook')).toMatchObject({ status: 409 });
  expect(await world.confirm()).toMatchObject({
    code: 1,
    err: expect.stringContaining('START_MODE is shadow'),
  });
  expect(world.written()).toEqual([]);
  expect(world.titles(101)).toEqual(['Dinner']);
  expect(await world.db.query('SELECT FROM bb_event')).toHaveLength(1);
  expect(await world.db.query('SELECT FROM bridge_subscriptions')).toEqual([]);
});
