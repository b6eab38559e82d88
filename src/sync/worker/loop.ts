/**
 * The work loop of the daemon. NOTIFY, a finished room and the clock wake it for the same purpose: to take what is due. Each take
 * folds the outbox and leases due rooms, which are drained concurrently.
 *
 * The leases belong to one session. When it is lost, or this process was frozen longer than `frozenMs`, another daemon may have the
 * rooms: nothing more is sent, every drain is aborted, and a late write is fenced by its epoch.
 */
import { backOffMs } from '../../back-off.ts';
import { oneAtATime } from '../../calls.ts';
import { databaseFailure, EarlyQuery, isContended, isOutage, type Queryable } from '../../database.ts';
import { Retryable, messageOf } from '../../errors.ts';
import type { Tell } from '../../facts.ts';
import { queriedBy } from '../../query.ts';
import { sleep as pause } from '../../sleep.ts';
import {
  createRelease,
  doubtRooms,
  foldMost,
  takeRooms,
  type TakeOptions,
  type Window,
} from '../store/work-list.ts';
import type { SentInRoom } from '../store/sent.ts';
import { createOutage, createProbe } from './outage.ts';
import { createRunningRooms, type Drain, type LeaseSession } from './running-rooms.ts';
import { itemsAtATime } from './drain.ts';

/** Rooms that one daemon works on at a time: as many as it has calls in flight, because a room may need only one. */
const roomsAtATime = 64;
/** Rooms for a poll, backfill or comparison are started while fewer than these are worked on, so that changes find a place at once. */
const otherRoomsAtATime = 36;
/** Rooms of one take, so that their first items are sent before the next ones are read. */
const roomsATake = 16;
/** Rooms at a time while other daemons are alive, so that they share them. */
const roomsAmongPeers = 8;
/** A longer gap on the monotonic clock means that this process was frozen and others may have taken over. */
const frozenMs = 3_000;
const tickMs = 250;
/** At shutdown, rooms may complete their rounds for this time. */
const drainOutMs = 8_000;
/** A lease session that ends sooner counts as failed. */
const briefMs = 10_000;
/** Minimum interval of wake-ups of other daemons, which also take what is due by themselves. */
const ringIntervalMs = 250;
/** Retries of a statement that meets concurrent writers, about a minute in total. */
const contendedMost = 20;

/** The wake-ups of the loop, from the listener and from finished rooms. */
interface Wakes {
  /** Resolves at the next wake-up, after `ms`, or when `signal` aborts. */
  waitOr(ms: number, signal: AbortSignal): Promise<void>;
  ring(): void;
}

/** The pace of the takes, as adaptive notify sets it. */
interface Pace {
  /** Called after each take with its folded outbox rows and duration; may begin and end polling on the lease session. */
  afterTake(session: Queryable, folded: number, tookMs: number): Promise<void>;
  /** Bookings are so frequent that the loop rests between two takes, to leave the database to them. */
  readonly yields: boolean;
  /** Called when the lease session, and with it the lock for polling, is gone. */
  lost(): void;
  /** Maximum wait for a wake-up before the next take. */
  readonly waitMs: number;
}

/** The session of our leases. */
interface OpenedSession {
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
  readonly openLease: () => Promise<OpenedSession>;
  /** Throws NotInstalled while the booking system cannot be read. */
  readonly needAdapter: (session: Queryable) => Promise<void>;
  readonly drain: Drain;
  /** Called for each new lease session before its use. */
  readonly leaseOpened?: () => void;
  readonly wakes: Wakes;
  readonly pace: Pace;
  readonly window: Window;
  /** While false, changes are captured and folded, but not sent (START_MODE plan or shadow). */
  readonly writes: () => boolean;
  /** With false, only requested rooms are worked on. */
  readonly autoSync: boolean;
  /** The number of other daemons. */
  readonly peers: () => number;
  /** Wakes the other daemons: more rooms are due than we work on. */
  readonly ringPeers: () => void;
  /** What was sent of late in these rooms. */
  readonly sentIn: (rooms: readonly number[]) => readonly SentInRoom[];
  readonly tell: Tell;
  readonly random?: () => number;
  readonly sleep?: (ms: number, signal: AbortSignal) => Promise<void>;
}

/** A lease session in use. */
interface Lease extends LeaseSession {
  /** A take has succeeded. */
  hasTaken: boolean;
}

