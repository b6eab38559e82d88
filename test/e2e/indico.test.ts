/** Indico's series, states and days, in both directions. */
import { describe, expect, test } from 'vitest';
import { at, date, day } from '../support/dates.ts';
import { createUndo } from '../../src/sync/manual/undo.ts';
import { openDeskWorld } from './desk-world.ts';

type World = Awaited<ReturnType<typeof openDeskWorld>>;

/** Two rooms that everybody may book, and one whose bookings wait for approval. */
const rooms = { plain: 1, other: 2, approved: 3 } as const;
const open = () => openDeskWorld('indico', Object.values(rooms));

/** A reservation as Indico writes it: of one date, or of one date each week. Returns its id. */
async function reserve(
  world: World,
  title: string,
  days: readonly number[],
  options: {
    readonly room?: number;
    readonly state?: number;
    readonly from?: string;
    readonly to?: string;
  } = {},
): Promise<number> {
  const { room = rooms.plain, state = 2, from = '10:00', to = '11:00' } = options;
  const rows = await world.db.query<{ id: number }>(
    `INSERT INTO roombooking.reservations (created_dt, start_dt, end_dt, repeat_frequency, repeat_interval, booked_for_name, room_id, state,
       booking_reason, end_notification_sent, internal_note)
     VALUES (now(), $1, $2, $3::integer, $3::integer / 2, 'Kari Nordmann', $4, $5, $6, false, '') RETURNING id`,
    [day(days[0]!, from), day(days.at(-1)!, to), days.length > 1 ? 2 : 0, room, state, title],
  );
  await makeDates(world, rows[0]!.id, days, from, to);
  await world.settled();
  return rows[0]!.id;
}

async function makeDates(world: World, id: number, days: readonly number[], from: string, to: string) {
  for (const one of days)
    await world.db.query(
      `INSERT INTO roombooking.reservation_occurrences (reservation_id, start_dt, end_dt, notification_sent, state) VALUES ($1, $2, $3, false, 2)`,
      [id, day(one, from), day(one, to)],
    );
}

const dates = (world: World) =>
  world.db.query<{ day: string; from: string; to: string; state: number; reason: string | null }>(
    `SELECT to_char(start_dt, 'YYYY-MM-DD') AS day, to_char(start_dt, 'HH24:MI') AS "from", to_char(end_dt, 'HH24:MI') AS "to", state,
       rejection_reason AS reason
     FROM roombooking.reservation_occurrences ORDER BY start_dt`,
  );

const reservations = (world: World) =>
  world.db.query<{ id: number; state: number; reason: string; name: string; person: number | null }>(
    `SELECT id, state, booking_reason AS reason, booked_for_name AS name, booked_for_id AS person FROM roombooking.reservations ORDER BY id`,
  );

const weekly = [3, 10, 17];

