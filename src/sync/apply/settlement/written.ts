/** Settlements of writes to Outlook. */
import { itemOf, occupying, type OutlookEvent } from '../../../event.ts';
import { fieldsInWords, sameItem, type Item } from '../../../item.ts';
import { editedFields, type Created } from '../../match/since-create.ts';
import { never } from '../../store/agreement.ts';
import type { Settlement } from '../../store/settle.ts';
import { agreedBut, agreedNow, eventOf, pick, shownOf, type Decision } from '../decision.ts';
import { fieldsConflict } from './conflict.ts';
import { decidedAgain } from './failed.ts';
import { keep, keepConflict, nothingOpen, readFields } from './keep.ts';
import { replaced } from './without-call.ts';

/** Outlook carried out the write, so both sides agree: the bases are the reservation as read and the event as answered. */
export function outlookTook(decision: Decision, event: OutlookEvent | null): Settlement {
  const { action, mapped } = decision;
  const done = {
    ...nothingOpen,
    renamed: true,
    ...(event === null ? {} : readFields(event)),
  };
  if (action.do === 'remove') {
    return keep(decision, action.as === 'shadowed' ? 'shadowed' : 'deleted', {
      ...done,
      status: action.as,
      // a cancelled mapping keeps the id of its event until it is re-enabled
      eventId: action.as === 'cancelled' ? eventOf(decision) : null,
      agreement: action.as === 'cancelled' ? mapped.agreement : never,
      outlookBase: null,
      generation: mapped.generation + 1,
      reason: discardedBy(action.discarded),
    });
  }
  const before = shownOf(decision);
  const answered = event === null ? null : occupying(event.shows);
  if (action.do !== 'change' || before === null || answered === null)
    return keep(decision, action.do === 'create' ? 'created' : 'updated', {
      ...done,
      status: 'synced',
      eventId: event?.id ?? eventOf(decision),
      agreement: agreedNow(mapped),
      // an answer without an item does not contradict the last read
      outlookBase: answered ?? before,
      ...(action.do === 'create' ? { ...replaced(decision), ...editedSince(action.item, event) } : {}),
    });
  // fields that we did not write and that differ from the last read were edited in Outlook meanwhile; fields that wait for a
  // person have no new agreement
  const written = Object.keys(action.change);
  const base: Item = {
    ...before,
    ...pick(mapped.outlookBase ?? {}, action.open),
    ...pick(answered, written),
  };
  const edited = !sameItem({ ...before, ...pick(answered, written) }, answered);
  const waits = action.open.length > 0;
  const isTentative = decision.wanted?.as?.tentative === true;
  return keep(decision, 'updated', {
    ...done,
    status: waits ? 'conflict' : 'synced',
    agreement: agreedBut(mapped, action.open),
    outlookBase: base,
    outlookSeen: edited || waits ? answered : null,
    news: edited || waits ? 'look' : null,
    ...(edited ? { dueInMs: 0 } : {}),
    ...(waits ? fieldsConflict(action.open, answered) : {}),
    reason: [
      ...written,
      ...(action.showAs === true ? [isTentative ? 'shown as tentative' : 'shown as busy again'] : []),
    ].join(', '),
  });
}

/** A repeated create is answered with the current event, which may have been edited since the first create. */
function editedSince(sent: Item, event: OutlookEvent | null): Partial<Settlement> {
  const shows = event === null ? null : occupying(event.shows);
  if (event === null || shows === null) return {};
  const edited = editedFields([sent], shows, event);
  if (edited.length === 0) return {};
  return { outlookBase: { ...shows, ...pick(sent, edited) }, outlookSeen: shows, news: 'look', dueInMs: 0 };
}

/** The reason in the log of a removal that discards edits in Outlook. */
export const discardedBy = (fields: readonly string[] = []): string | null =>
  fields.length === 0 ? null : `its event was edited in Outlook before: ${fieldsInWords(fields)}`;

/** Another organiser's meeting was declined; `gone`: it did not exist. */
export const declined = (decision: Decision, answered: 'answered' | 'gone'): Settlement =>
  keep(decision, 'declined', {
    ...nothingOpen,
    status: 'cancelled',
    outlookBase: null,
    intent: answered === 'gone' ? 'remove_again' : null,
    reason: decision.action.do === 'decline' ? discardedBy(decision.action.discarded) : null,
    generation: decision.mapped.generation + 1,
  });

/** Outlook reported the event to delete as missing, which may be wrong: if it shows up, it is deleted. */
export const removedUnseen = (decision: Decision): Settlement => {
  const settled = outlookTook(decision, null);
  return settled.status === 'cancelled' ? { ...settled, intent: 'remove_again' } : settled;
};

/** Its event is missing, which Outlook has not reported: both sides are read and decided about again. */
export const goneMeanwhile = (decision: Decision): Settlement =>
  keep(decision, 'waiting', {
    ...keepConflict(decision.mapped),
    eventId: eventOf(decision),
    news: 'missing',
    ...decidedAgain(decision),
    reason: 'its event was not there any more',
  });

/** The idempotency key was used by an earlier create whose event no longer exists: the next try has the next key. */
export const keyUsedUp = (decision: Decision): Settlement =>
  keep(decision, 'waiting', {
    ...keepConflict(decision.mapped),
    generation: decision.mapped.generation + 1,
    ...decidedAgain(decision),
    reason: 'its idempotency key was used up',
  });

/**
 * The event of an earlier create is found. `created`: what is known of it, so that edits in Outlook are followed; null: what differs from
 * the reservation is written.
 */
export const adopted = (decision: Decision, event: OutlookEvent, created: Created | null): Settlement =>
  keep(decision, 'adopted', {
    ...replaced(decision),
    eventId: event.id,
    ...readFields(event),
    outlookBase: itemOf(event.shows),
    agreement: never,
    news: null,
    ...(created === null ? {} : { outlookBase: created.outlookBase, agreement: created.agreement }),
    ...(created?.isEdited === true ? { news: 'look' } : {}),
    dueInMs: 0,
  });
