/**
 * Cancellations requested by people and scripts. Those made in the booking system are processed automatically; these are the same
 * drains in the foreground: find the differing items, make them due, wait until they are settled. Only `cancel` writes into the
 * booking system, through the adapter.
 */
import { adapterError } from '../../adapter-error.ts';
import { databaseFailure, inTransaction, sqlState, type Database } from '../../database.ts';
import { Permanent, Retryable } from '../../errors.ts';
import type { Id } from '../../id.ts';
import { makeDue, noteChanges, readItem, underFoldLock } from './requests.ts';
import {
  cancelReservation,
  findByEvent,
  findDiffering,
  liveMappings,
  requestVerification,
  resetMappings,
  stillCancelled,
  stillUnverified,
  type Differing,
} from './cancellation-store.ts';
import { msLeft, until, type BeginCall, type Call } from './call.ts';
import { failingAs } from '../store/failing.ts';
import type { Window } from '../store/work-list.ts';
import { readOutcomes, removals, type ItemOutcome } from './outcomes.ts';

export interface CancellationsOptions {
  readonly db: Database;
  readonly begin: BeginCall;
  readonly window: Window;
}

export interface Detected {
  /** Cancelled in the booking system, and their events were there. */
  readonly cancelled: readonly { readonly found: Differing; readonly outcome: ItemOutcome }[];
  /** Active again; `reset`: a new event is due or exists. */
  readonly reenabled: readonly { readonly found: Differing; readonly reset: boolean }[];
}

/** The result of a call for one reservation. All but 'item' changed nothing. */
export type CancelAnswer =
  | { readonly found: 'no-room' | 'no-reservation' | 'active' | 'nothing-to-remove' }
  | { readonly found: 'elsewhere'; readonly resources: readonly number[] }
  | { readonly found: 'item'; readonly outcome: ItemOutcome };

export interface Reservation {
  readonly type: string;
  readonly id: Id;
  readonly resourceId: number;
}

/** `was`: the reservation before the call; unknown: it does not exist, or not in that room. */
export interface Cancelled extends Reservation {
  readonly was: 'active' | 'cancelled' | 'unknown' | 'refused';
  /** The reason of a refusal, and the remedy. */
  readonly error: string | null;
  readonly hint: string | null;
  /** The outcomes of its events, by room. */
  readonly outcomes: readonly ItemOutcome[];
}

/** The mapping of an event. `not-followed`: its room is switched off or takes no changes from Outlook. */
export type EventAnswer =
  | { readonly found: 'unknown' }
  | { readonly found: 'cancelled' | 'not-followed' | 'read'; readonly outcome: ItemOutcome };

export type Cancellations = ReturnType<typeof createCancellations>;

const keyOf = ({ type, id }: { readonly type: string | null; readonly id: Id | null }) => `${type} ${id}`;

export function createCancellations(context: CancellationsOptions) {
  return {
    /** Finds and processes cancelled and re-enabled reservations, also those without a record of a trigger. */
    detect: failingAs('detect cancellations', (which: 'all' | 'reenabled', signal: AbortSignal) =>
      detect(context, which, signal),
    ),
    /** Removes the event of a reservation that was cancelled in the booking system. */
    processOne: failingAs('process a cancellation', (reservation: Reservation, signal: AbortSignal) =>
      processOne(context, reservation, signal),
    ),
    /** Cancels reservations in the booking system, in all their rooms, and waits until their events are removed. */
    cancel: failingAs('cancel reservations', (reservations: readonly Reservation[], signal: AbortSignal) =>
      cancel(context, reservations, signal),
    ),
    /** Verifies an event that is said to be deleted in Outlook, and waits for the result. */
    readEvent: failingAs('read an event', (eventId: string, signal: AbortSignal) =>
      readEvent(context, eventId, signal),
    ),
  };
}

async function detect(
  { db, begin, window }: CancellationsOptions,
  which: 'all' | 'reenabled',
  signal: AbortSignal,
): Promise<Detected> {
  const call = await begin(signal);
  const differing = await findDiffering(db, window);
  const cancelled = which === 'all' ? differing.filter((one) => !one.active) : [];
  const reenabled = differing.filter((one) => one.active);
  const changed = [...cancelled, ...reenabled].map(({ type, reservationId: id }) => ({ type, id }));
  await noteChanges(db, changed);
  await call.foldAll();
  await underFoldLock(db, (client) => makeDue(client, cancelled));
  const outcomes = await call.settled(cancelled, removals);
  const ids = reenabled.map((one) => one.mappingId);
  if (ids.length > 0) {
    await underFoldLock(db, (client) => resetMappings(client, ids));
    await call.wake();
  }
  // a daemon may have created some of the new events already
  const unchanged = ids.length === 0 ? new Set() : await stillCancelled(db, ids);
  return {
    cancelled: cancelled.map((found, at) => ({ found, outcome: outcomes[at]! })),
    reenabled: reenabled.map((found) => ({ found, reset: !unchanged.has(found.mappingId) })),
  };
}

