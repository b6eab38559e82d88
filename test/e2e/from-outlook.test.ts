/** What people do in Outlook, through real HTTP and the whole daemon, as the booking tables show it afterwards. */
import { describe, expect, test } from 'vitest';
import { isWrite } from '../support/writes.ts';
import { openWorld, rooms, type WorldOptions } from './world.ts';
import { at, date } from '../support/dates.ts';

const upn = rooms[101]!.upn;
const other = rooms[102]!.upn;
const kari = 'kari@bergen.example';

async function openOutlook(options: WorldOptions = {}) {
  const world = await openWorld(options);
  world.tenant.addPerson({ upn: kari, name: 'Kari Nordmann' });
  const daemon = await world.start();
  await world.settled();
  const { db, tenant } = world;
  const pullAll = () => world.pullAll(daemon);
  /** The reservations of a room, by start, as PorticoEstate's tables have them. */
  const reservations = (resource = 101) =>
    db.query<{
      id: number;
      name: string;
      active: number;
      from: string;
      to: string;
      description: string;
      public: number;
    }>(
      `SELECT e.id, e.name, e.active, to_char(e.from_, 'MM-DD HH24:MI') AS "from", to_char(e.to_, 'MM-DD HH24:MI') AS "to",
         e.description, e.is_public AS public
       FROM bb_event e JOIN bb_event_resource r ON r.event_id = e.id WHERE r.resource_id = $1 ORDER BY e.from_, e.id`,
      [resource],
    );
  const active = async (resource = 101) =>
    (await reservations(resource)).filter((one) => one.active === 1).map((one) => one.name);
  return { ...world, daemon, pullAll, reservations, active, at, tenant };
}

