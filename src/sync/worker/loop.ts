/**
 * The one loop of the daemon. It is woken by NOTIFY, by a finished room and by the clock, which all say the same: take what
 * is due. Each take folds the outbox and leases due rooms, which are drained side by side.
 *
 * Leases live on one session. While it is ours and we are awake, nobody else works on those rooms; when it is lost,
 * or this process was frozen longer than `frozenMs`, nothing more is sent: every drain is aborted and, should it
 * still write something down, fenced by its epoch.
 */
import { setImmediate as turn, setTimeout as pause } from 'node:timers/promises';
import { backOffMs } from '../../back-off.ts';
import type { Queryable } from '../../database.ts';
import { databaseFailure, isContended, isOutage } from '../../database.ts';
import { Retryable, messageOf } from '../../errors.ts';
import type { Tell } from '../../facts.ts';
import { doubtRooms, foldMost, takeRooms, type Taken, type Window } from '../store/work-list.ts';
import { createOutage } from './outage.ts';
import { createRunningRooms, type Drain, type HeldLease } from './running-rooms.ts';
import { itemsAtATime } from './drain.ts';

/** Rooms one daemon works on at a time: as many as it has calls in flight, because a room may need but one. */
const roomsAtATime = 64;
/** Rooms that are polled, backfilled or compared are begun while fewer than these are worked on: changes find a place at once. */
const otherRoomsAtATime = 36;
/** Rooms of one take, so that their first items are on their way before the next ones are read. */
const roomsATake = 16;
/** With other daemons alive each holds few, so that they share. */
const roomsAmongPeers = 8;
/** A gap this long on the monotonic clock means that we were frozen and others may have taken over. */
const frozenMs = 3_000;
const drainOutMs = 8_000;
/** A lease session that ends sooner than that was of no use. */
const briefMs = 10_000;
/** Peers take what is due this often by themselves. */
const ringEveryMs = 250;

/** How often a statement that met others in the same rows is tried again, about a minute long, before it is told. */
const contendedMost = 20;

/** How the loop is woken and how long it may sleep: the listener and the adaptive NOTIFY behind it. */
export interface Rhythm {
  /** Resolves at the next ring, after `ms`, or when `signal` aborts. */
  waitOr(ms: number, signal: AbortSignal): Promise<void>;
  ring(): void;
  /** Told after each take how many outbox rows it folded and how long it took; may begin and end polling on the lease session. */
  afterTake(session: Queryable, folded: number, tookMs: number): Promise<void>;
  /** Bookings come so fast that the loop rests between two takes even after work: they go first. */
  readonly yields: boolean;
  /** The lease session is gone, and with it the lock of polling. */
  lost(): void;
  /** How long the loop may wait for a ring before it takes again. */
  readonly waitMs: number;
}

/** The session that holds our leases. */
interface Lease {
  readonly session: Queryable;
  /** Aborts when its connection is gone. */
  readonly lost: AbortSignal;
  /** Its backend, for the heartbeat. */
  readonly pid: number;
  /** Never rejects. */
  close(): Promise<void>;
}

export interface WorkOptions {
  readonly replica: string;
  /** Opens the session that holds our leases. */
  readonly openLease: () => Promise<Lease>;
  /** Throws NotInstalled while the booking system cannot be read. */
  readonly needAdapter: (session: Queryable) => Promise<void>;
  readonly drain: Drain;
  /** Told of each session that will hold our leases, before it is used. */
  readonly leaseOpened?: () => void;
  readonly rhythm: Rhythm;
  readonly window: Window;
  /** While false, changes are captured and folded, and nothing is sent (START_MODE plan or shadow). */
  readonly writes: () => boolean;
  /** With false, rooms are worked on only when somebody asked for them. */
  readonly autoSync: boolean;
  readonly peers: () => number;
  /** Rings the other daemons: more rooms are due than we work on. */
  readonly ringPeers: () => void;
  readonly tell: Tell;
  readonly random?: () => number;
  /** Resolves after `ms`, or when `signal` aborts. */
  readonly sleep?: (ms: number, signal: AbortSignal) => Promise<void>;
}

