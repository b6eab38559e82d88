/**
 * The drain of one room under its lease: compare it with both sides if that is due, read the changes from Outlook, verify reported
 * removals, then settle the due items until none is left. Every write is fenced by the lease's epoch, so a drain that lost its lease
 * does no harm.
 */
import { atMost } from '../../calls.ts';
import type { Queryable } from '../../database.ts';
import type { PullAction, Tell } from '../../facts.ts';
import { sleep } from '../../sleep.ts';
import type { Applied } from '../apply/apply.ts';
import type { WrittenToBooking } from '../apply/item-results.ts';
import type { Drained } from '../apply/rest.ts';
import type { Troubles } from '../apply/troubles.ts';
import { failingAs } from '../store/failing.ts';
import { putOffCreates, type SettleAnswer, type Settlement } from '../store/settle.ts';
import { dueMappings, isFollowed, reconcileRoom, type LeasedRoom, type Window } from '../store/work-list.ts';
import { isMapped, isUnmapped, type WorkItem } from '../store/work-item.ts';
import { createDebounce } from './debounce.ts';
import type { FirstRead, Reads } from './reads.ts';

/** Due items read at a time. Few, so that a new booking waits less than a second behind a backfill. */
export const itemsAtATime = 12;

/** Calls of a `$batch` that Graph executes at a time (Microsoft: throttling-limits, Outlook). */
const perTurn = 4;

/** Rooms compared with the booking system at a time: a comparison may take long, and the other work needs connections, too (core.ts). */
const comparedAtATime = 5;

/** Creates that wait for a failing full scan are put off for this time. */
const scanFailedMs = 5_000;

export interface DrainOptions {
  readonly db: Queryable;
  readonly reads: Reads;
  readonly apply: (room: LeasedRoom, items: readonly WorkItem[], signal: AbortSignal) => Promise<Applied>;
  readonly troubles: Troubles;
  readonly debounce?: typeof createDebounce;
  /** Due items read at a time. */
  readonly atATime?: number;
  readonly window: Window;
  readonly tell: Tell;
}

const readDue = failingAs('read the due items', dueMappings);
const compareBookings = failingAs('reconcile a room', reconcileRoom);
const putOff = failingAs('put off creates', putOffCreates);

export function createDrain(options: DrainOptions) {
  const {
    db,
    reads,
    apply,
    troubles,
    debounce = createDebounce,
    atATime = itemsAtATime,
    window,
    tell,
  } = options;
  const inTurn = atMost(comparedAtATime);

  /**
   * `signal` cuts it off; at `stopping` the round in progress is completed and stored first. While `othersWait`, it ends after one
   * round: the room then waits behind the other due rooms.
   */
  async function drain(
    room: LeasedRoom,
    signal: AbortSignal,
    stopping: AbortSignal,
    othersWait: () => boolean = () => false,
  ): Promise<Drained> {
    const drained = await drainOnce(room, signal, stopping, othersWait);
    if (drained.rest?.unknownMailbox !== true || !(await reads.readdressed(room, signal))) return drained;
    // it is due at once, with a full scan first
    return { ...drained, rest: null };
  }

  async function drainOnce(
    leased: LeasedRoom,
    signal: AbortSignal,
    stopping: AbortSignal,
    othersWait: () => boolean,
  ): Promise<Drained> {
    const { room, ended, isNews, answered } =
      leased.reconciled && reads.isCurrent(leased)
        ? { room: leased, ended: null, isNews: false, answered: false }
        : await compare(leased, signal);
    if (ended !== null) return ended;
    const isAsLeased = room.baselined && leased.reconciled && !isNews;
    const due = isAsLeased ? room.due : await readDue(db, room.resourceId, atATime, window);
    const drained = await settleDue(room, due, signal, stopping, othersWait);
    // a hint stored while others are read wakes no daemon
    const isQuiet = isAsLeased && due.length === 0 && leased.hints.length === 0;
    return { ...drained, answered: answered || drained.answered, isQuiet };
  }

  /** Compares the room with both sides as far as that is due. */
  async function compare(leased: LeasedRoom, signal: AbortSignal): Promise<FirstRead> {
    const { room, ended } = await reads.identify(leased, signal);
    if (ended !== null) return { room, ended, isNews: false, answered: false };
    if (!room.reconciled || (!room.baselined && !room.abandoned))
      await inTurn(async () => {
        signal.throwIfAborted();
        await reconcile(options, room);
      });
    const first = await reads.first(room, leased, signal);
    if (first.ended === null && !leased.baselined && first.room.baselined)
      await putOff(db, first.room, { postponed: [], inMs: null });
    return first;
  }

  /** Settles due items until none is left. */
  async function settleDue(
    read: LeasedRoom,
    first: readonly WorkItem[],
    signal: AbortSignal,
    stopping: AbortSignal,
    othersWait: () => boolean,
  ): Promise<Drained> {
    const debounced = debounce();
    let room = read;
    let due = first;
    let answered = false;
    // ends: each round settles its rows, and `attempt` counts a row that stays due
    while (due.length > 0 && !stopping.aborted) {
      signal.throwIfAborted();
      if (!room.baselined) due = await putOffUnscanned(options, room, due);
      // removals and moves of mapped events free their slots first
      const ready = due.filter(isMapped);
      const mapped = debounced.choose(othersWait() ? wholeTurns(ready) : ready);
      const now = mapped.length > 0 ? mapped : debounced.choose(due.filter(isUnmapped));
      // whether more is due, as the settlement returned it; null: to be read
      let next: SettleAnswer | null = null;
      if (now.length > 0) {
        const applied = await apply(room, now, signal);
        tellApplied(tell, room, now, applied);
        answered ||= applied.answered;
        if (applied.creates === null) next = applied.written;
        else await putOff(db, room, applied.creates);
        if (applied.outage !== null || applied.rest !== null) return { ...applied, answered };
        if (next?.more !== false && othersWait()) break;
      } else await sleep(debounced.waitMs(), AbortSignal.any([signal, stopping]));
      if (room.baselined && isFollowed(room) && next?.pulls !== false) {
        const since = await reads.since(room, signal);
        if (since.ended !== null) return since.ended;
        if (since.isNews) next = null;
        ({ room } = since);
      }
      due = next?.more === false ? [] : await readDue(db, room.resourceId, atATime, window);
    }
    return { rest: troubles.of(room.id), outage: null, answered };
  }

  return { drain, doubt: reads.doubt };
}

