/** What becomes of an event that no reservation knows yet. Pure: what is on record of it and the event were read before. */
import type { OutlookEvent } from '../../event.ts';
import { sameItem, type Item, type ReservationKey } from '../../item.ts';
import type { PropertiesRecord } from '../match/candidates.ts';
import { isItsEvent } from '../match/match.ts';
import type { ConflictNote, Unmapped, WaitsFor, Whereabouts } from '../store/work-item.ts';
import type { OutlookSide } from '../outlook-side.ts';

export type OverlapPolicy = 'flag' | 'import' | 'decline';

export interface UnmappedPolicy {
  readonly overlap: OverlapPolicy;
  /** manual: an import waits until a person asks for it. */
  readonly importMode: 'auto' | 'manual';
  /** The room takes what Outlook gives; without that only our own events are dealt with. */
  readonly takes: boolean;
  readonly show: OutlookSide['show'];
}

export type UnmappedAction =
  /** It is none of ours to deal with. */
  | { readonly do: 'forget'; readonly reason: string }
  /** It belongs to this mapping, which waits for an event ... */
  | { readonly do: 'attach'; readonly mapping: number }
  /** ... or to this reservation, which has no mapping here. */
  | { readonly do: 'attach-to'; readonly reservation: ReservationKey }
  /** It leaves the room: deleted if the room organises it, else declined. */
  | { readonly do: 'send-away' }
  | { readonly do: 'flag'; readonly conflict: ConflictNote; readonly said: string }
  | { readonly do: 'wait'; readonly for: WaitsFor }
  /** `revives`: as the reservation that it had, if that can be active again. */
  | {
      readonly do: 'import';
      readonly overlap: 'allow' | 'refuse';
      readonly revives?: ReservationKey | null;
    }
  /** The same meeting is in the room under another id, which has the reservation: that one mostly goes in a moment. */
  | { readonly do: 'wait-for-twin' };

/** What is known of an event that was not given back, and what a person said about it. */
export interface UnmappedEvent {
  readonly event: OutlookEvent;
  readonly item: Item;
  readonly due: Pick<Unmapped, 'resolution' | 'importAsked' | 'conflict'> &
    Partial<Pick<Unmapped, 'attempt'>>;
  readonly inWindow: boolean;
  /** The mapping it belongs to (see `match`). */
  readonly mapping: number | null;
  readonly properties: PropertiesRecord;
  /** See `Candidates`. */
  readonly revives?: ReservationKey | null;
  /** A create of ours made it that was never written down (see `isOwnCreate`). */
  readonly isOwnCreate?: boolean;
  /** An event of the same meeting has a reservation in this room, and is there. */
  readonly hasTwin?: boolean;
}

/** Why an event waits whose meeting is in the room under another id. */
const twinNote = 'Its meeting is in the calendar twice, and the other event has the reservation.';

export function decideUnmapped(unmapped: UnmappedEvent, policy: UnmappedPolicy): UnmappedAction {
  const { event, item, due, mapping, revives = null, hasTwin = false } = unmapped;
  if (mapping !== null) return { do: 'attach', mapping };
  // its reservation was cancelled since, or has another event
  if (unmapped.isOwnCreate === true) return { do: 'send-away' };
  if (!unmapped.inWindow) return { do: 'forget', reason: 'it lies outside the days that are kept equal' };
  if (policy.takes && event.shows.is === 'undecided') return { do: 'wait', for: 'answer' };
  const named =
    event.properties !== null && event.isOrganizer && revives === null
      ? byProperties(unmapped, event.properties, policy)
      : null;
  const isOurs = named?.do === 'attach-to' || (named?.do === 'send-away' && due.resolution === null);
  if (!policy.takes && !isOurs) return { do: 'forget', reason: 'its room takes nothing from Outlook' };
  if (named !== null) return named;
  if (event.shows.is === 'free') return { do: 'wait', for: 'free' };
  if (due.resolution === 'booking') return { do: 'send-away' };
  const waits = policy.importMode === 'manual' && !due.importAsked && due.resolution === null;
  if (waits && due.conflict === null) return { do: 'wait', for: 'import' };
  if (hasTwin && due.resolution === null)
    return due.attempt === 0
      ? { do: 'wait-for-twin' }
      : { do: 'flag', conflict: { kind: 'overlap', outlook: item }, said: twinNote };
  const allows = policy.overlap === 'import' || due.resolution === 'outlook';
  return { do: 'import', overlap: allows ? 'allow' : 'refuse', revives };
}

/** Its extended properties name a reservation; null: it is a copy of that reservation's event, and so an event of its own. */
function byProperties(
  { event, item, due, properties: { mapping, reservation, logged } }: UnmappedEvent,
  named: ReservationKey,
  { show }: UnmappedPolicy,
): UnmappedAction | null {
  const choose = (what: string): UnmappedAction | null => {
    if (due.resolution === 'booking') return { do: 'send-away' };
    if (due.resolution === 'outlook') return null;
    const said = `It carries the extended properties of ${named.type} ${named.id}, ${what}.`;
    return { do: 'flag', conflict: { kind: 'orphan', outlook: item }, said };
  };
  // its reservation has, or had, an event of its own
  if (mapping !== null && mapping.status !== 'cancelled' && !mapping.never) return null;
  // a person kept it, although its reservation is cancelled or gone: it is an event of its own
  if (due.resolution === 'outlook' && reservation?.active !== true) return null;
  if (reservation === null)
    // its reservation is gone: deleted, if it is surely ours and the brake allows it
    return logged ? { do: 'attach-to', reservation: named } : choose('which is not there');
  const shown = reservation.item === null ? [] : [reservation.item, show(reservation.item)];
  // the event of a mapping that was lost; but what shows neither its time nor its title may be anything
  const isIts = isItsEvent(shown, event);
  if (reservation.active) {
    if (!reservation.here) return null;
    return mapping === null && isIts
      ? { do: 'attach-to', reservation: named }
      : choose('which is at another time under another title');
  }
  if (mapping === null)
    return isIts
      ? { do: 'send-away' }
      : choose('which is cancelled, and was at another time under another title');
  // its reservation is cancelled: a create that arrived late goes. What somebody copied from it is an event of its own
  return shown.some((one) => sameItem(one, item)) ? { do: 'send-away' } : null;
}

/**
 * What becomes of an event that its reservation moved away from, mostly somebody's meeting. A cancelled reservation's meeting
 * is declined whatever a person chose; where nothing tells of the reservation, it is an unmapped event as any other.
 */
export function decideMovedUnmapped(
  { resolution }: Pick<Unmapped, 'resolution'>,
  meeting: Item,
  where: Whereabouts,
  booking: Item | null,
): 'send-away' | 'wait' | 'take-back' | 'unmapped' {
  if (where === 'unknown') return 'unmapped';
  if (where === 'cancelled') return 'send-away';
  if (where === 'unsettled') return 'wait';
  if (resolution === 'booking') return 'send-away';
  const meets = booking?.startsAt === meeting.startsAt && booking.endsAt === meeting.endsAt;
  return resolution === 'outlook' || meets ? 'take-back' : 'wait';
}
