/**
 * What is written down once the booking system has taken what Outlook says: as it is when all was stored as it was asked for, and in
 * `merge` how that differs where it was not.
 */
import { fieldsInWords, itemFields, viewNames, type Item, type ItemChange } from '../../../item.ts';
import type { OutlookEvent } from '../../../event.ts';
import { agreedOn, never } from '../../store/agreement.ts';
import type { BookingMerge, Settlement } from '../../store/settle.ts';
import type { Unmapped } from '../../store/work-item.ts';
import { pick, shownOf, type Decision } from '../decision.ts';
import { fieldsOf, type BookingWrite } from '../write-booking.ts';
import { keep } from './keep.ts';
import { dealtWith } from './unmapped.ts';

/** ... of a mapping. */
export function bookingTook(decision: Decision, write: BookingWrite): Settlement {
  const { action, mapped } = decision;
  const done = { news: null, intent: null, waitsFor: null, outlookSeen: null } as const;
  if (write.do === 'cancel')
    return keep(decision, 'booking-cancelled', {
      ...done,
      status: 'cancelled',
      outlookBase: null,
      agreement: never,
      bookingSeen: null,
      generation: mapped.generation + 1,
    });
  if (action.do !== 'change' || write.do !== 'change')
    throw new Error(`${action.do} is not written into the booking system`);
  const shown = shownOf(decision)!;
  const base: Item = {
    ...shown,
    ...pick(mapped.outlookBase ?? {}, [...Object.keys(action.change), ...action.open]),
  };
  const more = Object.keys(action.change).length > 0 || action.showAs === true || action.open.length > 0;
  const reason = Object.keys(action.toBooking).join(', ') + overruledBy(action.overruled);
  const open = openFields(decision);
  const hidden = hiddenFields(write.change);
  return keep(decision, 'booking-updated', {
    ...done,
    status: more ? 'pending' : 'synced',
    outlookBase: base,
    reason,
    ...(more ? { news: 'look', dueInMs: 0 } : {}),
    merge: {
      ...writing([...fieldsOf(write.change), ...write.lost]),
      unagreed: [...open, ...hidden],
      kept: pick(
        agreedOn(mapped.agreement),
        open.filter((field) => !hidden.includes(field)),
      ),
      lostReason: `${reason}; not possible here: `,
    },
  });
}

/** Fields on which both do not agree yet: they keep what was agreed on before. */
function openFields({ action, followsBooking }: Decision): readonly string[] {
  if (action.do !== 'change') return [];
  const { change, toBooking, open } = action;
  const unfollowed = followsBooking ? [] : itemFields.filter((field) => toBooking[field] === undefined);
  return [...Object.keys(change), ...open, ...unfollowed];
}

/** Texts of what was private until now: Outlook has only shown that it is. */
const hiddenFields = (change: ItemChange): readonly string[] =>
  change.isPrivate === false
    ? (['title', 'description'] as const).filter((field) => change[field] === undefined)
    : [];

const overruledBy = (fields: readonly string[]) =>
  fields.length === 0 ? '' : ` (both sides changed ${fieldsInWords(fields)}: Outlook was followed)`;

/** ... of an event that became a reservation, which shows `item`. */
export const imported = (unmapped: Unmapped, event: OutlookEvent, item: Item): Settlement =>
  dealtWith(unmapped, event, 'imported', {
    status: 'synced',
    outlookBase: item,
    outlookSeen: null,
    merge: {
      // what a reservation that is active again could not store of its event is shown to Outlook
      ...writing(itemFields),
      joined: { action: 'joined' },
      revived: { reason: 'its event has returned' },
    },
  });

/** What was not stored is decided about again. */
const writing = (fields: readonly (keyof Item)[]): BookingMerge => ({
  written: fields.map((field) => ({ field, key: viewNames[field] })),
  unagreed: [],
  kept: {},
  partly: { dueInMs: 0 },
});
