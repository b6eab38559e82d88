/** The dates of a series by Microsoft's `patternedRecurrence`. Pure. */
import rrule from 'rrule';
import type { SeriesPattern } from '../event.ts';
import { membersOf, textOf } from './format.ts';
import { zoneNamed } from './zone.ts';

const { RRule } = rrule;
type Members = Readonly<Record<string, unknown>>;
type Rule = NonNullable<ConstructorParameters<typeof RRule>[0]>;

/** Series must start and end within the valid times of events. */
const [earliest, latest] = [Date.UTC(1990, 0), Date.UTC(2100, 0)];

const weekdays = new Map<unknown, (typeof RRule)['MO']>([
  ['sunday', RRule.SU],
  ['monday', RRule.MO],
  ['tuesday', RRule.TU],
  ['wednesday', RRule.WE],
  ['thursday', RRule.TH],
  ['friday', RRule.FR],
  ['saturday', RRule.SA],
]);
const places = new Map<unknown, number>([
  ['first', 1],
  ['second', 2],
  ['third', 3],
  ['fourth', 4],
  ['last', -1],
]);

/** A recurrence that does not match Microsoft's documentation (resources/patternedrecurrence). */
class NotUnderstood extends Error {}

/** The pattern of a series master; null: none, or an unknown one. */
export function patternOf(master: unknown): SeriesPattern | null {
  const { recurrence, originalStartTimeZone, isAllDay } = membersOf(master);
  const { pattern, range } = membersOf(recurrence);
  // the zone of a series may be a custom one (tzone://Microsoft/Custom)
  const zone = [membersOf(range).recurrenceTimeZone, originalStartTimeZone]
    .map((name) => zoneNamed(textOf(name) ?? ''))
    .find((known) => known !== null);
  if (zone === undefined) return null;
  try {
    const rule = new RRule({ ...rangeOf(membersOf(range)), ...ruleOf(membersOf(pattern)) });
    return {
      without(instants) {
        const asked = instants.map((instant) => {
          const local = zone.wallAt(Date.parse(instant)).slice(0, 10);
          // all-day events float: the date of their instant depends on its source
          return { instant, dates: isAllDay === true ? [local, instant.slice(0, 10)] : [local] };
        });
        const days = asked.flatMap(({ dates }) => dates.map(dayOf));
        const found = rule.between(new Date(Math.min(...days)), new Date(Math.max(...days)), true);
        const there = new Set(found.map((day) => day.toISOString().slice(0, 10)));
        const missing = asked.filter(({ dates }) => !dates.some((date) => there.has(date)));
        return new Set(missing.map(({ instant }) => instant));
      },
    };
  } catch (error) {
    if (error instanceof NotUnderstood) return null;
    throw error;
  }
}

const dayOf = (date: string) => Date.parse(`${date}T00:00:00Z`);

/** Microsoft: resources/recurrencerange. */
function rangeOf({ type, startDate, endDate, numberOfOccurrences }: Members): Rule {
  const dtstart = dateIn(startDate);
  if (type === 'noEnd') return { dtstart };
  if (type === 'endDate') return { dtstart, until: dateIn(endDate) };
  if (type === 'numbered') return { dtstart, count: wholeUpTo(numberOfOccurrences, 100_000) };
  throw new NotUnderstood();
}

/** Microsoft: resources/recurrencepattern. */
function ruleOf(pattern: Members): Rule {
  const interval = wholeUpTo(pattern.interval, 10_000);
  switch (pattern.type) {
    case 'daily':
      return { freq: RRule.DAILY, interval };
    case 'weekly':
      return {
        freq: RRule.WEEKLY,
        interval,
        byweekday: weekdaysIn(pattern.daysOfWeek),
        wkst: known(weekdays.get(textOf(pattern.firstDayOfWeek) ?? 'sunday')),
      };
    case 'absoluteMonthly':
      return { freq: RRule.MONTHLY, interval, ...onDay(pattern.dayOfMonth) };
    case 'absoluteYearly':
      return { freq: RRule.YEARLY, interval, bymonth: monthIn(pattern.month), ...onDay(pattern.dayOfMonth) };
    case 'relativeMonthly':
      return { freq: RRule.MONTHLY, interval, ...onPlace(pattern) };
    case 'relativeYearly':
      return { freq: RRule.YEARLY, interval, bymonth: monthIn(pattern.month), ...onPlace(pattern) };
    default:
      throw new NotUnderstood();
  }
}

/** Months that are too short have it on their last day, as Exchange does. */
function onDay(dayOfMonth: unknown): Rule {
  const day = wholeUpTo(dayOfMonth, 31);
  const bymonthday = Array.from({ length: Math.max(0, day - 28) + 1 }, (_, before) => day - before);
  return { bymonthday, bysetpos: -1 };
}

const onPlace = ({ daysOfWeek, index }: Members): Rule => ({
  byweekday: weekdaysIn(daysOfWeek),
  bysetpos: known(places.get(textOf(index) ?? 'first')),
});

function known<T>(value: T | undefined): T {
  if (value === undefined) throw new NotUnderstood();
  return value;
}

function weekdaysIn(value: unknown): (typeof RRule)['MO'][] {
  if (!Array.isArray(value) || value.length === 0) throw new NotUnderstood();
  return value.map((day) => known(weekdays.get(day)));
}

const monthIn = (value: unknown) => wholeUpTo(value, 12);

/** A whole number from 1. */
function wholeUpTo(value: unknown, most: number): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 1 || value > most)
    throw new NotUnderstood();
  return value;
}

function dateIn(value: unknown): Date {
  const day = /^\d{4}-\d\d-\d\d$/.test(String(value)) ? dayOf(String(value)) : Number.NaN;
  if (!(day >= earliest && day <= latest)) throw new NotUnderstood();
  return new Date(day);
}
