/** Settlements of work items that failed or could not be read. */
import type { BookedChange } from '../../../appearance.ts';
import { backOffMs, slowBackOffMs } from '../../../back-off.ts';
import { Conflict, isExpected, messageOf, Permanent, Retryable } from '../../../errors.ts';
import { timeFields, touchesTimes } from '../../../item.ts';
import { agreedOn, agreementOn, type Agreement } from '../../store/agreement.ts';
import type { Settlement } from '../../store/settle.ts';
import type { Mapped, WorkItem } from '../../store/work-item.ts';
import { shownOf, type Decision } from '../decision.ts';
import type { Unreadable } from '../read.ts';
import { lostNews, rejected, replaceNext } from './conflict.ts';
import { keep, keepConflict } from './keep.ts';

/** So often a write that meets a concurrent edit (412) is decided again at once. */
const conflictTries = 3;

/** Decided again at once, a few times; then with back-off, so that no answer of Graph can cause a busy loop. */
export const decidedAgain = ({ mapped: { attempt } }: Decision) => ({
  attempt: attempt + 1,
  dueInMs: attempt < conflictTries ? 0 : backOffMs(attempt - conflictTries, Math.random()),
});

/** Until the next try of an item; 0 if its room or the daemon rests instead. */
export const retryMs = (error: Retryable | Permanent, attempt: number): number =>
  error instanceof Retryable && error.reach === 'item'
    ? (error.afterMs ?? backOffMs(attempt, Math.random()))
    : 0;

/** No retry helps this item. */
export const isOfItemForGood = (error: Error): boolean =>
  error instanceof Permanent && error.reach === 'item';

const texts = ['title', 'description', 'isPrivate'] as const;

/**
 * The remaining agreement after a write without an answer, which may have been carried out: none on the fields that it carried,
 * and none at all after a create. Otherwise both sides would be taken for equal if the change were taken back before the
 * next try.
 */
function unansweredAgreement({ action, adopted, mapped: { agreement } }: Decision): Agreement {
  if (action.do !== 'change' || adopted !== null) return { is: 'unanswered' };
  const sent = new Set<string>(Object.keys(action.change));
  // `outlook/format.ts` writes these together
  if (touchesTimes(action.change)) for (const field of timeFields) sent.add(field);
  if (sent.has('isPrivate')) for (const field of texts) sent.add(field);
  const known: BookedChange = agreedOn(agreement);
  return agreementOn(Object.fromEntries(Object.entries(known).filter(([field]) => !sent.has(field))));
}

/** After a write without an answer. That a removal was ours is stored already, so its event is read. */
const unanswered = (decision: Decision): Partial<Settlement> =>
  decision.action.do === 'remove' || decision.action.do === 'decline'
    ? { news: 'look' }
    : {
        agreement: unansweredAgreement(decision),
        // an agreement does not contain `showAs`: the event is read
        ...(decision.action.do === 'change' && decision.action.showAs === true
          ? { news: 'look' as const }
          : {}),
        // identifies the event even if the reservation changes meanwhile
        ...(decision.action.do === 'create' ? { outlookSeen: decision.action.item } : {}),
      };

export function failed(decision: Decision, error: Error): Settlement {
  const { mapped, action } = decision;
  // a refusal without any execution says nothing about the item
  const isRefused = error instanceof Retryable && error.reach !== 'item' && !error.ambiguous;
  const attempt = isRefused ? mapped.attempt : mapped.attempt + 1;
  const delayed = (change: Partial<Settlement>) =>
    keep(decision, 'delayed', { ...keepConflict(mapped), error: messageOf(error), attempt, ...change });
  if (error instanceof Conflict)
    return delayed({
      news: mapped.news ?? 'look',
      dueInMs: attempt <= conflictTries ? 0 : backOffMs(attempt - conflictTries, Math.random()),
    });
  if (!isExpected(error)) {
    const hint = 'This is a bug of the bridge; the log has its stack.';
    return keep(decision, 'parked', { error: messageOf(error), attempt, status: 'error', hint });
  }
  const hint = error.hint ?? null;
  // see `ItemResults.creates`: refused creates are put off for the whole room
  if (action.do === 'create' && error.reach === 'item' && error.refusedFor !== undefined)
    return delayed({ hint, dueInMs: 0 });
  if (error instanceof Retryable) {
    const dueInMs = retryMs(error, mapped.attempt);
    return delayed({ ...(error.ambiguous ? unanswered(decision) : {}), hint, dueInMs });
  }
  if (error.reach !== 'item') return delayed({ hint, dueInMs: 0 });
  if (mapped.eventId === null || (action.do === 'create' && mapped.status !== 'conflict'))
    return keep(decision, 'parked', { error: error.message, attempt, status: 'error', hint });
  const isRefusedAgain =
    action.do === 'change' && mapped.resolution === 'booking' && mapped.conflict?.kind === 'rejected';
  return isRefusedAgain ? replaceNext(decision, error.message) : rejected(decision, error.message, hint);
}

