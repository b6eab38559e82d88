/**
 * What a list of a room's whole window, or one row of its calendar, says about the mappings of the room. Pure: it is found here, and
 * written down elsewhere.
 */
import { identityOf, invitedBy, isGivenBack, itemOf, occupying, type OutlookEvent } from '../../event.ts';
import { sameItem, type Item, type ReservationKey } from '../../item.ts';
import { attachmentOf, type Attachment } from '../match/attach.ts';
import { match, openMappingOf } from '../match/match.ts';
import { isUnmappedRow } from '../match/reunite.ts';
import { waitHints, type WaitsFor } from '../store/work-item.ts';
import type {
  UnmappedRow,
  KnownEvent,
  RoomMapping,
  ObservedEvent,
  Observed,
  Span,
} from '../store/pull-store.ts';

export function unmappedOf(event: OutlookEvent, propertiesRead = false): UnmappedRow {
  const item = itemOf(event.shows);
  const waitsFor = waitsUnread(event, propertiesRead);
  return {
    eventId: event.id,
    startsAt: item?.startsAt ?? null,
    endsAt: item?.endsAt ?? null,
    item,
    dueInMs: waitsFor === null ? 0 : null,
    waitsFor,
    hint: waitsFor === null ? null : waitHints[waitsFor],
    outlookOrganizer: invitedBy(event),
    ...identityOf(event),
  };
}

/** What an event waits for that need not be read for that; a free one may be ours, which its extended properties say. */
function waitsUnread(
  { shows, properties, isOrganizer }: OutlookEvent,
  propertiesRead: boolean,
): WaitsFor | null {
  if (shows.is === 'undecided') return 'answer';
  return shows.is === 'free' && propertiesRead && (properties === null || !isOrganizer) ? 'free' : null;
}

export const overlaps = (
  span: { readonly startsAt: string | null; readonly endsAt: string | null },
  window: Span,
) =>
  span.startsAt === null || span.endsAt === null || (span.startsAt < window.to && span.endsAt > window.from);

/** Of an event that no mapping knows: it is imported, or listed. */
export const isOfInterest = ({ shows }: OutlookEvent): boolean => !isGivenBack(shows);

export interface Scanned extends Observed {
  readonly attachments: readonly Attachment[];
  /** The calendar shows nothing of all that it should: unless the mailbox is known to be the same, that is no deletion. */
  readonly showsNothing: boolean;
}

/** A whole list of the window. */
export interface Listed {
  readonly events: readonly OutlookEvent[];
  readonly window: Span;
  /** Whose these events were, by what is on record. */
  readonly remembered: ReadonlyMap<string, ReservationKey>;
}

/**
 * What a whole list of the window says about the mappings of a room. Without `imports` the booking system alone speaks
 * there: an event of it that is missing is told, since it shall come back, and nothing else.
 */
export function compare(
  mappings: readonly RoomMapping[],
  { events, window, remembered }: Listed,
  imports: boolean,
  show: (item: Item) => Item,
): Scanned {
  const byEvent = new Map(mappings.flatMap((m) => (m.eventId === null ? [] : [[m.eventId, m] as const])));
  const listed = new Map(events.map((event) => [event.id, event]));
  const live = mappings.filter(
    (m) => m.reservationId !== null && m.eventId !== null && m.status !== 'cancelled' && overlaps(m, window),
  );
  const missing = live.filter(({ eventId }) => !listed.has(eventId!));
  const lost = missing.flatMap((mapping) => openMappingOf({ ...mapping, news: 'gone' }, show) ?? []);
  const open = mappings.flatMap((mapping) => openMappingOf(mapping, show) ?? []);
  // a lost event is verified first, and then given the one it became; where nothing is imported nobody would see that
  const openMappings = open.filter(({ state }) => state !== 'lost').concat(imports ? [] : lost);
  const free = events.filter(({ id }) => {
    const mapping = byEvent.get(id);
    return mapping === undefined || isUnmappedRow(mapping) || mapping.status === 'cancelled';
  });
  const matches = match(
    openMappings,
    free.map((event) => ({ ...event, remembered: remembered.get(event.id) })),
  );
  const taken = new Set(matches.map(({ event }) => event.id));
  const mapped: ObservedEvent[] = [];
  for (const [eventId, mapping] of byEvent) {
    const news = newsOf(mapping, listed.get(eventId), window);
    if (news === 'missing' || (news !== null && imports))
      mapped.push({ id: mapping.id, news, dueInMs: null });
  }
  const unmapped = events.filter(
    (event) => isOfInterest(event) && !byEvent.has(event.id) && !taken.has(event.id),
  );
  return {
    // what only the booking system fills shows what that says
    attachments: matches.map((found) => attachmentOf(found, { kept: false, lane: 1 })),
    mapped,
    // where nothing is imported, what one of our creates made for a reservation that is cancelled by now has to go
    unmapped: unmapped
      .filter(({ properties, isOrganizer }) => imports || (isOrganizer && properties !== null))
      .map((event) => unmappedOf(event, true)),
    showsNothing: live.length > 0 && missing.length === live.length && match(lost, free).length === 0,
  };
}

/** What the list, or its silence, says about a mapping that knows an event; null: nothing new. */
function newsOf(
  mapping: RoomMapping,
  event: OutlookEvent | undefined,
  window: Span,
): 'look' | 'missing' | null {
  if (mapping.status === 'cancelled') return isBack(mapping, event) ? 'look' : null;
  if (event === undefined) return overlaps(mapping, window) && mapping.news !== 'gone' ? 'missing' : null;
  if (isGivenBack(event.shows)) return mapping.news === 'vacated' ? null : 'missing';
  return isEcho(mapping, event) || stillWaits(mapping, event) ? null : 'look';
}

/** A cancelled reservation's event that somebody brought back; not one that a person refused to remove. */
export const isBack = (
  mapping: Pick<KnownEvent, 'outlookBase'>,
  event: Pick<OutlookEvent, 'shows'> | undefined,
): boolean => mapping.outlookBase === null && event !== undefined && occupying(event.shows) !== null;

/** What it waits for has not come. */
const stillWaits = ({ waitsFor, status }: RoomMapping, { shows }: OutlookEvent): boolean =>
  (waitsFor === 'answer' && shows.is === 'undecided') ||
  (waitsFor === 'free' && shows.is === 'free') ||
  (waitsFor === 'import' && shows.is === 'occupied') ||
  (status === 'error' && shows.is === 'unreadable');

/** It shows what both last agreed on, and nothing else is reported of it: our own write came back, whatever its etag says. */
export const isEcho = (
  mapping: Pick<KnownEvent, 'news' | 'reservationId' | 'outlookBase' | 'waitsFor'>,
  event: Pick<OutlookEvent, 'shows'>,
): boolean =>
  mapping.news === null &&
  mapping.waitsFor === null &&
  mapping.reservationId !== null &&
  event.shows.is === 'occupied' &&
  sameItem(mapping.outlookBase, event.shows.item);
