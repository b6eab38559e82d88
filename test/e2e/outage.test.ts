import { describe, expect, test } from 'vitest';
import { monotonicMs } from '../../src/sandbox/tenant/clock.ts';
import { openProxy } from '../support/proxy.ts';
import { day, openFleet, upnOf, type Child, type Fleet } from './fleet.ts';
import { openOwnDatabase } from './own-database.ts';

const choir = { title: 'Kammerkoret', from: day(2, '18:00'), to: day(2, '20:00') };

const outagesOf = (daemon: Child, side: 'outlook' | 'booking') =>
  daemon.facts.flatMap((fact) =>
    (fact.fact === 'outage' || fact.fact === 'outage-over') && fact.side === side ? [fact.fact] : [],
  );
const problemsOf = (daemon: Child) =>
  daemon.facts.filter((fact) => fact.fact === 'bug' || fact.fact === 'item-parked');

describe('PostgreSQL', () => {
  test('that crashes and comes back in the middle of the work: everything is done, once', async () => {
    const database = await openOwnDatabase();
    await using fleet = await openFleet({ rooms: 6, latencyMs: 15, database });
    const daemon = await fleet.start();
    await fleet.settled();
    await fleet.bookMany(180);
    await fleet.tenant.until(() => creates(fleet) > 40);
    const crashedAt = monotonicMs();
    await database.server.restart();
    await daemon.until((fact) => fact.fact === 'listening' && fact.heard, crashedAt);
    await fleet.desk.book(503, choir);
    await fleet.settled();
    await fleet.expectEqual();
    expect(problemsOf(daemon)).toEqual([]);
  });

  test('that is away for longer than any library waits: it is heard again, and what happened is made up for', async () => {
    const database = await openOwnDatabase();
    await using fleet = await openFleet({ rooms: 2, database });
    const daemon = await fleet.start();
    await fleet.settled();
    const booked = await fleet.desk.book(501, choir);
    await fleet.settled();
    await database.server.halt();
    await daemon.until((fact) => fact.fact === 'outage' && fact.side === 'booking');
    await new Promise((resolve) => setTimeout(resolve, 5_000)); // the outage itself
    const backAt = monotonicMs();
    await database.server.restart();
    await fleet.desk.retitle(booked, 'Domkoret');
    await daemon.until((fact) => fact.fact === 'listening' && fact.heard, backAt);
    await fleet.settled();
    await fleet.expectEqual();
    expect(outagesOf(daemon, 'booking')).toEqual(['outage', 'outage-over']);
    expect(problemsOf(daemon)).toEqual([]);
  });

  test('whose connections are half-open: others are made, and nothing is lost', async () => {
    await using fleet = await openFleet({ rooms: 2 });
    await using proxy = await openProxy(fleet.db.url);
    const daemon = await fleet.start({ DATABASE_URL: proxy.through(fleet.db.url) });
    await fleet.settled();
    const cutAt = monotonicMs();
    proxy.blackhole();
    await fleet.desk.book([501, 502], choir);
    await daemon.until((fact) => fact.fact === 'listening' && fact.heard, cutAt);
    await fleet.settled();
    await fleet.desk.book(501, { ...choir, from: day(3, '18:00'), to: day(3, '20:00') });
    await fleet.settled();
    await fleet.expectEqual();
    expect(problemsOf(daemon)).toEqual([]);
  }, 60_000);

  test('that is away does not keep a daemon from stopping', async () => {
    const database = await openOwnDatabase();
    await using fleet = await openFleet({ rooms: 2, database });
    const daemon = await fleet.start();
    await fleet.settled();
    await database.server.halt();
    await daemon.until((fact) => fact.fact === 'outage');
    daemon.signal('SIGTERM');
    expect(await daemon.ended).toBe(0);
  });
});

test('a daemon that is told to stop twice does not wait for what hangs', async () => {
  await using fleet = await openFleet({ rooms: 1 });
  const daemon = await fleet.start();
  await fleet.settled();
  fleet.tenant.faults.add({ match: { method: 'POST' }, action: { do: 'hang' } });
  await fleet.desk.book(501, choir);
  await fleet.tenant.until((entry) => entry.method === 'POST' && entry.lost);
  daemon.signal('SIGTERM');
  await daemon.stopping;
  daemon.signal('SIGTERM');
  expect(await daemon.ended).toBe(2);
});