describe('a series', () => {
  test('is shown date by date, and one that is cancelled goes alone', async () => {
    await using world = await open();
    const id = await reserve(world, 'Seminar', weekly);
    expect(world.shown(rooms.plain).map(({ start }) => start)).toEqual(weekly.map((one) => at(one, '10:00')));
    expect((await world.items(rooms.plain)).map((item) => item.key)).toEqual(
      weekly.map((one) => `${id}${date(one).replaceAll('-', '')}`),
    );
    await world.write(() =>
      world.db.query('UPDATE roombooking.reservation_occurrences SET state = 3 WHERE start_dt = $1', [
        day(10, '10:00'),
      ]),
    );
    expect(world.shown(rooms.plain).map(({ start }) => start)).toEqual([at(3, '10:00'), at(17, '10:00')]);
  });

  test('of which all dates are made anew when it is edited keeps its events', async () => {
    await using world = await open();
    const id = await reserve(world, 'Seminar', weekly);
    await world.write(async () => {
      const client = await world.db.pool.connect();
      await client.query('BEGIN');
      await client.query(
        `UPDATE roombooking.reservations SET start_dt = start_dt + interval '2 hours' WHERE id = $1`,
        [id],
      );
      await client.query(
        `WITH old AS (DELETE FROM roombooking.reservation_occurrences WHERE reservation_id = $1 RETURNING *)
         INSERT INTO roombooking.reservation_occurrences (reservation_id, start_dt, end_dt, notification_sent, state)
         SELECT reservation_id, start_dt + interval '2 hours', end_dt + interval '2 hours', false, 2 FROM old`,
        [id],
      );
      await client.query('COMMIT');
      client.release();
    });
    expect(world.shown(rooms.plain).map(({ start }) => start)).toEqual(weekly.map((one) => at(one, '12:00')));
    expect(world.writes().toSorted()).toEqual(['PATCH', 'PATCH', 'PATCH', 'POST', 'POST', 'POST']);
  });

  test('follows Outlook in the hours of one date, and in its deletion', async () => {
    await using world = await open();
    await reserve(world, 'Seminar', weekly);
    const [first, second] = world.tenant
      .eventsIn(world.upn(rooms.plain))
      .toSorted((a, b) => a.start.localeCompare(b.start));
    world.tenant.people.move(world.upn(rooms.plain), first!.id, {
      start: at(3, '13:00'),
      end: at(3, '14:30'),
    });
    world.tenant.people.remove(world.upn(rooms.plain), second!.id);
    await world.pullAll();
    expect(await dates(world)).toMatchObject([
      { day: date(3), from: '13:00', to: '14:30', state: 2 },
      { day: date(10), from: '10:00', to: '11:00', state: 3, reason: 'Cancelled from Outlook' },
      { day: date(17), from: '10:00', to: '11:00', state: 2 },
    ]);
    expect(await reservations(world)).toMatchObject([{ state: 2 }]);
    expect(
      await world.db.query(
        'SELECT info[1] AS line FROM roombooking.reservation_edit_logs ORDER BY info[1] COLLATE "C"',
      ),
    ).toEqual([{ line: `${date(10)} cancelled: Cancelled from Outlook` }, { line: 'Changed in Outlook' }]);
  });

  test('keeps the day, title and room of one date, and Outlook is set back to them', async () => {
    await using world = await open();
    await reserve(world, 'Seminar', weekly);
    const [first] = world.tenant
      .eventsIn(world.upn(rooms.plain))
      .filter(({ start }) => start.startsWith(at(3, '10:00').slice(0, 19)));
    world.tenant.people.move(world.upn(rooms.plain), first!.id, {
      start: at(4, '10:00'),
      end: at(4, '11:00'),
    });
    world.tenant.people.retitle(world.upn(rooms.plain), first!.id, 'Something else');
    await world.pullAll();
    expect((await dates(world)).map((one) => one.day)).toEqual(weekly.map(date));
    expect(await reservations(world)).toMatchObject([{ reason: 'Seminar' }]);
    expect(world.shown(rooms.plain)).toMatchObject(
      weekly.map((one) => ({ subject: 'Seminar', start: at(one, '10:00') })),
    );
  });

  test('is cancelled as a whole with its last date', async () => {
    await using world = await open();
    await reserve(world, 'Seminar', weekly.slice(0, 2));
    for (const { id } of world.tenant.eventsIn(world.upn(rooms.plain)))
      world.tenant.people.remove(world.upn(rooms.plain), id);
    await world.pullAll();
    expect(await reservations(world)).toMatchObject([{ state: 3 }]);
  });

  test('that is cancelled leaves the dates in Outlook that Indico leaves valid', async () => {
    await using world = await open();
    const id = await reserve(world, 'Seminar', weekly);
    await world.write(async () => {
      await world.db.query('UPDATE roombooking.reservations SET state = 3 WHERE id = $1', [id]);
      await world.db.query('UPDATE roombooking.reservation_occurrences SET state = 3 WHERE start_dt > $1', [
        day(4, '00:00'),
      ]);
    });
    expect(world.shown(rooms.plain).map(({ start }) => start)).toEqual([at(3, '10:00')]);
  });
});

describe('a single reservation', () => {
  test('keeps its event when Indico moves it to another day and another room', async () => {
    await using world = await open();
    const id = await reserve(world, 'Lecture', [3]);
    await world.write(async () => {
      await world.db.query('UPDATE roombooking.reservations SET start_dt = $2, end_dt = $3 WHERE id = $1', [
        id,
        day(5, '08:00'),
        day(5, '09:00'),
      ]);
      await world.db.query('DELETE FROM roombooking.reservation_occurrences WHERE reservation_id = $1', [id]);
      await makeDates(world, id, [5], '08:00', '09:00');
    });
    expect(world.shown(rooms.plain)).toMatchObject([{ subject: 'Lecture', start: at(5, '08:00') }]);
    await world.write(() =>
      world.db.query('UPDATE roombooking.reservations SET room_id = $2 WHERE id = $1', [id, rooms.other]),
    );
    expect(world.shown(rooms.plain)).toEqual([]);
    expect(world.shown(rooms.other)).toMatchObject([{ subject: 'Lecture', start: at(5, '08:00') }]);
  });

  test('of a whole day, which Indico ends at 23:59, is an event of a whole day, and the other way round', async () => {
    await using world = await open();
    await reserve(world, 'Fair', [3], { from: '00:00', to: '23:59' });
    expect(world.shown(rooms.plain)).toMatchObject([{ subject: 'Fair' }]);
    expect(world.tenant.eventsIn(world.upn(rooms.plain))).toMatchObject([{ isAllDay: true }]);
    world.tenant.people.book(world.upn(rooms.other), {
      subject: 'Cleaning',
      start: `${date(4)}T00:00:00`,
      end: `${date(5)}T00:00:00`,
      isAllDay: true,
    });
    await world.pullAll();
    expect((await dates(world)).at(-1)).toMatchObject({ day: date(4), from: '00:00', to: '23:59' });
  });

  test('cannot pass midnight: such a meeting is not imported, and a person reads why', async () => {
    await using world = await open();
    world.tenant.people.book(world.upn(rooms.plain), {
      subject: 'Party',
      start: at(3, '22:00'),
      end: at(4, '02:00'),
    });
    await world.pullAll();
    expect(await reservations(world)).toEqual([]);
    expect(
      await world.db.query('SELECT sync_status AS status, error_message AS why FROM bridge_mappings'),
    ).toMatchObject([
      { why: expect.stringMatching(/begins and ends on one day.*Book each day by itself/) as string },
    ]);
  });

  test('is booked for the organizer where Indico knows the address', async () => {
    await using world = await open();
    for (const [hour, organizer] of [
      ['10', 'ada@bergen.example'],
      ['12', 'guest@bergen.example'],
    ] as const) {
      if (organizer.startsWith('guest')) world.tenant.addPerson({ upn: organizer, name: 'Guest' });
      world.tenant.people.invite(organizer, [world.upn(rooms.plain)], {
        subject: 'Council',
        start: at(3, `${hour}:00`),
        end: at(3, `${hour}:30`),
      });
    }
    await world.pullAll();
    expect((await reservations(world)).map(({ name, person }) => [name, person]).toSorted()).toEqual([
      ['Ada Berg', 2],
      ['Guest', null],
    ]);
  });
});

