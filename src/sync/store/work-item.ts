/** A work item: the mapping of a reservation, or an unmapped event. */
import type { BookedItem } from '../../appearance.ts';
import type { Item, ReservationKey } from '../../item.ts';
import { agreementOf, type Agreement } from './agreement.ts';
import type { WaitsFor } from './waits.ts';

export type WorkItem = Mapped | Unmapped;

/** Fields of both. */
interface Known {
  readonly id: number;
  readonly status: string;
  readonly generation: number;
  readonly revision: number;
  /** ISO. */
  readonly createdAt: string;
  readonly attempt: number;
  /** 0: a live change, 1: backfill. */
  readonly lane: 0 | 1;
  /** What Outlook showed at the last agreement, and at the last read. */
  readonly outlookBase: Item | null;
  readonly outlookSeen: Item | null;
  readonly news: News | null;
  /** False: the room was invited. */
  readonly isOrganizer: boolean;
  readonly iCalUId: string | null;
  readonly originalStart: string | null;
  /** The last version of the event that was read. */
  readonly etag: string | null;
  readonly waitsFor: WaitsFor | null;
  readonly conflict: ConflictNote | null;
  readonly error: string | null;
  /** A person's choice. */
  readonly resolution: 'booking' | 'outlook' | null;
}

/** A reservation in a room, as the booking system shows it now. */
export interface Mapped extends Known {
  readonly is: 'mapped';
  readonly reservation: ReservationKey;
  readonly eventId: string | null;
  /** The origin of the reservation. */
  readonly direction: string;
  readonly agreement: Agreement;
  /** The reservation, if since the last agreement only edits in Outlook of its events in other rooms have changed it. */
  readonly followed?: BookedItem | null;
  /** The reservation's active flag; null: no row in this room any more. */
  readonly active: boolean | null;
  /** The error of reading its row; null: none. */
  readonly unreadable?: string | null;
  /** If it was moved (`elsewhere`): as this room would show it. */
  readonly booking: BookedItem | null;
  readonly inWindow: boolean | null;
  readonly covered: boolean;
  readonly coverConfirmed: boolean;
  /** The item lies in the past. */
  readonly ended: boolean | null;
  /** It was moved: it has rows only in other rooms. */
  readonly elsewhere: boolean;
  readonly intent: EventIntent | null;
  /** Its event still has the extended properties of the reservation that this one replaced. */
  readonly renames: boolean;
  /** ISO instant of the reservation's last change. */
  readonly bookingChangedAt: string | null;
  /** Other states of the reservation that may have been sent since both sides were last known. */
  readonly sent?: readonly BookedItem[] | null;
  /** Its present state is stored as one that may have been sent. */
  readonly recorded?: boolean;
}

/** An event without a reservation: to be imported, or waiting for a person. */
export interface Unmapped extends Known {
  readonly is: 'unmapped';
  readonly eventId: string;
  /** Its import was requested. */
  readonly importAsked: boolean;
}

export const isMapped = (item: WorkItem): item is Mapped => item.is === 'mapped';
export const isUnmapped = (item: WorkItem): item is Unmapped => item.is === 'unmapped';

/**
 * What Outlook reported of an event and is not decided about yet. look: it is to be read; missing: reported as removed, not
 * verified; vacated: verified, it no longer occupies the room; gone: verified, it no longer exists.
 */
export type News = 'look' | 'missing' | 'vacated' | 'gone';

/**
 * The meaning of a missing or existing event. remove: we are about to delete or decline it, so no user did; renew: if it is
 * gone, it is created again; remove_again: it was missing when we deleted it, and is deleted if it shows up; keep: a person keeps
 * it although its reservation is gone.
 */
export type EventIntent = 'remove' | 'renew' | 'remove_again' | 'keep';

/**
 * Why an item waits for a person. fields: both sides changed them; deleted: one side deleted, the other changed; overlap: the time
 * of an event is taken; moved: the booking system moved the reservation (`mapping`) away from another organiser's meeting, or the event
 * was restored when the reservation had another one; refused: the booking system refuses the change; rejected: Outlook does; orphan:
 * the event has the extended properties of a reservation that does not exist, or that is not known to be its own, or it was the event of
 * a reservation that has left the room; free: another organiser's meeting is shown as free; gone: held by the brake.
 */
export interface ConflictNote {
  readonly kind:
    'fields' | 'deleted' | 'overlap' | 'moved' | 'refused' | 'rejected' | 'orphan' | 'free' | 'gone';
  readonly fields?: readonly string[];
  /** The event as it was shown to the person; null: it did not exist. */
  readonly outlook?: Item | null;
  /** moved: the mapping of the reservation, and the reservation. */
  readonly mapping?: number;
  readonly reservation?: ReservationKey;
  /** rejected, again after a person chose the booking system: a new event replaces the old one. */
  readonly replace?: boolean;
}

/**
 * The state of the reservation of a detached meeting. here: in this room; cancelled: or in other rooms only, for which a meeting
 * without a conflict is declined, too; unsettled: its rows are gone, or back, and that is not decided about yet; unknown: no record
 * of it.
 */
export type Whereabouts = 'here' | 'cancelled' | 'unsettled' | 'unknown';

/** A row of bridge_work. */
export interface WorkRow
  extends Known, Omit<Mapped, keyof Known | 'is' | 'reservation' | 'agreement' | 'renames'> {
  readonly reservationType: string | null;
  readonly reservationId: ReservationKey['id'] | null;
  readonly agreement: Agreement['is'];
  readonly bookingBase: BookedItem | null;
  readonly renames: boolean | null;
  readonly importAsked: boolean;
}

/** Null: it has neither a reservation nor an event. */
export function workItemOf(row: WorkRow): WorkItem | null {
  const { reservationType, reservationId, eventId } = row;
  const outlookBase = isEmpty(row.outlookBase) ? null : row.outlookBase;
  if (reservationType !== null && reservationId !== null)
    return {
      ...row,
      is: 'mapped',
      outlookBase,
      reservation: { type: reservationType, id: reservationId },
      agreement: agreementOf(row),
      renames: row.renames === true,
    };
  if (eventId === null) return null;
  return { ...row, is: 'unmapped', outlookBase, eventId };
}

/** A kept event that was never read; a daemon of 1.0 recognises by this that it is kept. */
const isEmpty = (item: Item | null) => item !== null && Object.keys(item).length === 0;
