/** Times on the wall clock of the booking system, whatever the browser's zone is. */
import { locale, say } from './language.js';

/** @param {string} zone @param {Intl.DateTimeFormatOptions} options */
const format = (zone, options) => new Intl.DateTimeFormat(locale(), { timeZone: zone, ...options });

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
