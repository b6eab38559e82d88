/** The decision about one mapping: `decide`, given what is known of both sides. */
import type { BookedItem, LastAgreed } from '../../appearance.ts';
import { changedFields, itemFields, sameItem, touchesTimes, type Item, type ItemChange } from '../../item.ts';
import { changing, decide, type Action, type Choice, type Wanted } from '../decide/decide.ts';
import { sinceCreate, type Created } from '../match/since-create.ts';
import { agreedOn, agreementOn, never, type Agreement } from '../store/agreement.ts';
import type { LeasedRoom } from '../store/work-list.ts';
import type { Mapped, WorkItem } from '../store/work-item.ts';
import { itemOf, standing, type OutlookEvent, type Shown } from '../../event.ts';
import type { OutlookSide } from '../outlook-side.ts';

export type ConflictPolicy = 'booking' | 'outlook' | 'newest' | 'ask';

/** The event as just read: the event, absent, or null: not read. */
export type Seen = OutlookEvent | 'absent' | null;

/** What is known of one mapping, and the action for it. */
export interface Decision {
  readonly mapped: Mapped;
  readonly action: Action;
  /** What Outlook should show now. */
  readonly wanted: BookedItem | null;
  /** An event that was found for the mapping, which did not have it. */
  readonly adopted: OutlookEvent | null;
  /** It was edited in Outlook since a create of ours made it: it is stored first, and then decided about like any other event. */
  readonly edited?: Created | null;
  readonly seen: Seen;
  /** The booking system is followed in this room. */
  readonly followsBooking: boolean;
}

export interface DecisionContext {
  readonly room: LeasedRoom;
  readonly outlook: Pick<OutlookSide, 'show'>;
  readonly policy: ConflictPolicy;
  /** Namespace of the idempotency keys: the installation id. */
  readonly installationId: string;
}

export function decisionOn(
  mapped: Mapped,
  context: DecisionContext,
  { adopted = null, seen = null }: { adopted?: OutlookEvent | null; seen?: Seen } = {},
): Decision {
  const { room, outlook } = context;
  const awaiting = isAwaiting(mapped) && room.direction !== 'booking_to_outlook';
  const booked = mapped.active === true || awaiting ? mapped.booking : null;
  const wanted = booked === null ? null : outlook.show(booked);
  const direction = awaiting ? 'outlook_to_booking' : room.direction;
  const known = direction === 'outlook_to_booking' ? mapped : withOwnWrites(mapped, seen, outlook);
  const action = actionOn(known, context, { adopted, seen, wanted, direction });
  return {
    mapped: known,
    action: renaming(known, action, wanted),
    wanted,
    adopted,
    edited: adopted === null || mapped.eventId !== null ? null : editedBefore(mapped, adopted, context),
    seen,
    followsBooking: direction !== 'outlook_to_booking',
  };
}

function editedBefore(mapped: Mapped, event: OutlookEvent, context: DecisionContext): Created | null {
  const created = createdBefore(mapped, event, context);
  return created?.isEdited === true ? created : null;
}

/** See `sinceCreate`; null also if edits are not followed. */
export const createdBefore = (
  { reservation, generation, createdAt: since, iCalUId, sent, recorded, booking }: Mapped,
  event: OutlookEvent,
  { room, outlook, installationId }: Pick<DecisionContext, 'room' | 'outlook' | 'installationId'>,
): Created | null =>
  room.direction !== 'both'
    ? null
    : sinceCreate(
        event,
        {
          reservation,
          resourceId: room.resourceId,
          generation,
          since,
          iCalUId,
          sent: [...(sent ?? []), ...(recorded === true && booking !== null ? [booking] : [])],
        },
        outlook.show,
        installationId,
      );

/**
 * What is known after this read: a field that Outlook does not show as at the last agreement, but as we may have sent it since, is no
 * edit in Outlook. It is the new base of Outlook; what the booking system showed then is unknown, so it counts as changed there.
 */
function withOwnWrites(mapped: Mapped, seen: Seen, { show }: Pick<OutlookSide, 'show'>): Mapped {
  const { sent, outlookBase: base, agreement } = mapped;
  if (sent == null || base === null || agreement.is === 'never') return mapped;
  const shown = seen === null || seen === 'absent' || !seen.isOrganizer ? null : standing(seen.shows);
  if (shown === null) return mapped;
  const changed = Object.keys(changedFields(base, shown));
  const differences = sent.map((state) => changedFields(show(state), shown));
  const own = changed.filter((field) => differences.some((differs) => !(field in differs)));
  if (own.length === 0) return mapped;
  const agreed = Object.entries(agreedOn(agreement)).filter(([field]) => !own.includes(field));
  return {
    ...mapped,
    outlookBase: { ...base, ...pick(shown, own) },
    agreement: agreementOn(Object.fromEntries(agreed)),
  };
}

