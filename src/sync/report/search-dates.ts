/** Typed dates, in English and Norwegian. Pure; dates are YYYY-MM-DD without a zone. */
import { Invalid } from '../../errors.ts';
import { editDistance, fold } from './search-words.ts';

/** Days, inclusive. `weekday`: given only by its weekday, of which there are more. */
export interface Days {
  readonly from: string;
  readonly to: string;
  readonly weekday: boolean;
}

interface Found {
  readonly days: Days;
  /** The number of its tokens. */
  readonly length: number;
}

const dayMs = 86_400_000;
const msOf = (date: string) => Date.parse(`${date}T00:00:00Z`);

/** The date so many days later. */
export const addDays = (date: string, days: number): string =>
  new Date(msOf(date) + days * dayMs).toISOString().slice(0, 10);

/** 0 is a Monday. */
const weekdayOf = (date: string): number => (new Date(msOf(date)).getUTCDay() + 6) % 7;

/** The Monday on or before. */
export const mondayOf = (date: string): string => addDays(date, -weekdayOf(date));

const table = (lists: readonly string[]): ReadonlyMap<string, number> =>
  new Map(lists.flatMap((names, at) => names.split(' ').map((name) => [name, at] as const)));

const weekdays = table([
  'monday mandag',
  'tuesday tirsdag tysdag',
  'wednesday onsdag',
  'thursday torsdag',
  'friday fredag',
  'saturday lordag laurdag',
  'sunday sondag sundag',
]);
/** Also names and other words: weekdays only after a preposition or before a date. */
const shortWeekdays = table([
  'mon man',
  'tue tues tir tirs',
  'wed weds ons',
  'thu thur thurs tor tors',
  'fri fre',
  'sat lor',
  'sun son',
]);
const months = table([
  'january januar jan',
  'february februar feb',
  'march mars mar',
  'april apr',
  'may mai',
  'june juni jun',
  'july juli jul',
  'august aug',
  'september sept sep',
  'october oktober oct okt',
  'november nov',
  'december desember dec des',
]);
const relative: ReadonlyMap<string, number> = new Map([
  ['today', 0],
  ['idag', 0],
  ['i dag', 0],
  ['tomorrow', 1],
  ['imorgen', 1],
  ['i morgen', 1],
  ['yesterday', -1],
  ['igar', -1],
  ['i gar', -1],
]);
const weeks: ReadonlyMap<string, number> = new Map([
  ['this', 0],
  ['denne', 0],
  ['next', 7],
  ['neste', 7],
  ['last', -7],
  ['forrige', -7],
]);

/** The date at `at`, with the prepositions before it. Throws Invalid for one that does not exist. */
export function readDate(tokens: readonly string[], at: number, today: string): Found | null {
  const words = tokens.slice(at, at + 6).map((token) => fold(token).replace(/[.,]+$/, ''));
  const before = words.findIndex((word) => !/^(on|the|pa|den|in|i|for|from|til)$/.test(word));
  const plain = relative.get(words.slice(0, 2).join(' '));
  if (plain !== undefined) return found(addDays(today, plain), 2);
  if (before === -1) return null;
  const rest = words.slice(before);
  const date =
    relativeDay(rest, today) ??
    namedWeek(rest, today) ??
    namedDay(rest, today, /^(on|pa)$/.test(words[before - 1] ?? '')) ??
    writtenDate(rest, tokens[at + before]!, today) ??
    (before > 0 ? wholeMonth(rest, today) : null);
  return date === null ? null : { ...date, length: date.length + before };
}

const found = (date: string, length: number, weekday = false): Found => ({
  days: { from: date, to: date, weekday },
  length,
});

function relativeDay([first = '']: readonly string[], today: string): Found | null {
  const days = relative.get(first);
  return days === undefined ? null : found(addDays(today, days), 1);
}

/** `this week`, `neste uke`, `week 50`. */
function namedWeek([first = '', second = '']: readonly string[], today: string): Found | null {
  const isWeek = (word: string) => /^(week|uke|uka|uken|veke|veka)$/.test(word);
  const week = (monday: string) => ({
    days: { from: monday, to: addDays(monday, 6), weekday: false },
    length: 2,
  });
  const away = weeks.get(first);
  if (away !== undefined && isWeek(second)) return week(addDays(mondayOf(today), away));
  if (!isWeek(first) || !/^\d{1,2}$/.test(second) || Number(second) < 1 || Number(second) > 53) return null;
  const year = Number(today.slice(0, 4));
  const mondays = [-1, 0, 1].map((more) =>
    addDays(mondayOf(`${year + more}-01-04`), (Number(second) - 1) * 7),
  );
  return week(nearest(mondays, today));
}

