/** What Exchange does with the instances of a series, through real HTTP and the whole daemon. */
import { describe, expect, test } from 'vitest';
import { at, date } from '../support/dates.ts';
import { openWorld, rooms, type WorldOptions } from './world.ts';

const upn = rooms[101]!.upn;
const kari = 'kari@bergen.example';

async function openSeries(env: WorldOptions['env'] = {}) {
  const world = await openWorld({ mapped: [101], env });
  world.tenant.addPerson({ upn: kari, name: 'Kari Nordmann' });
  const daemon = await world.start();
  await world.settled();
  const pullAll = (running = daemon) => world.pullAll(running);
  const reservations = async () =>
    (
      await world.db.query<{ id: number; active: number; from: Date }>(
        `SELECT id, active, from_ AT TIME ZONE 'Europe/Oslo' AS "from" FROM bb_event ORDER BY id`,
      )
    ).map(({ from, ...rest }) => ({ ...rest, from: from.toISOString().replace('.000', '') }));
  /** The room's attendant has its seconds. */
  const answered = async () => {
    world.tenant.advance(10_000);
    await pullAll();
  };
  const conflicts = () =>
    world.db.query(
      `SELECT conflict ->> 'kind' AS kind, error_message AS error FROM bridge_mappings WHERE sync_status = 'conflict'`,
    );
  return { ...world, daemon, pullAll, reservations, answered, conflicts };
}

/** Five dates from the day after tomorrow, so many days apart. */
const rehearsal = (interval = 1) => ({
  subject: 'Rehearsal',
  start: at(2, '17:00'),
  end: at(2, '19:00'),
  pattern: { type: 'daily', interval },
  range: { type: 'numbered', numberOfOccurrences: 5 },
});

describe('a date of a series that a clerk moves past its neighbour', () => {
  test.each([
    ['outlook', at(3, '17:00'), []],
    ['booking', at(5, '08:00'), [at(5, '08:00')]],
  ] as const)('is a conflict that does what it says when %s is kept', async (keep, from, singles) => {
    await using w = await openSeries();
    w.tenant.people.bookSeries(upn, rehearsal());
    await w.pullAll();
    const before = await w.reservations();
    const moved = before.find((one) => one.from === at(3, '17:00'))!;
    await w.desk.move({ type: 'event', id: moved.id }, w.day(5, '08:00'), w.day(5, '09:00'));
    await w.settled();
    expect(await w.conflicts()).toEqual([
      { kind: 'rejected', error: expect.stringContaining('ErrorOccurrenceCrossingBoundary') as unknown },
    ]);
    await w.db.query(
      `UPDATE bridge_mappings SET resolution = $1, due_at = now(), revision = revision + 1 WHERE sync_status = 'conflict'`,
      [keep],
    );
    await w.db.query('UPDATE bridge_room_state SET push_due_at = now(), push_lane = 0');
    w.daemon.daemon.ring();
    await w.settled();
    await w.pullAll();
    expect(await w.conflicts()).toEqual([]);
    expect(await w.reservations()).toEqual(
      before.map((one) => (one.id === moved.id ? { ...one, from } : one)),
    );
    const shown = w.tenant.calendarOf(upn, at(1, '00:00'), at(20, '00:00'));
    expect(shown).toHaveLength(5);
    expect(
      shown.filter(({ type }) => type === 'singleInstance').map(({ start }) => `${start.slice(0, 19)}Z`),
    ).toEqual(singles);
  });
});

