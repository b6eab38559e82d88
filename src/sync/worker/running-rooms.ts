/**
 * The rooms that this daemon works on. Each is drained concurrently with the others and released when its drain ends. A failure is
 * reported and delays only its own room.
 */
import { LRUCache } from 'lru-cache';
import { backOffMs } from '../../back-off.ts';
import { isOfBookingSystem } from '../../adapter-error.ts';
import { databaseFailure, isContended, type Queryable } from '../../database.ts';
import { NotInstalled, Retryable, isExpected } from '../../errors.ts';
import type { Fact, Tell } from '../../facts.ts';
import type { Drained } from '../apply/rest.ts';
import {
  abandonRoom,
  unlockRoom,
  type createRelease,
  type LeasedRoom,
  type Taken,
} from '../store/work-list.ts';
import type { createOutage } from './outage.ts';

/**
 * A commit of the lease session is on disk after three times the server's `wal_writer_delay`, by default 0.6 s (PostgreSQL:
 * wal-async-commit); a crash of the server loses later ones.
 */
export const flushedMs = 2_000;
/** More than a daemon can release in that time. */
const roomsMost = 4_000;

/** The session of our leases. */
export interface LeaseSession {
  readonly session: Queryable;
  readonly release: ReturnType<typeof createRelease>;
  /** Aborted: nothing more is sent under these leases. */
  readonly ended: AbortController;
}

/** See `createDrain`. */
export type Drain = (
  room: LeasedRoom,
  signal: AbortSignal,
  stopping: AbortSignal,
  othersWait: () => boolean,
) => Promise<Drained>;

export interface RunningRoomsOptions {
  readonly drain: Drain;
  /** Rooms are due for which there is no place. */
  readonly othersWait: () => boolean;
  readonly outlookDown: ReturnType<typeof createOutage>;
  /** Repeats a statement that meets concurrent writers. */
  readonly retry: <T>(statement: () => Promise<T>, signal: AbortSignal) => Promise<T>;
  /** Called when a room was released and another take may find something due. */
  readonly finished: () => void;
  /** The number of takes so far. */
  readonly takes: () => number;
  readonly tell: Tell;
}

