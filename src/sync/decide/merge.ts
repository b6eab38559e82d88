/**
 * Which field goes where, when both sides may have changed. Pure. Each side has changed what differs from its own base;
 * different fields merge, the same field changed to different things goes to the preferred side.
 */
import { changedFields, itemFields, type Item, type ItemChange } from '../../item.ts';

type Field = (typeof itemFields)[number];

export interface Changes {
  /** What the booking system changed, as Outlook would show it. */
  readonly booking: ItemChange;
  /** What Outlook changed. */
  readonly outlook: ItemChange;
  /** What Outlook should show of the reservation now, and what it does show. */
  readonly wanted: Item;
  readonly shown: Item;
  /** Who wins a field that both changed; null: a person decides. */
  readonly prefer: 'booking' | 'outlook' | null;
}

export interface Merged {
  readonly toOutlook: ItemChange;
  readonly toBooking: ItemChange;
  /** Fields that both changed to different things, while nobody is preferred. */
  readonly open: readonly Field[];
  /** Fields whose change on the other side was overruled. */
  readonly overruled: readonly Field[];
}

const times = ['startsAt', 'endsAt', 'allDay'] as const;
const isTime = (field: Field) => times.some((time) => time === field);

export function merge({ booking, outlook, wanted, shown, prefer }: Changes): Merged {
  const changedBy = (side: ItemChange) => itemFields.filter((field) => side[field] !== undefined);
  const both = changedBy(booking).filter((field) => outlook[field] !== undefined);
  const differs = changedFields(shown, wanted);
  const clash = new Set<Field>(both.filter((field) => differs[field] !== undefined));
  // each side's own times make sense; a mixture may end before it starts, or be a day that begins at noon. And while one of
  // them waits for a person the others wait with it: what each side shows meanwhile is a time, and a write carries all three
  const waits = prefer === null && times.some((field) => clash.has(field));
  if (waits || !makesSense(mixture(booking, outlook, wanted, shown, clash, prefer)))
    for (const field of times) if (differs[field] !== undefined) clash.add(field);

  const toOutlook: ItemChange = {};
  const toBooking: ItemChange = {};
  const set = <T extends ItemChange>(to: T, field: Field, from: Item) =>
    Object.assign(to, { [field]: from[field] });
  for (const field of itemFields) {
    if (differs[field] === undefined) continue; // both show the same, whichever changed it
    if (clash.has(field)) {
      if (prefer === 'booking') set(toOutlook, field, wanted);
      if (prefer === 'outlook') set(toBooking, field, shown);
    } else if (booking[field] !== undefined) set(toOutlook, field, wanted);
    else if (outlook[field] !== undefined) set(toBooking, field, shown);
  }
  const clashes = itemFields.filter((field) => clash.has(field));
  return {
    toOutlook,
    toBooking,
    open: prefer === null ? clashes : [],
    overruled: prefer === null ? [] : clashes,
  };
}

/** The times that would come of it. */
function mixture(
  booking: ItemChange,
  outlook: ItemChange,
  wanted: Item,
  shown: Item,
  clash: ReadonlySet<Field>,
  prefer: Changes['prefer'],
): Pick<Item, 'startsAt' | 'endsAt' | 'allDay'> & { readonly mixed: boolean } {
  const fromOutlook = (field: Field) =>
    clash.has(field) ? prefer === 'outlook' : booking[field] === undefined && outlook[field] !== undefined;
  const differing = times.filter((field) => wanted[field] !== shown[field]);
  const sides = new Set(differing.map(fromOutlook));
  const { startsAt, endsAt, allDay } = wanted;
  return {
    startsAt: fromOutlook('startsAt') ? shown.startsAt : startsAt,
    endsAt: fromOutlook('endsAt') ? shown.endsAt : endsAt,
    allDay: fromOutlook('allDay') ? shown.allDay : allDay,
    mixed: sides.size > 1,
  };
}

const makesSense = ({ startsAt, endsAt, allDay, mixed }: ReturnType<typeof mixture>) =>
  !mixed || (startsAt < endsAt && !allDay);

export const touchesTimes = (change: ItemChange): boolean =>
  itemFields.some((field) => isTime(field) && change[field] !== undefined);
