/**
 * The drains of the daemon, run in the foreground: what the manual endpoints and the commands do. Nothing is pushed
 * here. Items are made due, the holders of their rooms are woken, and what became of them is read from our tables, so it
 * does not matter which daemon did it. A call waits 20 s at most; what is not done then is reported as pending, and is
 * done all the same later.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { inTransaction, type Database } from '../../database.ts';
import type { Id } from '../../id.ts';
import {
  askRooms,
  choosePending,
  cleanUpMappings,
  countPopulated,
  lockFold,
  makeDue,
  noteChange,
  readItem,
  stillOpen,
  stillUncompared,
  type PendingChoice,
  type Populated,
} from './requests.ts';
import { beginCall, msLeft, until, type Call } from './call.ts';
import { failingAs } from '../store/failing.ts';
import { foldMost, type Window } from '../store/work-list.ts';
import { readOutcomes, type Chosen, type Outcome } from './outcomes.ts';
import { ringAll } from '../worker/replicas.ts';

export interface ManualOptions {
  readonly db: Database;
  readonly window: Window;
  /** Rings our own loop; the other daemons hear a NOTIFY. */
  readonly ring: () => void;
  /** Throws Conflict while nothing may be written: then nobody waits for it. */
  readonly needWrites?: () => Promise<void>;
  readonly waitMs?: number;
}

/** What a call for one item came to. All but 'item' changed nothing. */
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

  /** Waits until these mappings are settled, and says what was done to each since the call began. */
  async function settled(chosen: readonly Chosen[], call: Call): Promise<Outcome[]> {
    if (chosen.length === 0) return [];
    const ids = chosen.map((one) => one.mappingId);
    await wake();
    await until(call, () => stillOpen(db, ids, call));
    return await readOutcomes(db, chosen, call.mark);
  }

  /** Syncs what is pending or failed, the most important first, whatever back-off it is in. */
  async function syncPending(choice: PendingChoice, signal: AbortSignal): Promise<Outcome[]> {
    const call = await begin(signal);
    await foldAll(call);
    await startRooms(choice.resourceId, call);
    const chosen = await inTransaction(db, async (client) => {
      await client.query(lockFold);
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
    await doubtItem(db, type, id, resourceId);
    // as a trigger would say it: the fold makes the mapping, or makes the one there is due
    await noteChange(db, type, id);
    await foldAll(call);
    await askRooms(db, 'due', resourceId);
    const mapping = known.mapping ?? (await readItem(db, type, id, resourceId, window)).mapping;
    if (mapping === null) return { found: 'nothing-to-show' };
    const [outcome] = await settled([{ mappingId: mapping, type, reservationId: id, resourceId }], call);
    return { found: 'item', outcome: outcome! };
  }

  /** Compares a room, or all of them, with both sides again. Null: no such room. */
  async function populate(resourceId: number | null, signal: AbortSignal): Promise<Populated | null> {
    const call = await begin(signal);
    const rooms = await askRooms(db, 'all', resourceId);
    if (rooms.length === 0 && resourceId !== null) return null;
    await wake();
    await until(call, () => stillUncompared(db, rooms, call));
    return await countPopulated(db, rooms, call.newest);
  }

  /** Removes mappings that have neither a reservation nor an event any more. Returns how many. */
  const cleanUp = () => cleanUpMappings(db);

  /** A room that was never compared, or was reset, has no mappings to choose from yet: that comes first. */
  async function startRooms(resourceId: number | null, call: Call): Promise<void> {
    const rooms = await askRooms(db, 'unknown', resourceId);
    if (rooms.length === 0) return;
    await wake();
    await until(call, () => stillUncompared(db, rooms, call));
  }

  async function foldAll(call: Call): Promise<void> {
    while (msLeft(call) > 0) {
      const { rows } = await db.query<{ folded: number }>({
        name: 'fold_now',
        text: 'SELECT bridge_fold($1, $2, $3) AS folded',
        values: [window.pastDays, window.futureDays, foldMost],
      });
      if (rows[0]!.folded === 0) return;
      // less than none: somebody else is folding, and is done in a moment
      if (rows[0]!.folded < 0) await pause(5);
    }
  }

  return {
    syncPending: failingAs('sync what is pending', syncPending),
    syncItem: failingAs('sync one item', syncItem),
    populate: failingAs('compare rooms', populate),
    cleanUp: failingAs('clean up mappings', cleanUp),
    /** For other drains in the foreground (`held-removals.ts`, `cancellations.ts`). */
    begin,
    foldAll,
    wake,
    settled,
  };
}

/** A person who asks for one item doubts that Outlook shows it: its event is read before it is called equal, and made anew
 * should it be gone. */
async function doubtItem(db: Database, type: string, id: Id, resourceId: number): Promise<void> {
  await db.query({
    name: 'doubt_item',
    text: `UPDATE bridge_mappings SET outlook_news = 'look', event_intent = 'renew', revision = revision + 1
      WHERE reservation_type = $1 AND reservation_id = $2 AND resource_id = $3
        AND agreement <> 'never' AND outlook_event_id IS NOT NULL AND sync_status <> 'cancelled'`,
    values: [type, id, resourceId],
  });
}
