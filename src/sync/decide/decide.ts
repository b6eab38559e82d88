/**
 * What to do about one reservation in one room, given what both sides last agreed on and what they show now. Pure and
 * total: no clock, no I/O. Each side is compared with its own base only, because Outlook rewrites what it is given.
 */
import { isGivenBack, standing, type Shown } from '../../event.ts';
import { changedFields, itemFields, sameItem, type Item, type ItemChange } from '../../item.ts';
import { merge, touchesTimes } from './merge.ts';

export interface Sides {
  /**
   * What Outlook should show of the reservation as both sides last agreed on it; null: they never did. A field that is
   * missing was sent and not answered: nobody knows what Outlook shows of it, so it is written again.
   */
  readonly agreed: ItemChange | null;
  /** What Outlook should show of the reservation now; null: nothing (cancelled, deleted, or in another room). */
  readonly wanted: Item | null;
  /** What Outlook showed when both last agreed; null: nothing known. */
  readonly outlookBase: Item | null;
  /** What Outlook shows now; null: nothing new, so its base. */
  readonly outlook: Shown | null;
  /** Whether the mapping knows an event in Outlook. */
  readonly hasEvent: boolean;
  /** The room organises the event. False: somebody invited the room, and the event is theirs. */
  readonly isOrganizer: boolean;
  /** We were deleting or declining the event when last seen: if it is gone, nobody else did it. */
  readonly removing: boolean;
  readonly inWindow: boolean;
  /** The item lies in the past: nothing that Outlook says changes it any more. */
  readonly ended: boolean;
  /** ... although its event was moved into the future. */
  readonly revived: boolean;
  /** `prefer` is what a person said about this very conflict. */
  readonly chosen: boolean;
  /** Items of higher priority take its whole time (one slot is shown once) ... */
  readonly covered: boolean;
  /** ... and all of them are in Outlook. */
  readonly coverConfirmed: boolean;
  /** The mapping is cancelled: the event it knows is one that was deleted. */
  readonly cancelled: boolean;
  readonly direction: 'both' | 'booking_to_outlook' | 'outlook_to_booking';
  /** Who wins what both sides changed; null: a person decides. */
  readonly prefer: 'booking' | 'outlook' | null;
}

export type Action =
  | { readonly do: 'create'; readonly item: Item }
  /** Fields to write into Outlook, fields to write into the booking system, and fields that wait for a person. */
  | {
      readonly do: 'change';
      readonly item: Item;
      readonly change: ItemChange;
      /** The event is shown as free, and as busy from now on. */
      readonly busy?: true;
      readonly toBooking: ItemChange;
      readonly open: readonly string[];
      readonly overruled: readonly string[];
    }
  | { readonly do: 'remove'; readonly as: 'cancelled' | 'shadowed' }
  /** Somebody else's meeting: its organiser is told that the room does not take it. */
  | { readonly do: 'decline' }
  /** The event is gone: the reservation is cancelled, or gives up this room. */
  | { readonly do: 'cancel-booking' }
  /** Somebody else's meeting, which the booking system moved away from: it gets an event of ours at its new time. */
  | { readonly do: 'part' }
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
  const { wanted, cancelled, covered, inWindow, direction } = sides;
  const live = sides.hasEvent && !cancelled;
  const lost = live && sides.outlook !== null && isGivenBack(sides.outlook);

  if (wanted === null) return withoutReservation(sides, live, lost);

  // the event is gone, and we were about to delete it: nobody in Outlook asked for that
  const deleted = lost && !sides.removing;
  // Outlook says it is gone, and Outlook is heard in this room: perhaps the reservation goes, too
  if (deleted && direction !== 'booking_to_outlook') return withoutEvent(sides);
  const there = live && !lost;

  // it lies wholly under something more important, and has an event of ours
  if (covered && there && sides.isOrganizer && direction !== 'outlook_to_booking')
    return underCover(sides, wanted);
  // ... and has no event: it needs none
  if (covered && !there) return { do: 'settle', as: 'shadowed' };

  // it has no event, and the room only takes what Outlook gives: it gets none
  if (!there && direction === 'outlook_to_booking')
    return { do: 'settle', as: cancelled ? 'cancelled' : 'forget' };
  // it has no event, and lies outside the days that are kept equal: nothing to do until the window reaches it
  if (!there && !inWindow) return { do: 'settle', as: cancelled ? 'cancelled' : 'forget' };
  // it has no event (new, re-enabled, uncovered): a fresh one
  if (!there) return { do: 'create', item: wanted };

  return bothThere(sides, wanted);
}

/** Its event goes once its cover is in Outlook; until then its own changes go out, and what Outlook says of it is heard before. */
function underCover(sides: Sides, wanted: Item): Action {
  const own = bothThere(sides, wanted);
  const isHeard = own.do === 'change' && Object.keys(own.toBooking).length + own.open.length > 0;
  if (isHeard || (own.do !== 'settle' && !sides.coverConfirmed)) return own;
  return sides.coverConfirmed ? { do: 'remove', as: 'shadowed' } : { do: 'wait' };
}

/** The reservation is cancelled, deleted or has left the room. */
function withoutReservation(sides: Sides, live: boolean, lost: boolean): Action {
  const { agreed, cancelled, isOrganizer, direction } = sides;
  // the room only takes what Outlook gives: its event stays, and so does what we know of it
  if (live && !lost && direction === 'outlook_to_booking') return { do: 'settle', as: 'synced' };
  // somebody else's meeting: they hear that the room does not take it
  if (live && !lost && !isOrganizer) return { do: 'decline' };
  // our event: it goes
  if (live && !lost) return { do: 'remove', as: 'cancelled' };
  if (live && sides.outlook?.is === 'released' && isOrganizer && direction !== 'outlook_to_booking')
    return { do: 'remove', as: 'cancelled' };
  // its event is gone already, or it was shown only through its cover: it stays cancelled
  if (cancelled || lost || agreed !== null) return { do: 'settle', as: 'cancelled' };
  // it was never shown: nobody will ask for it again
  return { do: 'settle', as: 'forget' };
}

