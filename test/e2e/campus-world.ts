/** The whole product before a campus' booking system: one with all that an adapter may have beside the first contract. */
import { campus } from '../support/adapters.ts';
import { openTestDatabase } from '../support/database.ts';
import { day } from '../support/dates.ts';
import { isWrite } from '../support/writes.ts';
import { openWorld, rooms as mailboxes, type WorldOptions } from './world.ts';

/** Rooms of the seed, by what they are like → their code and their mailbox. */
export const room = {
  plain: { code: 'A-101', upn: mailboxes[101]!.upn },
  other: { code: 'B-202', upn: mailboxes[102]!.upn },
  /** Its bookings wait for approval. */
  approved: { code: 'C-303', upn: mailboxes[103]!.upn },
  /** 15 minutes before, 30 after. */
  prepared: { code: 'D-404', upn: mailboxes[104]!.upn },
} as const;
export const person = 'ada@bergen.example';

export type Room = keyof typeof room;

interface Booking {
  /** A uuid. */
  readonly key: string;
  readonly title: string;
  readonly status: string;
  readonly deleted: boolean;
  /** Local wall clock. */
  readonly from: string;
  readonly to: string;
}

export async function openCampus(options: WorldOptions = {}) {
  const database = await openTestDatabase({ schema: `installed ${campus}` });
  const world = await openWorld({
    ...options,
    mapped: [],
    database,
    env: { BOOKING_ADAPTER: campus, ...options.env },
  });
  const { db, tenant } = world;
  tenant.addPerson({ upn: person, name: 'Ada' });
  for (const { code, upn } of Object.values(room))
    await db.query(
      'INSERT INTO bridge_resource_mappings (resource_key, outlook_item_id, outlook_item_name) VALUES ($1, $2, $2)',
      [code, upn],
    );
  const daemon = await world.start();
  await world.settled();
  const pullAll = () => {
    // rooms answer what they were asked
    tenant.advance(10_000);
    return world.pullAll(daemon);
  };
  const plain = (time: string) => `${time.slice(0, 19)}Z`;
  return {
    ...world,
    daemon,
    pullAll,
    events: (of: Room) =>
      tenant
        .eventsIn(room[of].upn)
        .map((event) => ({ ...event, start: plain(event.start), end: plain(event.end) })),
    /** Books from an hour of the third day to another; returns its key. */
    async book(of: Room, title: string, from: string, to: string, status = 'confirmed'): Promise<string> {
      const rows = await db.query<{ key: string }>(
        `INSERT INTO campus_booking (room_code, during, title, status)
         VALUES ($1, tstzrange($2::timestamp AT TIME ZONE 'Europe/Oslo', $3::timestamp AT TIME ZONE 'Europe/Oslo'), $4, $5)
         RETURNING id AS key`,
        [room[of].code, day(3, from), day(3, to), title, status],
      );
      await world.settled();
      return rows[0]!.key;
    },
    async set(key: string, what: string): Promise<void> {
      await db.query(`UPDATE campus_booking SET ${what} WHERE id = $1`, [key]);
      await world.settled();
    },
    bookings: () =>
      db.query<Booking & Record<string, unknown>>(
        `SELECT id AS key, title, status, deleted_at IS NOT NULL AS deleted,
           to_char(lower(during) AT TIME ZONE 'Europe/Oslo', 'HH24:MI') AS "from", to_char(upper(during) AT TIME ZONE 'Europe/Oslo', 'HH24:MI') AS "to"
         FROM campus_booking ORDER BY made_at`,
      ),
    writes: () =>
      tenant.journal
        .filter((call) => isWrite(call) && call.path.includes('/events'))
        .map(({ method, path }) => `${method} ${path.replace(/.*\/events\/?[^/]*/, '')}`.trim()),
    async invite(of: readonly Room[], subject: string, start: string, end: string) {
      const meeting = tenant.people.invite(
        person,
        of.map((one) => room[one].upn),
        { subject, start, end },
      );
      await pullAll();
      return meeting;
    },
    [Symbol.asyncDispose]: () => world[Symbol.asyncDispose](),
  };
}
