/** Removal of an unmapped event from a room: ours is deleted, another organiser's meeting declined. */
import { backOffMs } from '../../back-off.ts';
import type { Queryable } from '../../database.ts';
import { Permanent } from '../../errors.ts';
import { itemOf, type OutlookEvent } from '../../event.ts';
import { changedFields, type Item } from '../../item.ts';
import { decideDetached, returnedTries } from '../decide/decide-unmapped.ts';
import { attach, attachmentBack, attachmentReturned } from '../match/attach.ts';
import { readDetachedReservation, type ReturnedRecord } from '../match/candidates.ts';
import { noteRemovals, type RemovalNote } from '../store/mappings.ts';
import { listWindow } from '../store/span.ts';
import { itemResults, type ItemResults } from './item-results.ts';
import type { UnmappedContext } from './find-mapping.ts';
import { isFollowed, type LeasedRoom } from '../store/work-list.ts';
import type { Settlement } from '../store/settle.ts';
import type { Unmapped } from '../store/work-item.ts';
import { isThere, readIfPossible, type ReadContext } from './read.ts';
import {
  createTakenOut,
  dropped,
  flagged,
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

/** In a room that only takes changes from Outlook, a person chooses what is removed there. */
export const mayWriteIn = ({ direction }: Pick<LeasedRoom, 'direction'>): boolean =>
  direction !== 'outlook_to_booking';

/** Read again soon, when something else is settled. */
export const readAgain = (unmapped: Unmapped): Settlement =>
  readLater(unmapped, backOffMs(unmapped.attempt, Math.random()));

const showsOtherThan = (item: Item | null, event: OutlookEvent): boolean => {
  const shows = itemOf(event.shows);
  return shows === null || item === null || Object.keys(changedFields(item, shows)).length > 0;
};

/**
 * Gives a reservation the event back that it had before, in place of the event that a create of ours made since. An edit of either
 * one is not lost: that of the latter is followed first, and that of the former is decided about once the reservation has it.
 * Throws as the calls do.
 */
export async function takeBack(
  context: UnmappedContext,
  { room, unmapped, event, item }: UnmappedEvent,
  returned: ReturnedRecord,
  signal: AbortSignal,
): Promise<ItemResults> {
  const { db } = context;
  const reads = readsOf(context, room);
  const now = await readIfPossible(event.id, reads, signal);
  if (now === null || showsOtherThan(item, now)) return itemResults({ settlements: [readAgain(unmapped)] });
  const present = await readIfPossible(returned.eventId!, reads, signal);
  const isEdited = isFollowed(room) && present !== null && showsOtherThan(returned.outlookBase, present);
  if (present?.type === 'seriesMaster' || isEdited) {
    if (unmapped.attempt < returnedTries) return itemResults({ settlements: [readAgain(unmapped)] });
    const { mapping, reservation } = returned;
    const message = 'Its reservation has another event, which was edited in Outlook.';
    const conflict = { kind: 'moved', mapping, reservation, outlook: item } as const;
    return itemResults({ settlements: [flagged(unmapped, event, conflict, message)] });
  }
  const isNoted = await noteReplaced(db, room, { id: returned.mapping, revision: returned.revision });
  if (!isNoted) return itemResults({ settlements: [readAgain(unmapped)] });
  if (present !== null) await remove(present.id, reads, signal);
  const attached = await attach(db, room, [
    attachmentReturned({ ...returned, revision: returned.revision + 1 }, event),
  ]);
  return itemResults({ settlements: attached.size > 0 ? [] : [readAgain(unmapped)] });
}

/**
 * Stored first: if the daemon ends after that, the removal of our own event is not taken for a user's. Returns false if the mapping has
 * changed.
 */
const noteReplaced = async (
  db: Queryable,
  room: LeasedRoom,
  { id, revision }: Omit<RemovalNote, 'replaced'>,
): Promise<boolean> => (await noteRemovals(db, room, [{ id, revision, replaced: true }])).has(id);

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
    mayWriteIn(room),
    event.isOrganizer,
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
    if (!(await noteReplaced(db, room, detached))) return itemResults({ settlements: [readLater(unmapped)] });
    const reads = readsOf(context, room);
    // made recurring a moment ago, it stays: its removal would remove dates that were not decided about
    if ((await readIfPossible(eventId, reads, signal))?.type !== 'seriesMaster')
      await remove(eventId, reads, signal);
    detached.revision += 1;
  }
  const shown = event.isOrganizer ? context.outlook.show(detached.booking) : null;
  const attached = await attach(db, room, [attachmentBack(detached, event, shown)]);
  return itemResults({ settlements: attached.size > 0 ? [] : [readLater(unmapped)] });
}