async function processOne(
  { db, begin, window }: CancellationsOptions,
  { type, id, resourceId }: Reservation,
  signal: AbortSignal,
): Promise<CancelAnswer> {
  const call = await begin(signal);
  const known = await readItem(db, type, id, resourceId, window);
  if (known.active === true) return { found: 'active' };
  if (known.active === null && known.mapping === null)
    return known.resources.length === 0
      ? { found: 'no-reservation' }
      : { found: 'elsewhere', resources: known.resources };
  if (!known.mapped) return { found: 'no-room' };
  if (known.mapping === null) return { found: 'nothing-to-remove' };
  const chosen = [{ mappingId: known.mapping, type, reservationId: id, resourceId }];
  if (known.live) {
    await noteChanges(db, [{ type, id }]);
    await call.foldAll();
    await underFoldLock(db, (client) => makeDue(client, chosen));
  }
  const [outcome] = known.live
    ? await call.settled(chosen, removals)
    : await readOutcomes(db, chosen, call.mark, removals);
  return { found: 'item', outcome: outcome! };
}

async function cancel(
  context: CancellationsOptions,
  reservations: readonly Reservation[],
  signal: AbortSignal,
): Promise<readonly Cancelled[]> {
  const { db, begin } = context;
  const call = await begin(signal);
  // read first: a daemon may remove the events of the first while the last are being cancelled
  const before = await liveMappings(db, reservations);
  const answers: Omit<Cancelled, 'outcomes'>[] = [];
  for (const reservation of reservations) answers.push(await cancelOne(context, reservation, call));
  await call.foldAll();
  const isCancelled = new Set(
    answers.filter(({ was }) => was === 'active' || was === 'cancelled').map(keyOf),
  );
  const live = await underFoldLock(db, async (client) => {
    const found = await liveMappings(
      client,
      answers.filter((answer) => isCancelled.has(keyOf(answer))),
    );
    await makeDue(client, found);
    return found;
  });
  const known = new Map([...before, ...live].map((one) => [one.mappingId, one]));
  const chosen = [...known.values()].filter(({ type, reservationId }) =>
    isCancelled.has(keyOf({ type, id: reservationId })),
  );
  const outcomes = await call.settled(chosen, removals);
  return answers.map((answer) => ({
    ...answer,
    outcomes: outcomes.filter((one) => one.type === answer.type && one.reservationId === answer.id),
  }));
}

async function cancelOne(
  { db, window }: CancellationsOptions,
  reservation: Reservation,
  call: Call,
): Promise<Omit<Cancelled, 'outcomes'>> {
  const { type, id, resourceId } = reservation;
  const answer = (was: Cancelled['was'], error: string | null = null, hint: string | null = null) => ({
    ...reservation,
    was,
    error,
    hint,
  });
  if (msLeft(call) === 0) return answer('refused', 'There was not enough time.', 'Ask again.');
  try {
    const { resources, active } = await readItem(db, type, id, resourceId, window);
    if (active === null) {
      const hint =
        resources.length === 0
          ? `There is no ${type} ${id} in the booking system.`
          : `${type} ${id} is in resource ${resources.join(', ')}.`;
      return answer('unknown', 'Reservation not found for cancellation', hint);
    }
    const wasActive = await inTransaction(db, (client) => cancelReservation(client, type, id));
    return answer(wasActive ? 'active' : 'cancelled');
  } catch (error) {
    // deleted since it was read: https://www.postgresql.org/docs/current/errcodes-appendix.html, no_data_found
    const was = sqlState(error) === 'P0002' ? 'unknown' : 'refused';
    const failure = databaseFailure(error, `cancel ${type} ${id}`);
    const ofAdapter = adapterError(error);
    if (ofAdapter !== null && !(failure instanceof Retryable))
      return answer(was, ofAdapter, 'Repair that in the booking system; ask again.');
    if (failure instanceof Permanent || (failure instanceof Retryable && failure.reach === 'item'))
      return answer(was, failure.message, failure.hint ?? null);
    throw failure;
  }
}

async function readEvent(
  { db, begin }: CancellationsOptions,
  eventId: string,
  signal: AbortSignal,
): Promise<EventAnswer> {
  const call = await begin(signal);
  const known = await findByEvent(db, eventId);
  if (known === null) return { found: 'unknown' };
  const { status, room, ...chosen } = known;
  const outcome = async () => (await readOutcomes(db, [chosen], call.mark))[0]!;
  if (status === 'cancelled') return { found: 'cancelled', outcome: await outcome() };
  if (room === null) return { found: 'not-followed', outcome: await outcome() };
  await underFoldLock(db, (client) => requestVerification(client, room, chosen.mappingId));
  await call.wake();
  await until(call, () => stillUnverified(db, chosen.mappingId));
  const found = await outcome();
  const isOpen = await stillUnverified(db, chosen.mappingId);
  return { found: 'read', outcome: isOpen ? { ...found, action: 'pending' } : found };
}
