/** What is written down once the other side has taken what was decided. */
import { itemOf, occupying, type OutlookEvent } from '../../../event.ts';
import { changedFields, sameItem, type Item } from '../../../item.ts';
import { never } from '../../store/agreement.ts';
import type { Settlement } from '../../store/settle.ts';
import { agreedBut, agreedNow, eventOf, pick, shownOf, type Decision } from '../decision.ts';
import { fieldsConflict } from './conflict.ts';
import { decidedAgain } from './failed.ts';
import { factsOf, keep, stillOpen } from './keep.ts';
import { replaced } from './without-call.ts';

/** Outlook has it, and both sides agree now: the bases are what each side showed, on our side as read, on Outlook's as answered. */
export function outlookTook(decision: Decision, event: OutlookEvent | null): Settlement {
  const { action, mapped } = decision;
  const done = {
    news: null,
    intent: null,
    waitsFor: null,
    outlookSeen: null,
    renamed: true,
    ...(event === null ? {} : factsOf(event)),
  };
  if (action.do === 'remove') {
    return keep(decision, action.as === 'shadowed' ? 'shadowed' : 'deleted', {
      ...done,
      status: action.as,
      // a cancelled mapping keeps the id of the event it had, until it is re-enabled
      eventId: action.as === 'cancelled' ? eventOf(decision) : null,
      agreement: action.as === 'cancelled' ? mapped.agreement : never,
      outlookBase: null,
      generation: mapped.generation + 1,
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
      // an answer that shows no item says nothing against what was read before
      outlookBase: answered ?? before,
      ...(action.do === 'create' ? { ...replaced(decision), ...editedSince(action.item, event) } : {}),
    });
  // fields we did not write but that are not as they were read were changed in Outlook meanwhile: an edit to decide about, not
  // ours; on those that wait for a person nothing is agreed
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

/**
 * A create that is repeated is answered with the event as it stands, and a person may have edited it since it was sent first.
 * Outlook changes no times by itself, but texts: what differs in nothing else is an edit only if it came after the making, or
 * says what Exchange would not say (`isRewriting`).
 */
function editedSince(sent: Item, event: OutlookEvent | null): Partial<Settlement> {
  const shows = event === null ? null : occupying(event.shows);
  if (event === null || shows === null) return {};
  const isOld = Date.parse(event.lastModifiedAt ?? '') - Date.parse(event.createdAt ?? '') > madeWithinMs;
  const edited = Object.keys(changedFields(sent, shows));
  const isOnlyText = edited.every((field) => ['title', 'description'].includes(field));
  if (!isOld && isOnlyText && isRewriting(sent, shows, event.organizer?.name ?? '')) return {};
  return { outlookBase: { ...shows, ...pick(sent, edited) }, outlookSeen: shows, news: 'look', dueInMs: 0 };
}

/** Between the making of an event and what Exchange itself does to it then. */
const madeWithinMs = 1_000;

/**
 * Whether Exchange may have made of these texts what is shown: it empties them, cuts them, adds to them, and puts the organiser's
 * name in the place of the title (Set-CalendarProcessing: DeleteSubject, AddOrganizerToSubject, DeleteComments).
 */
function isRewriting(sent: Item, shows: Item, organizer: string): boolean {
  const keeps = (before: string, after: string) =>
    after.includes(before) || before.startsWith(after) || after === lettersOf(organizer);
  return (
    keeps(lettersOf(sent.title), lettersOf(shows.title)) &&
    keeps(lettersOf(sent.description), lettersOf(shows.description))
  );
}

const lettersOf = (text: string) =>
  text
    .normalize('NFKC')
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]/gu, '');

/** The organiser of somebody else's meeting hears that the room does not take it; `gone`: the meeting was not there. */
export const declined = (decision: Decision, answered: 'answered' | 'gone'): Settlement =>
  keep(decision, 'declined', {
    status: 'cancelled',
    outlookBase: null,
    outlookSeen: null,
    news: null,
    intent: answered === 'gone' ? 'remove_again' : null,
    generation: decision.mapped.generation + 1,
  });

/** Outlook says that what was to be deleted is not there, which it may say of an event that is: should it show, it is deleted. */
export const removedUnseen = (decision: Decision): Settlement => {
  const settled = outlookTook(decision, null);
  return settled.status === 'cancelled' ? { ...settled, intent: 'remove_again' } : settled;
};

/** It was deleted in Outlook meanwhile: both sides are read again, and then it is decided who is followed. */
export const goneMeanwhile = (decision: Decision, random: () => number): Settlement =>
  keep(decision, 'waiting', {
    ...stillOpen(decision.mapped),
    news: 'missing',
    ...decidedAgain(decision, random),
    reason: 'its event was not there any more',
  });

/** The idempotency key was used for a create before, and what that made is not there: the next try has the next key. */
export const keyUsedUp = (decision: Decision, random: () => number): Settlement =>
  keep(decision, 'waiting', {
    ...stillOpen(decision.mapped),
    generation: decision.mapped.generation + 1,
    ...decidedAgain(decision, random),
    reason: 'its idempotency key was used up',
  });

/** ... and this is what it made: only what differs from it is written then. */
export const adopted = (decision: Decision, event: OutlookEvent): Settlement =>
  keep(decision, 'adopted', {
    ...replaced(decision),
    eventId: event.id,
    ...factsOf(event),
    outlookBase: itemOf(event.shows),
    agreement: never,
    news: null,
    dueInMs: 0,
  });
