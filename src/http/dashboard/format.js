/** Numbers and times for users. Times are in the time zone of the booking system, wherever the browser is. */
import { locale, number, say } from './language.js';

export { number };

/** @param {string} [zone] undefined: the browser's, until the booking system's has been read */
const clocks = (zone) => {
  /** @param {Intl.DateTimeFormatOptions} options */
  const of = (options) =>
    new Intl.DateTimeFormat(locale(), { ...options, ...(zone === undefined ? {} : { timeZone: zone }) });
  return {
    zone,
    locale: locale(),
    clock: of({ hour: '2-digit', minute: '2-digit' }),
    clockSeconds: of({ hour: '2-digit', minute: '2-digit', second: '2-digit' }),
    day: of({ weekday: 'short', day: '2-digit', month: 'short' }),
    date: of({ dateStyle: 'short' }),
    full: of({ dateStyle: 'medium', timeStyle: 'medium' }),
  };
};
let formats = clocks();

/** Sets the zone of all times. @param {string} zone */
export function useZone(zone) {
  if (formats.zone !== zone || formats.locale !== locale()) formats = clocks(zone);
}

/** The zone of all times; undefined: the booking system's has not been read yet. */
export const zoneInUse = () => formats.zone;

/**
 * Whether the wall clock of this browser differs from that of the zone, now or in the other half of the year.
 * @param {string} zone
 * @param {number} now
 */
export function isElsewhere(zone, now) {
  /** @type {Intl.DateTimeFormatOptions} */
  const options = { dateStyle: 'short', timeStyle: 'short' };
  const here = new Intl.DateTimeFormat(locale(), options);
  const there = new Intl.DateTimeFormat(locale(), { ...options, timeZone: zone });
  return [now, now + 182 * 86_400_000].some((at) => here.format(at) !== there.format(at));
}

/**
 * `3 rooms`, `1 room`.
 * @param {number} n
 * @param {'room' | 'change' | 'reservation' | 'event' | 'meeting' | 'conflict' | 'removal' | 'daemon' | 'time' | 'alert' | 'match'} noun
 */
export const counted = (n, noun) => say(`n.${noun}`, { n });

/** @param {number} value @param {number} digits */
const decimal = (value, digits) =>
  new Intl.NumberFormat(locale(), { minimumFractionDigits: digits, maximumFractionDigits: digits }).format(
    value,
  );

/**
 * A duration, with a unit that fits its length.
 * @param {number | null} ms
 * @param {number} [digits] of seconds below ten
 */
export function duration(ms, digits = 1) {
  if (ms === null) return '–';
  if (ms < 1_000) return `${number(ms < 10 ? Math.round(ms * 10) / 10 : Math.round(ms))} ms`;
  if (ms < 10_000) return `${decimal(ms / 1_000, digits)} s`;
  if (ms < 90_000) return `${Math.round(ms / 1_000)} s`;
  if (ms < 90 * 60_000) return `${Math.round(ms / 60_000)} min`;
  if (ms < 36 * 3_600_000) return say('length.hours', { n: Math.round(ms / 3_600_000) });
  return say('length.days', { n: Math.round(ms / 86_400_000) });
}

/**
 * Seconds with two digits: `0.14 s`.
 * @param {number} ms
 */
export const seconds = (ms) => (ms < 10_000 ? `${decimal(ms / 1_000, 2)} s` : duration(ms));

/**
 * The time from now, past or future. Null: never.
 * @param {string | null} at
 * @param {number} now
 */
export function distance(at, now) {
  if (at === null) return '–';
  const ms = now - Date.parse(at);
  if (Math.abs(ms) < 1_000) return say('distance.now');
  return ms > 0
    ? say('distance.past', { length: duration(ms, 0) })
    : say('distance.future', { length: duration(-ms, 0) });
}

/** @param {string | number} at */
export const timeOfDay = (at) => formats.clockSeconds.format(new Date(at));

/** @param {string | number} at */
export const hourOfDay = (at) => formats.clock.format(new Date(at));

/** @param {string} at */
export const fullTime = (at) => formats.full.format(new Date(at));

/**
 * Start and end: `Tue 05 Jan 16:00–18:00`.
 * @param {string | null} from
 * @param {string | null} to
 */
export function span(from, to) {
  if (from === null) return say('time.unknown');
  const { clock, date, day } = formats;
  const [a, b] = [new Date(from), to === null ? null : new Date(to)];
  const start = `${plain(day.format(a))} ${clock.format(a)}`;
  if (b === null) return start;
  return date.format(a) === date.format(b)
    ? `${start}–${clock.format(b)}`
    : `${start} – ${plain(day.format(b))} ${clock.format(b)}`;
}
/** @param {string} text */
const plain = (text) => text.replace(',', '');

/**
 * `a, b and c`; of many names the first and the number of the others.
 * @param {readonly string[]} names
 * @param {number} [most]
 */
export function listed(names, most = 3) {
  if (names.length > most)
    return say('list.more', { first: names.slice(0, most).join(', '), n: names.length - most });
  return names.length < 2
    ? (names[0] ?? '')
    : say('list.and', { first: names.slice(0, -1).join(', '), last: names.at(-1) ?? '' });
}

/**
 * A text from another system as a sentence, with one full stop at its end.
 * @param {string} text
 */
export const ended = (text) => (text === '' ? '' : `${text.replace(/[.\s]+$/, '')}.`);

const named = 90;
/**
 * A name chosen by users, inside a sentence: shortened, and isolated so that its text direction affects only itself.
 * @param {string} name
 */
export const name = (name) =>
  `\u2068${[...name].length > named ? `${[...name].slice(0, named).join('')}…` : name}\u2069`;

/**
 * A reservation by type and number, or by the adapter's own key: `booking 12`.
 * @param {{ reservation_type: string | null, reservation_key?: string, reservation_id: number | string | null }} item
 */
export const referenceOf = ({ reservation_type: type, reservation_key: key, reservation_id: id }) =>
  `${type ?? say('event')} ${key ?? id ?? ''}`.trim();

/** @param {Parameters<typeof referenceOf>[0] & { title: string | null }} item */
export const titleOf = (item) => item.title ?? referenceOf(item);
