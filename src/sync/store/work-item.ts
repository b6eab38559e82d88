/** What is due: a mapping of a reservation, or an event in Outlook that has none. */
import type { BookedItem } from '../../appearance.ts';
import type { Item, ReservationKey } from '../../item.ts';
import { agreementOf, type Agreement } from './agreement.ts';

export type WorkItem = Mapped | Unmapped;

/** What is known of either. */
interface Known {
  readonly id: number;
  readonly status: string;
  readonly generation: number;
  readonly revision: number;
  /** Since when the mapping is there, ISO. */
  readonly createdAt: string;
  readonly attempt: number;
  /** 0: a change made now, 1: backfill. */
  readonly lane: 0 | 1;
  /** What Outlook showed when both sides last agreed, and when it was last read. */
  readonly outlookBase: Item | null;
  readonly outlookSeen: Item | null;
  readonly news: News | null;
  /** The room organises the event; false: it was invited. */
  readonly isOrganizer: boolean;
  readonly iCalUId: string | null;
  readonly originalStart: string | null;
  /** The version of the event that was last seen. */
  readonly etag: string | null;
  readonly waitsFor: WaitsFor | null;
  readonly conflict: ConflictNote | null;
  /** Why it waits or failed. */
  readonly error: string | null;
  /** Which side a person chose. */
  readonly resolution: 'booking' | 'outlook' | null;
}

/** A reservation in a room, and how the booking system shows it now. */
export interface Mapped extends Known {
  readonly is: 'mapped';
  readonly reservation: ReservationKey;
  readonly eventId: string | null;
  /** Where the reservation was made. */
  readonly direction: string;
  /** What the booking system said when both sides last agreed. */
  readonly agreement: Agreement;
  /** The reservation's active flag; null when it has no row in this room any more. */
  readonly active: boolean | null;
  /** Why its row cannot be read; null: it can. */
  readonly unreadable?: string | null;
  readonly booking: BookedItem | null;
  readonly inWindow: boolean | null;
  readonly covered: boolean;
  readonly coverConfirmed: boolean;
  /** The item lies in the past. */
  readonly ended: boolean | null;
  /** It has no row in this room any more, but in others: it was moved there. */
  readonly elsewhere: boolean;
  readonly intent: EventIntent | null;
  /** Its event carries the extended properties of the reservation that this one replaced. */
  readonly renames: boolean;
  /** ISO instant of the booking's last change. */
  readonly bookingChangedAt: string | null;
}

/** An event in Outlook that waits to become a reservation, or for a person. */
export interface Unmapped extends Known {
  readonly is: 'unmapped';
  readonly eventId: string;
  /** A person asked for its import. */
  readonly importAsked: boolean;
}

export const isMapped = (item: WorkItem): item is Mapped => item.is === 'mapped';
export const isUnmapped = (item: WorkItem): item is Unmapped => item.is === 'unmapped';

/**
 * What Outlook reported of an event that nobody has dealt with yet. look: it is to be read; missing: reported as removed, not
 * verified; vacated: read, it does not occupy the room any more; gone: read, it is not there.
 */
export type News = 'look' | 'missing' | 'vacated' | 'gone';

/**
 * What it means that an event is not there, or is. remove: we are about to delete or decline it, so nobody else did; renew:
 * should it be gone, it is made anew; remove_again: it was not there when we deleted it, should it show, it is deleted; keep: a
 * person keeps it although its reservation is gone.
 */
export type EventIntent = 'remove' | 'renew' | 'remove_again' | 'keep';

/**
 * What neither we nor a retry can bring about. answer: the room has not answered the invitation, or not again since it was
 * changed; free: an event that nobody imported is shown as free; import: a person has to ask for its import.
 */
export type WaitsFor = 'answer' | 'free' | 'import';

/** What is told of a mapping that waits. */
export const waitHints: Readonly<Record<WaitsFor, string>> = {
  answer: 'The room has not answered this invitation: it is followed once the room, or its delegate, does.',
  free: 'It is shown as free in Outlook: show it as busy there, or set FREE_EVENTS, to have it imported.',
  import: 'IMPORT_MODE is manual: POST /booking/process-imports imports it.',
};

/** What is told of an event that is there, and that nobody can understand. */
export const unreadableHint = 'Open the event in Outlook, correct its times and save it.';

/**
 * Why a mapping waits for a person. fields: both sides changed them; deleted: one side deleted, the other changed; overlap:
 * an event lies on a taken time; moved: the booking system moved away from somebody's meeting (`mapping`); refused: the
 * booking system cannot take the change; rejected: Outlook cannot; orphan: the event carries the extended properties of a
 * reservation that is not there; free: somebody's meeting is shown as free; gone: held by the brake.
 */
export interface ConflictNote {
  readonly kind:
    'fields' | 'deleted' | 'overlap' | 'moved' | 'refused' | 'rejected' | 'orphan' | 'free' | 'gone';
  readonly fields?: readonly string[];
  /** As Outlook showed it when the choice was put; null: it was not there. */
  readonly outlook?: Item | null;
  /** moved: the mapping of the reservation, and the reservation. */
  readonly mapping?: number;
  readonly reservation?: ReservationKey;
  /** rejected, and again when a person kept the booking: a new event takes the place of the old one. */
  readonly replace?: boolean;
}

/**
 * Where the reservation is that moved away from an event. here: in this room; cancelled: it does not want the room any more;
 * unsettled: its rows are gone, or back, and what that means is still to be found out; unknown: nothing tells.
 */
export type Whereabouts = 'here' | 'cancelled' | 'unsettled' | 'unknown';

/** As bridge_work has them. */
export interface WorkRow
  extends Known, Omit<Mapped, keyof Known | 'is' | 'reservation' | 'agreement' | 'renames'> {
  readonly reservationType: string | null;
  readonly reservationId: ReservationKey['id'] | null;
  readonly agreement: Agreement['is'];
  readonly bookingBase: BookedItem | null;
  readonly renames: boolean | null;
  readonly importAsked: boolean;
}

/** The row as a work item; null: it names neither a reservation nor an event, and says nothing. */
export function workItemOf(row: WorkRow): WorkItem | null {
  const { reservationType, reservationId, agreement, bookingBase, importAsked, ...rest } = row;
  const known = { ...rest, outlookBase: isEmpty(rest.outlookBase) ? null : rest.outlookBase };
  if (reservationType !== null && reservationId !== null)
    return {
      ...known,
      is: 'mapped',
      reservation: { type: reservationType, id: reservationId },
      agreement: agreementOf({ agreement, bookingBase }),
      renames: known.renames === true,
    };
  if (known.eventId === null) return null;
  return { ...known, is: 'unmapped', eventId: known.eventId, importAsked };
}

/** Of an event that is kept and was never read (a daemon of 1.0 tells by the content that it is kept). */
const isEmpty = (item: Item | null) => item !== null && Object.keys(item).length === 0;
