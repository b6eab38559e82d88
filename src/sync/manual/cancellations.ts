/**
 * Cancellations as people and scripts ask for them. Those made in the booking system go out by themselves; these are
 * the same drains run in the foreground: find what differs, make it due, wait until it is settled. `cancel` alone
 * writes into the booking system, through the adapter.
 */
import { adapterError } from '../../adapter-error.ts';
import { databaseFailure, inTransaction, sqlState, type Database } from '../../database.ts';
import { Permanent, Retryable } from '../../errors.ts';
import type { Id } from '../../id.ts';
import { lockFold, makeDue, noteChange, readItem } from './requests.ts';
import {
  askToVerify,
  cancelReservation,
  findByEvent,
  findDiffering,
  liveMappings,
  noteChanges,
  resetMappings,
  stillCancelled,
  stillUnseen,
  type Differing,
} from './cancellation-store.ts';
import { msLeft, until, type Call } from './call.ts';
import { failingAs } from '../store/failing.ts';
import type { Manual } from './manual.ts';
import type { Window } from '../store/work-list.ts';
import { readOutcomes, type Outcome } from './outcomes.ts';

export interface CancellationsOptions {
  readonly db: Database;
  readonly manual: Pick<Manual, 'begin' | 'foldAll' | 'settled' | 'wake'>;
  readonly window: Window;
}

export interface Detected {
  /** Cancelled in the booking system, and their events were there. */
  readonly cancelled: readonly { readonly found: Differing; readonly outcome: Outcome }[];
  /** Active again; `reset`: their mappings wait for a fresh event now, or have it. */
  readonly reenabled: readonly { readonly found: Differing; readonly reset: boolean }[];
}

/** What a call about one reservation came to. All but 'item' changed nothing. */
export type CancelAnswer =
  | { readonly found: 'no-room' | 'no-reservation' | 'active' | 'nothing-to-remove' }
  | { readonly found: 'elsewhere'; readonly resources: readonly number[] }
  | { readonly found: 'item'; readonly outcome: Outcome };

export interface Reservation {
  readonly type: string;
  readonly id: Id;
  readonly resourceId: number;
}

/** `was`: active when we came, cancelled already, or not there (or not in that room). */
export interface Cancelled extends Reservation {
  readonly was: 'active' | 'cancelled' | 'unknown' | 'refused';
  /** Why the booking system refused, and what to do. */
  readonly error: string | null;
  readonly hint: string | null;
  /** What became of its events, room by room. */
  readonly outcomes: readonly Outcome[];
}

/** A mapping that knows an event. `deaf`: its room is switched off or takes nothing from Outlook. */
export type EventAnswer =
  | { readonly found: 'unknown' }
  | { readonly found: 'cancelled' | 'deaf' | 'read'; readonly outcome: Outcome };

export type Cancellations = ReturnType<typeof createCancellations>;

const keyOf = ({ type, id }: { readonly type: string | null; readonly id: Id | null }) => `${type} ${id}`;

