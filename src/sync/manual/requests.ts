/**
 * The queries of manual requests: choose items, make them due, and read whether they are settled. Deadlocks are avoided by order: rooms
 * are locked before mappings and by ascending id, as in a reconcile, and mappings of several rooms only under the fold lock.
 */
import { failureInWords } from '../../adapter-error.ts';
import { concernsRows, inTransaction, type Database, type Queryable } from '../../database.ts';
import { Permanent } from '../../errors.ts';
import type { Id } from '../../id.ts';
import { queryColumn, queryRow, queryRows, queryValue } from '../../query.ts';
import { msLeft, type Call } from './call.ts';
import { unreadableHint } from '../store/readable-items.ts';
import type { Window } from '../store/work-list.ts';
import { chosenColumns, type Change, type Chosen } from './outcomes.ts';

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

export interface PendingChoice {
  readonly limit: number;
  readonly resourceId: number | null;
}

/** Pending and failed items, and those created or settled since the call began. Requires the fold lock. */
export const choosePending = (db: Queryable, choice: PendingChoice, call: Call) =>
  queryRows<Chosen>(db, {
    name: 'choose_pending',
    text: `
      SELECT ${chosenColumns}
      FROM bridge_mappings m
      WHERE m.id IN (
          SELECT p.id FROM bridge_mappings p
          JOIN bridge_resource_mappings r ON r.resource_id = p.resource_id AND r.active = 1
          WHERE p.sync_status IN ('pending', 'error') OR p.sync_status = 'cancelled' AND p.present AND p.due_at IS NOT NULL
          UNION ALL
          SELECT l.mapping_id FROM bridge_log l WHERE l.id > $3
          UNION ALL
          SELECT n.id FROM bridge_mappings n WHERE n.id > $4)
        AND ($2::integer IS NULL OR m.resource_id = $2)
      ORDER BY m.priority_level, m.starts_at, m.id LIMIT $1`,
    values: [choice.limit, choice.resourceId, call.mark, call.newest],
  });

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

/**
 * Whether any of these mappings can still be settled before the deadline. One that is due again after one of the actions `counted` is
 * not waited for. A room that was released between the request and its last
 * read is requested again: with AUTO_SYNC=off nothing else would take it.
 */
export const stillOpen = (
  db: Queryable,
  ids: readonly number[],
  call: Call,
  counted: readonly Change[] = ['created', 'updated', 'deleted', 'shadowed'],
) =>
  queryValue<boolean>(db, {
    name: 'still_open',
    text: `
      WITH open AS (
        SELECT s.resource_mapping_id AS room FROM bridge_mappings m
        JOIN bridge_resource_mappings r ON r.resource_id = m.resource_id AND r.active = 1
        JOIN bridge_room_state s ON s.resource_mapping_id = r.id
        WHERE m.id = ANY ($1) AND m.due_at <= clock_timestamp() + $3 * interval '1 millisecond'
          AND ${isReadyWithin('$3')}
          AND NOT EXISTS (SELECT FROM bridge_log l WHERE l.mapping_id = m.id AND l.id > $2
                          AND l.action = ANY ($4))
      ), again AS (
        UPDATE bridge_room_state SET asked_at = now() WHERE resource_mapping_id IN (
          SELECT s.resource_mapping_id FROM bridge_room_state s
          WHERE s.asked_at IS NULL AND s.lease_owner IS NULL AND s.resource_mapping_id IN (SELECT room FROM open)
          ORDER BY 1 FOR UPDATE SKIP LOCKED)
      )
      SELECT EXISTS (SELECT FROM open) AS open`,
    values: [ids, call.mark, msLeft(call), counted],
  });

/** Whether any of these rooms can still be compared with one of the sides before the deadline. */
export const stillUncompared = (db: Queryable, rooms: readonly number[], call: Call) =>
  queryValue<boolean>(db, {
    name: 'still_uncompared',
    text: `
      SELECT EXISTS (
        SELECT FROM bridge_room_state s JOIN bridge_resource_mappings r ON r.id = s.resource_mapping_id
        WHERE s.resource_mapping_id = ANY ($1) AND (s.reconciled_at IS NULL OR s.baselined_at IS NULL) AND r.active = 1
          AND ${isReadyWithin('$2')}) AS open`,
    values: [rooms, msLeft(call)],
  });

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

export interface Populated {
  readonly rooms: number;
  /** Rooms compared with the booking system so far. */
  readonly reconciled: number;
  readonly created: number;
  readonly total: number;
  readonly pending: number;
}

/** Counts the mappings of these rooms; those with an id above `before` are new. */
export const countPopulated = (db: Queryable, rooms: readonly number[], before: number) =>
  queryRow<Populated>(db, {
    name: 'count_populated',
    text: `
      SELECT cardinality($1::integer[]) AS rooms,
        (SELECT count(*) FROM bridge_room_state s
         WHERE s.resource_mapping_id = ANY ($1) AND s.reconciled_at IS NOT NULL) AS reconciled,
        count(*) FILTER (WHERE m.id > $2) AS created, count(*) AS total,
        count(*) FILTER (WHERE m.sync_status = 'pending') AS pending
      FROM bridge_mappings m JOIN bridge_resource_mappings r ON r.resource_id = m.resource_id
      WHERE r.id = ANY ($1)`,
    values: [rooms, before],
  });

const cleanUpMost = 10_000;

/**
 * Removes mappings without a reservation in the booking system and without an event in Outlook. Changes no event, reservation or other
 * mapping. Returns the number of removed mappings.
 */
export async function cleanUpMappings(db: Queryable): Promise<number> {
  // a cancelled mapping keeps the id of its former event, which exists only if a person kept it
  const { rowCount } = await db.query({
    name: 'clean_up_mappings',
    text: `
      DELETE FROM bridge_mappings WHERE id IN (
        SELECT m.id FROM bridge_mappings m
        WHERE m.sync_status IN ('cancelled', 'error', 'pending', 'conflict', 'shadowed')
          AND m.reservation_id IS NOT NULL AND m.due_at IS NULL
          AND (m.outlook_event_id IS NULL OR m.sync_status = 'cancelled' AND m.event_intent IS DISTINCT FROM 'keep')
          AND NOT EXISTS (SELECT FROM bridge_items i
                          WHERE i.reservation_type = m.reservation_type AND i.reservation_id = m.reservation_id
                            AND i.resource_id = m.resource_id)
        ORDER BY m.id LIMIT $1 FOR UPDATE OF m SKIP LOCKED)`,
    values: [cleanUpMost],
  });
  return rowCount ?? 0;
}
