/**
 * Matches events without a mapping with mappings without an event. All callers use this one rule: delta rounds, full scans,
 * imports, creates whose answer was lost, plans. Pure.
 */
import { itemOf } from '../../event.ts';
import type { Item, ReservationKey } from '../../item.ts';
import type { OpenMapping, UnmatchedEvent } from './open-mapping.ts';
import { grouped, pairSeries, type SeriesEvidence } from './series.ts';

/** The criterion of a match. */
export type MatchedBy = 'record' | 'meeting' | 'properties' | 'place' | 'series';

export interface Match<Event> {
  readonly mapping: OpenMapping;
  readonly event: Event;
  readonly by: MatchedBy;
}

/**
 * Pairs each mapping and each event at most once, the most reliable criterion first. Without `evidence` no date of a series is
 * paired with another date.
 */
export function match<Event extends UnmatchedEvent>(
  mappings: readonly OpenMapping[],
  events: readonly Event[],
  evidence: SeriesEvidence | null = null,
): Match<Event>[] {
  const open = new Set(mappings);
  const free = new Set(events.filter(({ shows }) => itemOf(shows) !== null).toSorted(oldestFirst));
  const found: Match<Event>[] = [];
  const pair = (mapping: OpenMapping, event: Event, by: MatchedBy): void => {
    open.delete(mapping);
    free.delete(event);
    found.push({ mapping, event, by });
  };
  for (const { by, ofEvent, ofMapping, agrees } of keys) {
    if (open.size === 0 || free.size === 0) break;
    const byKey = grouped(free, ofEvent);
    for (const mapping of open)
      for (const key of ofMapping(mapping)) {
        const event = byKey.get(key)?.find((one) => free.has(one) && agrees(mapping, one));
        if (event === undefined) continue;
        pair(mapping, event, by);
        break;
      }
  }
  if (evidence === null) return found;
  // a date that has another id on the same slot has not moved
  const unmoved = found.filter(
    ({ mapping, event }) =>
      event.seriesMasterId !== null && instantOf(event.originalStart) === instantOf(mapping.originalStart),
  );
  const lost = [...open].filter(({ state }) => state === 'lost');
  const known = { ...evidence, kept: [...evidence.kept, ...unmoved.map(({ event }) => event)] };
  for (const [mapping, event] of pairSeries(lost, [...free], known)) pair(mapping, event, 'series');
  return found;
}

interface Key {
  readonly by: MatchedBy;
  readonly ofEvent: (event: UnmatchedEvent) => string | null;
  readonly ofMapping: (mapping: OpenMapping) => readonly string[];
  readonly agrees: (mapping: OpenMapping, event: UnmatchedEvent) => boolean;
}

/** Titles are compared without case, white space and Unicode composition. */
const sameTitle = (a: string, b: string) => normal(a) === normal(b);
const normal = (title: string) => title.normalize('NFKC').replace(/\s+/gu, ' ').trim().toLowerCase();

const always = () => true;
const reservationKey = ({ type, id }: ReservationKey) => `${type}/${id}`;
/** Equal for two events of the same meeting, whatever their ids; null: the event names no meeting. */
export const meetingKey = ({
  iCalUId,
  originalStart,
}: Pick<UnmatchedEvent, 'originalStart'> & { iCalUId: string | null }) =>
  iCalUId === null || iCalUId === '' ? null : `${iCalUId} ${instantOf(originalStart)}`;
/** `match` takes only events that show an item. */
const shownBy = ({ shows }: Pick<UnmatchedEvent, 'shows'>) => itemOf(shows)!;
const placeOf = (event: UnmatchedEvent) => placeKey(shownBy(event));
const placeKey = ({ startsAt, endsAt }: Item) => `${startsAt} ${endsAt}`;
const instantOf = (text: string | null) => (text === null ? '' : String(Date.parse(text)));
const propertiesKey = {
  by: 'properties',
  // on another organiser's meeting they belong to a copy
  ofEvent: ({ properties, isOrganizer }: UnmatchedEvent) =>
    properties === null || !isOrganizer ? null : reservationKey(properties),
  ofMapping: ({ reservation }: OpenMapping) => [reservationKey(reservation)],
} as const;

const timesAgree = ({ shown }: Pick<OpenMapping, 'shown'>, event: UnmatchedEvent) =>
  shown.some((one) => placeKey(one) === placeOf(event));

/** A copy is younger than its original, and may show the same. */
const oldestFirst = (a: UnmatchedEvent, b: UnmatchedEvent) => ageOf(a) - ageOf(b);
const ageOf = ({ createdAt }: UnmatchedEvent) => Date.parse(createdAt ?? '') || 0;

/**
 * All private items show the same title, which identifies only a lost event. An event that would be removed must show more: it may be
 * a copy.
 */
const titleAgrees = (
  { shown, state, present }: Pick<OpenMapping, 'shown' | 'state' | 'present'>,
  event: UnmatchedEvent,
) =>
  state !== 'returning' &&
  (state === 'lost' || present) &&
  shown.some((one) => sameTitle(one.title, shownBy(event).title) && (state === 'lost' || !one.isPrivate));

const keys: readonly Key[] = [
  {
    by: 'record',
    ofEvent: ({ remembered }) => (remembered === undefined ? null : reservationKey(remembered)),
    ofMapping: ({ state, present, reservation }) =>
      state === 'new' && present ? [reservationKey(reservation)] : [],
    agrees: always,
  },
  {
    by: 'meeting',
    ofEvent: meetingKey,
    ofMapping: (mapping) => {
      const key = meetingKey(mapping);
      return key === null ? [] : [key];
    },
    agrees: always,
  },
  { ...propertiesKey, agrees: timesAgree },
  {
    ...propertiesKey,
    agrees: (mapping, event) => event.seriesMasterId === null && titleAgrees(mapping, event),
  },
  {
    by: 'place',
    // an event that does not occupy the room is not a booking
    ofEvent: (event) => (event.shows.is === 'occupied' ? placeOf(event) : null),
    ofMapping: ({ state, present, shown }) => (state !== 'returning' && present ? shown.map(placeKey) : []),
    agrees: ({ shown }, event) =>
      shown.some((one) => placeKey(one) === placeOf(event) && sameTitle(one.title, shownBy(event).title)),
  },
];

/**
 * Whether an event with the properties of a reservation is its event. The properties alone do not show that: a copy has them too,
 * and so has every date of a series that its event was turned into, under the same title.
 */
export const isItsEvent = (shown: readonly Item[], event: UnmatchedEvent): boolean =>
  timesAgree({ shown }, event) ||
  (event.seriesMasterId === null && titleAgrees({ shown, state: 'new', present: true }, event));
