/** What Exchange does with the instances of a series, through real HTTP and the whole daemon. */
import { describe, expect, test } from 'vitest';
import { at, date } from '../support/dates.ts';
import { openWorld, rooms } from './world.ts';

const upn = rooms[101]!.upn;
const kari = 'kari@bergen.example';

async function openSeries() {
  const world = await openWorld({ mapped: [101] });
  world.tenant.addPerson({ upn: kari, name: 'Kari Nordmann' });
  const daemon = await world.start();
  await world.settled();
  const pullAll = () => world.pullAll(daemon);
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

  test('onto dates that were its own already moves the reservation of the one that it left', async () => {
    await using w = await openSeries();
    const series = w.tenant.people.bookSeries(upn, rehearsal());
    await w.pullAll();
    const before = await w.reservations();
    w.tenant.people.move(upn, series.id, oneDay);
    await w.pullAll();
    expect(await w.reservations()).toEqual(
      before.map((one) => (one.from === at(2, '17:00') ? { ...one, from: at(7, '17:00') } : one)),
    );
  });
});
