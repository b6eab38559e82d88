/**
 * The action for one reservation in one room, from the last agreement of both sides and what they show now. Pure and total:
 * no clock, no I/O. Each side is compared with its own base only, because Outlook rewrites what it is given.
 */
import type { BookedChange, BookedItem } from '../../appearance.ts';
import { isGivenBack, standing, type Shown } from '../../event.ts';
import { changedFields, itemFields, sameItem, touchesTimes, type Item, type ItemChange } from '../../item.ts';
import { agreedOn, type Agreement } from '../store/agreement.ts';
import { merge } from './merge.ts';

interface Reservation {
  /** What Outlook should show of the last agreement. */
  readonly agreement: Agreement;
  /** ... of the reservation as edits in Outlook of its events in other rooms have left it; null: there were none, or other changes. */
  readonly followed: Item | null;
  readonly wanted: Wanted;
  readonly direction: 'both' | 'booking_to_outlook' | 'outlook_to_booking';
}

/** What Outlook should show now; nothing: the reservation is cancelled, deleted, or in another room. */
export type Wanted =
  /** elsewhere: the reservation as it is in its other rooms; null: it is in none. */
  | { readonly is: 'nothing'; readonly elsewhere: BookedItem | null }
  | {
      readonly is: 'item';
      readonly item: BookedItem;
      /**
       * covered: items of higher priority take its whole time (a time is shown once), and all of them are in Outlook; to be
       * covered: not all of them yet; outside: it lies outside the window.
       */
      readonly place: 'uncovered' | 'covered' | 'to be covered' | 'outside';
    };
type There = Extract<Wanted, { is: 'item' }>;

/** A mapping with an event. */
interface WithEvent {
  readonly mapping: 'with-event';
  /** What Outlook showed at the last agreement; null: unknown. */
  readonly base: Item | null;
  /** What Outlook shows now; null: still its base. */
  readonly shows: Shown | null;
  /** The room organises the event. False: the room was invited, and the event belongs to its organiser. */
  readonly isOrganizer: boolean;
  /** remove: we were deleting or declining it; renew: it is to exist. With either, a missing event was not deleted by a user. */
  readonly intent: 'remove' | 'renew' | null;
  /** ended: changes in Outlook are ignored; revived: it ended, and its event was then moved into the future. */
  readonly time: 'ahead' | 'ended' | 'revived';
  readonly choice: Choice;
}

/**
 * The side that wins where both changed, by the policy or by a person's choice about this conflict; null: a person decides.
 * booking gives in: Outlook refuses the state of the booking system, and a person chose what Outlook shows.
 */
export type Choice =
  | { readonly side: 'booking' | 'outlook'; readonly by: 'policy' | 'person' }
  | { readonly side: 'booking gives in'; readonly by: 'person' }
  | null;

/** cancelled: the event was deleted; the mapping may still have its id. */
export type Sides = Reservation & ({ readonly mapping: 'without-event' | 'cancelled' } | WithEvent);
type Both = Reservation & WithEvent;

/** The agreed fields; null: there never was an agreement. */
const fieldsOf = (agreement: Agreement): BookedChange | null =>
  agreement.is === 'never' ? null : agreedOn(agreement);

export type Action =
  | { readonly do: 'create'; readonly item: Item }
  /** Fields to write to Outlook (`change`), fields to write to the booking system, and fields that wait for a person. */
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
  /** discarded: fields that were edited in Outlook, and whose edits the removal discards. */
  | {
      readonly do: 'remove';
      readonly as: 'cancelled' | 'shadowed';
      readonly discarded?: readonly string[];
    }
  /** Another organiser's meeting: the room declines it. */
  | { readonly do: 'decline'; readonly discarded?: readonly string[] }
  /** The event stays without its reservation and becomes an unmapped event. */
  | { readonly do: 'leave-event' }
  /** The event is gone: the reservation is cancelled, or leaves this room. */
  | { readonly do: 'cancel-booking' }
  /** The booking system moved the reservation away from another organiser's meeting: it gets an event of ours at its new time. */
  | { readonly do: 'detach' }
  /**
   * A person decides. deleted: one side deleted it and the other changed it, without a preferred side; free: another organiser's
   * meeting is shown as free.
   */
  | { readonly do: 'ask'; readonly about: 'deleted' | 'free' }
  /** Nothing to send; `as` is the new status of the mapping. */
  | { readonly do: 'settle'; readonly as: 'synced' | 'cancelled' | 'shadowed' | 'forget' }
  /** Both sides are equal, and its cover is not in Outlook yet: it stays until then, and is due again then. */
  | { readonly do: 'wait' };

