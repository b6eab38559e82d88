/**
 * What the books and the booking system say of one room, as they would be after everything that waits was folded and the
 * room compared (`bridge_fold`, `bridge_reconcile`), read without writing anything: the ground a plan is made on.
 */
import type { Queryable } from '../../database.ts';
import type { OutlookEvent } from '../../event.ts';
import type { Item } from '../../item.ts';
import { loggedAs, reservationAs, type PropertiesRecord } from '../match/candidates.ts';
import { bookedState } from '../store/booked-state.ts';
import type { Due, LeasedRoom, Window } from '../store/mappings.ts';

/** A mapping as a sync would find it; of a reservation that has none yet its id is below 0. */
export interface Row extends Due {
  readonly present: boolean;
  readonly startsAt: string | null;
  readonly endsAt: string | null;
  readonly priority: number;
  /** A sync would look at it. */
  readonly isDue: boolean;
  /** Why it failed or waits. */
  readonly error: string | null;
  readonly seriesMasterId: string | null;
}

export interface Picture {
  readonly rows: readonly Row[];
  /** ISO instants: the days that are kept equal. */
  readonly opens: string;
  readonly closes: string;
}

/** A removal that the brake has counted already. */
interface Counted {
  readonly mappingId: number;
  readonly deed: string;
  readonly resourceId: number;
  readonly released: boolean;
  readonly applied: boolean;
}

export interface BrakeCounts {
  readonly counted: readonly Counted[];
  /** Synced items that have not ended, by resource. */
  readonly synced: ReadonlyMap<number, number>;
}

/** Long, for a room of many years. (pg knows `query_timeout` of a query, its types do not.) */
const slow = { query_timeout: 120_000 };

/** The active rooms, or one of them. Nobody holds them: the epoch fences nothing. */
export async function roomsToPlan(db: Queryable, resourceId: number | null): Promise<LeasedRoom[]> {
  const { rows } = await db.query<
    Pick<LeasedRoom, 'id' | 'resourceId' | 'mailbox' | 'outlookItemId' | 'name' | 'direction' | 'own'>
  >({
    name: 'rooms_to_plan',
    text: `SELECT id, resource_id AS "resourceId", coalesce(outlook_object_id, outlook_item_id) AS mailbox,
        outlook_item_id AS "outlookItemId", coalesce(outlook_item_name, outlook_item_id) AS name, sync_direction AS direction,
        bridge_own_settings(r) AS own
      FROM bridge_resource_mappings r WHERE active = 1 AND ($1::integer IS NULL OR resource_id = $1) ORDER BY resource_id`,
    values: [resourceId],
  });
  const unheld = {
    baselined: false,
    reconciled: false,
    abandoned: false,
    missing: false,
    pulls: true,
    hints: [],
    attempt: 0,
    epoch: 0,
  };
  return rows.map((room) => ({ ...room, ...unheld, due: [] }));
}

const text = (column: string) => `to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')`;

/** All mappings of a room, and the reservations of its window that have none. */
export async function readPicture(session: Queryable, room: LeasedRoom, window: Window): Promise<Picture> {
  const { rows: windows } = await session.query<{ opens: Date; closes: Date }>({
    name: 'plan_window',
    text: 'SELECT opens, closes FROM bridge_window($1, $2)',
    values: [window.pastDays, window.futureDays],
  });
  const { opens, closes } = windows[0]!;
  const { rows } = await session.query<{ row: Row }>({
    ...slow,
    name: 'plan_picture',
    text: `
      WITH own AS MATERIALIZED (SELECT bridge_style($1) AS style), items AS (
        SELECT v.reservation_type, v.reservation_id, v.priority_level, v.active, v.starts_at, v.ends_at,
          ${bookedState('v', 'own.style')} AS state
        FROM own, bridge_items v WHERE v.resource_id = $1
      ), changed AS (SELECT reservation_type, reservation_id FROM bridge_changes
      ), sides AS (
        SELECT m.*, i.reservation_type IS NOT NULL AS there, i.active, i.state,
          coalesce(m.reservation_type, i.reservation_type) AS kind, coalesce(m.reservation_id, i.reservation_id) AS number,
          coalesce(i.priority_level, m.priority_level) AS priority,
          coalesce(i.starts_at, m.starts_at) AS begins, coalesce(i.ends_at, m.ends_at) AS ends,
          i.ends_at > $2 AND i.starts_at < $3 AS in_window, m.ends_at > $2 AND m.starts_at < $3 AS was_in_window
        FROM (SELECT * FROM bridge_mappings WHERE resource_id = $1) m
        FULL JOIN items i ON i.reservation_type = m.reservation_type AND i.reservation_id = m.reservation_id
      ), rows AS (
        SELECT s.*, CASE
          WHEN s.id IS NULL OR s.due_at IS NOT NULL THEN true
          WHEN s.outlook_news IS NOT NULL AND s.sync_status <> 'conflict'
            OR s.sync_status = 'conflict' AND s.conflict ->> 'kind' <> 'gone' THEN true
          WHEN s.reservation_id IS NULL THEN false
          WHEN (s.reservation_type, s.reservation_id) IN (SELECT reservation_type, reservation_id FROM changed
                                                          WHERE reservation_id IS NOT NULL) THEN true
          WHEN NOT coalesce(s.in_window, false) AND NOT coalesce(s.was_in_window, false) THEN false
          WHEN NOT s.there THEN s.sync_status NOT IN ('cancelled', 'imported')
          WHEN s.active THEN s.booking_seen IS DISTINCT FROM s.state OR NOT s.present OR s.sync_status = 'cancelled'
          ELSE s.present OR s.outlook_event_id IS NOT NULL AND s.sync_status <> 'cancelled' END AS is_due
        FROM sides s
        WHERE s.id IS NOT NULL AND (s.reservation_id IS NOT NULL OR s.outlook_event_id IS NOT NULL) OR s.id IS NULL AND s.active AND s.in_window
      )
      SELECT jsonb_build_object(
        'id', coalesce(r.id, -row_number() OVER ()), 'reservationType', r.kind, 'reservationId', r.number,
        'eventId', r.outlook_event_id, 'status', coalesce(r.sync_status, 'pending'),
        'direction', coalesce(r.sync_direction, 'booking_to_outlook'), 'generation', coalesce(r.generation, 0),
        'revision', coalesce(r.revision, 1), 'attempt', 0, 'lane', 1, 'bookingBase', r.booking_base,
        'outlookBase', r.outlook_base, 'outlookSeen', r.outlook_seen, 'active', r.active, 'booking', r.state,
        'inWindow', r.in_window, 'covered', false, 'coverConfirmed', false, 'ended', r.ends <= now(),
        'elsewhere', r.id IS NOT NULL AND NOT r.there AND r.number IS NOT NULL AND r.is_due AND EXISTS (
          SELECT FROM bridge_items e WHERE e.reservation_type = r.kind AND e.reservation_id = r.number),
        'news', r.outlook_news, 'isOrganizer', coalesce(r.is_organizer, true), 'iCalUId', r.ical_uid,
        -- a plan writes nothing, so it names no version
        'etag', NULL, 'originalStart', r.original_start, 'removing', coalesce(r.removing, false), 'waitsFor', r.waits_for, 'conflict', r.conflict,
        'resolution', r.resolution, 'importAsked', r.import_asked_at IS NOT NULL, 'bookingChangedAt', r.last_modified_booking,
        'present', r.number IS NOT NULL AND coalesce(r.active, false), 'startsAt', ${text('r.begins')},
        'endsAt', ${text('r.ends')}, 'priority', r.priority, 'seriesMasterId', r.series_master_id, 'isDue', r.is_due, 'error', r.error_message) AS row
      FROM rows r`,
    values: [room.resourceId, opens, closes],
  });
  return { rows: rows.map(({ row }) => row), opens: opens.toISOString(), closes: closes.toISOString() };
}