describe('a new event', () => {
  test('becomes a complete reservation, with its text without HTML', async () => {
    await using w = await openOutlook();
    w.tenant.people.book(upn, {
      subject: 'Kor — æøå 🎵',
      start: w.at(5, '16:00'),
      end: w.at(5, '18:00'),
      html: '<p>Ta med <b>noter</b> &amp; kaffe</p><script>alert(1)</script>',
    });
    await w.pullAll();
    const [made] = await w.reservations();
    expect(made).toMatchObject({ name: 'Kor — æøå 🎵', active: 1, description: 'Ta med noter & kaffe' });
    const [rows] = await w.db.query(
      `SELECT (SELECT count(*) FROM bb_event_date WHERE event_id = $1) AS dates,
         (SELECT count(*) FROM bb_event_resource WHERE event_id = $1) AS resources,
         (SELECT count(*) FROM bb_event_agegroup WHERE event_id = $1) AS ages,
         (SELECT count(*) FROM bb_event_targetaudience WHERE event_id = $1) AS audiences`,
      [made!.id],
    );
    expect(rows).toEqual({ dates: 1, resources: 1, ages: 1, audiences: 1 });
  });

  test('of a whole day is that day of the booking zone', async () => {
    await using w = await openOutlook();
    const [start, end] = [5, 6].map((days) => `${date(days)}T00:00:00Z`);
    w.tenant.people.book(upn, { subject: 'Loppemarked', start: start!, end: end!, isAllDay: true });
    await w.pullAll();
    expect(await w.reservations()).toMatchObject([
      { from: `${date(5).slice(5)} 00:00`, to: `${date(6).slice(5)} 00:00` },
    ]);
  });

  test('that is private is not public', async () => {
    await using w = await openOutlook();
    w.tenant.people.book(upn, {
      subject: 'Samtale',
      start: w.at(5, '10:00'),
      end: w.at(5, '11:00'),
      sensitivity: 'private',
    });
    await w.pullAll();
    expect(await w.reservations()).toMatchObject([{ name: 'Samtale', public: 0 }]);
  });

  test.each(['free', 'tentative'])(
    'shown as %s takes no time, or takes it all the same when it is the room’s own',
    async (showAs) => {
      await using w = await openOutlook();
      w.tenant.people.book(upn, {
        subject: 'Kanskje',
        start: w.at(5, '10:00'),
        end: w.at(5, '11:00'),
        showAs,
      });
      await w.pullAll();
      expect(await w.active()).toEqual(showAs === 'free' ? [] : ['Kanskje']);
    },
  );

  test('that a person makes a whole day of, which shows it as free, is that day and busy on both sides', async () => {
    await using w = await openOutlook();
    const event = w.tenant.people.book(upn, {
      subject: 'Loppemarked',
      start: w.at(5, '10:00'),
      end: w.at(5, '12:00'),
    });
    await w.pullAll();
    const [before] = await w.reservations();
    const [start, end] = [5, 6].map((days) => ({ dateTime: `${date(days)}T00:00:00`, timeZone: 'UTC' }));
    w.tenant.people.edit(upn, event.id, { isAllDay: true, showAs: 'free', start, end });
    await w.pullAll();
    expect(await w.reservations()).toMatchObject([
      { id: before!.id, active: 1, from: `${date(5).slice(5)} 00:00`, to: `${date(6).slice(5)} 00:00` },
    ]);
    expect(w.events(101)).toMatchObject([{ id: event.id, isAllDay: true, showAs: 'busy' }]);
  });

  test.each([
    ['all_day', false, []],
    ['all_day', true, ['Kanskje']],
    ['import', false, ['Kanskje']],
  ] as const)(
    'shown as free, with FREE_EVENTS=%s (a whole day: %s)',
    async (FREE_EVENTS, isAllDay, imported) => {
      await using w = await openOutlook({ env: { FREE_EVENTS } });
      const [start, end] = isAllDay
        ? [`${date(5)}T00:00:00Z`, `${date(6)}T00:00:00Z`]
        : [w.at(5, '10:00'), w.at(5, '11:00')];
      w.tenant.people.book(upn, { subject: 'Kanskje', start, end, isAllDay, showAs: 'free' });
      await w.pullAll();
      expect(await w.active()).toEqual(imported);
      expect(w.events(101)).toMatchObject([{ showAs: 'free' }]);
    },
  );

  test('that is a copy of ours is a reservation of its own, and ours stays as it is', async () => {
    await using w = await openOutlook();
    const booked = await w.desk.book(101, { title: 'Bunad', from: w.day(5, '10:00'), to: w.day(5, '11:00') });
    await w.settled();
    const [ours] = w.events(101);
    w.tenant.people.copy(upn, ours!.id, { start: w.at(6, '10:00'), end: w.at(6, '11:00') });
    await w.pullAll();
    expect(await w.active()).toEqual(['Bunad', 'Bunad']);
    const [original] = (await w.reservations()).filter((one) => one.id === booked.id);
    expect(original).toMatchObject({ active: 1, from: w.day(5, '10:00').slice(5) });
    expect(w.events(101)).toHaveLength(2);
  });
});

test.each([
  ['booking', 'imported'],
  ['booking', 'ours'],
  ['newest', 'imported'],
  ['newest', 'ours'],
])(
  'a deletion that is undone after the clerk changed the reservation gives it its event back (%s, %s)',
  async (CONFLICT_POLICY, whose) => {
    await using w = await openOutlook({ env: { CONFLICT_POLICY } });
    if (whose === 'imported')
      w.tenant.people.book(upn, { subject: 'Kor', start: w.at(5, '10:00'), end: w.at(5, '11:00') });
    else await w.desk.book(101, { title: 'Kor', from: w.day(5, '10:00'), to: w.day(5, '11:00') });
    await w.pullAll();
    const [event] = w.events(101);
    const [{ id } = { id: 0 }] = await w.reservations();
    w.tenant.people.remove(upn, event!.id);
    await w.db.query(`UPDATE bb_event SET name = 'Orkester' WHERE id = $1`, [id]);
    await w.pullAll();
    expect(w.events(101).map((one) => one.id)).not.toEqual([event!.id]);
    w.tenant.people.restore(upn, event!.id);
    w.tenant.people.move(upn, event!.id, { start: w.at(6, '10:00'), end: w.at(6, '11:00') });
    await w.pullAll();
    await w.settled();
    expect(w.events(101)).toMatchObject([{ id: event!.id, subject: 'Orkester' }]);
    expect(await w.reservations()).toMatchObject([{ id, name: 'Orkester', active: 1 }]);
    expect(w.events(101)[0]!.start).toContain(date(6));
    expect(await w.db.query("SELECT 1 FROM bridge_mappings WHERE sync_status = 'conflict'")).toEqual([]);
  },
);