export function decide(sides: Sides): Action {
  const { wanted } = sides;
  if (sides.mapping !== 'with-event')
    return wanted.is === 'nothing' ? neverShown(sides) : withoutEvent(sides, wanted);
  const lost = sides.shows !== null && isGivenBack(sides.shows);
  if (wanted.is === 'nothing') return lost ? lostAlready(sides) : withoutReservation(sides, wanted.elsewhere);
  if (!lost) {
    const isCoveredEvent = isCovered(wanted) && isWritable(sides) && !givesIn(sides);
    return isCoveredEvent ? covered(sides, wanted) : bothThere(sides, wanted.item);
  }
  // the event was deleted, and deletions in this room are followed
  if (sides.intent === null && sides.direction !== 'booking_to_outlook') return eventGone(sides, wanted);
  return withoutEvent(sides, wanted);
}

const isCovered = ({ place }: There) => place === 'covered' || place === 'to be covered';
const givesIn = ({ choice }: Both) => choice?.side === 'booking gives in';
/** We may write the event: the room organises it, and its direction does not forbid it. */
const isWritable = ({ isOrganizer, direction }: Both) => isOrganizer && direction !== 'outlook_to_booking';

/** The event is removed once its cover is in Outlook. Before that its own changes are written, and edits in Outlook are followed. */
function covered(sides: Both, { item, place }: There): Action {
  const own = bothThere(sides, item);
  const isEdited = own.do === 'change' && Object.keys(own.toBooking).length + own.open.length > 0;
  if (isEdited || (own.do !== 'settle' && place === 'to be covered')) return own;
  if (place !== 'covered') return { do: 'wait' };
  return { do: 'remove', as: 'shadowed', ...discarding(own.do === 'change' ? own.overruled : []) };
}

/** The reservation exists and has no event: it is new, re-enabled or no longer covered, or its event has to be created again. */
function withoutEvent({ mapping, direction }: Sides, wanted: There): Action {
  if (isCovered(wanted)) return { do: 'settle', as: 'shadowed' };
  if (direction === 'outlook_to_booking' || wanted.place === 'outside')
    return { do: 'settle', as: mapping === 'cancelled' ? 'cancelled' : 'forget' };
  return { do: 'create', item: wanted.item };
}

/** The reservation is cancelled, deleted or has left the room, and has no event. */
const neverShown = ({ mapping, agreement }: Sides): Action => ({
  do: 'settle',
  // a mapping that was never shown is dropped; one that was shown only through its cover stays
  as: mapping === 'cancelled' || agreement.is !== 'never' ? 'cancelled' : 'forget',
});

/** ... and its event was given back. */
function lostAlready(sides: Both): Action {
  // a cancelled event of ours is still in the calendar
  if (sides.shows?.is === 'released' && isWritable(sides)) return { do: 'remove', as: 'cancelled' };
  return { do: 'settle', as: 'cancelled' };
}

/**
 * ... and its event exists. Edits in Outlook go to the reservation first if it only left this room. A cancellation discards them,
 * because it was made for the whole reservation.
 */
function withoutReservation(sides: Both, elsewhere: BookedItem | null): Action {
  // the booking system is not followed in this room
  if (sides.direction === 'outlook_to_booking') return { do: 'settle', as: 'synced' };
  if (givesIn(sides)) return { do: 'leave-event' };
  const shown = sides.shows === null ? null : standing(sides.shows);
  const edits = shown === null ? {} : outlookChanges(sides, shown);
  const followed = shown === null || elsewhere === null ? null : taken(sides, edits, elsewhere, shown);
  if (followed !== null && Object.keys(followed.toBooking).length + followed.open.length > 0)
    return changing(elsewhere!, followed);
  const discarded = discarding(followed === null ? Object.keys(edits) : followed.overruled);
  return sides.isOrganizer
    ? { do: 'remove', as: 'cancelled', ...discarded }
    : { do: 'decline', ...discarded };
}

