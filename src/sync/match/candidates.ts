/** Our records about one event without a mapping: mappings it may belong to, and the reservation that its properties name. */
import type { Queryable } from '../../database.ts';
import type { OutlookEvent } from '../../event.ts';
import type { BookedItem } from '../../appearance.ts';
import type { Item, ReservationKey } from '../../item.ts';
import { queryRow, queryRows } from '../../query.ts';
import type { LeasedRoom, Window } from '../store/work-list.ts';
import { goneAlready } from '../store/settle.ts';
import { bookedState, mappedRows, type StoredMapping } from '../store/mappings.ts';
import type { ConflictNote, Whereabouts } from '../store/work-item.ts';
import type { Agreement } from '../store/agreement.ts';

export interface Candidates {
  readonly inWindow: boolean;
  /** Mappings of this room with the same properties, meeting or time. */
  readonly mappings: readonly StoredMapping[];
  /** The reservation that was cancelled, or left this room, because this event, or one of the same meeting, was gone. */
  readonly revives: ReservationKey | null;
  /** It is the date of a reservation that was cancelled while its event was made a series. */
  readonly isCancelledDate: boolean;
  /**
   * The reservation of its meeting, which is in this room and has an event of ours here, because the booking system gave it the
   * room before the organiser did. `meets`: at the same time.
   */
  readonly ownInstead: {
    readonly mapping: number;
    readonly reservation: ReservationKey;
    readonly meets: boolean;
  } | null;
  readonly properties: PropertiesRecord;
  /** Null: it is not on record as the former event of a reservation. */
  readonly returned: ReturnedRecord | null;
}

/** An event that a reservation had in this room before, according to its mapping, the log, or the table of meetings. */
export interface ReturnedRecord {
  readonly mapping: number;
  readonly revision: number;
  readonly reservation: ReservationKey;
  /** Whether it is active, and in this room. */
  readonly active: boolean;
  readonly here: boolean;
  /** The event that it has now; null: none. */
  readonly eventId: string | null;
  /** A create of ours made that event, which Outlook showed so at the last agreement. */
  readonly isCreated: boolean;
  readonly outlookBase: Item | null;
  /** Both sides are equal, and nothing is reported of that event. */
  readonly isSettled: boolean;
  /** The deletion of this event was not ours. */
  readonly wasLost: boolean;
  /** The last agreement on this event; null: unknown. */
  readonly former: FormerEvent | null;
}

/** The last agreement on an event that its mapping had before. */
interface FormerEvent {
  readonly agreement: Agreement['is'];
  readonly bookingBase: BookedItem | null;
  readonly outlookBase: Item | null;
  /** The bridge removed it. */
  readonly removed: boolean;
}

/** Our records about the reservation that an event's extended properties name. */
export interface PropertiesRecord {
  /** Its mapping in this room. `never`: no event of it was ever sent. */
  readonly mapping: {
    readonly id: number;
    readonly status: string;
    readonly never: boolean;
    /** Its reservation ended or left the room, and no event of it is on record. */
    readonly unrecorded: boolean;
    /** Generations of creates whose events are not on record (see `ownCreateOf`). */
    readonly creates: readonly number[];
    /** Its creation, ISO. */
    readonly since: string;
    /** Its event is gone, and that has not been decided about yet. */
    readonly lost: boolean;
  } | null;
  /**
   * The current reservation; null: it is gone, or there are no properties. `here`: it is in this room. `item` null: its row
   * cannot be read.
   */
  readonly reservation: {
    readonly active: boolean;
    readonly here: boolean;
    readonly item: BookedItem | null;
  } | null;
  /** The log shows that this event was ours. */
  readonly logged: boolean;
}

/** SQL: the current reservation. */
const reservationAs = (type: string, id: string, resource: string): string => `
  (SELECT jsonb_build_object('active', bool_or(i.active), 'here', bool_or(i.resource_id = ${resource}),
      'item', bridge_read_item(${type}, ${id}, (array_agg(i.resource_id ORDER BY i.resource_id <> ${resource}))[1],
        bridge_style(${resource})) -> 'state')
   FROM bridge_items i WHERE i.reservation_type = ${type} AND i.reservation_id = ${id} HAVING count(*) > 0)`;

