/**
 * The whole window of a room in Outlook compared with its mappings: after a lost cursor, a new window, lost tables, or on
 * the first evening. Rounds of changes begin before the list is read, so nothing falls between the two. Pure but for the
 * reading: `compare` says what was found.
 */
import { isGivenBack, itemOf, occupying, standing, type OutlookEvent } from '../../event.ts';
import { sameItem, type Item, type ReservationKey } from '../../item.ts';
import { sameTitle } from '../match/candidates.ts';
import { waitHints, type LeasedRoom, type WaitsFor } from '../store/mappings.ts';
import type {
  Adoption,
  UnmappedRow,
  KnownEvent,
  Mapped,
  ObservedEvent,
  Observed,
  Span,
} from '../store/pull-store.ts';
import type { OutlookSide } from '../outlook-side.ts';

/** How narrow a window becomes at most, when Graph gives up on wider ones (504). */
const narrowestMs = 14 * 86_400_000;
/** Rounds beside each other at most. */
const mostRounds = 32;

/**
 * Walks a first round of changes to its end and returns where the next one begins, one link for each part of the window;
 * null: Graph gives none (pages without end), and the calendar must be listed each time.
 */
export async function firstDeltaRound(
  outlook: OutlookSide,
  room: LeasedRoom,
  window: Span,
  signal: AbortSignal,
): Promise<string[] | null> {
  const links: string[] = [];
  const parts: Span[] = [window];
  for (let part = parts.shift(); part !== undefined; part = parts.shift()) {
    let link: string | null = null;
    for await (const answer of outlook.delta(room, part, signal)) {
      if (answer.answer === 'page') link = answer.deltaLink ?? link;
      else if (answer.answer === 'too-wide') {
        const halves = halve(part);
        if (halves === null || parts.length + links.length + 2 > mostRounds) return null;
        parts.unshift(...halves);
        link = '';
      } else return null;
    }
    if (link === null) return null;
    if (link !== '') links.push(link);
  }
  return links;
}

function halve({ from, to }: Span): readonly [Span, Span] | null {
  const [start, end] = [Date.parse(from), Date.parse(to)];
  if (end - start <= narrowestMs) return null;
  const middle = new Date(start + (end - start) / 2).toISOString();
  return [
    { from, to: middle },
    { from: middle, to },
  ];
}

export function unmappedOf(event: OutlookEvent, marksRead = false): UnmappedRow {
  const item = itemOf(event.shows);
  const waitsFor = waitsUnread(event, marksRead);
  return {
    eventId: event.id,
    startsAt: item?.startsAt ?? null,
    endsAt: item?.endsAt ?? null,
    item,
    dueInMs: waitsFor === null ? 0 : null,
    waitsFor,
    hint: waitsFor === null ? null : waitHints[waitsFor],
    isOrganizer: event.isOrganizer,
    iCalUId: event.iCalUId,
    originalStart: event.originalStart,
    seriesMasterId: event.seriesMasterId,
  };
}

/** What an event waits for that need not be read for that; a free one may be ours, which its extended properties say. */
function waitsUnread({ shows, marks, isOrganizer }: OutlookEvent, marksRead: boolean): WaitsFor | null {
  if (shows.is === 'undecided') return 'answer';
  return shows.is === 'free' && marksRead && (marks === null || !isOrganizer) ? 'free' : null;
}

export const overlaps = (
  span: { readonly startsAt: string | null; readonly endsAt: string | null },
  window: Span,
) =>
  span.startsAt === null || span.endsAt === null || (span.startsAt < window.to && span.endsAt > window.from);

/** Of an event that no mapping knows: it is imported, or listed. */
export const isOfInterest = ({ shows }: OutlookEvent): boolean => !isGivenBack(shows);

export interface Scanned extends Observed {
  readonly adoptions: readonly Adoption[];
}

/**
 * What a whole list of the window says about the mappings of a room. Without `imports` the booking system alone speaks
 * there: an event of it that is missing is told, since it shall come back, and nothing else.
 */
export function compare(
  mappings: readonly Mapped[],
  events: readonly OutlookEvent[],
  window: Span,
  imports: boolean,
  show: (item: Item) => Item,
  remembered: ReadonlyMap<string, ReservationKey>,
): Scanned {
  const there = events.filter((event) => standing(event.shows) !== null);
  const byEvent = new Map(mappings.flatMap((m) => (m.eventId === null ? [] : [[m.eventId, m] as const])));
  const listed = new Map(events.map((event) => [event.id, event]));
  const adoptions = adoptMarked(
    mappings,
    there.filter((event) => event.marks !== null && event.isOrganizer),
    // where nothing is imported nobody else will see that it is there again under another id (`reunite`)
    (mapping) => !imports && !listed.has(mapping.eventId!) && overlaps(mapping, window),
  );
  const taken = new Set(adoptions.map(({ eventId }) => eventId));
  const given = new Set(adoptions.map(({ id }) => id));
  const unknown = there.filter(
    (event) => occupying(event.shows) !== null && !byEvent.has(event.id) && !taken.has(event.id),
  );
  const recalled = recall(
    mappings.filter((m) => !given.has(m.id)),
    unknown,
    remembered,
  );
  for (const { id, eventId } of recalled) {
    given.add(id);
    taken.add(eventId);
  }
  const pairs = [
    ...recalled,
    ...pairUp(
      mappings.filter((m) => !given.has(m.id)),
      unknown.filter((event) => !taken.has(event.id)),
      show,
    ),
  ];
  for (const { eventId } of pairs) taken.add(eventId);
  const known: ObservedEvent[] = [];
  for (const [eventId, mapping] of byEvent) {
    const news = newsOf(mapping, listed.get(eventId), window);
    if (news === 'missing' || (news !== null && imports)) known.push({ id: mapping.id, news, dueInMs: null });
  }
  const unmapped = events.filter((e) => isOfInterest(e) && !byEvent.has(e.id) && !taken.has(e.id));
  const born = imports ? unmapped.map((event) => unmappedOf(event, true)) : [];
  return { adoptions: [...adoptions, ...pairs], known, born };
}