const discarding = (fields: readonly string[]) => (fields.length === 0 ? {} : { discarded: fields });

/** What a reservation that left the room takes over from its event there. */
function taken(sides: Both, outlook: ItemChange, wanted: BookedItem, shown: Item) {
  const booking = changedFields(fieldsOf(sides.agreement), wanted);
  const { toBooking, open, overruled } = merge({
    booking,
    outlook,
    wanted,
    shown,
    prefer: sides.direction === 'both' ? sideOf(sides.choice) : 'booking',
  });
  return { toBooking, open, overruled };
}

/** The event is gone from Outlook, or no longer occupies the room, and the reservation exists. */
function eventGone(sides: Both, wanted: There): Action {
  const { agreement, followed, time, choice } = sides;
  // what has ended is never cancelled from Outlook
  if (time !== 'ahead') return { do: 'settle', as: 'synced' };
  // whether it is covered by now or not, the reservation is still as agreed: the deletion of the event is meant for it
  if (agreement.is === 'agreed' && sameItem(agreement.on, wanted.item)) return { do: 'cancel-booking' };
  // only Outlook changed it, in another room: which of the two was read first makes no difference
  if (followed !== null && sameItem(followed, wanted.item)) return { do: 'cancel-booking' };
  // the last agreement is unknown (it was requested by hand, or found): the booking system has the authority
  if (agreement.is === 'never' || agreement.is === 'unanswered') return withoutEvent(sides, wanted);
  // the booking system changed it meanwhile
  if (choice === null) return { do: 'ask', about: 'deleted' };
  return choice.side === 'booking' ? withoutEvent(sides, wanted) : { do: 'cancel-booking' };
}

const nothing = { do: 'settle', as: 'synced' } as const;

/** A change with only these parts. */
export const changing = (item: Item, part: Partial<Extract<Action, { do: 'change' }>>): Action => ({
  do: 'change',
  item,
  change: {},
  toBooking: {},
  open: [],
  overruled: [],
  ...part,
});

/** The reservation and its event exist: the changes of each side go to the other. */
function bothThere(sides: Both, wanted: BookedItem): Action {
  const { isOrganizer, direction } = sides;
  const mayWrite = isWritable(sides);
  const agreed = fieldsOf(sides.agreement);
  const shown = (sides.shows === null ? null : standing(sides.shows)) ?? sides.base;
  const isFree = sides.shows?.is === 'free';
  if (isFree && !mayWrite) return freeForOthers(sides, wanted);
  if (givesIn(sides) && shown !== null) return yielding(agreed, wanted, shown);
  // only the booking system makes something tentative; the event shows whether it is, an unknown agreement does not
  const before = sides.shows?.is === 'occupied' ? sides.shows.tentative === true : isTentative(agreed);
  const showAsDiffers = isFree || (mayWrite && before !== isTentative(wanted));
  const showAs = showAsDiffers ? ({ showAs: true } as const) : {};
  if (agreed === null || shown === null)
    return found(sides, wanted, differing(agreed ?? shown, wanted), showAs);
  const revived = sides.time === 'revived' ? ofRevived(sides, wanted, shown) : null;
  if (revived !== null) return revived;
  const byBooking = direction === 'outlook_to_booking' ? {} : changedFields(agreed, wanted);
  const byOutlook = outlookChanges(sides, shown);
  if (!isOrganizer) {
    // we cannot move it, but the booking system has the authority over its rooms
    if (touchesTimes(known(byBooking, agreed)) && touchesTimes(changedFields(shown, wanted)))
      return { do: 'detach' };
    // its texts are only followed
    const { toBooking } = merge({ booking: {}, outlook: byOutlook, wanted, shown, prefer: 'outlook' });
    return Object.keys(toBooking).length === 0 ? nothing : changing(wanted, { toBooking });
  }
  const prefer =
    direction === 'both' ? sideOf(sides.choice) : direction === 'outlook_to_booking' ? 'outlook' : 'booking';
  const merged = merge({ booking: byBooking, outlook: byOutlook, wanted, shown, prefer });
  const { toBooking, open, overruled } = merged;
  // what was sent without an answer may be in Outlook or not: unless the event was read, it is written again
  const unanswered = sides.shows === null ? changedFields({ ...wanted, ...unknown(agreed) }, wanted) : {};
  const change = { ...merged.toOutlook, ...unanswered };
  if (Object.keys(change).length + Object.keys(toBooking).length + open.length === 0 && !showAsDiffers)
    return nothing;
  return changing(wanted, { change, ...showAs, toBooking, open, overruled });
}