export function createWork(options: WorkOptions) {
  const { replica, drain, rhythm, window, autoSync, tell, random = Math.random, sleep = quiet } = options;
  const outlookDown = createOutage('outlook', tell);
  const bookingDown = createOutage('booking', tell);
  let takes = 0;
  let othersWait = false;
  const finished = () => rhythm.ring();
  const running = createRunningRooms({
    drain,
    othersWait: () => othersWait,
    outlookDown,
    again,
    finished,
    takes: () => takes,
    tell,
    random,
  });
  let awakeAt = performance.now();
  let requestedAt = Number.NEGATIVE_INFINITY;
  let doubtful: readonly number[] = [];
  const probed = new Set<number>();
  let leasePid: number | null = null;
  let current: AbortController | null = null;

  /** Throws when nothing may be sent: the lease is lost, or we slept through our own heartbeat. */
  function maySend(): void {
    stopIfFrozen();
    if (current === null || current.signal.aborted)
      throw new Retryable('the lease is lost; another daemon may hold the room', { reach: 'room' });
  }

  function stopIfFrozen(): void {
    if (performance.now() - awakeAt > frozenMs) current?.abort(new Error('this process was frozen'));
  }

  async function run(signal: AbortSignal): Promise<void> {
    const ticking = setInterval(() => {
      stopIfFrozen();
      awakeAt = performance.now();
    }, 250);
    try {
      let brief = 0;
      for (let attempt = 0; !signal.aborted;) {
        const openedAt = performance.now();
        try {
          await holdLease(signal, () => {
            attempt = 0;
          });
          brief = performance.now() - openedAt < briefMs ? brief + 1 : 0;
          // one that was lost is opened again at once; when each is lost again, rooms are read from the start each time
          if (brief > 1) await sleep(backOffMs(brief - 2, random()), signal);
        } catch (error) {
          const failure = databaseFailure(error, 'work');
          if (!isOutage(failure)) tell({ fact: 'bug', error: failure, where: 'the work loop' });
          bookingDown.failed(failure);
          await rhythm.waitOr(backOffMs(attempt++, random()), signal);
        }
      }
    } finally {
      clearInterval(ticking);
    }
  }

  /** Opens a lease session and works under it until it ends, or `signal` aborts. */
  async function holdLease(signal: AbortSignal, succeeded: () => void): Promise<void> {
    const opened = await options.openLease();
    const lease = { session: oneAtATime(opened.session), ended: new AbortController() };
    options.leaseOpened?.();
    current = lease.ended;
    leasePid = opened.pid;
    const { ended } = lease;
    ended.signal.addEventListener('abort', () => running.cutOff(ended.signal.reason));
    opened.lost.addEventListener('abort', () => ended.abort(opened.lost.reason));
    awakeAt = performance.now();
    let hasTaken = false;
    try {
      await takeOn(lease, signal, () => {
        hasTaken = true;
        succeeded();
      });
      if (lease.ended.signal.aborted)
        tell({ fact: 'lease-lost', reason: messageOf(lease.ended.signal.reason) });
      if (signal.aborted) await drainOut(lease);
    } catch (error) {
      // a take may be the first to hear that the session has ended
      if (hasTaken) tell({ fact: 'lease-lost', reason: messageOf(error) });
      throw error;
    } finally {
      if (!signal.aborted) doubtful = [...doubtful, ...running.unflushed()];
      lease.ended.abort(new Error('the lease session was closed'));
      current = null;
      leasePid = null;
      rhythm.lost();
      await running.ended();
      await opened.close();
    }
  }

  /** Takes what is due, again and again. */
  async function takeOn(lease: HeldLease, stopping: AbortSignal, taking: () => void): Promise<void> {
    const { session, ended } = lease;
    const until = AbortSignal.any([stopping, ended.signal]);
    if (doubtful.length > 0) await again(() => doubtRooms(session, doubtful, replica), until);
    doubtful = [];
    await options.needAdapter(session);
    // every other take is for all rooms, so that bookings without end keep none from its turn
    let changedFirst = false;
    while (!until.aborted) {
      const startedAt = performance.now();
      let asked = wanted();
      const take = () => {
        asked = wanted();
        takes += 1;
        return takeRooms(session, { ...asked, changedFirst });
      };
      const taken: Taken = await again(take, until);
      if (goesRound(taken, asked.rooms)) continue;
      const tookMs = performance.now() - startedAt;
      // one that was for what had just changed says nothing of the other rooms
      if (!changedFirst || taken.folded === 0 || taken.more) othersWait = taken.more;
      changedFirst = !changedFirst || taken.folded === 0;
      bookingDown.over();
      taking();
      const isAll = changedFirst && asked.anyLane && !taken.more;
      running.start(taken, isAll, lease, stopping);
      // what they have to send goes out before we do anything else
      if (taken.rooms.length > 0) await turn();
      await rhythm.afterTake(session, taken.folded, tookMs);
      if (taken.more && options.peers() > 0 && options.writes()) ringPeers();
      // what a full fold or the bound on rooms left behind is taken at once; whatever comes later rings, and a take of its own
      // would only compete with what was just taken
      const isPart = taken.folded >= foldMost || (taken.more && wanted().rooms > 0);
      if (!isPart || rhythm.yields)
        await rhythm.waitOr(Math.min(rhythm.waitMs, outlookDown.probeInMs()), until);
    }
  }

  /** Runs it again while others write the same rows at the same moment, in another order, say. */
  async function again<T>(statement: () => Promise<T>, signal: AbortSignal): Promise<T> {
    for (let attempt = 0; ; attempt += 1) {
      try {
        return await statement();
      } catch (error) {
        if (!isContended(error) || attempt >= contendedMost || signal.aborted) throw error;
        if (attempt >= 3) await sleep(backOffMs(attempt - 3, random()), signal);
      }
    }
  }

  /**
   * In an outage one room at a time is tried, each in its turn: what seems an outage may be the mailbox that has been due the
   * longest. True: each was tried, and it begins anew.
   */
  function goesRound({ rooms }: Taken, places: number): boolean {
    const isOver = !outlookDown.isDown() || (places > 0 && rooms.length === 0);
    const beginsAnew = isOver && probed.size > 0 && outlookDown.isDown();
    if (isOver) probed.clear();
    else for (const { id } of rooms) probed.add(id);
    return beginsAnew;
  }

  /** Not at each take: our own ring comes back to us and is the next one. */
  function ringPeers(): void {
    if (performance.now() - requestedAt < ringEveryMs) return;
    requestedAt = performance.now();
    options.ringPeers();
  }

  /** What is to be taken now. */
  function wanted() {
    const places = !options.writes()
      ? 0
      : outlookDown.isDown()
        ? 1
        : options.peers() > 0
          ? roomsAmongPeers
          : roomsAtATime;
    const free = outlookDown.isResting() ? 0 : Math.max(0, places - running.count());
    const isShared = places < roomsAtATime;
    return {
      replica,
      held: outlookDown.isDown() ? [...running.ids(), ...probed] : running.ids(),
      rooms: Math.min(free, roomsATake),
      items: itemsAtATime,
      window,
      anyLane: running.count() < (isShared ? Math.max(1, places - (places >> 2)) : otherRoomsAtATime),
      askedOnly: !autoSync,
    };
  }

  /** Stopping: rounds under way are ended and written down, leases given back; after `drainOutMs` they are cut off. */
  async function drainOut(lease: HeldLease): Promise<void> {
    const cutOff = setTimeout(() => lease.ended.abort(new Error('stopped')), drainOutMs);
    await running.ended();
    clearTimeout(cutOff);
  }

  return {
    run,
    maySend,
    /** The backend of the lease session, for the heartbeat. */
    leasePid: () => leasePid,
    /** Rooms being worked on now. */
    working: running.rooms,
    isOutlookDown: () => outlookDown.isDown(),
    isBookingDown: () => bookingDown.isDown(),
  };
}

const quiet = (ms: number, signal: AbortSignal): Promise<void> =>
  pause(ms, undefined, { signal }).catch(() => undefined); // stopping cuts it short

/** The session with its queries in single file: pg would queue them itself, and its next version refuses to. */
function oneAtATime(session: Queryable): Queryable {
  let last: Promise<unknown> = Promise.resolve();
  const query = (...asked: unknown[]) => {
    const answer = last.then(() => Reflect.apply(session.query, session, asked) as Promise<unknown>);
    last = answer.catch(() => undefined); // who asked gets the error
    return answer;
  };
  return { query: query as Queryable['query'] };
}
