/**
 * The state of each side, read from the side itself: the booking tables and the tenant's store. Neither the bridge's
 * tables nor its view are read, so that the demo is independent of the bridge's own report.
 */
import type { Database } from '../database.ts';
import type { Act } from './clerk.ts';
import type { Reservation } from './desk.ts';
import type { TenantEvent } from './tenant/people.ts';
import type { Tenant } from './tenant/tenant.ts';
import type { Journalled } from './tenant/journal.ts';
import type { Room } from './world.ts';
import { queryRows } from '../query.ts';

/** One item in one room. Times are UTC without a zone; of an all-day item its local midnights. */
interface Shown {
  readonly type: string;
  readonly id: number;
  readonly resource: number;
  readonly start: string;
  readonly end: string;
  /** Null for a private one: Outlook shows a neutral subject. */
  readonly title: string | null;
}

/** The reservations that Outlook should show: active, inside the window, and not wholly covered by a higher priority. */
async function readShown(db: Database, only: readonly Reservation[] | null): Promise<Shown[]> {
  return await queryRows<Shown>(db, shownText, [
    only === null,
    only?.map(({ type }) => type) ?? [],
    only?.map(({ id }) => id) ?? [],
  ]);
}

const shownText = `
  WITH items AS MATERIALIZED (
    SELECT 'event' AS type, e.id, r.resource_id, 1 AS priority, e.from_, e.to_,
           CASE WHEN e.is_public = 0 THEN NULL ELSE e.name END AS title
    FROM bb_event e JOIN bb_event_resource r ON r.event_id = e.id WHERE e.active = 1
    UNION ALL
    SELECT 'booking', b.id, r.resource_id, 2, b.from_, b.to_, g.name
    FROM bb_booking b JOIN bb_booking_resource r ON r.booking_id = b.id JOIN bb_group g ON g.id = b.group_id
    WHERE b.active = 1
    UNION ALL
    SELECT 'allocation', a.id, r.resource_id, 3, a.from_, a.to_, o.name
    FROM bb_allocation a JOIN bb_allocation_resource r ON r.allocation_id = a.id
    JOIN bb_organization o ON o.id = a.organization_id WHERE a.active = 1
  ), today AS (SELECT (now() AT TIME ZONE 'Europe/Oslo')::date AS day)
  SELECT i.type, i.id, i.resource_id AS resource, i.title,
         to_char(CASE WHEN all_day THEN i.from_ ELSE i.from_ AT TIME ZONE 'Europe/Oslo' AT TIME ZONE 'UTC' END, format) AS start,
         to_char(CASE WHEN all_day THEN i.to_ ELSE i.to_ AT TIME ZONE 'Europe/Oslo' AT TIME ZONE 'UTC' END, format) AS end
  FROM items i, today,
    LATERAL (SELECT i.from_::time = '00:00' AND i.to_::time = '00:00' AND i.to_ > i.from_ AS all_day,
                    'YYYY-MM-DD"T"HH24:MI:SS' AS format) f
  WHERE ($1 OR (i.type, i.id) IN (SELECT * FROM unnest($2::text[], $3::int[])))
    AND i.to_ > today.day - 7 AND i.from_ < today.day + 365
    AND (i.priority = 1 OR NOT coalesce((
      SELECT range_agg(tsrange(c.from_, c.to_)) FROM items c
      WHERE c.resource_id = i.resource_id AND c.priority < i.priority AND c.from_ < i.to_ AND c.to_ > i.from_
    ) @> tsrange(i.from_, i.to_), false))`;

export interface Comparison {
  readonly reservations: number;
  readonly events: number;
  /** Room, time and title of items that only one side shows. */
  readonly differences: readonly string[];
}

/** Compares both sides as they are now: room, start, end and title of everything. */
export async function compareSides(db: Database, tenant: Tenant, rooms: Iterable<Room>): Promise<Comparison> {
  const line = (room: Room, start: string, end: string, title: string | null) =>
    `${room.name}, ${start}–${end}, ${title ?? 'private'}`;
  const booked = await readShown(db, null);
  const inBooking: string[] = [];
  const inOutlook: string[] = [];
  for (const room of rooms) {
    for (const item of booked)
      if (item.resource === room.resource) inBooking.push(line(room, item.start, item.end, item.title));
    for (const event of tenant.eventsIn(room.upn))
      if (!event.isCancelled)
        inOutlook.push(line(room, secondsOf(event.start), secondsOf(event.end), subjectOf(event)));
  }
  const differences = [
    ...without(inBooking, inOutlook).map((one) => `only booked: ${one}`),
    ...without(inOutlook, inBooking).map((one) => `only in Outlook: ${one}`),
  ];
  return { reservations: inBooking.length, events: inOutlook.length, differences };
}