interface Known extends Pick<Decision, 'adopted' | 'seen' | 'wanted'> {
  readonly direction: LeasedRoom['direction'];
}

function actionOn(
  mapped: Mapped,
  { outlook, policy }: DecisionContext,
  { adopted, seen, wanted, direction }: Known,
): Action {
  const { conflict, status, eventId } = mapped;
  const event = adopted ?? seen;
  const choice = choiceOf(mapped, event);
  // a person chose the booking system, which cannot take the change of Outlook
  const isBookingChosen = conflict?.kind === 'refused' && choice === 'booking';
  const isFound = adopted !== null || isBookingChosen;
  const reservation = {
    agreement: isFound ? never : shownAgreement(mapped, outlook),
    followed: shownFollowed(mapped, outlook),
    wanted: wantedOf(mapped, wanted, outlook),
    direction,
  };
  // a new event replaces one that Outlook does not let us change
  if (conflict?.kind === 'rejected' && conflict.replace === true && choice === 'booking') {
    const fresh = decide({ ...reservation, mapping: 'without-event' });
    if (fresh.do === 'create') return fresh;
  }
  // Outlook reported our event as missing when we deleted it, and now shows it
  const isShownAfterRemoval =
    mapped.intent === 'remove_again' && seen !== null && seen !== 'absent' && standing(seen.shows) !== null;
  if (adopted === null && !isShownAfterRemoval && (eventId === null || status === 'cancelled'))
    return decide({ ...reservation, mapping: status === 'cancelled' ? 'cancelled' : 'without-event' });
  return decide({
    ...reservation,
    mapping: 'with-event',
    // the event of a create without an answer: what was sent
    base: !isFound ? mapped.outlookBase : mapped.eventId === null ? mapped.outlookSeen : null,
    shows: event === null ? verifiedLoss(mapped) : event === 'absent' ? { is: 'absent' } : event.shows,
    isOrganizer: event === null || event === 'absent' ? mapped.isOrganizer : event.isOrganizer,
    intent: intentOf(mapped),
    time: mapped.ended !== true ? 'ahead' : isMovedAhead(mapped, event) ? 'revived' : 'ended',
    choice: decidedBy(policy, mapped, event, choice),
  });
}

function wantedOf(mapped: Mapped, item: BookedItem | null, { show }: Pick<OutlookSide, 'show'>): Wanted {
  const { covered, coverConfirmed, inWindow } = mapped;
  if (item === null) {
    const there = elsewhereOf(mapped);
    return { is: 'nothing', elsewhere: there === null ? null : show(there) };
  }
  if (covered) return { is: 'item', item, place: coverConfirmed ? 'covered' : 'to be covered' };
  return { is: 'item', item, place: inWindow === true ? 'uncovered' : 'outside' };
}

function intentOf({ intent }: Mapped): 'remove' | 'renew' | null {
  if (intent === 'remove_again') return 'remove';
  return intent === 'keep' ? null : intent;
}

/** The event of a reservation that replaced another one gets its extended properties in any case. */
const renaming = ({ renames }: Mapped, action: Action, wanted: Item | null): Action =>
  renames && wanted !== null && action.do === 'settle' && action.as === 'synced'
    ? changing(wanted, {})
    : action;

/**
 * A person's choice, as long as the event is as it was shown to that person: a choice is never carried out on an event that was
 * created, deleted or changed meanwhile.
 */
export function choiceOf(
  { resolution, conflict, news }: Pick<WorkItem, 'resolution' | 'conflict' | 'news'>,
  event: Seen,
): WorkItem['resolution'] {
  if (resolution === null || conflict?.outlook === undefined) return resolution;
  const shows = event === null ? verifiedLoss({ news }) : event === 'absent' ? null : event.shows;
  if (event === null && shows === null) return resolution;
  return sameItem(conflict.outlook, shows === null ? null : itemOf(shows)) ? resolution : null;
}

/** The event lies in the future, where it did not lie at the last agreement. */
function isMovedAhead({ outlookBase }: Mapped, event: Seen): boolean {
  const item = event === null || event === 'absent' ? null : standing(event.shows);
  return (
    item !== null &&
    Date.parse(item.endsAt) > Date.now() &&
    (outlookBase === null || touchesTimes(changedFields(outlookBase, item)))
  );
}