/** SQL: whether the log shows that an event was ours. */
const loggedAs = (event: string): string => `
  EXISTS (SELECT FROM bridge_log l WHERE l.outlook_event_id = ${event} AND l.action IN ('created', 'adopted', 'updated'))`;

/**
 * SQL: the reservation whose last event in a room was `event`, or one of the meeting `uid` and `slot`, and which was cancelled or
 * left the room because that was gone.
 */
const revivedAs = (resource: string, event: string, uid: string, slot: string): string => `
  (SELECT jsonb_build_object('type', m.reservation_type, 'id', m.reservation_id)
   FROM bridge_mappings m, LATERAL (
     SELECT l.action, l.outlook_event_id FROM bridge_log l
     WHERE l.mapping_id = m.id AND l.action IN ('created', 'adopted', 'updated', 'imported', 'joined', 'booking-updated', 'deleted', 'cancelled',
       'declined', 'booking-cancelled', 'undone') ORDER BY l.id DESC LIMIT 1) last
   WHERE m.id IN (
       SELECT u.id FROM bridge_mappings u WHERE u.ical_uid = ${uid} AND u.original_start IS NOT DISTINCT FROM ${slot}::timestamptz AND ${uid} <> ''
       UNION SELECT l.mapping_id FROM bridge_log l WHERE l.outlook_event_id = ${event} AND l.action = 'booking-cancelled')
     AND m.resource_id = ${resource} AND m.sync_status = 'cancelled' AND m.reservation_id IS NOT NULL AND last.action = 'booking-cancelled'
   ORDER BY last.outlook_event_id = ${event} DESC, m.id DESC LIMIT 1)`;

/** SQL: see `Candidates.returned`. */
const returnedAs = (
  [resource, mailbox]: readonly [string, string],
  event: string,
  [type, id]: readonly [string, string],
  [uid, slot]: readonly [string, string],
): string => `
  (SELECT jsonb_build_object('mapping', m.id, 'revision', m.revision,
     'reservation', jsonb_build_object('type', m.reservation_type, 'id', m.reservation_id),
     'active', coalesce(i.active, false), 'here', coalesce(i.here, false),
     'eventId', CASE WHEN m.sync_status <> 'cancelled' THEN m.outlook_event_id END,
     'isCreated', EXISTS (SELECT FROM bridge_log l WHERE l.outlook_event_id = m.outlook_event_id AND l.action = 'created'),
     'outlookBase', m.outlook_base,
     'isSettled', m.sync_status = 'synced' AND m.due_at IS NULL AND m.outlook_news IS NULL,
     'wasLost', coalesce(f.one ->> 'status' <> 'cancelled' AND f.one -> 'removed' <> 'true', false)
       OR EXISTS (SELECT FROM bridge_log l WHERE l.outlook_event_id = ${event} AND l.mapping_id = m.id AND l.action = 'deleted' AND l.reason = '${goneAlready}'),
     'former', f.one)
   FROM (
     SELECT * FROM (
       SELECT l.reservation_type AS type, l.reservation_id AS id, 1 AS rank, l.id AS at, true AS known FROM bridge_log l
       WHERE l.outlook_event_id = ${event} AND l.resource_id = ${resource} AND l.reservation_id IS NOT NULL
       UNION ALL
       SELECT t.reservation_type, t.reservation_id, 2, 0, true FROM bridge_meetings t
       WHERE t.ical_uid = ${uid} AND ${uid} <> '' AND t.original_start = coalesce(${slot}::timestamptz, '-infinity')
       UNION ALL
       SELECT ${type}, ${id}::bigint, 3, 0, false WHERE ${type} IS NOT NULL) k
     ORDER BY rank, at DESC LIMIT 1) k
   JOIN bridge_mappings m ON m.reservation_type = k.type AND m.reservation_id = k.id AND m.resource_id = ${resource} AND m.outlook_item_id = ${mailbox}
   LEFT JOIN LATERAL (
     SELECT o.one FROM jsonb_array_elements(m.former_events) o (one)
     WHERE o.one ->> 'id' = ${event} OR o.one ->> 'iCalUId' = ${uid} AND ${uid} <> ''
       AND (o.one ->> 'originalStart')::timestamptz IS NOT DISTINCT FROM ${slot}::timestamptz
     ORDER BY o.one ->> 'id' = ${event} DESC LIMIT 1) f ON true
   LEFT JOIN LATERAL (
     SELECT bool_or(v.active) AS active, bool_or(v.resource_id = ${resource} AND v.active) AS here FROM bridge_items v
     WHERE v.reservation_type = m.reservation_type AND v.reservation_id = m.reservation_id OFFSET 0) i ON true
   WHERE m.outlook_event_id IS DISTINCT FROM ${event} AND (k.known OR f.one IS NOT NULL))`;

