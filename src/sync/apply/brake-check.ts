/**
 * What the brake counts: events that would be deleted because the rows of their reservation are gone, counted in the
 * database over all daemons, and what a person said about them.
 */
import type { Queryable } from '../../database.ts';
import type { Tell } from '../../facts.ts';
import { brakes, type BrakeCount, type BrakePolicy, type Round } from '../decide/brake.ts';
import type { LeasedRoom } from '../store/work-list.ts';
import type { Mapped } from '../store/work-item.ts';

/** What would be removed: in one room, over all rooms, and in this round of the room. */
interface Counted {
  readonly room: BrakeCount;
  readonly all: BrakeCount;
  readonly round: Round;
}

interface Counts {
  readonly room_removing: number;
  readonly room_synced: number;
  readonly all_removing: number;
  readonly all_synced: number;
  readonly room_now: number;
  readonly room_here: number;
}

/** Notes and counts what is gone on one side and stands on the other. */
export async function countRemovals(db: Queryable, resourceId: number): Promise<Counted> {
  const { rows } = await db.query<Counts>({
    name: 'count_removals',
    text: 'SELECT * FROM bridge_count_removals($1)',
    values: [resourceId],
  });
  const counts = rows[0]!;
  return {
    room: { removing: counts.room_removing, synced: counts.room_synced },
    all: { removing: counts.all_removing, synced: counts.all_synced },
    round: { removing: counts.room_now, of: counts.room_here },
  };
}

/**
 * Of the mappings whose reservations are gone, the ids of those whose events may be deleted now. `unseen`: what is counted
 * over all rooms beside what the database knows.
 */
export function createBrake(
  db: Queryable,
  policy: BrakePolicy,
  tell: Tell,
  unseen: BrakeCount = { removing: 0, synced: 0 },
) {
  return async function mayRemove(room: LeasedRoom, gone: readonly Mapped[]): Promise<ReadonlySet<number>> {
    const counts = await countRemovals(db, room.resourceId);
    const all = {
      removing: counts.all.removing + unseen.removing,
      synced: counts.all.synced + unseen.synced,
    };
    const held = brakes(counts.room, all, counts.round, policy);
    if (held)
      tell({
        fact: 'brake-held',
        room: room.name,
        resourceId: room.resourceId,
        wanted: counts.room.removing,
        synced: counts.room.synced,
      });
    const { rows } = await db.query<{ mapping_id: number }>({
      name: 'allowed_removals',
      text: `UPDATE bridge_removals SET applied_at = now()
        WHERE mapping_id = ANY ($1) AND ($2 OR released_at IS NOT NULL) RETURNING mapping_id`,
      values: [gone.map(({ id }) => id), !held],
    });
    const allowed = new Set(rows.map((row) => row.mapping_id));
    // an item that has ended is not counted, and nothing is lost with it
    for (const { id } of gone) if (!held && !allowed.has(id)) allowed.add(id);
    return allowed;
  };
}
