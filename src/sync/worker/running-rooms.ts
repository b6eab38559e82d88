/**
 * The rooms this daemon works on, each drained beside the others and given back when its drain ends. A failure of one is told,
 * and lets only that one rest.
 */
import { backOffMs } from '../../back-off.ts';
import { databaseFailure, isContended, type Queryable } from '../../database.ts';
import { NotInstalled, Permanent, Retryable } from '../../errors.ts';
import type { Tell } from '../../facts.ts';
import type { Drained } from '../apply/rest.ts';
import { abandonRoom, releaseRoom, unlockRoom, type LeasedRoom, type Taken } from '../store/work-list.ts';
import type { createOutage } from './outage.ts';

/**
 * What the lease session commits is on the server's disk after three times its `wal_writer_delay`, 0.6 s as it comes
 * (PostgreSQL: wal-async-commit); a crash of the server forgets what came later.
 */
const flushedMs = 2_000;

/** The session that holds the leases, and what ends it. */
export interface HeldLease {
  readonly session: Queryable;
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
  /** Runs a statement again while others write the same rows. */
  readonly again: <T>(statement: () => Promise<T>, signal: AbortSignal) => Promise<T>;
  /** A room was given back, and something may be due that nobody takes otherwise. */
  readonly finished: () => void;
  /** How many takes were begun. */
  readonly takes: () => number;
  readonly tell: Tell;
  readonly random: () => number;
}

export function createRunningRooms(options: RunningRoomsOptions) {
  const { drain, othersWait, outlookDown, again, finished, takes, tell, random } = options;
  const running = new Map<number, { room: LeasedRoom; stop: AbortController; done: Promise<void> }>();
  const givenBack = createRecent(flushedMs);

  /** `isAll`: no room was left out for want of places. */
  function start(taken: Taken, isAll: boolean, lease: HeldLease, stopping: AbortSignal): void {
    for (const id of taken.stopped) running.get(id)?.stop.abort(new Error('the room was switched off'));
    for (const room of taken.rooms) {
      const stop = new AbortController();
      if (lease.ended.signal.aborted) stop.abort(lease.ended.signal.reason);
      const takenBy = takes();
      const done = work(room, lease, stop.signal, stopping).then((isQuiet) => {
        running.delete(room.id);
        // most polls bring nothing, and whatever was noted meanwhile had a take begin, which found the room held
        if (!isQuiet || !isAll || takes() !== takenBy) finished();
      });
      running.set(room.id, { room, stop, done });
    }
  }

  /**
   * Drains one room and gives it back. Never rejects. `signal` cuts it off; at `stopping` it ends its round first, so
   * that nothing is sent that nobody writes down. Returns whether there was nothing to do in it.
   */
  async function work(
    room: LeasedRoom,
    { session, ended }: HeldLease,
    signal: AbortSignal,
    stopping: AbortSignal,
  ): Promise<boolean> {
    let giveBack: () => Promise<void>;
    let isQuiet = false;
    try {
      const drained = await drain(room, signal, stopping, othersWait);
      // when Outlook is back, all rooms are due
      isQuiet = drained.isQuiet === true && drained.rest === null && !outlookDown.isDown();
      if (drained.outage !== null) outlookDown.failed(drained.outage);
      else if (drained.answered) outlookDown.over();
      tellRoom(room, drained);
      giveBack = () => releaseRoom(session, room, drained.rest ?? askedRest(drained.outage));
    } catch (error) {
      const failure = databaseFailure(error, 'drain a room');
      // no room can be worked on: the loop waits until it is there again
      if (failure instanceof NotInstalled) ended.abort(failure);
      const rest = signal.aborted ? null : restAfter(failure, room);
      giveBack = () => abandonRoom(session, room, rest);
    }
    // a lease that is lost is not given back: the room stays marked as abandoned, so its next holder reads Outlook first
    if (ended.signal.aborted) return false;
    try {
      await again(giveBack, signal);
      givenBack.add(room.id);
      return isQuiet;
    } catch (error) {
      // somebody's transaction has the room's row: whoever gets the room next takes it for abandoned
      if (isContended(error) && (await isUnlocked(session, room))) return false;
      // the lease ends with its session; if that is alive all the same, it must not keep the room
      const failure = databaseFailure(error, 'release a room');
      if (!(failure instanceof Retryable))
        tell({ fact: 'bug', error: failure, where: `giving back ${room.name}` });
      ended.abort(failure);
      return false;
    }
  }

  async function isUnlocked(session: Queryable, room: LeasedRoom): Promise<boolean> {
    try {
      await unlockRoom(session, room);
      return true;
    } catch {
      return false; // the session ends, and its locks with it
    }
  }

  /** Also in an outage each mailbox is left alone for as long as it asked. */
  function askedRest(outage: Drained['outage']): Drained['rest'] {
    if (!(outage instanceof Retryable) || outage.afterMs === undefined) return null;
    const { afterMs: ms, message: why, hint = null } = outage;
    return { ms, throttled: true, condition: 'waiting', why, hint };
  }

  function restAfter(failure: Error, room: LeasedRoom): Drained['rest'] {
    if (!(failure instanceof Retryable || failure instanceof Permanent))
      tell({ fact: 'bug', error: failure, where: `the drain of ${room.name}` });
    return {
      ms: backOffMs(room.attempt, random()),
      throttled: false,
      condition: 'waiting',
      why: failure.message,
      hint: null,
    };
  }

  function tellRoom(room: LeasedRoom, { rest }: Drained): void {
    const about = { room: room.name, resourceId: room.resourceId };
    if (rest === null && room.attempt > 0) tell({ ...about, fact: 'room-well' });
    if (rest === null) return;
    if (rest.condition === 'held') tell({ ...about, fact: 'room-held', error: rest.why, hint: rest.hint });
    else if (rest.condition === 'refused')
      tell({ ...about, fact: 'room-refused', error: rest.why, hint: rest.hint });
    else
      tell({
        ...about,
        fact: 'room-resting',
        error: rest.why,
        hint: rest.hint,
        inMs: rest.ms ?? 0,
        throttled: rest.throttled,
      });
  }

  /** Their lease is at its end. */
  function cutOff(reason: unknown): void {
    for (const { stop } of running.values()) stop.abort(reason);
  }

  return {
    start,
    cutOff,
    ids: () => [...running.keys()],
    rooms: () => [...running.values()].map(({ room }) => room),
    count: () => running.size,
    /** Those whose last writes a crash of the server may have forgotten. */
    unflushed: () => [...running.keys(), ...givenBack.all()],
    /** Resolves when none is worked on any more. */
    ended: async (): Promise<void> => {
      await Promise.allSettled([...running.values()].map(({ done }) => done));
    },
  };
}

/** What was added within the last `withinMs`. */
function createRecent(withinMs: number) {
  const added = new Map<number, number>();
  const all = () => {
    for (const [id, at] of added) if (at < performance.now() - withinMs) added.delete(id);
    return [...added.keys()];
  };
  return {
    add(id: number): void {
      added.delete(id); // last added, last in order
      added.set(id, performance.now());
      if (added.size > 1_000) all();
    },
    all,
  };
}
