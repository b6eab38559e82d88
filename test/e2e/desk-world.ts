/** The whole product before the booking system of any adapter, which its own people use through their desk. */
import type { Id } from '../../src/id.ts';
import { openTestDatabase, type TestDatabase } from '../support/database.ts';
import { readDesk } from '../support/desks.ts';
import { isWrite } from '../support/writes.ts';
import { openWorld, rooms as mailboxes, type WorldOptions } from './world.ts';

/** Mailboxes in the order in which the rooms are given. */
const upns = Object.values(mailboxes).map(({ upn }) => upn);
const person = 'ada@bergen.example';

/** Ids of rooms in the booking system; left out: the two of the desk. */
export async function openDeskWorld(
  adapter: string,
  rooms?: readonly number[],
  options: WorldOptions & { readonly before?: (db: TestDatabase) => Promise<unknown> } = {},
) {
  const desk = readDesk(adapter);
  const database = await openTestDatabase({ schema: desk.installed });
  await options.before?.(database);
  const world = await openWorld({
    ...options,
    mapped: [],
    database,
    env: { BOOKING_ADAPTER: adapter, ...options.env },
  });
  const { db, tenant } = world;
  tenant.addPerson({ upn: person, name: 'Ada' });
  const ids = rooms ?? (await desk.rooms(db));
  for (const [at, id] of ids.entries())
    await db.query(
      'INSERT INTO bridge_resource_mappings (resource_id, outlook_item_id, outlook_item_name) VALUES ($1, $2, $2)',
      [id, upns[at]],
    );
  const daemon = await world.start();
  await world.settled();
  const upn = (id: number) => upns[ids.indexOf(id)]!;
  return {
    ...world,
    desk,
    ids,
    daemon,
    upn,
    /** The people of the booking system write; both sides are equal afterwards. */
    async write<T>(work: () => Promise<T>): Promise<T> {
      const done = await work();
      await world.settled();
      return done;
    },
    /** Rooms answer what they were asked, and what is new in Outlook is read. */
    pullAll: () => {
      tenant.advance(10_000);
      return world.pullAll(daemon);
    },
    /** What Outlook shows in a room, earliest first. */
    shown: (id: number) =>
      tenant
        .eventsIn(upn(id))
        .map(({ subject, start, end, showAs }) => ({
          subject,
          start: `${start.slice(0, 19)}Z`,
          end: `${end.slice(0, 19)}Z`,
          showAs,
        }))
        .toSorted((a, b) => a.start.localeCompare(b.start)),
    /** What the booking system has in a room and has not cancelled, earliest first. */
    items: (id: number) =>
      db.query<{
        type: string;
        id: Id;
        key: string;
        title: string;
        start: string;
        end: string;
        state: string;
      }>(
        `SELECT i.reservation_type AS type, i.reservation_id AS id,
           coalesce(to_jsonb(i) ->> 'reservation_key', i.reservation_id::text) AS key, i.title,
           to_char(i.starts_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS start,
           to_char(i.ends_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS "end",
           coalesce(to_jsonb(i) ->> 'state', 'active') AS state
         FROM bridge_items i WHERE i.resource_id = $1 AND (i.active OR to_jsonb(i) ->> 'state' = 'awaiting')
         ORDER BY i.starts_at`,
        [id],
      ),
    /** The writes to events so far, without ids. */
    writes: () =>
      tenant.journal
        .filter((call) => isWrite(call) && call.path.includes('/events'))
        .map(({ method, path }) => `${method} ${path.replace(/.*\/events\/?[^/]*/, '')}`.trim()),
  };
}
