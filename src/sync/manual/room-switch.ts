/**
 * A room switched off and on by a person. Off: nothing is sent for it any more, its events and reservations stay, and
 * changes are noted. On: both sides are compared before anything is done (the trigger on the table sees to both).
 */
import { Conflict } from '../../errors.ts';
import { sqlState, type Database } from '../../database.ts';
import { failingAs } from '../store/failing.ts';

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

  return { pause: failingAs('pause a room', pause), resume: failingAs('resume a room', resume) };
}
