/**
 * Brings decided steps of one leased room to Outlook, and says what to write down. It neither decides nor settles.
 */
import { backOffMs } from '../../back-off.ts';
import { Conflict, Permanent, Retryable, messageOf } from '../../errors.ts';
import { itemOf, occupying, type OutlookEvent, type Write, type Written } from '../../event.ts';
import type { BookedChange } from '../../appearance.ts';
import { changedFields, sameItem, type Item } from '../../item.ts';
import { fieldsConflict, rejected, replaced, replaceNext, stillOpen, withoutCall } from './settlement.ts';
import { idempotencyKey, isOwnCreate, type Create } from '../match/idempotency-key.ts';
import { isThere, ours, type Sight } from './read.ts';
import type { Due, LeasedRoom, Settled } from '../store/mappings.ts';
import type { CreatesDue } from '../store/settle.ts';
import type { Span } from '../store/pull-store.ts';
import type { OutlookSide } from '../outlook-side.ts';
import { agreedBut, eventOf, factsOf, keep, marksOf, pick, shownOf, type Step } from './step.ts';
import type { Troubles } from './troubles.ts';

/** What came of a batch: what to write down, and what keeps the whole room or the whole side from going on. */
export interface Pushed {
  readonly settled: readonly Settled[];
  /** What failed, for `worst`. */
  readonly failures: readonly Error[];
  /** Graph answered something, be it a refusal of an item: it is there. */
  readonly answered: boolean;
  /** Which creates wait, or wait no more, because Outlook refuses creates in this room, or does so no more. */
  readonly creates: CreatesDue | null;
}

export interface PushOptions {
  readonly outlook: OutlookSide;
  readonly troubles: Troubles;
  /** The window that is kept equal. */
  readonly span: () => Promise<Span>;
  /** Namespace of the idempotency keys: the installation id. */
  readonly installationId: () => string;
  readonly random?: () => number;
}

/** Of the idempotency keys: the installation id. */
interface Namespace {
  readonly installationId: string;
}

/** How often a write that keeps meeting another one (412) is decided again at once. */
const conflictTries = 3;

export function createPush({ outlook, installationId, troubles, span, random = Math.random }: PushOptions) {
  const sight = { outlook, span };

  /** How Outlook took the creates of this room; `held` waited for the one that was sent. */
  function creates(room: LeasedRoom, answers: readonly Written[], held: readonly Step[]): CreatesDue | null {
    const refused = answers.flatMap((answer) => (isRefusedCreate(answer) ? [answer.error] : []));
    const isWell = answers.some(({ outcome }) => outcome !== 'failed');
    if (isWell || answers.length === 0)
      return isWell && troubles.over(room.id, 'creates') ? { held: [], inMs: null } : null;
    if (refused.length === 0 && held.length === 0) return null;
    // one that failed for a reason of its own says nothing: the next one tries
    const inMs = refused.length === 0 ? 0 : troubles.again(room.id, 'creates', refused[0]!);
    return { held: held.map((step) => step.due.id), inMs };
  }

  /** Writes what the steps decided, if it is for Outlook; the others are only written down. */
  return async function push(room: LeasedRoom, steps: readonly Step[], signal: AbortSignal): Promise<Pushed> {
    const all = steps.flatMap((step) => {
      const write = writeOf(step, room, installationId());
      return write === null ? [] : [{ step, write }];
    });
    // where creates are refused, one of them tries and the others wait for it
    const [, ...others] = all.filter(({ write }) => write.do === 'create');
    const held = new Set(troubles.is(room.id, 'creates') ? others.map(({ step }) => step) : []);
    const writing = all.filter(({ step }) => !held.has(step));
    const answers =
      writing.length === 0
        ? []
        : await outlook.write(
            room,
            writing.map(({ write }) => write),
            signal,
          );
    const written = new Map(writing.map(({ step }, at) => [step.due.id, answers[at]!]));
    const settled: Settled[] = [];
    for (const step of steps) {
      if (held.has(step)) continue;
      const answer = written.get(step.due.id);
      settled.push(
        answer === undefined
          ? withoutCall(step)
          : await outcome(step, answer, room, { ...sight, installationId: installationId() }, random, signal),
      );
    }
    return {
      settled,
      creates: creates(
        room,
        answers.filter((_, at) => writing[at]!.write.do === 'create'),
        [...held],
      ),
      answered: answers.some((answer) => answer.outcome !== 'failed' || isOfItem(answer.error)),
      failures: answers.flatMap((answer) => (answer.outcome === 'failed' ? [answer.error] : [])),
    };
  };
}

