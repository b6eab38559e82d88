/** A booking system whose database is not UTF8: what its encoding lacks stops the item that has it, and nothing else. */
import { randomBytes } from 'node:crypto';
import type pg from 'pg';
import { describe, expect, test } from 'vitest';
import { migrate } from '../../src/cli/migrate.ts';
import { openPool } from '../../src/database.ts';
import { cli } from '../cli/command-line.ts';
import { openTestDatabase, type TestDatabase } from '../support/database.ts';
import { bookingConfig } from '../support/settings.ts';
import { fillDatabase } from '../support/templates.ts';
import { untilTrue } from '../support/until.ts';
import { openWorld, rooms } from './world.ts';

const upn = rooms[101]!.upn;
const dimitri = 'dimitri@bergen.example';

/** A database with the bridge, in an encoding of PostgreSQL. */
async function openNarrowDatabase(encoding: string): Promise<TestDatabase> {
  await using opened = new AsyncDisposableStack();
  const { query, url } = opened.use(await openTestDatabase({ schema: 'empty' }));
  const name = `narrow_${randomBytes(4).toString('hex')}`;
  await query(
    `CREATE DATABASE ${name} ENCODING '${encoding}' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'`,
  );
  opened.defer(async () => void (await query(`DROP DATABASE ${name} WITH (FORCE)`)));
  const own = new URL(url);
  own.pathname = `/${name}`;
  await fillDatabase('bridge', own.href);
  const config = { url: own.href, ssl: false } as const;
  const pool = openPool(config, 'test', 20);
  opened.defer(() => pool.end());
  const owned = opened.move();
  return {
    url: own.href,
    config,
    pool,
    query: async <Row extends pg.QueryResultRow>(text: string, values: readonly unknown[] = []) =>
      (await pool.query<Row>(text, [...values])).rows,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

async function openNarrow(encoding = 'LATIN1', env = {}) {
  const database = await openNarrowDatabase(encoding);
  const world = await openWorld({ mapped: [101], database, env: { POLL_INTERVAL_MINUTES: '60', ...env } });
  world.tenant.addPerson({ upn: dimitri, name: 'Дмитрий Иванов' });
  const at = (days: number, time: string) => `${world.day(days, time).replace(' ', 'T')}:00Z`;
  const typed = (days: number, subject: string) =>
    world.tenant.people.book(upn, { subject, start: at(days, '10:00'), end: at(days, '11:00') });
  const booked = (days: number, title: string) =>
    world.desk.book(101, { title, from: world.day(days, '18:00'), to: world.day(days, '19:00') });
  const invited = (days: number) => {
    const { iCalUId } = world.tenant.people.invite(dimitri, [upn], {
      subject: 'Planning',
      start: at(days, '10:00'),
      end: at(days, '11:00'),
    });
    const copy = world.events(101).find((event) => event.iCalUId === iCalUId)!;
    world.tenant.people.respond(upn, copy.id, 'accepted');
  };
  /** Names in the booking system, in their order in time. */
  const names = async () =>
    (await world.db.query<{ name: string }>('SELECT name FROM bb_event WHERE active = 1 ORDER BY from_')).map(
      ({ name }) => name,
    );
  /** What a person has to look at. */
  const listed = () =>
    world.db.query(
      `SELECT sync_status AS status, error_message AS error FROM bridge_mappings
       WHERE sync_status IN ('error', 'conflict') ORDER BY starts_at`,
    );
  /** Asks for a round of changes, and waits for its end. */
  const pulled = async (daemon: { ring(): void }, compare = false) => {
    await world.db.query(
      `UPDATE bridge_room_state SET pull_due_at = now()${compare ? ', compare_at = now()' : ''}`,
    );
    daemon.ring();
    await untilTrue(
      world.db,
      'NOT EXISTS (SELECT FROM bridge_room_state WHERE pull_due_at <= now() OR compare_at <= now())',
    );
    // it has begun, and so the room is leased until what it found is done
    await world.settled();
  };
  return { ...world, typed, booked, invited, names, listed, pulled };
}

const lacks = (encoding: string, status = 'error') => ({
  status,
  error: expect.stringMatching(`cannot store, .* no equivalent in encoding "${encoding}"`) as unknown,
});

const encodings = ['LATIN1', 'LATIN9', 'WIN1252'];
describe.each(encodings)('in %s', (encoding) => {
  test('an emoji in a subject and a Cyrillic organiser stop their own events; the room goes on both ways', async () => {
    await using w = await openNarrow(encoding);
    w.typed(2, 'Årsmøte');
    w.typed(3, 'Fest 🎉');
    w.invited(4);
    w.typed(5, 'Lunch');
    await w.booked(6, 'Koret');
    const running = await w.start();
    await w.settled();
    expect(await w.names()).toEqual(['Årsmøte', 'Lunch', 'Koret']);
    expect(w.titles(101)).toContain('Koret');
    expect(await w.listed()).toEqual([lacks(encoding), lacks(encoding)]);
    // the same in a round of changes
    w.typed(7, 'Ferie 🌴');
    w.typed(8, 'Etter ferien');
    await w.booked(9, 'Kveldskoret');
    await w.pulled(running.daemon);
    expect(await w.names()).toEqual(['Årsmøte', 'Lunch', 'Koret', 'Etter ferien', 'Kveldskoret']);
    expect(w.titles(101)).toContain('Kveldskoret');
    expect(await w.listed()).toEqual([lacks(encoding), lacks(encoding), lacks(encoding)]);
    expect(running.facts.filter(({ fact }) => fact === 'bug' || fact === 'outage')).toEqual([]);
  });
});

test('an emoji that is edited in waits for a person, and leaves with the next edit', async () => {
  await using w = await openNarrow();
  const running = await w.start();
  await w.booked(2, 'Koret');
  await w.booked(3, 'Korpset');
  await w.settled();
  const eventOf = (subject: string) => w.events(101).find((event) => event.subject === subject)!;
  const koret = eventOf('Koret').id;
  w.tenant.people.retitle(upn, koret, 'Koret 🎶');
  w.tenant.people.retitle(upn, eventOf('Korpset').id, 'Korpset øver');
  await w.pulled(running.daemon);
  expect(await w.names()).toEqual(['Koret', 'Korpset øver']);
  expect(w.titles(101)).toContain('Koret 🎶');
  expect(await w.listed()).toEqual([lacks('LATIN1', 'conflict')]);
  w.tenant.people.retitle(upn, koret, 'Koret synger');
  await w.pulled(running.daemon);
  expect(await w.names()).toEqual(['Koret synger', 'Korpset øver']);
  expect(await w.listed()).toEqual([]);
});

test('texts that are only remembered come back whole, and a comparison finds nothing to do', async () => {
  await using w = await openNarrow();
  await w.db.query('UPDATE bridge_resource_mappings SET outlook_item_name = $1', ['Møterom 会議 🏔']);
  const running = await w.start();
  w.tenant.faults.add({
    match: { method: 'POST', path: '/events' },
    times: 1,
    action: {
      do: 'refuse',
      status: 400,
      code: 'ErrorInvalidRequest',
      message: 'no “room” 😀 \x7f22; \x7f1f600;',
    },
  });
  await w.booked(2, 'Koret');
  await w.settled();
  expect(await w.listed()).toEqual([
    { status: 'error', error: expect.stringContaining('no “room” 😀 \x7f22; ') as unknown },
  ]);
  expect(await w.db.query('SELECT outlook_item_name AS name FROM bridge_resource_mappings')).toEqual([
    { name: 'Møterom 会議 🏔' },
  ]);
  // what Outlook shows of it ends with a character that the encoding lacks
  await w.desk.book(101, {
    title: 'Årsmelding',
    description: 'ø'.repeat(140_000),
    from: w.day(3, '10:00'),
    to: w.day(3, '11:00'),
  });
  await w.settled();
  await w.pulled(running.daemon, true);
  expect(await w.names()).toEqual(['Koret', 'Årsmelding']);
  expect(await w.listed()).toHaveLength(1);
  expect(running.facts.filter(({ fact }) => fact === 'bug')).toEqual([]);
});

test('migrate and doctor name the encoding and go on', async () => {
  await using db = await openNarrowDatabase('LATIN1');
  const told: string[] = [];
  await migrate(bookingConfig(db), (line) => told.push(line), new AbortController().signal);
  expect(told).toContainEqual(
    expect.stringMatching(/^Warning: .*LATIN1, not UTF8: .* \(an emoji, another script\)/),
  );
  const doctor = await cli({ DATABASE_URL: db.url }, 'doctor', '--json');
  const { findings } = doctor.json() as { findings: { check: string; state: string; message: string }[] };
  expect(findings.filter(({ check }) => check === 'encoding')).toEqual([
    expect.objectContaining({ state: 'warning', message: expect.stringContaining('LATIN1') as unknown }),
  ]);
});
