/** When rooms are polled. */
import type { Queryable } from '../../database.ts';
import type { LeasedRoom } from './work-list.ts';

/** For so long after Outlook changed something in a room, more changes are expected there (`bridge_begin_pull` says so too). */
const activeMinutes = 10;

/** The part of all polled rooms, 0 to 1, in which Outlook changed something lately. */
export async function activeShare(db: Queryable): Promise<number> {
  const { rows } = await db.query<{ share: number | null }>({
    name: 'active_share',
    text: `SELECT avg(coalesce(s.active_at > now() - $1::integer * interval '1 minute', false)::integer)::float8 AS share
      FROM bridge_room_state s JOIN bridge_resource_mappings r ON r.id = s.resource_mapping_id
      WHERE r.active = 1 AND r.sync_direction <> 'booking_to_outlook'`,
    values: [activeMinutes],
  });
  return rows[0]?.share ?? 0;
}

/** Outlook changed something in this room: while Outlook does not call us for it, it is polled again after `pollMs`. */
export async function noteActivity(db: Queryable, room: LeasedRoom, pollMs: number): Promise<void> {
  await db.query({
    name: 'note_activity',
    text: `UPDATE bridge_room_state s SET active_at = now(), next_poll_at = CASE
        WHEN EXISTS (SELECT FROM bridge_subscriptions b WHERE b.resource_mapping_id = $1 AND b.expires_at > now()) THEN next_poll_at
        ELSE least(next_poll_at, now() + $3::float8 * interval '1 millisecond') END
      WHERE resource_mapping_id = $1 AND lease_epoch = $2`,
    values: [room.id, room.epoch, pollMs],
  });
}
