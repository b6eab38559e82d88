/** One due mapping on its way: what is known of it, what was decided, and what is written down afterwards. */
import type { PullAction, PushAction } from '../../facts.ts';
import type { BookedChange, BookedItem, LastAgreed } from '../../appearance.ts';
import { itemFields, sameItem, type Item, type ItemChange, type ReservationKey } from '../../item.ts';
import { decide, type Action, type Agreement, type Choice } from '../decide/decide.ts';
import type { Due, LeasedRoom, Settled } from '../store/mappings.ts';
import { itemOf, standing, type OutlookEvent, type Shown } from '../../event.ts';
import type { OutlookSide } from '../outlook-side.ts';

export type ConflictPolicy = 'booking' | 'outlook' | 'newest' | 'ask';

/** What was seen of the event just now: it, that it is not there, or nothing (it was not looked at). */
export type Seen = OutlookEvent | 'absent' | null;

export interface Step {
  readonly due: Due;
  readonly action: Action;
  /** What Outlook shall show of the reservation now. */
  readonly wanted: BookedItem | null;
  /** An event that was found by its marks, and that the mapping did not know. */
  readonly adopted: OutlookEvent | null;
  readonly seen: Seen;
  /** The room takes what the booking system says. */
  readonly followsBooking: boolean;
}

export interface Facing {
  readonly room: LeasedRoom;
  readonly outlook: Pick<OutlookSide, 'show'>;
  readonly policy: ConflictPolicy;
}

export function stepOf(
  due: Due,
  { room, outlook, policy }: Facing,
  { adopted = null, seen = null }: { adopted?: OutlookEvent | null; seen?: Seen } = {},
): Step {
  const awaiting = isAwaiting(due) && room.direction !== 'booking_to_outlook';
  const wanted = due.booking !== null && (due.active === true || awaiting) ? outlook.show(due.booking) : null;
  const event = adopted ?? seen;
  const choice = choiceOf(due, event);
  const kind = due.conflict?.kind;
  // a person said to keep what the booking system has, because that cannot take what Outlook says
  const insists = kind === 'refused' && choice === 'booking';
  const isFound = adopted !== null || insists;
  const direction = awaiting ? 'outlook_to_booking' : room.direction;
  const reservation = {
    agreement: isFound ? never : agreementOf(due, outlook),
    wanted,
    inWindow: due.inWindow === true,
    cover: !due.covered ? 'none' : due.coverConfirmed ? 'shown' : 'expected',
    direction,
  } as const;
  // ours was to be deleted and said not to be there, and there it is
  const survived =
    due.status === 'cancelled' &&
    due.removing &&
    seen !== null &&
    seen !== 'absent' &&
    standing(seen.shows) !== null;
  const hasEvent = adopted !== null || survived || (due.eventId !== null && due.status !== 'cancelled');
  const fresh =
    kind === 'rejected' && due.conflict?.replace === true && choice === 'booking'
      ? decide({ ...reservation, mapping: 'without-event' })
      : null;
  // a new event in the place of one that Outlook does not let us change
  const replacing = fresh?.do === 'create' ? fresh : null;
  const action =
    replacing ??
    decide(
      hasEvent
        ? {
            ...reservation,
            mapping: 'with-event',
            base: isFound ? null : due.outlookBase,
            shows: event === null ? newsOf(due) : event === 'absent' ? { is: 'absent' } : event.shows,
            isOrganizer: event === null || event === 'absent' ? due.isOrganizer : event.isOrganizer,
            removing: due.removing,
            time: due.ended !== true ? 'ahead' : isAhead(event) ? 'revived' : 'ended',
            choice: sideOf(policy, due, event, choice),
            yields: kind === 'rejected' && choice === 'outlook',
          }
        : { ...reservation, mapping: due.status === 'cancelled' ? 'cancelled' : 'without-event' },
    );
  return {
    due,
    action: renaming(due, action, wanted),
    wanted,
    adopted,
    seen,
    followsBooking: direction !== 'outlook_to_booking',
  };
}

/** The event of a reservation that replaced another one gets its extended properties, whatever else is to be done. */
const renaming = ({ renames }: Due, action: Action, wanted: Item | null): Action =>
  renames === true && wanted !== null && action.do === 'settle' && action.as === 'synced'
    ? { do: 'change', item: wanted, change: {}, toBooking: {}, open: [], overruled: [] }
    : action;

/**
 * What a person chose, as long as it is still about what was shown to that person: a choice is never carried out on an event
 * that came, went or was changed meanwhile.
 */
export function choiceOf(
  { resolution, conflict, news }: Pick<Due, 'resolution' | 'conflict' | 'news'>,
  event: Seen,
): Due['resolution'] {
  if (resolution === null || conflict?.outlook === undefined) return resolution;
  const shows = event === null ? newsOf({ news }) : event === 'absent' ? null : event.shows;
  if (event === null && shows === null) return resolution;
  return sameItem(conflict.outlook, shows === null ? null : itemOf(shows)) ? resolution : null;
}

/** The event lies in the future. */
function isAhead(event: Seen): boolean {
  const item = event === null || event === 'absent' ? null : standing(event.shows);
  return item !== null && Date.parse(item.endsAt) > Date.now();
}

/** What was verified before. */
const newsOf = ({ news }: Pick<Due, 'news'>): Shown | null =>
  news === 'gone' ? { is: 'absent' } : news === 'vacated' ? { is: 'released' } : null;

