/**
 * The differences between a reservation and its event in Outlook, computed by `bridge_appearance` from the settings of the
 * room: hidden fields, text around the title, setup and teardown. Pure.
 */
import { changedFields, itemFields, type Item, type ItemChange } from './item.ts';

export const privacies = ['neutral', 'busy-only', 'full'] as const;
export type Privacy = (typeof privacies)[number];

/** The environment's settings, for rooms without their own. */
export interface AppearanceSettings {
  readonly privacy: Privacy;
  readonly titleTemplate: string;
  /** Text before the title of a tentative reservation; 'none': no text. */
  readonly tentativePrefix: string;
}

const placeholders = ['title', 'organizer', 'type', 'room'] as const;
const longestTemplate = 200;

/** The problem of a title template, with the repair; null: valid. The same rules as the table's constraint. */
export function templateProblem(template: string): string | null {
  const names = placeholders.map((name) => `{${name}}`);
  const write = `write for example {title} ({organizer}); the placeholders are ${names.join(', ')}`;
  if (template.trim() === '') return `is blank; ${write}`;
  if (template.length > longestTemplate) return `is longer than ${longestTemplate} characters; ${write}`;
  if (/\p{Cc}/u.test(template)) return `has more than one line; ${write}`;
  const braced = template.match(/\{[^{}]*\}/g) ?? [];
  const unknown = braced.find((one) => !names.includes(one));
  if (unknown !== undefined) return `has the unknown placeholder ${unknown}; ${write}`;
  if (/[{}]/.test(template.replace(/\{[^{}]*\}/g, ''))) return `has an unbalanced brace; ${write}`;
  if (braced.filter((one) => one === '{title}').length > 1) return `has {title} more than once; ${write}`;
  return null;
}

export interface Appearance {
  /** busy-only: times alone; full: the texts of private items, too. Absent: private items without their texts. */
  readonly privacy?: 'busy-only' | 'full';
  /** The text before and after the title. */
  readonly before?: string;
  readonly after?: string;
  /** No title is shown between the two. */
  readonly untitled?: true;
  /** It is shown as tentative. */
  readonly tentative?: true;
  /** It awaits approval in the booking system. */
  readonly awaiting?: true;
  /** Minutes before and after it that are shown as part of it. */
  readonly setup?: number;
  readonly teardown?: number;
}

/** An item of the booking system, and its appearance in Outlook. */
export interface BookedItem extends Item {
  readonly as?: Appearance;
}
export type BookedChange = Partial<BookedItem>;

/** The title with the text around it, in at most `most` characters; a long title is cut, the text around it is not. */
export function framed(
  title: string,
  { before = '', after = '', untitled }: Appearance,
  most: number,
): string {
  if (untitled === true) return before;
  return before + title.slice(0, Math.max(0, most - before.length - after.length)).trimEnd() + after;
}

/** The title without the text around it; null: that text was changed, or there is no title. */
function titleIn(shown: string, { before = '', after = '', untitled }: Appearance): string | null {
  const [text, head, tail] = [shown, before.trimStart(), after.trimEnd()].map((one) =>
    one.replace(/\s+/gu, ' '),
  );
  if (untitled === true || !text!.startsWith(head!) || !text!.endsWith(tail!)) return null;
  if (text!.length < head!.length + tail!.length) return null;
  return text!.slice(head!.length, text!.length - tail!.length).trim() || null;
}

/**
 * The title for the booking system. The text that we add is removed; an event made in Outlook, which never had that text, keeps
 * its whole title. `before`: the title that the event had. Null: the title and the added text cannot be separated.
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
 * The texts for the booking system of an event that was made from ours and now shows `item`. `shown`: the reservation as shown
 * in Outlook. A text equal to the shown one is the reservation's; from another title the text that we add is removed.
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

/** The item with its time extended by setup and teardown; all-day items are returned unchanged. */
export function withBuffers<T extends BookedItem>(item: T): T {
  const { setup = 0, teardown = 0 } = item.as ?? {};
  if (item.allDay || (setup === 0 && teardown === 0)) return item;
  const [start, end] = [Date.parse(item.startsAt), Date.parse(item.endsAt)];
  if (Number.isNaN(start) || Number.isNaN(end)) return item;
  return { ...item, startsAt: instant(start - setup * minuteMs), endsAt: instant(end + teardown * minuteMs) };
}

/** The change for the booking system, and the fields changed in Outlook that cannot be written to it. */
export interface ForBooking {
  readonly change: ItemChange;
  readonly lost: readonly (keyof Item)[];
}

/** The last agreed state of a reservation on both sides; null: none. */
export interface LastAgreed {
  readonly outlook: Item | null;
  readonly booking: BookedItem | null;
}

/**
 * Converts a change in Outlook into one for the booking system. The text around the title and the setup and teardown times are
 * removed if Outlook had them. With privacy busy-only, only changes of times are taken.
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
