/**
 * The drain of one room under its lease: compare it with both sides if that is due, ask Outlook for changes, verify what
 * is reported as removed, then bring what is due to where both sides agree until nothing is. Everything it writes down is
 * fenced by the lease's epoch, so a drain that lost its lease does no harm.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { Queryable } from '../../database.ts';
import type { Tell } from '../../facts.ts';
import type { Applied } from '../apply/apply.ts';
import type { Drained } from '../apply/rest.ts';
import type { Troubles } from '../apply/troubles.ts';
import { failingAs } from '../store/failing.ts';
import { putOffCreates, type SettleAnswer } from '../store/settle.ts';
import { dueMappings, isFollowed, reconcileRoom, type LeasedRoom, type Window } from '../store/work-list.ts';
import { isMapped, isUnmapped, type WorkItem } from '../store/work-item.ts';
import { createDebounce } from './debounce.ts';
import type { Reads } from './reads.ts';
import { createTellSettled } from './tell-settled.ts';

/** Due mappings read at a time. Small enough that a booking made now waits for a part of a second behind a backfill. */
export const itemsAtATime = 12;

/** What waits for a full scan that fails is asked about again after this time. */
const unscannedMs = 5_000;

export interface DrainOptions {
  readonly db: Queryable;
  readonly reads: Reads;
  readonly apply: (room: LeasedRoom, items: readonly WorkItem[], signal: AbortSignal) => Promise<Applied>;
  readonly troubles: Troubles;
  readonly debounce?: typeof createDebounce;
  /** Due mappings read at a time. */
  readonly atATime?: number;
  readonly window: Window;
  readonly tell: Tell;
}

const readDue = failingAs('read what is due', dueMappings);
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
  const tells = createTellSettled(tell);

  /**
   * `signal` cuts it off; at `stopping` the round under way is ended and written down first. While `othersWait`, it ends after
   * one round, whatever is left: the room then waits behind those that are due.
   */
  async function drain(
    room: LeasedRoom,
    signal: AbortSignal,
    stopping: AbortSignal,
    othersWait: () => boolean = () => false,
  ): Promise<Drained> {
    const drained = await drainOnce(room, signal, stopping, othersWait);
    if (drained.rest?.unknownMailbox !== true || !(await reads.readdressed(room, signal))) return drained;
    // it is due at once, and compared first
    return { ...drained, rest: null };
  }

  async function drainOnce(
    leased: LeasedRoom,
    signal: AbortSignal,
    stopping: AbortSignal,
    othersWait: () => boolean,
  ): Promise<Drained> {
    const ours = await reads.whose(leased, signal);
    if (ours.ended !== null) return ours.ended;
    if (!ours.room.reconciled || (!ours.room.baselined && !ours.room.abandoned)) await reconcile(ours.room);
    const { room, ended, isNews, answered } = await reads.first(ours.room, leased, signal);
    if (ended !== null) return ended;
    if (!leased.baselined && room.baselined) await putOff(db, room, { held: [], inMs: null });
    const isAsLeased = room.baselined && leased.reconciled && !isNews;
    const due = isAsLeased ? room.due : await readDue(db, room.resourceId, atATime, window);
    const drained = await bring(room, due, signal, stopping, othersWait);
    // a hint that came while another one was read rang nobody
    const isQuiet = isAsLeased && due.length === 0 && leased.hints.length === 0;
    return { ...drained, answered: answered || drained.answered, isQuiet };
  }

  /** Brings what is due to where both sides agree, until nothing is. */
  async function bring(
    room: LeasedRoom,
    first: readonly WorkItem[],
    signal: AbortSignal,
    stopping: AbortSignal,
    othersWait: () => boolean,
  ): Promise<Drained> {
    const debounced = debounce();
    let due = first;
    let answered = false;
    // bounded by what is due: each round settles its rows, and a row that stays due at once is counted in `attempt`
    while (due.length > 0 && !stopping.aborted) {
      signal.throwIfAborted();
      if (!room.baselined) due = await withoutHeld(room, due);
      // what was removed, moved or called off makes room first
      const mapped = debounced.choose(due.filter(isMapped));
      const now = mapped.length > 0 ? mapped : debounced.choose(due.filter(isUnmapped));
      // what the room asks for next, as writing down told it; null: that is to be read
      let next: SettleAnswer | null = null;
      if (now.length > 0) {
        const applied = await apply(room, now, signal);
        tellOf(room, now, applied);
        answered ||= applied.answered;
        if (applied.creates === null) next = applied.written;
        else await putOff(db, room, applied.creates);
        if (applied.outage !== null || applied.rest !== null) return { ...applied, answered };
        if (next?.more !== false && othersWait()) break;
      } else
        await pause(debounced.waitMs(), undefined, { signal: AbortSignal.any([signal, stopping]) }).catch(
          () => undefined,
        );
      if (room.baselined && isFollowed(room) && next?.pulls !== false) {
        const { ended, isNews } = await reads.since(room, signal);
        if (ended !== null) return ended;
        if (isNews) next = null;
      }
      due = next?.more === false ? [] : await readDue(db, room.resourceId, atATime, window);
    }
    return { rest: troubles.of(room.id), outage: null, answered };
  }

  /**
   * Of these rows those that need no full scan: changes and removals of events whose ids are known. What would be made could be
   * there already, and is put off.
   */
  async function withoutHeld(room: LeasedRoom, due: readonly WorkItem[]): Promise<readonly WorkItem[]> {
    const isKnown = (one: WorkItem) => isMapped(one) && one.eventId !== null && one.status !== 'cancelled';
    const held = due.filter((row) => !isKnown(row)).map(({ id }) => id);
    if (held.length > 0) await putOff(db, room, { held, inMs: unscannedMs });
    return due.filter(isKnown);
  }

  async function reconcile(room: LeasedRoom): Promise<void> {
    const found = await compareBookings(db, room, window);
    if (found.added + found.changed + found.gone > 0)
      tell({ fact: 'room-reconciled', room: room.name, resourceId: room.resourceId, ...found });
  }

  function tellOf(room: LeasedRoom, items: readonly WorkItem[], { settled, done, written }: Applied): void {
    const rows = new Map(items.map((item) => [item.id, item]));
    for (const one of settled)
      tells.result(room, rows.get(one.id)!, one, written?.latency.get(one.id) ?? null);
    for (const one of done) tells.done(room, one);
  }

  return { drain, doubt: reads.doubt };
}
