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

/** The statement of each room that calls this function waits until the lock of the returned session is free. */
async function holdUp(fleet: Fleet, name: string, signature: string) {
  const names = signature.split(',').map((one) => one.trim().split(' ')[0]);
  const holder = await fleet.db.pool.connect();
  await holder.query('SELECT pg_advisory_lock(1)');
  const [{ result }] = (await fleet.db.query<{ result: string }>(
    `SELECT pg_get_function_result(oid) AS result FROM pg_proc WHERE proname = '${name}' AND pg_get_function_arguments(oid) = '${signature}'`,
  )) as [{ result: string }];
  await fleet.db.query(`
    ALTER FUNCTION ${name}(${signature}) RENAME TO ${name}_once_free;
    CREATE FUNCTION ${name}(${signature}) RETURNS ${result} LANGUAGE plpgsql SET lock_timeout = 0 AS $$
    BEGIN
      PERFORM pg_advisory_xact_lock_shared(1);
      RETURN ${name}_once_free(${names.join(', ')});
    END $$`);
  return holder;
}

/** The number of statements that it holds up. */
const heldUp = `SELECT count(*) AS answer FROM pg_locks WHERE locktype = 'advisory' AND objid = 1 AND classid = 0 AND NOT granted
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`;

test('a daemon whose statements occupy its connections is not taken for frozen', async () => {
  await using fleet = await openFleet({ rooms: 9 });
  await fleet.start();
  await fleet.settled();
  const holder = await holdUp(
    fleet,
    'bridge_baselined',
    'room_id integer, epoch bigint, adoptions jsonb, noticed timestamp with time zone, known jsonb, born jsonb, links text[], from_at timestamp with time zone, to_at timestamp with time zone, poll_ms double precision, requested timestamp with time zone',
  );
  await fleet.db.query(
    'UPDATE bridge_room_state SET baselined_at = NULL, push_due_at = now(); SELECT bridge_wake()',
  );
  await fleet.until(heldUp, (statements) => statements === 8);
  const [now] = await fleet.db.query<{ at: string }>('SELECT clock_timestamp()::text AS at');
  const beats = `SELECT count(*) AS answer FROM bridge_replicas WHERE beat_at > '${now!.at}'`;
  await fleet.until(beats, (beating) => beating === 1);
  holder.release(true);
  await fleet.settled();
});

test('comparisons of large rooms do not hold up a booking in another room', async () => {
  await using fleet = await openFleet({ rooms: 10 });
  await fleet.start();
  await fleet.settled();
  const holder = await holdUp(
    fleet,
    'bridge_reconcile',
    'room_id integer, epoch bigint, past_days integer, future_days integer',
  );
  await fleet.db
    .query(`UPDATE bridge_room_state s SET reconciled_at = NULL, push_due_at = now() FROM bridge_resource_mappings r
    WHERE r.id = s.resource_mapping_id AND r.resource_id <> 510; SELECT bridge_wake()`);
  await fleet.until(
    'SELECT count(*) AS answer FROM bridge_room_state WHERE lease_owner IS NOT NULL',
    (rooms) => rooms === 9,
  );
  await fleet.until(heldUp, (statements) => statements === 5);
  await fleet.desk.book(510, choir);
  await fleet.until(
    `SELECT count(*) AS answer FROM bridge_mappings WHERE resource_id = 510 AND sync_status = 'synced'`,
    (synced) => synced === 1,
  );
  holder.release(true);
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
