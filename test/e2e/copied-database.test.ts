/**
 * A copy of the booking database, and one that was set back, with the same Graph settings: the whole service on each, beside
 * the original, on one tenant.
 */
import { afterEach, expect, test } from 'vitest';
import type { Config } from '../../src/config.ts';
import { migrate } from '../../src/cli/migrate.ts';
import { openPool } from '../../src/database.ts';
import type { Fact } from '../../src/facts.ts';
import { createDesk } from '../../src/sandbox/desk.ts';
import { cli } from '../cli/command-line.ts';
import { onServer } from '../support/cluster.ts';
import { startService } from '../support/service.ts';
import { untilTrue } from '../support/until.ts';
import { environmentOf } from '../support/settings.ts';
import { openWorld, rooms } from './world.ts';

type World = Awaited<ReturnType<typeof openWorld>>;

const opened: AsyncDisposableStack[] = [];
afterEach(async () => {
  for (const stack of opened.splice(0).toReversed()) await stack.disposeAsync();
});

/** The whole service, migrated as `serve` does it, until it hears. */
async function serve(config: Config) {
  const service = await startService(
    config,
    async (signal) => (await migrate(config, () => undefined, signal)).wake,
  );
  opened.push(new AsyncDisposableStack());
  opened.at(-1)!.use(service);
  await service.heard();
  return service;
}

const nameOf = (url: string) => new URL(url).pathname.slice(1);
const withName = (url: string, name: string) => Object.assign(new URL(url), { pathname: `/${name}` }).href;

