/** What Outlook reported, in our tables: the events that a room knows, what was told of them, and where a round begins. */
import type { Queryable } from '../../database.ts';
import type { OutlookEvent } from '../../event.ts';
import type { BookedItem } from '../../appearance.ts';
import type { Id } from '../../id.ts';
import type { Item, ReservationKey } from '../../item.ts';
import type { Hint, LeasedRoom, Window } from './work-list.ts';
import type { ConflictNote, EventIntent, News, WaitsFor } from './work-item.ts';

/** A part of time, as ISO instants. */
export interface Span {
  readonly from: string;
  readonly to: string;
}

/** A mapping that is to be read; `dueInMs` null: at once. */
export interface ObservedEvent {
  readonly id: number;
  /** Null: nothing was edited, only the version has moved. */
  readonly news: Exclude<News, 'gone' | 'vacated'> | null;
  readonly dueInMs: number | null;
  readonly etag?: string | null;
}

/** An event nobody knows yet. */
export interface UnmappedRow {
  readonly eventId: string;
  readonly startsAt: string | null;
  readonly endsAt: string | null;
  readonly item: Item | null;
  /** Null: it need not be read now. */
  readonly dueInMs: number | null;
  readonly waitsFor: WaitsFor | null;
  readonly hint: string | null;
  readonly outlookOrganizer?: string | null;
  readonly isOrganizer: boolean;
  readonly iCalUId: string | null;
  readonly originalStart: string | null;
  readonly seriesMasterId: string | null;
}

export interface Observed {
  readonly mapped: readonly ObservedEvent[];
  readonly unmapped: readonly UnmappedRow[];
}

/** A mapping by what is needed to recognise its event. */
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

const knownColumns = `m.id, m.outlook_event_id AS "eventId", m.sync_status AS status, m.reservation_id AS "reservationId",
  m.outlook_base AS "outlookBase", m.outlook_news AS news, m.outlook_etag AS etag, m.waits_for AS "waitsFor",
  to_char(m.starts_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS "startsAt",
  to_char(m.ends_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS "endsAt"`;

/** The mappings of a room that know one of these events, or an occurrence of one of these series. */
export async function knownEvents(
  db: Queryable,
  room: LeasedRoom,
  eventIds: readonly string[],
  masterIds: readonly string[],
): Promise<(KnownEvent & { readonly seriesMasterId: string | null })[]> {
  const { rows } = await db.query<KnownEvent & { readonly seriesMasterId: string | null }>({
    name: 'known_events',
    text: `SELECT ${knownColumns}, m.series_master_id AS "seriesMasterId" FROM bridge_mappings m
      WHERE m.outlook_item_id = $1 AND (m.outlook_event_id = ANY ($2) OR m.series_master_id = ANY ($3))`,
    values: [room.outlookItemId, eventIds, masterIds],
  });
  return rows;
}

/** A round of changes that begins now. */
export interface Begun {
  /** When somebody asked for it; null: it is the clock's turn. */
  readonly requestedAt: Date | null;
  readonly links: readonly string[] | null;
  readonly from_at: Date | null;
  /** How many rounds that were asked for came back empty, one after the other. */
  readonly attempt: number;
  /** The whole window is to be compared, too. */
  readonly compare: boolean;
  /** The window as it is now; see listWindow. */
  readonly span: Span;
}

/** Where a room's rounds of changes begin, and for which window; `isFirst`: none was ever made, nor a full scan. */
export async function readCursor(
  db: Queryable,
  room: LeasedRoom,
): Promise<{ readonly links: string[] | null; readonly from: string | null; readonly isFirst: boolean }> {
  const { rows } = await db.query<{ links: string[] | null; from: Date | null; first: boolean }>({
    name: 'read_cursor',
    text: `SELECT delta_links AS links, window_from AS "from", pulled_at IS NULL AS first FROM bridge_room_state
      WHERE resource_mapping_id = $1`,
    values: [room.id],
  });
  const { links = null, from = null, first = true } = rows[0] ?? {};
  return { links, from: from?.toISOString() ?? null, isFirst: first };
}

/**
 * When the next poll comes: after `pollMs`, or after `unheardMs` as long as Outlook does not call us for this room, times what
 * `spacing` says of an active or a quiet room.
 */
export interface NextPoll {
  readonly pollMs: number;
  readonly unheardMs: number;
  readonly spacing: { readonly active: number; readonly quiet: number };
}

