/**
 * Brings due mappings of one leased room to where both sides agree: look, decide, and write on the side that has to change.
 */
import { backOffMs } from '../../back-off.ts';
import { Permanent, Retryable } from '../../errors.ts';
import { forBooking } from '../../appearance.ts';
import { changedFields, itemFields, type Item } from '../../item.ts';
import type { Queryable } from '../../database.ts';
import { unreadable, isUnreadable, readFirst } from './read.ts';
import type { Due, LeasedRoom, Settled, Window } from '../store/mappings.ts';
import type { CreatesDue } from '../store/settle.ts';
import { createExchange, placeOf } from './exchange.ts';
import { cancelledComment, importFailed, type createImport, type OverlapPolicy } from './import.ts';
import { touchesTimes } from '../decide/merge.ts';
import { listWindow, noteRemovals } from '../store/pull-store.ts';
import { failed, type createPush } from './write-outlook.ts';
import { choose, detach, holdBack, lostNews, stillOpen } from './settlement.ts';
import { worst, type Stopped } from './rest.ts';
import type { OutlookSide } from '../outlook-side.ts';
import { lastAgreed, keep, pick, shownOf, type ConflictPolicy, type Step } from './step.ts';
import { inTurns } from '../in-turns.ts';
import { together } from '../together.ts';
import type { createWriteBack, WrittenBack } from './write-booking.ts';

/** What was written into the booking system, and settled with it. */
export interface Done {
  readonly due: Due;
  /** What was decided of it; undefined: it is an event without a reservation. */
  readonly step?: Step;
  readonly written: Extract<WrittenBack, { outcome: 'written' }>;
}

/** What came of a batch: what to write down, and what keeps the whole room or the whole side from going on. */
export interface Applied extends Stopped {
  readonly settled: readonly Settled[];
  readonly done: readonly Done[];
  /** Graph answered something: it is there. */
  readonly answered: boolean;
  readonly creates: CreatesDue | null;
  /** What was decided about each mapping of a reservation that could be read. */
  readonly decided: readonly Step[];
}

export interface ApplyOptions {
  readonly db: Queryable;
  readonly outlook: OutlookSide;
  readonly push: ReturnType<typeof createPush>;
  readonly writeBack: ReturnType<typeof createWriteBack>;
  readonly newborn: ReturnType<typeof createImport>;
  readonly policy: ConflictPolicy;
  readonly overlap: OverlapPolicy;
  readonly window: Window;
  /** Of these mappings, whose other side is gone, those of which ours may be removed (the brake). */
  readonly mayRemove: (room: LeasedRoom, gone: readonly Due[]) => Promise<ReadonlySet<number>>;
  readonly random?: () => number;
}

