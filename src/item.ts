import type { Id } from './id.ts';

/**
 * One item of either side, in one normal form. `null` instead of an item means that it does not exist.
 * Instants are ISO 8601 in UTC with seconds ('2026-05-01T10:00:00Z'). An all-day item starts and ends at
 * local midnights of BOOKING_TIMEZONE; the end is exclusive.
 */
export interface Item {
  readonly startsAt: string;
  readonly endsAt: string;
  readonly allDay: boolean;
  readonly title: string;
  readonly description: string;
  readonly isPrivate: boolean;
}

/** The changed fields of an item. */
export type ItemChange = Partial<Item>;

/** Identifies a reservation: its type ('event', 'booking', 'allocation' in PorticoEstate) and id. */
export interface ReservationKey {
  readonly type: string;
  readonly id: Id;
  /** The key in the booking system if that is not a number; its events carry it. Set when an event is written or searched. */
  readonly key?: string;
}

export const timeFields = ['startsAt', 'endsAt', 'allDay'] as const;
export const itemFields = [...timeFields, 'title', 'description', 'isPrivate'] as const;

export const touchesTimes = (change: ItemChange): boolean =>
  timeFields.some((field) => change[field] !== undefined);

/** The names of these fields in the adapter's view, in the arguments of its functions, and in the API. */
export const viewNames = {
  startsAt: 'starts_at',
  endsAt: 'ends_at',
  allDay: 'all_day',
  title: 'title',
  description: 'description',
  isPrivate: 'is_private',
} as const satisfies Record<keyof Item, string>;

const fieldWords: Readonly<Record<keyof Item, string>> = {
  startsAt: 'time',
  endsAt: 'time',
  allDay: 'time',
  title: 'title',
  description: 'text',
  isPrivate: 'privacy',
};

/** The display name of a field; an unknown name is returned unchanged. */
export const fieldInWords = (field: string): string => fieldWords[field as keyof Item] ?? field;

/** The display names of fields, without duplicates: 'time, title'. */
export const fieldsInWords = (fields: readonly string[]): string =>
  [...new Set(fields.map(fieldInWords))].join(', ');

/** The fields of `now` that differ from `before` or are missing there; all fields if `before` is null. */
export function changedFields(before: ItemChange | null, now: Item): ItemChange {
  const changed = itemFields.filter((field) => before === null || !sameField(field, before, now));
  return Object.fromEntries(changed.map((field) => [field, now[field]]));
}

/** What each side shows, and what it showed at the last agreement; null: nothing. */
export interface BothSides {
  readonly booking: Item | null;
  readonly outlook: Item | null;
  readonly booking_base: Item | null;
  readonly outlook_base: Item | null;
}

/**
 * The fields in which both sides differ. Outlook cannot show everything as the booking system does (lengths, HTML), so a field that
 * both sides show as at the last agreement does not differ.
 */
export function differingFields({ booking, outlook, booking_base, outlook_base }: BothSides): (keyof Item)[] {
  if (booking === null || outlook === null) return [];
  const apart = changedFields(booking, outlook);
  const moved = { ...changedFields(booking_base, booking), ...changedFields(outlook_base, outlook) };
  return itemFields.filter((field) => field in apart && field in moved);
}

/** Whether both are equal. Texts are compared with normalized white space, because Exchange re-wraps them. */
export function sameItem(a: ItemChange | null, b: ItemChange | null): boolean {
  if (a === null || b === null) return a === b;
  return itemFields.every((field) => sameField(field, a, b));
}

function sameField(field: (typeof itemFields)[number], a: ItemChange, b: ItemChange): boolean {
  const [left, right] = [a[field], b[field]];
  if (left === right) return true;
  return typeof left === 'string' && typeof right === 'string' && normalized(left) === normalized(right);
}

/** What normalization may change; the first character that composes with another one is U+0300. */
const unnormalized = /[^ -~\u00a1-\u02ff]|^ | $| {2}/;
const normalized = (text: string) =>
  unnormalized.test(text) ? text.normalize('NFC').replace(/\s+/gu, ' ').trim() : text;
