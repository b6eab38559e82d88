/** Cal.com's requests, rescheduling and buffers, in both directions. */
import { describe, expect, test } from 'vitest';
import { at, day } from '../support/dates.ts';
import { openDeskWorld } from './desk-world.ts';

type World = Awaited<ReturnType<typeof openDeskWorld>>;

/** Rooms of the seed: two plain ones, one whose bookings are confirmed, and one with buffers whose requests hold the time. */
const rooms = { plain: 1, other: 2, confirmed: 3, lab: 4 } as const;
const open = () => openDeskWorld('calcom', Object.values(rooms));

/** Books for an hour. Returns the id. */
async function book(
  world: World,
  room: number,
  title: string,
  days: number,
  from: string,
  more: object = {},
): Promise<number> {
  const rows = await world.db.query<{ id: number }>(
    `INSERT INTO "Booking" (uid, "userId", "eventTypeId", title, "startTime", "endTime", status, "fromReschedule", "recurringEventId", "idempotencyKey")
     SELECT gen_random_uuid()::text, $1, e.id, $2, s.at, s.at + interval '1 hour', coalesce($4::jsonb ->> 'status', 'accepted')::"BookingStatus",
       $4::jsonb ->> 'replaces', $4::jsonb ->> 'series', $4::jsonb ->> 'key'
     FROM (SELECT $3::timestamp AT TIME ZONE 'Europe/Oslo' AT TIME ZONE 'UTC' AS at) s, (SELECT min(id) AS id FROM "EventType" WHERE "userId" = $1) e
     RETURNING id`,
    [room, title, day(days, from), JSON.stringify(more)],
  );
  await world.settled();
  return rows[0]!.id;
}

const set = (world: World, id: number, what: string) =>
  world.write(() => world.db.query(`UPDATE "Booking" SET ${what} WHERE id = $1`, [id]));

describe('requests', () => {
  test('one that waits for confirmation is shown once it is accepted', async () => {
    await using world = await open();
    const id = await book(world, rooms.confirmed, 'Senate', 3, '10:00', { status: 'pending' });
    expect(world.shown(rooms.confirmed)).toEqual([]);
    await set(world, id, `status = 'accepted'`);
    expect(world.shown(rooms.confirmed)).toMatchObject([{ subject: 'Senate', showAs: 'busy' }]);
    await set(world, id, `status = 'rejected'`);
    expect(world.shown(rooms.confirmed)).toEqual([]);
  });

  test('one whose event type lets it hold the time is tentative', async () => {
    await using world = await open();
    const id = await book(world, rooms.lab, 'Test run', 3, '10:00', { status: 'pending' });
    expect(world.shown(rooms.lab)).toMatchObject([{ subject: 'Tentative: Test run', showAs: 'tentative' }]);
    await set(world, id, `status = 'accepted'`);
    expect(world.shown(rooms.lab)).toMatchObject([{ subject: 'Test run', showAs: 'busy' }]);
  });

  test('a meeting in a room that asks for confirmation waits for it', async () => {
    await using world = await open();
    world.tenant.people.invite('ada@bergen.example', [world.upn(rooms.confirmed)], {
      subject: 'Council',
      start: at(3, '10:00'),
      end: at(3, '11:00'),
    });
    await world.pullAll();
    expect(await world.items(rooms.confirmed)).toMatchObject([{ state: 'awaiting' }]);
    expect(world.writes()).toEqual([]);
    expect(await world.db.query('SELECT name, email FROM "Attendee"')).toEqual([
      { name: 'Ada', email: 'ada@bergen.example' },
    ]);
  });
});

test('a rescheduled booking, which is cancelled and made anew, keeps its event', async () => {
  await using world = await open();
  const id = await book(world, rooms.plain, 'Interview', 3, '10:00');
  await world.write(() =>
    world.db.query(
      `WITH old AS (UPDATE "Booking" SET status = 'cancelled', rescheduled = true WHERE id = $1 RETURNING *)
       INSERT INTO "Booking" (uid, "userId", "eventTypeId", title, "startTime", "endTime", "fromReschedule")
       SELECT gen_random_uuid()::text, "userId", "eventTypeId", title, "startTime" + interval '2 hours', "endTime" + interval '2 hours', uid FROM old`,
      [id],
    ),
  );
  expect(world.shown(rooms.plain)).toMatchObject([{ subject: 'Interview', start: at(3, '12:00') }]);
  expect(world.writes()).toEqual(['POST', 'PATCH']);
});