const times = ['startsAt', 'endsAt', 'allDay'] as const;
const texts = ['title', 'description', 'isPrivate'] as const;

/**
 * What is still agreed after a write whose answer was lost: it may have been carried out or not, so nothing is known
 * of the fields it carried, and after a create nothing at all. Should the clerk take the change back before the next
 * try, both sides would else be taken for equal.
 */
function doubted({ action, adopted, due }: Step): BookedChange {
  if (action.do !== 'change' || adopted !== null || due.bookingBase === null) return {};
  const sent = new Set<string>(Object.keys(action.change));
  // written together: see the format
  if (times.some((field) => sent.has(field))) for (const field of times) sent.add(field);
  if (sent.has('isPrivate')) for (const field of texts) sent.add(field);
  return Object.fromEntries(Object.entries(due.bookingBase).filter(([field]) => !sent.has(field)));
}

/** A removal may have been carried out, too; that it was ours is noted already, and so the event is looked for. */
const doubts = (step: Step): Partial<Settled> =>
  step.action.do === 'remove' || step.action.do === 'decline'
    ? { news: 'look' }
    : {
        bookingBase: doubted(step),
        // by this it is recognised, whatever the booking system changes meanwhile
        ...(step.action.do === 'create' ? { outlookSeen: step.action.item } : {}),
      };

function writeOf(step: Step, room: LeasedRoom, installationId: string): Write | null {
  const { action, due } = step;
  switch (action.do) {
    case 'create':
      return {
        do: 'create',
        item: action.item,
        marks: marksOf(due),
        transactionId: idempotencyKey(createOf(due, room), installationId),
      };
    case 'change':
      if (Object.keys(action.change).length === 0 && action.busy !== true && due.renames !== true)
        return null;
      return {
        do: 'change',
        eventId: eventOf(step)!,
        change: action.change,
        whole: action.item,
        ...(action.busy === true ? { busy: true } : {}),
        ...(due.renames === true ? { marks: marksOf(due) } : {}),
        etag: versionOf(step),
      };
    case 'remove':
      return { do: 'remove', eventId: eventOf(step)! };
    case 'settle':
    case 'wait':
    case 'ask':
    case 'part':
    case 'decline':
    case 'leave-event':
    case 'cancel-booking':
      return null;
  }
}

/** The version that was decided about: an edit that came after it is a conflict to look at, not one to write over. */
function versionOf({ due, adopted, seen }: Step): string | null {
  const event = adopted ?? seen;
  return event === null || event === 'absent' ? due.etag : event.etag;
}

const createOf = (due: Due, { resourceId }: LeasedRoom): Create => ({
  reservation: marksOf(due),
  resourceId,
  generation: due.generation,
});

async function outcome(
  step: Step,
  answer: Written,
  room: LeasedRoom,
  sight: Sight & Namespace,
  random: () => number,
  signal: AbortSignal,
): Promise<Settled> {
  const call = { callMs: answer.callMs, requestId: answer.requestId ?? null };
  switch (answer.outcome) {
    case 'written':
      return {
        ...agreed(step, answer.event),
        ...call,
        sinceAcceptedMs: performance.now() - answer.acceptedAt,
      };
    case 'gone':
      // that it is not there may be said of an event that is: should it show again, it is deleted then
      if (step.action.do === 'remove')
        return { ...agreed(step, null), ...call, removing: step.action.as === 'cancelled' };
      // deleted in Outlook meanwhile: both sides are looked at again, and then it is decided who is followed
      return keep(step, 'waiting', {
        ...stillOpen(step.due),
        ...call,
        news: 'missing',
        ...again(step, random),
        reason: 'its event was not there any more',
      });
    case 'taken':
      return { ...(await takenKey(step, answer.existingId, room, sight, random, signal)), ...call };
    case 'failed':
      return step.action.do === 'remove' && (await isGoneAnyway(step, answer.error, room, sight, signal))
        ? { ...agreed(step, null), ...call }
        : { ...failed(step, answer.error, random), ...call };
  }
}

