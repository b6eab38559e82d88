/**
 * How Outlook shows an item beside what the booking system says of it, as `bridge_appearance` works it out from the settings
 * of the room: what is hidden, and the text around the title. Pure.
 */
import { changedFields, itemFields, type Item, type ItemChange } from './item.ts';

export const privacies = ['neutral', 'busy-only', 'full'] as const;
export type Privacy = (typeof privacies)[number];

/** What the environment says, for rooms that say nothing of their own. */
export interface AppearanceSettings {
  readonly privacy: Privacy;
  readonly titleTemplate: string;
  /** Before the title of what is tentative; 'none': nothing. */
  readonly tentativePrefix: string;
}

const placeholders = ['title', 'organizer', 'type', 'room'] as const;
const longestTemplate = 200;

/** What is wrong with a template of titles, with the repair; null: nothing. The same as the table's constraint. */
export function templateProblem(template: string): string | null {
  const names = placeholders.map((name) => `{${name}}`);
  const write = `write for example {title} ({organizer}); there are ${names.join(', ')}`;
  if (template.trim() === '') return `is blank; ${write}`;
  if (template.length > longestTemplate) return `is longer than ${longestTemplate} characters; ${write}`;
  if (/\p{Cc}/u.test(template)) return `has more than one line; ${write}`;
  const braced = template.match(/\{[^{}]*\}/g) ?? [];
  const unknown = braced.find((one) => !names.includes(one));
  if (unknown !== undefined) return `has the unknown placeholder ${unknown}; ${write}`;
  if (/[{}]/.test(template.replace(/\{[^{}]*\}/g, ''))) return `has a brace without its other one; ${write}`;
  if (braced.filter((one) => one === '{title}').length > 1) return `has {title} more than once; ${write}`;
  return null;
}

export interface Appearance {
  /** busy-only: times alone; full: the texts of private items, too. Absent: private items without their texts. */
  readonly privacy?: 'busy-only' | 'full';
  /** The text before and after the title. */
  readonly before?: string;
  readonly after?: string;
  /** There is no title between the two. */
  readonly untitled?: true;
  /** It is shown as tentative. */
  readonly tentative?: true;
  /** It waits for approval in the booking system. */
  readonly awaiting?: true;
  /** Minutes before and after, which are shown as a part of it. */
  readonly setup?: number;
  readonly teardown?: number;
}

/** An item as the booking system has it, and how it is to be shown. */
export interface BookedItem extends Item {
  readonly as?: Appearance;
}
export type BookedChange = Partial<BookedItem>;

/** The title with the text around it, in at most `most` characters: a long title is cut, not what stands around it. */
export function framed(
  title: string,
  { before = '', after = '', untitled }: Appearance,
  most: number,
): string {
  if (untitled === true) return before;
  return before + title.slice(0, Math.max(0, most - before.length - after.length)).trimEnd() + after;
}

/** The title between the text around it; null: that text is not there as it was, or there is no title in it. */
function titleIn(shown: string, { before = '', after = '', untitled }: Appearance): string | null {
  const [text, head, tail] = [shown, before.trimStart(), after.trimEnd()].map((one) =>
    one.replace(/\s+/gu, ' '),
  );
  if (untitled === true || !text!.startsWith(head!) || !text!.endsWith(tail!)) return null;
  if (text!.length < head!.length + tail!.length) return null;
  return text!.slice(head!.length, text!.length - tail!.length).trim() || null;
}

/**
 * The title that the booking system gets of an event's. What we put around it is taken off; an event that never showed that
 * (somebody made it in Outlook) has its title for itself. Null: the two cannot be told apart.
 */
function titleFor(shown: string, before: string | null, as: Appearance | undefined): string | null {
  if (as === undefined || (as.before === undefined && as.after === undefined)) return shown;
  const own = titleIn(shown, as);
  if (own !== null) return own;
  return before !== null && titleIn(before, as) === null && !(as.untitled === true && before === as.before)
    ? shown
    : null;
}

/**
 * The texts that an event stands for which shows `item` and was made of ours: what shows as the reservation does has its texts,
 * and from another title what we put around it is taken off.
 */
export function textsBehind(
  item: Item,
  reservation: BookedItem,
  shown: Item,
): Pick<Item, 'title' | 'description'> {
  const changed = changedFields(shown, item);
  return {
    title:
      changed.title === undefined
        ? reservation.title
        : (titleFor(item.title, null, reservation.as) ?? item.title),
    description: changed.description === undefined ? reservation.description : item.description,
  };
}

const minuteMs = 60_000;
const instant = (ms: number) => `${new Date(ms).toISOString().slice(0, 19)}Z`;

/** The time of an item with its setup and teardown; what lasts whole days has none. */
export function withBuffers<T extends BookedItem>(item: T): T {
  const { setup = 0, teardown = 0 } = item.as ?? {};
  const [start, end] = [Date.parse(item.startsAt), Date.parse(item.endsAt)];
  if (item.allDay || (setup === 0 && teardown === 0) || Number.isNaN(start) || Number.isNaN(end)) return item;
  return { ...item, startsAt: instant(start - setup * minuteMs), endsAt: instant(end + teardown * minuteMs) };
}

/** What the booking system gets of what Outlook changed, and the fields that it cannot get. */
export interface ForBooking {
  readonly change: ItemChange;
  readonly lost: readonly (keyof Item)[];
}

/** A reservation as both sides last agreed on it: what Outlook showed, and what the booking system did. */
export interface LastAgreed {
  readonly outlook: Item | null;
  readonly booking: BookedItem | null;
}

/**
 * `change`: what Outlook changed. What we put around the title and the time is taken off, if Outlook showed it. Times alone are
 * followed where nothing else is shown.
 */
export function forBooking(change: ItemChange, { outlook, booking }: LastAgreed): ForBooking {
  const as = booking?.as;
  const lost = new Set<keyof Item>();
  const followed: { -readonly [Field in keyof Item]?: Item[Field] } = { ...change };
  if (as?.privacy === 'busy-only') for (const text of ['title', 'description'] as const) lost.add(text);
  else if (change.title !== undefined) {
    const title = titleFor(change.title, outlook?.title ?? null, as);
    if (title === null) lost.add('title');
    else followed.title = title;
  }
  const shown = booking === null ? null : withBuffers(booking);
  const { setup = 0, teardown = 0 } = as ?? {};
  if (!(change.allDay ?? booking?.allDay ?? false)) {
    const at = (time: string, ms: number) => instant(Date.parse(time) + ms);
    if (change.startsAt !== undefined && outlook?.startsAt === shown?.startsAt)
      followed.startsAt = at(change.startsAt, setup * minuteMs);
    if (change.endsAt !== undefined && outlook?.endsAt === shown?.endsAt)
      followed.endsAt = at(change.endsAt, -teardown * minuteMs);
  }
  for (const field of lost) delete followed[field];
  return {
    change: followed,
    lost: itemFields.filter((field) => lost.has(field) && change[field] !== undefined),
  };
}