describe('approval', () => {
  test('a request is shown once it is accepted, and gone once it is rejected', async () => {
    await using world = await open();
    const id = await reserve(world, 'Senate', [3], { room: rooms.approved, state: 1 });
    expect(world.shown(rooms.approved)).toEqual([]);
    const set = (state: number, ofDate: number) =>
      world.write(() =>
        world.db.query(
          `WITH r AS (UPDATE roombooking.reservations SET state = ${state} WHERE id = $1)
           UPDATE roombooking.reservation_occurrences SET state = ${ofDate} WHERE reservation_id = $1`,
          [id],
        ),
      );
    await set(2, 2);
    expect(world.shown(rooms.approved)).toMatchObject([{ subject: 'Senate', showAs: 'busy' }]);
    await set(4, 4);
    expect(world.shown(rooms.approved)).toEqual([]);
  });

  test('a meeting in a room that asks for approval waits for it, and is declined once it is rejected', async () => {
    await using world = await open();
    world.tenant.people.invite('ada@bergen.example', [world.upn(rooms.approved)], {
      subject: 'Council',
      start: at(3, '10:00'),
      end: at(3, '11:00'),
    });
    await world.pullAll();
    expect(await world.items(rooms.approved)).toMatchObject([{ state: 'awaiting' }]);
    expect(world.writes()).toEqual([]);
    await world.write(async () => {
      await world.db.query('UPDATE roombooking.reservations SET state = 4');
      await world.db.query('UPDATE roombooking.reservation_occurrences SET state = 4');
    });
    expect(world.writes().filter((call) => call.includes('decline'))).toHaveLength(1);
  });

  test('is asked for again by what was cancelled before anybody gave it, and comes back by undo or because its event does', async () => {
    await using world = await open();
    const { id } = world.tenant.people.book(world.upn(rooms.approved), {
      subject: 'Council',
      start: at(3, '10:00'),
      end: at(3, '11:00'),
    });
    await world.pullAll();
    const [request] = await world.items(rooms.approved);
    expect(request).toMatchObject({ state: 'awaiting' });
    world.tenant.people.remove(world.upn(rooms.approved), id);
    await world.pullAll();
    expect(await world.items(rooms.approved)).toEqual([]);
    const [revived] = await world.db.query<{ stored: string[] | null }>(
      `WITH one AS (SELECT * FROM bridge_items WHERE reservation_id = $1)
       SELECT bridge_revive('booking', $1, $2, jsonb_build_object('starts_at', one.starts_at, 'ends_at', one.ends_at), 'Cancelled from Outlook') AS stored FROM one`,
      [request!.id, rooms.approved],
    );
    expect(revived!.stored).toEqual(['ends_at', 'starts_at']);
    expect(await world.items(rooms.approved)).toMatchObject([{ id: request!.id, state: 'awaiting' }]);
    await world.write(() => world.db.query(`SELECT bridge_cancel_item('booking', $1, '')`, [request!.id]));
    const undo = createUndo(world.db.pool);
    const choice = { since: new Date(0), resourceId: null, what: ['cancelled'] } as const;
    expect(await undo.apply(choice, 'anna')).toMatchObject([{ step: 're-enable', refused: null }]);
    expect(await world.items(rooms.approved)).toMatchObject([{ id: request!.id, state: 'awaiting' }]);
    expect(await undo.plan({ ...choice, what: ['undone'] })).toMatchObject([
      { step: 'cancel', refused: null },
    ]);
  });
});