test('each date of a recurring booking is an event, and one that is cancelled goes alone', async () => {
  await using world = await open();
  const ids: number[] = [];
  for (const days of [3, 10, 17])
    ids.push(await book(world, rooms.plain, 'Seminar', days, '10:00', { series: 's' }));
  await set(world, ids[1]!, `status = 'cancelled'`);
  expect(world.shown(rooms.plain).map(({ start }) => start)).toEqual([at(3, '10:00'), at(17, '10:00')]);
});

test('buffers are shown as part of the event, follow the event type, and are taken off when Outlook moves it', async () => {
  await using world = await open();
  await book(world, rooms.lab, 'Test run', 3, '10:00');
  expect(world.shown(rooms.lab)).toMatchObject([{ start: at(3, '09:45'), end: at(3, '11:30') }]);
  await world.write(() =>
    world.db.query(`UPDATE "EventType" SET "afterEventBuffer" = 15 WHERE "userId" = 4`),
  );
  expect(world.shown(rooms.lab)).toMatchObject([{ start: at(3, '09:45'), end: at(3, '11:15') }]);
  const [event] = world.tenant.eventsIn(world.upn(rooms.lab));
  world.tenant.people.move(world.upn(rooms.lab), event!.id, { start: at(3, '11:45'), end: at(3, '13:15') });
  await world.pullAll();
  expect(await world.items(rooms.lab)).toMatchObject([{ start: at(3, '12:00'), end: at(3, '13:00') }]);
});

test('what an event type hides from calendars is hidden in Outlook', async () => {
  await using world = await open();
  await book(world, rooms.plain, 'Interview with Kari', 3, '10:00');
  await world.write(() =>
    world.db.query(`UPDATE "EventType" SET "hideCalendarEventDetails" = true WHERE "userId" = 1`),
  );
  const [event] = world.tenant.eventsIn(world.upn(rooms.plain));
  expect(event).toMatchObject({
    sensitivity: 'private',
    subject: expect.not.stringMatching(/Kari/) as string,
  });
});

test('notes that an event type hides are not overwritten by a text of Outlook', async () => {
  await using world = await open();
  const id = await book(world, rooms.plain, 'Interview', 3, '10:00');
  await set(world, id, `description = 'Key in the safe'`);
  const notes = async (change: object) =>
    (
      await world.db.query(
        `SELECT bridge_change_item('booking', $1, $2) AS stored, b.description FROM "Booking" b WHERE b.id = $1`,
        [id, JSON.stringify(change)],
      )
    )[0];
  const read = () => world.db.query('SELECT title, description FROM "Booking" WHERE id = $1', [id]);
  await world.db.query('UPDATE "EventType" SET "hideCalendarNotes" = true WHERE "userId" = 1');
  expect(await notes({ title: 'Talk', description: 'Bring cake' })).toMatchObject({ stored: ['title'] });
  expect(await read()).toEqual([{ title: 'Talk', description: 'Key in the safe' }]);
  await world.db.query('UPDATE "EventType" SET "hideCalendarNotes" = false WHERE "userId" = 1');
  expect(await notes({ description: 'Bring cake' })).toMatchObject({ stored: ['description'] });
  expect(await read()).toEqual([{ title: 'Talk', description: 'Bring cake' }]);
});

test('a booking that Outlook moved gives back the time that Cal.com had promised it', async () => {
  await using world = await open();
  const id = await book(world, rooms.plain, 'Interview', 3, '10:00', { key: 'made of host and times' });
  const [event] = world.tenant.eventsIn(world.upn(rooms.plain));
  world.tenant.people.retitle(world.upn(rooms.plain), event!.id, 'Second interview');
  await world.pullAll();
  const key = () =>
    world.db.query('SELECT title, "idempotencyKey" AS key FROM "Booking" WHERE id = $1', [id]);
  expect(await key()).toEqual([{ title: 'Second interview', key: 'made of host and times' }]);
  world.tenant.people.move(world.upn(rooms.plain), event!.id, { start: at(3, '12:00'), end: at(3, '13:00') });
  await world.pullAll();
  expect(await key()).toEqual([{ title: 'Second interview', key: null }]);
});

test('an event is booked under the event type that the page of the room offers first, or the one that was chosen', async () => {
  await using world = await open();
  const types = () =>
    world.db.query(
      `SELECT e.slug FROM "Booking" b JOIN "EventType" e ON e.id = b."eventTypeId" ORDER BY b.id`,
    );
  const type = async (hour: string) => {
    world.tenant.people.book(world.upn(rooms.plain), {
      subject: hour,
      start: at(3, `${hour}:00`),
      end: at(3, `${hour}:30`),
    });
    await world.pullAll();
  };
  await type('10');
  await world.db.query(`INSERT INTO bridge_settings (name, value) VALUES ('outlook_event_type', '60min')`);
  await type('12');
  expect(await types()).toEqual([{ slug: '30min' }, { slug: '60min' }]);
});
