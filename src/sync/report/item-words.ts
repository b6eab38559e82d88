/** Texts about times and changes of an item, in the booking system's time zone. */
import { changedFields, fieldInWords, touchesTimes, type Item } from '../../item.ts';
import type { LoggedChange } from './mapping-reports.ts';

type Times = Pick<Item, 'startsAt' | 'endsAt' | 'allDay'>;

/** `2031-05-04 10:00–12:00`, `2031-05-04 22:00 – 2031-05-05 02:00`, `2031-05-04, all day`. */
export function spanIn(zone: string, { startsAt, endsAt, allDay }: Times): string {
  const [from, to] = [localIn(zone, startsAt), localIn(zone, endsAt)];
  if (!allDay)
    return from.day === to.day
      ? `${from.day} ${from.time}–${to.time}`
      : `${from.day} ${from.time} – ${to.day} ${to.time}`;
  // the end is the midnight after the last day
  const last = localIn(zone, new Date(Date.parse(endsAt) - 1).toISOString());
  return from.day === last.day ? `${from.day}, all day` : `${from.day} – ${last.day}, all day`;
}

function localIn(zone: string, instant: string): { readonly day: string; readonly time: string } {
  const format = new Intl.DateTimeFormat('sv-SE', { timeZone: zone, dateStyle: 'short', timeStyle: 'short' });
  const [day = '', time = ''] = format.format(new Date(instant)).split(' ');
  return { day, time };
}

/** Old and new values: `time from … to …; title from «…» to «…»`; empty: no known change. */
export function changeInWords({ was, is, text }: LoggedChange, zone: string): string {
  // the log has no descriptions
  const changed = changedFields({ ...was, description: '' }, { ...is, description: '' });
  return [
    touchesTimes(changed) ? `time from ${spanIn(zone, was)} to ${spanIn(zone, is)}` : null,
    changed.title === undefined ? null : `title from «${was.title}» to «${is.title}»`,
    text ? 'the text' : null,
    changed.isPrivate === undefined ? null : is.isPrivate ? 'private from now on' : 'no longer private',
  ]
    .filter((part) => part !== null)
    .join('; ');
}

/** A reason of the log with field names in words. */
export function inWords(reason: string): string {
  const words = reason.replace(/\b(?:startsAt|endsAt|allDay|description|isPrivate)\b/g, fieldInWords);
  return words.replace(/\b(time)(?:, time\b)+/g, '$1');
}
