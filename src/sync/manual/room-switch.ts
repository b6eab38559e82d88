/**
 * A room switched off and on by a person. Off: nothing is sent for it any more, its events and reservations stay, and
 * changes are noted. On: both sides are compared before anything is done (the trigger on the table sees to both).
 */
import { Conflict } from '../../errors.ts';
import { sqlState, type Database } from '../../database.ts';
import { roomSettingColumns, roomSettingNames, type RoomSettings } from '../../room-settings.ts';
import { failingAs } from '../store/failing.ts';
import type { Changed } from './room-list.ts';

/** https://www.postgresql.org/docs/current/errcodes-appendix.html: unique_violation */
const duplicate = '23505';

export function createRoomSwitch(db: Database) {
  /** Switches the resource's active room off. Returns whether there was one. */
  async function pause(resourceId: number): Promise<boolean> {
    const { rowCount } = await db.query(
      `UPDATE bridge_resource_mappings SET active = 0, updated_at = now() WHERE resource_id = $1 AND active = 1`,
      [resourceId],
    );
    return rowCount === 1;
  }

  /**
   * Switches the resource's newest room on, unless one is. Returns whether it did. Throws Conflict when its mailbox
   * serves another resource meanwhile.
   */
  async function resume(resourceId: number): Promise<boolean> {
    try {
      const { rowCount } = await db.query(
        `UPDATE bridge_resource_mappings SET active = 1, updated_at = now()
         WHERE id = (SELECT max(id) FROM bridge_resource_mappings WHERE resource_id = $1)
           AND NOT EXISTS (SELECT FROM bridge_resource_mappings WHERE resource_id = $1 AND active = 1)`,
        [resourceId],
      );
      return rowCount === 1;
    } catch (error) {
      if (sqlState(error) !== duplicate) throw error;
      throw new Conflict(`The mailbox of resource ${resourceId} serves another active room.`, {
        hint: 'Pause that room first: a mailbox belongs to one resource at a time.',
        cause: error,
      });
    }
  }

  /**
   * Sets what the resource's room does differently (null: as the environment says) and leaves the rest. A trigger makes it
   * take effect at once. Returns all of its settings; null: the resource has no room.
   */
  async function set(resourceId: number, settings: Changed<RoomSettings>): Promise<RoomSettings | null> {
    const { rows } = await db.query<RoomSettings>(
      `UPDATE bridge_resource_mappings r SET updated_at = now(), ${roomSettingNames
        .map((name) => `${name} = CASE WHEN $2::jsonb ? '${name}' THEN $2 ->> '${name}' ELSE r.${name} END`)
        .join(', ')}
       WHERE r.id = (SELECT n.id FROM bridge_resource_mappings n WHERE n.resource_id = $1 ORDER BY n.active DESC, n.id DESC LIMIT 1)
       RETURNING ${roomSettingColumns('r')}`,
      [resourceId, JSON.stringify(settings)],
    );
    return rows[0] ?? null;
  }

  return {
    set: failingAs('change the settings of a room', set),
    pause: failingAs('pause a room', pause),
    resume: failingAs('resume a room', resume),
  };
}
