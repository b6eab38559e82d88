/** The foreground drains with real daemons behind them. */
import { expect, test } from 'vitest';
import type { Config } from '../../src/config.ts';
import type { Daemon } from '../../src/daemon/core.ts';
import { createCalls, type BeginCall } from '../../src/sync/manual/call.ts';
import { createCancellations } from '../../src/sync/manual/cancellations.ts';
import { createManual } from '../../src/sync/manual/manual.ts';
import { openWorld } from '../e2e/world.ts';

const all = { limit: 50, resourceId: null };
const patient = new AbortController().signal;

const manualOf = (daemon: Daemon, { window }: Config) =>
  createManual({ ...daemon, window, begin: createCalls({ ...daemon, window }) });

test('with AUTO_SYNC=off a booking waits until an endpoint asks for it', async () => {
  await using world = await openWorld({ env: { AUTO_SYNC: 'off' } });
  const { daemon } = await world.start();
  const manual = manualOf(daemon, world.config);
  await manual.populate(null, patient);
  const event = await world.desk.book(101, {
    title: 'Høring',
    from: world.day(1, '10:00'),
    to: world.day(1, '11:00'),
  });
  for (let n = 0; n < 3; n += 1) {
    await world.desk.retitle(event, `Høring ${n}`);
    expect(await manual.syncPending(all, patient)).toMatchObject([
      { action: n === 0 ? 'created' : 'updated' },
    ]);
    expect(world.titles(101)).toEqual([`Høring ${n}`]);
  }
  const other = await world.desk.book(102, {
    title: 'Annet',
    from: world.day(1, '10:00'),
    to: world.day(1, '11:00'),
  });
  expect(await manual.syncItem('event', event.id, 101, patient)).toMatchObject({
    outcome: { action: 'unchanged' },
  });
  expect(world.titles(102)).toEqual([]);
  expect(await manual.syncItem('event', other.id, 102, patient)).toMatchObject({
    outcome: { action: 'created' },
  });
});

test('whichever daemon holds the room does it, and the call counts it', async () => {
  await using world = await openWorld();
  const first = await world.start();
  const second = await world.start();
  await world.settled();
  const callers = [first, second].map(({ daemon }) => manualOf(daemon, world.config));
  for (let day = 1; day <= 6; day += 1) {
    const event = await world.desk.book(101, {
      title: `Møte ${day}`,
      from: world.day(day, '10:00'),
      to: world.day(day, '11:00'),
    });
    const answers = await Promise.all(
      callers.map((caller) => caller.syncItem('event', event.id, 101, patient)),
    );
    for (const answer of answers) expect(answer).toMatchObject({ outcome: { eventId: expect.any(String) } });
  }
  expect(world.titles(101).length).toBe(6);
});

test('a cancellation that a daemon was faster with is counted by the call that asked for it', async () => {
  await using world = await openWorld();
  const { daemon } = await world.start();
  const { window } = world.config;
  const event = await world.desk.book(101, {
    title: 'Avlyst',
    from: world.day(1, '10:00'),
    to: world.day(1, '11:00'),
  });
  await world.settled();
  const begin: BeginCall = async (signal) => {
    const call = await createCalls({ ...daemon, window })(signal);
    const foldAll = async () => {
      await call.foldAll();
      await world.settled();
    };
    return { ...call, foldAll };
  };
  const { cancel } = createCancellations({ db: daemon.db, begin, window });
  expect(await cancel([{ type: 'event', id: event.id, resourceId: 101 }], patient)).toMatchObject([
    { was: 'active', outcomes: [{ action: 'deleted' }] },
  ]);
  expect(world.titles(101)).toEqual([]);
});
