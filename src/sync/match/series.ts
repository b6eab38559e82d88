/**
 * Pairs the lost dates of a series with its new instances. A lost date is paired only if the pattern was moved, which gives every
 * instance a new id. If an instance is still there under its id, the others were deleted one by one or dropped from the pattern,
 * and a new date is an additional one. A wrong pairing would move a reservation to a date without a decision, so without clear
 * evidence nothing is paired: the lost reservation is cancelled and the new date is imported. Pure.
 */
import { itemOf } from '../../event.ts';
import type { Span } from '../store/span.ts';
import type { OpenMapping, UnmatchedEvent } from './open-mapping.ts';

/** The fields by which instances of one series are recognised. */
export interface Instance {
  readonly id: string | null;
  readonly iCalUId: string | null;
  readonly originalStart: string | null;
  readonly seriesMasterId: string | null;
}

/** What is known of the series of a room besides their lost dates and their new instances. */
export interface SeriesEvidence {
  /** Instances that are in the room under the id by which they were known before. */
  readonly kept: readonly Instance[];
  /** Dates without a reservation that were known before and are gone. */
  readonly former: readonly Instance[];
  /** Whether the current pattern has the date of a lost mapping; no entry: unknown. */
  readonly inPattern: ReadonlyMap<number, boolean>;
  /** The period in which instances are known. */
  readonly span: Span;
}

const masterOf = ({ seriesMasterId }: Pick<Instance, 'seriesMasterId'>) => seriesMasterId;
const meetingOf = ({ iCalUId, originalStart }: Pick<Instance, 'iCalUId' | 'originalStart'>) =>
  iCalUId === null || iCalUId === '' || originalStart === null
    ? null
    : iCalUId.replace(dayOfInstance, '$100000000');
/** In a meeting id of Exchange, bytes 17 to 20 are the day of an instance (MS-OXOCAL 2.2.1.27). */
const dayOfInstance = /^(040000008200E00074C5B7101A82E008)[0-9A-F]{8}/i;

/**
 * Equal for the instances of one series: its master or, if that was created anew, the meeting id without its day. An event that
 * was made a series is the master of its instances, and the master of a series that was made one event is that event.
 */
const relations: readonly {
  readonly ofMapping: (mapping: OpenMapping) => string | null;
  readonly ofEvent: (event: Instance) => string | null;
  /** Both are instances: the pattern may have been moved. Otherwise one is the whole series. */
  readonly areInstances: boolean;
}[] = [
  { ofMapping: ({ eventId }) => eventId, ofEvent: masterOf, areInstances: false },
  { ofMapping: masterOf, ofEvent: ({ id }) => id, areInstances: false },
  { ofMapping: masterOf, ofEvent: masterOf, areInstances: true },
  { ofMapping: meetingOf, ofEvent: meetingOf, areInstances: true },
];

/** Lost mappings and events of the same series. */
export interface SeriesGroup<Event> {
  readonly lost: readonly OpenMapping[];
  readonly events: readonly Event[];
  /** See `SeriesEvidence`: the pattern counts. */
  readonly areInstances: boolean;
}

export function seriesOfLost<Event extends Instance>(
  lost: readonly OpenMapping[],
  events: readonly Event[],
): SeriesGroup<Event>[] {
  return relations.flatMap(({ ofMapping, ofEvent, areInstances }) => {
    const now = grouped(events, ofEvent);
    return [...grouped(lost, ofMapping)].flatMap(([key, dates]) =>
      now.has(key) ? [{ lost: dates, events: now.get(key)!, areInstances }] : [],
    );
  });
}

