/** Takes events that no reservation has out of a room: ours are deleted, somebody else's meetings declined. */
import type { Queryable } from '../../database.ts';
import { Permanent } from '../../errors.ts';
import type { OutlookSide } from '../outlook-side.ts';
import { listWindow } from '../store/pull-store.ts';
import type { LeasedRoom, Window } from '../store/work-list.ts';
import { outcome, type Outcome } from './outcome.ts';
import { isThere } from './read.ts';
import { dropped, type UnmappedEvent } from './settlement/unmapped.ts';

export interface AwayOptions {
  readonly db: Queryable;
  readonly outlook: OutlookSide;
  readonly window: Window;
}

export type Away = ReturnType<typeof createAway>;

/** Both throw as the calls do. */
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
    const reason = 'it makes way for what the booking system has';
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

  return { sendAway, remove };
}
