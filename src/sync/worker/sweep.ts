/**
 * The sweep: each room is regularly compared as a whole with the booking system. It finds changes without a trigger (disabled triggers,
 * replica role, a lost outbox row) and items that entered the window.
 */
import type { Queryable } from '../../database.ts';
import { queryRows, queryValue } from '../../query.ts';

/** Adds the missing state of rooms whose row was deleted: such a room begins anew. Returns their number. */
export async function mendRooms(db: Queryable): Promise<number> {
  const { rowCount } = await db.query(`
    INSERT INTO bridge_room_state (resource_mapping_id, push_due_at, push_lane)
    SELECT r.id, now(), 1 FROM bridge_resource_mappings r
    WHERE NOT EXISTS (SELECT FROM bridge_room_state s WHERE s.resource_mapping_id = r.id)
    ON CONFLICT DO NOTHING`);
  return rowCount ?? 0;
}

/** Corrects rooms whose mappings name another mailbox, as an older version left them: their events are created again. Returns their number. */
export const followMailboxes = (db: Queryable) =>
  queryValue<number>(db, 'SELECT public.bridge_follow_mailboxes() AS rooms');

/** Makes the comparison of every active room due, behind live changes. Returns their number. Throws as `inAllRooms` does. */
export const sweepRooms = (db: Queryable): Promise<number> =>
  inAllRooms(
    db,
    `reconciled_at = NULL, push_due_at = least(s.push_due_at, now()), updated_at = now(),
      push_lane = CASE WHEN s.push_due_at IS NULL THEN 1 ELSE s.push_lane END`,
  );

/**
 * Makes a full scan of every active room due, spread over `withinMs`: it finds events that were deleted without a report. In rooms that
 * only show bookings they are created again. Returns the number of rooms. Throws as `inAllRooms` does.
 */
export const requestFullScans = (db: Queryable, withinMs: number): Promise<number> =>
  inAllRooms(
    db,
    `compare_at = now(), updated_at = now(),
      next_poll_at = least(s.next_poll_at, now() + random() * ${withinMs} * interval '1 millisecond')`,
  );

/**
 * Updates the state of every active room. A room locked by an open transaction of others is updated last, so that the other rooms
 * neither wait for it nor stay locked; throws the driver's error when the lock lasts too long.
 */
async function inAllRooms(db: Queryable, assignments: string): Promise<number> {
  const done: number[] = [];
  for (const locking of ['FOR NO KEY UPDATE OF t SKIP LOCKED', 'FOR NO KEY UPDATE OF t']) {
    const rows = await queryRows<{ id: number }>(
      db,
      `UPDATE bridge_room_state s SET ${assignments}
       WHERE s.resource_mapping_id IN (
         SELECT t.resource_mapping_id FROM bridge_room_state t
         JOIN bridge_resource_mappings r ON r.id = t.resource_mapping_id AND r.active = 1
         WHERE NOT t.resource_mapping_id = ANY ($1) ORDER BY 1 ${locking})
       RETURNING s.resource_mapping_id AS id`,
      [done],
    );
    done.push(...rows.map(({ id }) => id));
  }
  return done.length;
}

/** The interval between two rooms. */
const apartMs = 50;

/**
 * Makes a poll of every room with changes from Outlook due at the start of a daemon, the longest unpolled first: its next poll may be
 * far away, and Graph may have stopped its notifications. Rows locked by others are skipped, so that no open transaction delays the
 * start. Returns the number of rooms.
 */
export async function catchUpRooms(db: Queryable): Promise<number> {
  const { rowCount } = await db.query(
    `UPDATE bridge_room_state s SET next_poll_at = least(s.next_poll_at, now() + n.place * $1::float8 * interval '1 millisecond'), updated_at = now()
     FROM (SELECT f.id, row_number() OVER (ORDER BY f.pulled_at NULLS FIRST) - 1 AS place
           FROM (SELECT t.resource_mapping_id AS id, t.pulled_at
                 FROM bridge_room_state t JOIN bridge_resource_mappings r ON r.id = t.resource_mapping_id AND r.active = 1
                 WHERE r.sync_direction <> 'booking_to_outlook' AND t.next_poll_at IS NOT NULL
                 FOR UPDATE OF t SKIP LOCKED) f) n
     WHERE s.resource_mapping_id = n.id`,
    [apartMs],
  );
  return rowCount ?? 0;
}
