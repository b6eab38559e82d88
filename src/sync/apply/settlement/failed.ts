/** What is written down of a work item that failed, or that could not be read. */
import type { BookedChange } from '../../../appearance.ts';
import { backOffMs } from '../../../back-off.ts';
import { timeFields, touchesTimes } from '../../../item.ts';
import { Conflict, Permanent, Retryable, messageOf } from '../../../errors.ts';
import { agreedOn, agreementOn, type Agreement } from '../../store/agreement.ts';
import type { Settlement } from '../../store/settle.ts';
import type { Mapped } from '../../store/work-item.ts';
import type { Decision } from '../decision.ts';
import type { Unreadable } from '../read.ts';
import { lostNews, rejected, replaceNext } from './conflict.ts';
import { keep, stillOpen } from './keep.ts';

/** How often a write that keeps meeting another one (412) is decided again at once. */
const conflictTries = 3;

/** Decided again at once, a few times; then with back-off, so that no answer of Graph can make us spin. */
export const decidedAgain = ({ mapped: { attempt } }: Decision, random: () => number) => ({
  attempt: attempt + 1,
  dueInMs: attempt < conflictTries ? 0 : backOffMs(attempt - conflictTries, random()),
});

const texts = ['title', 'description', 'isPrivate'] as const;

/**
 * What is still agreed after a write whose answer was lost: it may have been carried out or not, so nothing is known
 * of the fields it carried, and after a create nothing at all. Should the clerk take the change back before the next
 * try, both sides would else be taken for equal.
 */
function doubted({ action, adopted, mapped: { agreement } }: Decision): Agreement {
  if (action.do !== 'change' || adopted !== null) return { is: 'unanswered' };
  const sent = new Set<string>(Object.keys(action.change));
  // `outlook/format.ts` writes these together
  if (touchesTimes(action.change)) for (const field of timeFields) sent.add(field);
  if (sent.has('isPrivate')) for (const field of texts) sent.add(field);
  const known: BookedChange = agreedOn(agreement);
  return agreementOn(Object.fromEntries(Object.entries(known).filter(([field]) => !sent.has(field))));
}

/** A removal may have been carried out, too; that it was ours is noted already, and so the event is looked for. */
const doubts = (decision: Decision): Partial<Settlement> =>
  decision.action.do === 'remove' || decision.action.do === 'decline'
    ? { news: 'look' }
    : {
        agreement: doubted(decision),
        // whether it is shown as tentative is no field of the agreement: the event is read
        ...(decision.action.do === 'change' && decision.action.showAs === true
          ? { news: 'look' as const }
          : {}),
        // by this it is recognised, whatever the booking system changes meanwhile
        ...(decision.action.do === 'create' ? { outlookSeen: decision.action.item } : {}),
      };

export function failed(decision: Decision, error: Error, random: () => number): Settlement {
  const { mapped } = decision;
  // an attempt that Graph refused outright says nothing about the item
  const refused = error instanceof Retryable && error.reach !== 'item' && !error.ambiguous;
  const attempt = refused ? mapped.attempt : mapped.attempt + 1;
  const told = { ...stillOpen(mapped), error: messageOf(error), attempt };
  // see `Pushed.creates`: the room decides when it is tried again
  if (decision.action.do === 'create' && (error instanceof Retryable || error instanceof Permanent))
    if (error.reach === 'item' && error.refusedFor !== undefined)
      return keep(decision, 'delayed', { ...told, hint: error.hint ?? null, dueInMs: 0 });
  if (error instanceof Conflict)
    return keep(decision, 'delayed', {
      ...told,
      news: mapped.news ?? 'look',
      dueInMs: attempt <= conflictTries ? 0 : backOffMs(attempt - conflictTries, random()),
    });
  if (error instanceof Retryable) {
    const wait = error.reach === 'item' ? (error.afterMs ?? backOffMs(mapped.attempt, random())) : 0;
    const base = error.ambiguous ? doubts(decision) : {};
    return keep(decision, 'delayed', { ...told, ...base, hint: error.hint ?? null, dueInMs: wait });
  }
  if (error instanceof Permanent && error.reach !== 'item')
    return keep(decision, 'delayed', { ...told, hint: error.hint ?? null, dueInMs: 0 });
  if (
    error instanceof Permanent &&
    mapped.eventId !== null &&
    (decision.action.do !== 'create' || mapped.status === 'conflict')
  )
    return decision.action.do === 'change' &&
      mapped.resolution === 'booking' &&
      mapped.conflict?.kind === 'rejected'
      ? replaceNext(decision, error.message)
      : rejected(decision, error.message, error.hint ?? null);
  const hint =
    error instanceof Permanent ? (error.hint ?? null) : 'This is a bug of the bridge; the log has its stack.';
  return keep(decision, 'parked', { error: messageOf(error), attempt, status: 'error', hint });
}

/** It stays as it is, doubt included, and is due again. */
export function unreadable({ mapped, unreadable: error }: Unreadable, random: () => number): Settlement {
  const wait =
    error instanceof Retryable && error.reach === 'item'
      ? (error.afterMs ?? backOffMs(mapped.attempt, random()))
      : 0;
  const parked = error instanceof Permanent && error.reach === 'item';
  return keep({ mapped, action: { do: 'wait' }, adopted: null, seen: null }, parked ? 'parked' : 'delayed', {
    status: parked ? 'error' : restingStatus(mapped),
    bookingSeen: null,
    attempt: mapped.attempt + 1,
    error: error.message,
    hint: error.hint ?? null,
    conflict: mapped.conflict,
    dueInMs: parked ? null : wait,
  });
}

const restingStatus = ({ status }: Mapped) =>
  status === 'cancelled' || status === 'conflict' || status === 'imported' ? status : 'pending';

/** Somebody was faster, or what has to take it is busy: it is decided again after `inMs`. */
export const later = (decision: Decision, inMs: number): Settlement =>
  keep(decision, 'delayed', {
    ...stillOpen(decision.mapped),
    news: decision.mapped.news ?? 'look',
    dueInMs: inMs,
    attempt: decision.mapped.attempt + 1,
  });

/** Its event is gone: that is written down before anything is done about it, so that the brake counts it. */
export const goneFirst = (decision: Decision): Settlement =>
  keep(decision, 'waiting', { ...stillOpen(decision.mapped), ...lostNews(decision), dueInMs: 0 });

/** The idempotency key was used before, and what that made could not be read. */
export const keyUnread = (
  decision: Decision,
  error: Retryable | Permanent,
  random: () => number,
): Settlement =>
  keep(decision, 'delayed', {
    ...stillOpen(decision.mapped),
    ...decidedAgain(decision, random),
    error: error.message,
    hint: error.hint ?? null,
  });