/** The lost dates and their new instances. */
export function pairSeries<Event extends UnmatchedEvent>(
  lost: readonly OpenMapping[],
  events: readonly Event[],
  evidence: SeriesEvidence,
): [OpenMapping, Event][] {
  const open = new Set(lost);
  const free = new Set(events);
  const found: [OpenMapping, Event][] = [];
  for (const { ofMapping, ofEvent, areInstances } of relations) {
    const now = grouped(free, ofEvent);
    const former = grouped(evidence.former, ofEvent);
    const kept = grouped(evidence.kept, ofEvent);
    for (const [key, dates] of grouped(open, ofMapping)) {
      if (areInstances && kept.has(key)) {
        for (const mapping of dates) open.delete(mapping);
        continue;
      }
      const before = dates.map((one) => ({ one, at: timeOf(one.originalStart ?? one.shown[0]?.startsAt) }));
      const gone = (former.get(key) ?? []).map(({ originalStart }) => ({
        one: null,
        at: timeOf(originalStart),
      }));
      const after = (now.get(key) ?? []).map((one) => ({
        one,
        at: timeOf(one.originalStart ?? itemOf(one.shows)?.startsAt),
      }));
      const pairs = areInstances
        ? moved(byTime(before), byTime(gone), byTime(after), evidence)
        : inOrder(byTime(before), byTime(after));
      for (const [mapping, event] of pairs) {
        // what is shown as free is not a booking
        if (event.shows.is === 'free') continue;
        open.delete(mapping);
        free.delete(event);
        found.push([mapping, event]);
      }
    }
  }
  return found;
}

interface Dated<One> {
  readonly one: One;
  readonly at: number;
}

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

/** Pairs the dates of a series none of whose instances has kept its id. */
function moved<Event>(
  lost: readonly Dated<OpenMapping>[],
  former: readonly Dated<null>[],
  now: readonly Dated<Event>[],
  { inPattern, span }: SeriesEvidence,
): (readonly [OpenMapping, Event])[] {
  // a date that the pattern has and the calendar does not was deleted by itself
  const isDeleted = ({ one, at }: Dated<OpenMapping>) =>
    inPattern.get(one.id) === true && !now.some((instance) => Math.abs(instance.at - at) < dayMs);
  const dates = lost.filter((date) => !isDeleted(date));
  if (dates.length === 0 || now.length === 0) return [];
  // without the pattern, dates that follow the last one may just as well have been added
  if (dates.some(({ one }) => !inPattern.has(one.id)) && now[0]!.at > dates.at(-1)!.at) return [];
  const isOnly = dates.length + former.length === 1 && now.length === 1;
  if (isOnly) return inPattern.get(dates[0]!.one.id) === false ? [[dates[0]!.one, now[0]!.one]] : [];
  // a pattern such as "the third Friday" moves its dates by different times
  const isEach = dates.length === now.length && former.length === 0;
  if (isEach && areNeighbours(dates, now)) return inOrder(dates, now);
  const inside = [timeOf(span.from) + dayMs, timeOf(span.to) - dayMs] as const;
  const shift = commonShift(byTime([...dates, ...former]), now, inside);
  if (shift === 'ambiguous') return [];
  if (shift !== null)
    return shift.pairs.flatMap(([{ one: mapping }, { one: event }]) =>
      mapping === null ? [] : [[mapping, event] as const],
    );
  return isEach ? inOrder(dates, now) : [];
}

/** Whether each date moved by less than half of the time between two dates. */
function areNeighbours(before: readonly Dated<unknown>[], after: readonly Dated<unknown>[]): boolean {
  const between = Math.min(...before.slice(1).map(({ at }, index) => at - before[index]!.at));
  return before.every(({ at }, index) => 2 * Math.abs(after[index]!.at - at) < between);
}

interface Shift<Before, After> {
  readonly by: number;
  readonly pairs: readonly (readonly [Before, After])[];
  /** Dates without a counterpart that should have one in the known period. */
  readonly alone: number;
}

/** Local times shift by an hour when summer time begins or ends. */
const summerTimeMs = hourMs;

/**
 * The time by which the dates were moved; null: there is none for most of them. Ambiguous: the dates fit another one as well, such
 * as four days later and three days earlier in a weekly series that lost a date. If every date fits, the shorter one is it.
 */
