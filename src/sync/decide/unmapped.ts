/** What becomes of an event that no reservation knows yet. Pure: the books and the event were read before. */
import type { OutlookEvent } from '../../event.ts';
import { sameItem, type Item, type ReservationKey } from '../../item.ts';
import type { Candidates } from '../match/candidates.ts';
import type { ConflictNote, Due, WaitsFor } from '../store/mappings.ts';
import type { OutlookSide } from '../outlook-side.ts';

export type OverlapPolicy = 'flag' | 'import' | 'decline';

export interface UnmappedPolicy {
  readonly overlap: OverlapPolicy;
  /** manual: an import waits until a person asks for it. */
  readonly importMode: 'auto' | 'manual';
  readonly show: OutlookSide['show'];
}

export type UnmappedAction =
  /** It is none of ours to deal with. */
  | { readonly do: 'forget'; readonly reason: string }
  /** The mapping of its marks knows no event and looks for this one. */
  | { readonly do: 'find'; readonly mapping: number }
  /** It becomes the mapping of the reservation whose marks it carries. */
  | { readonly do: 'become'; readonly marks: ReservationKey }
  /** It is the same thing as this mapping's reservation, booked on both sides. */
  | { readonly do: 'give'; readonly mapping: number }
  /** It leaves the room: deleted if the room organises it, else declined. */
  | { readonly do: 'send-away' }
  | { readonly do: 'flag'; readonly conflict: ConflictNote; readonly said: string }
  | { readonly do: 'wait'; readonly for: WaitsFor }
  | { readonly do: 'import'; readonly overlap: 'allow' | 'refuse' };

/** What is known of an event that was not given back, and what a person said about it. */
export interface UnmappedEvent {
  readonly event: OutlookEvent;
  readonly item: Item;
  readonly due: Pick<Due, 'resolution' | 'importAsked' | 'conflict'>;
  readonly kin: Candidates;
}

export function decideUnmapped(newborn: UnmappedEvent, policy: UnmappedPolicy): UnmappedAction {
  const { event, due, kin } = newborn;
  if (!kin.inWindow) return { do: 'forget', reason: 'it lies outside the days that are kept equal' };
  if (event.shows.is === 'undecided') return { do: 'wait', for: 'answer' };
  const marked = event.marks !== null && event.isOrganizer ? ofMarked(newborn, event.marks, policy) : null;
  if (marked !== null) return marked;
  if (event.shows.is === 'free') return { do: 'wait', for: 'free' };
  if (due.resolution === 'booking') return { do: 'send-away' };
  if (kin.pair !== null && !kin.isCopy) return { do: 'give', mapping: kin.pair };
  const waits = policy.importMode === 'manual' && !due.importAsked && due.resolution === null;
  if (waits && due.conflict === null) return { do: 'wait', for: 'import' };
  const allows = policy.overlap === 'import' || due.resolution === 'outlook';
  return { do: 'import', overlap: allows ? 'allow' : 'refuse' };
}

/** It carries the marks of a reservation; null: it is a copy of that reservation's event, and so an event of its own. */
function ofMarked(
  { item, due, kin }: UnmappedEvent,
  marks: ReservationKey,
  { show }: UnmappedPolicy,
): UnmappedAction | null {
  // its mapping knows no event: a create whose answer was lost
  if (kin.mapping !== null && kin.mapping.waits) return { do: 'find', mapping: kin.mapping.id };
  if (kin.mapping !== null && kin.mapping.status !== 'cancelled') return null;
  if (kin.reservation === null) {
    // its reservation is gone: deleted, if it is surely ours and the brake allows it
    if (kin.logged) return { do: 'become', marks };
    if (due.resolution === 'booking') return { do: 'send-away' };
    if (due.resolution === 'outlook') return null;
    const said = `It carries the marks of ${marks.type} ${marks.id}, which is not there.`;
    return { do: 'flag', conflict: { kind: 'orphan', outlook: item }, said };
  }
  if (kin.reservation.active)
    return !kin.reservation.here || kin.mapping !== null ? null : { do: 'become', marks };
  // its reservation is cancelled. The event of a mapping that was lost, or a create that arrived late: it goes. What
  // somebody copied from it is an event of its own
  const shown = kin.reservation.item === null ? null : show(kin.reservation.item);
  return kin.mapping === null || sameItem(shown, item) ? { do: 'send-away' } : null;
}

/**
 * What becomes of somebody's meeting that the booking system moved away from, by what its reservation shows now; null: the
 * reservation does not want this room any more.
 */
export function decideMovedUnmapped(
  { resolution }: Pick<Due, 'resolution'>,
  meeting: Item,
  other: { readonly booking: Item | null } | null,
): 'send-away' | 'wait' | 'take-back' {
  if (other === null || resolution === 'booking') return 'send-away';
  const meets = other.booking?.startsAt === meeting.startsAt && other.booking.endsAt === meeting.endsAt;
  return resolution === 'outlook' || meets ? 'take-back' : 'wait';
}
