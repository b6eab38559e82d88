/** Texts about times and changes of an item, in the booking system's time zone. */
import {
  changedFields,
  fieldInWords,
  timeFields,
  touchesTimes,
  type Item,
  type ItemChange,
} from '../../item.ts';
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

/**
 * Old and new values: `time from … to …; title from «…» to «…»`; empty: no known change. Of a field without an agreement, for example
 * after a write without an answer, the former value is unknown: it is only named.
 */
export function changeInWords({ was, is, text }: LoggedChange, zone: string): string {
  // the log has no descriptions
  const changed = changedFields({ ...was, description: '' }, { ...unknownItem, ...is, description: '' });
  const span = (item: ItemChange) => (hasTimes(item) ? spanIn(zone, item) : null);
  const [from, to] = [span(was), span(is)];
  const knowsTitle = was.title !== undefined && is.title !== undefined;
  return [
    !touchesTimes(changed) ? null : from !== null && to !== null ? `time from ${from} to ${to}` : 'time',
    changed.title === undefined ? null : knowsTitle ? `title from «${was.title}» to «${is.title}»` : 'title',
    text ? 'the text' : null,
    changed.isPrivate === undefined ? null : changed.isPrivate ? 'private from now on' : 'no longer private',
  ]
    .filter((part) => part !== null)
    .join('; ');
}

const unknownItem = {} as Item;

const hasTimes = (item: ItemChange): item is ItemChange & Times =>
  timeFields.every((field) => item[field] !== undefined);

/** A reason of the log with field names in words. */
export function inWords(reason: string): string {
  const words = reason.replace(/\b(?:startsAt|endsAt|allDay|description|isPrivate)\b/g, fieldInWords);
  return words.replace(/\b(time)(?:, time\b)+/g, '$1');
}
