/**
 * Whose event is it? The one answer for every way in which an event without a mapping and a mapping without its event meet: a
 * round of changes, a full scan, an import, a create whose answer was lost, a plan. Pure.
 */
import { itemOf, type OutlookEvent } from '../../event.ts';
import type { Id } from '../../id.ts';
import type { Item, ReservationKey } from '../../item.ts';

/** An event that belongs to no mapping, by what identifies it. */
export interface UnclaimedEvent extends Pick<
  OutlookEvent,
  'id' | 'iCalUId' | 'originalStart' | 'seriesMasterId' | 'properties' | 'isOrganizer' | 'shows'
> {
  /** Whose it was, as far as the log and the table of meetings remember. */
  readonly remembered?: ReservationKey | undefined;
}

/** A mapping, by what tells whether an event may be given to it. */
export interface Holder {
  readonly id: number;
  readonly reservationType: string | null;
  readonly reservationId: Id | null;
  readonly eventId: string | null;
  readonly status: string;
  readonly news: string | null;
  /** See `EventIntent`. */
  readonly intent: string | null;
  /** It has work to do, and its reservation is in this room. */
  readonly due: boolean;
  readonly present: boolean;
  readonly iCalUId: string | null;
  readonly originalStart: string | null;
  readonly seriesMasterId: string | null;
  readonly booking: Item | null;
  readonly outlookBase: Item | null;
  readonly outlookSeen: Item | null;
}

/** A mapping that waits for an event. */
export interface Vacancy {
  readonly mapping: number;
  readonly reservation: ReservationKey;
  /**
   * new: it has none; lost: its event is gone; returning: it had to have none (cancelled, covered) and may get a fresh one,
   * which shows its times: a title alone is that of somebody's copy.
   */
  readonly state: 'new' | 'lost' | 'returning';
  readonly present: boolean;
  /** The event that is gone. */
  readonly eventId: string | null;
  readonly iCalUId: string | null;
  readonly originalStart: string | null;
  readonly seriesMasterId: string | null;
  /** What its event may show: what it showed last, what was sent, what the reservation shows now. */
  readonly shown: readonly Item[];
}

/** By what an event was recognised. */
export type Ground = 'record' | 'meeting' | 'properties' | 'place' | 'series';

export interface Match<Event> {
  readonly vacancy: Vacancy;
  readonly event: Event;
  readonly by: Ground;
}

/** Whether an event may be given to this mapping; null: it has its own, or wants none. */
export function vacancyOf(holder: Holder, show: (item: Item) => Item): Vacancy | null {
  const { reservationType: type, reservationId: id, booking, outlookBase, outlookSeen } = holder;
  const state = stateOf(holder);
  if (state === null || type === null || id === null) return null;
  const shown = [booking === null ? null : show(booking), booking, outlookBase, outlookSeen];
  return {
    mapping: holder.id,
    reservation: { type, id },
    state,
    present: holder.present,
    eventId: holder.eventId,
    iCalUId: holder.iCalUId,
    originalStart: holder.originalStart,
    seriesMasterId: holder.seriesMasterId,
    shown: shown.filter((item) => item !== null),
  };
}

function stateOf({ eventId, status, news, intent, due, present }: Holder): Vacancy['state'] | null {
  // the id that a cancelled one keeps is of an event that is gone
  if (status === 'cancelled') return due && present ? 'returning' : null;
  if (eventId === null) return status === 'shadowed' ? 'returning' : 'new';
  return news === 'gone' && intent === null ? 'lost' : null;
}

/** Which event belongs to which mapping; each of them once, the surest first. */
export function match<Event extends UnclaimedEvent>(
  vacancies: readonly Vacancy[],
  events: readonly Event[],
): Match<Event>[] {
  const open = new Set(vacancies);
  const free = new Set(events.filter(({ shows }) => itemOf(shows) !== null));
  const found: Match<Event>[] = [];
  const pair = (vacancy: Vacancy, event: Event, by: Ground): void => {
    open.delete(vacancy);
    free.delete(event);
    found.push({ vacancy, event, by });
  };
  for (const { by, ofEvent, ofVacancy, agrees } of keys) {
    if (open.size === 0 || free.size === 0) break;
    const byKey = grouped(free, ofEvent);
    for (const vacancy of open)
      for (const key of ofVacancy(vacancy)) {
        const event = byKey.get(key)?.find((one) => free.has(one) && agrees(vacancy, one));
        if (event === undefined) continue;
        pair(vacancy, event, by);
        break;
      }
  }
  for (const seriesOf of series) {
    const lost = grouped(
      [...open].filter(({ state }) => state === 'lost'),
      seriesOf,
    );
    const now = grouped(free, seriesOf);
    for (const [key, vacant] of lost)
      for (const [vacancy, event] of inOrder(vacant, now.get(key) ?? [])) pair(vacancy, event, 'series');
  }
  return found;
}

interface Key {
  readonly by: Ground;
  readonly ofEvent: (event: UnclaimedEvent) => string | null;
  readonly ofVacancy: (vacancy: Vacancy) => readonly string[];
  readonly agrees: (vacancy: Vacancy, event: UnclaimedEvent) => boolean;
}

/** Titles as people compare them: without case, white space and composition. */
const sameTitle = (a: string, b: string) => normal(a) === normal(b);
const normal = (title: string) => title.normalize('NFKC').replace(/\s+/gu, ' ').trim().toLowerCase();