/** `Thursday`, `next Thursday`, `thu 3 dec`: the next one, today included. `isAsked`: after `on`. */
function namedDay(words: readonly string[], today: string, isAsked: boolean): Found | null {
  const next = weeks.has(words[0] ?? '') ? 1 : 0;
  const word = words[next] ?? '';
  const full = weekdays.get(word) ?? (isAsked || next > 0 ? mistyped(word) : undefined);
  const after = writtenDate(words.slice(next + 1), words[next + 1] ?? '', today);
  const short = isAsked || next > 0 || after !== null ? shortWeekdays.get(word) : undefined;
  const weekday = full ?? short;
  if (weekday === undefined) return null;
  // a date beside its weekday is more precise
  if (after !== null) return { ...after, length: after.length + next + 1 };
  const ahead = (weekday - weekdayOf(today) + 7) % 7;
  const away = weeks.get(words[0] ?? '') ?? 0;
  if (away === 0) return found(addDays(today, ahead), next + 1, next === 0);
  return found(addDays(today, away > 0 ? ahead || 7 : ahead - 7), 2);
}

/** A weekday with one letter wrong, missing or too many. */
function mistyped(word: string): number | undefined {
  if (word.length < 5) return undefined;
  for (const [name, weekday] of weekdays) if (editDistance(word, name, 1).whole <= 1) return weekday;
  return undefined;
}

/** `2026-12-03`, `3.12.2026`, `3/12`, `3 December`, `December 3rd, 2026`. Days stand before months. */
function writtenDate(words: readonly string[], typed: string, today: string): Found | null {
  const [first = '', second = '', third = ''] = words;
  const iso = /^(\d{4})-(\d{1,2})-(\d{1,2})$/.exec(first);
  if (iso !== null) return found(dateOf(typed, iso[1], Number(iso[2]), Number(iso[3]), today), 1);
  const dotted = /^(\d{1,2})[./](\d{1,2})(?:[./](\d{4}|\d{2}))?$/.exec(first);
  // without a year it may be another number
  if (dotted !== null && (dotted[3] !== undefined || isDate(`2024-${two(dotted[2]!)}-${two(dotted[1]!)}`)))
    return found(dateOf(typed, dotted[3], Number(dotted[2]), Number(dotted[1]), today), 1);
  const dayIn = (word: string) => /^(\d{1,2})(?:st|nd|rd|th)?$/.exec(word)?.[1];
  const [day, month] = [dayIn(first) ?? dayIn(second), months.get(second) ?? months.get(first)];
  if (day === undefined || month === undefined) return null;
  const year = /^\d{4}$/.test(third) ? third : undefined;
  return found(dateOf(`${first} ${second}`, year, month + 1, Number(day), today), year === undefined ? 2 : 3);
}

/** `in May`, `i mai 2027`. */
function wholeMonth([first = '', second = '']: readonly string[], today: string): Found | null {
  const month = months.get(first);
  if (month === undefined) return null;
  const year = /^\d{4}$/.test(second) ? second : undefined;
  const from = dateOf(first, year, month + 1, 1, today);
  const to = addDays(`${addDays(from, 31).slice(0, 7)}-01`, -1);
  return { days: { from, to, weekday: false }, length: year === undefined ? 1 : 2 };
}

/** Throws Invalid for a day that does not exist. Without a year: the nearest to today. */
function dateOf(typed: string, year: string | undefined, month: number, day: number, today: string): string {
  const now = Number(today.slice(0, 4));
  const years =
    year === undefined ? [now - 1, now, now + 1] : [year.length === 2 ? 2000 + Number(year) : Number(year)];
  const dates = years.map((one) => `${one}-${two(month)}-${two(day)}`).filter(isDate);
  if (dates.length > 0) return year === undefined ? nearest(dates, today) : dates[0]!;
  // 29 February without a year
  if (year === undefined && isDate(`2024-${two(month)}-${two(day)}`))
    return `${now + ((4 - (now % 4)) % 4)}-02-29`;
  throw new Invalid(
    'q',
    `q: '${typed.slice(0, 40)}' is no date of the calendar`,
    'Write it as 2026-05-17 or 17.5.2026.',
  );
}

/** Whether this day exists, between 1900 and 2199. */
export const isDate = (text: string): boolean =>
  /^(19|20|21)\d{2}-\d{2}-\d{2}$/.test(text) && !Number.isNaN(msOf(text)) && addDays(text, 0) === text;

const two = (value: number | string) => String(value).padStart(2, '0');

const pastDays = 60;

/** The first that is not long past. */
const nearest = (dates: readonly string[], today: string): string =>
  dates.find((date) => date >= addDays(today, -pastDays)) ?? dates.at(-1)!;
