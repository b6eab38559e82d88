import { invalidProperty, notSimulated } from './graph-error.ts';
import { DAY_MS, ianaZone } from './zones.ts';

/** A checked `patternedRecurrence`. Days are whole days since 1970. */
export interface Recurrence {
  readonly type: 'daily' | 'weekly' | 'absoluteMonthly';
  readonly interval: number;
  /** 0 is Sunday. */
  readonly weekdays: readonly number[];
  readonly firstWeekday: number;
  readonly dayOfMonth: number;
  readonly startDay: number;
  readonly rangeType: 'numbered' | 'endDate' | 'noEnd';
  readonly count: number;
  readonly lastDay: number;
  readonly zone: string;
}

const WEEKDAYS = ['sunday', 'monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday'];
const PATTERN_MEMBERS = ['type', 'interval', 'month', 'dayOfMonth', 'daysOfWeek', 'firstDayOfWeek', 'index'];
const RANGE_MEMBERS = ['type', 'startDate', 'endDate', 'recurrenceTimeZone', 'numberOfOccurrences'];

/** A century of days, the limit of an endless series. */
const LONGEST_DAYS = 36_525;

/** Reads the `recurrence` of a body with its start on `startDay` in `zone`. */
export function readRecurrence(value: unknown, startDay: number, zone: string): Recurrence {
  const { pattern, range } = membersOf(value, ['pattern', 'range'], 'recurrence');
  const how = membersOf(pattern, PATTERN_MEMBERS, 'recurrence.pattern');
  const span = membersOf(range, RANGE_MEMBERS, 'recurrence.range');
  const { type } = how;
  if (type === 'relativeMonthly' || type === 'absoluteYearly' || type === 'relativeYearly') {
    throw notSimulated(`${type} recurrence`);
  }
  if (type !== 'daily' && type !== 'weekly' && type !== 'absoluteMonthly')
    throw invalidProperty('pattern.type');
  const rangeType = span.type;
  if (rangeType !== 'numbered' && rangeType !== 'endDate' && rangeType !== 'noEnd') {
    throw invalidProperty('range.type');
  }
  const weekdays = type === 'weekly' ? readWeekdays(how.daysOfWeek) : [];
  const recurrenceZone = span.recurrenceTimeZone ?? zone;
  // A zone unlike the event's is refused without saying so (seen live, 2026-09).
  if (typeof recurrenceZone !== 'string' || ianaZone(recurrenceZone) !== ianaZone(zone)) {
    throw invalidProperty('range.recurrenceTimeZone');
  }
  const first = readDay(span.startDate, 'range.startDate');
  // Microsoft: recurrenceRange, "must be the same value as the start property of the recurring event".
  if (first !== startDay) throw invalidProperty('range.startDate');
  return {
    type,
    interval: readCount(how.interval, 'pattern.interval'),
    weekdays,
    firstWeekday: Math.max(0, WEEKDAYS.indexOf(String(how.firstDayOfWeek ?? 'sunday').toLowerCase())),
    dayOfMonth: type === 'absoluteMonthly' ? readDayOfMonth(how.dayOfMonth) : 0,
    startDay: first,
    rangeType,
    count: rangeType === 'numbered' ? readCount(span.numberOfOccurrences, 'range.numberOfOccurrences') : 0,
    lastDay: rangeType === 'endDate' ? readLastDay(span.endDate, first) : first + LONGEST_DAYS,
    zone: recurrenceZone,
  };
}

export function printRecurrence(recurrence: Recurrence) {
  const { type, interval, weekdays, firstWeekday, dayOfMonth, startDay, rangeType, count, lastDay } =
    recurrence;
  return {
    pattern: {
      type,
      interval,
      month: 0,
      dayOfMonth,
      daysOfWeek: weekdays.map((day) => WEEKDAYS[day]),
      firstDayOfWeek: WEEKDAYS[firstWeekday],
      index: 'first',
    },
    range: {
      type: rangeType,
      startDate: printDay(startDay),
      endDate: rangeType === 'endDate' ? printDay(lastDay) : '0001-01-01',
      recurrenceTimeZone: recurrence.zone,
      numberOfOccurrences: count,
    },
  };
}