describe('one date of a series that the room was invited to', () => {
  async function invited() {
    const w = await openSeries();
    const meeting = w.tenant.people.invite(kari, [upn], rehearsal());
    await w.answered();
    const before = await w.reservations();
    expect(before).toHaveLength(5);
    return { w, meeting, before };
  }
  const day = date(4);

  test('that its organiser moves stays until the room has answered, and then moves', async () => {
    const { w, meeting, before } = await invited();
    await using _ = w;
    w.tenant.people.moveOccurrence(kari, meeting.id, day, { start: at(4, '20:00'), end: at(4, '21:00') });
    await w.pullAll();
    expect(await w.reservations()).toEqual(before);
    await w.answered();
    expect(await w.reservations()).toEqual(
      before.map((one) => (one.from === at(4, '17:00') ? { ...one, from: at(4, '20:00') } : one)),
    );
    expect(await w.conflicts()).toEqual([]);
  });

  test('that its organiser renames changes nothing until then', async () => {
    const { w, meeting, before } = await invited();
    await using _ = w;
    w.tenant.people.editOccurrence(kari, meeting.id, day, { subject: 'Concert' });
    await w.pullAll();
    expect(await w.reservations()).toEqual(before);
    await w.answered();
    expect(await w.reservations()).toEqual(before);
  });

  test('that its organiser moves to a time that is taken is declined by the room, and ends alone', async () => {
    const { w, meeting, before } = await invited();
    await using _ = w;
    w.tenant.people.book(upn, { subject: 'Lunch', start: at(4, '20:00'), end: at(4, '21:00') });
    await w.pullAll();
    w.tenant.people.moveOccurrence(kari, meeting.id, day, { start: at(4, '20:00'), end: at(4, '21:00') });
    await w.answered();
    const after = await w.reservations();
    expect(after.slice(0, 5)).toEqual(
      before.map((one) => (one.from === at(4, '17:00') ? { ...one, active: 0 } : one)),
    );
  });

  test.each([true, false])(
    'that its organiser calls off ends alone (the room removes it: %s)',
    async (removeCancelled) => {
      const { w, meeting, before } = await invited();
      await using _ = w;
      w.tenant.setAttendant(upn, { removeCancelled });
      w.tenant.people.deleteOccurrence(kari, meeting.id, day);
      await w.answered();
      expect(await w.reservations()).toEqual(
        before.map((one) => (one.from === at(4, '17:00') ? { ...one, active: 0 } : one)),
      );
    },
  );
});

describe('a series whose pattern is moved, so that its dates have new ids', () => {
  const later = ({ from, ...rest }: { id: number; active: number; from: string }) => ({
    ...rest,
    from: new Date(Date.parse(from) + 86_400_000).toISOString().replace('.000', ''),
  });
  const oneDay = { start: at(3, '17:00'), end: at(3, '19:00') };

  test('moves its reservations, each the same as before', async () => {
    await using w = await openSeries();
    const series = w.tenant.people.bookSeries(upn, rehearsal(7));
    await w.pullAll();
    const before = await w.reservations();
    w.tenant.people.move(upn, series.id, oneDay);
    await w.pullAll();
    expect(await w.reservations()).toEqual(before.map(later));
    expect(w.daemon.facts.filter(({ fact }) => fact === 'brake-held')).toEqual([]);
  });

  test('by its organiser stays until the room has answered, and then moves', async () => {
    await using w = await openSeries();
    const meeting = w.tenant.people.invite(kari, [upn], rehearsal(7));
    await w.answered();
    const before = await w.reservations();
    expect(before).toHaveLength(5);
    w.tenant.people.move(kari, meeting.id, oneDay);
    await w.pullAll();
    expect(await w.reservations()).toEqual(before);
    await w.answered();
    expect(await w.reservations()).toEqual(before.map(later));
    expect(w.daemon.facts.filter(({ fact }) => fact === 'brake-held')).toEqual([]);
  });

  test('onto dates that were its own already loses the one that it left and gets another', async () => {
    await using w = await openSeries();
    const series = w.tenant.people.bookSeries(upn, rehearsal());
    await w.pullAll();
    const before = await w.reservations();
    w.tenant.people.move(upn, series.id, oneDay);
    await w.pullAll();
    expect(await w.reservations()).toEqual([
      ...before.map((one) => (one.from === at(2, '17:00') ? { ...one, active: 0 } : one)),
      { id: expect.any(Number) as unknown, active: 1, from: at(7, '17:00') },
    ]);
  });

  test('and loses a date in the same round moves the others', async () => {
    await using w = await openSeries();
    const series = w.tenant.people.bookSeries(upn, rehearsal(7));
    await w.pullAll();
    const before = await w.reservations();
    w.tenant.people.move(upn, series.id, oneDay);
    w.tenant.people.deleteOccurrence(upn, series.id, date(10));
    await w.pullAll();
    expect(await w.reservations()).toEqual(
      before.map((one) => (one.from === at(9, '17:00') ? { ...one, active: 0 } : later(one))),
    );
  });
});