export function createCancellations({ db, manual, window }: CancellationsOptions) {
  /** Finds what was cancelled or re-enabled, whether or not a trigger saw it, and processes it. */
  async function detect(which: 'all' | 'reenabled', signal: AbortSignal): Promise<Detected> {
    const call = await manual.begin(signal);
    const differing = await findDiffering(db, window);
    const cancelled = which === 'all' ? differing.filter((one) => !one.active) : [];
    const reenabled = differing.filter((one) => one.active);
    await noteChanges(db, [...cancelled, ...reenabled]);
    await manual.foldAll(call);
    await inTransaction(db, async (client) => {
      await client.query(lockFold);
      await makeDue(client, cancelled);
    });
    const outcomes = await manual.settled(cancelled, call);
    const unchanged = await reset(reenabled);
    return {
      cancelled: cancelled.map((found, at) => ({ found, outcome: outcomes[at]! })),
      reenabled: reenabled.map((found) => ({ found, reset: !unchanged.has(found.mappingId) })),
    };
  }

  /** Returns those that are cancelled still. The daemon may have given some a fresh event already. */
  async function reset(reenabled: readonly Differing[]): Promise<ReadonlySet<number>> {
    if (reenabled.length === 0) return new Set();
    const ids = reenabled.map((one) => one.mappingId);
    await inTransaction(db, (client) => resetMappings(client, ids));
    await manual.wake();
    return await stillCancelled(db, ids);
  }

  /** Removes the event of a reservation that was cancelled in the booking system. One that is active stays. */
  async function processOne(
    { type, id, resourceId }: Reservation,
    signal: AbortSignal,
  ): Promise<CancelAnswer> {
    const call = await manual.begin(signal);
    const known = await readItem(db, type, id, resourceId, window);
    if (known.active === true) return { found: 'active' };
    if (known.active === null && known.mapping === null)
      return known.resources.length === 0
        ? { found: 'no-reservation' }
        : { found: 'elsewhere', resources: known.resources };
    if (!known.mapped) return { found: 'no-room' };
    if (known.mapping === null) return { found: 'nothing-to-remove' };
    const chosen = { mappingId: known.mapping, type, reservationId: id, resourceId };
    if (known.live) {
      await noteChange(db, type, id);
      await manual.foldAll(call);
      await inTransaction(db, async (client) => {
        await client.query(lockFold);
        await makeDue(client, [chosen]);
      });
    }
    const [outcome] = known.live
      ? await manual.settled([chosen], call)
      : await readOutcomes(db, [chosen], call.mark);
    return { found: 'item', outcome: outcome! };
  }

  /** Cancels reservations in the booking system, in all their rooms, and waits until their events are gone. */
  async function cancel(
    reservations: readonly Reservation[],
    signal: AbortSignal,
  ): Promise<readonly Cancelled[]> {
    const call = await manual.begin(signal);
    // read first: the daemon removes the events of the first while the last are being cancelled
    const before = await liveMappings(db, reservations);
    const answers: Omit<Cancelled, 'outcomes'>[] = [];
    for (const reservation of reservations) answers.push(await cancelOne(reservation, call));
    await manual.foldAll(call);
    const isCancelled = new Set(
      answers.filter(({ was }) => was === 'active' || was === 'cancelled').map(keyOf),
    );
    const chosen = await inTransaction(db, async (client) => {
      await client.query(lockFold);
      const live = await liveMappings(
        client,
        answers.filter((answer) => isCancelled.has(keyOf(answer))),
      );
      await makeDue(client, live);
      const known = new Map([...before, ...live].map((one) => [one.mappingId, one]));
      return [...known.values()].filter(({ type, reservationId }) =>
        isCancelled.has(keyOf({ type, id: reservationId })),
      );
    });
    const outcomes = await manual.settled(chosen, call);
    return answers.map((answer) => ({
      ...answer,
      outcomes: outcomes.filter((one) => one.type === answer.type && one.reservationId === answer.id),
    }));
  }

  async function cancelOne(reservation: Reservation, call: Call): Promise<Omit<Cancelled, 'outcomes'>> {
    const { type, id, resourceId } = reservation;
    if (msLeft(call) === 0)
      return { ...reservation, was: 'refused', error: 'There was not enough time.', hint: 'Ask again.' };
    try {
      const { resources, active } = await readItem(db, type, id, resourceId, window);
      if (active === null)
        return {
          ...reservation,
          was: 'unknown',
          error: 'Reservation not found for cancellation',
          hint:
            resources.length === 0
              ? `There is no ${type} ${id} in the booking system.`
              : `${type} ${id} is in resource ${resources.join(', ')}.`,
        };
      const wasActive = await inTransaction(db, (client) => cancelReservation(client, type, id));
      return { ...reservation, was: wasActive ? 'active' : 'cancelled', error: null, hint: null };
    } catch (error) {
      // deleted since we read it: https://www.postgresql.org/docs/current/errcodes-appendix.html, no_data_found
      const was = sqlState(error) === 'P0002' ? 'unknown' : 'refused';
      const failure = databaseFailure(error, `cancel ${type} ${id}`);
      const ofAdapter = adapterError(error);
      if (ofAdapter !== null && !(failure instanceof Retryable))
        return {
          ...reservation,
          was,
          error: ofAdapter,
          hint: 'Repair that in the booking system; ask again.',
        };
      if (failure instanceof Permanent || (failure instanceof Retryable && failure.reach === 'item'))
        return { ...reservation, was, error: failure.message, hint: failure.hint ?? null };
      throw failure;
    }
  }

  /** Has an event verified that somebody says was deleted in Outlook, and waits for what comes of it. */
  async function readEvent(eventId: string, signal: AbortSignal): Promise<EventAnswer> {
    const call = await manual.begin(signal);
    const knows = await findByEvent(db, eventId);
    if (knows === null) return { found: 'unknown' };
    const { status, room, ...chosen } = knows;
    const outcome = async () => (await readOutcomes(db, [chosen], call.mark))[0]!;
    if (status === 'cancelled') return { found: 'cancelled', outcome: await outcome() };
    if (room === null) return { found: 'deaf', outcome: await outcome() };
    await inTransaction(db, (client) => askToVerify(client, room, chosen.mappingId));
    await manual.wake();
    await until(call, () => stillUnseen(db, chosen.mappingId));
    const seen = await outcome();
    return {
      found: 'read',
      outcome: (await stillUnseen(db, chosen.mappingId)) ? { ...seen, action: 'pending' } : seen,
    };
  }

  return {
    detect: failingAs('detect cancellations', detect),
    processOne: failingAs('process a cancellation', processOne),
    cancel: failingAs('cancel reservations', cancel),
    readEvent: failingAs('read an event', readEvent),
  };
}
