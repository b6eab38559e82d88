/**
 * Takes events that no reservation has out of a room: ours are deleted, somebody else's meetings declined. So it may go with one
 * that its reservation moved away from, and that waits for a person.
 */
import type { Queryable } from '../../database.ts';
import { Permanent } from '../../errors.ts';
import { decideDetached } from '../decide/decide-unmapped.ts';
import { attach, attachmentBack } from '../match/attach.ts';
import { readDetachedReservation } from '../match/candidates.ts';
import type { OutlookSide } from '../outlook-side.ts';
import { listWindow, noteRemovals } from '../store/pull-store.ts';
import type { LeasedRoom, Window } from '../store/work-list.ts';
import { outcome, type Outcome } from './outcome.ts';
import { isThere } from './read.ts';
import { dropped, movedStill, readLater, type UnmappedEvent } from './settlement/unmapped.ts';
import { cancelledComment } from './write-outlook.ts';

export interface AwayOptions {
  readonly db: Queryable;
  readonly outlook: OutlookSide;
  readonly window: Window;
}

/** Both functions throw as the calls do. */
export function createAway({ db, outlook, window }: AwayOptions) {
  async function sendAway(
    { room, unmapped, event }: UnmappedEvent,
    signal: AbortSignal,
    comment = 'The room is not available: the booking system keeps its reservation.',
  ): Promise<Outcome> {
    if (!event.isOrganizer) {
      await outlook.respond(room, event.id, 'decline', comment, signal);
      return outcome({ settlements: [dropped(unmapped, 'declined', comment)] });
    }
    await remove(room, event.id, signal);
    const reason = 'it gives way to the reservation in the booking system';
    return outcome({ settlements: [dropped(unmapped, 'deleted', reason)] });
  }

  async function remove(room: LeasedRoom, eventId: string, signal: AbortSignal): Promise<void> {
    const [answer] = await outlook.write(room, [{ do: 'remove', eventId }], signal);
    if (answer!.outcome !== 'failed') return;
    const { error } = answer!;
    const isRefused = error instanceof Permanent && error.reach === 'item';
    // what is not there is removed, whatever refuses it
    if (!isRefused || (await isThere(eventId, room, { outlook, span: () => listWindow(db, window) }, signal)))
      throw error;
  }

  /** Of an event that its reservation moved away from. Null: it is one as any other by now. */
  async function movedAway(met: UnmappedEvent, signal: AbortSignal): Promise<Outcome | null> {
    const { room, unmapped, event, item } = met;
    const other = await readDetachedReservation(db, room, unmapped.conflict!);
    const fate = decideDetached(unmapped, item, other.where, other.booking);
    if (fate === 'unmapped') return null;
    if (fate === 'take-out')
      return await sendAway(met, signal, other.where === 'cancelled' ? cancelledComment : undefined);
    if (fate === 'wait') return outcome({ settlements: [movedStill(unmapped, event, item)] });
    const { eventId } = other;
    const detached = { id: other.id!, revision: other.revision, eventId, booking: other.booking! };
    if (eventId !== null) {
      // noted first: should we end here, nobody takes the removal of our own event for a person's
      const noted = await noteRemovals(db, room, [detached]);
      if (!noted.has(detached.id)) return outcome({ settlements: [readLater(unmapped)] });
      await remove(room, eventId, signal);
      detached.revision += 1;
    }
    const attached = await attach(db, room, [attachmentBack(detached, event)]);
    return outcome({ settlements: attached.size > 0 ? [] : [readLater(unmapped)] });
  }

  return { sendAway, movedAway };
}