/** What the books know of events that nobody imported yet, beside the room's own mappings. */
export interface ForeignEvent extends Pick<PropertiesRecord, 'reservation' | 'logged'> {
  /** The reservation that this meeting became in another room. */
  readonly joins: string | null;
}

/** By the event's id; see `readCandidates`, which asks the same of one. */
export async function readForeignEvents(
  session: Queryable,
  room: LeasedRoom,
  events: readonly OutlookEvent[],
): Promise<ReadonlyMap<string, ForeignEvent>> {
  if (events.length === 0) return new Map();
  const asked = events.map(({ id, marks, iCalUId, originalStart }) => ({
    event: id,
    type: marks?.type ?? null,
    id: marks?.id ?? null,
    uid: iCalUId,
    slot: originalStart,
  }));
  const { rows } = await session.query<ForeignEvent & { event: string }>({
    ...slow,
    name: 'plan_strangers',
    text: `
      SELECT e.event,
        ${reservationAs('e.type', 'e.id', '$1')} AS reservation, ${loggedAs('e.event')} AS logged,
        (SELECT t.reservation_type || '/' || t.reservation_id FROM bridge_meetings t
         WHERE e.uid <> '' AND t.ical_uid = e.uid AND t.original_start = coalesce(e.slot, '-infinity')
           AND EXISTS (SELECT FROM bridge_mappings o WHERE o.reservation_type = t.reservation_type
             AND o.reservation_id = t.reservation_id AND o.resource_id <> $1 AND o.ical_uid = e.uid AND o.sync_status <> 'cancelled')) AS joins
      FROM jsonb_to_recordset($2) AS e (event text, type text, id bigint, uid text, slot timestamptz)`,
    values: [room.resourceId, JSON.stringify(asked)],
  });
  return new Map(rows.map(({ event, ...known }) => [event, known]));
}

/** What the brake has counted within the hour, and of how many. */
export async function readBrakeCounts(session: Queryable): Promise<BrakeCounts> {
  const { rows: counted } = await session.query<Counted>({
    name: 'plan_removals',
    text: `SELECT d.mapping_id AS "mappingId", d.resource_id AS "resourceId", d.released_at IS NOT NULL AS released,
        d.applied_at IS NOT NULL AS applied, CASE d.side WHEN 'booking' THEN bridge_deed(m) ELSE m.id::text END AS deed
      FROM bridge_removals d JOIN bridge_mappings m ON m.id = d.mapping_id
      WHERE d.applied_at IS NULL OR d.applied_at > now() - interval '1 hour'`,
  });
  const { rows: synced } = await session.query<{ resource: number; count: number }>({
    ...slow,
    name: 'plan_synced',
    text: `SELECT resource_id AS resource, count(*) FROM bridge_mappings
      WHERE outlook_event_id IS NOT NULL AND reservation_id IS NOT NULL AND sync_status <> 'cancelled' AND ends_at > now()
      GROUP BY resource_id`,
  });
  return { counted, synced: new Map(synced.map(({ resource, count }) => [resource, count])) };
}

/** What a reservation shows in the room, for the words of a plan. */
export const shownBy = (row: Row): Item | null => row.booking ?? row.outlookSeen ?? row.outlookBase;
