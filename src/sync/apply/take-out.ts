/** Removal of an unmapped event from a room: ours is deleted, another organiser's meeting declined. */
import { Permanent } from '../../errors.ts';
import { itemOf } from '../../event.ts';
import { changedFields } from '../../item.ts';
import { decideDetached } from '../decide/decide-unmapped.ts';
import { attach, attachmentBack } from '../match/attach.ts';
import { readDetachedReservation } from '../match/candidates.ts';
import { listWindow, noteRemovals } from '../store/pull-store.ts';
import { itemResults, type ItemResults } from './item-results.ts';
import type { UnmappedContext } from './find-mapping.ts';
import type { LeasedRoom } from '../store/work-list.ts';
import { isThere, readIfPossible, type ReadContext } from './read.ts';
import {
  createTakenOut,
  dropped,
  readLater,
  stillDetached,
  type UnmappedEvent,
} from './settlement/unmapped.ts';
import { cancelledComment } from './into-outlook.ts';
import { discardedBy } from './settlement/written.ts';

interface TakeOutOptions {
  /** To the organiser of a declined meeting. */
  readonly comment?: string | undefined;
  /** The generation of the unrecorded create of ours that made it. */
  readonly ownCreate?: number | null;
  /** Its reservation is cancelled. */
  readonly isCancelled?: boolean;
}

/**
 * Throws as the calls do. An event that was edited since it was read is decided about again, unless its reservation is cancelled: the
 * cancellation wins, and the log names the edited fields.
 */
export async function takeOut(
  context: UnmappedContext,
  { room, unmapped, event, item }: UnmappedEvent,
  signal: AbortSignal,
  {
    comment = 'The room is not available: the booking system keeps its reservation.',
    ownCreate = null,
    isCancelled = false,
  }: TakeOutOptions = {},
): Promise<ItemResults> {
  const reads = readsOf(context, room);
  const now = await readIfPossible(event.id, reads, signal);
  if (now?.type === 'seriesMaster' && event.isOrganizer) {
    const reason = 'it was made recurring, and its dates are events of their own';
    return itemResults({ settlements: [dropped(unmapped, 'forgotten', reason)] });
  }
  const shows = now === null ? null : itemOf(now.shows);
  const edited = shows === null ? [] : Object.keys(changedFields(item, shows));
  if (edited.length > 0 && !isCancelled) return itemResults({ settlements: [readLater(unmapped)] });
  if (!event.isOrganizer) {
    await context.outlook.respond(room, event.id, 'decline', comment, signal);
    return itemResults({ settlements: [dropped(unmapped, 'declined', discardedBy(edited) ?? comment)] });
  }
  await remove(event.id, reads, signal);
  if (ownCreate !== null) {
    const create = { ...event.properties!, generation: ownCreate };
    const settled = createTakenOut(unmapped, create);
    return itemResults({ settlements: [{ ...settled, reason: discardedBy(edited) ?? settled.reason }] });
  }
  const reason = discardedBy(edited) ?? 'it gives way to the reservation in the booking system';
  return itemResults({ settlements: [dropped(unmapped, 'deleted', reason)] });
}

const readsOf = ({ db, outlook, window }: UnmappedContext, room: LeasedRoom): ReadContext => ({
  room,
  outlook,
  span: () => listWindow(db, window),
});

async function remove(eventId: string, context: ReadContext, signal: AbortSignal): Promise<void> {
  const [answer] = await context.outlook.write(context.room, [{ do: 'remove', eventId }], signal);
  if (answer!.outcome !== 'failed') return;
  const { error } = answer!;
  const isRefused = error instanceof Permanent && error.reach === 'item';
  // a missing event is removed, whatever the refusal
  if (!isRefused || (await isThere(eventId, context, signal))) throw error;
}

/**
 * The results of an event that its reservation was moved away from; null: it is an unmapped event like any other. Throws as the
 * calls do.
 */
export async function resultsOfDetached(
  context: UnmappedContext,
  read: UnmappedEvent,
  signal: AbortSignal,
): Promise<ItemResults | null> {
  const { db } = context;
  const { room, unmapped, event, item } = read;
  const { id, revision, eventId, booking, where } = await readDetachedReservation(
    db,
    room,
    unmapped.conflict!,
  );
  const action = decideDetached(
    unmapped,
    item,
    where,
    { booking, hasEvent: eventId !== null },
    room.direction !== 'outlook_to_booking',
  );
  if (action === 'unmapped') return null;
  if (action === 'take-out')
    return await takeOut(context, read, signal, {
      comment: where === 'cancelled' ? cancelledComment : undefined,
      isCancelled: where === 'cancelled',
    });
  if (action === 'wait') return itemResults({ settlements: [stillDetached(unmapped, event, item)] });
  const detached = { id: id!, revision, eventId, booking: booking! };
  if (eventId !== null) {
    // stored first: if the daemon ends here, the removal of our own event is not taken for a user's
    const noted = await noteRemovals(db, room, [detached]);
    if (!noted.has(detached.id)) return itemResults({ settlements: [readLater(unmapped)] });
    const reads = readsOf(context, room);
    // made recurring a moment ago, it stays: its removal would remove dates that were not decided about
    if ((await readIfPossible(eventId, reads, signal))?.type !== 'seriesMaster')
      await remove(eventId, reads, signal);
    detached.revision += 1;
  }
  const attached = await attach(db, room, [attachmentBack(detached, event)]);
  return itemResults({ settlements: attached.size > 0 ? [] : [readLater(unmapped)] });
}
