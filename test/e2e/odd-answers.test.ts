/** What Graph answers now and then: rows that cannot be read, texts that cannot be stored, links that must not be followed. */
import { describe, expect, test } from 'vitest';
import { until } from '../support/until.ts';
import { openWorld, rooms, type WorldOptions } from './world.ts';

const upn = rooms[101]!.upn;
const kari = 'kari@bergen.example';

async function openOdd(options: WorldOptions = {}) {
  const world = await openWorld({ mapped: [], ...options });
  world.tenant.addPerson({ upn: kari, name: 'Kari Nordmann' });
  /** An instant some days from now. */
  const at = (days: number, time: string) => `${world.day(days, time).replace(' ', 'T')}:00Z`;
  const typed = (days: number, subject: string) =>
    world.tenant.people.book(upn, { subject, start: at(days, '10:00'), end: at(days, '11:00') });
  const active = async () =>
    (
      await world.db.query<{ name: string }>('SELECT name FROM bb_event WHERE active = 1 ORDER BY from_, id')
    ).map(({ name }) => name);
  const health = async () =>
    (await world.db.query<{ health: string }>('SELECT health FROM bridge_room_state'))[0]!.health;
  return { ...world, at, typed, active, health };
}

describe('a row that cannot be read', () => {
  const odd: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
    'without an end': { end: null },
    'in a zone of no name': {
      start: { dateTime: '2026-12-01T10:00:00.0000000', timeZone: 'Customized Time Zone' },
    },
    'of 1601': {
      start: { dateTime: '1601-01-01T00:00:00.0000000', timeZone: 'UTC' },
      end: { dateTime: '1601-01-01T00:30:00.0000000', timeZone: 'UTC' },
    },
    'with a time that is a word': { start: { dateTime: 'soon', timeZone: 'UTC' } },
    'with a subject that is a number': { subject: 42 },
    'with flags and a body of other types': { isAllDay: 'yes', sensitivity: 3, body: 'text' },
    'that was edited at no time': { lastModifiedDateTime: 'never', originalStart: 'once' },
  };

  for (const [what, members] of Object.entries(odd))
    test(`(${what}) stops neither its page nor the bookings, and its own reservation stays`, async () => {
      await using w = await openOdd();
      for (let n = 1; n <= 50; n += 1) w.typed(n, `Møte ${n}`);
      w.tenant.people.spoil(upn, w.typed(60, 'Odd').id, members);
      await w.map(101);
      const daemon = await w.start();
      await until(async () => (await w.active()).length >= 50);
      const booked = await w.desk.book(101, {
        title: 'Koret',
        from: w.day(3, '18:00'),
        to: w.day(3, '20:00'),
      });
      await until(async () => w.titles(101).includes('Koret'));
      await w.settled();
      expect(await w.health()).toBe('ok');
      // an event of ours that becomes odd
      const ours = w.events(101).find(({ subject }) => subject === 'Koret')!;
      w.tenant.people.spoil(upn, ours.id, members);
      w.typed(61, 'Late');
      await w.db.query('UPDATE bridge_room_state SET pull_due_at = now(), compare_at = now()');
      daemon.daemon.ring();
      await until(async () => (await w.active()).includes('Late'));
      await w.settled();
      expect(await w.active()).toContain('Koret');
      expect(booked.type).toBe('event');
      expect(daemon.facts.filter(({ fact }) => fact === 'bug' || fact === 'outage')).toEqual([]);
    });
});

test('an exception that /instances leaves out is not gone', async () => {
  await using w = await openOdd();
  const master = w.tenant.people.bookSeries(upn, {
    subject: 'Stand-up',
    start: w.at(2, '09:00'),
    end: w.at(2, '09:30'),
    pattern: { type: 'daily', interval: 1 },
    range: { type: 'numbered', numberOfOccurrences: 5 },
  });
  w.tenant.faults.set({ instancesOmitExceptions: true });
  await w.map(101);
  const daemon = await w.start();
  await until(async () => (await w.active()).length === 5);
  w.tenant.people.editOccurrence(upn, master.id, w.day(4, '').trim(), { subject: 'Retrospective' });
  await w.db.query('UPDATE bridge_room_state SET pull_due_at = now()');
  daemon.daemon.ring();
  await until(async () => (await w.active()).includes('Retrospective'));
  await w.settled();
  expect(await w.active()).toHaveLength(5);
});

