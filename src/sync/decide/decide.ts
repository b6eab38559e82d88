/**
 * What to do about one reservation in one room, given what both sides last agreed on and what they show now. Pure and
 * total: no clock, no I/O. Each side is compared with its own base only, because Outlook rewrites what it is given.
 */
import type { BookedChange, BookedItem } from '../../appearance.ts';
import { isGivenBack, standing, type Shown } from '../../event.ts';
import { changedFields, itemFields, sameItem, type Item, type ItemChange } from '../../item.ts';
import { agreedOn, type Agreement } from '../store/agreement.ts';
import { merge, touchesTimes } from './merge.ts';

interface Reservation {
  /** What Outlook should show of what both sides last agreed on. */
  readonly agreement: Agreement;
  readonly wanted: Wanted;
  readonly direction: 'both' | 'booking_to_outlook' | 'outlook_to_booking';
}

/** What Outlook should show of the reservation now; nothing: it is cancelled, deleted, or in another room. */
export type Wanted =
  | { readonly is: 'nothing' }
  | {
      readonly is: 'item';
      readonly item: BookedItem;
      /**
       * covered: items of higher priority take its whole time (one slot is shown once), and all of them are in Outlook; to be
       * covered: not all of them yet; outside: of the days that are kept equal.
       */
      readonly place: 'uncovered' | 'covered' | 'to be covered' | 'outside';
    };
type There = Extract<Wanted, { is: 'item' }>;

/** The event that a mapping knows. */
interface WithEvent {
  readonly mapping: 'with-event';
  /** What Outlook showed when both last agreed; null: nothing known. */
  readonly base: Item | null;
  /** What Outlook shows now; null: nothing new, so its base. */
  readonly shows: Shown | null;
  /** The room organises the event. False: somebody invited the room, and the event is theirs. */
  readonly isOrganizer: boolean;
  /** remove: we were deleting or declining it, renew: it is to be there; if it is gone, nobody in Outlook asked for that. */
  readonly intent: 'remove' | 'renew' | null;
  /** ended: nothing that Outlook says changes it any more; revived: it ended, and its event was moved into the future. */
  readonly time: 'ahead' | 'ended' | 'revived';
  readonly choice: Choice;
}

/**
 * Who wins what both sides changed, and whether a person said so about this very conflict; null: a person decides. booking
 * gives in: Outlook refuses what the booking system says, and a person chose what Outlook shows.
 */
export type Choice =
  | { readonly side: 'booking' | 'outlook'; readonly by: 'policy' | 'person' }
  | { readonly side: 'booking gives in'; readonly by: 'person' }
  | null;

/** cancelled: the event that the mapping may still know by its id was deleted. */
export type Sides = Reservation & ({ readonly mapping: 'without-event' | 'cancelled' } | WithEvent);
type Both = Reservation & WithEvent;

/** The fields of an agreement; null: there never was one. */
const fieldsOf = (agreement: Agreement): BookedChange | null =>
  agreement.is === 'never' ? null : agreedOn(agreement);

export type Action =
  | { readonly do: 'create'; readonly item: Item }
  /** Fields to write into Outlook, fields to write into the booking system, and fields that wait for a person. */
  | {
      readonly do: 'change';
      readonly item: Item;
      readonly change: ItemChange;
      /** The `showAs` of the event is written as well: busy, or tentative where `item` is. */
      readonly showAs?: true;
      readonly toBooking: ItemChange;
      readonly open: readonly string[];
      readonly overruled: readonly string[];
    }
  | { readonly do: 'remove'; readonly as: 'cancelled' | 'shadowed' }
  /** Somebody else's meeting: its organiser is told that the room does not take it. */
  | { readonly do: 'decline' }
  /** The event stays without its reservation and begins anew as an event of its own. */
  | { readonly do: 'leave-event' }
  /** The event is gone: the reservation is cancelled, or gives up this room. */
  | { readonly do: 'cancel-booking' }
  /** Somebody else's meeting, which the booking system moved away from: it gets an event of ours at its new time. */
  | { readonly do: 'detach' }
  /**
   * A person decides. deleted: one side deleted it, the other changed it, and nobody is preferred; free: somebody else's
   * meeting is shown as free.
   */
  | { readonly do: 'ask'; readonly about: 'deleted' | 'free' }
  /** Nothing to send; `as` is what the mapping is from now on. */
  | { readonly do: 'settle'; readonly as: 'synced' | 'cancelled' | 'shadowed' | 'forget' }
  /** Both sides are equal, and its cover is not in Outlook yet: it stays until the cover is, and is due again then. */
  | { readonly do: 'wait' };

