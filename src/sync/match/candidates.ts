/** What the books know of an event that nobody imported yet: whose it may be, and giving it to them. */
import type { Queryable } from '../../database.ts';
import { itemOf, type OutlookEvent } from '../../event.ts';
import type { Item, ReservationKey } from '../../item.ts';
import type { Due, LeasedRoom, Window } from '../store/mappings.ts';

export interface Candidates {
  readonly inWindow: boolean;
  /** The mapping of the marked reservation in this room. `waits`: it knows no event, or gets another for one that is gone. */
  readonly mapping: { readonly id: number; readonly status: string; readonly waits: boolean } | null;
  /** The marked reservation as it stands; null: it is gone, or there are no marks. `here`: it is in this room. */
  readonly reservation: {
    readonly active: boolean;
    readonly here: boolean;
    readonly item: Item | null;
  } | null;
  /** The mapping of the marks has another event. */
  readonly isCopy: boolean;
  /** The log says that this very event was ours. */
  readonly logged: boolean;
  /** A reservation without an event at the same time, of the same name: the same thing, booked on both sides. */
  readonly pair: number | null;
}

/**
 * Its event is gone, its reservation was changed, and nothing came of that yet: a create that takes the event's place may have
 * been sent, and its answer lost. A reservation that was not changed follows its event: what carries its marks is a copy.
 */
const isLost = `(m.sync_status = 'pending' AND m.outlook_news IS NOT DISTINCT FROM 'gone' AND m.changed_at IS NOT NULL AND NOT m.removing)`;

export async function readCandidates(
  db: Queryable,
  room: LeasedRoom,
  eventId: string,
  marks: ReservationKey | null,
  item: Item,
  window: Window,
): Promise<Candidates> {
  const { rows } = await db.query<Candidates & { titles: { id: number; title: string }[] }>({
    name: 'read_kin',
    text: `
      SELECT $6::timestamptz < w.closes AND $7::timestamptz > w.opens AS "inWindow",
        (SELECT jsonb_build_object('id', m.id, 'status', m.sync_status,
            'waits', m.outlook_event_id IS NULL AND m.sync_status NOT IN ('cancelled', 'shadowed') OR ${isLost}
              OR m.sync_status = 'cancelled' AND m.due_at IS NOT NULL AND m.present)
         FROM bridge_mappings m WHERE m.reservation_type = $3 AND m.reservation_id = $4 AND m.resource_id = $1) AS mapping,
        (SELECT jsonb_build_object('active', bool_or(i.active), 'here', bool_or(i.resource_id = $1),
            'item', (array_agg(bridge_item_state(i.starts_at, i.ends_at, i.all_day, i.title, i.description, i.is_private)
                     ORDER BY i.resource_id <> $1))[1])
         FROM bridge_items i WHERE i.reservation_type = $3 AND i.reservation_id = $4 HAVING count(*) > 0) AS reservation,
        EXISTS (SELECT FROM bridge_mappings m WHERE m.reservation_type = $3 AND m.reservation_id = $4 AND m.resource_id = $1
                AND m.outlook_event_id IS NOT NULL AND m.sync_status <> 'cancelled' AND NOT ${isLost}) AS "isCopy",
        EXISTS (SELECT FROM bridge_log l WHERE l.outlook_event_id = $5 AND l.action IN ('created', 'adopted', 'updated')) AS logged,
        (SELECT coalesce(jsonb_agg(jsonb_build_object('id', m.id, 'title', i.title)), '[]') FROM bridge_mappings m
         JOIN LATERAL (SELECT v.title FROM bridge_items v WHERE v.reservation_type = m.reservation_type
                       AND v.reservation_id = m.reservation_id AND v.resource_id = m.resource_id AND v.active OFFSET 0) i ON true
         WHERE m.resource_id = $1 AND m.outlook_item_id = $2 AND m.outlook_event_id IS NULL AND m.present
           AND m.sync_status IN ('pending', 'error') AND m.starts_at = $6::timestamptz AND m.ends_at = $7::timestamptz) AS titles
      FROM bridge_window($8, $9) w`,
    values: [
      room.resourceId,
      room.outlookItemId,
      marks?.type ?? null,
      marks?.id ?? null,
      eventId,
      item.startsAt,
      item.endsAt,
      window.pastDays,
      window.futureDays,
    ],
  });
  const { titles, ...kin } = rows[0]!;
  const pair = titles.find(({ title }) => sameTitle(title, item.title));
  return { ...kin, pair: pair?.id ?? null };
}

/** Titles as people compare them: without case, white space and composition. */
export const sameTitle = (a: string, b: string): boolean => normal(a) === normal(b);
const normal = (title: string) => title.normalize('NFKC').replace(/\s+/gu, ' ').trim().toLowerCase();

/** Drops what waited to be imported and lets the marked reservation look for its event. False: that is gone meanwhile. */
export async function adoptByMarks(
  db: Queryable,
  room: LeasedRoom,
  due: Due,
  mapping: number,
): Promise<boolean> {
  const { rowCount } = await db.query({
    name: 'adopt_by_marks',
    text: `WITH ${handOver('true')}
      UPDATE bridge_mappings m SET booking_base = '{}', due_at = now(), lane = 0, revision = revision + 1,
        outlook_event_id = CASE WHEN NOT ${isLost} THEN outlook_event_id END,
        outlook_news = CASE WHEN NOT ${isLost} THEN outlook_news END
      WHERE id = $4 AND EXISTS (SELECT FROM dropped)`,
    values: [room.id, room.epoch, due.id, mapping],
  });
  return rowCount === 1;
}

