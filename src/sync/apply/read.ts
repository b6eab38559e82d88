/**
 * Reading an event before anything is decided about it, where it is not known what Outlook shows: an event that was reported as
 * changed or removed is read, a create whose answer was lost is looked for by our extended properties. About what cannot be read
 * nothing is decided.
 */
import { Permanent, Retryable } from '../../errors.ts';
import { dated, isGivenBack, standing, type OutlookEvent } from '../../event.ts';
import type { Item } from '../../item.ts';
import { inDoubt } from '../store/agreement.ts';
import type { LeasedRoom } from '../store/work-list.ts';
import type { Mapped } from '../store/work-item.ts';
import type { Span, Verified } from '../store/pull-store.ts';
import type { FreshReads } from '../fresh-reads.ts';
import type { OutlookSide } from '../outlook-side.ts';
import { decisionOn, type Decision, type Facing } from './decision.ts';
import { together } from '../together.ts';
import { match, openMappingOf } from '../match/match.ts';

/** A mapping about which nothing can be decided now. */
export interface Unreadable {
  readonly mapped: Mapped;
  readonly unreadable: Retryable | Permanent;
}

export const isUnreadable = (one: object): one is Unreadable => 'unreadable' in one;

/** Where events are read. */
export interface Sight {
  readonly outlook: OutlookSide & Partial<Pick<FreshReads, 'readAnew'>>;
  /** The window that is kept equal. */
  readonly span: () => Promise<Span>;
  /** Gets each page of the calendar that verification has to read. */
  readonly listed?: (page: readonly OutlookEvent[]) => void;
}

/** What is to be done about a mapping, once it is known what Outlook shows of it. */
export async function readAndDecide(
  mapped: Mapped,
  facing: Facing & Sight,
  signal: AbortSignal,
): Promise<Decision | Unreadable> {
  if (mapped.unreadable != null) return { mapped, unreadable: failingRow(mapped.unreadable) };
  try {
    const unread = decisionOn(mapped, facing);
    const { adopted = null, seen = null } = await readEvent(unread, facing, signal);
    return adopted === null && seen === null ? unread : decisionOn(mapped, facing, { adopted, seen });
  } catch (error) {
    if (error instanceof Retryable || error instanceof Permanent) return { mapped, unreadable: error };
    throw error;
  }
}

/** Of a reservation whose row the booking system cannot show: nobody knows what it is, and nothing of it is changed. */
const failingRow = (why: string) =>
  new Permanent(`the booking system cannot show this reservation: ${why}`, {
    hint: 'Correct the reservation in the booking system, or the view bridge_items of the adapter.',
  });

type ReadEvent = Partial<Pick<Decision, 'adopted' | 'seen'>>;

/** The event, where what is known of it is not enough; nothing: it is, or the write itself will tell. */
async function readEvent(
  { mapped, action }: Decision,
  facing: Facing & Sight,
  signal: AbortSignal,
): Promise<ReadEvent> {
  const { room, outlook } = facing;
  const { agreement, eventId, status, news, intent, waitsFor } = mapped;
  if (intent === 'keep' && action.do === 'create' && eventId !== null) {
    // by its id: one that was imported carries no extended properties, and others that carry its own are copies
    const kept = await outlook.read(room, eventId, signal);
    return kept === null || standing(kept.shows) === null ? {} : { adopted: kept };
  }
  if (eventId === null) {
    if (!inDoubt(agreement)) return {};
    return { adopted: ours(mapped, await outlook.find(room, mapped.reservation, signal), outlook.show) };
  }
  if (news === 'look' || news === 'missing' || waitsFor !== null) {
    const event = await readSurely(eventId, facing, signal);
    // the event of a cancelled reservation that is wanted again, and somebody brought it back
    if (event !== null && standing(event.shows) !== null && status === 'cancelled' && mapped.active === true)
      return { adopted: event };
    return { seen: event ?? 'absent' };
  }
  // nobody asked for it to go, so an edit in Outlook that nobody was told of yet must not go with it
  if (action.do === 'remove' && action.as === 'shadowed' && room.direction === 'both')
    return { seen: (await readSurely(eventId, facing, signal)) ?? 'absent' };
  if (action.do !== 'change') return {};
  // who wins depends on what both sides say, so both are heard; the booking system's word needs no reading, only the version
  // that it was said about
  if (facing.policy !== 'booking' && room.direction === 'both')
    return { seen: (await readSurely(eventId, facing, signal)) ?? 'absent' };
  // one that is gone is told so by the write itself
  return agreement.is === 'unanswered' ? { adopted: await outlook.read(room, eventId, signal) } : {};
}