export async function beginPull(
  db: Queryable,
  room: LeasedRoom,
  { pollMs, unheardMs, spacing }: NextPoll,
  window: Window,
): Promise<Begun> {
  const { rows } = await db.query<Omit<Begun, 'span'> & Instants>({
    name: 'begin_pull',
    text: `SELECT b.*, b.rung AS "requestedAt", ${windowColumns} FROM bridge_begin_pull($1, $2, $3, $4, $5, $6) b, bridge_window($7, $8)`,
    values: [
      room.id,
      room.epoch,
      pollMs,
      unheardMs,
      spacing.active,
      spacing.quiet,
      window.pastDays,
      window.futureDays,
    ],
  });
  return { ...rows[0]!, span: spanOf(rows[0]!) };
}

/** Asks again soon, after a round that was asked for brought nothing; null: it has been asked often enough. */
export async function pullAgain(
  db: Queryable,
  room: LeasedRoom,
  inMs: number | null,
  attempt: number,
): Promise<void> {
  await db.query({
    name: 'pull_again',
    text: `UPDATE bridge_room_state SET pull_attempt = $4,
        pull_due_at = CASE WHEN $3::float8 IS NULL THEN pull_due_at
                           ELSE least(pull_due_at, now() + $3::float8 * interval '1 millisecond') END
      WHERE resource_mapping_id = $1 AND lease_epoch = $2`,
    values: [room.id, room.epoch, inMs, attempt],
  });
}

/** A full scan that failed is due again then, unless somebody asks earlier. */
export async function scanIn(db: Queryable, room: LeasedRoom, inMs: number): Promise<void> {
  await db.query({
    name: 'scan_in',
    text: `UPDATE bridge_room_state SET pull_due_at = now() + $3::float8 * interval '1 millisecond', next_poll_at = NULL
      WHERE resource_mapping_id = $1 AND lease_epoch = $2`,
    values: [room.id, room.epoch, inMs],
  });
}

/**
 * Of a room that is only shown the bookings: what asked for a round of changes has been heard. Returns whether somebody
 * asked for a comparison of its whole window.
 */
export async function pullNothing(db: Queryable, room: LeasedRoom): Promise<boolean> {
  const { rows } = await db.query<{ compare: boolean }>({
    name: 'pull_nothing',
    text: `WITH asked AS (
        UPDATE bridge_room_state SET pull_due_at = NULL, next_poll_at = NULL, sure_at = NULL, hinted_at = NULL
        WHERE resource_mapping_id = $1 AND lease_epoch = $2
        RETURNING resource_mapping_id AS id, coalesce(compare_at <= now(), false) AS compare
      ), dropped AS (DELETE FROM bridge_hints h USING asked a WHERE h.resource_mapping_id = a.id)
      SELECT compare FROM asked`,
    values: [room.id, room.epoch],
  });
  return rows[0]?.compare ?? false;
}

interface Instants {
  readonly from: Date;
  readonly to: Date;
}

const windowColumns = `opens - interval '1 day' AS "from", closes + interval '1 day' AS "to"`;
const spanOf = ({ from, to }: Instants): Span => ({ from: from.toISOString(), to: to.toISOString() });

/** The window as instants, a day wider on each side: all-day events float, and Graph matches them in UTC. */
export async function listWindow(session: Queryable, window: Window): Promise<Span> {
  const { rows } = await session.query<Instants>({
    name: 'list_window',
    text: `SELECT ${windowColumns} FROM bridge_window($1, $2)`,
    values: [window.pastDays, window.futureDays],
  });
  return spanOf(rows[0]!);
}

/** A mapping of a room, by what is needed to recognise its event. */
export interface RoomMapping extends Omit<KnownEvent, 'eventId'> {
  readonly eventId: string | null;
  readonly revision: number;
  readonly reservationType: string | null;
  readonly due: boolean;
  /** Of a reservation without an event, or whose event is gone: what it is; null also where its row cannot be read. */
  readonly booking: BookedItem | null;
  readonly present: boolean;
  readonly intent: EventIntent | null;
  readonly conflict: ConflictNote | null;
  readonly iCalUId: string | null;
  readonly originalStart: string | null;
  readonly seriesMasterId: string | null;
  readonly outlookSeen: Item | null;
}

/**
 * SQL: the state of an item of `bridge_items` by which both sides are compared, including how its room shows it (`as`, see
 * appearance.ts). `item`: the alias of its row; `style`: an expression that yields the `bridge_style` of the room.
 */
export const bookedState = (item: string, style: string): string => `
  bridge_item_state(${item}.starts_at, ${item}.ends_at, ${item}.all_day, ${item}.title, ${item}.description, ${item}.is_private)
  || CASE WHEN ${style} IS NULL THEN '{}' ELSE bridge_appearance(to_jsonb(${item}), ${style}) END`;