export function createApply(options: ApplyOptions) {
  const { db, outlook, push, writeBack, newborn, policy, overlap, mayRemove, random = Math.random } = options;
  const span = () => listWindow(db, options.window);
  const exchange = createExchange({
    db,
    window: options.window,
    changeOf: (step, room) => changeOf(step, room.own?.overlap_policy ?? overlap),
    settledAs,
  });

  /** What came of a batch. */
  const summed = (room: LeasedRoom, results: readonly Result[], decided: readonly Step[] = []): Applied => ({
    decided,
    settled: results.flatMap((result) => result.settled),
    done: results.flatMap((result) => result.done),
    answered: results.some((result) => result.answered),
    creates: results.find((result) => result.creates != null)?.creates ?? null,
    ...worst(
      results.flatMap((result) => result.failures),
      room,
      random,
    ),
  });

  return async function apply(room: LeasedRoom, due: readonly Due[], signal: AbortSignal): Promise<Applied> {
    const rows = due.filter((row) => row.reservationId !== null);
    // an event is imported after all that is due of reservations: what was removed, moved or called off makes room first
    if (rows.length === 0) return await imported(room, due, signal);
    const facing = { room, outlook, policy: room.own?.conflict_policy ?? policy, span };
    const looked = await together(rows.map((row) => readFirst(row, facing, signal)));
    const blind = looked.filter(isUnreadable);
    const steps = looked.filter((step): step is Step => !isUnreadable(step));

    const settled: Settled[] = blind.map((one) => unreadable(one, random));
    const ready = await braked(room, steps, settled);
    const removing = ready.filter(({ action }) => action.do === 'remove' || action.do === 'decline');
    const noted =
      removing.length === 0
        ? new Set<number>()
        : await noteRemovals(
            db,
            room,
            removing.map((step) => step.due),
          );
    const forBooking = ready.filter(isForBooking);
    // what is cancelled makes room for what is moved
    const isCancelled = ({ action }: Step) => action.do === 'cancel-booking';
    const cancelled = await together(forBooking.filter(isCancelled).map((step) => intoBooking(room, step)));
    const [pushed, written, declined] = await together([
      pushAll(
        room,
        ready.flatMap((step) => forOutlook(step, noted)),
        signal,
      ),
      inTurns(
        forBooking.filter((step) => !isCancelled(step)),
        placeOf,
        (step) => intoBooking(room, step),
      ),
      together(
        ready
          .filter(({ action, due: { id } }) => action.do === 'decline' && noted.has(id))
          .map((step) => decline(room, counted(step), signal)),
      ),
    ]);
    const results: readonly Result[] = [pushed, ...written, ...declined];
    const refused = results.flatMap(({ taken = [] }) => taken);
    const moved = refused.length === 0 ? [] : await exchange(room, refused, due, facing, signal);
    const unread = { ...nothing, settled, failures: blind.map((one) => one.blind) };
    return summed(room, [unread, ...cancelled, ...results, withExchanged(refused, moved)], steps);
  };

  async function imported(room: LeasedRoom, due: readonly Due[], signal: AbortSignal): Promise<Applied> {
    const delivered = await inTurns(
      due,
      ({ outlookSeen }) => outlookSeen,
      (row) => deliver(room, row, signal),
    );
    return summed(room, delivered);
  }

  /** Those that may be carried out now; the others wait for a person, or for the count of all that is gone. */
  async function braked(
    room: LeasedRoom,
    steps: readonly Step[],
    settled: Settled[],
  ): Promise<readonly Step[]> {
    // a meeting that was called off or declined was given back on purpose, which the brake does not count
    const disappeared = (step: Step) =>
      step.action.do === 'cancel-booking' && !isChosen(step.due) && lostNews(step).news === 'gone';
    const isGone = (step: Step) =>
      disappeared(step) ||
      (step.due.active === null &&
        !step.due.elsewhere &&
        (step.action.do === 'remove' || step.action.do === 'decline'));
    // what was found to be gone just now is written down first, so that it is counted
    const uncounted = (step: Step) => disappeared(step) && step.due.news !== 'gone';
    settled.push(
      ...steps
        .filter(uncounted)
        .map((step) => keep(step, 'waiting', { ...stillOpen(step.due), ...lostNews(step), dueInMs: 0 })),
    );
    const counted = steps.filter((step) => !uncounted(step));
    const gone = counted.filter(isGone);
    if (gone.length === 0) return counted;
    const allowed = await mayRemove(
      room,
      gone.map((step) => step.due),
    );
    const held = gone.filter((step) => !allowed.has(step.due.id));
    settled.push(...held.map(holdBack));
    return counted.filter((step) => !held.includes(step));
  }

  async function pushAll(room: LeasedRoom, steps: readonly Step[], signal: AbortSignal): Promise<Result> {
    return steps.length === 0 ? nothing : { done: [], ...(await push(room, steps, signal)) };
  }

  /** What Outlook changed goes into the booking system; what the booking system changed of it follows in the next round. */
  async function intoBooking(room: LeasedRoom, step: Step): Promise<Result> {
    const { action, due } = step;
    if (action.do === 'part') return { ...nothing, settled: [detach(step)] };
    const write =
      action.do === 'change'
        ? changeOf(step, room.own?.overlap_policy ?? overlap)
        : ({ do: 'cancel' } as const);
    const written = await writeBack(room, due, write, settledAs(step));
    switch (written.outcome) {
      case 'written':
        return { ...nothing, done: [{ due, step, written }] };
      case 'stale':
        return { ...nothing, settled: [later(step, 0)] };
      case 'later':
        return { ...nothing, settled: [{ ...later(step, written.inMs), error: written.message }] };
      case 'taken':
        return { ...nothing, taken: [{ ...step, why: written.message }] };
      case 'refused':
        return { ...nothing, settled: [refusedHere(step, written.message)] };
    }
  }

  async function decline(room: LeasedRoom, step: Step, signal: AbortSignal): Promise<Result> {
    const { due } = step;
    try {
      const answered = await outlook.respond(room, due.eventId!, 'decline', cancelledComment, signal);
      const settled = keep(step, 'declined', {
        status: 'cancelled',
        outlookBase: null,
        outlookSeen: null,
        news: null,
        // see `outcome` in write-outlook
        removing: answered === 'gone',
        generation: due.generation + 1,
      });
      return { ...nothing, settled: [settled], answered: true };
    } catch (error) {
      if (!(error instanceof Retryable || error instanceof Permanent)) throw error;
      return { ...nothing, settled: [failed(step, error, random)], failures: [error] };
    }
  }

  /** An event without a reservation. */
  async function deliver(room: LeasedRoom, due: Due, signal: AbortSignal): Promise<Result> {
    try {
      const { settled, written } = await newborn(room, due, signal);
      return {
        settled: settled === null ? [] : [settled],
        done: written === null ? [] : [{ due, written }],
        failures: [],
        answered: true,
      };
    } catch (error) {
      if (!(error instanceof Retryable || error instanceof Permanent)) throw error;
      const waitMs =
        error instanceof Retryable && error.reach === 'item'
          ? (error.afterMs ?? backOffMs(due.attempt, random()))
          : 0;
      return { ...nothing, settled: [importFailed(due, error, waitMs)], failures: [error] };
    }
  }
}

