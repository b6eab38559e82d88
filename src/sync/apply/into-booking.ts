/** Carries out the decisions of one leased room that are for the booking system. */
import { forBooking } from '../../appearance.ts';
import type { Queryable } from '../../database.ts';
import { touchesTimes } from '../../item.ts';
import type { OverlapPolicy } from '../decide/decide-unmapped.ts';
import { inTurns, together } from '../together.ts';
import type { LeasedRoom, Window } from '../store/work-list.ts';
import { elsewhereOf, lastAgreed, type Decision } from './decision.ts';
import { createExchange, placeOf, type ExchangeContext } from './exchange.ts';
import { itemResults, summed, type ItemResults } from './item-results.ts';
import { refusedHere, takenAgainMs } from './settlement/conflict.ts';
import { failedHere, later } from './settlement/failed.ts';
import { detached } from './settlement/without-call.ts';
import { bookingTook } from './settlement/booked.ts';
import type { BookingWrite, createWriteBooking } from './write-booking.ts';

export interface IntoBookingOptions {
  readonly db: Queryable;
  readonly window: Window;
  readonly overlap: OverlapPolicy;
  readonly writeBooking: ReturnType<typeof createWriteBooking>;
}

/** A decision whose time is taken in the booking system. */
type TimeTaken = Decision & { readonly message: string };
interface Written {
  readonly results: ItemResults;
  readonly taken: readonly TimeTaken[];
}

export function createIntoBooking({ db, window, overlap, writeBooking }: IntoBookingOptions) {
  const changeIn = (room: LeasedRoom) => (decision: Decision) =>
    changeOf(decision, room.own?.overlap_policy ?? overlap);
  const exchange = createExchange({ db, window, changeIn });

  async function write(room: LeasedRoom, decision: Decision): Promise<Written> {
    const { action, mapped } = decision;
    const done = (part: Partial<ItemResults>): Written => ({ results: itemResults(part), taken: [] });
    if (action.do === 'detach') return done({ settlements: [detached(decision)] });
    const asked: BookingWrite = action.do === 'change' ? changeIn(room)(decision) : { do: 'cancel' };
    const written = await writeBooking(room, mapped, asked, bookingTook(decision, asked));
    switch (written.outcome) {
      case 'written':
        return done({ done: [{ item: mapped, decision, written }] });
      case 'stale':
        return done({ settlements: [later(decision, 0)] });
      case 'later':
        return done({ settlements: [{ ...later(decision, written.inMs), error: written.message }] });
      case 'taken':
        return { results: itemResults({}), taken: [{ ...decision, message: written.message }] };
      case 'refused':
        return done({
          settlements: [(written.isRule ? refusedHere : failedHere)(decision, written.message)],
        });
    }
  }

  /** Carries out the cancellations. */
  async function cancel(room: LeasedRoom, decisions: readonly Decision[]): Promise<ItemResults> {
    const all = await together(decisions.filter(isCancelled).map((decision) => write(room, decision)));
    return summed(all.map((one) => one.results));
  }

  /** Carries out the others, those at overlapping times one after the other. */
  async function change(room: LeasedRoom, decisions: readonly Decision[]): Promise<Written> {
    if (decisions.length === 0) return { results: itemResults({}), taken: [] };
    const all = await inTurns(
      decisions.filter((decision) => !isCancelled(decision)),
      placeOf,
      (decision) => write(room, decision),
    );
    return { results: summed(all.map((one) => one.results)), taken: all.flatMap((one) => one.taken) };
  }

  /** Carries out those that found their time taken, together with the reservations that are to leave it. */
  async function exchangePlaces(
    room: LeasedRoom,
    taken: readonly TimeTaken[],
    among: ExchangeContext,
    signal: AbortSignal,
  ): Promise<ItemResults> {
    if (taken.length === 0) return itemResults({});
    const done = await exchange(room, taken, among, signal);
    const moved = new Set(done.map(({ item }) => item.id));
    const refused = taken.filter(({ mapped }) => !moved.has(mapped.id));
    return itemResults({ settlements: refused.map(takenHere), done });
  }

  return { cancel, change, exchange: exchangePlaces };
}

const isCancelled = ({ action }: Decision) => action.do === 'cancel-booking';

const takenHere = (taken: TimeTaken) => ({
  ...refusedHere(taken, taken.message),
  ...(taken.mapped.conflict?.kind === 'refused' ? {} : { dueInMs: takenAgainMs }),
});

/** The fields to write, and those that the booking system cannot store. */
function changeOf(decision: Decision, policy: OverlapPolicy): Extract<BookingWrite, { do: 'change' }> {
  const { action, mapped } = decision;
  if (action.do !== 'change') throw new Error('only a change has fields for the booking system');
  const { toBooking } = action;
  const moves = touchesTimes(toBooking) && policy !== 'import' && mapped.resolution !== 'outlook';
  const { change, lost } = forBooking(toBooking, lastAgreed(mapped));
  const elsewhere = elsewhereOf(mapped) !== null;
  return { do: 'change', change, lost, overlap: moves ? 'refuse' : 'allow', elsewhere };
}
