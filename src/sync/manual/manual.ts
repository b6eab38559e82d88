/** Syncs and comparisons requested by people and scripts: the daemon's drains in the foreground. */
import type { Database, Queryable } from '../../database.ts';
import type { Id } from '../../id.ts';
import { queryRow, queryRows, queryValue } from '../../query.ts';
import { failingAs } from '../store/failing.ts';
import type { Window } from '../store/work-list.ts';
import { msLeft, until, type BeginCall, type Call } from './call.ts';
import { chosenColumns, type Chosen, type ItemOutcome } from './outcomes.ts';
import { isReadyWithin, makeDue, noteChanges, readItem, requestRooms, underFoldLock } from './requests.ts';

export interface ManualOptions {
  readonly db: Database;
  readonly window: Window;
  readonly begin: BeginCall;
}

/** The result of a call for one item. All but 'item' changed nothing. */
export type ItemAnswer =
  | { readonly found: 'no-room' | 'other-direction' | 'outside-window' | 'nothing-to-show' }
  | { readonly found: 'no-reservation'; readonly resources: readonly number[] }
  | { readonly found: 'item'; readonly outcome: ItemOutcome };

export type Manual = ReturnType<typeof createManual>;

export interface PendingChoice {
  readonly limit: number;
  readonly resourceId: number | null;
}

export interface Populated {
  readonly rooms: number;
  /** Rooms compared with the booking system so far. */
  readonly reconciled: number;
  readonly created: number;
  readonly total: number;
  readonly pending: number;
}

export function createManual({ db, window, begin }: ManualOptions) {
  /** Syncs pending and failed items by priority, whatever their back-off. */
  async function syncPending(choice: PendingChoice, signal: AbortSignal): Promise<ItemOutcome[]> {
    const call = await begin(signal);
    await call.foldAll();
    // a room that was never compared, or was reset, has no mappings yet
    await compared(await requestRooms(db, 'unknown', choice.resourceId), call);
    const chosen = await underFoldLock(db, async (client) => {
      const pending = await choosePending(client, choice, call);
      await makeDue(client, pending);
      return pending;
    });
    return await call.settled(chosen);
  }

  /** Syncs one reservation in one room, whether or not it has a mapping yet. */
  async function syncItem(
    type: string,
    id: Id,
    resourceId: number,
    signal: AbortSignal,
  ): Promise<ItemAnswer> {
    const call = await begin(signal);
    const known = await readItem(db, type, id, resourceId, window);
    if (!known.mapped) return { found: 'no-room' };
    if (known.active === null) return { found: 'no-reservation', resources: known.resources };
    if (!known.inWindow && !known.live) return { found: 'outside-window' };
    if (known.direction === 'outlook_to_booking' && known.mapping === null)
      return { found: 'other-direction' };
    await requestRead(db, type, id, resourceId);
    // the fold creates the mapping or makes it due, as after a trigger
    await noteChanges(db, [{ type, id }]);
    await call.foldAll();
    await requestRooms(db, 'due', resourceId);
    const mapping = known.mapping ?? (await readItem(db, type, id, resourceId, window)).mapping;
    if (mapping === null) return { found: 'nothing-to-show' };
    const [outcome] = await call.settled([{ mappingId: mapping, type, reservationId: id, resourceId }]);
    return { found: 'item', outcome: outcome! };
  }

  /** Compares a room, or all, with both sides again. Null: there is no such room. */
  async function populate(resourceId: number | null, signal: AbortSignal): Promise<Populated | null> {
    const call = await begin(signal);
    const rooms = await requestRooms(db, 'all', resourceId);
    if (rooms.length === 0 && resourceId !== null) return null;
    await compared(rooms, call);
    return await countPopulated(db, rooms, call.newest);
  }

  /** Waits until these rooms are compared. */
  async function compared(rooms: readonly number[], call: Call): Promise<void> {
    if (rooms.length === 0) return;
    await call.wake();
    await until(call, () => stillUncompared(db, rooms, call));
  }

  return {
    syncPending: failingAs('sync the pending items', syncPending),
    syncItem: failingAs('sync one item', syncItem),
    populate: failingAs('compare rooms', populate),
    cleanUp: failingAs('clean up mappings', () => cleanUpMappings(db)),
  };
}

/** Pending and failed items, and those created or settled since the call began. Requires the fold lock. */
const choosePending = (db: Queryable, choice: PendingChoice, call: Call) =>
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

/** Whether any of these rooms can still be compared with one of the sides before the deadline. */
const stillUncompared = (db: Queryable, rooms: readonly number[], call: Call) =>
  queryValue<boolean>(db, {
    name: 'still_uncompared',
    text: `
      SELECT EXISTS (
        SELECT FROM bridge_room_state s JOIN bridge_resource_mappings r ON r.id = s.resource_mapping_id
        WHERE s.resource_mapping_id = ANY ($1) AND (s.reconciled_at IS NULL OR s.baselined_at IS NULL) AND r.active = 1
          AND ${isReadyWithin('$2')}) AS open`,
    values: [rooms, msLeft(call)],
  });

/** The event of a requested item is read before the item counts as equal, and created again if it is gone. */
async function requestRead(db: Database, type: string, id: Id, resourceId: number): Promise<void> {
  await db.query({
    name: 'doubt_item',
    text: `UPDATE bridge_mappings SET outlook_news = 'look', event_intent = 'renew', revision = revision + 1
      WHERE reservation_type = $1 AND reservation_id = $2 AND resource_id = $3
        AND agreement <> 'never' AND outlook_event_id IS NOT NULL AND sync_status <> 'cancelled'`,
    values: [type, id, resourceId],
  });
}

/** Counts the mappings of these rooms; those with an id above `before` are new. */
const countPopulated = (db: Queryable, rooms: readonly number[], before: number) =>
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
async function cleanUpMappings(db: Queryable): Promise<number> {
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
