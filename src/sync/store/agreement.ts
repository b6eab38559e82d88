/** What both sides of a mapping last agreed on, by its name. */
import type { BookedChange, BookedItem } from '../../appearance.ts';
import { itemFields, type Item, type ItemChange } from '../../item.ts';

/** What the booking system said, or what Outlook should show of that (`decide`), when both sides last agreed. */
export type Agreement =
  | { readonly is: 'never' }
  /** It was sent and not answered, or an event is known to be there and nobody knows what it shows. */
  | { readonly is: 'unanswered' }
  /** Of the fields that are missing nobody knows what Outlook shows: they were sent and not answered, or wait for a person. */
  | { readonly is: 'partly'; readonly on: BookedChange }
  | { readonly is: 'agreed'; readonly on: BookedItem };

export const never: Agreement = { is: 'never' };

/** The agreement on these fields, and on no others. */
export function agreementOn(fields: BookedChange): Agreement {
  if (isWhole(fields)) return { is: 'agreed', on: fields };
  return itemFields.some((field) => fields[field] !== undefined)
    ? { is: 'partly', on: fields }
    : { is: 'unanswered' };
}

/** What is agreed on. */
export const agreedOn = (agreement: Agreement): BookedChange => ('on' in agreement ? agreement.on : {});

/** Something was sent, or found, and nobody knows all of what Outlook shows of it. */
export const inDoubt = ({ is }: Agreement): boolean => is === 'unanswered' || is === 'partly';

const isWhole = (item: ItemChange): item is Item => itemFields.every((field) => item[field] !== undefined);

/** As bridge_mappings keeps it. */
interface AgreementColumns {
  readonly agreement: Agreement['is'];
  readonly bookingBase: BookedChange | null;
}

export function agreementOf({ agreement, bookingBase }: AgreementColumns): Agreement {
  return agreement === 'never' || bookingBase === null ? never : agreementOn(bookingBase);
}

/** The content of one that was not answered is empty, not null: a daemon of 1.0 tells it by that from 'never'. */
export const agreementColumns = (agreement: Agreement): AgreementColumns => ({
  agreement: agreement.is,
  bookingBase: agreement.is === 'never' ? null : agreedOn(agreement),
});
