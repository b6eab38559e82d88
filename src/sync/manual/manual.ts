/**
 * The daemon's drains in the foreground, for the manual endpoints and commands. Nothing is sent from here: items are made due, the
 * daemons are woken, and the outcomes are read from our tables, whichever daemon settled them. A call waits for 20 s at most and
 * reports the remainder as pending; it is settled later all the same.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { Database } from '../../database.ts';
import type { Id } from '../../id.ts';
import {
  choosePending,
  cleanUpMappings,
  countPopulated,
  makeDue,
  noteChanges,
  readItem,
  requestRooms,
  stillOpen,
  stillUncompared,
  underFoldLock,
  type PendingChoice,
  type Populated,
} from './requests.ts';
import { beginCall, msLeft, until, type Call } from './call.ts';
import { failingAs } from '../store/failing.ts';
import { fold, type Window } from '../store/work-list.ts';
import { readOutcomes, type Change, type Chosen, type Outcome } from './outcomes.ts';
import { ringAll } from '../worker/replicas.ts';

export interface ManualOptions {
  readonly db: Database;
  readonly window: Window;
  /** Wakes our own loop; the other daemons get a NOTIFY. */
  readonly ring: () => void;
  /** Throws Conflict while nothing may be written. */
  readonly needWrites?: () => Promise<void>;
  readonly waitMs?: number;
}

/** The result of a call for one item. All but 'item' changed nothing. */
export type ItemAnswer =
  | { readonly found: 'no-room' | 'other-direction' | 'outside-window' | 'nothing-to-show' }
  | { readonly found: 'no-reservation'; readonly resources: readonly number[] }
  | { readonly found: 'item'; readonly outcome: Outcome };

export type Manual = ReturnType<typeof createManual>;

export function createManual({ db, window, ring, needWrites, waitMs = 20_000 }: ManualOptions) {
  async function begin(signal: AbortSignal): Promise<Call> {
    await needWrites?.();
    return await beginCall(db, waitMs, signal);
  }

  async function wake(): Promise<void> {
    await ringAll(db);
    ring();
  }

  /** Waits until these mappings are settled. Returns their outcomes since the call began. `counted`: the actions that are its results. */
  async function settled(
    chosen: readonly Chosen[],
    call: Call,
    counted?: readonly Change[],
  ): Promise<Outcome[]> {
    if (chosen.length === 0) return [];
    const ids = chosen.map((one) => one.mappingId);
    await wake();
    await until(call, () => stillOpen(db, ids, call, counted));
    return await readOutcomes(db, chosen, call.mark, counted);
  }

  /** Syncs pending and failed items by priority, whatever their back-off. */
  async function syncPending(choice: PendingChoice, signal: AbortSignal): Promise<Outcome[]> {
    const call = await begin(signal);
    await foldAll(call);
    // a room that was never compared, or was reset, has no mappings yet
    await compared(await requestRooms(db, 'unknown', choice.resourceId), call);
    const chosen = await underFoldLock(db, async (client) => {
      const pending = await choosePending(client, choice, call);
      await makeDue(client, pending);
      return pending;
    });
    return await settled(chosen, call);
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
    await foldAll(call);
    await requestRooms(db, 'due', resourceId);
    const mapping = known.mapping ?? (await readItem(db, type, id, resourceId, window)).mapping;
    if (mapping === null) return { found: 'nothing-to-show' };
    const [outcome] = await settled([{ mappingId: mapping, type, reservationId: id, resourceId }], call);
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
    await wake();
    await until(call, () => stillUncompared(db, rooms, call));
  }

  async function foldAll(call: Call): Promise<void> {
    while (msLeft(call) > 0) {
      const folded = await fold(db, window);
      if (folded === 0) return;
      if (folded < 0) await pause(5);
    }
  }

  return {
    syncPending: failingAs('sync what is pending', syncPending),
    syncItem: failingAs('sync one item', syncItem),
    populate: failingAs('compare rooms', populate),
    cleanUp: failingAs('clean up mappings', () => cleanUpMappings(db)),
    /** For the other requests (`held-removals.ts`, `cancellations.ts`). */
    begin,
    foldAll,
    wake,
    settled,
  };
}

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