/**
 * The items without those that would be alone in the last turn of a batch, of which Graph executes `perTurn` at a time: the places that
 * they leave empty are taken from rooms that wait. They stay due.
 */
const wholeTurns = (items: readonly WorkItem[]): readonly WorkItem[] =>
  items.length > perTurn ? items.slice(0, items.length - (items.length % perTurn)) : items;

/** The items that need no full scan: those with a known event. The others could create duplicates and are put off. */
async function putOffUnscanned(
  { db }: DrainOptions,
  room: LeasedRoom,
  due: readonly WorkItem[],
): Promise<readonly WorkItem[]> {
  const isKnown = (one: WorkItem) => isMapped(one) && one.eventId !== null && one.status !== 'cancelled';
  const others = due.filter((row) => !isKnown(row)).map(({ id }) => id);
  if (others.length > 0) await putOff(db, room, { postponed: others, inMs: scanFailedMs });
  return due.filter(isKnown);
}

async function reconcile({ db, tell, window }: DrainOptions, room: LeasedRoom): Promise<void> {
  const found = await compareBookings(db, room, window);
  if (found.added + found.changed + found.gone > 0)
    tell({ fact: 'room-reconciled', room: room.name, resourceId: room.resourceId, ...found });
}

function tellApplied(tell: Tell, room: LeasedRoom, items: readonly WorkItem[], applied: Applied): void {
  const { settled, done, written } = applied;
  const byId = new Map(items.map((item) => [item.id, item]));
  for (const settlement of settled) {
    const item = byId.get(settlement.id)!;
    tell({ ...about(room, item), ...settledFact(settlement, written?.latency.get(item.id) ?? null) });
    if (item.status === 'conflict' && settlement.status !== 'conflict')
      tell({ ...about(room, item), fact: 'conflict-over' });
  }
  for (const one of done) {
    tell({ ...about(room, one.item), ...writtenFact(one) });
    if (one.item.status === 'conflict') tell({ ...about(room, one.item), fact: 'conflict-over' });
  }
}

const about = (room: LeasedRoom, item: WorkItem) => ({
  room: room.name,
  resourceId: room.resourceId,
  mappingId: item.id,
  reservationType: isMapped(item) ? item.reservation.type : null,
  reservationId: isMapped(item) ? item.reservation.id : null,
});

function settledFact(settlement: Settlement, latencyMs: number | null) {
  const { action, error, hint, dueInMs, status, conflict, callMs } = settlement;
  if (status === 'conflict' && action !== 'unchanged' && conflict !== null)
    return { fact: 'conflict', kind: conflict.kind, error: error ?? '', hint } as const;
  if (action === 'parked') return { fact: 'item-parked', error: error ?? '', hint } as const;
  if (action === 'delayed') return { fact: 'item-delayed', error: error ?? '', inMs: dueInMs ?? 0 } as const;
  if (isPull(action)) return { fact: 'pulled', action, latencyMs } as const;
  return { fact: 'pushed', action, latencyMs, callMs: callMs ?? 0 } as const;
}

function writtenFact({ written }: WrittenToBooking) {
  const { action, latencyMs, reservationType, reservationId } = written;
  return { fact: 'pulled', action, latencyMs, reservationType, reservationId } as const;
}

const isPull = (action: Settlement['action']): action is PullAction =>
  ['imported', 'joined', 'booking-updated', 'booking-cancelled', 'declined'].includes(action);