/** SQL: see `Candidates`. */
const ownInsteadAs = (
  resource: string,
  uid: string,
  slot: string,
  startsAt: string,
  endsAt: string,
): string => `
  (SELECT jsonb_build_object('mapping', m.id, 'reservation', jsonb_build_object('type', m.reservation_type, 'id', m.reservation_id),
     'meets', m.starts_at = ${startsAt} AND m.ends_at = ${endsAt})
   FROM bridge_meetings t JOIN bridge_mappings m
     ON m.reservation_type = t.reservation_type AND m.reservation_id = t.reservation_id AND m.resource_id = ${resource}
   WHERE t.ical_uid = ${uid} AND t.original_start = coalesce(${slot}::timestamptz, '-infinity') AND ${uid} <> ''
     AND m.present AND m.is_organizer AND m.outlook_event_id IS NOT NULL AND m.sync_status <> 'cancelled'
     AND m.ical_uid IS DISTINCT FROM ${uid}
     -- at another time it is the reservation of this meeting only while another room has both
     AND (m.starts_at = ${startsAt} AND m.ends_at = ${endsAt} OR EXISTS (
       SELECT FROM bridge_mappings o WHERE o.reservation_type = t.reservation_type AND o.reservation_id = t.reservation_id
         AND o.resource_id <> ${resource} AND o.ical_uid = ${uid} AND o.sync_status <> 'cancelled')))`;