/** A removal was refused: what is not there is removed. */
async function isGoneAnyway(
  step: Step,
  error: Error,
  room: LeasedRoom,
  sight: Sight,
  signal: AbortSignal,
): Promise<boolean> {
  if (!(error instanceof Permanent) || error.reach !== 'item') return false;
  try {
    return !(await isThere(eventOf(step)!, room, sight, signal));
  } catch (failure) {
    if (failure instanceof Retryable || failure instanceof Permanent) return false;
    throw failure;
  }
}

/** Refused for no reason of its own: the others will be, too. */
const isRefusedCreate = (
  answer: Written,
): answer is Written & { readonly outcome: 'failed'; readonly error: Retryable | Permanent } =>
  answer.outcome === 'failed' &&
  (answer.error instanceof Retryable || answer.error instanceof Permanent) &&
  answer.error.reach === 'item' &&
  answer.error.refusedFor !== undefined;

/** Decided again at once, a few times; then with back-off, so that no answer of Graph can make us spin. */
const again = ({ due }: Step, random: () => number) => ({
  attempt: due.attempt + 1,
  dueInMs: due.attempt < conflictTries ? 0 : backOffMs(due.attempt - conflictTries, random()),
});

/** Both sides agree now: the bases are what each side showed, on our side as read, on Outlook's as answered. */
function agreed(step: Step, event: OutlookEvent | null): Settled {
  const { action, due } = step;
  const done = {
    news: null,
    removing: false,
    waitsFor: null,
    outlookSeen: null,
    renamed: true,
    ...(event === null ? {} : factsOf(event)),
  };
  if (action.do === 'remove') {
    return keep(step, action.as === 'shadowed' ? 'shadowed' : 'deleted', {
      ...done,
      status: action.as,
      // a cancelled mapping keeps the id of the event it had, until it is re-enabled
      eventId: action.as === 'cancelled' ? eventOf(step) : null,
      bookingBase: action.as === 'cancelled' ? due.bookingBase : null,
      outlookBase: null,
      generation: due.generation + 1,
    });
  }
  const before = shownOf(step);
  const answered = event === null ? null : occupying(event.shows);
  if (action.do !== 'change' || before === null || answered === null)
    return keep(step, action.do === 'create' ? 'created' : 'updated', {
      ...done,
      status: 'synced',
      eventId: event?.id ?? eventOf(step),
      bookingBase: due.booking,
      // an answer that shows no item says nothing against what was read before
      outlookBase: answered ?? before,
      ...(action.do === 'create' ? { ...replaced(step), ...editedSince(action.item, event) } : {}),
    });
  // fields we did not write but that are not as they were read were changed in Outlook meanwhile: an edit to look at, not
  // ours; on those that wait for a person nothing is agreed
  const written = Object.keys(action.change);
  const base: Item = {
    ...before,
    ...pick(due.outlookBase ?? {}, action.open),
    ...pick(answered, written),
  };
  const edited = !sameItem({ ...before, ...pick(answered, written) }, answered);
  const waits = action.open.length > 0;
  const isTentative = step.wanted?.as?.tentative === true;
  return keep(step, 'updated', {
    ...done,
    status: waits ? 'conflict' : 'synced',
    bookingBase: agreedBut(due, action.open),
    outlookBase: base,
    outlookSeen: edited || waits ? answered : null,
    news: edited || waits ? 'look' : null,
    ...(edited ? { dueInMs: 0 } : {}),
    ...(waits ? fieldsConflict(action.open, answered) : {}),
    reason: [
      ...written,
      ...(action.busy === true ? [isTentative ? 'shown as tentative' : 'shown as busy again'] : []),
    ].join(', '),
  });
}

/**
 * A create that is repeated is answered with the event as it stands, and a person may have edited it since it was sent first.
 * Outlook changes no times by itself, but texts: what differs in nothing else is an edit only if it came after the making.
 */
