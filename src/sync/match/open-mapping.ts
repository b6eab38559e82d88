/** Mappings that lack an event, and events that lack a mapping: what `match` pairs. Pure. */
import type { OutlookEvent } from '../../event.ts';
import type { Id } from '../../id.ts';
import type { Item, ReservationKey } from '../../item.ts';
import type { CreateState } from '../store/mappings.ts';

/** An event without a mapping: the fields that identify it. */
export interface UnmatchedEvent extends Pick<
  OutlookEvent,
  'id' | 'iCalUId' | 'originalStart' | 'seriesMasterId' | 'properties' | 'isOrganizer' | 'shows'
> {
  /** Null or none: unknown. */
  readonly createdAt?: OutlookEvent['createdAt'];
  /** Its former reservation according to the log and the table of meetings. */
  readonly remembered?: ReservationKey | undefined;
}

/** A mapping: the fields that show whether it lacks an event. */
export interface MappingState {
  readonly id: number;
  readonly reservationType: string | null;
  readonly reservationId: Id | null;
  /** The event that it has or that is gone. */
  readonly eventId: string | null;
  readonly status: string;
  readonly news: string | null;
  /** See `EventIntent`. */
  readonly intent: string | null;
  readonly due: boolean;
  /** Its reservation is active in this room. */
  readonly present: boolean;
  readonly iCalUId: string | null;
  readonly originalStart: string | null;
  readonly seriesMasterId: string | null;
  readonly booking: Item | null;
  readonly outlookBase: Item | null;
  readonly outlookSeen: Item | null;
  readonly create?: CreateState;
}

/** A mapping that lacks an event. */
export interface OpenMapping extends Pick<
  MappingState,
  'id' | 'present' | 'eventId' | 'iCalUId' | 'originalStart' | 'seriesMasterId' | 'create'
> {
  readonly reservation: ReservationKey;
  /**
   * new: it has no event yet; lost: its event is gone; returning: it had no event on purpose (cancelled, covered) and may get one
   * again. That one must show its times: an event with only its title may be a copy.
   */
  readonly state: 'new' | 'lost' | 'returning';
  /** What its event may show: the last state seen, the last state sent, the current reservation. */
  readonly shown: readonly Item[];
}

/** Null: the mapping has an event, or must have none. */
export function openMappingOf(mapping: MappingState, show: (item: Item) => Item): OpenMapping | null {
  const { reservationType: type, reservationId: id, booking, outlookBase, outlookSeen } = mapping;
  const state = stateOf(mapping);
  if (state === null || type === null || id === null) return null;
  const shown = [booking === null ? null : show(booking), booking, outlookBase, outlookSeen];
  return {
    id: mapping.id,
    reservation: { type, id },
    state,
    present: mapping.present,
    eventId: mapping.eventId,
    iCalUId: mapping.iCalUId,
    originalStart: mapping.originalStart,
    seriesMasterId: mapping.seriesMasterId,
    shown: shown.filter((item) => item !== null),
    ...(mapping.create === undefined ? {} : { create: mapping.create }),
  };
}

function stateOf({ eventId, status, news, intent, due, present }: MappingState): OpenMapping['state'] | null {
  // a cancelled mapping keeps the id of its deleted event
  if (status === 'cancelled') return due && present ? 'returning' : null;
  if (eventId === null) return status === 'shadowed' ? 'returning' : 'new';
  return news === 'gone' && intent === null ? 'lost' : null;
}
