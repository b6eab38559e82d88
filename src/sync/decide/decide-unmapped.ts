/** The action for an event without a mapping, from the event and our records about it. Pure. */
import { mayBeEdited, type OutlookEvent } from '../../event.ts';
import { sameItem, type Item, type ReservationKey } from '../../item.ts';
import type { PropertiesRecord, ReturnedRecord } from '../match/candidates.ts';
import { isItsEvent } from '../match/match.ts';
import { waitOf, type WaitsFor } from '../store/waits.ts';
import type { ConflictNote, Unmapped, Whereabouts } from '../store/work-item.ts';
import type { OutlookSide } from '../outlook-side.ts';

export type OverlapPolicy = 'flag' | 'import' | 'decline';

export interface UnmappedPolicy {
  readonly overlap: OverlapPolicy;
  /** manual: an import waits until a person asks for it. */
  readonly importMode: 'auto' | 'manual';
  /** Changes in Outlook are followed in this room; otherwise only our own events are handled. */
  readonly followed: boolean;
  /** The bridge may write in this room without the choice of a person. */
  readonly mayWrite: boolean;
  readonly show: OutlookSide['show'];
}

export type UnmappedAction =
  /** We do not handle it. */
  | { readonly do: 'forget'; readonly reason: string }
  /** It belongs to this mapping, which lacks an event, ... */
  | { readonly do: 'attach'; readonly mapping: number }
  /** ... or to this reservation, which has no mapping in this room. */
  | { readonly do: 'attach-to'; readonly reservation: ReservationKey }
  /** Deleted if the room organises it, else declined. `unlessEdited`: an edit since it was read is decided about first. */
  | { readonly do: 'take-out'; readonly isOwnCreate?: true; readonly unlessEdited?: true }
  | { readonly do: 'flag'; readonly conflict: ConflictNote; readonly message: string }
  | { readonly do: 'wait'; readonly for: WaitsFor }
  /** `revives`: its former reservation, if that can be activated again. */
  | {
      readonly do: 'import';
      readonly overlap: 'allow' | 'refuse';
      readonly revives?: ReservationKey | null;
    }
  /** The same meeting is in the room under another id, which has the reservation; that one usually disappears soon. */
  | { readonly do: 'wait-for-twin' }
  /** It was the event of this reservation, and takes the place of the event that it has now. */
  | { readonly do: 'take-back'; readonly returned: ReturnedRecord }
  /** Something else is settled first: it is read again soon. */
  | { readonly do: 'look-again' };

/** An event that was not given back, our records about it, and the choice of a person. */
export interface UnmappedInput {
  readonly event: OutlookEvent;
  readonly item: Item;
  readonly due: Pick<Unmapped, 'resolution' | 'importAsked' | 'conflict'> &
    Partial<Pick<Unmapped, 'attempt'>>;
  readonly inWindow: boolean;
  /** Its mapping (see `match`). */
  readonly mapping: number | null;
  readonly properties: PropertiesRecord;
  /** See `Candidates`. */
  readonly revives?: ReservationKey | null;
  /** See `Candidates`. */
  readonly isCancelledDate?: boolean;
  /** An unrecorded create of ours made it (see `ownCreateOf`). */
  readonly isOwnCreate?: boolean;
  /** Another event of the same meeting in this room has a reservation. */
  readonly hasTwin?: boolean;
  /** See `Candidates`. */
  readonly returned?: ReturnedRecord | null;
}

const cancelledDateNote = 'Its reservation was cancelled while its event was made a series.';
const twinNote = 'Its meeting is in the calendar twice, and the other event has the reservation.';

