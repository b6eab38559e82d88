/**
 * The drain of one room under its lease: compare it with both sides if that is due, then push what is due until
 * nothing is. Everything it writes down is fenced by the lease's epoch, so a drain that lost its lease does no harm.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { Database } from '../database.ts';
import { databaseFailure } from '../database.ts';
import { Permanent, Retryable } from '../errors.ts';
import type { Tell } from '../facts.ts';
import {
  dueMappings,
  finishBaseline,
  listWindow,
  mappingsOf,
  reconcileRoom,
  settleMappings,
  storeMailbox,
  type Adoption,
  type Due,
  type LeasedRoom,
  type Mapped,
  type Rest,
  type Settled,
  type Window,
} from './mappings.ts';
import { restFor, type Pushed } from './push.ts';
import type { OutlookEvent, OutlookSide } from './sides.ts';

/** Due mappings read at a time. Small enough that a booking made now waits for a part of a second behind a backfill. */
export const itemsAtATime = 12;

/** Why a drain ended: nothing is due, the room must rest, or the other side as a whole is out of reach. */
export interface Drained {
  readonly rest: Rest | null;
  readonly outage: Retryable | Permanent | null;
  /** Graph answered during this drain. */
  readonly answered: boolean;
}

export interface DrainOptions {
  readonly db: Database;
  readonly outlook: OutlookSide;
  readonly push: (room: LeasedRoom, due: readonly Due[], signal: AbortSignal) => Promise<Pushed>;
  readonly window: Window;
  readonly tell: Tell;
  readonly random?: () => number;
}

export function createDrain(options: DrainOptions) {
  const { db, outlook, push, window, tell, random = Math.random } = options;

  /** `signal` cuts it off; at `stopping` the round under way is ended and written down first. */
  async function drain(leased: LeasedRoom, signal: AbortSignal, stopping: AbortSignal): Promise<Drained> {
    const room = leased.baselined ? leased : await addressed(leased, signal);
    if (!room.reconciled || (!room.baselined && !room.abandoned)) await reconcile(room);
    let answered = false;
    if (!room.baselined) {
      const stopped = await baseline(room, signal);
      if (stopped !== null) return stopped;
      answered = true;
    }
    const calm = createCalm();
    let due = room.due.length > 0 ? room.due : await readDue(room);
    // bounded by what is due: each round settles its rows, and a row that stays due at once is counted in `attempt`
    while (due.length > 0 && !stopping.aborted) {
      signal.throwIfAborted();
      const now = calm.choose(due);
      if (now.length > 0) {
        const pushed = await push(room, now, signal);
        await settle(room, now, pushed.settled);
        answered ||= pushed.answered;
        if (pushed.outage !== null || pushed.rest !== null) return { ...pushed, answered };
      } else
        await pause(calm.waitMs(), undefined, { signal: AbortSignal.any([signal, stopping]) }).catch(
          () => undefined,
        );
      due = await readDue(room);
    }
    return { rest: null, outage: null, answered };
  }

  /** The room by the object id of its mailbox, if the directory tells: addresses change, and some calls refuse them. */
  async function addressed(room: LeasedRoom, signal: AbortSignal): Promise<LeasedRoom> {
    if (room.mailbox !== room.outlookItemId) return room;
    try {
      const mailbox = await outlook.resolveMailbox(room.outlookItemId, signal);
      if (mailbox === null || mailbox === room.outlookItemId) return room;
      await asked('store the id of a mailbox', storeMailbox(db, room, mailbox));
      return { ...room, mailbox };
    } catch (error) {
      // whether there is such a mailbox is for the mailbox itself to say; the directory may be closed to us
      if (error instanceof Permanent && error.reach !== 'side') return room;
      if (error instanceof Retryable) return room;
      throw error;
    }
  }

  const readDue = (room: LeasedRoom) =>
    asked('read what is due', dueMappings(db, room.resourceId, itemsAtATime, window));

  async function reconcile(room: LeasedRoom): Promise<void> {
    const found = await asked('reconcile a room', reconcileRoom(db, room, window));
    if (found.added + found.changed + found.gone > 0)
      tell({ fact: 'room-reconciled', room: room.name, resourceId: room.resourceId, ...found });
  }

  async function settle(room: LeasedRoom, due: readonly Due[], results: readonly Settled[]): Promise<void> {
    const latency = await asked('settle', settleMappings(db, room, results));
    const rows = new Map(due.map((row) => [row.id, row]));
    for (const result of results)
      tellResult(room, rows.get(result.id)!, result, latency.get(result.id) ?? null);
  }

  function tellResult(room: LeasedRoom, row: Due, result: Settled, latencyMs: number | null): void {
    const about = {
      room: room.name,
      resourceId: room.resourceId,
      mappingId: row.id,
      reservationType: row.reservationType,
      reservationId: row.reservationId,
    };
    if (result.action === 'parked')
      tell({ ...about, fact: 'item-parked', error: result.error ?? '', hint: result.hint });
    else if (result.action === 'delayed')
      tell({ ...about, fact: 'item-delayed', error: result.error ?? '', inMs: result.dueInMs ?? 0 });
    else tell({ ...about, fact: 'pushed', action: result.action, latencyMs, callMs: result.callMs ?? 0 });
  }

  /**
   * Reads the room's whole window in Outlook and gives events that carry our marks to the mappings that know none:
   * after a lost mapping table, a lost answer or the predecessor, nothing is made twice.
   */
  async function baseline(room: LeasedRoom, signal: AbortSignal): Promise<Drained | null> {
    const started = performance.now();
    const { from, to } = await asked('read the window', listWindow(db, window));
    const marked: OutlookEvent[] = [];
    let events = 0;
    try {
      for await (const page of outlook.list(room, from, to, signal)) {
        events += page.length;
        marked.push(...page.filter((event) => event.marks !== null && event.isOrganizer));
      }
    } catch (error) {
      if (!(error instanceof Retryable || error instanceof Permanent)) throw error;
      return error.reach === 'side'
        ? { rest: null, outage: error, answered: false }
        : { rest: restFor(error, room.attempt, random), outage: null, answered: false };
    }
    const adoptions = adopt(await asked('read the mappings', mappingsOf(db, room.resourceId)), marked);
    await asked('finish the baseline', finishBaseline(db, room, adoptions));
    const about = { room: room.name, resourceId: room.resourceId };
    tell({
      ...about,
      fact: 'room-baselined',
      events,
      adopted: adoptions.length,
      ms: performance.now() - started,
    });
    return null;
  }

  return { drain };
}