/** What the list, or its silence, says about a mapping that knows an event; null: nothing new. */
function newsOf(mapping: Mapped, event: OutlookEvent | undefined, window: Span): 'look' | 'missing' | null {
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
const stillWaits = ({ waitsFor, status }: Mapped, { shows }: OutlookEvent): boolean =>
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

/** Which found event belongs to which mapping: of several with the same marks the one at its time, else the first. */
function adoptMarked(
  mappings: readonly Mapped[],
  marked: readonly OutlookEvent[],
  isMissing: (mapping: Mapped) => boolean,
): Adoption[] {
  const known = new Set(
    mappings.filter((m) => m.status !== 'cancelled' && m.reservationId !== null).map((m) => m.eventId),
  );
  const byKey = Map.groupBy(
    marked.filter((event) => !known.has(event.id)),
    (event) => `${event.marks!.type}/${event.marks!.id}`,
  );
  return mappings.flatMap((mapping) => {
    if (mapping.reservationId === null) return [];
    // the id that a cancelled one keeps is of an event that is gone; if it is due, a fresh one may have been made that
    // nobody wrote down
    const isLost = mapping.eventId === null;
    const mayBeAnew = mapping.status === 'cancelled' ? mapping.due : isMissing(mapping);
    if (!isLost && !mayBeAnew) return [];
    const candidates = byKey.get(`${mapping.reservationType}/${mapping.reservationId}`) ?? [];
    // a fresh one is at its time; what is elsewhere is somebody's copy of another
    const event =
      candidates.find((c) => itemOf(c.shows)?.startsAt === mapping.startsAt) ??
      (isLost && mapping.status !== 'cancelled' ? candidates[0] : undefined);
    return event === undefined ? [] : [adoption(mapping.id, event)];
  });
}

const isLonely = (m: Mapped) =>
  m.reservationId !== null &&
  m.eventId === null &&
  m.present &&
  m.booking !== null &&
  m.status !== 'cancelled';

/** Events whose reservation the log or the book of meetings still knows, whatever either is called by now. */
function recall(
  mappings: readonly Mapped[],
  events: readonly OutlookEvent[],
  remembered: ReadonlyMap<string, ReservationKey>,
): Adoption[] {
  const lonely = new Map(
    mappings
      .filter(isLonely)
      .map((mapping) => [`${mapping.reservationType}/${mapping.reservationId}`, mapping]),
  );
  return events.flatMap((event) => {
    const key = remembered.get(event.id);
    const mapping = key === undefined ? undefined : lonely.get(`${key.type}/${key.id}`);
    if (mapping === undefined) return [];
    lonely.delete(`${key!.type}/${key!.id}`);
    return [adoption(mapping.id, event)];
  });
}

/** Events without marks for reservations without an event, at the same time and of the same name: lost tables double nothing. */
function pairUp(
  mappings: readonly Mapped[],
  events: readonly OutlookEvent[],
  show: (item: Item) => Item,
): Adoption[] {
  const lonely = mappings.filter(isLonely);
  const byTime = Map.groupBy(events, ({ shows }) => `${itemOf(shows)?.startsAt} ${itemOf(shows)?.endsAt}`);
  const taken = new Set<string>();
  return lonely.flatMap((mapping) => {
    const event = byTime
      .get(`${mapping.startsAt} ${mapping.endsAt}`)
      ?.find(
        (one) =>
          !taken.has(one.id) &&
          (sameTitle(itemOf(one.shows)!.title, mapping.booking!.title) ||
            sameTitle(itemOf(one.shows)!.title, show(mapping.booking!).title)),
      );
    if (event === undefined) return [];
    taken.add(event.id);
    return [adoption(mapping.id, event)];
  });
}

const adoption = (id: number, event: OutlookEvent): Adoption => ({
  id,
  eventId: event.id,
  outlookBase: itemOf(event.shows),
  news: event.shows.is === 'free' ? 'look' : null,
  isOrganizer: event.isOrganizer,
  iCalUId: event.iCalUId,
  originalStart: event.originalStart,
  seriesMasterId: event.seriesMasterId,
});
