/** An item, and a change of one, as a person reads them. Times are of the booking system's wall clock. */
import { fieldInWords, type Item } from '../../item.ts';
import type { Change } from './explained.ts';

type Times = Pick<Item, 'startsAt' | 'endsAt' | 'allDay'>;

/** `2031-05-04 10:00–12:00`, `2031-05-04 22:00 – 2031-05-05 02:00`, `2031-05-04, all day`. */
export function spanIn(zone: string, { startsAt, endsAt, allDay }: Times): string {
  const [from, to] = [localIn(zone, startsAt), localIn(zone, endsAt)];
  if (!allDay)
    return from.day === to.day
      ? `${from.day} ${from.time}–${to.time}`
      : `${from.day} ${from.time} – ${to.day} ${to.time}`;
  // it ends at the midnight after its last day
  const last = localIn(zone, new Date(Date.parse(endsAt) - 1).toISOString());
  return from.day === last.day ? `${from.day}, all day` : `${from.day} – ${last.day}, all day`;
}

function localIn(zone: string, instant: string): { readonly day: string; readonly time: string } {
  const format = new Intl.DateTimeFormat('sv-SE', { timeZone: zone, dateStyle: 'short', timeStyle: 'short' });
  const [day = '', time = ''] = format.format(new Date(instant)).split(' ');
  return { day, time };
}

/** Old and new of what changed: `time from … to …; title from «…» to «…»`; empty: nothing that is known. */
export function changeInWords({ was, is, text }: Change, zone: string): string {
  const moved =
    Date.parse(was.startsAt) !== Date.parse(is.startsAt) ||
    Date.parse(was.endsAt) !== Date.parse(is.endsAt) ||
    was.allDay !== is.allDay;
  return [
    moved ? `time from ${spanIn(zone, was)} to ${spanIn(zone, is)}` : null,
    was.title === is.title ? null : `title from «${was.title}» to «${is.title}»`,
    text ? 'the text' : null,
    was.isPrivate === is.isPrivate ? null : is.isPrivate ? 'private from now on' : 'no longer private',
  ]
    .filter((part) => part !== null)
    .join('; ');
}

/** A reason that lists fields as the program calls them, as people call them. */
export function inWords(reason: string): string {
  const words = reason.replace(/\b(?:startsAt|endsAt|allDay|description|isPrivate)\b/g, fieldInWords);
  return words.replace(/\b(time)(?:, time\b)+/g, '$1');
}
