/** Times on the wall clock of the booking system, whatever the browser's zone is. */
import { locale, say } from './language.js';

/** @param {string} zone @param {Intl.DateTimeFormatOptions} options */
const format = (zone, options) => new Intl.DateTimeFormat(locale(), { timeZone: zone, ...options });

/** A moment on the wall clock of the zone, as an input takes it: `2031-01-05T16:00`. @param {string} zone @param {Date} at */
export const wallIn = (zone, at) =>
  new Intl.DateTimeFormat('sv-SE', { timeZone: zone, dateStyle: 'short', timeStyle: 'short' })
    .format(at)
    .replace(' ', 'T');

/** The instant at which the wall clock of the zone shows that; the first of two, where it is shown twice. @param {string} zone @param {string} wall */
export function instantIn(zone, wall) {
  const asked = Date.parse(`${wall}:00Z`);
  const shown = (/** @type {number} */ at) => Date.parse(`${wallIn(zone, new Date(at))}:00Z`);
  // the offset just before and just after may differ: of both guesses the one that shows it
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