function commonShift<Before extends Dated<unknown>, After extends Dated<unknown>>(
  before: readonly Before[],
  after: readonly After[],
  [from, to]: readonly [number, number],
): Shift<Before, After> | 'ambiguous' | null {
  const isInside = (at: number) => at > from && at < to;
  const shiftBy = (by: number): Shift<Before, After> => {
    const pairs = meeting(before, after, by);
    const [old, current] = [new Set(pairs.map(([one]) => one)), new Set(pairs.map(([, one]) => one))];
    const lone = before.filter((one) => one.one !== null && !old.has(one) && isInside(one.at + by));
    const extra = after.filter((one) => !current.has(one) && isInside(one.at - by));
    return { by, pairs, alone: lone.length + extra.length };
  };
  const fewer = Math.min(before.length, after.length);
  const shifts = nearestDistances(before, after)
    .map(shiftBy)
    .filter(({ pairs }) => pairs.length > 1 && 2 * pairs.length > fewer)
    .sort((a, b) => a.alone - b.alone || Math.abs(a.by) - Math.abs(b.by));
  const [best] = shifts;
  if (best === undefined) return null;
  const isRival = ({ by, alone }: Shift<Before, After>) =>
    Math.abs(by - best.by) > 2 * summerTimeMs &&
    alone === best.alone &&
    Math.abs(by) < (alone === 0 ? Math.abs(best.by) + summerTimeMs : 2 * Math.abs(best.by));
  return shifts.some(isRival) ? 'ambiguous' : best;
}

/** The distances of each date to the last one before and the first one after it. */
function nearestDistances(before: readonly Dated<unknown>[], after: readonly Dated<unknown>[]): number[] {
  const found = new Set<number>();
  for (const { at } of before) {
    const next = after.findIndex((one) => one.at >= at);
    for (const near of [next, next === -1 ? after.length - 1 : next - 1])
      if (after[near] !== undefined) found.add(after[near].at - at);
  }
  return [...found];
}

/** The pairs of dates that are so far apart. */
function meeting<Before extends Dated<unknown>, After extends Dated<unknown>>(
  before: readonly Before[],
  after: readonly After[],
  by: number,
): [Before, After][] {
  const pairs: [Before, After][] = [];
  let [old, current] = [0, 0];
  while (old < before.length && current < after.length) {
    const difference = after[current]!.at - before[old]!.at - by;
    if (Math.abs(difference) <= summerTimeMs) pairs.push([before[old++]!, after[current++]!]);
    else if (difference < 0) current += 1;
    else old += 1;
  }
  return pairs;
}

/** Pairs two lists in time order: each of the shorter with the nearest of the longer that leaves enough for the rest. */
function inOrder<Before, After>(
  before: readonly Dated<Before>[],
  after: readonly Dated<After>[],
): [Before, After][] {
  return before.length <= after.length
    ? nearest(before, after)
    : nearest(after, before).map(([event, mapping]) => [mapping, event]);
}

function nearest<Few, Many>(few: readonly Dated<Few>[], many: readonly Dated<Many>[]): [Few, Many][] {
  let next = 0;
  return few.map(({ one, at }, index) => {
    const last = many.length - (few.length - index);
    const distance = (place: number) => Math.abs(many[place]!.at - at);
    while (next < last && distance(next + 1) < distance(next)) next += 1;
    return [one, many[next++]!.one];
  });
}

const timeOf = (instant: string | null | undefined) => Date.parse(instant ?? '');

const byTime = <One extends Dated<unknown>>(dates: readonly One[]): One[] =>
  dates.toSorted((a, b) => a.at - b.at);

/** Groups by a key; what has none is left out. */
export function grouped<One>(ones: Iterable<One>, keyOf: (one: One) => string | null): Map<string, One[]> {
  const groups = Map.groupBy(ones, (one) => keyOf(one) ?? '');
  groups.delete('');
  return groups;
}
