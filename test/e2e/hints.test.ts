/** A notification names its event, which is read at once, however late delta is. Delta lags by half a minute here. */
import { describe, expect, test } from 'vitest';
import { at } from '../support/dates.ts';
import { openCalled } from './called.ts';
import { rooms } from './world.ts';

const upn = rooms[101]!.upn;

async function openLagging(env: Readonly<Record<string, string>> = {}) {
  const world = await openCalled({ POLL_INTERVAL_SECONDS: '900', ...env });
  await world.start();
  await world.until(() => world.subscriptions().length === 2);
  await world.settled();
  // each room is asked for changes once at the start
  await world.until(async () => (await pulled(world)) >= 2);
  await world.settled();
  world.tenant.faults.set({ deltaLagMs: 30_000 });
  return world;
}
type World = Awaited<ReturnType<typeof openLagging>>;

const pulled = async (world: Pick<World, 'db'>) =>
  (await world.db.query('SELECT FROM bridge_room_state WHERE pulled_at > baselined_at')).length;

/** What Graph was asked from now on; the round that makes sure is left out. */
function calls(world: World) {
  const from = world.tenant.journal.at(-1)!.seq;
  return () =>
    world.tenant.journal
      .filter(({ seq }) => seq > from)
      .map(
        ({ method, path }) =>
          `${method} ${path.replace(/^.*\/(users\/[^/]+\/)/, '').replace(/events\/[^/?]+/, 'events/…')}`,
      )
      .filter((call) => !call.includes('delta'));
}

const reserved = async (world: World) =>
  (
    await world.db.query<{ name: string; active: number; at: Date }>(
      `SELECT e.name, e.active, e.from_ AT TIME ZONE 'Europe/Oslo' AS at FROM bb_event e ORDER BY e.id`,
    )
  ).map(({ name, active, at: starts }) => `${name} ${active} ${starts.toISOString().slice(0, 16)}`);

const row = (name: string, active: number, starts: string) => `${name} ${active} ${starts.slice(0, 16)}`;
const choir = { subject: 'Kor', start: at(5, '16:00'), end: at(5, '18:00') };

describe('an event of the room', () => {
  test('is imported with one call', async () => {
    await using world = await openLagging();
    const asked = calls(world);
    world.tenant.people.book(upn, choir);
    await world.until(async () => (await reserved(world)).length === 1);
    expect(asked()).toEqual([expect.stringMatching(/^GET events\/…/)]);
    expect(await reserved(world)).toEqual([row('Kor', 1, choir.start)]);
  });

  test('is followed with one call when it is moved', async () => {
    await using world = await openLagging();
    const event = world.tenant.people.book(upn, choir);
    await world.until(async () => (await reserved(world)).length === 1);
    await world.settled();
    const asked = calls(world);
    world.tenant.people.move(upn, event.id, { start: at(6, '10:00'), end: at(6, '12:00') });
    await world.until(async () => (await reserved(world))[0] === row('Kor', 1, at(6, '10:00')));
    expect(asked()).toEqual([expect.stringMatching(/^GET events\/…/)]);
  });

  test('is verified before its reservation is cancelled', async () => {
    await using world = await openLagging();
    const event = world.tenant.people.book(upn, choir);
    await world.until(async () => (await reserved(world)).length === 1);
    await world.settled();
    const asked = calls(world);
    world.tenant.people.remove(upn, event.id);
    await world.until(async () => (await reserved(world))[0] === row('Kor', 0, choir.start));
    expect(asked()[0]).toMatch(/^GET events\/…/);
    expect(asked().some((call) => call.includes('calendarView'))).toBe(true);
  });

  test('is no news when the daemon wrote it: its notification names the version that was written', async () => {
    await using world = await openLagging();
    const asked = calls(world);
    await world.desk.book(101, {
      title: 'Styremøte',
      from: world.day(4, '18:00'),
      to: world.day(4, '20:00'),
    });
    await world.until(() => world.facts.some(({ fact }) => fact === 'notified'));
    await world.until(async () => (await world.db.query('SELECT FROM bridge_hints')).length === 0);
    await world.settled();
    expect(asked().map((call) => call.split(' ')[0])).toEqual(['POST']);
  });
});

test('an invitation that the room answers right after it came is imported, though delta lags', async () => {
  await using world = await openLagging();
  const kari = 'kari@bergen.example';
  world.tenant.addPerson({ upn: kari, name: 'Kari Nordmann' });
  world.tenant.people.invite(kari, [upn], choir);
  await world.until(async () => (await reserved(world)).length === 1);
});