describe('an invitation', () => {
  test('is imported once its room has accepted it, as the room shows it', async () => {
    await using w = await openOutlook();
    w.tenant.people.invite(kari, [upn], {
      subject: 'Styremøte',
      start: w.at(5, '10:00'),
      end: w.at(5, '11:00'),
    });
    w.tenant.advance(10_000);
    await w.pullAll();
    const shown = w.events(101).map((event) => event.subject);
    expect(await w.active()).toEqual(shown);
    expect(shown).toEqual(['Kari Nordmann']);
  });

  test('of two rooms is one reservation with both', async () => {
    await using w = await openOutlook();
    w.tenant.people.invite(kari, [upn, other], {
      subject: 'Styremøte',
      start: w.at(5, '10:00'),
      end: w.at(5, '11:00'),
    });
    w.tenant.advance(10_000);
    await w.pullAll();
    const [here, there] = [await w.reservations(101), await w.reservations(102)];
    expect(here).toHaveLength(1);
    expect(there.map(({ id }) => id)).toEqual(here.map(({ id }) => id));
  });

  test('that its organiser moves moves its reservation in both rooms, and opens no conflict', async () => {
    await using w = await openOutlook();
    const meeting = w.tenant.people.invite(kari, [upn, other], {
      subject: 'Styremøte',
      start: w.at(5, '10:00'),
      end: w.at(5, '11:00'),
    });
    w.tenant.advance(10_000);
    await w.pullAll();
    w.tenant.people.move(kari, meeting.id, { start: w.at(6, '12:00'), end: w.at(6, '13:00') });
    w.tenant.advance(10_000);
    await w.pullAll();
    const [moved] = await w.db.query<{ at: string }>(
      `SELECT to_char(from_ AT TIME ZONE 'Europe/Oslo' AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS at FROM bb_event WHERE active = 1`,
    );
    expect(moved!.at).toBe(w.at(6, '12:00'));
    expect(await w.db.query("SELECT 1 FROM bridge_mappings WHERE sync_status = 'conflict'")).toEqual([]);
    expect([w.events(101).length, w.events(102).length]).toEqual([1, 1]);
  });

  test.each([
    ['moves', { to: [6, '12:00', '13:00'] }],
    ['renames', { subject: 'Styremøte, utvidet' }],
  ] as const)('that its organiser %s changes nothing before its room has answered', async (_, change) => {
    await using w = await openOutlook();
    const meeting = w.tenant.people.invite(kari, [upn], {
      subject: 'Styremøte',
      start: w.at(5, '10:00'),
      end: w.at(5, '11:00'),
    });
    w.tenant.advance(10_000);
    await w.pullAll();
    const before = await w.reservations();
    if ('to' in change) {
      const [day, start, end] = change.to;
      w.tenant.people.move(kari, meeting.id, { start: w.at(day, start), end: w.at(day, end) });
    } else w.tenant.people.retitle(kari, meeting.id, change.subject);
    await w.pullAll();
    expect(await w.reservations()).toEqual(before);
    w.tenant.advance(10_000);
    await w.pullAll();
    expect(await w.reservations()).toMatchObject([{ id: before[0]!.id, active: 1 }]);
    expect(w.events(101)).toHaveLength(1);
  });

  test('without an answer is not imported, and listed as waiting', async () => {
    await using w = await openOutlook();
    w.tenant.setAttendant(upn, { mode: 'none' });
    w.tenant.people.invite(kari, [upn], {
      subject: 'Styremøte',
      start: w.at(5, '10:00'),
      end: w.at(5, '11:00'),
    });
    await w.pullAll();
    expect(await w.reservations()).toEqual([]);
    expect(await w.db.query('SELECT sync_status, waits_for FROM bridge_mappings')).toEqual([
      { sync_status: 'imported', waits_for: 'answer' },
    ]);
  });

  test.each([true, false])(
    'that its organiser calls off cancels the reservation (its room removes it: %s)',
    async (removeCancelled) => {
      await using w = await openOutlook();
      w.tenant.setAttendant(upn, { removeCancelled });
      const meeting = w.tenant.people.invite(kari, [upn], {
        subject: 'Styremøte',
        start: w.at(5, '10:00'),
        end: w.at(5, '11:00'),
      });
      w.tenant.advance(10_000);
      await w.pullAll();
      w.tenant.people.cancel(kari, meeting.id);
      w.tenant.advance(10_000);
      await w.pullAll();
      expect(await w.reservations()).toMatchObject([
        { active: 0, description: expect.stringContaining('Cancelled from Outlook') },
      ]);
    },
  );

  test('whose reservation is cancelled is declined, so that its organiser hears of it', async () => {
    await using w = await openOutlook();
    const meeting = w.tenant.people.invite(kari, [upn], {
      subject: 'Styremøte',
      start: w.at(5, '10:00'),
      end: w.at(5, '11:00'),
    });
    w.tenant.advance(10_000);
    await w.pullAll();
    await w.db.query('UPDATE bb_event SET active = 0');
    await w.settled();
    await w.pullAll();
    const attendees = w.tenant.eventsIn(kari).find((event) => event.id === meeting.id)!.attendees;
    expect(JSON.stringify(attendees)).toContain('declined');
    expect(await w.active()).toEqual([]);
  });
});

