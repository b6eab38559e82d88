/**
 * Brings due mappings of one leased room to Outlook: decide, write, and say what to write down. It neither reads
 * the booking system nor settles: the room drain does.
 */
import { v5 as uuidv5 } from 'uuid';
import { backOffMs } from '../back-off.ts';
import { Conflict, Permanent, Retryable, messageOf } from '../errors.ts';
import type { PushAction, Tell } from '../facts.ts';
import { itemFields, sameItem, type Item, type ItemChange, type ReservationKey } from '../item.ts';
import { decide, type Action } from './decide.ts';
import type { Due, LeasedRoom, Rest, Settled } from './mappings.ts';
import type { OutlookEvent, OutlookSide, Write, Written } from './sides.ts';

/** What came of a batch: what to write down, and what keeps the whole room or the whole side from going on. */
export interface Pushed {
  readonly settled: readonly Settled[];
  readonly rest: Rest | null;
  /** Graph itself is out of reach (an outage), or refuses us as a whole. */
  readonly outage: Retryable | Permanent | null;
  /** Graph answered something, be it a refusal of an item: it is there. */
  readonly answered: boolean;
}

export interface PushOptions {
  readonly outlook: OutlookSide;
  readonly tell: Tell;
  /** Namespace of the idempotency keys: the installation id. */
  readonly installationId: string;
  /** Of these mappings, whose reservations' rows are gone, those whose events may be deleted (the brake). */
  readonly mayRemove: (room: LeasedRoom, gone: readonly Due[]) => Promise<ReadonlySet<number>>;
  readonly random?: () => number;
}

/** One due mapping on its way: what was decided and what it is now known to be. */
interface Step {
  readonly due: Due;
  readonly action: Action;
  /** What Outlook shall show of the reservation now. */
  readonly wanted: Item | null;
  readonly adopted: OutlookEvent | null;
}

/** How often a write that keeps meeting another one (412) is decided again at once. */
const conflictTries = 3;

export function createPush(options: PushOptions) {
  const { outlook, installationId, mayRemove, random = Math.random } = options;

  return async function push(room: LeasedRoom, due: readonly Due[], signal: AbortSignal): Promise<Pushed> {
    if (room.direction === 'outlook_to_booking')
      return {
        settled: due.map((row) => leave(stepOf(row, outlook))),
        answered: false,
        rest: null,
        outage: null,
      };
    const looked = await Promise.all(
      due.map((row) => lookFirst(stepOf(row, outlook), room, outlook, signal)),
    );
    const blind = looked.filter(isBlind);
    const steps = looked.filter((step): step is Step => !isBlind(step));
    const gone = steps.filter((s) => s.due.active === null && s.action.do === 'remove').map((s) => s.due);
    const allowed = gone.length === 0 ? new Set<number>() : await mayRemove(room, gone);
    const held = (step: Step) =>
      step.due.active === null && step.action.do === 'remove' && !allowed.has(step.due.id);

    const writing = steps.filter((step) => !held(step) && writeOf(step, room, installationId) !== null);
    const writes = writing.map((step) => writeOf(step, room, installationId)!);
    const answers = writes.length === 0 ? [] : await outlook.write(room, writes, signal);
    const written = new Map(writing.map((step, at) => [step.due.id, answers[at]!]));

    const settled: Settled[] = blind.map((one) => blinded(one, random));
    for (const step of steps) {
      const answer = written.get(step.due.id);
      if (held(step)) settled.push(holdBack(step));
      else if (answer === undefined) settled.push(quiet(step));
      else settled.push(await outcome(step, answer, room, outlook, random, signal));
    }
    const answered = answers.some((answer) => answer.outcome !== 'failed' || isOfItem(answer.error));
    const failures = answers.flatMap((answer) => (answer.outcome === 'failed' ? [answer.error] : []));
    return { settled, answered, ...worst([...failures, ...blind.map((one) => one.blind)], room, random) };
  };
}

function stepOf(due: Due, outlook: OutlookSide, adopted: OutlookEvent | null = null): Step {
  const wanted = due.active === true && due.booking !== null ? outlook.show(due.booking) : null;
  const action = decide({
    agreed: adopted === null ? shownBase(due, outlook) : null,
    wanted,
    outlook: adopted === null ? due.outlookBase : adopted.item,
    hasEvent: adopted !== null || due.eventId !== null,
    inWindow: due.inWindow === true,
    covered: due.covered,
    coverConfirmed: due.coverConfirmed,
    cancelled: adopted === null && due.status === 'cancelled',
  });
  return { due, action, wanted, adopted };
}

/** What Outlook should show of what both sides last agreed on: what is not known of it stays unknown. */
function shownBase({ bookingBase, booking }: Due, outlook: OutlookSide): ItemChange | null {
  if (bookingBase === null || isWhole(bookingBase))
    return bookingBase === null ? null : outlook.show(bookingBase);
  return booking === null ? {} : pick(outlook.show({ ...booking, ...bookingBase }), bookingBase);
}