const always = () => true;
const reservationKey = ({ type, id }: ReservationKey) => `${type}/${id}`;
/** What two events share that are the same meeting, be it under another id; null: the event names none. */
export const meetingKey = ({
  iCalUId,
  originalStart,
}: Pick<UnclaimedEvent, 'originalStart'> & { iCalUId: string | null }) =>
  iCalUId === null || iCalUId === '' ? null : `${iCalUId} ${instantOf(originalStart)}`;
/** What an event that is matched shows. */
const shownBy = ({ shows }: Pick<UnclaimedEvent, 'shows'>) => itemOf(shows)!;
const placeOf = (event: UnclaimedEvent) => placeKey(shownBy(event));
const placeKey = ({ startsAt, endsAt }: Item) => `${startsAt} ${endsAt}`;
const instantOf = (text: string | null) => (text === null ? '' : String(Date.parse(text)));
const propertiesKey = {
  by: 'properties',
  // of somebody's meeting they are a copy's
  ofEvent: ({ properties, isOrganizer }: UnclaimedEvent) =>
    properties === null || !isOrganizer ? null : reservationKey(properties),
  ofVacancy: ({ reservation }: Vacancy) => [reservationKey(reservation)],
} as const;

const timesAgree = ({ shown }: Pick<Vacancy, 'shown'>, event: UnclaimedEvent) =>
  shown.some((one) => placeKey(one) === placeOf(event));

/** What is private shows the same words for all: they tell only that the event is there again. */
const titleAgrees = ({ shown, state }: Pick<Vacancy, 'shown' | 'state'>, event: UnclaimedEvent) =>
  state !== 'returning' &&
  shown.some((one) => sameTitle(one.title, shownBy(event).title) && (state === 'lost' || !one.isPrivate));

const keys: readonly Key[] = [
  {
    by: 'record',
    ofEvent: ({ remembered }) => (remembered === undefined ? null : reservationKey(remembered)),
    ofVacancy: ({ state, present, reservation }) =>
      state === 'new' && present ? [reservationKey(reservation)] : [],
    agrees: always,
  },
  {
    by: 'meeting',
    ofEvent: meetingKey,
    ofVacancy: (vacancy) => {
      const key = meetingKey(vacancy);
      return key === null ? [] : [key];
    },
    agrees: always,
  },
  { ...propertiesKey, agrees: timesAgree },
  { ...propertiesKey, agrees: titleAgrees },
  {
    by: 'place',
    // what does not occupy the room is not what somebody booked on the other side
    ofEvent: (event) => (event.shows.is === 'occupied' ? placeOf(event) : null),
    ofVacancy: ({ state, present, shown }) => (state !== 'returning' && present ? shown.map(placeKey) : []),
    agrees: ({ shown }, event) =>
      shown.some((one) => placeKey(one) === placeOf(event) && sameTitle(one.title, shownBy(event).title)),
  },
];

/** Whether an event that carries the properties of a reservation is that reservation's: the properties alone, a copy has too. */
export const isItsEvent = (shown: readonly Item[], event: UnclaimedEvent): boolean =>
  timesAgree({ shown }, event) || titleAgrees({ shown, state: 'new' }, event);

type Instance = Pick<UnclaimedEvent, 'originalStart' | 'seriesMasterId'> & {
  readonly iCalUId: string | null;
};

/** What the instances of one series share: its master, or, if that was made anew, the meeting but for the day in its id. */
const series: readonly ((instance: Instance) => string | null)[] = [
  ({ seriesMasterId }) => seriesMasterId,
  ({ iCalUId, originalStart }) =>
    iCalUId === null || iCalUId === '' || originalStart === null
      ? null
      : iCalUId.replace(dayOfInstance, '$100000000'),
];
/** The id of a meeting as Exchange makes it: of an instance its day stands in bytes 17 to 20 (MS-OXOCAL 2.2.1.27). */
const dayOfInstance = /^(040000008200E00074C5B7101A82E008)[0-9A-F]{8}/i;

/** Of two ordered lists each of the shorter one with the nearest of the longer one that leaves enough for the rest. */
function inOrder<Event extends UnclaimedEvent>(
  vacant: readonly Vacancy[],
  now: readonly Event[],
): [Vacancy, Event][] {
  const before = vacant.map((one) => ({
    one,
    at: Date.parse(one.originalStart ?? one.shown[0]?.startsAt ?? ''),
  }));
  const after = now.map((one) => ({ one, at: Date.parse(one.originalStart ?? shownBy(one).startsAt) }));
  before.sort((a, b) => a.at - b.at);
  after.sort((a, b) => a.at - b.at);
  return before.length <= after.length
    ? nearest(before, after).map(([vacancy, event]) => [vacancy, event])
    : nearest(after, before).map(([event, vacancy]) => [vacancy, event]);
}

function nearest<Few, Many>(
  few: readonly { readonly one: Few; readonly at: number }[],
  many: readonly { readonly one: Many; readonly at: number }[],
): [Few, Many][] {
  let next = 0;
  return few.map(({ one, at }, index) => {
    const last = many.length - (few.length - index);
    const distance = (place: number) => Math.abs(many[place]!.at - at);
    while (next < last && distance(next + 1) < distance(next)) next += 1;
    return [one, many[next++]!.one];
  });
}

function grouped<One>(ones: Iterable<One>, keyOf: (one: One) => string | null): Map<string, One[]> {
  const groups = Map.groupBy(ones, (one) => keyOf(one) ?? '');
  groups.delete('');
  return groups;
}