/** The event is gone from Outlook, or does not occupy the room any more, and the reservation is there. */
function withoutEvent(sides: Sides): Action {
  const { agreed, covered, ended, prefer } = sides;
  const wanted = sides.wanted!;
  // what has ended is never cancelled from Outlook
  if (ended) return { do: 'settle', as: 'synced' };
  // it lies under something more important and was to go anyway
  if (covered) return { do: 'settle', as: 'shadowed' };
  // both sides agreed on what the booking system still shows: whoever deleted the event meant it
  const agreedOn = agreed !== null && itemFields.every((field) => agreed[field] !== undefined);
  if (agreedOn && sameItem(agreed, wanted)) return { do: 'cancel-booking' };
  // nobody knows what both last agreed on (it was asked for by hand, or found): the booking system has the authority
  if (agreed === null || Object.keys(agreed).length === 0) return again(sides, wanted);
  // the booking system changed it meanwhile: a conflict
  if (prefer === 'outlook') return { do: 'cancel-booking' };
  return prefer === 'booking' ? again(sides, wanted) : { do: 'ask', about: 'deleted' };
}

const again = ({ direction, inWindow }: Sides, wanted: Item): Action =>
  direction === 'outlook_to_booking' || !inWindow
    ? { do: 'settle', as: 'forget' }
    : { do: 'create', item: wanted };

/** The reservation and its event are there: what each side changed goes to the other. */
function bothThere(sides: Sides, wanted: Item): Action {
  const { agreed, outlookBase, isOrganizer, direction, ended } = sides;
  const shown = (sides.outlook === null ? null : standing(sides.outlook)) ?? outlookBase;
  const nothing = { do: 'settle', as: 'synced' } as const;
  const isFree = sides.outlook?.is === 'free';
  if (isFree && (!isOrganizer || direction === 'outlook_to_booking')) return freeForOthers(sides, wanted);
  const busy = isFree ? ({ busy: true } as const) : {};

  // an event that was found rather than written: only what differs from it is written, if it is ours to write
  if (agreed === null || shown === null) {
    const change = differing(agreed ?? shown, wanted);
    // somebody else's meeting at another time: see below
    if (!isOrganizer && direction !== 'outlook_to_booking' && touchesTimes(change)) return { do: 'part' };
    if (!isOrganizer || direction === 'outlook_to_booking') return nothing;
    if (Object.keys(change).length === 0 && !isFree) return nothing;
    return { do: 'change', item: wanted, change, ...busy, toBooking: {}, open: [], overruled: [] };
  }

  const byBooking = direction === 'outlook_to_booking' ? {} : changedFields(agreed, wanted);
  const byOutlook =
    (ended && !(sides.revived && sides.chosen)) || direction === 'booking_to_outlook' || outlookBase === null
      ? {}
      : changedFields(outlookBase, shown);

  // what has ended was moved into the future in Outlook: whether that is the same reservation is for a person to say
  if (sides.revived && !sides.chosen && direction !== 'booking_to_outlook')
    return {
      do: 'change',
      item: wanted,
      change: {},
      toBooking: {},
      open: ['startsAt', 'endsAt'],
      overruled: [],
    };

  // somebody else's meeting: it is not ours to move, but the booking system has the authority over its rooms
  if (!isOrganizer) {
    if (touchesTimes(known(byBooking, agreed)) && touchesTimes(changedFields(shown, wanted)))
      return { do: 'part' };
    // its texts flow towards the booking system only
    const { toBooking } = merge({ booking: {}, outlook: byOutlook, wanted, shown, prefer: 'outlook' });
    if (Object.keys(toBooking).length === 0) return nothing;
    return { do: 'change', item: wanted, change: {}, toBooking, open: [], overruled: [] };
  }

  // a room that only takes what Outlook gives follows it, and one that Outlook is only shown follows the booking system
  const prefer =
    direction === 'both' ? sides.prefer : direction === 'outlook_to_booking' ? 'outlook' : 'booking';
  const merged = merge({ booking: byBooking, outlook: byOutlook, wanted, shown, prefer });
  const { toBooking, open, overruled } = merged;
  // what was sent and not answered may be there or not: unless the event was read, it is written again
  const unsure = sides.outlook === null ? changedFields({ ...wanted, ...unknown(agreed) }, wanted) : {};
  const change = { ...merged.toOutlook, ...unsure };
  if (Object.keys(change).length + Object.keys(toBooking).length + open.length === 0 && !isFree)
    return nothing;
  return { do: 'change', item: wanted, change, ...busy, toBooking, open, overruled };
}

/**
 * Shown as free, which the booking system cannot store, where that is not ours to take back: somebody else's meeting, or a
 * room that only takes what Outlook gives.
 */
function freeForOthers({ chosen, prefer, direction }: Sides, wanted: Item): Action {
  if (direction === 'booking_to_outlook') return { do: 'settle', as: 'synced' };
  if (!chosen) return { do: 'ask', about: 'free' };
  if (prefer === 'outlook') return { do: 'cancel-booking' };
  return { do: 'change', item: wanted, change: {}, busy: true, toBooking: {}, open: [], overruled: [] };
}

/**
 * Fields that differ. What is private on both sides may have its own words in Outlook, where somebody typed them: those
 * are not ours to take away.
 */
function differing(before: ItemChange | null, wanted: Item): ItemChange {
  const change = changedFields(before, wanted);
  if (before?.isPrivate !== true || !wanted.isPrivate) return change;
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