const isWhole = (item: ItemChange): item is Item => itemFields.every((field) => item[field] !== undefined);

const times = ['startsAt', 'endsAt', 'allDay'] as const;
const texts = ['title', 'description', 'isPrivate'] as const;

/**
 * What is still agreed after a write whose answer was lost: it may have been carried out or not, so nothing is known
 * of the fields it carried, and after a create or a delete nothing at all. Should the clerk take the change back before
 * the next try, both sides would else be taken for equal.
 */
function doubted({ action, adopted, due }: Step): ItemChange {
  if (action.do !== 'change' || adopted !== null || due.bookingBase === null) return {};
  const sent = new Set<string>(Object.keys(action.change));
  // written together: see the format
  if (times.some((field) => sent.has(field))) for (const field of times) sent.add(field);
  if (sent.has('isPrivate')) for (const field of texts) sent.add(field);
  return Object.fromEntries(Object.entries(due.bookingBase).filter(([field]) => !sent.has(field)));
}

/**
 * Where nobody knows what is in Outlook, it is looked at before anything is decided: a create whose answer was lost is
 * looked for by our marks, an event of which nothing is known (a crash, a person who asks) is read. A step that could
 * not be looked at is blind, and so is whatever would be decided about it.
 */
async function lookFirst(
  step: Step,
  room: LeasedRoom,
  outlook: OutlookSide,
  signal: AbortSignal,
): Promise<Step | Blind> {
  const { due } = step;
  const inDoubt = due.bookingBase !== null && !isWhole(due.bookingBase);
  // a removal that a person refused left its event where it was
  const left = due.status === 'cancelled' && due.outlookBase !== null && step.action.do === 'create';
  try {
    if (left || (inDoubt && due.eventId === null)) {
      const event = ours(await outlook.find(room, marksOf(due), signal), step.wanted);
      return event === null ? step : stepOf(due, outlook, event);
    }
    const nothingKnown = inDoubt && Object.keys(due.bookingBase ?? {}).length === 0;
    if (!nothingKnown || due.eventId === null || step.action.do !== 'change') return step;
    const event = await outlook.read(room, due.eventId, signal);
    // one that is gone is told so by the write itself
    return event === null ? step : stepOf(due, outlook, event);
  } catch (error) {
    if (error instanceof Retryable || error instanceof Permanent) return { due, blind: error };
    throw error;
  }
}

/** A mapping about which nothing can be decided now. */
interface Blind {
  readonly due: Due;
  readonly blind: Retryable | Permanent;
}

const isBlind = (step: Step | Blind): step is Blind => 'blind' in step;

/** It stays as it is, doubt included, and is due again. */
function blinded({ due, blind }: Blind, random: () => number): Settled {
  const step: Step = { due, action: { do: 'wait' }, wanted: null, adopted: null };
  const wait =
    blind instanceof Retryable && blind.reach === 'item'
      ? (blind.afterMs ?? backOffMs(due.attempt, random()))
      : 0;
  const parked = blind instanceof Permanent && blind.reach === 'item';
  return keep(step, parked ? 'parked' : 'delayed', {
    status: parked ? 'error' : due.status === 'cancelled' ? 'cancelled' : 'pending',
    bookingSeen: null,
    attempt: due.attempt + 1,
    error: blind.message,
    hint: blind.hint ?? null,
    dueInMs: parked ? null : wait,
  });
}

/** Of several events with our marks the one at the wanted time, else the first; the others are copies. */
function ours(found: readonly OutlookEvent[], wanted: Item | null): OutlookEvent | null {
  const own = found.filter((event) => event.isOrganizer);
  return own.find((event) => event.item?.startsAt === wanted?.startsAt) ?? own[0] ?? null;
}

const marksOf = (due: Due): ReservationKey => ({ type: due.reservationType, id: due.reservationId });
const eventOf = (step: Step): string | null => step.adopted?.id ?? step.due.eventId;

function writeOf(step: Step, room: LeasedRoom, installationId: string): Write | null {
  const { action, due } = step;
  switch (action.do) {
    case 'create':
      return {
        do: 'create',
        item: action.item,
        marks: marksOf(due),
        transactionId: transactionId(due, room, installationId),
      };
    case 'change':
      return { do: 'change', eventId: eventOf(step)!, change: action.change, whole: action.item };
    case 'remove':
      return { do: 'remove', eventId: eventOf(step)! };
    case 'settle':
    case 'wait':
      return null;
  }
}

/** The idempotency key of a create: the same for the same attempt at showing the same reservation in the same room. */
function transactionId(due: Due, room: LeasedRoom, installationId: string): string {
  return uuidv5(
    `${due.reservationType}/${due.reservationId}/${room.resourceId}/${due.generation}`,
    installationId,
  );
}