describe('a series', () => {
  const weekly = (w: { at: (days: number, time: string) => string }) => ({
    subject: 'Korøvelse',
    start: w.at(2, '17:00'),
    end: w.at(2, '19:00'),
    pattern: { type: 'daily', interval: 7 },
    range: { type: 'numbered', numberOfOccurrences: 4 },
  });

  test('is a reservation for each of its dates', async () => {
    await using w = await openOutlook();
    w.tenant.people.bookSeries(upn, weekly(w));
    await w.pullAll();
    expect(await w.active()).toEqual(['Korøvelse', 'Korøvelse', 'Korøvelse', 'Korøvelse']);
  });

  test('loses one reservation with one date, moves one with one date, and all with its end', async () => {
    await using w = await openOutlook();
    const series = w.tenant.people.bookSeries(upn, weekly(w));
    await w.pullAll();
    w.tenant.people.deleteOccurrence(upn, series.id, date(9));
    await w.pullAll();
    expect(await w.active()).toHaveLength(3);
    w.tenant.people.moveOccurrence(upn, series.id, date(16), {
      start: w.at(17, '10:00'),
      end: w.at(17, '12:00'),
    });
    await w.pullAll();
    const moved = await w.db.query(
      `SELECT 1 FROM bb_event WHERE active = 1 AND from_ AT TIME ZONE 'Europe/Oslo' = $1::timestamptz`,
      [w.at(17, '10:00')],
    );
    expect(moved).toHaveLength(1);
    expect(await w.active()).toHaveLength(3);
    w.tenant.people.remove(upn, series.id);
    await w.pullAll();
    // three at once would leave the room with none: the brake asks first
    await w.db.query('UPDATE bridge_removals SET released_at = now()');
    await w.db.query(
      "UPDATE bridge_mappings SET due_at = now(), outlook_news = 'missing', revision = revision + 1 WHERE sync_status = 'conflict'",
    );
    await w.pullAll();
    expect(await w.active()).toEqual([]);
  });
});

