/**
 * Reads an event before the decision, if it is unknown what Outlook shows: an event that was reported as changed or removed is
 * read, and the event of a create whose answer was lost is searched by its extended properties. Nothing is decided about an
 * event that cannot be read.
 */
import { isExpected, Permanent, Retryable, unlessItemFails } from '../../errors.ts';
import { dated, isGivenBack, itemOf, mayBeEdited, standing, type OutlookEvent } from '../../event.ts';
import type { Item } from '../../item.ts';
import { isUnanswered } from '../store/agreement.ts';
import { unreadableHint } from '../store/readable-items.ts';
import { isFollowed, type LeasedRoom } from '../store/work-list.ts';
import type { Mapped } from '../store/work-item.ts';
import type { Verified } from '../store/observed.ts';
import type { Span } from '../store/span.ts';
import type { FreshReads } from '../fresh-reads.ts';
import type { OutlookSide } from '../outlook-side.ts';
import { createdBefore, decisionOn, type Decision, type DecisionContext } from './decision.ts';
import { together } from '../together.ts';
import { ownCreateOf } from '../match/idempotency-key.ts';
import { match } from '../match/match.ts';
import { openMappingOf } from '../match/open-mapping.ts';

/** A mapping that cannot be decided about now. */
export interface Unreadable {
  readonly mapped: Mapped;
  readonly unreadable: Retryable | Permanent;
}

export const isUnreadable = (one: object): one is Unreadable => 'unreadable' in one;

/** What reads of events need. */
export interface ReadContext {
  readonly room: LeasedRoom;
  readonly outlook: OutlookSide & Partial<Pick<FreshReads, 'recent' | 'readUndated'>>;
  /** The window that is synced. */
  readonly span: () => Promise<Span>;
  /** Called with each page of the calendar that verification reads. */
  readonly listed?: (page: readonly OutlookEvent[]) => void;
}

/** What reads before a decision need. */
export interface DecideContext extends DecisionContext, ReadContext {
  readonly room: LeasedRoom;
  readonly outlook: ReadContext['outlook'];
}

/** Reads the event of a mapping if necessary, and decides. */
export async function readAndDecide(
  mapped: Mapped,
  context: DecideContext,
  signal: AbortSignal,
): Promise<Decision | Unreadable> {
  if (mapped.unreadable != null) return { mapped, unreadable: failingRow(mapped.unreadable) };
  try {
    const recent = recentOf(mapped, context);
    if (recent !== null) {
      const decision = decisionOn(mapped, context, { seen: recent });
      if (!mayDiscardEdits(decision, context)) return decision;
    }
    const unread = decisionOn(mapped, context);
    const { adopted = null, seen = null } = await readIfNeeded(unread, context, signal);
    return adopted === null && seen === null ? unread : decisionOn(mapped, context, { adopted, seen });
  } catch (error) {
    if (isExpected(error)) return { mapped, unreadable: error };
    throw error;
  }
}

/** The error of a reservation whose row cannot be read: it is left unchanged. */
const failingRow = (why: string) =>
  new Permanent(`the booking system cannot show this reservation: ${why}`, { hint: unreadableHint });

/** The event of a reported change from memory. */
const recentOf = ({ eventId, news, status }: Mapped, { room, outlook }: ReadContext): OutlookEvent | null =>
  eventId === null || news !== 'look' || status === 'cancelled'
    ? null
    : (outlook.recent?.(room, eventId) ?? null);

/**
 * Whether carrying it out would discard an edit in Outlook that was made since the event was read. A change does not if the booking
 * system wins the fields that it writes; edits of other fields show in its answer.
 */
function mayDiscardEdits({ action }: Decision, { policy, room }: DecisionContext): boolean {
  if (action.do === 'change') return isWriting(action) && policy !== 'booking' && room.direction === 'both';
  return removals.has(action.do) || action.do === 'cancel-booking';
}