function editedSince(sent: Item, event: OutlookEvent | null): Partial<Settled> {
  const shows = event === null ? null : occupying(event.shows);
  if (event === null || shows === null) return {};
  const isOld = Date.parse(event.lastModifiedAt ?? '') - Date.parse(event.createdAt ?? '') > madeWithinMs;
  const edited = Object.keys(changedFields(sent, shows));
  if (!isOld && edited.every((field) => ['title', 'description'].includes(field))) return {};
  return { outlookBase: { ...shows, ...pick(sent, edited) }, outlookSeen: shows, news: 'look', dueInMs: 0 };
}

/** Between the making of an event and what Exchange itself does to it then. */
const madeWithinMs = 1_000;

/**
 * The idempotency key was used for another create before: ours, with an older text, or that of an event that is gone.
 * Read it: alive and ours (see `ours`) it is adopted; otherwise the next key is stored before the next try.
 */
async function takenKey(
  step: Step,
  existingId: string | null,
  room: LeasedRoom,
  { outlook, installationId }: Sight & Namespace,
  random: () => number,
  signal: AbortSignal,
): Promise<Settled> {
  const { due } = step;
  const create = { ...createOf(due, room), since: due.createdAt };
  const isOurs = (event: OutlookEvent) =>
    itemOf(event.shows) !== null && isOwnCreate(event, create, installationId);
  try {
    const named = existingId === null ? null : await outlook.read(room, existingId, signal);
    const found = named === null ? [] : [named];
    const event =
      found.find(isOurs) ??
      ours(due, found, outlook.show) ??
      ours(due, await outlook.find(room, marksOf(due), signal), outlook.show);
    if (event === null)
      return keep(step, 'waiting', {
        ...stillOpen(due),
        generation: due.generation + 1,
        ...again(step, random),
        reason: 'its idempotency key was used up',
      });
    return keep(step, 'adopted', {
      ...replaced(step),
      eventId: event.id,
      ...factsOf(event),
      outlookBase: itemOf(event.shows),
      bookingBase: null,
      news: null,
      dueInMs: 0,
    });
  } catch (error) {
    if (!(error instanceof Retryable || error instanceof Permanent)) throw error;
    return keep(step, 'delayed', {
      ...stillOpen(due),
      dueInMs: 0,
      attempt: due.attempt + 1,
      error: error.message,
      hint: error.hint ?? null,
    });
  }
}

export function failed(step: Step, error: Error, random: () => number): Settled {
  const { due } = step;
  // an attempt that Graph refused outright says nothing about the item
  const refused = error instanceof Retryable && error.reach !== 'item' && !error.ambiguous;
  const attempt = refused ? due.attempt : due.attempt + 1;
  const told = { ...stillOpen(due), error: messageOf(error), attempt };
  // see `Pushed.creates`: the room decides when it is tried again
  if (step.action.do === 'create' && (error instanceof Retryable || error instanceof Permanent))
    if (error.reach === 'item' && error.refusedFor !== undefined)
      return keep(step, 'delayed', { ...told, hint: error.hint ?? null, dueInMs: 0 });
  if (error instanceof Conflict)
    return keep(step, 'delayed', {
      ...told,
      news: due.news ?? 'look',
      dueInMs: attempt <= conflictTries ? 0 : backOffMs(attempt - conflictTries, random()),
    });
  if (error instanceof Retryable) {
    const wait = error.reach === 'item' ? (error.afterMs ?? backOffMs(due.attempt, random())) : 0;
    const base = error.ambiguous ? doubts(step) : {};
    return keep(step, 'delayed', { ...told, ...base, hint: error.hint ?? null, dueInMs: wait });
  }
  if (error instanceof Permanent && error.reach !== 'item')
    return keep(step, 'delayed', { ...told, hint: error.hint ?? null, dueInMs: 0 });
  if (
    error instanceof Permanent &&
    due.eventId !== null &&
    (step.action.do !== 'create' || due.status === 'conflict')
  )
    return step.action.do === 'change' && due.resolution === 'booking' && due.conflict?.kind === 'rejected'
      ? replaceNext(step, error.message)
      : rejected(step, error.message, error.hint ?? null);
  const hint =
    error instanceof Permanent ? (error.hint ?? null) : 'This is a bug of the bridge; the log has its stack.';
  return keep(step, 'parked', { error: messageOf(error), attempt, status: 'error', hint });
}

const isOfItem = (error: Error) =>
  error instanceof Conflict || (error instanceof Permanent && error.reach === 'item');