export function createWork(options: WorkOptions) {
  const { replica, drain, wakes, pace, window, tell, random = Math.random, sleep = pause } = options;
  const outlookDown = createOutage('outlook', tell);
  const bookingDown = createOutage('booking', tell);
  const guard = createSendGuard();
  const probe = createProbe(outlookDown);
  const retry = <T>(statement: () => Promise<T>, signal: AbortSignal) =>
    retryContended(statement, signal, (attempt) => sleep(backOffMs(attempt, random()), signal));
  let takes = 0;
  /** Rooms are due for which there is no place. */
  let othersWait = false;
  /** Failed attempts since the last take. */
  let failures = 0;
  /** Resolves when the last take was committed, or has failed. */
  let recorded: Promise<unknown> = Promise.resolve();
  /** Rooms whose last writes a crash of the server may have lost, and what was sent in them just before the session ended. */
  let doubtful: { readonly rooms: readonly number[]; readonly sent: readonly SentInRoom[] } = noDoubt;
  let leasePid: number | null = null;
  const running = createRunningRooms({
    drain,
    othersWait: () => othersWait,
    outlookDown,
    retry,
    finished: () => wakes.ring(),
    takes: () => takes,
    tell,
  });
  const places = createPlaces(options, outlookDown, running.count);
  // not at each take: our own wake-up comes back and causes the next one
  const ringPeers = atMostEvery(ringIntervalMs, options.ringPeers);

  async function run(signal: AbortSignal): Promise<void> {
    const ticking = setInterval(guard.tick, tickMs);
    let brief = 0;
    try {
      while (!signal.aborted) {
        const openedAt = performance.now();
        try {
          await holdLease(signal);
          brief = performance.now() - openedAt < briefMs ? brief + 1 : 0;
          // a lost session is replaced at once, unless the new one is lost, too: each costs a read of the rooms
          if (brief > 1) await sleep(backOffMs(brief - 2, random()), signal);
        } catch (error) {
          const failure = databaseFailure(error, 'work');
          if (!isOutage(failure)) tell({ fact: 'bug', error: failure, where: 'the work loop' });
          bookingDown.failed(failure);
          await wakes.waitOr(backOffMs(failures++, random()), signal);
        }
      }
    } finally {
      clearInterval(ticking);
    }
  }

  /** Opens a lease session and works until it ends or `signal` aborts. */
  async function holdLease(signal: AbortSignal): Promise<void> {
    const opened = await options.openLease();
    const ended = new AbortController();
    const session = inOrder(opened.session);
    const lease: Lease = { session, release: createRelease(session), ended, hasTaken: false };
    options.leaseOpened?.();
    guard.begin(ended);
    leasePid = opened.pid;
    ended.signal.addEventListener('abort', () => {
      // now: the rooms end soon, and the next session may be opened much later, after the restart of the server
      if (!signal.aborted) noteDoubt();
      running.cutOff(ended.signal.reason);
    });
    opened.lost.addEventListener('abort', () => ended.abort(opened.lost.reason));
    try {
      await takeUntilEnd(lease, signal);
      if (ended.signal.aborted) tell({ fact: 'lease-lost', reason: messageOf(ended.signal.reason) });
      if (signal.aborted) await drainOut(lease);
    } catch (error) {
      // a take may be the first to notice the end of the session
      if (lease.hasTaken) tell({ fact: 'lease-lost', reason: messageOf(error) });
      throw error;
    } finally {
      ended.abort(new Error('the lease session was closed'));
      guard.end();
      leasePid = null;
      pace.lost();
      await running.ended();
      await opened.close();
    }
  }

  function noteDoubt(): void {
    const rooms = running.unflushed();
    doubtful = {
      rooms: [...doubtful.rooms, ...rooms],
      sent: [...doubtful.sent, ...options.sentIn(rooms)],
    };
  }

  /** Stores the doubt about rooms. Those that an open transaction of others has locked stay doubtful and are not leased. */
  async function storeDoubt({ session, ended }: Lease, until: AbortSignal): Promise<void> {
    const { rooms, sent } = doubtful;
    if (rooms.length === 0) return;
    const locked = await retry(() => doubtRooms(session, rooms, sent, replica), until);
    // the end of the session has added to it
    if (ended.signal.aborted) return;
    // what is stored is not stored again: each time makes its mapping due
    doubtful = { rooms: locked, sent: sent.filter(({ room }) => locked.includes(room)) };
  }

  async function takeUntilEnd(lease: Lease, stopping: AbortSignal): Promise<void> {
    const { session } = lease;
    const until = AbortSignal.any([stopping, lease.ended.signal]);
    await storeDoubt(lease, until);
    await options.needAdapter(session);
    // every other take is for all rooms, so that continuous bookings delay no room forever
    let changedFirst = false;
    let foldsApart = false;
    while (!until.aborted) {
      await storeDoubt(lease, until);
      const startedAt = performance.now();
      changedFirst &&= !foldsApart;
      const { wanted, taken } = await retry(() => take(session, { changedFirst, foldsApart }), until);
      if (probe.beginsAnew(taken, wanted.rooms)) continue;
      const tookMs = performance.now() - startedAt;
      // a take for the changed rooms says nothing about the others
      if (!changedFirst || taken.folded === 0 || taken.more) othersWait = taken.more;
      changedFirst = !changedFirst || taken.folded === 0;
      foldsApart = taken.folded >= foldMost;
      bookingDown.over();
      lease.hasTaken = true;
      failures = 0;
      recorded = taken.recorded.catch(() => undefined);
      running.start(taken, changedFirst && wanted.anyLane && !taken.more, lease, stopping);
      // the first requests of the rooms are sent before anything else
      if (taken.rooms.length > 0) await requestsSent();
      // if it fails, all leases end: what was sent under them is not known
      await taken.recorded;
      await pace.afterTake(session, taken.folded, tookMs);
      if (taken.more && options.peers() > 0 && options.writes()) ringPeers();
      // what a full fold or a full take left is taken at once; later changes wake the loop
      const isPart = taken.folded >= foldMost || (taken.more && places.free() > 0);
      if (!isPart || pace.yields) await wakes.waitOr(Math.min(pace.waitMs, outlookDown.probeInMs()), until);
    }
  }

  async function take(session: Queryable, how: Pick<TakeOptions, 'changedFirst' | 'foldsApart'>) {
    const wanted = { ...takeOptions(), ...how };
    takes += 1;
    return { wanted, taken: await takeRooms(session, wanted) };
  }

  const takeOptions = (): Omit<TakeOptions, 'changedFirst' | 'foldsApart'> => ({
    replica,
    held: [...running.ids(), ...doubtful.rooms, ...(outlookDown.isDown() ? probe.tried() : [])],
    rooms: Math.min(places.free(), roomsATake),
    items: itemsAtATime,
    window,
    anyLane: places.areForOthers(),
    askedOnly: !options.autoSync,
  });

  /** Rooms complete and store their rounds and are released; after `drainOutMs` they are cut off. */
  async function drainOut({ ended }: Lease): Promise<void> {
    const cutOff = setTimeout(() => ended.abort(new Error('stopped')), drainOutMs);
    await running.ended();
    clearTimeout(cutOff);
  }

  return {
    run,
    maySend: guard.maySend,
    /** The backend of the lease session, for the heartbeat. */
    leasePid: () => leasePid,
    /** Resolves when the leases and the fold of the last take were committed, or this has failed. */
    recorded: () => recorded,
    /** Rooms that are worked on now. */
    working: running.rooms,
    isOutlookDown: () => outlookDown.isDown(),
    isBookingDown: () => bookingDown.isDown(),
  };
}

