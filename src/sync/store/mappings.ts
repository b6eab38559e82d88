/** Mappings and their events: the fields for recognising the event of a mapping. */
import type { BookedItem } from '../../appearance.ts';
import type { Queryable } from '../../database.ts';
import type { OutlookEvent } from '../../event.ts';
import type { Id } from '../../id.ts';
import type { Item, ReservationKey } from '../../item.ts';
import { callFunction, queryRows } from '../../query.ts';
import { itemState } from './mapping-sql.ts';
import type { Span } from './span.ts';
import type { WaitsFor } from './waits.ts';
import type { ConflictNote, EventIntent, News } from './work-item.ts';
import type { LeasedRoom } from './work-list.ts';

/** A mapping: the fields for recognising its event. */
export interface KnownEvent {
  readonly id: number;
  readonly eventId: string;
  readonly status: string;
  readonly reservationId: Id | null;
  readonly outlookBase: Item | null;
  readonly news: News | null;
  readonly etag: string | null;
  readonly waitsFor: WaitsFor | null;
  readonly startsAt: string | null;
  readonly endsAt: string | null;
}

/** SQL: an instant as items have it. */
export const instant = (column: string) =>
  `to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')`;

const knownColumns = `m.id, m.outlook_event_id AS "eventId", m.sync_status AS status, m.reservation_id AS "reservationId",
  m.outlook_base AS "outlookBase", m.outlook_news AS news, m.outlook_etag AS etag, m.waits_for AS "waitsFor",
  ${instant('m.starts_at')} AS "startsAt",
  ${instant('m.ends_at')} AS "endsAt"`;

/** The mappings of a room with one of these events, or an occurrence of one of these series. */
export const knownEvents = (
  db: Queryable,
  room: LeasedRoom,
  eventIds: readonly string[],
  masterIds: readonly string[],
) =>
  queryRows<KnownEvent & { readonly seriesMasterId: string | null }>(db, {
    name: 'known_events',
    text: `SELECT ${knownColumns}, m.series_master_id AS "seriesMasterId" FROM bridge_mappings m
      WHERE m.outlook_item_id = $1 AND (m.outlook_event_id = ANY ($2) OR m.series_master_id = ANY ($3))`,
    values: [room.outlookItemId, eventIds, masterIds],
  });

/** The create of a mapping without an event. */
export interface CreateState {
  readonly generation: number;
  /** The creation of the mapping. */
  readonly since: string;
  /** The states that may have been sent; null: none. */
  readonly sent: readonly BookedItem[] | null;
}

/** A mapping of a room: the fields for matching it with an event. */
export interface StoredMapping extends Omit<KnownEvent, 'eventId'> {
  readonly eventId: string | null;
  readonly revision: number;
  readonly reservationType: string | null;
  readonly due: boolean;
  /** The reservation, if it has no event or its event is gone; null also if its row cannot be read. */
  readonly booking: BookedItem | null;
  readonly present: boolean;
  readonly intent: EventIntent | null;
  readonly conflict: ConflictNote | null;
  readonly iCalUId: string | null;
  readonly originalStart: string | null;
  readonly seriesMasterId: string | null;
  readonly outlookSeen: Item | null;
  readonly create: CreateState;
}

/**
 * SQL: the state of the item `i` by which both sides are compared, including how its room shows it (`as`, see appearance.ts).
 * `style`: an expression that yields the `bridge_style` of the room.
 */
export const bookedState = (style: string): string => `
  ${itemState} || CASE WHEN ${style} IS NULL THEN '{}' ELSE bridge_appearance(to_jsonb(i), ${style}) END`;

/** SQL: mappings `m` of a room as `StoredMapping`; a condition follows. */
export const mappedRows = `SELECT ${knownColumns}, m.reservation_type AS "reservationType", m.due_at IS NOT NULL AS due, m.present, m.revision,
    m.event_intent AS intent, m.conflict, m.ical_uid AS "iCalUId", m.series_master_id AS "seriesMasterId", m.outlook_seen AS "outlookSeen",
    ${instant('m.original_start')} AS "originalStart", i.booking,
    jsonb_build_object('generation', m.generation, 'since', m.created_at,
      'sent', CASE WHEN m.outlook_event_id IS NULL OR m.sync_status = 'cancelled' THEN m.sent_states END) AS "create"
  FROM bridge_mappings m
  LEFT JOIN LATERAL (
    SELECT bridge_read_item(m.reservation_type, m.reservation_id, m.resource_id, bridge_style(m.resource_id)) -> 'state' AS booking
    WHERE (m.outlook_event_id IS NULL OR m.outlook_news = 'gone' OR m.sync_status = 'cancelled' AND m.due_at IS NOT NULL) AND m.present
      AND m.reservation_id IS NOT NULL OFFSET 0) i ON true`;

