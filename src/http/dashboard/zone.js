/** Times in the time zone of the booking system, independent of the browser's. */
import { locale, say } from './language.js';

/** @param {string} zone @param {Intl.DateTimeFormatOptions} options */
const format = (zone, options) => new Intl.DateTimeFormat(locale(), { timeZone: zone, ...options });

/** An instant as local time of the zone, in the format of an input: `2031-01-05T16:00`. @param {string} zone @param {Date} at */
export const wallIn = (zone, at) =>
  new Intl.DateTimeFormat('sv-SE', { timeZone: zone, dateStyle: 'short', timeStyle: 'short' })
    .format(at)
    .replace(' ', 'T');

/** The instant of a local time in the zone; the first of two in the repeated hour. @param {string} zone @param {string} wall */
export function instantIn(zone, wall) {
  const asked = Date.parse(`${wall}:00Z`);
  const shown = (/** @type {number} */ at) => Date.parse(`${wallIn(zone, new Date(at))}:00Z`);
  // around a change of the clock two offsets are possible: the correct one gives the local time back
  const guesses = [asked - 86_400_000, asked + 86_400_000].map((near) => asked - (shown(near) - near));
  return new Date(guesses.find((at) => shown(at) === asked) ?? guesses[0] ?? asked).toISOString();
}

/** `Tue 05 Jan` @param {string} zone @param {string} at */
export const dayIn = (zone, at) =>
  format(zone, { weekday: 'short', day: '2-digit', month: 'short' }).format(new Date(at)).replace(',', '');

/** `16:00` @param {string} zone @param {string} at */
const clockIn = (zone, at) => format(zone, { hour: '2-digit', minute: '2-digit' }).format(new Date(at));

/**
 * `Tue 05 Jan 16:00–18:00`.
 * @param {string} zone
 * @param {string | null} from
 * @param {string | null} to
 */
export function spanIn(zone, from, to) {
  if (from === null) return say('time.unknown');
  const start = `${dayIn(zone, from)} ${clockIn(zone, from)}`;
  if (to === null) return start;
  const end = dayIn(zone, from) === dayIn(zone, to) ? '–' : ` – ${dayIn(zone, to)} `;
  return `${start}${end}${clockIn(zone, to)}`;
}
