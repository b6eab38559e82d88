/** Brings decisions of one leased room into the booking system. What that changed of them itself follows in the next round. */
import { forBooking } from '../../appearance.ts';
import type { Queryable } from '../../database.ts';
import { touchesTimes } from '../../item.ts';
import type { OverlapPolicy } from '../decide/decide-unmapped.ts';
import { inTurns, together } from '../together.ts';
import type { LeasedRoom, Window } from '../store/work-list.ts';
import { lastAgreed, type Decision } from './decision.ts';
import { createExchange, placeOf, type Among } from './exchange.ts';
import { outcome, summed, type Outcome } from './outcome.ts';
import { refusedHere } from './settlement/conflict.ts';
import { later } from './settlement/failed.ts';
import { detached } from './settlement/without-call.ts';
import { bookingTook } from './settlement/booked.ts';
import type { BookingWrite, createWriteBack } from './write-booking.ts';

export interface IntoBookingOptions {
  readonly db: Queryable;
  readonly window: Window;
  readonly overlap: OverlapPolicy;
  readonly writeBack: ReturnType<typeof createWriteBack>;
}

/** A decision whose place is taken in the booking system. */
type Taken = Decision & { readonly why: string };
interface Came {
  readonly came: Outcome;
  readonly taken: readonly Taken[];
}

export function createIntoBooking({ db, window, overlap, writeBack }: IntoBookingOptions) {
  const changeIn = (room: LeasedRoom) => (decision: Decision) =>
    changeOf(decision, room.own?.overlap_policy ?? overlap);
  const exchange = createExchange({ db, window, changeIn });

  async function write(room: LeasedRoom, decision: Decision): Promise<Came> {
    const { action, mapped } = decision;
    const came = (part: Partial<Outcome>): Came => ({ came: outcome(part), taken: [] });
    if (action.do === 'detach') return came({ settlements: [detached(decision)] });
    const asked: BookingWrite = action.do === 'change' ? changeIn(room)(decision) : { do: 'cancel' };
    const written = await writeBack(room, mapped, asked, bookingTook(decision, asked));
    switch (written.outcome) {
      case 'written':
        return came({ done: [{ item: mapped, decision, written }] });
      case 'stale':
        return came({ settlements: [later(decision, 0)] });
      case 'later':
        return came({ settlements: [{ ...later(decision, written.inMs), error: written.message }] });
      case 'taken':
        return { came: outcome({}), taken: [{ ...decision, why: written.message }] };
      case 'refused':
        return came({ settlements: [refusedHere(decision, written.message)] });
    }
  }

  /** What is cancelled, of these. */
  async function cancel(room: LeasedRoom, decisions: readonly Decision[]): Promise<Outcome> {
    const came = await together(decisions.filter(isCancelled).map((decision) => write(room, decision)));
    return summed(came.map((one) => one.came));
  }

  /** ... and the others, those whose places overlap one after the other. */
  async function change(room: LeasedRoom, decisions: readonly Decision[]): Promise<Came> {
    const came = await inTurns(
      decisions.filter((decision) => !isCancelled(decision)),
      placeOf,
      (decision) => write(room, decision),
    );
    return { came: summed(came.map((one) => one.came)), taken: came.flatMap((one) => one.taken) };
  }

  /** At last those that found their places taken: together with what holds them, if that is to leave them. */
  async function exchangePlaces(
    room: LeasedRoom,
    taken: readonly Taken[],
    among: Among,
    signal: AbortSignal,
  ): Promise<Outcome> {
    if (taken.length === 0) return outcome({});
    const done = await exchange(room, taken, among, signal);
    const moved = new Set(done.map(({ item }) => item.id));
    const refused = taken.filter(({ mapped }) => !moved.has(mapped.id));
    return outcome({ settlements: refused.map(takenHere), done });
  }

  return { cancel, change, exchange: exchangePlaces };
}

const isCancelled = ({ action }: Decision) => action.do === 'cancel-booking';

/** Between finding a place taken and asking once more: what lay there may have gone before this was written down. */
const takenAgainMs = 1_000;

const takenHere = (taken: Taken) => ({
  ...refusedHere(taken, taken.why),
  ...(taken.mapped.conflict?.kind === 'refused' ? {} : { dueInMs: takenAgainMs }),
});

/** The fields for the booking system, and those it cannot get. */
function changeOf(decision: Decision, policy: OverlapPolicy): Extract<BookingWrite, { do: 'change' }> {
  const { action, mapped } = decision;
  if (action.do !== 'change') throw new Error('only a change goes into the booking system as one');
  const { toBooking } = action;
  const moves = touchesTimes(toBooking) && policy !== 'import' && mapped.resolution !== 'outlook';
  const { change, lost } = forBooking(toBooking, lastAgreed(mapped));
  return { do: 'change', change, lost, overlap: moves ? 'refuse' : 'allow' };
}