describe('a series', () => {
  const rehearsal = () => ({
    subject: 'Øving',
    start: at(2, '17:00'),
    end: at(2, '19:00'),
    pattern: { type: 'daily', interval: 1 },
    range: { type: 'numbered', numberOfOccurrences: 4 },
  });

  test('whose hint cannot be read is not taken for an event', async () => {
    await using world = await openLagging();
    world.tenant.faults.set({ deltaLagMs: 0 });
    world.tenant.faults.add({
      match: { method: 'GET', path: '/events/' },
      times: 1,
      action: { do: 'refuse', status: 500, code: 'UnknownError' },
    });
    world.tenant.people.bookSeries(upn, rehearsal());
    await world.until(async () => (await reserved(world)).length >= 4);
    await world.settled();
    expect((await reserved(world)).length).toBe(4);
    expect(
      await world.db.query(`SELECT error_message FROM bridge_mappings WHERE sync_status <> 'synced'`),
    ).toEqual([]);
  });

  test('is read once, by its instances', async () => {
    await using world = await openLagging();
    const asked = calls(world);
    world.tenant.people.bookSeries(upn, rehearsal());
    await world.until(async () => (await reserved(world)).length === 4);
    expect(asked().filter((call) => call.includes('/instances'))).toHaveLength(1);
    expect(asked().length).toBeLessThanOrEqual(3);
  });

  test('whose recurrence is removed loses its other dates, and its first one stays', async () => {
    await using world = await openLagging();
    const { id } = world.tenant.people.bookSeries(upn, rehearsal());
    await world.until(async () => (await reserved(world)).length === 4);
    await world.settled();
    world.tenant.people.edit(upn, id, { recurrence: null });
    const active = async () => (await reserved(world)).filter((one) => one.startsWith('Øving 1'));
    await world.until(async () => (await active()).length === 1);
    await world.settled();
    expect(await active()).toEqual([row('Øving', 1, at(2, '17:00'))]);
    expect((await reserved(world)).length).toBe(4);
  });

  test.each(['as a whole', 'in one date'])('that is renamed %s costs three calls at most', async (how) => {
    await using world = await openLagging();
    const { id } = world.tenant.people.bookSeries(upn, rehearsal());
    await world.until(async () => (await reserved(world)).length === 4);
    await world.settled();
    const asked = calls(world);
    if (how === 'as a whole') world.tenant.people.retitle(upn, id, 'Konsert');
    else world.tenant.people.editOccurrence(upn, id, at(3, '17:00').slice(0, 10), { subject: 'Konsert' });
    const named = async () => (await reserved(world)).filter((one) => one.startsWith('Konsert')).length;
    await world.until(async () => (await named()) === (how === 'as a whole' ? 4 : 1));
    expect(asked().length).toBeLessThanOrEqual(3);
  });
});

test('an event that is told of before it can be read is read again at once', async () => {
  await using world = await openLagging();
  world.tenant.faults.add({
    match: { method: 'GET', path: '/events/' },
    times: 2,
    action: { do: 'refuse', as: 'itemNotFound' },
  });
  const asked = calls(world);
  world.tenant.people.book(upn, choir);
  await world.until(async () => (await reserved(world)).length === 1);
  expect(asked()).toHaveLength(3);
});

test.each(['internalError', 'serviceUnavailable'] as const)(
  'a hinted event that can never be read (%s) stops neither the others nor the bookings',
  async (as) => {
    await using world = await openLagging();
    const asked = calls(world);
    const odd = world.tenant.people.book(upn, choir);
    world.tenant.faults.add({
      match: { method: 'GET', path: odd.id.replaceAll(/[^A-Za-z0-9]/g, '.{1,3}') },
      action: { do: 'refuse', as },
    });
    // ids may differ in case alone, which the fault does not see
    for (const day of [6, 7, 8])
      world.tenant.people.book(upn, { subject: 'Sjakk', start: at(day, '10:00'), end: at(day, '11:00') });
    await world.desk.book(101, {
      title: 'Styremøte',
      from: world.day(4, '18:00'),
      to: world.day(4, '20:00'),
    });
    await world.until(async () => (await reserved(world)).some((one) => one.startsWith('Sjakk')));
    await world.until(() => world.titles(101).includes('Styremøte'));
    expect(asked().length).toBeLessThan(30);
  },
);

test('many hints of one room become a delta round', async () => {
  await using world = await openLagging();
  world.tenant.faults.set({ deltaLagMs: 0 });
  const asked = calls(world);
  for (let n = 0; n < 40; n += 1)
    world.tenant.people.book(upn, {
      subject: `Kor ${n}`,
      start: at(5 + n, '10:00'),
      end: at(5 + n, '11:00'),
    });
  await world.until(async () => (await reserved(world)).length === 40);
  expect(asked().length).toBeLessThanOrEqual(48);
});

describe('many events at once', () => {
  const many = 24;
  const bookMany = (world: World) =>
    Array.from({ length: many }, (_, n) =>
      world.tenant.people.book(upn, {
        subject: `Kor ${n}`,
        start: at(5 + n, '10:00'),
        end: at(5 + n, '11:00'),
      }),
    );

  test('are all imported by their ids while delta lags', async () => {
    await using world = await openLagging();
    const asked = calls(world);
    bookMany(world);
    await world.until(async () => (await reserved(world)).length === many);
    expect(asked().length).toBeLessThanOrEqual(many);
    expect(await world.db.query('SELECT FROM bridge_hints')).toEqual([]);
  });

  test('are all cancelled when they are deleted while delta lags', async () => {
    await using world = await openLagging({ BRAKE_MAX: '0' });
    const events = bookMany(world);
    await world.until(async () => (await reserved(world)).length === many);
    await world.settled();
    for (const { id } of events) world.tenant.people.remove(upn, id);
    await world.until(async () => (await reserved(world)).every((one) => / 0 /.test(one)));
  });
});

test('a hint that a killed daemon left behind is read by the next', async () => {
  await using world = await openLagging();
  const event = world.tenant.people.book(upn, choir);
  await world.until(async () => (await reserved(world)).length === 1);
  await world.settled();
  world.tenant.webhooks.vanish();
  world.tenant.people.move(upn, event.id, { start: at(8, '10:00'), end: at(8, '12:00') });
  await world.db.query(
    `INSERT INTO bridge_hints (resource_mapping_id, event_id) SELECT id, $1 FROM bridge_resource_mappings WHERE resource_id = 101`,
    [(await world.db.query<{ id: string }>('SELECT outlook_event_id AS id FROM bridge_mappings'))[0]!.id],
  );
  await world.db.query('UPDATE bridge_room_state SET hinted_at = now()');
  await world.until(async () => (await reserved(world))[0] === row('Kor', 1, at(8, '10:00')));
});