export function decide(sides: Sides): Action {
  const { wanted } = sides;
  if (sides.mapping !== 'with-event')
    return wanted.is === 'nothing'
      ? neverShown(sides)
      : withoutEvent(sides, wanted, sides.mapping === 'cancelled');
  const lost = sides.shows !== null && isGivenBack(sides.shows);
  if (wanted.is === 'nothing') return lost ? lostAlready(sides) : withoutReservation(sides);
  if (!lost) {
    // it lies wholly under something more important, and has an event of ours
    const isOurs = sides.isOrganizer && sides.direction !== 'outlook_to_booking' && !givesIn(sides);
    return isCovered(wanted) && isOurs ? underCover(sides, wanted) : bothThere(sides, wanted.item);
  }
  // Outlook says it is gone, and Outlook is heard in this room: perhaps the reservation goes, too
  if (sides.intent === null && sides.direction !== 'booking_to_outlook') return eventGone(sides, wanted);
  return withoutEvent(sides, wanted, false);
}

const isCovered = ({ place }: There) => place === 'covered' || place === 'to be covered';
const givesIn = ({ choice }: Both) => choice?.side === 'booking gives in';

/** Its event goes once its cover is in Outlook; until then its own changes go out, and what Outlook says of it is heard before. */
function underCover(sides: Both, { item, place }: There): Action {
  const own = bothThere(sides, item);
  const isHeard = own.do === 'change' && Object.keys(own.toBooking).length + own.open.length > 0;
  if (isHeard || (own.do !== 'settle' && place === 'to be covered')) return own;
  return place === 'covered' ? { do: 'remove', as: 'shadowed' } : { do: 'wait' };
}

/** The reservation is there, and has no event: new, re-enabled, uncovered, or its event went against our will. */
function withoutEvent({ direction }: Sides, wanted: There, cancelled: boolean): Action {
  // it needs none
  if (isCovered(wanted)) return { do: 'settle', as: 'shadowed' };
  // the room only takes what Outlook gives, or it lies outside the days that are kept equal: it gets none, until the window
  // reaches it
  if (direction === 'outlook_to_booking' || wanted.place === 'outside')
    return { do: 'settle', as: cancelled ? 'cancelled' : 'forget' };
  return { do: 'create', item: wanted.item };
}

/** The reservation is cancelled, deleted or has left the room, and no event of it is there. */
const neverShown = ({ mapping, agreement }: Sides): Action => ({
  do: 'settle',
  // what was never shown nobody will ask for again; what was shown only through its cover stays cancelled
  as: mapping === 'cancelled' || agreement.is !== 'never' ? 'cancelled' : 'forget',
});

/** ... and its event was given back. */
function lostAlready({ shows, isOrganizer, direction }: Both): Action {
  // our event, which was called off and is still in the calendar: it goes
  if (shows?.is === 'released' && isOrganizer && direction !== 'outlook_to_booking')
    return { do: 'remove', as: 'cancelled' };
  return { do: 'settle', as: 'cancelled' };
}

/** ... and its event is there. */
function withoutReservation(sides: Both): Action {
  // the room only takes what Outlook gives: its event stays, and so does what we know of it
  if (sides.direction === 'outlook_to_booking') return { do: 'settle', as: 'synced' };
  if (givesIn(sides)) return { do: 'leave-event' };
  // somebody else's meeting: they hear that the room does not take it
  return sides.isOrganizer ? { do: 'remove', as: 'cancelled' } : { do: 'decline' };
}

