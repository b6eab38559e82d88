/**
 * Days and hours on the booking system's wall clock that hold whenever the tests run: counted from today, in the zone of the
 * booking system, in summer as in winter. Today is the day on which the test file was loaded, so that midnight may pass.
 */
const zone = 'Europe/Oslo';
const dayMs = 86_400_000;

const wall = new Intl.DateTimeFormat('sv-SE', { timeZone: zone, dateStyle: 'short', timeStyle: 'medium' });
const today = Date.parse(`${wall.format(Date.now()).slice(0, 10)}T00:00:00Z`);

const plain = (ms: number) => new Date(ms).toISOString().slice(0, 10);

/** The date that many days from today, YYYY-MM-DD. */
export const date = (days: number): string => plain(today + days * dayMs);

/** A time of that day as the booking system writes it: YYYY-MM-DD HH:MM. */
export const day = (days: number, time: string): string => `${date(days)} ${time}`;

/** The instant of such a wall-clock text, ISO 8601 in UTC; of the hour that comes twice the first. */
export function instantOf(wallClock: string): string {
  const asUtc = Date.parse(`${wallClock.replace(' ', 'T')}Z`);
  const shown = (ms: number) => Date.parse(`${wall.format(ms).replace(' ', 'T')}Z`);
  const offsets = [dayMs, -dayMs].map((away) => shown(asUtc + away) - (asUtc + away));
  const fits = offsets.map((offset) => asUtc - offset).filter((ms) => shown(ms) === asUtc);
  const instant = fits.length === 0 ? asUtc - Math.min(...offsets) : Math.min(...fits);
  return `${new Date(instant).toISOString().slice(0, 19)}Z`;
}

/** The instant of a time of that day, ISO 8601 in UTC. */
export const at = (days: number, time: string): string => instantOf(day(days, time));

/** The times of an item of whole days. */
export const wholeDays = (days: number, count = 1) => ({
  startsAt: at(days, '00:00'),
  endsAt: at(days + count, '00:00'),
  allDay: true,
});

/** The next Sunday, tomorrow at the earliest, on which the clock is put forward or back, as days from today. */
export function clockChange(way: 'forward' | 'back'): number {
  const offset = (days: number) =>
    Date.parse(`${day(days, '12:00').replace(' ', 'T')}Z`) - Date.parse(at(days, '12:00'));
  for (let days = 1; days < 372; days += 1) {
    const change = offset(days) - offset(days - 1);
    if (way === 'forward' ? change > 0 : change < 0) return days;
  }
  throw new Error(`the clocks of ${zone} are not put ${way} within a year`);
}