/** SQL: mappings `m` of a room as `RoomMapping`; a condition follows. */
export const mappedRows = `SELECT ${knownColumns}, m.reservation_type AS "reservationType", m.due_at IS NOT NULL AS due, m.present, m.revision,
    m.event_intent AS intent, m.conflict, m.ical_uid AS "iCalUId", m.series_master_id AS "seriesMasterId", m.outlook_seen AS "outlookSeen",
    to_char(m.original_start AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS "originalStart", i.booking
  FROM bridge_mappings m
  LEFT JOIN LATERAL (
    SELECT bridge_read_item(m.reservation_type, m.reservation_id, m.resource_id, bridge_style(m.resource_id)) -> 'state' AS booking
    WHERE (m.outlook_event_id IS NULL OR m.outlook_news = 'gone' OR m.sync_status = 'cancelled' AND m.due_at IS NOT NULL) AND m.present
      AND m.reservation_id IS NOT NULL OFFSET 0) i ON true`;

/**
 * The mappings of a room that a list of its window may concern: those in the window, those that know one of the listed events,
 * those without an event, and those that are due or have news. The others are its history. Each set is found by an index.
 */
export async function mappingsOf(
  session: Queryable,
  { resourceId, outlookItemId }: LeasedRoom,
  window: Span,
  eventIds: readonly string[],
): Promise<RoomMapping[]> {
  const { rows } = await session.query<RoomMapping>({
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
  return rows;
}

export interface Baselined extends Observed {
  /** See `bridge_attach`. */
  readonly attachments: readonly object[];
  readonly reportedAt: Date;
  readonly links: readonly string[] | null;
  readonly window: Span;
  /** Until the next poll; null: this room is not polled. */
  readonly pollMs: number | null;
}

/** An event that was reported as removed and not verified yet. */
export interface Missing {
  readonly id: number;
  readonly revision: number;
  readonly eventId: string;
  readonly iCalUId: string | null;
  readonly seriesMasterId: string | null;
  /** When it was to begin by the pattern of its series, or else began: an ISO instant in UTC. */
  readonly slot: string | null;
}

export async function missingOf(db: Queryable, room: LeasedRoom, most: number): Promise<Missing[]> {
  const { rows } = await db.query<Missing>({
    name: 'missing_of',
    text: `SELECT id, revision, outlook_event_id AS "eventId", ical_uid AS "iCalUId", series_master_id AS "seriesMasterId",
        to_char(coalesce(original_start, starts_at) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS slot
      FROM bridge_mappings
      WHERE resource_id = $1 AND outlook_item_id = $2 AND outlook_news = 'missing' AND outlook_event_id IS NOT NULL
      ORDER BY starts_at, id LIMIT $3`,
    values: [room.resourceId, room.outlookItemId, most],
  });
  return rows;
}

/** What verification found of an event that was reported as removed. */
export interface Verified {
  readonly id: number;
  readonly revision: number;
  readonly news: 'look' | 'vacated' | 'gone';
  /** It is gone because the pattern of its series no longer has its date. */
  readonly offPattern?: boolean;
}

/**
 * Notes that these events are about to be deleted or declined by us, so that nobody takes them for deleted by a person,
 * whatever happens next. Returns the ids of those that are still as they were read; their revision is one higher now.
 */
export async function noteRemovals(
  db: Queryable,
  room: LeasedRoom,
  wanted: readonly { readonly id: number; readonly revision: number }[],
): Promise<ReadonlySet<number>> {
  const { rows } = await db.query<{ noted: number[] }>({
    name: 'note_removals',
    text: 'SELECT bridge_removing($1, $2, $3) AS noted',
    values: [room.id, room.epoch, JSON.stringify(wanted.map(({ id, revision }) => ({ id, revision })))],
  });
  return new Set(rows[0]!.noted);
}

/** Whether somebody asked for a round of changes since the last one began, and the hints that came meanwhile. */
export async function readRequested(
  db: Queryable,
  room: LeasedRoom,
): Promise<{ readonly pulls: boolean; readonly hints: readonly Hint[] }> {
  const { rows } = await db.query<{ pulls: boolean; hints: readonly Hint[] }>({
    name: 'read_requested',
    text: `SELECT coalesce(pull_due_at <= clock_timestamp(), false) AS pulls,
        CASE WHEN hinted_at IS NULL THEN '[]' ELSE bridge_hints_of($1) END AS hints
      FROM bridge_room_state WHERE resource_mapping_id = $1`,
    values: [room.id],
  });
  return rows[0] ?? { pulls: false, hints: [] };
}

/** Which reservations these events were of in this room, as far as the log and the book of meetings remember. */
export async function rememberedOf(
  db: Queryable,
  room: LeasedRoom,
  events: readonly OutlookEvent[],
): Promise<ReadonlyMap<string, ReservationKey>> {
  if (events.length === 0) return new Map();
  const { rows } = await db.query<{ event: string; type: string; id: Id }>({
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
