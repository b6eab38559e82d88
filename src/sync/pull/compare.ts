/** Compares the events of a room calendar with the room's mappings. Pure. */
import { identityOf, invitedBy, isGivenBack, itemOf, occupying, type OutlookEvent } from '../../event.ts';
import { sameItem, type Item, type ReservationKey } from '../../item.ts';
import { attachmentOf, type Attachment } from '../match/attach.ts';
import type { Created } from '../match/since-create.ts';
import { match, type Match } from '../match/match.ts';
import { openMappingOf } from '../match/open-mapping.ts';
import { isUnmappedRow } from '../match/reunite.ts';
import { stillWaits, waitFields, waitUnread } from '../store/waits.ts';
import type { KnownEvent, StoredMapping } from '../store/mappings.ts';
import type { UnmappedRow, ObservedEvent, Observed } from '../store/observed.ts';
import type { Span } from '../store/span.ts';

export function unmappedOf(event: OutlookEvent, propertiesRead = false): UnmappedRow {
  const item = itemOf(event.shows);
  const waits = waitFields(waitUnread(event, propertiesRead));
  return {
    eventId: event.id,
    startsAt: item?.startsAt ?? null,
    endsAt: item?.endsAt ?? null,
    item,
    dueInMs: waits.waitsFor === null ? 0 : null,
    ...waits,
    outlookOrganizer: invitedBy(event),
    ...identityOf(event),
  };
}

export const overlaps = (
  span: { readonly startsAt: string | null; readonly endsAt: string | null },
  window: Span,
) =>
  span.startsAt === null || span.endsAt === null || (span.startsAt < window.to && span.endsAt > window.from);

/** Whether an event without a mapping is imported or listed. */
export const isOfInterest = ({ shows }: OutlookEvent): boolean => !isGivenBack(shows);

export interface Scanned extends Observed {
  readonly attachments: readonly Attachment[];
  /** The calendar shows none of the events that it should: unless the mailbox is known to be the same, they were not deleted. */
  readonly showsNothing: boolean;
}

/** The listing of a full scan. */
export interface Listed {
  readonly events: readonly OutlookEvent[];
  readonly window: Span;
  /** The reservations that these events belonged to, according to the log. */
  readonly remembered: ReadonlyMap<string, ReservationKey>;
}

/**
 * What the listing means for the mappings of the room. Without `imports`, Outlook only shows the bookings: only missing events are
 * reported, because they are created again.
 */
export function compareListing(
  mappings: readonly StoredMapping[],
  { events, window, remembered }: Listed,
  imports: boolean,
  show: (item: Item) => Item,
  created: (match: Match<OutlookEvent>) => Created | null = () => null,
): Scanned {
  const byEvent = new Map(mappings.flatMap((m) => (m.eventId === null ? [] : [[m.eventId, m] as const])));
  const listed = new Map(events.map((event) => [event.id, event]));
  const live = mappings.filter(
    (m) => m.reservationId !== null && m.eventId !== null && m.status !== 'cancelled' && overlaps(m, window),
  );
  const missing = live.filter(({ eventId }) => !listed.has(eventId!));
  const lost = missing.flatMap((mapping) => openMappingOf({ ...mapping, news: 'gone' }, show) ?? []);
  const open = mappings.flatMap((mapping) => openMappingOf(mapping, show) ?? []);
  // with imports, a lost event is verified and matched first
  const openMappings = open.filter(({ state }) => state !== 'lost').concat(imports ? [] : lost);
  const free = events.filter(({ id }) => {
    const mapping = byEvent.get(id);
    return mapping === undefined || isUnmappedRow(mapping) || mapping.status === 'cancelled';
  });
  const evidence = {
    kept: events.filter(({ id }) => byEvent.has(id)),
    former: mappings.flatMap((m) =>
      m.eventId !== null && !listed.has(m.eventId) && (m.status === 'cancelled' || m.reservationId === null)
        ? [{ ...m, id: m.eventId }]
        : [],
    ),
    inPattern: new Map(),
    span: window,
  };
  const matches = match(
    openMappings,
    free.map((event) => ({ ...event, remembered: remembered.get(event.id) })),
    evidence,
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
    attachments: matches.map((found) =>
      attachmentOf(found, { kept: false, lane: 1, created: imports ? created(found) : null }),
    ),
    mapped,
    // without imports only an event of ours is of interest: its reservation may be cancelled by now
    unmapped: unmapped
      .filter(({ properties, isOrganizer }) => imports || (isOrganizer && properties !== null))
      .map((event) => unmappedOf(event, true)),
    showsNothing:
      live.length > 0 && missing.length === live.length && match(lost, free, evidence).length === 0,
  };
}

/** What the listing means for a mapping with an event; null: nothing new. */
function newsOf(
  mapping: StoredMapping,
  event: OutlookEvent | undefined,
  window: Span,
): 'look' | 'missing' | null {
  if (mapping.status === 'cancelled') return isBack(mapping, event) ? 'look' : null;
  if (event === undefined) return overlaps(mapping, window) && mapping.news !== 'gone' ? 'missing' : null;
  if (isGivenBack(event.shows)) return mapping.news === 'vacated' ? null : 'missing';
  return isEcho(mapping, event) || stillWaits(mapping, event.shows) ? null : 'look';
}

/** The event of a cancelled reservation was restored; not one whose removal a person refused. */
export const isBack = (
  mapping: Pick<KnownEvent, 'outlookBase'>,
  event: Pick<OutlookEvent, 'shows'> | undefined,
): boolean => mapping.outlookBase === null && event !== undefined && occupying(event.shows) !== null;

/** The event shows the last agreement and nothing else is reported of it: our own write, whatever its etag. */
export const isEcho = (
  mapping: Pick<KnownEvent, 'news' | 'reservationId' | 'outlookBase' | 'waitsFor'>,
  event: Pick<OutlookEvent, 'shows'>,
): boolean =>
  mapping.news === null &&
  mapping.waitsFor === null &&
  mapping.reservationId !== null &&
  event.shows.is === 'occupied' &&
  sameItem(mapping.outlookBase, event.shows.item);