/** The event is gone from Outlook, or does not occupy the room any more, and the reservation is there. */
function eventGone(sides: Both, wanted: There): Action {
  const { agreement, time, choice } = sides;
  // what has ended is never cancelled from Outlook
  if (time !== 'ahead') return { do: 'settle', as: 'synced' };
  // it lies under something more important and was to go anyway
  if (isCovered(wanted)) return { do: 'settle', as: 'shadowed' };
  // both sides agreed on what the booking system still shows: the deletion of the event was meant
  if (agreement.is === 'agreed' && sameItem(agreement.on, wanted.item)) return { do: 'cancel-booking' };
  // nobody knows what both last agreed on (it was asked for by hand, or found): the booking system has the authority
  if (agreement.is === 'never' || agreement.is === 'unanswered') return withoutEvent(sides, wanted, false);
  // the booking system changed it meanwhile: a conflict
  if (choice === null) return { do: 'ask', about: 'deleted' };
  return choice.side === 'booking' ? withoutEvent(sides, wanted, false) : { do: 'cancel-booking' };
}

const nothing = { do: 'settle', as: 'synced' } as const;

/** A change in which nothing happens but what is said. */
const changing = (item: Item, part: Partial<Extract<Action, { do: 'change' }>>): Action => ({
  do: 'change',
  item,
  change: {},
  toBooking: {},
  open: [],
  overruled: [],
  ...part,
});

/** The reservation and its event are there: what each side changed goes to the other. */
function bothThere(sides: Both, wanted: BookedItem): Action {
  const { isOrganizer, direction } = sides;
  const agreed = fieldsOf(sides.agreement);
  const shown = (sides.shows === null ? null : standing(sides.shows)) ?? sides.base;
  const isFree = sides.shows?.is === 'free';
  if (isFree && (!isOrganizer || direction === 'outlook_to_booking')) return freeForOthers(sides, wanted);
  if (givesIn(sides) && shown !== null) return yielding(agreed, wanted, shown);
  const isOurs = isOrganizer && direction !== 'outlook_to_booking';
  // that something is tentative the booking system alone says; an event that was read tells how it is shown, an agreement that
  // is unknown does not
  const before = sides.shows?.is === 'occupied' ? sides.shows.tentative === true : isTentative(agreed);
  const isOtherwise = isFree || (isOurs && before !== isTentative(wanted));
  const showAs = isOtherwise ? ({ showAs: true } as const) : {};
  if (agreed === null || shown === null)
    return found(sides, wanted, differing(agreed ?? shown, wanted), showAs);
  const revived = sides.time === 'revived' ? ofRevived(sides, wanted, shown) : null;
  if (revived !== null) return revived;
  const byBooking = direction === 'outlook_to_booking' ? {} : changedFields(agreed, wanted);
  const byOutlook = outlookChanges(sides, shown);
  if (!isOrganizer) {
    // it is not ours to move, but the booking system has the authority over its rooms
    if (touchesTimes(known(byBooking, agreed)) && touchesTimes(changedFields(shown, wanted)))
      return { do: 'detach' };
    // its texts flow towards the booking system only
    const { toBooking } = merge({ booking: {}, outlook: byOutlook, wanted, shown, prefer: 'outlook' });
    return Object.keys(toBooking).length === 0 ? nothing : changing(wanted, { toBooking });
  }
  // a room that only takes what Outlook gives follows it, and one that Outlook is only shown follows the booking system
  const prefer =
    direction === 'both' ? sideOf(sides.choice) : direction === 'outlook_to_booking' ? 'outlook' : 'booking';
  const merged = merge({ booking: byBooking, outlook: byOutlook, wanted, shown, prefer });
  const { toBooking, open, overruled } = merged;
  // what was sent and not answered may be there or not: unless the event was read, it is written again
  const unsure = sides.shows === null ? changedFields({ ...wanted, ...unknown(agreed) }, wanted) : {};
  const change = { ...merged.toOutlook, ...unsure };
  if (Object.keys(change).length + Object.keys(toBooking).length + open.length === 0 && !isOtherwise)
    return nothing;
  return changing(wanted, { change, ...showAs, toBooking, open, overruled });
}

