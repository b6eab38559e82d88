import type { Id } from './id.ts';

/**
 * One item as either side shows it, in one normal form. `null` in place of an item means "not there".
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

/** Some fields of an item: those that changed. */
export type ItemChange = Partial<Item>;

/** Which reservation an item is: its type ('event', 'booking', 'allocation' in PorticoEstate) and id. */
export interface ReservationKey {
  readonly type: string;
  readonly id: Id;
  /** In the booking system, where that is no number: what its events carry. Known where one is written or looked for. */
  readonly key?: string;
}

export const timeFields = ['startsAt', 'endsAt', 'allDay'] as const;
export const itemFields = [...timeFields, 'title', 'description', 'isPrivate'] as const;

export const touchesTimes = (change: ItemChange): boolean =>
  timeFields.some((field) => change[field] !== undefined);

/** The names of these fields in the adapter's view, in what its functions take, and in the API. */
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

/** A field as people call it; of another name: that name. */
export const fieldInWords = (field: string): string => fieldWords[field as keyof Item] ?? field;

/** Fields as people call them, each once: 'time, title'. */
export const fieldsInWords = (fields: readonly string[]): string =>
  [...new Set(fields.map(fieldInWords))].join(', ');

/** The fields of `now` that differ from `before`, or that `before` does not have; all of them when there was nothing. */
export function changedFields(before: ItemChange | null, now: Item): ItemChange {
  const changed = itemFields.filter((field) => before === null || !sameField(field, before, now));
  return Object.fromEntries(changed.map((field) => [field, now[field]]));
}

/** Whether both show the same. Texts are compared without their white space: Exchange re-wraps them. */
export function sameItem(a: ItemChange | null, b: ItemChange | null): boolean {
  if (a === null || b === null) return a === b;
  return itemFields.every((field) => sameField(field, a, b));
}

function sameField(field: (typeof itemFields)[number], a: ItemChange, b: ItemChange): boolean {
  const [left, right] = [a[field], b[field]];
  return typeof left === 'string' && typeof right === 'string' ? bare(left) === bare(right) : left === right;
}

const bare = (text: string) => text.normalize('NFC').replace(/\s+/gu, ' ').trim();
