/**
 * Reading an event before anything is decided about it. Where nobody knows what is in Outlook, it is looked at: an event
 * that was reported as changed or removed is read, a create whose answer was lost is looked for by our marks. A step that
 * could not be looked at is blind, and so is whatever would be decided about it: nothing is.
 */
import { backOffMs } from '../../back-off.ts';
import { Permanent, Retryable } from '../../errors.ts';
import { isGivenBack, standing, type OutlookEvent } from '../../event.ts';
import { itemFields, type Item } from '../../item.ts';
import type { Due, LeasedRoom, Settled } from '../store/mappings.ts';
import type { Span, Verified } from '../store/pull-store.ts';
import type { FreshReads } from '../fresh-reads.ts';
import type { OutlookSide } from '../outlook-side.ts';
import { isWhole, keep, marksOf, stepOf, type Facing, type Step } from './step.ts';
import { together } from '../together.ts';
import { match, vacancyOf } from '../match/match.ts';

/** A mapping about which nothing can be decided now. */
export interface Unreadable {
  readonly due: Due;
  readonly blind: Retryable | Permanent;
}

export const isUnreadable = (one: object): one is Unreadable => 'blind' in one;

/** Where is looked. */
export interface Sight {
  readonly outlook: OutlookSide & Partial<Pick<FreshReads, 'readAnew'>>;
  /** The window that is kept equal. */
  readonly span: () => Promise<Span>;
  /** Gets each page of the calendar that verification has to read. */
  readonly listed?: (page: readonly OutlookEvent[]) => void;
}

export async function readFirst(
  due: Due,
  facing: Facing & Sight,
  signal: AbortSignal,
): Promise<Step | Unreadable> {
  try {
    return (await look(due, facing, signal)) ?? stepOf(due, facing);
  } catch (error) {
    if (error instanceof Retryable || error instanceof Permanent) return { due, blind: error };
    throw error;
  }
}

/** What was seen, decided about; null: there was nothing to look at. */
async function look(due: Due, facing: Facing & Sight, signal: AbortSignal): Promise<Step | null> {
  const { room, outlook } = facing;
  const step = stepOf(due, facing);
  const inDoubt = due.bookingBase !== null && !isWhole(due.bookingBase);
  // a removal that a person refused left its event where it was
  const left = due.status === 'cancelled' && due.outlookBase !== null && step.action.do === 'create';
  if (left && due.eventId !== null) {
    // by its id: one that was imported carries no marks, and others that carry its marks are copies
    const kept = await outlook.read(room, due.eventId, signal);
    return kept === null || standing(kept.shows) === null ? null : stepOf(due, facing, { adopted: kept });
  }
  if (inDoubt && due.eventId === null) {
    const event = ours(due, await outlook.find(room, marksOf(due), signal), outlook.show);
    return event === null ? null : stepOf(due, facing, { adopted: event });
  }
  if (due.eventId === null) return null;
  if (due.news === 'look' || due.news === 'missing' || due.waitsFor !== null) {
    const event = await readSurely(due, facing, signal);
    // the event of a cancelled reservation that is wanted again, and somebody brought it back
    if (event !== null && standing(event.shows) !== null && due.status === 'cancelled' && due.active === true)
      return stepOf(due, facing, { adopted: event });
    return stepOf(due, facing, { seen: event ?? 'absent' });
  }
  // who wins depends on what both sides say, so both are heard; the booking system's word needs no look, only the version
  // that it was said about
  if (facing.policy !== 'booking' && step.action.do === 'change' && room.direction === 'both') {
    return stepOf(due, facing, { seen: (await readSurely(due, facing, signal)) ?? 'absent' });
  }
  const nothingKnown = inDoubt && itemFields.every((field) => due.bookingBase?.[field] === undefined);
  if (!nothingKnown || step.action.do !== 'change') return null;
  const event = await outlook.read(room, due.eventId, signal);
  // one that is gone is told so by the write itself
  return event === null ? null : stepOf(due, facing, { adopted: event });
}

/** The event, or null when it is not there and the calendar does not show it either. */
async function readSurely(
  { eventId }: Due,
  sight: Facing & Sight,
  signal: AbortSignal,
): Promise<OutlookEvent | null> {
  const event = await sight.outlook.read(sight.room, eventId!, signal);
  if (event === null && (await isShown(eventId!, sight.room, sight, signal)))
    throw new Retryable('Outlook says that the event is not there, and its calendar shows it', {
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
  due: Due,
  found: readonly OutlookEvent[],
  show: (item: Item) => Item,
): OutlookEvent | null {
  const vacancy = vacancyOf(
    { ...due, eventId: null, due: true, present: due.active === true, seriesMasterId: null },
    show,
  );
  return vacancy === null ? null : (match([vacancy], found)[0]?.event ?? null);
}

/** It stays as it is, doubt included, and is due again. */
export function unreadable({ due, blind }: Unreadable, random: () => number): Settled {
  const wait =
    blind instanceof Retryable && blind.reach === 'item'
      ? (blind.afterMs ?? backOffMs(due.attempt, random()))
      : 0;
  const parked = blind instanceof Permanent && blind.reach === 'item';
  return keep({ due, action: { do: 'wait' }, adopted: null }, parked ? 'parked' : 'delayed', {
    status: parked ? 'error' : restingStatus(due),
    bookingSeen: null,
    attempt: due.attempt + 1,
    error: blind.message,
    hint: blind.hint ?? null,
    conflict: due.conflict,
    dueInMs: parked ? null : wait,
  });
}

const restingStatus = ({ status }: Due) =>
  status === 'cancelled' || status === 'conflict' || status === 'imported' ? status : 'pending';

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
    return await (outlook.readAnew ?? outlook.read)(room, eventId, signal);
  } catch (error) {
    if ((error instanceof Retryable || error instanceof Permanent) && error.reach === 'item')
      return 'refused';
    throw error;
  }
}

/**
 * Reads events that were reported as removed: only a mailbox that answers "not there" about that very event, and whose
 * calendar does not show it, makes it gone (delta reports events as removed that merely lie outside of its window, msgraph
 * docs#6599). Throws as a read does, but for one that cannot be read alone: it is looked at in its own time.
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
    // what contradicts itself is looked at again, in its own time
    const isGone = event === null && shown?.has(eventId) !== true;
    const isVacated = event !== null && event !== 'refused' && isGivenBack(event.shows);
    return { id, revision, news: isGone ? 'gone' : isVacated ? 'vacated' : 'look' };
  });
}
