/** The delta rounds, polls and full scans of a room: what is due, and where the next one begins. */
import type { Queryable } from '../../database.ts';
import { findRow, queryRow, queryRows, queryValue } from '../../query.ts';
import { type Instants, type Span, spanOf, windowColumns } from './span.ts';
import type { LeasedRoom, Window } from './work-list.ts';

/** A delta round that begins now. */
export interface Begun {
  /** The time of its request; null: a poll. */
  readonly requestedAt: Date | null;
  readonly links: readonly string[] | null;
  readonly from_at: Date | null;
  readonly to_at: Date | null;
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
): Promise<{
  readonly links: string[] | null;
  readonly from: string | null;
  readonly to: string | null;
  readonly isFirst: boolean;
}> {
  const rows = await queryRows<{
    links: string[] | null;
    from: Date | null;
    to: Date | null;
    first: boolean;
  }>(db, {
    name: 'read_cursor',
    text: `SELECT delta_links AS links, window_from AS "from", window_to AS "to", pulled_at IS NULL AS first FROM bridge_room_state
      WHERE resource_mapping_id = $1`,
    values: [room.id],
  });
  const { links = null, from = null, to = null, first = true } = rows[0] ?? {};
  return { links, from: from?.toISOString() ?? null, to: to?.toISOString() ?? null, isFirst: first };
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
    text: `SELECT b.*, b.rung AS "requestedAt", s.window_to AS to_at, ${windowColumns}
      FROM bridge_begin_pull($1, $2, $3, $4, $5, $6) b, bridge_window($7, $8), bridge_room_state s WHERE s.resource_mapping_id = $1`,
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
export const soon = `now() + $3::float8 * interval '1 millisecond'`;

/** Updates the state of a leased room; `values` are $3 and on in its `assignments`. */
export async function updateRoom(
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