describe('Graph', () => {
  const outages = {
    'answers 503 to everything': (fleet: Fleet) => {
      fleet.tenant.faults.add({ action: { do: 'refuse', as: 'serviceUnavailable' } });
    },
    'breaks every connection': (fleet: Fleet) => {
      fleet.tenant.faults.add({ action: { do: 'drop' } });
    },
    'gives no tokens (503)': (fleet: Fleet) => {
      fleet.tenant.faults.token({ refuse: 'unavailable' });
      fleet.tenant.revokeTokens();
    },
    'gives no tokens for a while (429)': (fleet: Fleet) => {
      fleet.tenant.faults.token({ refuse: 'throttled', retryAfter: 1 });
      fleet.tenant.revokeTokens();
    },
  };

  test.each(Object.keys(outages) as (keyof typeof outages)[])(
    'that %s: one outage is told, nothing is given up, and all rooms catch up',
    async (which) => {
      await using fleet = await openFleet({ rooms: 10 });
      const daemon = await fleet.start();
      await fleet.settled();
      const begun = fleet.tenant.journal.at(-1)!.seq;
      outages[which](fleet);
      await fleet.bookMany(60);
      await daemon.until((fact) => fact.fact === 'outage');
      await fleet.tenant.until(
        () => fleet.tenant.journal.filter((entry) => entry.seq > begun).length > tries[which],
      );
      fleet.tenant.faults.clear();
      await daemon.until((fact) => fact.fact === 'outage-over');
      await fleet.settled();
      await fleet.expectEqual();
      expect(outagesOf(daemon, 'outlook')).toEqual(['outage', 'outage-over']);
      expect(problemsOf(daemon)).toEqual([]);
      expect(fleet.tenant.violations).toEqual([]);
    },
  );
  // enough to see it try again more than once
  const tries = {
    'answers 503 to everything': 12,
    'breaks every connection': 12,
    'gives no tokens (503)': 8,
    'gives no tokens for a while (429)': 8,
  };

  test('whose port is closed: one outage is told, and all rooms catch up when it opens', async () => {
    await using fleet = await openFleet({ rooms: 6 });
    await using proxy = await openProxy(fleet.tenant.authority);
    proxy.refuseNew = true;
    const daemon = await fleet.start({ GRAPH_AUTHORITY: proxy.through(fleet.tenant.authority) });
    await daemon.until((fact) => fact.fact === 'outage');
    await fleet.bookMany(30);
    const refused = proxy.accepted;
    await proxy.until(({ accepted }) => accepted > refused + 1);
    proxy.refuseNew = false;
    await daemon.until((fact) => fact.fact === 'outage-over');
    await fleet.settled();
    await fleet.expectEqual();
    expect(outagesOf(daemon, 'outlook')).toEqual(['outage', 'outage-over']);
    expect(problemsOf(daemon)).toEqual([]);
  });
});

describe('one room', () => {
  const troubles = {
    'that is throttled for a second at a time': {
      do: 'refuse',
      as: 'throttled',
      retryAfter: 1,
    },
    'whose Retry-After is a fraction': { do: 'refuse', as: 'tooManyRequests', retryAfter: '0.75' },
    'that we may not write to': { do: 'refuse', as: 'accessDenied' },
    'whose mailbox store is away': { do: 'refuse', as: 'mailboxStoreUnavailable' },
    'that never answers': { do: 'hang' },
  } as const;

  test.each(Object.keys(troubles) as (keyof typeof troubles)[])(
    '%s keeps no other from its events, and no rule is broken',
    async (which) => {
      await using fleet = await openFleet({ rooms: 8 });
      const daemon = await fleet.start();
      await fleet.settled();
      const sick = fleet.tenant.faults.add({ match: { mailbox: upnOf(501) }, action: troubles[which] });
      await fleet.bookMany(80);
      await fleet.until(
        `SELECT count(*) AS answer FROM bridge_mappings WHERE due_at IS NOT NULL AND resource_id <> 501`,
        (due) => due === 0,
      );
      await fleet.tenant.until(() => creates(fleet) === 70);
      expect(fleet.events(501)).toEqual([]);
      expect(outagesOf(daemon, 'outlook')).toEqual([]);
      expect(fleet.tenant.violations).toEqual([]);
      fleet.tenant.faults.remove(sick);
      if (which === 'that never answers' || which === 'that we may not write to') return;
      await fleet.settled();
      await fleet.expectEqual();
      expect(fleet.tenant.violations).toEqual([]);
    },
  );

  test('whose events meet other writes again and again gets every change all the same', async () => {
    await using fleet = await openFleet({ rooms: 2 });
    const daemon = await fleet.start();
    await fleet.settled();
    const booked = await fleet.desk.book([501, 502], choir);
    await fleet.settled();
    fleet.tenant.faults.add({
      match: { method: 'PATCH', mailbox: upnOf(501) },
      times: 5,
      action: { do: 'refuse', as: 'irresolvableConflict' },
    });
    await fleet.desk.retitle(booked, 'Domkoret');
    await fleet.settled();
    await fleet.expectEqual();
    expect(problemsOf(daemon)).toEqual([]);
  });
});

const creates = (fleet: Fleet) =>
  fleet.tenant.journal.filter((entry) => entry.method === 'POST' && entry.status === 201).length;
