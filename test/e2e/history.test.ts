import { expect, test } from 'vitest';
import { isWrite } from '../support/writes.ts';
import { createRandom } from '../support/random.ts';
import { day, openFleet, type Fleet } from './fleet.ts';

/**
 * A clerk who does anything at any moment, while answers of Graph are lost. Afterwards Outlook shows what the booking
 * system says, and comes to rest. Another history: `SEED=7 STEPS=1000 npm test -- test/e2e/history.test.ts`.
 */
const given = process.env['SEED'];
const seeds = given === undefined ? [1, 20_261_121] : [Number(given)];
const steps = Number(process.env['STEPS'] ?? 300);

test.each(seeds)(
  'whatever the clerk does while answers are lost, Outlook ends up showing it, each thing once (seed %i)',
  async (seed) => {
    await using fleet = await openFleet({ rooms: 4, latencyMs: 3, env: { BRAKE_MAX: '0' } });
    const daemon = await fleet.start();
    await fleet.settled();
    for (const method of ['POST', 'PATCH', 'DELETE'])
      fleet.tenant.faults.add({ match: { method }, probability: 0.2, action: { do: 'dropAnswer' } });
    await live(fleet, seed, steps);
    fleet.tenant.faults.clear();
    await fleet.settled();
    await fleet.expectEqual();
    expect(daemon.facts.filter((fact) => fact.fact === 'bug' || fact.fact === 'item-parked')).toEqual([]);
    expect(await statuses(fleet)).toEqual([]);

    const before = fleet.tenant.journal.at(-1)!.seq;
    await fleet.db.query('UPDATE bridge_room_state SET reconciled_at = NULL, push_due_at = now()');
    await fleet.db.query("SELECT pg_notify('bridge_changes', '')");
    await fleet.settled();
    expect(fleet.tenant.journal.filter((entry) => entry.seq > before && isWrite(entry))).toEqual([]);
  },
  60_000 + steps * 400,
);

/** Takes `steps` random steps of a clerk: books, moves, renames, cancels, gives other rooms, erases, changes her mind. */
async function live(fleet: Fleet, seed: number, steps: number): Promise<void> {
  const random = createRandom(seed);
  const pick = <T>(of: readonly T[]): T => of[Math.floor(random() * of.length)]!;
  const { desk, resources } = fleet;
  type Booked = Awaited<ReturnType<typeof desk.book>>;
  const booked: Booked[] = [];
  // few days and hours, so that much lies on top of each other
  const times = () => {
    const hour = 8 + Math.floor(random() * 8);
    const on = 2 + Math.floor(random() * 6);
    const text = (at: number) => day(on, `${String(at).padStart(2, '0')}:00`);
    return { from: text(hour), to: text(hour + 1 + Math.floor(random() * 3)) };
  };
  const somewhere = () =>
    resources
      .filter(() => random() < 0.4)
      .concat(pick(resources))
      .filter(isFirst);
  const book = async (n: number) => {
    const wish = { ...times(), title: `Møte ${n}`, of: 1 + Math.floor(random() * 2) };
    const kind = pick([desk.book, desk.book, desk.bookGroup, desk.allocate]);
    booked.push(await kind(somewhere(), wish));
  };
  const rename = async (n: number) => {
    const events = booked.filter(({ type }) => type === 'event');
    if (events.length > 0) await desk.retitle(pick(events), `Nytt navn ${n}`);
  };
  const deeds: readonly ((n: number) => Promise<void>)[] = [
    book,
    book,
    book,
    rename,
    rename,
    () => desk.cancel(pick(booked)),
    () => desk.cancel(pick(booked)),
    () => desk.reenable(pick(booked)),
    () => desk.reenable(pick(booked)),
    () => desk.moveTo(pick(booked), somewhere()),
    async () => {
      const { from, to } = times();
      await desk.move(pick(booked), from, to);
    },
    async () => {
      const gone = pick(booked);
      booked.splice(booked.indexOf(gone), 1);
      await desk.erase(gone);
    },
    () => changeMind(fleet, pick(booked)),
    // lets the daemon look now and then
    () => fleet.until('SELECT count(*) AS answer FROM bridge_changes', (changes) => changes === 0),
  ];
  for (let n = 0; n < steps; n += 1) await (booked.length < 5 ? book : pick(deeds))(n);
}

const isFirst = <T>(one: T, at: number, of: readonly T[]) => of.indexOf(one) === at;

/** Cancels and thinks better of it, in one transaction. */
async function changeMind(fleet: Fleet, { type, id }: { type: string; id: number }): Promise<void> {
  const client = await fleet.db.pool.connect();
  await client.query('BEGIN');
  await client.query(`UPDATE bb_${type} SET active = 0 WHERE id = $1`, [id]);
  await client.query('ROLLBACK');
  client.release();
}

/** Mappings whose status does not say what the booking system and Outlook show. */
const statuses = (fleet: Fleet) =>
  fleet.db.query(`
    SELECT m.reservation_type, m.reservation_id, m.resource_id, m.sync_status, i.active FROM bridge_mappings m
    LEFT JOIN bridge_items i USING (reservation_type, reservation_id, resource_id)
    WHERE NOT CASE WHEN i.active THEN m.sync_status IN ('synced', 'shadowed') ELSE m.sync_status = 'cancelled' END
      OR m.sync_status = 'synced' AND m.outlook_event_id IS NULL`);