/** A copy of the database beside it, as dump and restore, or a template, make one. No session may be connected meanwhile. */
async function copy(world: World) {
  const name = `${nameOf(world.db.url)}_copy`;
  const stack = new AsyncDisposableStack();
  opened.push(stack);
  const admin = withName(world.db.url, 'postgres');
  await onServer(admin, async (client) => {
    await client.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1 AND pid <> pg_backend_pid()`,
      [nameOf(world.db.url)],
    );
    await client.query(`CREATE DATABASE ${name} TEMPLATE ${nameOf(world.db.url)}`);
  });
  stack.defer(() =>
    onServer(admin, async (client) => void (await client.query(`DROP DATABASE ${name} WITH (FORCE)`))),
  );
  const url = withName(world.db.url, name);
  const config: Config = { ...world.config, database: { url, ssl: false } };
  const pool = openPool(config.database, 'test copy', 4);
  stack.defer(() => pool.end());
  return {
    pool,
    config,
    desk: createDesk(pool),
    env: { ...environmentOf(world.db, world.tenant), DATABASE_URL: url },
  };
}

const created = (fact: Fact) => fact.fact === 'pushed' && fact.action === 'created';
const mailbox = rooms[101]!.upn;

/** Writes into mailboxes, other than tokens and subscriptions. */
const writes = (world: World) =>
  world.tenant.journal.filter(({ method, path }) => method !== 'GET' && path.includes('/users/'));

const openProduction = async () => {
  const stack = new AsyncDisposableStack();
  opened.push(stack);
  const world = stack.use(await openWorld({ mapped: [101] }));
  const book = (title: string, day: number) =>
    world.desk.book(101, { title, from: world.day(day, '10:00'), to: world.day(day, '12:00') });
  return { world, book };
};

test('a copy that is served with the same settings deletes and imports nothing until it is confirmed, and then takes no room of the original', async () => {
  const { world, book } = await openProduction();
  await book('Choir', 3);
  const first = await serve(world.config);
  await world.settled();
  await first.end();
  const other = await copy(world);
  const production = await serve(world.config);
  await production.until((fact) => fact.fact === 'started');
  const before = writes(world).length;

  const copied = await serve(other.config);
  expect(await copied.until((fact) => fact.fact === 'start-held')).toMatchObject({ reason: 'database' });
  await other.pool.query('UPDATE bb_event SET active = 0');
  world.tenant.people.book(mailbox, {
    subject: 'Dinner',
    start: `${world.day(6, '10:00').replace(' ', 'T')}:00Z`,
    end: `${world.day(6, '12:00').replace(' ', 'T')}:00Z`,
  });
  expect(await copied.until((fact) => fact.fact === 'planned')).toMatchObject({ rooms: 1 });
  expect((await copied.call('GET', '/stats')).body['start']).toMatchObject({
    mode: 'plan',
    writes: false,
    hold: { reason: 'database', hint: expect.stringContaining('plan --confirm') },
  });
  for (const path of ['/sync/to-outlook', '/polling/poll-changes', '/booking/process-imports'])
    expect(await copied.call('POST', path)).toMatchObject({
      status: 409,
      body: { error: expect.stringContaining('it is a copy, or it was moved') },
    });
  await copied.call('POST', '/alerts/check');
  expect((await copied.call('GET', '/alerts')).body['alerts']).toEqual([
    expect.objectContaining({ type: 'database-unconfirmed', severity: 'critical' }),
  ]);
  const doctor = await cli(other.env, 'doctor', '--json');
  expect(doctor.out).toMatch(/it is a copy, or it was moved/);
  expect(writes(world)).toHaveLength(before);
  expect(world.titles(101).toSorted()).toEqual(['Choir', 'Dinner']);
  expect((await other.pool.query('SELECT FROM bb_event')).rowCount).toBe(1);

  const ids = () => other.pool.query(`SELECT value FROM bridge_settings WHERE name = 'installation_id'`);
  const original = (await ids()).rows[0]!['value'];
  expect(await copied.call('POST', '/plan/confirm')).toMatchObject({ status: 200, body: { already: false } });
  await copied.until((fact) => fact.fact === 'room-held');
  expect((await ids()).rows[0]!['value']).not.toBe(original);
  // it is told before it is written down
  await copied.until((fact) => fact.fact === 'alert' && fact.event === 'opened' && fact.type === 'room-held');
  expect((await copied.call('GET', '/alerts')).body['alerts']).toEqual([
    expect.objectContaining({
      type: 'room-held',
      resource_id: 101,
      message: expect.stringContaining(String(original)),
    }),
  ]);
  expect(world.titles(101)).toContain('Choir');

  // the original's daemon has not noticed anything, and goes on
  await book('Dance', 4);
  await production.until(created);
  expect(world.titles(101)).toContain('Dance');

  expect(await copied.call('POST', '/rooms/101/claim')).toMatchObject({ status: 200 });
  await copied.until((fact) => fact.fact === 'room-baselined');
  expect(await copied.call('POST', '/rooms/101/claim')).toMatchObject({ status: 409 });
});

test('a database that was moved goes on with its rooms after one word, and with an id of its own', async () => {
  const { world, book } = await openProduction();
  await book('Choir', 3);
  const first = await serve(world.config);
  await world.settled();
  await first.end();
  const moved = await copy(world);
  const service = await serve(moved.config);
  await service.until((fact) => fact.fact === 'start-held');
  expect(await cli(moved.env, 'plan', '--confirm', '--as', 'same')).toMatchObject({ code: 0 });
  await service.until((fact) => fact.fact === 'plan-confirmed');
  await moved.desk.book(101, { title: 'Dance', from: world.day(4, '10:00'), to: world.day(4, '12:00') });
  await service.until(created);
  expect(world.titles(101).toSorted()).toEqual(['Choir', 'Dance']);
  expect(service.facts.filter(({ fact }) => fact === 'room-held')).toEqual([]);
  // what the original knew is of no use to it any more: the claim is the moved one's
  const old = await serve(world.config);
  await old.until((fact) => fact.fact === 'room-held');
});

test('a database that was set back writes nothing before it is confirmed, though it gives a number out again', async () => {
  const { world, book } = await openProduction();
  await book('Choir', 3);
  const first = await serve(world.config);
  await world.settled();
  await first.end();
  const yesterday = await copy(world);

  const today = await serve(world.config);
  const lost = await book('Annual meeting', 5);
  await world.settled();
  await today.call('POST', '/rooms/101/resync');
  await world.settled();
  await today.end();
  expect(world.titles(101).toSorted()).toEqual(['Annual meeting', 'Choir']);

  // restored in its own place: cluster, oid and name are those it was confirmed for
  await yesterday.pool.query(
    `UPDATE bridge_settings SET value = bridge_this_database() WHERE name = 'database'`,
  );
  const again = await yesterday.desk.book(101, {
    title: 'Chess',
    from: world.day(9, '18:00'),
    to: world.day(9, '20:00'),
  });
  expect(again.id).toBe(lost.id);
  const before = writes(world).length;
  const restored = await serve(yesterday.config);
  expect(await restored.until((fact) => fact.fact === 'start-held')).toMatchObject({ reason: 'set-back' });
  expect(writes(world)).toHaveLength(before);
  expect(await restored.call('POST', '/sync/to-outlook')).toMatchObject({ status: 409 });

  await restored.call('POST', '/plan/confirm');
  await restored.until((fact) => fact.fact === 'room-baselined');
  expect((await restored.call('GET', '/stats')).body['start']).toMatchObject({ writes: true, hold: null });
});

/** Restored in its own place, from a copy that knows nothing of the 'Annual meeting' that Outlook shows; it waits for a person. */
async function openSetBack() {
  const { world, book } = await openProduction();
  await book('Choir', 3);
  const first = await serve(world.config);
  await world.settled();
  await first.end();
  const yesterday = await copy(world);
  const today = await serve(world.config);
  await book('Annual meeting', 5);
  await world.settled();
  await today.call('POST', '/rooms/101/resync');
  await world.settled();
  await today.end();
  await yesterday.pool.query(
    `UPDATE bridge_settings SET value = bridge_this_database() WHERE name = 'database'`,
  );
  const restored = await serve(yesterday.config);
  expect(await restored.until((fact) => fact.fact === 'start-held')).toMatchObject({ reason: 'set-back' });
  return {
    world,
    restored,
    /** Its number is the one that the annual meeting had. */
    bookDance: () =>
      yesterday.desk.book(101, {
        title: 'Dance',
        from: world.day(8, '10:00'),
        to: world.day(8, '12:00'),
      }),
    untilTrue: (condition: string) =>
      untilTrue({ query: async (text) => (await yesterday.pool.query(text)).rows }, condition),
  };
}

test('the event of a reservation that a set-back database does not know survives its confirmation', async () => {
  const { world, restored, bookDance, untilTrue: untilSo } = await openSetBack();
  await restored.call('POST', '/plan/confirm');
  // what becomes of it is for a person to say
  await untilSo(
    `EXISTS (SELECT FROM bridge_mappings WHERE sync_status = 'conflict' AND conflict ->> 'kind' = 'orphan'
       AND conflict -> 'outlook' ->> 'title' = 'Annual meeting')`,
  );
  await bookDance();
  await restored.until(created);
  expect(world.titles(101).toSorted()).toEqual(['Annual meeting', 'Choir', 'Dance']);
  expect(writes(world).filter(({ method }) => method === 'DELETE')).toEqual([]);
});

test('and becomes a reservation of its own once another one has its number', async () => {
  const { world, restored, bookDance, untilTrue: untilSo } = await openSetBack();
  await bookDance();
  await restored.call('POST', '/plan/confirm');
  await restored.until(created);
  await untilSo(`(SELECT count(*) FROM bb_event WHERE active = 1) = 3`);
  expect(world.titles(101).toSorted()).toEqual(['Annual meeting', 'Choir', 'Dance']);
  expect(writes(world).filter(({ method }) => method === 'DELETE')).toEqual([]);
});

test('where no calendar keeps a claim, a copy still waits for a person', async () => {
  const { world, book } = await openProduction();
  world.tenant.faults.set({ calendarRefusal: 405 });
  await book('Choir', 3);
  const first = await serve(world.config);
  await world.settled();
  await first.end();
  const other = await copy(world);
  const copied = await serve(other.config);
  await copied.until((fact) => fact.fact === 'start-held');
  expect(world.titles(101)).toEqual(['Choir']);
  const doctor = await cli(other.env, 'doctor', '--json');
  expect(doctor.out).toMatch(/takes no claim/);
});