const noDoubt = { rooms: [], sent: [] };

/** The rooms that may be worked on at a time; `running`: the number of those that are. */
function createPlaces(
  { writes, peers }: Pick<WorkOptions, 'writes' | 'peers'>,
  outlookDown: ReturnType<typeof createOutage>,
  running: () => number,
) {
  function most(): number {
    if (!writes()) return 0;
    if (outlookDown.isDown()) return 1;
    return peers() > 0 ? roomsAmongPeers : roomsAtATime;
  }
  return {
    free: () => (outlookDown.isResting() ? 0 : Math.max(0, most() - running())),
    /** There is a place for a room with nothing but a poll, backfill or comparison. */
    areForOthers(): boolean {
      const all = most();
      return running() < (all < roomsAtATime ? Math.max(1, all - (all >> 2)) : otherRoomsAtATime);
    },
  };
}

/** The same function, which does nothing if it was called within the last `ms`. */
function atMostEvery(ms: number, work: () => void): () => void {
  let calledAt = Number.NEGATIVE_INFINITY;
  return () => {
    if (performance.now() - calledAt < ms) return;
    calledAt = performance.now();
    work();
  };
}

/**
 * For the statements of drains: a take is answered before it is committed, and they are sent after that. Where the commit failed, they
 * are fenced.
 */
export const afterRecord = (db: Queryable, recorded: () => Promise<unknown>): Queryable =>
  queriedBy(db, (query) => recorded().then(query));

/** Whether calls may be sent: the lease session exists, and this process was not frozen. */
function createSendGuard() {
  let awakeAt = performance.now();
  let current: AbortController | null = null;
  function endIfFrozen(): void {
    if (performance.now() - awakeAt > frozenMs) current?.abort(new Error('this process was frozen'));
  }
  return {
    begin(ended: AbortController): void {
      current = ended;
      awakeAt = performance.now();
    },
    end(): void {
      current = null;
    },
    tick(): void {
      endIfFrozen();
      awakeAt = performance.now();
    },
    /** Throws Retryable when nothing may be sent. */
    maySend(): void {
      endIfFrozen();
      if (current === null || current.signal.aborted)
        throw new Retryable('the lease is lost; another daemon may hold the room', { reach: 'room' });
    },
  };
}

/** Repeats a statement that meets concurrent writers of the same rows. */
async function retryContended<T>(
  statement: () => Promise<T>,
  signal: AbortSignal,
  rest: (attempt: number) => Promise<void>,
): Promise<T> {
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await statement();
    } catch (error) {
      if (!isContended(error) || attempt >= contendedMost || signal.aborted) throw error;
      if (attempt >= 3) await rest(attempt - 3);
    }
  }
}

/** Resolves after requests made now are sent: on an idle connection undici sends at the end of a turn of the event loop. */
const requestsSent = () => new Promise<void>((resolve) => void setImmediate(() => setImmediate(resolve)));

/** The session with one query at a time: pg queues them itself, but its next version will refuse to. */
function inOrder(session: Queryable): Queryable {
  const afterLast = oneAtATime();
  return queriedBy(session, (query, asked) =>
    afterLast(async () => {
      const result = await query();
      if (asked instanceof EarlyQuery) await asked.ended;
      return result;
    }),
  );
}