describe('a date that is deleted from a series with a date that has no reservation', () => {
  const weekly = (numberOfOccurrences: number) => ({
    ...rehearsal(7),
    range: { type: 'numbered', numberOfOccurrences },
  });
  const dayOf = (n: number) => 2 + 7 * n;
  /** The series is repeated in UTC, so the clock of the booking system may be put forward or back between its dates. */
  const start = (n: number) => date(dayOf(n)) + at(dayOf(0), '17:00').slice(10);
  type World = Awaited<ReturnType<typeof openSeries>>;
  const extend = (w: World, id: string, count: number) =>
    w.tenant.people.edit(upn, id, {
      recurrence: {
        pattern: weekly(count).pattern,
        range: { ...weekly(count).range, startDate: date(2) },
      },
    });
  const cancelled = (before: Awaited<ReturnType<World['reservations']>>, n: number) =>
    before.map((one) => (one.from === start(n) ? { ...one, active: 0 } : one));
  test.each([
    [2, 0, 1],
    [3, 0, 2],
    [3, 0, 1],
    [3, 2, 1],
  ])(
    'of %i dates, because the time of number %i is taken, cancels its own (number %i)',
    async (count, taken, deleted) => {
      await using w = await openSeries();
      const blocker = await w.desk.book(101, {
        title: 'Blocker',
        from: w.day(dayOf(taken), '17:45'),
        to: w.day(dayOf(taken), '18:30'),
      });
      await w.settled();
      const series = w.tenant.people.bookSeries(upn, weekly(count));
      await w.pullAll();
      const before = await w.reservations();
      const overlap = [{ kind: 'overlap', error: expect.any(String) as unknown }];
      expect(await w.conflicts()).toEqual(overlap);
      w.tenant.people.deleteOccurrence(upn, series.id, date(dayOf(deleted)));
      await w.pullAll();
      const after = cancelled(before, deleted);
      expect(await w.reservations()).toEqual(after);
      expect(await w.conflicts()).toEqual(overlap);
      await w.desk.cancel(blocker);
      await w.settled();
      await w.pullAll();
      const [first] = after;
      expect(await w.reservations()).toEqual([
        { ...first!, active: 0 },
        ...after.slice(1),
        { id: expect.any(Number) as unknown, active: 1, from: start(taken) },
      ]);
    },
  );

  test('because it is shown as free cancels its own, and the free one stays free', async () => {
    await using w = await openSeries();
    const series = w.tenant.people.bookSeries(upn, weekly(3));
    w.tenant.people.editOccurrence(upn, series.id, date(dayOf(0)), { showAs: 'free' });
    await w.pullAll();
    const before = await w.reservations();
    expect(before).toHaveLength(2);
    w.tenant.people.deleteOccurrence(upn, series.id, date(dayOf(2)));
    await w.pullAll();
    expect(await w.reservations()).toEqual(cancelled(before, 2));
    const shown = w.tenant.calendarOf(upn, at(1, '00:00'), at(30, '00:00'));
    expect(shown.map(({ showAs }) => showAs)).toEqual(['free', 'busy']);
  });

  test('because its import was not requested cancels its own', async () => {
    await using w = await openSeries({ IMPORT_MODE: 'manual' });
    const series = w.tenant.people.bookSeries(upn, weekly(3));
    await w.pullAll();
    await w.db.query(
      'UPDATE bridge_mappings SET import_asked_at = now(), due_at = now(), revision = revision + 1',
    );
    await w.pullAll();
    const before = await w.reservations();
    expect(before).toHaveLength(3);
    extend(w, series.id, 4);
    await w.pullAll();
    w.tenant.people.deleteOccurrence(upn, series.id, date(dayOf(1)));
    await w.pullAll();
    expect(await w.reservations()).toEqual(cancelled(before, 1));
  });

  test.each([
    ['with one that stays', [1], 3],
    ['with none that stays', [0, 1], 2],
  ])('because it was added in the same round cancels its own (%s)', async (_, deleted, count) => {
    await using w = await openSeries();
    const series = w.tenant.people.bookSeries(upn, weekly(count));
    await w.pullAll();
    const before = await w.reservations();
    extend(w, series.id, count + 2);
    for (const n of deleted) w.tenant.people.deleteOccurrence(upn, series.id, date(dayOf(n)));
    await w.pullAll();
    const after = await w.reservations();
    expect(after.slice(0, count)).toEqual(
      before.map((one) => (deleted.some((n) => one.from === start(n)) ? { ...one, active: 0 } : one)),
    );
    expect(
      after
        .slice(count)
        .map(({ from }) => from)
        .sort(),
    ).toEqual([start(count), start(count + 1)]);
  });

  test('because the series was shortened cancels its own', async () => {
    await using w = await openSeries();
    await w.desk.book(101, { title: 'Blocker', from: w.day(2, '18:30'), to: w.day(2, '20:00') });
    await w.settled();
    const series = w.tenant.people.bookSeries(upn, weekly(3));
    await w.pullAll();
    const before = await w.reservations();
    extend(w, series.id, 2);
    await w.pullAll();
    expect(await w.reservations()).toEqual(cancelled(before, 2));
  });
});