/** The pattern after a move of the master: the same series, beginning on another day. */
export function shiftRecurrence(recurrence: Recurrence, startDay: number): Recurrence {
  const by = startDay - recurrence.startDay;
  return {
    ...recurrence,
    startDay,
    lastDay: recurrence.lastDay + by,
    weekdays: recurrence.weekdays.map((day) => (((day + by) % 7) + 7) % 7),
    dayOfMonth: recurrence.type === 'absoluteMonthly' ? new Date(startDay * DAY_MS).getUTCDate() : 0,
  };
}

/** The days of a series in order, computed on demand. */
export interface SlotDays {
  /** Every day up to and including `last`. */
  upTo(last: number): readonly number[];
}

export function slotDays(recurrence: Recurrence): SlotDays {
  const source = walk(recurrence);
  const days: number[] = [];
  let pending = source.next();
  return {
    upTo(last) {
      for (; !pending.done && pending.value <= last; pending = source.next()) days.push(pending.value);
      return days;
    },
  };
}

function* walk(recurrence: Recurrence): Generator<number, void> {
  let left = recurrence.rangeType === 'numbered' ? recurrence.count : Infinity;
  for (const day of candidates(recurrence)) {
    if (day > recurrence.lastDay || left-- <= 0) return;
    yield day;
  }
}

function* candidates({ type, interval, startDay, weekdays, firstWeekday, dayOfMonth }: Recurrence) {
  if (type === 'daily') for (let day = startDay; ; day += interval) yield day;
  if (type === 'weekly') {
    // 1 January 1970 was a Thursday.
    const weekday = (day: number) => (((day + 4) % 7) + 7) % 7;
    const sinceFirst = (day: number) => (weekday(day) - firstWeekday + 7) % 7;
    for (let week = startDay - sinceFirst(startDay); ; week += 7 * interval) {
      for (let day = week; day < week + 7; day++) {
        if (day >= startDay && weekdays.includes(weekday(day))) yield day;
      }
    }
  }
  const first = new Date(startDay * DAY_MS);
  for (let month = first.getUTCMonth(); ; month += interval) {
    const length = new Date(Date.UTC(first.getUTCFullYear(), month + 1, 0)).getUTCDate();
    const day = Date.UTC(first.getUTCFullYear(), month, Math.min(dayOfMonth, length)) / DAY_MS;
    if (day >= startDay) yield day;
  }
}

const printDay = (day: number) => new Date(day * DAY_MS).toISOString().slice(0, 10);

/** The slot of an id for an instance on that day of its pattern. */
export const slotOf = (day: number) => printDay(day).replaceAll('-', '');

export const dayOfSlot = (slot: string) =>
  Date.UTC(Number(slot.slice(0, 4)), Number(slot.slice(4, 6)) - 1, Number(slot.slice(6, 8))) / DAY_MS;

function membersOf(value: unknown, known: readonly string[], where: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw invalidProperty(where);
  for (const name of Object.keys(value)) {
    if (!known.includes(name) && !name.startsWith('@odata.')) throw invalidProperty(`${where}.${name}`);
  }
  return value as Record<string, unknown>;
}

function readCount(value: unknown, where: string): number {
  if (!Number.isInteger(value) || (value as number) < 1 || (value as number) > 999)
    throw invalidProperty(where);
  return value as number;
}

function readDayOfMonth(value: unknown): number {
  if (!Number.isInteger(value) || (value as number) < 1 || (value as number) > 31) {
    throw invalidProperty('pattern.dayOfMonth');
  }
  return value as number;
}

function readWeekdays(value: unknown): number[] {
  const days = Array.isArray(value) ? value.map((day) => WEEKDAYS.indexOf(String(day).toLowerCase())) : [];
  if (days.length === 0 || days.includes(-1)) throw invalidProperty('pattern.daysOfWeek');
  return days;
}

function readDay(value: unknown, where: string): number {
  const at =
    typeof value === 'string' && /^\d{4}-\d\d-\d\d$/.test(value) ? Date.parse(`${value}T00:00:00Z`) : NaN;
  if (Number.isNaN(at)) throw invalidProperty(where);
  return at / DAY_MS;
}

function readLastDay(value: unknown, first: number): number {
  const last = readDay(value, 'range.endDate');
  if (last < first) throw invalidProperty('range.endDate');
  return last;
}