/**
 * The mappings of a room that a list of its window may concern: those in the window, those that know one of the listed events,
 * those without an event, and those that are due or have news. The others are its history. Each set is found by an index.
 */
export const mappingsOf = (
  session: Queryable,
  { resourceId, outlookItemId }: LeasedRoom,
  window: Span,
  eventIds: readonly string[],
) =>
  queryRows<StoredMapping>(session, {
    name: 'mappings_of',
    text: `${mappedRows}
      WHERE m.resource_id = $1 AND m.id IN (
        SELECT id FROM bridge_mappings WHERE resource_id = $1 AND (ends_at >= $2::timestamptz OR ends_at IS NULL)
          AND (starts_at <= $3::timestamptz OR starts_at IS NULL)
        UNION ALL SELECT id FROM bridge_mappings WHERE outlook_item_id = $4 AND outlook_event_id = ANY ($5)
        UNION ALL SELECT id FROM bridge_mappings
          WHERE outlook_item_id = $4 AND outlook_event_id IS NULL AND sync_status <> 'cancelled'
        UNION ALL SELECT id FROM bridge_mappings WHERE resource_id = $1 AND due_at IS NOT NULL
        UNION ALL SELECT id FROM bridge_mappings WHERE resource_id = $1 AND outlook_news IS NOT NULL)`,
    values: [resourceId, window.from, window.to, outlookItemId, eventIds],
  });

/** A mapping whose event was reported as removed and is not verified yet. */
export interface Missing {
  readonly id: number;
  readonly revision: number;
  readonly eventId: string;
  readonly iCalUId: string | null;
  readonly seriesMasterId: string | null;
  /** Its start by the pattern of its series, otherwise its own: an ISO instant in UTC. */
  readonly slot: string | null;
}

export const missingOf = (db: Queryable, room: LeasedRoom, most: number) =>
  queryRows<Missing>(db, {
    name: 'missing_of',
    text: `SELECT id, revision, outlook_event_id AS "eventId", ical_uid AS "iCalUId", series_master_id AS "seriesMasterId",
        ${instant('coalesce(original_start, starts_at)')} AS slot
      FROM bridge_mappings
      WHERE resource_id = $1 AND outlook_item_id = $2 AND outlook_news = 'missing' AND outlook_event_id IS NOT NULL
      ORDER BY starts_at, id LIMIT $3`,
    values: [room.resourceId, room.outlookItemId, most],
  });

/** A mapping whose event is about to be removed. */
export interface RemovalNote {
  readonly id: number;
  readonly revision: number;
  /** Another event is to take its place. If its removal fails, it is decided about again, and is an event like any other. */
  readonly replaced?: true;
}

/**
 * Stores that we are about to delete or decline these events, so that they are never taken for deleted by a user. Returns the ids of
 * the mappings that have not changed since they were read; their revision is one higher now.
 */
export async function noteRemovals(
  db: Queryable,
  room: LeasedRoom,
  wanted: readonly RemovalNote[],
): Promise<ReadonlySet<number>> {
  const removals = JSON.stringify(
    wanted.map(({ id, revision, replaced = false }) => ({ id, revision, replaced })),
  );
  return new Set(await callFunction<number[]>(db, 'bridge_removing', room.id, room.epoch, removals));
}

/** The reservations of these events in this room according to the log and the table of meetings. */
export async function rememberedOf(
  db: Queryable,
  room: LeasedRoom,
  events: readonly OutlookEvent[],
): Promise<ReadonlyMap<string, ReservationKey>> {
  if (events.length === 0) return new Map();
  const rows = await queryRows<{ event: string; type: string; id: Id }>(db, {
    name: 'remembered_of',
    text: `
      SELECT DISTINCT ON (e.event) e.event, k.type, k.id
      FROM unnest($2::text[], $3::text[], $4::timestamptz[]) AS e (event, uid, slot),
        LATERAL (
          SELECT l.reservation_type AS type, l.reservation_id AS id, l.id AS newest FROM bridge_log l
          WHERE l.outlook_event_id = e.event AND l.resource_id = $1 AND l.reservation_id IS NOT NULL
          UNION ALL
          SELECT t.reservation_type, t.reservation_id, 0 FROM bridge_meetings t
          WHERE t.ical_uid = e.uid AND t.original_start = coalesce(e.slot, '-infinity')) k
      ORDER BY e.event, k.newest DESC`,
    values: [
      room.resourceId,
      events.map((event) => event.id),
      events.map((event) => event.iCalUId),
      events.map((event) => event.originalStart),
    ],
  });
  return new Map(rows.map(({ event, type, id }) => [event, { type, id }]));
}