/** What stays as it was, unless said otherwise. */
function keep(step: Step, action: PushAction | 'delayed' | 'parked', change: Partial<Settled>): Settled {
  const { due } = step;
  return {
    id: due.id,
    revision: due.revision,
    status: 'pending',
    // the id that a cancelled mapping keeps is of no more use once it gets a fresh event
    eventId: step.action.do === 'create' ? null : eventOf(step),
    generation: due.generation,
    bookingBase: due.bookingBase,
    outlookBase: due.outlookBase,
    bookingSeen: due.active === true ? due.booking : null,
    outlookSeen: due.outlookSeen,
    error: null,
    hint: null,
    dueInMs: null,
    attempt: 0,
    action,
    reason: null,
    sinceAcceptedMs: null,
    callMs: null,
    requestId: null,
    ...change,
  };
}

function quiet(step: Step): Settled {
  const { action, due } = step;
  if (action.do === 'wait')
    return keep(step, 'waiting', { status: 'synced', reason: 'its cover is not in Outlook yet' });
  const as = action.do === 'settle' ? action.as : 'synced';
  const moved = as === 'shadowed' && due.status !== 'shadowed';
  return keep(
    step,
    moved
      ? 'shadowed'
      : as === 'forget'
        ? 'forgotten'
        : step.adopted === null || step.adopted.id === due.eventId
          ? 'unchanged'
          : 'adopted',
    {
      status: as,
      // the id a cancelled mapping keeps is of an event that is gone: nothing may take it for alive
      ...(as === 'shadowed' ? { eventId: null } : {}),
      // agreed anew only when there is an event to agree with
      bookingBase: as === 'synced' ? due.booking : sure(due.bookingBase),
      outlookBase: step.adopted?.item ?? due.outlookBase,
      reason: moved ? 'items of higher priority take its whole time' : null,
    },
  );
}

/**
 * The room takes only what Outlook gives: nothing is written, and what is there stays. As nothing was seen of the
 * booking, it is compared anew should the direction ever change.
 */
function leave(step: Step): Settled {
  const { status, eventId } = step.due;
  const as = eventId === null ? 'forget' : status === 'cancelled' ? 'cancelled' : 'synced';
  return keep(step, as === 'forget' ? 'forgotten' : 'unchanged', { status: as, eventId, bookingSeen: null });
}

function holdBack(step: Step): Settled {
  return keep(step, 'parked', {
    status: 'conflict',
    error:
      'The rows of this reservation are gone, and so are many others: its event is kept until a person has looked.',
    hint: 'Release or refuse the room: POST /rooms/{resource}/brake/release or …/refuse.',
    reason: 'held by the brake',
  });
}

async function outcome(
  step: Step,
  answer: Written,
  room: LeasedRoom,
  outlook: OutlookSide,
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
      // deleted in Outlook meanwhile; the booking stands, so it gets a fresh event (a new idempotency key)
      return keep(step, 'waiting', {
        ...call,
        eventId: null,
        outlookBase: null,
        bookingBase: null,
        generation: step.due.generation + 1,
        ...again(step, random),
        reason: 'its event was not there any more; a fresh one is made',
      });
    case 'taken':
      return { ...(await takenKey(step, answer.existingId, room, outlook, random, signal)), ...call };
    case 'failed':
      return { ...failed(step, answer.error, random), ...call };
  }
}

/** Decided again at once, a few times; then with back-off, so that no answer of Graph can make us spin. */
const again = ({ due }: Step, random: () => number) => ({
  attempt: due.attempt + 1,
  dueInMs: due.attempt < conflictTries ? 0 : backOffMs(due.attempt - conflictTries, random()),
});

/** Both sides agree now: the bases are what each side showed, on our side as read, on Outlook's as answered. */
function agreed(step: Step, event: OutlookEvent | null): Settled {
  const { action, due } = step;
  if (action.do === 'remove') {
    return keep(step, action.as === 'shadowed' ? 'shadowed' : 'deleted', {
      status: action.as,
      // a cancelled mapping keeps the id of the event it had, until it is re-enabled
      eventId: action.as === 'cancelled' ? eventOf(step) : null,
      bookingBase: action.as === 'cancelled' ? due.bookingBase : null,
      outlookBase: null,
      outlookSeen: null,
      generation: due.generation + 1,
    });
  }
  const before = step.adopted?.item ?? due.outlookBase;
  const answered = event?.item ?? null;
  // fields we did not write but that differ from the base were changed in Outlook meanwhile: an edit to look at, not ours
  const base =
    action.do === 'change' && before !== null && answered !== null
      ? { ...before, ...pick(answered, action.change) }
      : answered;
  return keep(step, action.do === 'create' ? 'created' : 'updated', {
    status: 'synced',
    eventId: event?.id ?? eventOf(step),
    bookingBase: due.booking,
    outlookBase: base,
    outlookSeen: sameItem(base, answered) ? null : answered,
    reason: action.do === 'change' ? Object.keys(action.change).join(', ') : null,
  });
}

