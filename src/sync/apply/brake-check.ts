/**
 * The brake's books: events that would be deleted because the rows of their reservation are gone, counted in the
 * database over all daemons, and what a person said about them.
 */
import type { Queryable } from '../../database.ts';
import type { Tell } from '../../facts.ts';
import { brakes, type BrakePolicy } from '../decide/brake.ts';
import type { Due, LeasedRoom } from '../store/mappings.ts';

interface Counts {
  readonly room_removing: number;
  readonly room_synced: number;
  readonly all_removing: number;
  readonly all_synced: number;
  readonly room_now: number;
  readonly room_here: number;
}

/** Of the mappings whose reservations are gone, the ids of those whose events may be deleted now. */
export function createBrake(db: Queryable, policy: BrakePolicy, tell: Tell) {
  return async function mayRemove(room: LeasedRoom, gone: readonly Due[]): Promise<ReadonlySet<number>> {
    const { rows: counted } = await db.query<Counts>({
      name: 'count_removals',
      text: 'SELECT * FROM bridge_count_removals($1)',
      values: [room.resourceId],
    });
    const counts = counted[0]!;
    const held = brakes(
      { removing: counts.room_removing, synced: counts.room_synced },
      { removing: counts.all_removing, synced: counts.all_synced },
      { removing: counts.room_now, of: counts.room_here },
      policy,
    );
    if (held)
      tell({
        fact: 'brake-held',
        room: room.name,
        resourceId: room.resourceId,
        wanted: counts.room_removing,
        synced: counts.room_synced,
      });
    const { rows } = await db.query<{ mapping_id: number }>({
      name: 'allowed_removals',
      text: `UPDATE bridge_removals SET applied_at = now()
        WHERE mapping_id = ANY ($1) AND ($2 OR released_at IS NOT NULL) RETURNING mapping_id`,
      values: [gone.map((due) => due.id), !held],
    });
    const allowed = new Set(rows.map((row) => row.mapping_id));
    // an item that has ended is not counted, and nothing is lost with it
    for (const due of gone) if (!held && !allowed.has(due.id)) allowed.add(due.id);
    return allowed;
  };
}