/** An event that was found instead of created: only what differs is written, if we may write it. */
function found(
  sides: Both,
  wanted: BookedItem,
  change: ItemChange,
  showAs: { readonly showAs?: true },
): Action {
  const { isOrganizer, direction } = sides;
  if (!isOrganizer && direction !== 'outlook_to_booking' && touchesTimes(change)) return { do: 'detach' };
  if (!isWritable(sides)) return nothing;
  if (Object.keys(change).length === 0 && showAs.showAs !== true) return nothing;
  return changing(wanted, { change, ...showAs });
}

/**
 * An ended reservation was moved into the future in Outlook: a person decides whether it is the same one. Null: that person
 * chose Outlook, or Outlook is not followed.
 */
function ofRevived({ isOrganizer, direction, choice }: Both, wanted: BookedItem, shown: Item): Action | null {
  if (choice?.by !== 'person')
    return direction === 'booking_to_outlook' ? null : changing(wanted, { open: ['startsAt', 'endsAt'] });
  if (choice.side !== 'booking') return null;
  // the event returns to the kept time; another organiser's meeting stays where it is
  const change = differing(shown, wanted);
  return !isOrganizer || Object.keys(change).length === 0 ? nothing : changing(wanted, { change });
}

/** The changes in Outlook, as far as they are followed. */
function outlookChanges({ base, direction, time, choice }: Both, shown: Item): ItemChange {
  const isFollowed = time === 'ahead' || (time === 'revived' && choice?.by === 'person');
  return !isFollowed || direction === 'booking_to_outlook' || base === null ? {} : changedFields(base, shown);
}

const sideOf = (choice: Choice) => (choice?.side === 'booking gives in' ? 'outlook' : (choice?.side ?? null));

const isTentative = (item: BookedChange | null): boolean => item?.as?.tentative === true;

/** An event that is shown as free, which the booking system cannot store, and that we may not write. */
function freeForOthers({ choice, direction }: Both, wanted: Item): Action {
  if (direction === 'booking_to_outlook') return nothing;
  if (choice?.by !== 'person') return { do: 'ask', about: 'free' };
  if (choice.side !== 'booking') return { do: 'cancel-booking' };
  return changing(wanted, { showAs: true });
}

/** The changes of the booking system are reverted to what Outlook shows. */
function yielding(agreed: ItemChange | null, wanted: Item, shown: Item): Action {
  const changed = itemFields.filter((field) => agreed?.[field] !== wanted[field]);
  const differs = changedFields(wanted, shown);
  const toBooking: ItemChange = Object.fromEntries(
    changed.filter((field) => differs[field] !== undefined).map((field) => [field, shown[field]]),
  );
  return Object.keys(toBooking).length === 0 ? nothing : changing(wanted, { toBooking });
}

/**
 * Fields that differ. An item that is private on both sides may have a text that was typed in Outlook; it is kept, unless the room
 * has a setting for what is shown of private items.
 */
function differing(before: ItemChange | null, wanted: BookedItem): ItemChange {
  const change = changedFields(before, wanted);
  if (before?.isPrivate !== true || !wanted.isPrivate || wanted.as?.privacy !== undefined) return change;
  const { title: _title, description: _description, ...rest } = change;
  return rest;
}

/** The fields without a known agreement. */
const unknown = (agreed: ItemChange): ItemChange =>
  Object.fromEntries(
    itemFields.filter((field) => agreed[field] === undefined).map((field) => [field, undefined]),
  );

/** Of these fields those with a known agreement. */
const known = (change: ItemChange, agreed: ItemChange): ItemChange =>
  Object.fromEntries(Object.entries(change).filter(([field]) => agreed[field as keyof Item] !== undefined));
