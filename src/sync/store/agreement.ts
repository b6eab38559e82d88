/** The last agreement of both sides of a mapping. */
import type { BookedChange, BookedItem } from '../../appearance.ts';
import { itemFields, type Item, type ItemChange } from '../../item.ts';

/** The reservation at the last agreement; in `decide`, what Outlook should show of it. */
export type Agreement =
  | { readonly is: 'never' }
  /** It was sent without an answer, or its event exists and was never read. */
  | { readonly is: 'unanswered' }
  /** The missing fields are unknown: they were sent without an answer, or wait for a person. */
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

/** The agreed fields. */
export const agreedOn = (agreement: Agreement): BookedChange => ('on' in agreement ? agreement.on : {});

/** Wholly or in part: it is not known in full what Outlook shows. */
export const isUnanswered = ({ is }: Agreement): boolean => is === 'unanswered' || is === 'partly';

const isWhole = (item: ItemChange): item is Item => itemFields.every((field) => item[field] !== undefined);

/** As stored in bridge_mappings. */
interface AgreementColumns {
  readonly agreement: Agreement['is'];
  readonly bookingBase: BookedChange | null;
}

export function agreementOf({ agreement, bookingBase }: AgreementColumns): Agreement {
  return agreement === 'never' || bookingBase === null ? never : agreementOn(bookingBase);
}

/** An unanswered one is stored as empty and not as null, by which a daemon of 1.0 distinguishes it from 'never'. */
export const agreementColumns = (agreement: Agreement): AgreementColumns => ({
  agreement: agreement.is,
  bookingBase: agreement.is === 'never' ? null : agreedOn(agreement),
});