/** An event that was found rather than written: only what differs from it is written, if it is ours to write. */
function found(
  { isOrganizer, direction }: Both,
  wanted: BookedItem,
  change: ItemChange,
  showAs: { readonly showAs?: true },
): Action {
  // somebody else's meeting at another time
  if (!isOrganizer && direction !== 'outlook_to_booking' && touchesTimes(change)) return { do: 'detach' };
  if (!isOrganizer || direction === 'outlook_to_booking') return nothing;
  if (Object.keys(change).length === 0 && showAs.showAs !== true) return nothing;
  return changing(wanted, { change, ...showAs });
}

/**
 * What has ended was moved into the future in Outlook: whether that is the same reservation is for a person to say. Null: that
 * person follows Outlook, or nobody does.
 */
function ofRevived({ isOrganizer, direction, choice }: Both, wanted: BookedItem, shown: Item): Action | null {
  if (choice?.by !== 'person')
    return direction === 'booking_to_outlook' ? null : changing(wanted, { open: ['startsAt', 'endsAt'] });
  if (choice.side !== 'booking') return null;
  // what a person keeps is shown again where it was; the meeting of somebody else stays where it is
  const change = differing(shown, wanted);
  return !isOrganizer || Object.keys(change).length === 0 ? nothing : changing(wanted, { change });
}

/** What Outlook changed, as far as that is followed. */
function outlookChanges({ base, direction, time, choice }: Both, shown: Item): ItemChange {
  const isFollowed = time === 'ahead' || (time === 'revived' && choice?.by === 'person');
  return !isFollowed || direction === 'booking_to_outlook' || base === null ? {} : changedFields(base, shown);
}

const sideOf = (choice: Choice) => (choice?.side === 'booking gives in' ? 'outlook' : (choice?.side ?? null));

const isTentative = (item: BookedChange | null): boolean => item?.as?.tentative === true;

/**
 * Shown as free, which the booking system cannot store, where that is not ours to take back: somebody else's meeting, or a
 * room that only takes what Outlook gives.
 */
function freeForOthers({ choice, direction }: Both, wanted: Item): Action {
  if (direction === 'booking_to_outlook') return nothing;
  if (choice?.by !== 'person') return { do: 'ask', about: 'free' };
  if (choice.side !== 'booking') return { do: 'cancel-booking' };
  return changing(wanted, { showAs: true });
}

/** What the booking system changed goes back to what Outlook shows. */
function yielding(agreed: ItemChange | null, wanted: Item, shown: Item): Action {
  const changed = itemFields.filter((field) => agreed?.[field] !== wanted[field]);
  const differs = changedFields(wanted, shown);
  const toBooking: ItemChange = Object.fromEntries(
    changed.filter((field) => differs[field] !== undefined).map((field) => [field, shown[field]]),
  );
  return Object.keys(toBooking).length === 0 ? nothing : changing(wanted, { toBooking });
}

/**
 * Fields that differ. What is private on both sides may have its own words in Outlook, where somebody typed them: those
 * are not ours to take away, unless the room says what is shown of private items.
 */
function differing(before: ItemChange | null, wanted: BookedItem): ItemChange {
  const change = changedFields(before, wanted);
  if (before?.isPrivate !== true || !wanted.isPrivate || wanted.as?.privacy !== undefined) return change;
  const { title: _title, description: _description, ...rest } = change;
  return rest;
}

/** The fields on which nobody knows whether both agree. */
const unknown = (agreed: ItemChange): ItemChange =>
  Object.fromEntries(
    itemFields.filter((field) => agreed[field] === undefined).map((field) => [field, undefined]),
  );

/** Of these fields those on which both sides once agreed. */
const known = (change: ItemChange, agreed: ItemChange): ItemChange =>
  Object.fromEntries(Object.entries(change).filter(([field]) => agreed[field as keyof Item] !== undefined));