export function decideUnmapped(unmapped: UnmappedInput, policy: UnmappedPolicy): UnmappedAction {
  const { event, item, due, mapping, revives = null, hasTwin = false } = unmapped;
  if (mapping !== null) return { do: 'attach', mapping };
  const own = unmapped.isOwnCreate === true ? ownCreate(unmapped, event.properties!, policy) : null;
  if (own !== null) return own;
  if (!unmapped.inWindow) return { do: 'forget', reason: 'it lies outside the days that are kept equal' };
  if (unmapped.isCancelledDate === true && due.resolution === null)
    return policy.mayWrite ? { do: 'take-out' } : orphan(item, cancelledDateNote);
  const wait = waitOf(event.shows);
  if (policy.followed && wait === 'answer') return { do: 'wait', for: wait };
  const named =
    event.properties !== null && event.isOrganizer && revives === null
      ? byProperties(unmapped, event.properties, policy)
      : null;
  const known = named ?? (wait === 'free' || revives !== null || hasTwin ? null : byRecord(unmapped, policy));
  const isOurs =
    known?.do === 'attach-to' ||
    known?.do === 'take-back' ||
    known?.do === 'look-again' ||
    (known?.do === 'take-out' && due.resolution === null);
  if (!policy.followed && !isOurs) return { do: 'forget', reason: 'its room takes nothing from Outlook' };
  if (known !== null) return known;
  if (wait === 'free') return { do: 'wait', for: wait };
  if (due.resolution === 'booking') return { do: 'take-out' };
  const isAsked = policy.importMode === 'auto' || due.importAsked || due.resolution !== null;
  if (!isAsked && due.conflict === null) return { do: 'wait', for: 'import' };
  if (hasTwin && due.resolution === null)
    return due.attempt === 0
      ? { do: 'wait-for-twin' }
      : { do: 'flag', conflict: { kind: 'overlap', outlook: item }, message: twinNote };
  const allows = policy.overlap === 'import' || due.resolution === 'outlook';
  return { do: 'import', overlap: allows ? 'allow' : 'refuse', revives };
}

/** An unrecorded create of ours made it: its reservation has another event, or has ended. Null: a person keeps it. */
function ownCreate(
  unmapped: UnmappedInput,
  named: ReservationKey,
  { followed, mayWrite }: UnmappedPolicy,
): UnmappedAction | null {
  const { event, due, properties } = unmapped;
  const { mapping, reservation } = properties;
  const takeOut = (difference: string): UnmappedAction | null =>
    mayWrite ? { do: 'take-out', isOwnCreate: true } : askPerson(unmapped, named, difference);
  if (mapping?.unrecorded !== true || reservation?.active === true)
    return takeOut('which has another event or is not shown');
  if (due.resolution === 'outlook') return null;
  // a cancellation wins over edits in Outlook, as it does where the event is on record
  if (reservation !== null) return takeOut('which is cancelled');
  // without its rows it may be wanted: the booking system does not say that it was cancelled
  if (followed && mayBeEdited(event)) return askPerson(unmapped, named, 'which is not there');
  // the brake counts events whose reservation has no rows
  return { do: 'attach-to', reservation: named };
}

function askPerson(
  { item, due }: UnmappedInput,
  named: ReservationKey,
  difference: string,
): UnmappedAction | null {
  if (due.resolution === 'booking') return { do: 'take-out' };
  if (due.resolution === 'outlook') return null;
  return orphan(item, `It carries the extended properties of ${named.type} ${named.id}, ${difference}.`);
}

const orphan = (item: Item, message: string): UnmappedAction => ({
  do: 'flag',
  conflict: { kind: 'orphan', outlook: item },
  message,
});

/** So often an event that has returned is read again before a person is asked, while something else is settled: for a few seconds. */
export const returnedTries = 4;

/**
 * It was the event of a reservation: its deletion was undone in Outlook, after the reservation was changed, moved to another room or
 * cancelled. It never becomes a second reservation by itself. Null: it is handled as any other event.
 */
function byRecord(
  { event, item, due, returned = null }: UnmappedInput,
  { followed, mayWrite }: UnmappedPolicy,
): UnmappedAction | null {
  if (returned === null || !event.isOrganizer || due.resolution === 'outlook') return null;
  if (due.resolution === 'booking') return followed ? { do: 'take-out' } : null;
  const { mapping, reservation, former, eventId } = returned;
  const was = `It was the event of ${reservation.type} ${reservation.id}`;
  if (!returned.active) return returned.wasLost ? orphan(item, `${was}, which is cancelled.`) : null;
  if (!returned.here) return orphan(item, `${was}, which is in another room.`);
  const ask: UnmappedAction = {
    do: 'flag',
    conflict: { kind: 'moved', mapping, reservation, outlook: item },
    message: `${was}, which has another event by now.`,
  };
  if (!mayWrite) return ask;
  if (eventId === null || !returned.isSettled)
    return (due.attempt ?? 0) < returnedTries ? { do: 'look-again' } : ask;
  // the bridge removed it: an outdated answer shows it, or a person restored it
  if (former?.removed === true)
    return former.outlookBase !== null && sameItem(former.outlookBase, item)
      ? { do: 'take-out', unlessEdited: true }
      : ask;
  const isKnown =
    former !== null && former.outlookBase !== null && ['agreed', 'partly'].includes(former.agreement);
  return isKnown && returned.isCreated ? { do: 'take-back', returned } : ask;
}