const pick = (item: Item, fields: ItemChange): ItemChange =>
  Object.fromEntries(Object.keys(fields).map((field) => [field, item[field as keyof Item]]));

/** Outlook was looked at, so no doubt is left. */
const sure = (base: ItemChange | null): Item | null => (base !== null && isWhole(base) ? base : null);

/**
 * The idempotency key was used for another create before: ours, with an older text, or that of an event that is gone.
 * Read it: alive and marked as ours it is adopted; otherwise the next key is stored before the next try.
 */
async function takenKey(
  step: Step,
  existingId: string | null,
  room: LeasedRoom,
  outlook: OutlookSide,
  random: () => number,
  signal: AbortSignal,
): Promise<Settled> {
  const { due } = step;
  try {
    const named = existingId === null ? null : await outlook.read(room, existingId, signal);
    const alive = named === null ? await outlook.find(room, marksOf(due), signal) : [named];
    const marked = alive.filter(
      (event) => event.marks?.id === due.reservationId && event.marks.type === due.reservationType,
    );
    const event = ours(marked, step.wanted);
    if (event === null)
      return keep(step, 'waiting', {
        generation: due.generation + 1,
        ...again(step, random),
        reason: 'its idempotency key was used up',
      });
    return keep(step, 'adopted', {
      eventId: event.id,
      outlookBase: event.item,
      bookingBase: null,
      dueInMs: 0,
    });
  } catch (error) {
    if (!(error instanceof Retryable || error instanceof Permanent)) throw error;
    return keep(step, 'delayed', {
      dueInMs: 0,
      attempt: due.attempt + 1,
      error: error.message,
      hint: error.hint ?? null,
    });
  }
}

function failed(step: Step, error: Error, random: () => number): Settled {
  const { due } = step;
  // an attempt that Graph refused outright says nothing about the item
  const refused = error instanceof Retryable && error.reach !== 'item' && !error.ambiguous;
  const attempt = refused ? due.attempt : due.attempt + 1;
  const told = { error: messageOf(error), attempt };
  if (error instanceof Conflict)
    return keep(step, 'delayed', {
      ...told,
      dueInMs: attempt <= conflictTries ? 0 : backOffMs(attempt - conflictTries, random()),
    });
  if (error instanceof Retryable) {
    const wait = error.reach === 'item' ? (error.afterMs ?? backOffMs(due.attempt, random())) : 0;
    const base = error.ambiguous ? { bookingBase: doubted(step) } : {};
    return keep(step, 'delayed', { ...told, ...base, hint: error.hint ?? null, dueInMs: wait });
  }
  if (error instanceof Permanent && error.reach !== 'item')
    return keep(step, 'delayed', { ...told, hint: error.hint ?? null, dueInMs: 0 });
  const hint =
    error instanceof Permanent ? (error.hint ?? null) : 'This is a bug of the bridge; the log has its stack.';
  return keep(step, 'parked', { ...told, status: 'error', hint });
}

const isOfItem = (error: Error) =>
  error instanceof Conflict || (error instanceof Permanent && error.reach === 'item');

/** The failure that reaches furthest decides whether the room, or everything, has to wait. */
function worst(
  errors: readonly Error[],
  room: LeasedRoom,
  random: () => number,
): Pick<Pushed, 'rest' | 'outage'> {
  const known = errors.filter((e) => e instanceof Retryable || e instanceof Permanent);
  const outage = known.find((error) => error.reach === 'side') ?? null;
  const ofRoom = known.filter((error) => error.reach === 'room');
  return {
    outage,
    rest: ofRoom.length === 0 ? null : ofRoom.map((e) => restFor(e, room.attempt, random)).reduce(longer),
  };
}

const longer = (a: Rest, b: Rest): Rest => (b.ms > a.ms ? b : a);

/** How long a room rests after a failure that concerns its whole mailbox. */
export function restFor(error: Retryable | Permanent, attempt: number, random: () => number): Rest {
  const told = { why: error.message, hint: error.hint ?? null };
  if (error instanceof Permanent)
    // a person must act, and a permission takes up to two hours to arrive (Microsoft): look again now and then
    return {
      ...told,
      condition: 'refused',
      throttled: false,
      ms: Math.min(600_000, 15_000 * 2 ** Math.min(attempt, 6)),
    };
  if (error.afterMs !== undefined)
    return { ...told, condition: 'waiting', throttled: true, ms: error.afterMs };
  return { ...told, condition: 'waiting', throttled: false, ms: backOffMs(attempt, random()) };
}