export async function readCandidates(
  db: Queryable,
  room: LeasedRoom,
  event: OutlookEvent,
  item: Item,
  window: Window,
): Promise<Candidates> {
  const rows = await queryRows<
    PropertiesRecord &
      Pick<Candidates, 'inWindow' | 'revives' | 'isCancelledDate' | 'ownInstead' | 'returned'>
  >(db, {
    name: 'read_candidates',
    text: `
      SELECT $5::timestamptz < w.closes AND $6::timestamptz > w.opens AS "inWindow",
        (SELECT jsonb_build_object('id', m.id, 'status', m.sync_status, 'never', m.generation = 0 AND m.outlook_event_id IS NULL
            AND m.agreement = 'never' AND m.outlook_base IS NULL,
            'unrecorded', NOT m.present AND m.outlook_event_id IS NULL AND m.agreement IN ('never', 'unanswered'),
            'creates', CASE WHEN m.ical_uid = $9 AND $9 <> '' THEN '{}'
              WHEN m.outlook_event_id IS NULL THEN m.unrecorded_creates || m.generation ELSE m.unrecorded_creates END, 'since', m.created_at, 'lost', m.outlook_news IS NOT DISTINCT FROM 'gone')
         FROM bridge_mappings m WHERE m.reservation_type = $2 AND m.reservation_id = $3 AND m.resource_id = $1) AS mapping,
        ${reservationAs('$2', '$3', '$1')} AS reservation, ${loggedAs('$4')} AS logged,
        ${revivedAs('$1', '$4', '$9', '$10')} AS revives,
        EXISTS (SELECT FROM bridge_mappings m WHERE m.resource_id = $1 AND m.outlook_item_id = $11 AND m.outlook_event_id = $12
          AND m.sync_status = 'cancelled' AND NOT m.present AND m.starts_at = $5 AND m.ends_at = $6) AS "isCancelledDate",
        ${ownInsteadAs('$1', '$9', '$10', '$5', '$6')} AS "ownInstead",
        ${returnedAs(['$1', '$11'], '$4', ['$2', '$3'], ['$9', '$10'])} AS returned
      FROM bridge_window($7, $8) w`,
    values: [
      room.resourceId,
      event.properties?.type ?? null,
      event.properties?.id ?? null,
      event.id,
      item.startsAt,
      item.endsAt,
      window.pastDays,
      window.futureDays,
      event.iCalUId,
      event.originalStart,
      room.outlookItemId,
      event.seriesMasterId,
    ],
  });
  const { inWindow, revives, isCancelledDate, ownInstead, returned, ...properties } = rows[0]!;
  const mappings = await queryRows<StoredMapping>(db, {
    name: 'candidates_of',
    text: `${mappedRows}
      WHERE m.reservation_id IS NOT NULL AND m.resource_id = $1 AND m.outlook_item_id = $2 AND m.id IN (
        SELECT p.id FROM bridge_mappings p WHERE p.reservation_type = $3 AND p.reservation_id = $4 AND p.resource_id = $1
        UNION
        SELECT u.id FROM bridge_mappings u WHERE u.ical_uid = $5 AND u.original_start IS NOT DISTINCT FROM $6::timestamptz AND $5 <> ''
        UNION
        SELECT t.id FROM bridge_mappings t WHERE t.resource_id = $1 AND t.outlook_event_id IS NULL AND t.present
          AND t.starts_at = $7::timestamptz AND t.ends_at = $8::timestamptz)
      ORDER BY m.id`,
    values: [
      room.resourceId,
      room.outlookItemId,
      event.properties?.type ?? null,
      event.properties?.id ?? null,
      event.iCalUId,
      event.originalStart,
      item.startsAt,
      item.endsAt,
    ],
  });
  return { inWindow, mappings, properties, revives, isCancelledDate, ownInstead, returned };
}

/** The reservation of a detached meeting. */
export interface DetachedReservation {
  readonly where: Whereabouts;
  /** Its mapping; null: none. */
  readonly id: number | null;
  readonly revision: number;
  /** Its own event. */
  readonly eventId: string | null;
  readonly booking: BookedItem | null;
}

/** Reads the reservation of a detached meeting from the note of its conflict. */
export const readDetachedReservation = (
  db: Queryable,
  room: LeasedRoom,
  { mapping, reservation }: ConflictNote,
) =>
  queryRow<DetachedReservation>(db, {
    name: 'read_detached',
    text: `
      WITH detached AS (
        SELECT coalesce($3, m.reservation_type) AS type, coalesce($4, m.reservation_id) AS number
        FROM (SELECT 1) one LEFT JOIN bridge_mappings m ON m.id = $2)
      SELECT m.id, coalesce(m.revision, 0) AS revision,
        CASE WHEN m.sync_status <> 'cancelled' THEN m.outlook_event_id END AS "eventId",
        ${bookedState('bridge_style($1)')} AS booking,
        CASE WHEN i.active AND m.sync_status <> 'cancelled' THEN 'here'
          WHEN i.active THEN 'unsettled'
          WHEN i.active = false OR m.sync_status = 'cancelled' OR EXISTS (
            SELECT FROM bridge_items e WHERE e.reservation_type = detached.type AND e.reservation_id = detached.number) THEN 'cancelled'
          WHEN m.id IS NOT NULL THEN 'unsettled' ELSE 'unknown' END AS where
      FROM detached
      LEFT JOIN bridge_mappings m ON m.reservation_type = detached.type AND m.reservation_id = detached.number AND m.resource_id = $1
      LEFT JOIN LATERAL (SELECT * FROM bridge_items v WHERE v.reservation_type = detached.type
        AND v.reservation_id = detached.number AND v.resource_id = $1 OFFSET 0) i ON true`,
    values: [room.resourceId, mapping ?? null, reservation?.type ?? null, reservation?.id ?? null],
  });
