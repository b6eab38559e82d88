/** What each room does at times of its own: the poll of its calendar, and the renewal of its subscription. */
import type { Queryable } from '../../database.ts';

export interface RoomClock {
  readonly name: 'poll' | 'subscription-renewal';
  /** When a room did it last, and when the next one will. */
  readonly last_run_at: Date | null;
  readonly next_run_at: Date;
  /** How many rooms do it. */
  readonly rooms: number;
}

/** Those that any room has. */
export async function roomClocks(db: Queryable): Promise<RoomClock[]> {
  const { rows } = await db.query<RoomClock>({
    name: 'room_clocks',
    text: `
      SELECT * FROM (
        SELECT 'poll' AS name, max(s.pulled_at) AS last_run_at, min(s.next_poll_at) AS next_run_at, count(*)::integer AS rooms
        FROM bridge_room_state s JOIN bridge_resource_mappings r ON r.id = s.resource_mapping_id AND r.active = 1
        WHERE s.next_poll_at IS NOT NULL
        UNION ALL
        SELECT 'subscription-renewal', max(coalesce(b.renewed_at, b.created_at)), min(b.due_at), count(*)::integer
        FROM bridge_subscriptions b WHERE b.ended_at IS NULL AND b.off_at IS NULL AND b.subscription_id IS NOT NULL
      ) clocks WHERE next_run_at IS NOT NULL ORDER BY name`,
  });
  return rows;
}
