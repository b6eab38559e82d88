/**
 * The queries that manual requests share: lock rooms, make items due, read a reservation. Deadlocks are avoided by order: rooms
 * are locked before mappings and by ascending id, as in a reconcile, and mappings of several rooms only under the fold lock.
 */
import { failureInWords } from '../../adapter-error.ts';
import { concernsRows, inTransaction, type Database, type Queryable } from '../../database.ts';
import { Permanent } from '../../errors.ts';
import type { Id } from '../../id.ts';
import { queryColumn, queryRow } from '../../query.ts';
import { unreadableHint } from '../store/readable-items.ts';
import type { Window } from '../store/work-list.ts';
import type { Chosen } from './outcomes.ts';

/**
 * Runs `work` in a transaction with the fold lock (database/functions/30_fold.sql): no fold and no settlement is in progress, so our
 * tables are complete. All rooms wait for it, so its statements wait for a row for half a second at most (55P03).
 */
export const underFoldLock = <T>(db: Database, work: (client: Queryable) => Promise<T>): Promise<T> =>
  inTransaction(db, async (client) => {
    await client.query(`SELECT bridge_lock_for_fold(), set_config('lock_timeout', '500ms', true)`);
    return await work(client);
  });

/** The ids of active rooms `r` with the state `t`, locked in ascending order. */
export const lockRooms = (condition: string) => `
  SELECT t.resource_mapping_id FROM bridge_room_state t
  JOIN bridge_resource_mappings r ON r.id = t.resource_mapping_id AND r.active = 1
  WHERE ${condition} ORDER BY 1 FOR UPDATE OF t`;

/** The room of the mappings in $1. */
export const ofMappings =
  'r.resource_id IN (SELECT m.resource_id FROM bridge_mappings m WHERE m.id = ANY ($1))';

/** Makes room `s` due for requested work: its back-off ends, a Retry-After of Graph does not. */
const roomRequested = `push_due_at = least(s.push_due_at, now()), push_lane = 0, asked_at = now(), retry_at = NULL,
  updated_at = now()`;

/** Room `s` can be worked on before the parameter `ms` has passed. */
export const isReadyWithin = (ms: string) =>
  `greatest(s.retry_at, s.throttled_until, '-infinity') <= clock_timestamp() + ${ms} * interval '1 millisecond'`;

/** Makes the chosen mappings and their rooms due at once, whatever their back-off. Requires the fold lock. */
export async function makeDue(db: Queryable, chosen: readonly Chosen[]): Promise<void> {
  const ids = chosen.map((one) => one.mappingId);
  if (ids.length === 0) return;
  await db.query({
    name: 'ask_rooms_of',
    text: `
      UPDATE bridge_room_state s SET ${roomRequested}
      WHERE s.resource_mapping_id IN (${lockRooms(ofMappings)})`,
    values: [ids],
  });
  // with a new revision the trigger for rows changed by hand does nothing
  await db.query({
    name: 'make_due',
    text: `
      UPDATE bridge_mappings SET sync_status = CASE WHEN sync_status = 'error' THEN 'pending' ELSE sync_status END,
        due_at = now(), lane = 0, attempt = 0, revision = revision + 1, updated_at = now()
      WHERE id = ANY ($1)
        AND (sync_status IN ('pending', 'error') OR sync_status = 'cancelled' AND present AND due_at IS NOT NULL)`,
    values: [ids],
  });
}

/**
 * Makes rooms due at once. 'all': they are compared with both sides again; 'unknown': only those never compared; 'due': only their due
 * items. Returns their ids.
 */
export const requestRooms = (db: Queryable, which: 'all' | 'unknown' | 'due', resourceId: number | null) =>
  queryColumn<number>(db, {
    name: 'ask_rooms',
    text: `
      UPDATE bridge_room_state s SET ${roomRequested},
        reconciled_at = CASE WHEN $1 = 'all' THEN NULL ELSE s.reconciled_at END,
        baselined_at = CASE WHEN $1 = 'all' THEN NULL ELSE s.baselined_at END
      WHERE s.resource_mapping_id IN (${lockRooms(`($2::integer IS NULL OR r.resource_id = $2)
        AND ($1 <> 'unknown' OR t.reconciled_at IS NULL AND t.baselined_at IS NULL)`)})
      RETURNING s.resource_mapping_id AS id`,
    values: [which, resourceId],
  });

/** Adds reservations to the outbox, as triggers would. */
export async function noteChanges(
  db: Queryable,
  reservations: readonly { readonly type: string | null; readonly id: Id | null }[],
): Promise<void> {
  await db.query({
    name: 'note_changes',
    text: `INSERT INTO bridge_changes (reservation_type, reservation_id)
      SELECT DISTINCT * FROM unnest($1::text[], $2::bigint[])`,
    values: [reservations.map(({ type }) => type), reservations.map(({ id }) => id)],
  });
}

/** One reservation in one room. */
export interface KnownReservation {
  /** The room is in bridge_resource_mappings and active. */
  readonly mapped: boolean;
  readonly direction: string | null;
  /** The reservation's active flag in this room; null: it is not in this room. */
  readonly active: boolean | null;
  readonly inWindow: boolean;
  /** The rooms the reservation is in. */
  readonly resources: readonly number[];
  readonly mapping: number | null;
  /** Its event is in Outlook. */
  readonly live: boolean;
}

/** Throws Permanent if the booking system cannot show the reservation. */
export async function readItem(
  db: Queryable,
  type: string,
  id: Id,
  resourceId: number,
  window: Window,
): Promise<KnownReservation> {
  const query = {
    name: 'read_item',
    text: `
      SELECT r.id IS NOT NULL AS mapped, r.sync_direction AS direction, i.active,
        coalesce(i.ends_at > w.opens AND i.starts_at < w.closes, false) AS "inWindow",
        ARRAY(SELECT v.resource_id FROM bridge_items v
              WHERE v.reservation_type = $1 AND v.reservation_id = $2 ORDER BY 1) AS resources,
        m.id AS mapping, coalesce(m.outlook_event_id IS NOT NULL AND m.sync_status <> 'cancelled', false) AS live
      FROM bridge_window($4, $5) w
      LEFT JOIN bridge_resource_mappings r ON r.resource_id = $3 AND r.active = 1
      LEFT JOIN bridge_items i ON i.reservation_type = $1 AND i.reservation_id = $2 AND i.resource_id = $3
      LEFT JOIN bridge_mappings m ON m.reservation_type = $1 AND m.reservation_id = $2 AND m.resource_id = $3`,
    values: [type, id, resourceId, window.pastDays, window.futureDays],
  };
  try {
    return await queryRow<KnownReservation>(db, query);
  } catch (error) {
    if (!concernsRows(error)) throw error;
    throw new Permanent(`the booking system cannot show ${type} ${id}: ${failureInWords(error)}`, {
      hint: unreadableHint,
      cause: error,
    });
  }
}
