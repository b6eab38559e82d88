/**
 * The guarantee behind the triggers: every so often each room is compared as a whole with the booking system.
 * It finds what no trigger saw (disabled triggers, replica role, a lost outbox row) and what entered the window.
 */
import type { Queryable } from '../../database.ts';

/**
 * Makes the state of rooms whose row was lost (somebody deleted it): such a room begins anew. Returns how many there were.
 */
export async function mendRooms(db: Queryable): Promise<number> {
  const { rowCount } = await db.query(`
    INSERT INTO bridge_room_state (resource_mapping_id, push_due_at, push_lane)
    SELECT r.id, now(), 1 FROM bridge_resource_mappings r
    WHERE NOT EXISTS (SELECT FROM bridge_room_state s WHERE s.resource_mapping_id = r.id)
    ON CONFLICT DO NOTHING`);
  return rowCount ?? 0;
}

/**
 * Rooms whose mappings name another mailbox than theirs, as an older version left them behind, are shown again in theirs. Returns
 * how many there were.
 */
export async function followMailboxes(db: Queryable): Promise<number> {
  const { rows } = await db.query<{ rooms: number }>('SELECT public.bridge_follow_mailboxes() AS rooms');
  return rows[0]!.rooms;
}

/**
 * Makes every active room compare its whole window at its next drain, behind live changes. Returns how many. Throws as
 * `inAllRooms` does.
 */
export const sweepRooms = (db: Queryable): Promise<number> =>
  inAllRooms(
    db,
    `reconciled_at = NULL, push_due_at = least(s.push_due_at, now()), updated_at = now(),
      push_lane = CASE WHEN s.push_due_at IS NULL THEN 1 ELSE s.push_lane END`,
  );

/**
 * Makes every room compare its whole window in Outlook, spread over `withinMs`: what vanished without anybody saying so is
 * found, and verified one by one. Where only the booking system speaks it then comes back. Returns how many. Throws as
 * `inAllRooms` does.
 */
export const compareRooms = (db: Queryable, withinMs: number): Promise<number> =>
  inAllRooms(
    db,
    `compare_at = now(), updated_at = now(),
      next_poll_at = least(s.next_poll_at, now() + random() * ${withinMs} * interval '1 millisecond')`,
  );

/**
 * Updates the state of every active room. A room that another session has locked in an open transaction is updated after all
 * others, which neither wait for it nor stay locked meanwhile; throws as the driver does when that lasts too long.
 */
async function inAllRooms(db: Queryable, assignments: string): Promise<number> {
  const done: number[] = [];
  for (const locking of ['FOR NO KEY UPDATE OF t SKIP LOCKED', 'FOR NO KEY UPDATE OF t']) {
    const { rows } = await db.query<{ id: number }>(
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

/** Between the rooms that are asked one after the other. */
const apartMs = 50;

/**
 * A daemon begins, perhaps after a time without any: every room that Outlook is listened to in is asked for changes soon,
 * the one that was not asked for the longest time first, for its poll may be far away and Graph may have given up on calling
 * us. Left out is what somebody is at this moment working on, so that nobody's open transaction keeps us from beginning.
 * Returns how many.
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