/** The event, or null when it is not there and the calendar does not show it either. */
async function readSurely(
  eventId: string,
  sight: Facing & Sight,
  signal: AbortSignal,
): Promise<OutlookEvent | null> {
  const event = await sight.outlook.read(sight.room, eventId, signal);
  if (event === null && (await isShown(eventId, sight.room, sight, signal)))
    throw new Retryable('Outlook reports the event as not found, but its calendar shows it', {
      reach: 'item',
    });
  return event;
}

const isShown = async (eventId: string, room: LeasedRoom, sight: Sight, signal: AbortSignal) =>
  (await stillShown([eventId], room, sight, signal)).size > 0;

/** Whether the mailbox has the event, or its calendar shows it. Throws as reads do. */
export const isThere = async (
  eventId: string,
  room: LeasedRoom,
  sight: Sight,
  signal: AbortSignal,
): Promise<boolean> =>
  (await sight.outlook.read(room, eventId, signal)) !== null || (await isShown(eventId, room, sight, signal));

/**
 * Of these events, which the mailbox says it does not have, those that the calendar shows all the same, at whatever time:
 * the event may just have been moved. "Not there" about an event may be said by a mailbox that has nothing for us at all
 * (one that is being moved, a licence or a right that is gone); such a mailbox refuses its calendar, too, and this throws
 * as the list does.
 */
async function stillShown(
  lost: readonly string[],
  room: LeasedRoom,
  { outlook, span, listed }: Sight,
  signal: AbortSignal,
): Promise<ReadonlySet<string>> {
  const { from, to } = await span();
  const ids = new Set(lost);
  const shown = new Set<string>();
  for await (const page of outlook.list(room, from, to, signal)) {
    for (const { id, shows } of page) if (ids.has(id) && !isGivenBack(shows)) shown.add(id);
    listed?.(page);
  }
  return shown;
}

/** Of the events that carry the properties of this reservation the one that is its own (see `match`); the others are copies. */
export function ours(
  mapped: Mapped,
  found: readonly OutlookEvent[],
  show: (item: Item) => Item,
): OutlookEvent | null {
  const open = openMappingOf(
    {
      ...mapped,
      reservationType: mapped.reservation.type,
      reservationId: mapped.reservation.id,
      eventId: null,
      due: true,
      present: mapped.active === true,
      seriesMasterId: null,
    },
    show,
  );
  return open === null ? null : (match([open], found)[0]?.event ?? null);
}

/**
 * The event, null when it is not there; 'refused': this one cannot be read, which says nothing about the others. What was read
 * a moment ago is from before it was reported as removed.
 */
async function readOne(
  eventId: string,
  room: LeasedRoom,
  { outlook }: Sight,
  signal: AbortSignal,
): Promise<OutlookEvent | 'refused' | null> {
  try {
    return dated(await (outlook.readAnew ?? outlook.read)(room, eventId, signal));
  } catch (error) {
    if ((error instanceof Retryable || error instanceof Permanent) && error.reach === 'item')
      return 'refused';
    throw error;
  }
}

/**
 * Reads events that were reported as removed: only a mailbox that answers "not there" about that very event, and whose
 * calendar does not show it, makes it gone (delta reports events as removed that merely lie outside of its window, msgraph
 * docs#6599). Throws as a read does, but for one that cannot be read alone: it is read in its own time.
 */
export async function verify(
  missing: readonly { readonly id: number; readonly revision: number; readonly eventId: string }[],
  room: LeasedRoom,
  sight: Sight,
  signal: AbortSignal,
): Promise<Verified[]> {
  const seen = await together(
    missing.map(async (one) => ({ one, event: await readOne(one.eventId, room, sight, signal) })),
  );
  const lost = seen.filter(({ event }) => event === null).map(({ one }) => one.eventId);
  const shown = lost.length === 0 ? null : await stillShown(lost, room, sight, signal);
  return seen.map(({ one: { id, revision, eventId }, event }) => {
    // what contradicts itself is read again, in its own time
    const isGone = event === null && shown?.has(eventId) !== true;
    const isVacated = event !== null && event !== 'refused' && isGivenBack(event.shows);
    return { id, revision, news: isGone ? 'gone' : isVacated ? 'vacated' : 'look' };
  });
}