const removals: ReadonlySet<Decision['action']['do']> = new Set(['remove', 'decline']);
const isWriting = ({ change, showAs }: Extract<Decision['action'], { do: 'change' }>) =>
  Object.keys(change).length > 0 || showAs === true;

/** So often an event is read again that is missing without a report, before it counts as deleted: for some seconds. */
const readsOfUnreported = 4;

type ReadEvent = Partial<Pick<Decision, 'adopted' | 'seen'>>;

/** The event, if it has to be read; empty: it need not be, or its write will report what is needed. */
async function readIfNeeded(
  { mapped, action }: Decision,
  context: DecideContext,
  signal: AbortSignal,
): Promise<ReadEvent> {
  const { room, outlook } = context;
  const { agreement, eventId, status, news, intent, waitsFor } = mapped;
  if (intent === 'keep' && action.do === 'create' && eventId !== null) {
    // by its id: an imported event has no extended properties, and others with its properties are copies
    const kept = await outlook.read(room, eventId, signal);
    return kept === null || standing(kept.shows) === null ? {} : { adopted: kept };
  }
  if (eventId === null) {
    if (!isUnanswered(agreement)) return {};
    const found = await outlook.find(room, mapped.reservation, signal);
    // while it is wanted, an edit since its create is followed; else it is removed, whatever it shows
    const created =
      mapped.active === true
        ? (found.find((event) => createdBefore(mapped, event, context) !== null) ?? null)
        : createdEvent(mapped, found, context);
    return { adopted: created ?? ownEvent(mapped, found, outlook.show) };
  }
  if (news === 'look' || news === 'missing' || waitsFor !== null) {
    const event = await readSurely(eventId, context, signal);
    // a cancelled reservation is active again, and its event was brought back
    if (event !== null && standing(event.shows) !== null && status === 'cancelled' && mapped.active === true)
      return { adopted: event };
    return { seen: event ?? 'absent' };
  }
  // an edit in Outlook that was not reported yet must not be deleted with a covered event
  if (action.do === 'remove' && action.as === 'shadowed' && room.direction === 'both') {
    const event = await readSurely(eventId, context, signal);
    // A person deleted it, or it was created a moment ago and this replica of the mailbox does not have it yet: the report of the deletion
    // is waited for.
    if (event === null && intent === null && mapped.attempt < readsOfUnreported)
      throw new Retryable('Outlook does not find the event, and has not reported its deletion yet', {
        reach: 'item',
      });
    return { seen: event ?? 'absent' };
  }
  // nor with the event of a reservation that left the room; and an event may have been made recurring a moment ago: the removal of the
  // series master would remove dates that were not cancelled
  if (removals.has(action.do) && room.direction === 'both') {
    const event = await readIfPossible(eventId, context, signal);
    // the removal itself reports a missing event
    return event === null ? {} : { seen: dated(event) ?? 'absent' };
  }
  if (action.do !== 'change') return {};
  // which side wins depends on both, so both are read; if the booking system always wins, the version in the write is sufficient
  if (context.policy !== 'booking' && room.direction === 'both')
    return { seen: (await readSurely(eventId, context, signal)) ?? 'absent' };
  // the write itself reports a missing event
  return agreement.is === 'unanswered' ? { adopted: await outlook.read(room, eventId, signal) } : {};
}

/**
 * Before a removal: the event, also the master of a series. Null also if this event can never be read: the removal itself reports
 * that.
 */
export async function readIfPossible(
  eventId: string,
  context: ReadContext,
  signal: AbortSignal,
): Promise<OutlookEvent | null> {
  try {
    return await readMaster(eventId, context, signal);
  } catch (error) {
    if (error instanceof Permanent && error.reach === 'item') return null;
    throw error;
  }
}

/** The event, even if it is the master of a series by now. */
const readMaster = (eventId: string, { room, outlook }: ReadContext, signal: AbortSignal) =>
  (outlook.readUndated ?? outlook.read)(room, eventId, signal);

