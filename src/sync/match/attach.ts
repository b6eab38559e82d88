/** Giving an event to a mapping: the one place that does so, whatever it was recognised by. */
import type { Queryable } from '../../database.ts';
import { itemOf } from '../../event.ts';
import type { Id } from '../../id.ts';
import type { Item, ReservationKey } from '../../item.ts';
import type { LeasedRoom } from '../store/work-list.ts';
import type { UnclaimedEvent, Ground, Match } from './match.ts';

/** See `bridge_attach`. */
export interface Attachment extends Pick<
  UnclaimedEvent,
  'isOrganizer' | 'iCalUId' | 'originalStart' | 'seriesMasterId'
> {
  /** The mapping; null: that of the reservation, which may have none yet. */
  readonly id: number | null;
  readonly type?: string;
  readonly reservation?: Id;
  /** The event it knew when this was decided. */
  readonly was: string | null;
  /** How it was then, if that matters. */
  readonly revision?: number;
  readonly eventId: string;
  /** What both sides agreed on before goes on: what the event shows is an edit. */
  readonly kept: boolean;
  /** Else this is agreed on. */
  readonly outlookBase: Item | null;
  readonly bookingBase: Item | null;
  readonly news: 'look' | null;
  readonly lane: 0 | 1;
  readonly reason: string;
}

const reasons: Readonly<Record<Ground, string>> = {
  record: 'it is on record that the event is its own',
  meeting: 'its meeting has returned under another id',
  properties: 'its event was found by its extended properties',
  place: 'an event with the same time and title exists',
  series: 'its series was moved',
};

const factsOf = ({ id, isOrganizer, iCalUId, originalStart, seriesMasterId }: UnclaimedEvent) => ({
  eventId: id,
  isOrganizer,
  iCalUId,
  originalStart,
  seriesMasterId,
});

/** A matched event takes the place of the one that is gone, or is what the mapping finds: then only what differs is written. */
export function attachmentOf(
  { vacancy, event, by }: Match<UnclaimedEvent>,
  how: { readonly kept?: boolean; readonly lane?: 0 | 1 } = {},
): Attachment {
  const kept = how.kept ?? vacancy.state === 'lost';
  return {
    id: vacancy.mapping,
    was: vacancy.eventId,
    ...factsOf(event),
    kept,
    outlookBase: itemOf(event.shows),
    bookingBase: null,
    // what both agreed on goes on, and what is not shown as busy is dealt with: it is read
    news: kept || !isBusy(event) ? 'look' : null,
    lane: how.lane ?? 0,
    reason: reasons[by],
  };
}

/** The event of a reservation that has no mapping in this room. */
export const attachmentTo = ({ type, id }: ReservationKey, event: UnclaimedEvent): Attachment => ({
  id: null,
  type,
  reservation: id,
  was: null,
  ...factsOf(event),
  kept: false,
  outlookBase: itemOf(event.shows),
  bookingBase: null,
  news: isBusy(event) ? null : 'look',
  lane: 0,
  reason: reasons.properties,
});

const isBusy = ({ shows }: UnclaimedEvent) => shows.is === 'occupied' && shows.tentative !== true;

/** Somebody's meeting goes back to the reservation that moved away from it; its times are an edit in Outlook then. */
export function attachmentBack(
  other: {
    readonly id: number;
    readonly revision: number;
    readonly eventId: string | null;
    readonly booking: Item;
  },
  event: UnclaimedEvent,
): Attachment {
  const { booking } = other;
  const { startsAt, endsAt, allDay } = booking;
  return {
    id: other.id,
    was: other.eventId,
    revision: other.revision,
    ...factsOf(event),
    kept: false,
    outlookBase: { ...(itemOf(event.shows) ?? booking), startsAt, endsAt, allDay },
    bookingBase: booking,
    news: 'look',
    lane: 0,
    reason: 'it goes back to its meeting',
  };
}

/** Gives each event to its mapping, unless either is otherwise meanwhile. Returns the mappings that have it now. */
export async function attach(
  db: Queryable,
  room: LeasedRoom,
  attachments: readonly Attachment[],
): Promise<ReadonlySet<number>> {
  if (attachments.length === 0) return new Set();
  const { rows } = await db.query<{ attached: number[] }>({
    name: 'attach',
    text: 'SELECT bridge_attach($1, $2, $3) AS attached',
    values: [room.id, room.epoch, JSON.stringify(attachments)],
  });
  return new Set(rows[0]!.attached);
}
