/** Gives events to mappings; the only place that does. */
import type { Queryable } from '../../database.ts';
import type { BookedChange } from '../../appearance.ts';
import { identityOf, itemOf, type OutlookEvent } from '../../event.ts';
import type { Id } from '../../id.ts';
import type { Item, ReservationKey } from '../../item.ts';
import { callFunction } from '../../query.ts';
import { agreementColumns, type Agreement } from '../store/agreement.ts';
import type { LeasedRoom } from '../store/work-list.ts';
import { sinceCreate, type Created } from './since-create.ts';
import type { ReturnedRecord } from './candidates.ts';
import type { MatchedBy, Match } from './match.ts';
import type { UnmatchedEvent } from './open-mapping.ts';

/** See `bridge_attach`. */
export interface Attachment extends Pick<
  UnmatchedEvent,
  'isOrganizer' | 'iCalUId' | 'originalStart' | 'seriesMasterId'
> {
  /** The mapping; null: that of `type` and `reservation`, which may not exist yet. */
  readonly id: number | null;
  readonly type?: string;
  readonly reservation?: Id;
  /** The event that the mapping had when this was decided. */
  readonly was: string | null;
  /** Its revision then, if a later one must not be overwritten. */
  readonly revision?: number;
  readonly eventId: string;
  /** The agreement stays, and what the event shows differently is an edit. */
  readonly kept: boolean;
  /** Otherwise the new agreement. */
  readonly outlookBase: Item | null;
  readonly bookingBase: BookedChange | null;
  readonly agreement?: Agreement['is'];
  readonly news: 'look' | null;
  readonly lane: 0 | 1;
  /** No create of ours made the event, so one that has no answer may make another. */
  readonly notCreated: boolean;
  readonly reason: string;
}

const reasons: Readonly<Record<MatchedBy, string>> = {
  record: 'it is on record that the event is its own',
  meeting: 'its meeting has returned under another id',
  properties: 'its event was found by its extended properties',
  place: 'an event with the same time and title exists',
  series: 'its series was moved',
};

/** A matched event replaces the one that is gone, or is found by its mapping, which then writes only what differs. */
export function attachmentOf(
  { mapping, event, by }: Match<UnmatchedEvent>,
  how: { readonly kept?: boolean; readonly lane?: 0 | 1; readonly created?: Created | null } = {},
): Attachment {
  const kept = how.kept ?? mapping.state === 'lost';
  const created = kept ? null : (how.created ?? null);
  return {
    id: mapping.id,
    was: mapping.eventId,
    eventId: event.id,
    ...identityOf(event),
    kept,
    outlookBase: created?.outlookBase ?? itemOf(event.shows),
    bookingBase: null,
    ...(created === null ? {} : agreementColumns(created.agreement)),
    // read what was kept or edited, and what is not shown as busy
    news: kept || created?.isEdited === true || !isBusy(event) ? 'look' : null,
    lane: how.lane ?? 0,
    notCreated: by !== 'record' && by !== 'properties',
    reason: reasons[by],
  };
}

/** See `sinceCreate`. */
export function createdOf(
  { mapping, event }: Match<OutlookEvent>,
  { resourceId }: Pick<LeasedRoom, 'resourceId'>,
  show: (item: Item) => Item,
  installationId: string,
): Created | null {
  const { create, reservation, iCalUId } = mapping;
  if (create?.sent == null) return null;
  const sent = { ...create, sent: create.sent, reservation, resourceId, iCalUId };
  return sinceCreate(event, sent, show, installationId);
}

/** The event of a reservation that has no mapping in this room. */
export const attachmentTo = ({ type, id }: ReservationKey, event: UnmatchedEvent): Attachment => ({
  id: null,
  type,
  reservation: id,
  was: null,
  eventId: event.id,
  ...identityOf(event),
  kept: false,
  outlookBase: itemOf(event.shows),
  bookingBase: null,
  news: isBusy(event) ? null : 'look',
  lane: 0,
  notCreated: false,
  reason: reasons.properties,
});

const isBusy = ({ shows }: UnmatchedEvent) => shows.is === 'occupied' && shows.tentative !== true;

/** Returns an event to the reservation that had it before, with the last agreement on it: what differs since is merged. */
export function attachmentReturned(
  { mapping, revision, eventId, former }: ReturnedRecord,
  event: UnmatchedEvent,
): Attachment {
  return {
    id: mapping,
    was: eventId,
    revision,
    eventId: event.id,
    ...identityOf(event),
    kept: false,
    outlookBase: former!.outlookBase,
    bookingBase: former!.bookingBase,
    agreement: former!.agreement,
    news: 'look',
    lane: 0,
    notCreated: true,
    reason: 'it has returned, and takes the place of the event that was made meanwhile',
  };
}

/**
 * Returns a meeting to the reservation that was moved away from it; its times are then an edit in Outlook. `shown`: an event of the
 * room itself, in which all that differs from this is an edit.
 */
export function attachmentBack(
  detached: {
    readonly id: number;
    readonly revision: number;
    readonly eventId: string | null;
    readonly booking: Item;
  },
  event: UnmatchedEvent,
  shown: Item | null,
): Attachment {
  const { booking } = detached;
  const { startsAt, endsAt, allDay } = booking;
  return {
    id: detached.id,
    was: detached.eventId,
    revision: detached.revision,
    eventId: event.id,
    ...identityOf(event),
    kept: false,
    outlookBase: shown ?? { ...(itemOf(event.shows) ?? booking), startsAt, endsAt, allDay },
    bookingBase: booking,
    news: 'look',
    lane: 0,
    notCreated: true,
    reason: 'it goes back to its meeting',
  };
}

/** Gives each event to its mapping, unless either has changed meanwhile. Returns the ids of the mappings that have it now. */
export async function attach(
  db: Queryable,
  room: LeasedRoom,
  attachments: readonly Attachment[],
): Promise<ReadonlySet<number>> {
  if (attachments.length === 0) return new Set();
  return new Set(
    await callFunction<number[]>(db, 'bridge_attach', room.id, room.epoch, JSON.stringify(attachments)),
  );
}
