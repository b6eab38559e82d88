/** A change is sent while the database still stores its fold and its lease (database/functions/41_lease_one.sql). */
import { describe, expect, test } from 'vitest';
import type { Environment } from '../../src/settings.ts';
import { monotonicMs } from '../../src/sandbox/tenant/clock.ts';
import { day, openFleet } from './fleet.ts';

const choir = { title: 'Kammerkoret', from: day(2, '18:00'), to: day(2, '20:00') };

type Change = 'a change' | 'a new booking';

/** A daemon that has sent such a change, and whose lease waits to be stored until `end`. */
async function openSent(change: Change, env: Environment = {}) {
  await using opened = new AsyncDisposableStack();
  const fleet = opened.use(await openFleet({ rooms: 1, env }));
  const daemon = await fleet.start();
  let booked = await fleet.desk.book(501, choir);
  await fleet.settled();
  await fleet.db.query(`
    CREATE TABLE lease_end (end_as text);
    CREATE FUNCTION wait_for_end() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
      context text;
    BEGIN
      GET DIAGNOSTICS context = PG_CONTEXT;
      WHILE context LIKE '%bridge_record_one%' AND NOT EXISTS (SELECT FROM lease_end) LOOP
        PERFORM pg_sleep(0.01);
      END LOOP;
      IF EXISTS (SELECT FROM lease_end WHERE end_as = 'failed') THEN
        RAISE EXCEPTION 'not stored' USING ERRCODE = 'disk_full';
      END IF;
      RETURN NEW;
    END $$;
    CREATE TRIGGER wait_for_end BEFORE UPDATE ON bridge_room_state FOR EACH ROW
      WHEN (OLD.lease_owner IS NULL AND NEW.lease_owner IS NOT NULL) EXECUTE FUNCTION wait_for_end()`);
  const isFolded = async () => (await fleet.db.query('SELECT FROM bridge_changes')).length === 0;
  let from = monotonicMs();
  let title = choir.title;
  // a change right after the last one is leased together with all other rooms, and stored first
  for (let n = 1; n <= 20; n += 1) {
    from = monotonicMs();
    title = `Domkoret ${n}`;
    if (change === 'a change') await fleet.desk.retitle(booked, title);
    else
      booked = await fleet.desk.book(501, {
        title,
        from: day(2 + n, '18:00'),
        to: day(2 + n, '20:00'),
      });
    await fleet.tenant.until(({ body }) => JSON.stringify(body).includes(title));
    if (!(await isFolded())) break;
    await fleet.settled();
  }
  const written = () => fleet.events(501).find(({ subject }) => subject === title)!;
  const before = written();
  const owned = opened.move();
  return {
    fleet,
    daemon,
    booked,
    isFolded,
    end: (as: 'stored' | 'failed') => fleet.db.query('INSERT INTO lease_end VALUES ($1)', [as]),
    /** No lease fails any more. */
    mend: () => fleet.db.query(`UPDATE lease_end SET end_as = 'stored'`),
    lost: () => daemon.until((fact) => fact.fact === 'lease-lost', from),
    told: () => daemon.facts.flatMap(({ fact, at }) => (at >= from ? [fact] : [])),
    isWrittenOnce: () => written().changeKey === before.changeKey,
    titles: () => fleet.events(501).map(({ subject }) => subject),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

describe.each<Change>(['a change', 'a new booking'])('%s', (change) => {
  test('the answer of Graph is stored after the lease, however late that is', async () => {
    await using sent = await openSent(change);
    expect(await sent.isFolded()).toBe(false);
    await sent.end('stored');
    await sent.fleet.settled();
    await sent.fleet.expectEqual();
    expect(sent.isWrittenOnce()).toBe(true);
    expect(sent.told()).toEqual(['pushed']);
  });

  test('a lease that cannot be stored ends the leases of its daemon, and the change is sent again', async () => {
    await using sent = await openSent(change);
    await sent.end('failed');
    await sent.lost();
    expect(await sent.isFolded()).toBe(false);
    await sent.mend();
    await sent.fleet.settled();
    await sent.fleet.expectEqual();
  });

  test('a daemon that dies before its lease is stored leaves the change to the next one', async () => {
    await using sent = await openSent(change);
    sent.daemon.signal('SIGKILL');
    await sent.daemon.ended;
    await sent.fleet.desk.retitle(sent.booked, 'Oslo Domkor');
    await sent.end('stored');
    await sent.fleet.start();
    await sent.fleet.settled();
    await sent.fleet.expectEqual();
    expect(sent.titles()).toContain('Oslo Domkor');
  });
});

test.each(['booking', 'outlook'])(
  'a change whose lease cannot be stored is no edit in Outlook, with CONFLICT_POLICY %s',
  async (policy) => {
    await using sent = await openSent('a change', { CONFLICT_POLICY: policy });
    // the title is as it was before the change
    await sent.fleet.db.query(
      `UPDATE bb_event e SET name = m.booking_base ->> 'title' FROM bridge_mappings m WHERE m.reservation_id = e.id`,
    );
    const [before] = await sent.fleet.db.query<{ name: string }>('SELECT name FROM bb_event');
    await sent.end('failed');
    await sent.lost();
    await sent.mend();
    await sent.fleet.settled();
    await sent.fleet.expectEqual();
    expect(sent.titles()).toEqual([before!.name]);
  },
);
