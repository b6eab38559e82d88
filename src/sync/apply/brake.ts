/**
 * The brake among decisions: events that would be deleted because the rows of their reservation are gone, and reservations that
 * would be cancelled because their event is gone, are counted in the database over all daemons. Too many wait for a person.
 */
import type { Queryable } from '../../database.ts';
import { queryRow, queryRows, queryValue } from '../../query.ts';
import type { Tell } from '../../facts.ts';
import { brakes, type BrakeCount, type BrakePolicy, type Round } from '../decide/brake.ts';
import type { LeasedRoom } from '../store/work-list.ts';
import type { Mapped } from '../store/work-item.ts';
import { choiceOf, type Decision } from './decision.ts';
import { itemResults, type ItemResults } from './item-results.ts';
import { heldBack, lostNews } from './settlement/conflict.ts';
import { goneFirst } from './settlement/failed.ts';
import { adopted } from './settlement/written.ts';

/** Removals of one room, of all rooms, and of this round of the room. */
interface Counted {
  readonly room: BrakeCount;
  readonly all: BrakeCount;
  readonly round: Round;
}

/** Records and counts what is gone on one side and remains on the other. */
export async function countRemovals(db: Queryable, resourceId: number): Promise<Counted> {
  const counts = await queryRow<{
    room_removing: number;
    room_synced: number;
    all_removing: number;
    all_synced: number;
    room_now: number;
    room_here: number;
  }>(db, {
    name: 'count_removals',
    text: 'SELECT * FROM bridge_count_removals($1)',
    values: [resourceId],
  });
  return {
    room: { removing: counts.room_removing, synced: counts.room_synced },
    all: { removing: counts.all_removing, synced: counts.all_synced },
    round: { removing: counts.room_now, of: counts.room_here },
  };
}

/** The counted removals include those that were carried out within the hour; these were not, and none is a conflict instead. */
const countHeld = (db: Queryable, resourceId: number) =>
  queryValue<number>(db, {
    name: 'count_held_removals',
    text: `SELECT count(*)::integer AS held FROM bridge_removals d JOIN bridge_mappings m ON m.id = d.mapping_id
      WHERE d.resource_id = $1 AND d.applied_at IS NULL AND d.released_at IS NULL AND NOT bridge_waits_as_conflict(m)`,
    values: [resourceId],
  });

export interface BrakeOptions {
  readonly db: Queryable;
  readonly brake: BrakePolicy;
  readonly tell: Tell;
  /** Removals of other rooms that the database does not know; default: none. */
  readonly unseen?: BrakeCount;
}

/** The decisions that may be carried out now. The others wait for a person, or to be counted. */
export interface Braked {
  readonly allowed: readonly Decision[];
  readonly held: ItemResults;
}

export function createBrake({ db, brake, tell, unseen = { removing: 0, synced: 0 } }: BrakeOptions) {
  /** The ids of those removals that may be carried out now. Those that a person chose are counted and not held. */
  async function mayRemove(room: LeasedRoom, removals: readonly Decision[]): Promise<ReadonlySet<number>> {
    const chosen = removals.filter(isChosen);
    const counts = await countRemovals(db, room.resourceId);
    const all = {
      removing: counts.all.removing + unseen.removing,
      synced: counts.all.synced + unseen.synced,
    };
    const isHeld = chosen.length < removals.length && brakes(counts.room, all, counts.round, brake);
    const ids = idsOf(removals);
    // one that was allowed before and failed waits with the others
    const rows = await queryRows<{ mapping_id: number; applied: boolean }>(db, {
      name: 'allowed_removals',
      text: `UPDATE bridge_removals SET applied_at = CASE WHEN $2 OR released_at IS NOT NULL OR mapping_id = ANY ($3) THEN now() END
        WHERE mapping_id = ANY ($1) RETURNING mapping_id, applied_at IS NOT NULL AS applied`,
      values: [ids, !isHeld, idsOf(chosen)],
    });
    if (isHeld)
      tell({
        fact: 'brake-held',
        room: room.name,
        resourceId: room.resourceId,
        held: await countHeld(db, room.resourceId),
        wanted: counts.room.removing,
        synced: counts.room.synced,
      });
    // items that have ended are not counted: removing them loses nothing
    return new Set(isHeld ? rows.filter(({ applied }) => applied).map((row) => row.mapping_id) : ids);
  }

  return async function holdBack(room: LeasedRoom, decisions: readonly Decision[]): Promise<Braked> {
    // an event that was found, or found to be gone, just now is stored first, so that it is counted, or that edits of it are followed
    const found = decisions.filter(
      (one) => (removesWithoutRows(one) && one.mapped.eventId === null) || one.edited != null,
    );
    const gone = decisions.filter((one) => hasDisappeared(one) && one.mapped.news !== 'gone');
    const counted = decisions.filter((one) => !found.includes(one) && !gone.includes(one));
    const removals = counted.filter((one) => hasDisappeared(one) || removesWithoutRows(one));
    const may = removals.length === 0 ? new Set<number>() : await mayRemove(room, removals);
    const held = removals.filter(({ mapped }) => !may.has(mapped.id));
    return {
      allowed: counted.filter((one) => !held.includes(one)),
      held: itemResults({
        settlements: [...found.map(foundFirst), ...gone.map(goneFirst), ...held.map(heldBack)],
      }),
    };
  };
}

/** The event is gone. A meeting that was cancelled or declined was given back on purpose and is not counted. */
const hasDisappeared = (decision: Decision) =>
  decision.action.do === 'cancel-booking' &&
  !isFreeByChoice(decision.mapped) &&
  lostNews(decision).news === 'gone';

/** The event is to be removed because the rows of its reservation are gone. */
const removesWithoutRows = ({ action, mapped: { active, elsewhere } }: Decision) =>
  active === null && !elsewhere && (action.do === 'remove' || action.do === 'decline');

const foundFirst = (decision: Decision) => adopted(decision, decision.adopted!, decision.edited ?? null);

/** A person chose that this reservation is cancelled, about this loss of its event. */
const isChosen = ({ action, mapped, adopted, seen }: Decision) =>
  action.do === 'cancel-booking' &&
  (mapped.conflict?.kind === 'deleted' || mapped.conflict?.kind === 'refused') &&
  mapped.conflict.outlook === null &&
  choiceOf(mapped, adopted ?? seen) === 'outlook';

const idsOf = (decisions: readonly Decision[]) => decisions.map(({ mapped }) => mapped.id);

/** The event exists and is shown as free, and a person chose to follow that. */
const isFreeByChoice = ({ conflict, resolution }: Mapped) =>
  conflict?.kind === 'free' && resolution === 'outlook';