describe('an event that a person makes a series', () => {
  const { pattern, range } = rehearsal();
  const made = ['the booking system', 'Outlook'] as const;
  const heard = ['told of it', 'not running then'] as const;

  async function openEvent(where: (typeof made)[number]) {
    const w = await openSeries();
    if (where === 'Outlook')
      w.tenant.people.book(upn, { subject: 'Choir', start: at(2, '17:00'), end: at(2, '19:00') });
    else await w.desk.book(101, { title: 'Choir', from: w.day(2, '18:00'), to: w.day(2, '20:00') });
    await w.settled();
    await w.pullAll();
    const [event] = w.events(101);
    const [reservation] = await w.reservations();
    const repeat = (from = event!.start) =>
      w.tenant.people.edit(upn, event!.id, {
        ...(from === event!.start
          ? {}
          : {
              start: { dateTime: from.slice(0, 19), timeZone: 'UTC' },
              end: { dateTime: `${from.slice(0, 11)}21:00:00`, timeZone: 'UTC' },
            }),
        recurrence: { pattern, range: { ...range, startDate: from.slice(0, 10) } },
      });
    const shown = () => w.tenant.calendarOf(upn, at(1, '00:00'), at(20, '00:00'));
    return { ...w, event: event!, reservation: reservation!, repeat, shown };
  }

  test.each(made.flatMap((where) => heard.map((how) => [where, how] as const)))(
    '(made in %s, the daemon %s) has a reservation for each date, and the first keeps its own',
    async (where, how) => {
      await using w = await openEvent(where);
      if (how === 'told of it') {
        w.repeat();
        await w.pullAll();
      } else {
        await w.daemon.stop();
        w.repeat();
        w.tenant.forgetDeltaTokens(upn);
        const again = await w.start();
        await w.settled();
        await w.pullAll(again);
      }
      const all = await w.reservations();
      expect(all).toHaveLength(5);
      expect(all[0]).toEqual(w.reservation);
      expect(await w.conflicts()).toEqual([]);
      expect(w.shown()).toHaveLength(5);
      await w.desk.cancel({ type: 'event', id: w.reservation.id });
      await w.settled();
      await w.pullAll();
      expect((await w.reservations()).map(({ active }) => active)).toEqual([0, 1, 1, 1, 1]);
      expect(w.shown()).toHaveLength(4);
    },
  );

  test('while a clerk cancels its reservation keeps the other dates', async () => {
    await using w = await openEvent('the booking system');
    w.repeat();
    await w.desk.cancel({ type: 'event', id: w.reservation.id });
    await w.settled();
    expect(w.shown().length).toBeGreaterThanOrEqual(4);
    await w.pullAll();
    expect((await w.reservations()).map(({ active }) => active)).toEqual([0, 1, 1, 1, 1]);
    expect(w.shown()).toHaveLength(4);
  });

  test('and moves with it moves its reservation, and no other date is taken for it', async () => {
    await using w = await openEvent('the booking system');
    w.repeat(at(3, '19:00'));
    await w.pullAll();
    const [own, ...others] = await w.reservations();
    expect(own).toEqual({ ...w.reservation, from: at(3, '19:00') });
    expect(others.map(({ from }) => from).sort()).toEqual([4, 5, 6, 7].map((day) => at(day, '19:00')));
    expect(await w.conflicts()).toEqual([]);
    expect(w.shown()).toHaveLength(5);
  });
});

describe('a series that somebody makes one event', () => {
  test.each([
    ['and leaves where it is', {}, at(2, '17:00')],
    ['and moves', { start: at(3, '19:00'), end: at(3, '21:00') }, at(3, '19:00')],
  ] as const)('%s keeps the reservation of one date, and the others go', async (_, times, from) => {
    await using w = await openSeries();
    const series = w.tenant.people.bookSeries(upn, rehearsal());
    await w.pullAll();
    const before = await w.reservations();
    w.tenant.people.edit(upn, series.id, {
      recurrence: null,
      ...Object.fromEntries(
        Object.entries(times).map(([name, time]) => [name, { dateTime: time.slice(0, 19), timeZone: 'UTC' }]),
      ),
    });
    await w.pullAll();
    const after = await w.reservations();
    expect(after).toHaveLength(before.length);
    expect(after.filter(({ active }) => active === 1)).toMatchObject([{ from }]);
    expect(await w.conflicts()).toEqual([]);
    expect(w.events(101)).toMatchObject([{ id: series.id, type: 'singleInstance' }]);
  });
});