describe('what Outlook says without meaning it cancels nothing', () => {
  const lies: readonly (readonly [string, (w: Awaited<ReturnType<typeof openOutlook>>) => void])[] = [
    ['a delta answer in which everything is removed', (w) => w.tenant.faults.set({ deltaLies: 'removed' })],
    ['an empty delta answer', (w) => w.tenant.faults.set({ deltaLies: 'empty' })],
    ['a lost cursor', (w) => w.tenant.forgetDeltaTokens(upn)],
    ['pages without end', (w) => w.tenant.faults.set({ deltaEndless: true })],
    ['rows that come twice, and old ones', (w) => w.tenant.faults.set({ deltaRepeats: true })],
    ['changes that show up late', (w) => w.tenant.faults.set({ deltaLagMs: 60_000 })],
    [
      'events that are touched and not changed',
      (w) => w.events(101).forEach((event) => w.tenant.people.touch(upn, event.id)),
    ],
  ];
  test.each(lies)('%s', async (_, lie) => {
    await using w = await openOutlook();
    for (let day = 2; day < 6; day += 1) {
      await w.desk.book(101, { title: `Møte ${day}`, from: w.day(day, '10:00'), to: w.day(day, '11:00') });
      w.tenant.people.book(upn, {
        subject: `Kor ${day}`,
        start: w.at(day, '16:00'),
        end: w.at(day, '17:00'),
      });
    }
    await w.settled();
    await w.pullAll();
    const before = await w.active();
    expect(before).toHaveLength(8);
    const seq = w.tenant.journal.at(-1)!.seq;
    lie(w);
    await w.pullAll();
    expect(await w.active()).toEqual(before);
    expect(
      w.tenant.journal.filter((entry) => entry.seq > seq && isWrite(entry) && entry.mailbox !== null),
    ).toEqual([]);
    expect(w.tenant.violations).toEqual([]);
  });

  test('an emptied calendar waits for a person', async () => {
    await using w = await openOutlook();
    for (let day = 2; day < 6; day += 1)
      w.tenant.people.book(upn, {
        subject: `Kor ${day}`,
        start: w.at(day, '16:00'),
        end: w.at(day, '17:00'),
      });
    await w.pullAll();
    for (const event of w.events(101)) w.tenant.people.remove(upn, event.id);
    await w.pullAll();
    expect(await w.active()).toHaveLength(4);
    expect(w.daemon.facts.some((fact) => fact.fact === 'brake-held')).toBe(true);
  });
});

test('one event deleted in Outlook cancels its reservation, once, with the note, and nothing follows', async () => {
  await using w = await openOutlook();
  await w.desk.book(101, { title: 'Bunad', from: w.day(5, '10:00'), to: w.day(5, '11:00') });
  await w.settled();
  await w.pullAll();
  w.tenant.people.remove(upn, w.events(101)[0]!.id);
  await w.pullAll();
  await w.pullAll();
  const [gone] = await w.reservations();
  expect(gone).toMatchObject({ active: 0 });
  expect(gone!.description.split('Cancelled from Outlook')).toHaveLength(2);
  expect(w.events(101)).toEqual([]);
});

test('an event moved out of the window is followed, and so is its way back', async () => {
  await using w = await openOutlook();
  const event = w.tenant.people.book(upn, { subject: 'Kor', start: w.at(5, '16:00'), end: w.at(5, '17:00') });
  await w.pullAll();
  for (const days of [700, 6]) {
    w.tenant.people.move(upn, event.id, { start: w.at(days, '16:00'), end: w.at(days, '17:00') });
    await w.pullAll();
    const [row] = await w.db.query<{ at: Date; active: number }>(
      `SELECT from_ AT TIME ZONE 'Europe/Oslo' AS at, active FROM bb_event`,
    );
    expect(row).toEqual({ at: new Date(w.at(days, '16:00')), active: 1 });
  }
});

test('an edit on each side of the same event: both survive', async () => {
  await using w = await openOutlook();
  const booked = await w.desk.book(101, { title: 'Bunad', from: w.day(5, '10:00'), to: w.day(5, '11:00') });
  await w.settled();
  await w.pullAll();
  w.tenant.people.move(upn, w.events(101)[0]!.id, { start: w.at(7, '12:00'), end: w.at(7, '13:00') });
  await w.desk.retitle(booked, 'Bunad og folkedrakt');
  await w.settled();
  await w.pullAll();
  expect(w.events(101)).toMatchObject([
    { subject: 'Bunad og folkedrakt', start: expect.stringContaining(w.at(7, '12:00').slice(0, 16)) },
  ]);
  expect(await w.active()).toEqual(['Bunad og folkedrakt']);
});