/** The loss of the event as verified before. */
const verifiedLoss = ({ news }: Pick<WorkItem, 'news'>): Shown | null =>
  news === 'gone' ? { is: 'absent' } : news === 'vacated' ? { is: 'released' } : null;

function decidedBy(
  policy: ConflictPolicy,
  mapped: Mapped,
  event: Seen,
  choice: Mapped['resolution'],
): Choice {
  if (choice === 'outlook' && mapped.conflict?.kind === 'rejected')
    return { side: 'booking gives in', by: 'person' };
  if (choice !== null) return { side: choice, by: 'person' };
  const side = preferred(policy, mapped, event);
  return side === null ? null : { side, by: 'policy' };
}

function preferred(policy: ConflictPolicy, mapped: Mapped, event: Seen): 'booking' | 'outlook' | null {
  if (policy === 'ask') return null;
  if (policy !== 'newest') return policy;
  // lastModifiedAt may change without an edit: sufficient only to choose between two edits
  const [booking, outlook] = [
    mapped.bookingChangedAt,
    event === null || event === 'absent' ? null : event.lastModifiedAt,
  ];
  if (booking === null || outlook === null)
    return booking === null && outlook !== null ? 'outlook' : 'booking';
  return Date.parse(outlook) > Date.parse(booking) ? 'outlook' : 'booking';
}

/** A meeting from Outlook that waits for approval in the booking system: it is followed and not written. */
export const isAwaiting = ({ active, direction, booking }: Mapped): boolean =>
  active === false && direction === 'outlook_to_booking' && booking?.as?.awaiting === true;

/** The reservation whose event is to exist; null: its event is not to exist. */
export const bookedOf = (mapped: Mapped): BookedItem | null =>
  mapped.active === true || isAwaiting(mapped) ? mapped.booking : null;

/** A reservation that left the room; null: it is in this room, or in none. */
export const elsewhereOf = ({ active, elsewhere, booking }: Mapped): BookedItem | null =>
  active === null && elsewhere ? booking : null;

export const lastAgreed = ({ outlookBase, agreement, booking }: Mapped): LastAgreed => ({
  outlook: outlookBase,
  booking: booking === null ? null : { ...booking, ...agreedOn(agreement) },
});

/** What Outlook should show of the last agreement; unknown fields stay unknown. */
function shownAgreement({ agreement, booking }: Mapped, outlook: Pick<OutlookSide, 'show'>): Agreement {
  if (agreement.is === 'never' || agreement.is === 'unanswered') return agreement;
  if (agreement.is === 'agreed') return { is: 'agreed', on: outlook.show(agreement.on) };
  if (booking === null) return { is: 'unanswered' };
  const shown = outlook.show({ ...booking, ...agreement.on });
  const as = shown.as === undefined ? {} : { as: shown.as };
  return { is: 'partly', on: { ...pick(shown, Object.keys(agreement.on)), ...as } };
}

const shownFollowed = ({ followed, booking }: Mapped, { show }: Pick<OutlookSide, 'show'>): Item | null =>
  followed == null ? null : show(booking?.as === undefined ? followed : { ...followed, as: booking.as });

export const pick = (item: ItemChange, fields: readonly string[]): ItemChange =>
  Object.fromEntries(
    fields
      .filter((field) => item[field as keyof Item] !== undefined)
      .map((field) => [field, item[field as keyof Item]]),
  );

/** The current reservation as the agreement, except these fields, which keep their former agreement. */
export const agreedBut = ({ booking, agreement }: Mapped, fields: readonly string[]): Agreement =>
  agreementOn({
    ...pick(
      booking ?? {},
      itemFields.filter((field) => !fields.includes(field)),
    ),
    ...pick(agreedOn(agreement), fields),
    ...(booking?.as === undefined ? {} : { as: booking.as }),
  });

/** The current reservation as the agreement. */
export const agreedNow = ({ booking, agreement }: Mapped): Agreement =>
  booking === null ? agreement : agreementOn(booking);

export const eventOf = ({ adopted, mapped }: Pick<Decision, 'adopted' | 'mapped'>): string | null =>
  adopted?.id ?? mapped.eventId;

/** What Outlook shows: as just read, or as last agreed. */
export const shownOf = ({ adopted, seen, mapped }: Decision): Item | null => {
  const event = adopted ?? seen;
  return event === null || event === 'absent'
    ? mapped.outlookBase
    : (standing(event.shows) ?? mapped.outlookBase);
};