describe('a text that cannot be stored', () => {
  test('in an error (its cut would halve a character) unsettles no other create', async () => {
    await using w = await openOdd({ mapped: [101] });
    const daemon = await w.start();
    await w.settled();
    w.tenant.faults.add({
      match: { method: 'POST', path: '/events' },
      times: 1,
      action: { do: 'refuse', status: 400, code: 'ErrorInvalidRequest', message: `${'x'.repeat(499)}😀` },
    });
    for (const n of [1, 2, 3])
      await w.desk.book(101, { title: `Møte ${n}`, from: w.day(n, '10:00'), to: w.day(n, '11:00') });
    await w.settled();
    const rows = await w.db.query<{ status: string; error: string | null }>(
      'SELECT sync_status AS status, error_message AS error FROM bridge_mappings ORDER BY sync_status',
    );
    expect(rows.map(({ status }) => status)).toEqual(['error', 'synced', 'synced']);
    expect(rows[0]!.error).toMatch(/x{499}$/);
    expect(daemon.facts.filter(({ fact }) => fact === 'bug')).toEqual([]);
  });

  for (const [what, odd] of [
    ['U+0000', 'Kari\u0000Nordmann'],
    ['half a character', 'Kari\ud83dNordmann'],
    ['the other half', 'Kari\udc00Nordmann'],
  ] as const)
    test(`(${what}) in names, subjects and errors is stored without it`, async () => {
      await using w = await openOdd({ mapped: [101] });
      const daemon = await w.start();
      await w.settled();
      const id = w.tenant.people.invite(kari, [upn], {
        subject: 'Planning',
        start: w.at(3, '10:00'),
        end: w.at(3, '11:00'),
      }).iCalUId;
      const copy = w.events(101).find(({ iCalUId }) => iCalUId === id)!;
      w.tenant.people.spoil(upn, copy.id, {
        subject: odd,
        organizer: { emailAddress: { name: odd, address: kari } },
      });
      // the room answers
      w.tenant.advance(10_000);
      await w.db.query('UPDATE bridge_room_state SET pull_due_at = now()');
      daemon.daemon.ring();
      await until(async () => (await w.active()).includes('KariNordmann'));
      w.tenant.faults.add({
        match: { method: 'POST', path: '/events' },
        times: 1,
        action: { do: 'refuse', status: 400, code: 'ErrorInvalidRequest', message: odd },
      });
      await w.desk.book(101, { title: 'Koret', from: w.day(5, '10:00'), to: w.day(5, '11:00') });
      await w.settled();
      expect(
        await w.db.query("SELECT error_message FROM bridge_mappings WHERE sync_status = 'error'"),
      ).toEqual([{ error_message: expect.stringContaining('KariNordmann') as unknown }]);
      expect(daemon.facts.filter(({ fact }) => fact === 'bug')).toEqual([]);
    });
});

describe('a stored link that leads elsewhere', () => {
  test('because Graph named another host is a lost token: both directions go on', async () => {
    await using w = await openOdd({ mapped: [101] });
    w.tenant.faults.set({ deltaLinkOrigin: 'https://graph.elsewhere.example' });
    const daemon = await w.start();
    await w.settled();
    w.typed(2, 'Lunch');
    await w.db.query('UPDATE bridge_room_state SET pull_due_at = now()');
    daemon.daemon.ring();
    await until(async () => (await w.active()).includes('Lunch'));
    await w.desk.book(101, { title: 'Koret', from: w.day(3, '18:00'), to: w.day(3, '20:00') });
    await w.settled();
    expect(w.titles(101)).toEqual(['Lunch', 'Koret']);
    expect(await w.health()).toBe('ok');
  });

  test('because GRAPH_BASE_URL changed is a lost token, too', async () => {
    await using w = await openOdd({ mapped: [101] });
    const first = await w.start();
    await w.settled();
    await first.stop();
    await w.db.query(
      `UPDATE bridge_room_state SET delta_links = ARRAY['https://graph.microsoft.com/v1.0/users/x/calendarView/delta?$deltatoken=1']`,
    );
    w.typed(2, 'Lunch');
    await w.start();
    await until(async () => (await w.active()).includes('Lunch'));
    await w.desk.book(101, { title: 'Koret', from: w.day(3, '18:00'), to: w.day(3, '20:00') });
    await w.settled();
    expect(w.titles(101)).toEqual(['Lunch', 'Koret']);
    expect(await w.health()).toBe('ok');
  });
});