/** Gives an event to a reservation that has none; both are as they stand on their side. False: it has one meanwhile. */
export async function giveEvent(
  db: Queryable,
  room: LeasedRoom,
  due: Due,
  mapping: number,
  event: OutlookEvent,
): Promise<boolean> {
  const { rowCount } = await db.query({
    name: 'give_event',
    text: `WITH ${handOver('outlook_event_id IS NULL')}
      UPDATE bridge_mappings SET outlook_event_id = $5, outlook_base = $6, booking_base = NULL, is_organizer = $7, ical_uid = $8,
        original_start = $9, series_master_id = $10, due_at = now(), lane = 0, revision = revision + 1
      WHERE id = $4 AND EXISTS (SELECT FROM dropped)`,
    values: [room.id, room.epoch, due.id, mapping, ...eventColumns(event)],
  });
  return rowCount === 1;
}

/** Makes what waited to be imported the mapping of the reservation whose marks it carries. */
export async function becomeMapping(
  db: Queryable,
  room: LeasedRoom,
  due: Due,
  marks: ReservationKey,
  event: OutlookEvent,
): Promise<void> {
  await db.query({
    name: 'become_mapping',
    text: `
      UPDATE bridge_mappings m SET reservation_type = $4, reservation_id = $5, sync_status = 'pending',
        sync_direction = 'booking_to_outlook', outlook_base = $7, booking_base = NULL, is_organizer = $8, ical_uid = $9,
        original_start = $10, series_master_id = $11, outlook_event_id = $6, outlook_news = NULL, due_at = now(),
        present = coalesce(v.active, false), starts_at = coalesce(v.starts_at, ($7::jsonb ->> 'startsAt')::timestamptz),
        ends_at = coalesce(v.ends_at, ($7::jsonb ->> 'endsAt')::timestamptz),
        priority_level = coalesce(v.priority_level, m.priority_level), revision = m.revision + 1
      FROM (SELECT 1) one LEFT JOIN LATERAL (
        SELECT i.active, i.starts_at, i.ends_at, i.priority_level FROM bridge_items i
        WHERE i.reservation_type = $4 AND i.reservation_id = $5
          AND i.resource_id = (SELECT resource_id FROM bridge_resource_mappings WHERE id = $1) OFFSET 0) v ON true
      WHERE m.id = $3 AND EXISTS (SELECT FROM bridge_room_state s WHERE s.resource_mapping_id = $1 AND s.lease_epoch = $2)`,
    values: [room.id, room.epoch, due.id, marks.type, marks.id, ...eventColumns(event)],
  });
}

const eventColumns = (event: OutlookEvent) => [
  event.id,
  JSON.stringify(itemOf(event.shows)),
  event.isOrganizer,
  event.iCalUId,
  event.originalStart,
  event.seriesMasterId,
];

/** The event changes hands, or nothing happens: what waited is dropped only when the mapping that gets it is as it should be. */
const handOver = (asItShouldBe: string) => `
  taker AS (SELECT FROM bridge_mappings WHERE id = $4 AND ${asItShouldBe} FOR UPDATE),
  dropped AS (
    DELETE FROM bridge_mappings WHERE id = $3 AND reservation_id IS NULL AND EXISTS (SELECT FROM taker)
      AND EXISTS (SELECT FROM bridge_room_state s WHERE s.resource_mapping_id = $1 AND s.lease_epoch = $2)
    RETURNING 1)`;

/** The reservation that moved away from its meeting. */
interface Parted {
  readonly id: number;
  readonly revision: number;
  readonly eventId: string | null;
  readonly booking: Item | null;
}

/** Gives a meeting back to the reservation that moved away from it. */
export const takeBack = {
  /** Null: the reservation does not want this room any more. */
  async read(db: Queryable, mapping: number): Promise<Parted | null> {
    const { rows } = await db.query<Parted>({
      name: 'read_parted',
      text: `SELECT m.id, m.revision, m.outlook_event_id AS "eventId",
          bridge_item_state(i.starts_at, i.ends_at, i.all_day, i.title, i.description, i.is_private) AS booking
        FROM bridge_mappings m JOIN bridge_items i ON i.reservation_type = m.reservation_type
          AND i.reservation_id = m.reservation_id AND i.resource_id = m.resource_id AND i.active
        WHERE m.id = $1 AND m.sync_status <> 'cancelled'`,
      values: [mapping],
    });
    return rows[0] ?? null;
  },
  /** The meeting's times are an edit in Outlook then: they are written into the booking system next. False: the reservation changed meanwhile. */
  async write(
    db: Queryable,
    room: LeasedRoom,
    due: Due,
    other: Parted,
    event: OutlookEvent,
  ): Promise<boolean> {
    const { startsAt, endsAt, allDay } = other.booking!;
    const { rowCount } = await db.query({
      name: 'take_back',
      text: `WITH ${handOver('revision = $12')}
        UPDATE bridge_mappings SET outlook_event_id = $5, outlook_base = $6, booking_base = $11, is_organizer = $7, ical_uid = $8,
          original_start = $9, series_master_id = $10, outlook_news = 'look', noticed_at = now(), removing = false, due_at = now(),
          lane = 0, generation = generation + 1, revision = revision + 1
        WHERE id = $4 AND EXISTS (SELECT FROM dropped)`,
      values: [
        room.id,
        room.epoch,
        due.id,
        other.id,
        event.id,
        JSON.stringify({ ...itemOf(event.shows), startsAt, endsAt, allDay }),
        event.isOrganizer,
        event.iCalUId,
        event.originalStart,
        event.seriesMasterId,
        JSON.stringify(other.booking),
        other.revision,
      ],
    });
    return rowCount === 1;
  },
};