export function createRunningRooms(options: RunningRoomsOptions) {
  const { drain, othersWait, outlookDown, retry, finished, takes, tell } = options;
  const running = new Map<number, { room: LeasedRoom; stop: AbortController; done: Promise<void> }>();
  /** Rooms released within that time. */
  const released = new LRUCache<number, true>({ max: roomsMost, ttl: flushedMs });

  /** `isAll`: no room was omitted for lack of places. */
  function start(taken: Taken, isAll: boolean, lease: LeaseSession, stopping: AbortSignal): void {
    for (const id of taken.stopped) running.get(id)?.stop.abort(new Error('the room was switched off'));
    for (const room of taken.rooms) {
      const stop = new AbortController();
      if (lease.ended.signal.aborted) stop.abort(lease.ended.signal.reason);
      const takesBefore = takes();
      const done = work(room, lease, stop.signal, stopping).then((isQuiet) => {
        running.delete(room.id);
        // most polls bring nothing; a change noted meanwhile caused a take, which found the room leased
        if (!isQuiet || !isAll || takes() !== takesBefore) finished();
      });
      running.set(room.id, { room, stop, done });
    }
  }

  /**
   * Drains one room and releases it. Never rejects. `signal` cuts it off; at `stopping` it completes and stores its round first.
   * Returns whether the room had nothing to do.
   */
  async function work(
    room: LeasedRoom,
    lease: LeaseSession,
    signal: AbortSignal,
    stopping: AbortSignal,
  ): Promise<boolean> {
    const { session, ended } = lease;
    let isQuiet = false;
    let release: () => Promise<void>;
    try {
      const drained = await drain(room, signal, stopping, othersWait);
      // after an outage of Outlook all rooms are due
      isQuiet = drained.isQuiet === true && drained.rest === null && !outlookDown.isDown();
      // calls that were cut off with the lease have the reason of that
      const isCutOff = signal.aborted || ended.signal.aborted;
      if (drained.outage !== null && !isCutOff) outlookDown.failed(drained.outage);
      else if (drained.outage === null && drained.answered) outlookDown.over();
      const fact = roomFact(room, drained.rest);
      if (fact !== null) tell(fact);
      release = () => lease.release(room, drained.rest ?? restOfOutage(drained.outage));
    } catch (error) {
      const failure = databaseFailure(error, 'drain a room');
      // no room can be worked on: the loop waits for the installation
      if (failure instanceof NotInstalled) ended.abort(failure);
      if (!signal.aborted && !isExpected(failure) && !isOfBookingSystem(error))
        tell({ fact: 'bug', error: failure, where: `the drain of ${room.name}` });
      const rest = signal.aborted ? null : restOfFailure(failure, backOffMs(room.attempt, Math.random()));
      release = () => abandonRoom(session, room, rest);
    }
    return (await giveBack(room, release, lease, signal)) && isQuiet;
  }

  /** Returns whether the room was released. */
  async function giveBack(
    room: LeasedRoom,
    release: () => Promise<void>,
    { session, ended }: LeaseSession,
    signal: AbortSignal,
  ): Promise<boolean> {
    // under a lost lease the room stays marked as abandoned, so that its next holder reads Outlook first
    if (ended.signal.aborted) return false;
    try {
      await retry(release, signal);
      released.set(room.id, true);
      return true;
    } catch (error) {
      // an open transaction of others has locked the room's row: the next holder finds the room abandoned
      if (isContended(error) && (await isUnlocked(session, room))) return false;
      // the lease ends with its session, so a session that is still alive is closed
      const failure = databaseFailure(error, 'release a room');
      if (!(failure instanceof Retryable))
        tell({ fact: 'bug', error: failure, where: `giving back ${room.name}` });
      ended.abort(failure);
      return false;
    }
  }

  return {
    start,
    cutOff(reason: unknown): void {
      for (const { stop } of running.values()) stop.abort(reason);
    },
    ids: () => [...running.keys()],
    rooms: () => [...running.values()].map(({ room }) => room),
    count: () => running.size,
    /** Rooms whose last writes a crash of the server may lose. */
    unflushed: () => [...running.keys(), ...released.keys()],
    /** Resolves when no room is worked on. */
    ended: async (): Promise<void> => {
      await Promise.allSettled([...running.values()].map(({ done }) => done));
    },
  };
}

async function isUnlocked(session: Queryable, room: LeasedRoom): Promise<boolean> {
  try {
    await unlockRoom(session, room);
    return true;
  } catch {
    return false; // the session ends, and its locks with it
  }
}

const restOfFailure = ({ message: why }: Error, ms: number): Drained['rest'] => ({
  ms,
  throttled: false,
  condition: 'waiting',
  why,
  hint: null,
});

/** In an outage, too, a mailbox is left alone for as long as Graph asked. */
function restOfOutage(outage: Drained['outage']): Drained['rest'] {
  if (!(outage instanceof Retryable) || outage.afterMs === undefined) return null;
  const { afterMs: ms, message: why, hint = null } = outage;
  return { ms, throttled: true, condition: 'waiting', why, hint };
}

/** The fact to report after a drain; null: none. */
function roomFact(room: LeasedRoom, rest: Drained['rest']): Fact | null {
  const about = { room: room.name, resourceId: room.resourceId };
  if (rest === null) return room.attempt > 0 ? { ...about, fact: 'room-well' } : null;
  const { condition, why: error, hint, ms, throttled } = rest;
  if (condition === 'held') return { ...about, fact: 'room-held', error, hint };
  if (condition === 'refused') return { ...about, fact: 'room-refused', error, hint };
  return { ...about, fact: 'room-resting', error, hint, inMs: ms ?? 0, throttled };
}