/** By the reservation that its extended properties name; null: it is a copy of that one's event and handled as any other event. */
function byProperties(
  unmapped: UnmappedInput,
  named: ReservationKey,
  { show, mayWrite }: UnmappedPolicy,
): UnmappedAction | null {
  const { event, item, due, properties } = unmapped;
  const { mapping, reservation, logged } = properties;
  // its reservation has or had another event
  if (mapping !== null && mapping.status !== 'cancelled' && !mapping.never && !mapping.unrecorded)
    return null;
  // a person kept it although its reservation is cancelled or gone
  if (due.resolution === 'outlook' && reservation?.active !== true) return null;
  if (reservation === null)
    // deleted if it is certainly ours and the brake allows it
    return logged
      ? { do: 'attach-to', reservation: named }
      : askPerson(unmapped, named, 'which is not there');
  const shown = reservation.item === null ? [] : [reservation.item, show(reservation.item)];
  // the event of a lost mapping; an event that shows neither its time nor its title may be any event
  const isIts = isItsEvent(shown, event);
  // an event that was turned into a series has the properties on all its dates
  if (!isIts && event.seriesMasterId !== null) return null;
  if (reservation.active) {
    // the mailbox was mapped to the room of its reservation before; a copy or a moved event has another id and is not on record
    if (!reservation.here)
      return mapping === null && logged ? askPerson(unmapped, named, 'which is in another room') : null;
    return mapping === null && isIts
      ? { do: 'attach-to', reservation: named }
      : askPerson(unmapped, named, 'which is at another time under another title');
  }
  // it was never in this room: a person moved the event here from the calendar of its room, and the deletion there was read first
  if (mapping === null && !reservation.here) return null;
  if (mapping === null)
    return isIts && mayWrite
      ? { do: 'take-out' }
      : isIts
        ? askPerson(unmapped, named, 'which is cancelled')
        : askPerson(unmapped, named, 'which is cancelled, and was at another time under another title');
  // its reservation is cancelled: a late create is taken out, a copy is handled as any other event
  if (shown.some((one) => sameItem(one, item)))
    return mayWrite ? { do: 'take-out' } : askPerson(unmapped, named, 'which is cancelled');
  // it may be of another installation: no event of this reservation is on record that it could be a copy of
  return mapping.unrecorded ? askPerson(unmapped, named, 'which is cancelled') : null;
}

/**
 * The action for the event of a conflict `moved`: usually another organiser's meeting that its reservation was moved away from, or an
 * event of the room itself that has returned (`isOwn`). The meeting of a cancelled reservation is declined whatever a person chose;
 * without any record of the reservation it is an unmapped event. A room that only takes changes from Outlook writes there only by the
 * choice of a person (`mayWrite` false), who may keep the meeting of a cancelled reservation.
 */
export function decideDetached(
  { resolution }: Pick<Unmapped, 'resolution'>,
  meeting: Item,
  where: Whereabouts,
  own: { readonly booking: Item | null; readonly hasEvent: boolean },
  mayWrite: boolean,
  isOwn: boolean,
): 'take-out' | 'wait' | 'take-back' | 'unmapped' {
  if (where === 'unknown') return 'unmapped';
  if (where === 'cancelled') {
    if (mayWrite || resolution === 'booking') return 'take-out';
    return resolution === 'outlook' ? 'unmapped' : 'wait';
  }
  if (where === 'unsettled') return 'wait';
  if (resolution === 'booking') return 'take-out';
  // what kept it from taking the place of the other event may be over
  if (isOwn && resolution === null) return 'unmapped';
  const { booking, hasEvent } = own;
  const meets = booking?.startsAt === meeting.startsAt && booking.endsAt === meeting.endsAt;
  return resolution === 'outlook' || (meets && (mayWrite || !hasEvent)) ? 'take-back' : 'wait';
}