interface Result {
  readonly settled: readonly Settled[];
  readonly done: readonly Done[];
  readonly failures: readonly Error[];
  readonly answered: boolean;
  readonly creates?: CreatesDue | null;
  /** Steps whose place is taken in the booking system. */
  readonly taken?: readonly Taken[];
}
type Taken = Step & { readonly why: string };
const nothing: Result = { settled: [], done: [], failures: [], answered: false };

/** Between finding a place taken and asking once more: what lay there may have gone before this was written down. */
const takenAgainMs = 1_000;

/** Those whose place is taken, but for the ones that took it together with what lay there. */
function withExchanged(refused: readonly Taken[], done: readonly Done[]): Result {
  const moved = new Set(done.map(({ due }) => due.id));
  const settled = refused.flatMap((step) => {
    if (moved.has(step.due.id)) return [];
    const isNew = step.due.conflict?.kind !== 'refused';
    return [{ ...refusedHere(step, step.why), ...(isNew ? { dueInMs: takenAgainMs } : {}) }];
  });
  return { ...nothing, settled, done };
}

/** Its event is there, shown as free, and a person said to follow that. */
const isChosen = ({ conflict, resolution }: Due) => conflict?.kind === 'free' && resolution === 'outlook';

const hasChange = (change: object) => Object.keys(change).length > 0;

const isForBooking = ({ action }: Step) =>
  action.do === 'cancel-booking' ||
  action.do === 'part' ||
  (action.do === 'change' && hasChange(action.toBooking));

/** What is written into Outlook, or only written down. A removal that could not be noted was overtaken: it stays due. */
function forOutlook(step: Step, noted: ReadonlySet<number>): readonly Step[] {
  if (isForBooking(step) || step.action.do === 'decline') return [];
  if (step.action.do !== 'remove') return [step];
  return noted.has(step.due.id) ? [counted(step)] : [];
}

/** Its removal was noted, which raised its revision. */
const counted = (step: Step): Step => ({
  ...step,
  due: { ...step.due, revision: step.due.revision + 1, removing: true },
});

const later = (step: Step, inMs: number): Settled =>
  keep(step, 'delayed', {
    ...stillOpen(step.due),
    news: step.due.news ?? 'look',
    dueInMs: inMs,
    attempt: step.due.attempt + 1,
  });

/** The fields for the booking system, those it cannot get, and those on which both do not agree yet: they keep their old base. */
function changeOf(step: Step, policy: OverlapPolicy) {
  const { action, due } = step;
  if (action.do !== 'change') throw new Error('only a change goes into the booking system as one');
  const { toBooking, open } = action;
  const unfollowed = step.followsBooking ? [] : itemFields.filter((field) => toBooking[field] === undefined);
  const later = [...Object.keys(action.change), ...open, ...unfollowed];
  const kept = pick(due.bookingBase ?? {}, later);
  const moves = touchesTimes(toBooking) && policy !== 'import' && due.resolution !== 'outlook';
  const { change, lost } = forBooking(toBooking, lastAgreed(due));
  return { do: 'change', change, lost, open: later, kept, overlap: moves ? 'refuse' : 'allow' } as const;
}

/** What is written down of a mapping once the booking system has taken what Outlook says. */
function settledAs(step: Step): Settled {
  const { action, due } = step;
  const done = { news: null, removing: false, waitsFor: null, outlookSeen: null } as const;
  if (action.do === 'cancel-booking')
    return keep(step, 'booking-cancelled', {
      ...done,
      status: 'cancelled',
      outlookBase: null,
      bookingBase: null,
      bookingSeen: null,
      generation: due.generation + 1,
    });
  if (action.do !== 'change') throw new Error(`${action.do} is not written into the booking system`);
  const shown = shownOf(step)!;
  const base: Item = {
    ...shown,
    ...pick(due.outlookBase ?? {}, [...Object.keys(action.change), ...action.open]),
  };
  const more = hasChange(action.change) || action.busy === true || action.open.length > 0;
  return keep(step, 'booking-updated', {
    ...done,
    status: more ? 'pending' : 'synced',
    outlookBase: base,
    reason: Object.keys(action.toBooking).join(', ') + overruledBy(action.overruled),
    ...(more ? { news: 'look', dueInMs: 0 } : {}),
  });
}

const overruledBy = (fields: readonly string[]) =>
  fields.length === 0 ? '' : ` (both sides changed ${fields.join(', ')}: Outlook was followed)`;

/** The booking system cannot take what Outlook says: a person decides. */
function refusedHere(step: Step, message: string): Settled {
  const { action, due } = step;
  const fields = action.do === 'change' ? Object.keys(changedFields(due.outlookBase, shownOf(step)!)) : [];
  return keep(step, due.conflict?.kind === 'refused' ? 'unchanged' : 'parked', {
    status: 'conflict',
    ...(action.do === 'cancel-booking' ? lostNews(step) : { news: 'look' as const }),
    outlookSeen: action.do === 'cancel-booking' ? null : shownOf(step),
    error: message,
    hint: `${choose} Outlook can be followed once the booking system takes it.`,
    conflict: { kind: 'refused', fields, outlook: action.do === 'cancel-booking' ? null : shownOf(step) },
  });
}
