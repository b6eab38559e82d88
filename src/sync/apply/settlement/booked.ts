/**
 * Settlements of writes into the booking system, as they are if everything was stored as requested; `merge` says how they differ
 * otherwise.
 */
import { fieldsInWords, itemFields, viewNames, type Item, type ItemChange } from '../../../item.ts';
import type { OutlookEvent } from '../../../event.ts';
import { agreedOn, never } from '../../store/agreement.ts';
import type { Action } from '../../decide/decide.ts';
import type { BookingMerge, Settlement } from '../../store/settle.ts';
import type { Unmapped } from '../../store/work-item.ts';
import { pick, shownOf, type Decision } from '../decision.ts';
import { fieldsOf, type BookingWrite } from '../write-booking.ts';
import { keep, nothingOpen } from './keep.ts';
import { settledAsRead } from './unmapped.ts';

/** Begins the part of a reason that names fields that were not stored. */
const notPossible = 'not possible here: ';

export function bookingTook(decision: Decision, write: BookingWrite): Settlement {
  const { action, mapped } = decision;
  if (write.do === 'cancel')
    return keep(decision, 'booking-cancelled', {
      ...nothingOpen,
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
  const more =
    Object.keys(action.change).length > 0 ||
    action.showAs === true ||
    action.open.length > 0 ||
    // its event is to be removed next
    write.elsewhere;
  const reason = Object.keys(action.toBooking).join(', ') + overruledIn(action);
  const open = openFields(decision);
  const hidden = hiddenFields(write.change);
  return keep(decision, 'booking-updated', {
    ...nothingOpen,
    status: more ? 'pending' : 'synced',
    outlookBase: base,
    reason,
    // hidden texts may be shown already, so the event is read before they are written
    ...(more || hidden.length > 0 ? { news: 'look', dueInMs: 0 } : {}),
    merge: {
      ...writing([...fieldsOf(write.change), ...write.lost]),
      unagreed: [...open, ...hidden],
      kept: pick(
        agreedOn(mapped.agreement),
        open.filter((field) => !hidden.includes(field)),
      ),
      lostReason: `${reason}; ${notPossible}`,
    },
  });
}

/** Fields without a new agreement: they keep the former one. */
function openFields({ action, followsBooking }: Decision): readonly string[] {
  if (action.do !== 'change') return [];
  const { change, toBooking, open } = action;
  const unfollowed = followsBooking ? [] : itemFields.filter((field) => toBooking[field] === undefined);
  return [...Object.keys(change), ...open, ...unfollowed];
}

/** Texts of an item that was private until now: Outlook did not show them. */
const hiddenFields = (change: ItemChange): readonly string[] =>
  change.isPrivate === false
    ? (['title', 'description'] as const).filter((field) => change[field] === undefined)
    : [];

/** The fields that both sides changed, by the side that was followed. */
function overruledIn({ overruled, toBooking }: Extract<Action, { do: 'change' }>): string {
  const fields = (isOutlook: boolean) => overruled.filter((field) => field in toBooking === isOutlook);
  const followed = (those: readonly string[], side: string) =>
    those.length === 0 ? '' : ` (both sides changed ${fieldsInWords(those)}: ${side} was followed)`;
  return followed(fields(true), 'Outlook') + followed(fields(false), 'the booking system');
}

/** Of an unmapped event, which shows `item`. */
export const imported = (unmapped: Unmapped, event: OutlookEvent, item: Item): Settlement =>
  settledAsRead(unmapped, event, 'imported', {
    status: 'synced',
    outlookBase: item,
    outlookSeen: null,
    merge: {
      // times that a new reservation could not store, and fields that a reactivated one could not, are written back to Outlook
      ...writing(itemFields),
      lostReason: notPossible,
      joined: { action: 'joined' },
      revived: { reason: 'its event has returned' },
    },
  });

/** Fields that were not stored are decided about again. */
const writing = (fields: readonly (keyof Item)[]): BookingMerge => ({
  written: fields.map((field) => ({ field, key: viewNames[field] })),
  unagreed: [],
  kept: {},
  partly: { dueInMs: 0 },
});