/** The event; null: it is missing, and the calendar does not show it either. */
async function readSurely(
  eventId: string,
  context: ReadContext,
  signal: AbortSignal,
): Promise<OutlookEvent | null> {
  const event = await context.outlook.read(context.room, eventId, signal);
  if (event === null && (await isShown(eventId, context, signal)))
    throw new Retryable('Outlook reports the event as not found, but its calendar shows it', {
      reach: 'item',
    });
  return event;
}

const isShown = async (eventId: string, context: ReadContext, signal: AbortSignal) =>
  (await stillShown([eventId], context, signal)).size > 0;

/** Whether the mailbox returns the event, if only as the master of a series, or its calendar shows it. Throws as reads do. */
export const isThere = async (eventId: string, context: ReadContext, signal: AbortSignal): Promise<boolean> =>
  (await readMaster(eventId, context, signal)) !== null || (await isShown(eventId, context, signal));

/**
 * Of these events, which the mailbox reports as missing, those that the calendar shows at any time in the window. A mailbox
 * that is being moved, or has lost its licence or our right to it, may report every event as missing; it refuses its calendar
 * as well, and this throws as the list does.
 */
async function stillShown(
  lost: readonly string[],
  { room, outlook, span, listed }: ReadContext,
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

/**
 * Of the events with the properties of this reservation the one of its create without an answer, whatever it shows now; a copy is younger.
 * A person decides about an edited one whose reservation has no rows: the booking system does not say that it was cancelled.
 */
function createdEvent(
  mapped: Mapped,
  found: readonly OutlookEvent[],
  { room, installationId }: Pick<DecideContext, 'room' | 'installationId'>,
): OutlookEvent | null {
  const { reservation, generation, createdAt: since } = mapped;
  const create = { reservation, resourceId: room.resourceId, generations: [generation], since };
  const [event] = found
    .filter((one) => dated(one) !== null && itemOf(one.shows) !== null)
    .filter((one) => ownCreateOf(one, create, installationId) !== null)
    .toSorted((a, b) => Date.parse(a.createdAt!) - Date.parse(b.createdAt!));
  if (event === undefined) return null;
  const isGone = mapped.active === null && !mapped.elsewhere;
  return isGone && isFollowed(room) && mayBeEdited(event) ? null : event;
}

/** Of the events with the properties of this reservation its own one (see `match`); the others are copies. */
export function ownEvent(
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

/** The event; null: it is missing; 'refused': this event cannot be read, others may. */
const readOne = (eventId: string, context: ReadContext, signal: AbortSignal) =>
  unlessItemFails(async () => dated(await readMaster(eventId, context, signal)), 'refused');

/**
 * Reads events that were reported as removed. An event counts as gone only if its mailbox reports it as missing and the calendar
 * does not show it: delta also reports events that were moved out of its window (msgraph docs#6599). Throws as a read
 * does, except for an event that alone cannot be read: it is read later.
 */
export async function verify(
  missing: readonly { readonly id: number; readonly revision: number; readonly eventId: string }[],
  context: ReadContext,
  signal: AbortSignal,
): Promise<Verified[]> {
  const seen = await together(
    missing.map(async (one) => ({ one, event: await readOne(one.eventId, context, signal) })),
  );
  const lost = seen.filter(({ event }) => event === null).map(({ one }) => one.eventId);
  const shown = lost.length === 0 ? null : await stillShown(lost, context, signal);
  return seen.map(({ one: { id, revision, eventId }, event }) => {
    // missing by its id and shown by the calendar: read again later
    const isGone = event === null && shown?.has(eventId) !== true;
    const isVacated = event !== null && event !== 'refused' && isGivenBack(event.shows);
    return { id, revision, news: isGone ? 'gone' : isVacated ? 'vacated' : 'look' };
  });
}
