import { describe, expect, test } from 'vitest';
import { monotonicMs } from '../../src/sandbox/tenant/clock.ts';
import { isWrite } from '../support/writes.ts';
import { day, openFleet, upnOf, type Child, type Fleet } from './fleet.ts';

const choir = { title: 'Kammerkoret', from: day(2, '18:00'), to: day(2, '20:00') };
const pushedBy = (daemon: Child) =>
  daemon.facts.filter((fact) => fact.fact === 'pushed' && fact.action === 'created').length;

describe('two daemons on one database', () => {
  test('share the rooms, keep to four requests per mailbox, and double nothing', async () => {
    await using fleet = await openFleet({ rooms: 24, latencyMs: 10 });
    const daemons = [await fleet.start(), await fleet.start()];
    await fleet.settled();
    await untilPeersKnown(fleet);
    await fleet.bookMany(360);
    await fleet.settled();
    await fleet.expectEqual();
    expect(fleet.tenant.violations).toEqual([]);
    expect(daemons.map(pushedBy).every((pushed) => pushed > 0)).toBe(true);
    expect(daemons.map(pushedBy).reduce((a, b) => a + b)).toBe(360);
    expect(creates(fleet)).toBe(360);
  });

  test('write what changes while it is being written, in order, whichever has the room', async () => {
    await using fleet = await openFleet({ rooms: 2, latencyMs: 5 });
    await Promise.all([fleet.start(), fleet.start()]);
    await fleet.settled();
    const booked = await fleet.desk.book([501, 502], choir);
    for (let n = 0; n < 60; n += 1) await fleet.desk.retitle(booked, `Utkast ${n}`);
    await fleet.settled();
    await fleet.expectEqual();
    const numbers = fleet.tenant.journal
      .filter(
        (entry) => isWrite(entry) && entry.method === 'PATCH' && entry.path.includes(mailboxPath(fleet, 501)),
      )
      .map((entry) => Number(/\d+$/.exec((entry.body as { subject: string }).subject)![0]));
    expect(numbers).toEqual(numbers.toSorted((a, b) => a - b));
    expect(fleet.tenant.violations).toEqual([]);
  });

  test('leave nothing behind when both are told to stop', async () => {
    await using fleet = await openFleet({ rooms: 8, latencyMs: 10 });
    const daemons = [await fleet.start(), await fleet.start()];
    await fleet.settled();
    await fleet.bookMany(240);
    await fleet.tenant.until(() => creates(fleet) > 40);
    for (const daemon of daemons) daemon.signal('SIGTERM');
    expect(await Promise.all(daemons.map((daemon) => daemon.ended))).toEqual([0, 0]);
    const [left] = await fleet.db.query(`
      SELECT (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'
                AND database = (SELECT oid FROM pg_database WHERE datname = current_database())) AS locks,
             (SELECT count(*) FROM bridge_room_state WHERE lease_owner IS NOT NULL) AS leases,
             (SELECT count(*) FROM bridge_replicas) AS replicas,
             (SELECT count(*) FROM bridge_mappings WHERE outlook_event_id IS NOT NULL) AS known`);
    expect(left).toEqual({ locks: 0, leases: 0, replicas: 0, known: creates(fleet) });
    await fleet.start();
    await fleet.settled();
    await fleet.expectEqual();
    expect(creates(fleet)).toBe(240);
  });
});

test('a frozen daemon loses its rooms to the other one, sends nothing old when it wakes up, and works again', async () => {
  await using fleet = await openFleet({ rooms: 1 });
  const sleeper = await fleet.start();
  await fleet.settled();
  const booked = await fleet.desk.book(501, choir);
  await fleet.settled();
  const fault = fleet.tenant.faults.add({ match: { method: 'PATCH' }, action: { do: 'hang' } });
  await fleet.desk.retitle(booked, 'Gammelt navn');
  await fleet.tenant.until((entry) => isWrite(entry) && entry.method === 'PATCH' && entry.lost);
  sleeper.signal('SIGSTOP');
  fleet.tenant.faults.remove(fault);
  await fleet.desk.retitle(booked, 'Nytt navn');

  const awake = await fleet.start();
  await awake.until((fact) => fact.fact === 'pushed');
  await fleet.settled();
  await fleet.expectEqual();

  const wokenAt = monotonicMs();
  sleeper.signal('SIGCONT');
  await sleeper.until((fact) => fact.fact === 'lease-lost', wokenAt);
  // all is done, so what writes now writes something old
  await fleet.until(
    `SELECT count(*) AS answer FROM bridge_replicas WHERE beat_at > clock_timestamp() - interval '2 seconds'`,
    (beating) => beating === 2,
  );
  await fleet.settled();
  expect(writesSince(fleet, wokenAt)).toEqual([]);
  await fleet.expectEqual();

  awake.signal('SIGTERM');
  await awake.ended;
  await fleet.desk.retitle(booked, 'Enda et navn');
  await sleeper.until((fact) => fact.fact === 'pushed', wokenAt);
  await fleet.settled();
  await fleet.expectEqual();
});

test('a room that is switched off in the middle of its backlog gets nothing more; switched on, it is completed without a double', async () => {
  await using fleet = await openFleet({ rooms: 2, latencyMs: 40 });
  await fleet.start();
  await fleet.settled();
  for (let n = 0; n < 40; n += 1)
    await fleet.desk.book(501, { title: `Møte ${n}`, from: day(n + 1, '10:00'), to: day(n + 1, '11:00') });
  await fleet.tenant.until(() => creates(fleet) > 8);
  await fleet.db.query('UPDATE bridge_resource_mappings SET active = 0 WHERE resource_id = 501');
  // given back: whatever was under way has been cut off
  await fleet.until(
    `SELECT count(*) AS answer FROM pg_locks WHERE locktype = 'advisory' AND classid = 7230911
       AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
    (held) => held === 0,
  );
  const heardAt = monotonicMs();
  await fleet.desk.book(502, choir);
  await fleet.settled();
  // Graph finishes a batch whose sender has gone away
  const later = fleet.tenant.journal.filter((entry) => entry.at > heardAt && entry.batch === null);
  expect(later.map((entry) => entry.mailbox)).toEqual([mailboxOf(fleet, 502)]);
  expect(fleet.events(501).length).toBeLessThan(40);

  await fleet.db.query('UPDATE bridge_resource_mappings SET active = 1 WHERE resource_id = 501');
  await fleet.settled();
  await fleet.expectEqual();
  expect(fleet.events(501).length).toBe(40);
});

const creates = (fleet: Fleet) =>
  fleet.tenant.journal.filter((entry) => entry.method === 'POST' && entry.status === 201).length;

const writesSince = (fleet: Fleet, at: number) =>
  fleet.tenant.journal.filter((entry) => isWrite(entry) && entry.mailbox !== null && entry.at >= at);

const mailboxOf = (fleet: Fleet, resource: number) =>
  fleet.tenant.journal.find((entry) => decodeURIComponent(entry.path).includes(upnOf(resource)))!.mailbox;

const mailboxPath = (fleet: Fleet, resource: number) => `/users/${mailboxOf(fleet, resource)}`;

/** A daemon alone takes more rooms at a time than one that knows of others. */
async function untilPeersKnown(fleet: Fleet): Promise<void> {
  const beats = 'SELECT count(*) AS answer FROM bridge_replicas WHERE beat_at > started_at';
  await fleet.until(beats, (beating) => beating === 2);
}