function sideOf(policy: ConflictPolicy, due: Due, event: Seen, choice: Due['resolution']): Choice {
  if (choice !== null) return { side: choice, by: 'person' };
  const side = preferred(policy, due, event);
  return side === null ? null : { side, by: 'policy' };
}

function preferred(policy: ConflictPolicy, due: Due, event: Seen): 'booking' | 'outlook' | null {
  if (policy === 'ask') return null;
  if (policy !== 'newest') return policy;
  // the time Outlook gives may move without an edit: good enough to choose between two edits, and for nothing else
  const [booking, outlook] = [
    due.bookingChangedAt,
    event === null || event === 'absent' ? null : event.lastModifiedAt,
  ];
  if (booking === null || outlook === null)
    return booking === null && outlook !== null ? 'outlook' : 'booking';
  return Date.parse(outlook) > Date.parse(booking) ? 'outlook' : 'booking';
}

/** A meeting of Outlook that waits for approval in the booking system: it is followed, and nothing is written into it. */
export const isAwaiting = ({ active, direction, booking }: Due): boolean =>
  active === false && direction === 'outlook_to_booking' && booking?.as?.awaiting === true;

/** The reservation as it is there for Outlook; null: it is not, or is to go. */
export const bookedOf = (due: Due): BookedItem | null =>
  due.active === true || isAwaiting(due) ? due.booking : null;

export const lastAgreed = ({ outlookBase, bookingBase, booking }: Due): LastAgreed => ({
  outlook: outlookBase,
  booking: booking === null ? null : { ...booking, ...bookingBase },
});

const never: Agreement = { is: 'never' };

/** What Outlook should show of what both sides last agreed on: what is not known of it stays unknown. */
function agreementOf({ bookingBase, booking }: Due, outlook: Pick<OutlookSide, 'show'>): Agreement {
  if (bookingBase === null) return never;
  if (isWhole(bookingBase)) return { is: 'agreed', on: outlook.show(bookingBase) };
  const fields = itemFields.filter((field) => bookingBase[field] !== undefined);
  if (booking === null || fields.length === 0) return { is: 'unanswered' };
  const shown = outlook.show({ ...booking, ...bookingBase });
  return {
    is: 'partly',
    on: { ...pick(shown, fields), ...(shown.as === undefined ? {} : { as: shown.as }) },
  };
}

export const isWhole = (item: ItemChange): item is Item =>
  itemFields.every((field) => item[field] !== undefined);

export const pick = (item: ItemChange, fields: readonly string[]): ItemChange =>
  Object.fromEntries(
    fields
      .filter((field) => item[field as keyof Item] !== undefined)
      .map((field) => [field, item[field as keyof Item]]),
  );

/** What both agree on now: what the booking system shows, but of these fields what was agreed on before, if anything was. */
export const agreedBut = ({ booking, bookingBase }: Due, fields: readonly string[]): BookedChange => ({
  ...pick(
    booking ?? {},
    itemFields.filter((field) => !fields.includes(field)),
  ),
  ...pick(bookingBase ?? {}, fields),
  ...(booking?.as === undefined ? {} : { as: booking.as }),
});

export const marksOf = (due: Due): ReservationKey => ({ type: due.reservationType, id: due.reservationId });
export const eventOf = (step: Pick<Step, 'adopted' | 'due'>): string | null =>
  step.adopted?.id ?? step.due.eventId;

/** What Outlook shows, as far as it is known: just read, or as both last agreed. */
export const shownOf = (step: Step): Item | null => {
  const event = step.adopted ?? step.seen;
  return event === null || event === 'absent'
    ? step.due.outlookBase
    : (standing(event.shows) ?? step.due.outlookBase);
};

/** What is known of an event from reading it. */
export const factsOf = (
  event: OutlookEvent,
): Pick<
  Settled,
  'isOrganizer' | 'iCalUId' | 'originalStart' | 'seriesMasterId' | 'etag' | 'outlookChangedAt'
> => ({
  isOrganizer: event.isOrganizer,
  iCalUId: event.iCalUId,
  originalStart: event.originalStart,
  seriesMasterId: event.seriesMasterId,
  etag: event.etag,
  outlookChangedAt: event.lastModifiedAt,
});

/** What is written down: it stays as it was, unless said otherwise. */
export function keep(
  step: Pick<Step, 'due' | 'action' | 'adopted'> & { readonly seen?: Seen },
  action: PushAction | PullAction | 'delayed' | 'parked',
  change: Partial<Settled>,
): Settled {
  const { due, seen = null } = step;
  const event = step.adopted ?? seen;
  return {
    id: due.id,
    revision: due.revision,
    status: 'pending',
    // the id that a cancelled mapping keeps is of no more use once it gets a fresh event
    // (nor does a replacement lose the event that it takes the place of)
    eventId: step.action.do === 'create' && due.conflict?.replace !== true ? null : eventOf(step),
    generation: due.generation,
    bookingBase: due.bookingBase,
    outlookBase: due.outlookBase,
    bookingSeen: bookedOf(due),
    outlookSeen: due.outlookSeen,
    error: null,
    hint: null,
    dueInMs: null,
    attempt: 0,
    action,
    reason: null,
    sinceAcceptedMs: null,
    callMs: null,
    requestId: null,
    news: due.news,
    removing: due.removing,
    waitsFor: due.waitsFor,
    conflict: null,
    // of what cannot be understood nothing else is believed
    ...(event === null || event === 'absent' || event.shows.is === 'unreadable' ? {} : factsOf(event)),
    ...change,
  };
}