/** Between two rounds of repeated changes: the second at once, then with growing gaps. */
const firstGapMs = 100;
const longestGapMs = 1_000;
/** How often it is looked for other changes meanwhile. */
const lookMs = 50;

/**
 * Keeps a burst from becoming as many calls: a change of what this drain has written already waits for others of its
 * kind, while whatever changes for the first time goes at once. It begins with each drain, which ends when nothing is
 * due, so whoever waits for one change before making the next never meets it.
 */
function createCalm(now: () => number = () => performance.now()) {
  const written = new Set<number>();
  let gapMs = 0;
  let nextAt = 0;
  return {
    /** Which of them to write now. */
    choose(due: readonly Due[]): readonly Due[] {
      const fresh = due.filter((row) => !written.has(row.id));
      for (const row of fresh) written.add(row.id);
      if (fresh.length > 0) return fresh;
      if (now() < nextAt) return [];
      gapMs = Math.min(longestGapMs, gapMs === 0 ? firstGapMs : gapMs * 2);
      nextAt = now() + gapMs;
      return due;
    },
    waitMs: () => Math.max(1, Math.min(lookMs, nextAt - now())),
  };
}

/** Which found event belongs to which mapping: of several with the same marks the one at its time, else the first. */
function adopt(mappings: readonly Mapped[], marked: readonly OutlookEvent[]): Adoption[] {
  const known = new Set(mappings.filter((m) => m.status !== 'cancelled').map((m) => m.eventId));
  const byKey = Map.groupBy(
    marked.filter((event) => !known.has(event.id)),
    (event) => `${event.marks!.type}/${event.marks!.id}`,
  );
  return mappings.flatMap((mapping) => {
    // the id that a cancelled one keeps is of an event that is gone; if it is due, a fresh one may have been made that
    // nobody wrote down
    if (mapping.eventId !== null && !(mapping.status === 'cancelled' && mapping.due)) return [];
    const candidates = byKey.get(`${mapping.reservationType}/${mapping.reservationId}`) ?? [];
    const event = candidates.find((c) => c.item?.startsAt === mapping.startsAt) ?? candidates[0];
    return event === undefined ? [] : [{ id: mapping.id, eventId: event.id, outlookBase: event.item }];
  });
}

/** A query's result, or its failure as one of our kinds. */
async function asked<T>(what: string, query: Promise<T>): Promise<T> {
  try {
    return await query;
  } catch (error) {
    throw databaseFailure(error, what);
  }
}
