/**
 * The merge of changes of both sides, field by field. Pure. A side has changed what differs from its own base. Different fields
 * are merged; the same field changed to different values goes to the preferred side.
 */
import { changedFields, itemFields, timeFields, type Item, type ItemChange } from '../../item.ts';

type Field = (typeof itemFields)[number];

export interface Changes {
  /** What the booking system changed, as Outlook would show it. */
  readonly booking: ItemChange;
  /** What Outlook changed. */
  readonly outlook: ItemChange;
  /** What Outlook should show, and what it shows. */
  readonly wanted: Item;
  readonly shown: Item;
  /** The side that wins a field that both changed; null: a person decides. */
  readonly prefer: 'booking' | 'outlook' | null;
}

export interface Merged {
  readonly toOutlook: ItemChange;
  readonly toBooking: ItemChange;
  /** Fields that both changed to different values, without a preferred side. */
  readonly open: readonly Field[];
  /** Fields in which the change of the other side is discarded. */
  readonly overruled: readonly Field[];
}

export function merge({ booking, outlook, wanted, shown, prefer }: Changes): Merged {
  const changedBy = (side: ItemChange) => itemFields.filter((field) => side[field] !== undefined);
  const both = changedBy(booking).filter((field) => outlook[field] !== undefined);
  const differs = changedFields(shown, wanted);
  const clash = new Set<Field>(both.filter((field) => differs[field] !== undefined));
  // each side's own times are valid; mixed ones may end before they start, or be a day that begins at noon. All three are written
  // together, so while one of them waits for a person the others wait with it
  const waits = prefer === null && timeFields.some((field) => clash.has(field));
  if (waits || !makesSense(mixture({ booking, outlook, wanted, shown, prefer }, differs, clash)))
    for (const field of timeFields) if (differs[field] !== undefined) clash.add(field);

  const toOutlook: ItemChange = {};
  const toBooking: ItemChange = {};
  const set = <T extends ItemChange>(to: T, field: Field, from: Item) =>
    Object.assign(to, { [field]: from[field] });
  for (const field of itemFields) {
    if (differs[field] === undefined) continue; // both show the same
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

/** The resulting times, and whether they come from both sides. */
function mixture(
  { booking, outlook, wanted, shown, prefer }: Changes,
  differs: ItemChange,
  clash: ReadonlySet<Field>,
): Pick<Item, 'startsAt' | 'endsAt' | 'allDay'> & { readonly mixed: boolean } {
  const fromOutlook = (field: Field) =>
    clash.has(field) ? prefer === 'outlook' : booking[field] === undefined && outlook[field] !== undefined;
  const sides = new Set(timeFields.filter((field) => differs[field] !== undefined).map(fromOutlook));
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