/** A function, trigger or view of the booking system failed: it succeeds once an operator has repaired that, without a request. */
export const failedHere = (decision: Decision, message: string): Settlement =>
  keep(decision, reported(decision.mapped, message), {
    status: 'error',
    ...keepConflict(decision.mapped),
    ...(decision.action.do === 'cancel-booking' ? lostNews(decision) : { news: 'look' }),
    outlookSeen: decision.action.do === 'cancel-booking' ? null : shownOf(decision),
    error: message,
    hint: 'The booking system failed: repair it. It is tried again at least every ten minutes.',
    ...afterRepair(decision.mapped),
  });

/** The log has a failure once. */
export const reported = ({ error }: Pick<WorkItem, 'error'>, message: string) =>
  error === message ? 'unchanged' : 'parked';

/** The next try of what an operator has to repair first. */
export const afterRepair = ({ attempt }: Pick<WorkItem, 'attempt'>) => ({
  attempt: attempt + 1,
  dueInMs: slowBackOffMs(attempt, Math.random()),
});

/** The view cannot show it: it stays as it is, and is due again. */
function rowFailed({ mapped, unreadable: error }: Unreadable): Settlement {
  const status = restingStatus(mapped);
  return keep({ ...unread, mapped }, reported(mapped, error.message), {
    status: status === 'pending' ? 'error' : status,
    bookingSeen: null,
    error: error.message,
    hint: error.hint ?? null,
    conflict: mapped.conflict,
    ...afterRepair(mapped),
  });
}

const unread = { action: { do: 'wait' }, adopted: null, seen: null } as const;

/** It stays as it is, with its unknown agreement, and is due again. */
export function unreadable(one: Unreadable): Settlement {
  const { mapped, unreadable: error } = one;
  if (mapped.unreadable != null) return rowFailed(one);
  const isParked = isOfItemForGood(error);
  return keep({ ...unread, mapped }, isParked ? 'parked' : 'delayed', {
    status: isParked ? 'error' : restingStatus(mapped),
    bookingSeen: null,
    attempt: mapped.attempt + 1,
    error: error.message,
    hint: error.hint ?? null,
    conflict: mapped.conflict,
    dueInMs: isParked ? null : retryMs(error, mapped.attempt),
  });
}

const restingStatus = ({ status }: Mapped) =>
  status === 'cancelled' || status === 'conflict' || status === 'imported' ? status : 'pending';

/** The reservation has changed, or the booking system is busy: decided again after `inMs`. */
export const later = (decision: Decision, inMs: number): Settlement =>
  keep(decision, 'delayed', {
    ...keepConflict(decision.mapped),
    news: decision.mapped.news ?? 'look',
    dueInMs: inMs,
    attempt: decision.mapped.attempt + 1,
  });

/** The event is gone: stored before anything is done about it, so that the brake counts it. */
export const goneFirst = (decision: Decision): Settlement =>
  keep(decision, 'waiting', { ...keepConflict(decision.mapped), ...lostNews(decision), dueInMs: 0 });

/** The idempotency key was used before, and the event of that create could not be read. */
export const keyUnread = (decision: Decision, error: Retryable | Permanent): Settlement =>
  keep(decision, 'delayed', {
    ...keepConflict(decision.mapped),
    ...decidedAgain(decision),
    error: error.message,
    hint: error.hint ?? null,
  });
