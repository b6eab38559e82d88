/** The hints of a room: events that notifications named. */
import type { Queryable } from '../../database.ts';
import { findRow, queryRows } from '../../query.ts';
import { soon, updateRoom } from './rounds.ts';
import type { Hint, LeasedRoom } from './work-list.ts';

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