/** The lines of `all` that are not in `others`, each taken away once. */
function without(all: readonly string[], others: readonly string[]): string[] {
  const counts = new Map<string, number>();
  for (const one of others) counts.set(one, (counts.get(one) ?? 0) + 1);
  return all.filter((one) => {
    const left = counts.get(one) ?? 0;
    counts.set(one, left - 1);
    return left <= 0;
  });
}

const secondsOf = (instant: string) => instant.slice(0, 19);
const subjectOf = (event: TenantEvent) => (event.sensitivity === 'private' ? null : event.subject);

/** An act that Outlook shows. */
export interface Arrival {
  readonly act: Act;
  /** From the clerk's commit to Graph's answer, for each item in each room, in the order they came. */
  readonly ms: readonly number[];
  /** The part of each that Graph took. */
  readonly graphMs: readonly number[];
}

interface Waiting {
  readonly act: Act;
  /** The expected state in a room; `shown` null: the event of the reservation is gone. */
  readonly open: { readonly room: Room; readonly of: Reservation; readonly shown: Shown | null }[];
  readonly ms: number[];
  readonly graphMs: number[];
}

export interface Arrivals {
  /** Starts to wait for it. */
  expect(act: Act): Promise<void>;
  /** The rooms of each act that has not arrived, without those in which it has. */
  open(): readonly (readonly Room[])[];
  /** Watches the tenant until `signal` aborts. Never rejects. */
  run(signal: AbortSignal): Promise<void>;
}

/** Reports when a change of the clerk has arrived in Outlook, by a check after each request to Graph. */
export function watchArrivals(
  db: Database,
  tenant: Tenant,
  roomOfMailbox: ReadonlyMap<string, Room>,
  onArrival: (arrival: Arrival) => void,
): Arrivals {
  const waiting = new Set<Waiting>();
  const rooms = [...roomOfMailbox.values()];
  const lastWrite = new Map<Room, Journalled>();

  function look(room: Room, entry: Journalled): void {
    if (![...waiting].some(({ open }) => open.some((one) => one.room === room))) return;
    const events = Map.groupBy(tenant.eventsIn(room.upn), marksOf);
    for (const one of [...waiting]) {
      const open = one.open.filter(
        (o) => o.room !== room || !isSo(o.shown, events.get(`${o.of.type}/${o.of.id}`) ?? []),
      );
      for (let arrived = one.open.length - open.length; arrived > 0; arrived -= 1) {
        one.ms.push(Math.max(0, entry.until - one.act.committedAt));
        // the daemon may act on a commit before the clerk's client has its answer
        one.graphMs.push(Math.max(0, entry.until - Math.max(entry.at, one.act.committedAt)));
      }
      one.open.splice(0, one.open.length, ...open);
      if (open.length > 0) continue;
      waiting.delete(one);
      onArrival(one);
    }
  }

  return {
    open: () => [...waiting].map(({ open }) => open.map(({ room }) => room)),
    async expect(act) {
      const shown = await readShown(db, act.touched);
      const one: Waiting = { act, open: [], ms: [], graphMs: [] };
      for (const of of act.touched)
        for (const room of rooms.filter(({ resource }) => act.resources.includes(resource)))
          one.open.push({
            room,
            of,
            shown:
              shown.find((s) => s.type === of.type && s.id === of.id && s.resource === room.resource) ?? null,
          });
      waiting.add(one);
      // it may have been quicker than our own query
      for (const [room, entry] of lastWrite) look(room, entry);
    },
    async run(signal) {
      for (let seen = 0; ;) {
        // it rejects for one reason only: the signal
        const entry = await tenant
          .until(({ seq, method }) => seq > seen && method !== 'GET', signal)
          .catch(() => null);
        if (entry === null) return;
        seen = entry.seq;
        const room = roomOfMailbox.get(entry.mailbox ?? '');
        if (room === undefined) continue;
        lastWrite.set(room, entry);
        look(room, entry);
      }
    },
  };
}

function isSo(shown: Shown | null, events: readonly TenantEvent[]): boolean {
  if (shown === null) return events.length === 0;
  return events.some(
    (event) =>
      secondsOf(event.start) === shown.start &&
      secondsOf(event.end) === shown.end &&
      subjectOf(event) === shown.title,
  );
}

/** The reservation an event belongs to, as the bridge marked it. */
function marksOf(event: TenantEvent): string {
  const mark = (name: string) =>
    Object.entries(event.extendedProperties).find(([id]) => id.endsWith(` Name ${name}`))?.[1];
  return `${mark('BookingSystemType')}/${mark('BookingSystemId')}`;
}
