/** The pull side of our tables: the mappings by their events, observed events, delta rounds and polls. */
import type { Queryable } from '../../database.ts';
import type { OutlookEvent } from '../../event.ts';
import type { BookedItem } from '../../appearance.ts';
import type { Id } from '../../id.ts';
import type { Item, ReservationKey } from '../../item.ts';
import { callFunction, findRow, queryRow, queryRows, queryValue } from '../../query.ts';
import { itemState } from './mapping-sql.ts';
import type { Hint, LeasedRoom, Window } from './work-list.ts';
import type { WaitsFor } from './waits.ts';
import type { ConflictNote, EventIntent, News } from './work-item.ts';

/** A period, as ISO instants. */
export interface Span {
  readonly from: string;
  readonly to: string;
}

/** A mapping whose event is to be read; `dueInMs` null: at once. */
export interface ObservedEvent {
  readonly id: number;
  /** Null: no edit, only a new version. */
  readonly news: Exclude<News, 'gone' | 'vacated'> | null;
  readonly dueInMs: number | null;
  readonly etag?: string | null;
}

/** An event without a mapping. */
export interface UnmappedRow {
  readonly eventId: string;
  readonly startsAt: string | null;
  readonly endsAt: string | null;
  readonly item: Item | null;
  /** Null: it need not be read. */
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

/** A delta round that begins now. */
export interface Begun {
  /** The time of its request; null: a poll. */
  readonly requestedAt: Date | null;
  readonly links: readonly string[] | null;
  readonly from_at: Date | null;
  /** The number of requested rounds without a change so far, one after the other. */
  readonly attempt: number;
  /** A full scan was requested. */
  readonly compare: boolean;
  /** The window as it is now; see listWindow. */
  readonly span: Span;
}

/** The links and the window of a room's next delta rounds; `isFirst`: no round nor full scan was ever made. */
export async function readCursor(
  db: Queryable,
  room: LeasedRoom,
): Promise<{ readonly links: string[] | null; readonly from: string | null; readonly isFirst: boolean }> {
  const rows = await queryRows<{ links: string[] | null; from: Date | null; first: boolean }>(db, {
    name: 'read_cursor',
    text: `SELECT delta_links AS links, window_from AS "from", pulled_at IS NULL AS first FROM bridge_room_state
      WHERE resource_mapping_id = $1`,
    values: [room.id],
  });
  const { links = null, from = null, first = true } = rows[0] ?? {};
  return { links, from: from?.toISOString() ?? null, isFirst: first };
}

/**
 * The time until the next poll: `pollMs`, or `unheardMs` while the room has no subscription, multiplied by `spacing` for an active
 * or a quiet room.
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
  const begun = await queryRow<Omit<Begun, 'span'> & Instants>(db, {
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
  return { ...begun, span: spanOf(begun) };
}

/** A room is active for so long after a change in Outlook; the same as in `bridge_begin_pull`. */
const activeMinutes = 10;

/** The share of active rooms among the polled ones, 0 to 1. */
export async function activeShare(db: Queryable): Promise<number> {
  const share = await queryValue<number | null>(db, {
    name: 'active_share',
    text: `SELECT avg(coalesce(s.active_at > now() - $1::integer * interval '1 minute', false)::integer)::float8 AS share
      FROM bridge_room_state s JOIN bridge_resource_mappings r ON r.id = s.resource_mapping_id
      WHERE r.active = 1 AND r.sync_direction <> 'booking_to_outlook'`,
    values: [activeMinutes],
  });
  return share ?? 0;
}

/** SQL: the time in $3 milliseconds. */
const soon = `now() + $3::float8 * interval '1 millisecond'`;

/** Updates the state of a leased room; `values` are $3 and on in its `assignments`. */
async function updateRoom(
  db: Queryable,
  room: LeasedRoom,
  name: string,
  values: readonly (number | null)[],
  assignments: string,
): Promise<void> {
  await db.query({
    name,
    text: `UPDATE bridge_room_state SET ${assignments} WHERE resource_mapping_id = $1 AND lease_epoch = $2`,
    values: [room.id, room.epoch, ...values],
  });
}

/** Stores a change in Outlook: without a subscription the room is polled again after `pollMs`. */
export const noteActivity = (db: Queryable, room: LeasedRoom, pollMs: number) =>
  updateRoom(
    db,
    room,
    'note_activity',
    [pollMs],
    `active_at = now(), next_poll_at = CASE
      WHEN EXISTS (SELECT FROM bridge_subscriptions b WHERE b.resource_mapping_id = $1 AND b.expires_at > now()) THEN next_poll_at
      ELSE least(next_poll_at, ${soon}) END`,
  );

/** Requests another round soon after a requested round without a change. */
export const pullAgain = (db: Queryable, room: LeasedRoom, inMs: number, attempt: number) =>
  updateRoom(
    db,
    room,
    'pull_again',
    [inMs, attempt],
    `pull_due_at = least(pull_due_at, ${soon}), pull_attempt = $4`,
  );

/** After a round with a change, or the last one without: the next request starts from the first attempt. */
export const resetPullAttempt = (db: Queryable, room: LeasedRoom) =>
  updateRoom(db, room, 'reset_pull_attempt', [], 'pull_attempt = 0');

/** The hints of a room that are left are read after this time. */
export const hintsLater = (db: Queryable, room: LeasedRoom, inMs: number) =>
  updateRoom(
    db,
    room,
    'hints_later',
    [inMs],
    `hinted_at = CASE WHEN hinted_at IS NOT NULL THEN greatest(hinted_at, ${soon}) END,
      hints_retry = hints_retry AND coalesce(hinted_at > ${soon}, false)`,
  );

/** The time of the hint of the whole room, before a full scan that answers it; null: there is none. */
export async function wholeHintOf(db: Queryable, room: LeasedRoom): Promise<string | null> {
  const hint = await findRow<{ at: string }>(db, {
    name: 'whole_hint_of',
    text: `SELECT hinted_at::text AS at FROM bridge_hints WHERE resource_mapping_id = $1 AND event_id = ''`,
    values: [room.id],
  });
  return hint?.at ?? null;
}

/** Deletes the hint of the whole room unless there was another one after `hintedAt`. */
export async function answerWholeHint(db: Queryable, room: LeasedRoom, hintedAt: string): Promise<void> {
  await db.query({
    name: 'answer_whole_hint',
    text: `DELETE FROM bridge_hints WHERE resource_mapping_id = $1 AND event_id = '' AND hinted_at <= $2`,
    values: [room.id, hintedAt],
  });
}

/** Requests a failed full scan again. */
export const scanIn = (db: Queryable, room: LeasedRoom, inMs: number) =>
  updateRoom(db, room, 'scan_in', [inMs], `pull_due_at = ${soon}, next_poll_at = NULL`);

/** Requests a full scan, besides the delta rounds. */
export const scanAgain = (db: Queryable, room: LeasedRoom, inMs: number) =>
  updateRoom(
    db,
    room,
    'scan_again',
    [inMs],
    `compare_at = least(compare_at, ${soon}), pull_due_at = least(pull_due_at, ${soon})`,
  );

/** Requests a read of the series whose dates these mappings have, as a notification does. Returns whether there are any. */
export async function hintSeries(
  db: Queryable,
  room: LeasedRoom,
  mappings: readonly number[],
): Promise<boolean> {
  const [hinted] = await queryRows<{ any: boolean }>(db, {
    name: 'hint_series',
    // the room is locked first, as by a notification that names the same series
    text: `WITH held AS MATERIALIZED (
        SELECT resource_mapping_id AS id FROM bridge_room_state WHERE resource_mapping_id = $1 AND lease_epoch = $2 FOR UPDATE
      ), hints AS (
        INSERT INTO bridge_hints (resource_mapping_id, event_id)
        SELECT DISTINCT held.id, m.series_master_id FROM held, bridge_mappings m
        WHERE m.id = ANY ($3) AND m.series_master_id IS NOT NULL ORDER BY 2
        ON CONFLICT (resource_mapping_id, event_id) DO UPDATE SET hinted_at = excluded.hinted_at, deleted = false, etag = NULL, misses = 0, read_after = NULL
        RETURNING event_id
      ), room AS (
        UPDATE bridge_room_state SET hinted_at = least(hinted_at, clock_timestamp()), hints_retry = false
        WHERE resource_mapping_id = (SELECT id FROM held) AND EXISTS (SELECT FROM hints)
      )
      SELECT EXISTS (SELECT FROM hints) AS any`,
    values: [room.id, room.epoch, mappings],
  });
  return hinted!.any;
}

/** For a room whose Outlook is not followed: discards requests for delta rounds. Returns whether a full scan was requested. */
export async function pullNothing(db: Queryable, room: LeasedRoom): Promise<boolean> {
  const asked = await findRow<{ compare: boolean }>(db, {
    name: 'pull_nothing',
    text: `WITH asked AS (
        UPDATE bridge_room_state SET pull_due_at = NULL, next_poll_at = NULL, sure_at = NULL, hinted_at = NULL, hints_retry = false
        WHERE resource_mapping_id = $1 AND lease_epoch = $2
        RETURNING resource_mapping_id AS id, coalesce(compare_at <= now(), false) AS compare
      ), dropped AS (DELETE FROM bridge_hints h USING asked a WHERE h.resource_mapping_id = a.id)
      SELECT compare FROM asked`,
    values: [room.id, room.epoch],
  });
  return asked?.compare ?? false;
}

interface Instants {
  readonly from: Date;
  readonly to: Date;
}

const windowColumns = `opens - interval '1 day' AS "from", closes + interval '1 day' AS "to"`;
const spanOf = ({ from, to }: Instants): Span => ({ from: from.toISOString(), to: to.toISOString() });

/** The window, wider by a day on each side: all-day events float, and Graph matches them in UTC. */
export async function listWindow(session: Queryable, window: Window): Promise<Span> {
  const instants = await queryRow<Instants>(session, {
    name: 'list_window',
    text: `SELECT ${windowColumns} FROM bridge_window($1, $2)`,
    values: [window.pastDays, window.futureDays],
  });
  return spanOf(instants);
}

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

/** The result of a full scan. */
export interface FullScan extends Observed {
  /** See `bridge_attach`. */
  readonly attachments: readonly object[];
  readonly reportedAt: Date;
  readonly links: readonly string[] | null;
  readonly window: Span;
  /** Until the next poll; null: this room is not polled. */
  readonly pollMs: number | null;
  /** The last request for a full scan when this one began; see `scanRequestOf`. */
  readonly request: ScanRequest;
}

/** A request for a full scan; opaque. */
export type ScanRequest = string | null;

/** The last request for a full scan of this room. */
export async function scanRequestOf(db: Queryable, room: LeasedRoom): Promise<ScanRequest> {
  // as text: a Date has no microseconds
  const state = await findRow<{ request: ScanRequest }>(db, {
    name: 'scan_request_of',
    text: 'SELECT scan_requested_at::text AS request FROM bridge_room_state WHERE resource_mapping_id = $1',
    values: [room.id],
  });
  return state?.request ?? null;
}

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

/** The result of verifying an event that was reported as removed. */
export interface Verified {
  readonly id: number;
  readonly revision: number;
  readonly news: 'look' | 'vacated' | 'gone';
  /** Gone because the pattern of its series no longer has its date. */
  readonly offPattern?: boolean;
}

/**
 * Stores that we are about to delete or decline these events, so that they are never taken for deleted by a user. Returns the ids of
 * the mappings that have not changed since they were read; their revision is one higher now.
 */
export async function noteRemovals(
  db: Queryable,
  room: LeasedRoom,
  wanted: readonly { readonly id: number; readonly revision: number }[],
): Promise<ReadonlySet<number>> {
  const removals = JSON.stringify(wanted.map(({ id, revision }) => ({ id, revision })));
  return new Set(await callFunction<number[]>(db, 'bridge_removing', room.id, room.epoch, removals));
}

/** Whether a delta round was requested since the last one began, and the hints that arrived meanwhile. */
export async function readRequested(
  db: Queryable,
  room: LeasedRoom,
): Promise<{ readonly pulls: boolean; readonly hints: readonly Hint[] }> {
  const requested = await findRow<{ pulls: boolean; hints: readonly Hint[] }>(db, {
    name: 'read_requested',
    text: `SELECT coalesce(pull_due_at <= clock_timestamp(), false) AS pulls,
        CASE WHEN hinted_at <= clock_timestamp() THEN bridge_hints_of($1) ELSE '[]' END AS hints
      FROM bridge_room_state WHERE resource_mapping_id = $1`,
    values: [room.id],
  });
  return requested ?? { pulls: false, hints: [] };
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
