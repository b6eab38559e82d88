/**
 * What to do about one mapping, given what both sides last agreed on and what they show now. Pure and total: no
 * clock, no I/O. Each side is compared with its own base only, because Outlook rewrites what it is given.
 */
import { changedFields, type Item, type ItemChange } from '../item.ts';

export interface Sides {
  /**
   * What Outlook should show of the reservation as both sides last agreed on it; null: they never did. A field that is
   * missing was sent and not answered: nobody knows what Outlook shows of it, so it is written again.
   */
  readonly agreed: ItemChange | null;
  /** What Outlook should show of the reservation now; null: nothing (cancelled, deleted, or in another room). */
  readonly wanted: Item | null;
  /** What Outlook showed when both last agreed, or when the event was found; null: nothing known. */
  readonly outlook: Item | null;
  /** Whether the mapping knows an event in Outlook. */
  readonly hasEvent: boolean;
  readonly inWindow: boolean;
  /** Items of higher priority take its whole time (one slot is shown once) ... */
  readonly covered: boolean;
  /** ... and all of them are in Outlook. */
  readonly coverConfirmed: boolean;
  /** The mapping is cancelled: the event it knows is one that was deleted. */
  readonly cancelled: boolean;
}

export type Action =
  | { readonly do: 'create'; readonly item: Item }
  | { readonly do: 'change'; readonly item: Item; readonly change: ItemChange }
  | { readonly do: 'remove'; readonly as: 'cancelled' | 'shadowed' }
  /** Nothing to send; `as` is what the mapping is from now on. */
  | { readonly do: 'settle'; readonly as: 'synced' | 'cancelled' | 'shadowed' | 'forget' }
  /** Its cover is not in Outlook yet: it stays until the cover is, and is looked at again then. */
  | { readonly do: 'wait' };

export function decide(sides: Sides): Action {
  const { agreed, wanted, outlook, covered, coverConfirmed, cancelled, inWindow } = sides;
  const live = sides.hasEvent && !cancelled;

  // the reservation is cancelled, deleted or has left the room, and its event is there: the event goes
  if (wanted === null && live) return { do: 'remove', as: 'cancelled' };
  // ... and its event is gone already, or it was shown only through its cover: it stays cancelled
  if (wanted === null && (cancelled || agreed !== null)) return { do: 'settle', as: 'cancelled' };
  // ... and it was never shown: nobody will ask for it again
  if (wanted === null) return { do: 'settle', as: 'forget' };

  // it lies wholly under something more important, and has an event: that goes once the cover is seen
  if (covered && live) return coverConfirmed ? { do: 'remove', as: 'shadowed' } : { do: 'wait' };
  // ... and has no event: it needs none
  if (covered) return { do: 'settle', as: 'shadowed' };

  // it has no event, and lies outside the days that are kept equal: nothing to do until the window reaches it
  if (!live && !inWindow) return { do: 'settle', as: cancelled ? 'cancelled' : 'forget' };
  // it has no event (new, re-enabled, uncovered): a fresh one
  if (!live) return { do: 'create', item: wanted };

  // it has an event that was found rather than written: only what differs from it is written
  // it has an event both sides agreed on: only what the booking system changed since is written
  const change = changedFields(agreed ?? outlook, wanted);
  if (Object.keys(change).length > 0) return { do: 'change', item: wanted, change };
  return { do: 'settle', as: 'synced' };
}
