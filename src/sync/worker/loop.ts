/**
 * The work loop of the daemon. NOTIFY, a finished room and the clock wake it for the same purpose: to take what is due. Each take
 * folds the outbox and leases due rooms, which are drained concurrently.
 *
 * The leases belong to one session. When it is lost, or this process was frozen (`send-guard.ts`), another daemon may have the
 * rooms: nothing more is sent, every drain is aborted, and a late write is fenced by its epoch.
 */
import { backOffMs } from '../../back-off.ts';
import { oneAtATime } from '../../calls.ts';
import { isOfBookingSystem } from '../../adapter-error.ts';
import { databaseFailure, EarlyQuery, isContended, isOutage, type Queryable } from '../../database.ts';
import { messageOf, Permanent } from '../../errors.ts';
import type { Tell } from '../../facts.ts';
import { queriedBy } from '../../query.ts';
import { sleep as pause } from '../../sleep.ts';
import {
  createRelease,
  foldMost,
  takeRooms,
  type Taken,
  type TakeOptions,
  type Window,
} from '../store/work-list.ts';
import { unreadableHint } from '../store/readable-items.ts';
import type { SentInRoom } from '../store/sent.ts';
import { createDoubt } from './doubt.ts';
import { createOutage, createProbe } from './outage.ts';
import { createPlaces } from './places.ts';
import { createRunningRooms, type Drain, type LeaseSession } from './running-rooms.ts';
import { createSendGuard } from './send-guard.ts';
import { itemsAtATime } from './drain.ts';

/** Rooms of one take, so that their first items are sent before the next ones are read. */
const roomsATake = 16;
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

type TakeOrder = Pick<TakeOptions, 'changedFirst' | 'foldsApart'>;

const firstOrder: TakeOrder = { changedFirst: false, foldsApart: false };

/** Every other take is of all rooms, so that continuous bookings delay no room forever; so is one that follows a full fold. */
const nextOrder = ({ isOfAll, foldIsFull }: Take): TakeOrder => ({
  changedFirst: isOfAll && !foldIsFull,
  foldsApart: foldIsFull,
});

interface Take {
  readonly taken: Taken;
  /** Rooms that it could take at most. */
  readonly places: number;
  /** Rooms with nothing but a poll, backfill or comparison were included. */
  readonly anyLane: boolean;
  /** All due rooms were considered, not only those of the folded changes. */
  readonly isOfAll: boolean;
  /** More changes may wait in the outbox. */
  readonly foldIsFull: boolean;
}

export function createWork(options: WorkOptions) {
  const { replica, drain, wakes, pace, window, tell, random = Math.random, sleep = pause } = options;
  const outlookDown = createOutage('outlook', tell);
  const bookingDown = createOutage('booking', tell);
  const guard = createSendGuard();
  const probe = createProbe(outlookDown);
  const doubt = createDoubt(options);
  const retry = <T>(statement: () => Promise<T>, signal: AbortSignal) =>
    retryContended(statement, signal, (attempt) => sleep(backOffMs(attempt, random()), signal));
  let takes = 0;
  /** Rooms are due for which there is no place. */
  let othersWait = false;
  /** Failed attempts since the last take. */
  let failures = 0;
  /** Resolves when the last take was committed, or has failed. */
  let recorded: Promise<unknown> = Promise.resolve();
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
  const places = createPlaces({
    writes: options.writes,
    peers: options.peers,
    outlookDown,
    running: running.count,
  });
  // not at each take: our own wake-up comes back and causes the next one
  const ringPeers = atMostEvery(ringIntervalMs, options.ringPeers);

  async function run(signal: AbortSignal): Promise<void> {
    using _watched = guard.watch();
    let brief = 0;
    while (!signal.aborted) {
      const openedAt = performance.now();
      try {
        await holdLease(signal);
        brief = performance.now() - openedAt < briefMs ? brief + 1 : 0;
        // a lost session is replaced at once, unless the new one is lost, too: each costs a read of the rooms
        if (brief > 1) await sleep(backOffMs(brief - 2, random()), signal);
      } catch (error) {
        const failure = failureOfSide(error);
        if (!isOutage(failure)) tell({ fact: 'bug', error: failure, where: 'the work loop' });
        bookingDown.failed(failure);
        await wakes.waitOr(backOffMs(failures++, random()), signal);
      }
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
      if (!signal.aborted) doubt.add(running.unflushed());
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

  async function takeUntilEnd(lease: Lease, stopping: AbortSignal): Promise<void> {
    const { session, ended } = lease;
    const until = AbortSignal.any([stopping, ended.signal]);
    const storeDoubt = () => retry(() => doubt.store(session, ended.signal), until);
    await storeDoubt();
    await options.needAdapter(session);
    let order = firstOrder;
    // rooms that are taken after a freeze would be lost with the session, and compared under the next one
    while (!stopping.aborted && guard.maySend()) {
      await storeDoubt();
      const startedAt = performance.now();
      const take = await retry(() => takeInOrder(session, order), until);
      if (probe.isThrough(take.taken, take.places)) {
        probe.beginAnew();
        continue;
      }
      probe.taken(take.taken);
      const tookMs = performance.now() - startedAt;
      lease.hasTaken = true;
      order = nextOrder(take);
      await startRooms(take, lease, stopping);
      await pace.afterTake(session, take.taken.folded, tookMs);
      if (take.taken.more && options.peers() > 0 && options.writes()) ringPeers();
      // what a full fold or a full take left is taken at once; later changes wake the loop
      const leftSome = take.foldIsFull || (take.taken.more && places.free() > 0);
      if (!leftSome || pace.yields) await wakes.waitOr(Math.min(pace.waitMs, outlookDown.probeInMs()), until);
    }
  }

  async function takeInOrder(session: Queryable, order: TakeOrder): Promise<Take> {
    takes += 1;
    const wanted = Math.min(places.free(), roomsATake);
    const anyLane = places.areForOthers();
    const taken = await takeRooms(session, {
      replica,
      held: [...running.ids(), ...doubt.rooms(), ...(outlookDown.isDown() ? probe.tried() : [])],
      rooms: wanted,
      items: itemsAtATime,
      window,
      anyLane,
      askedOnly: !options.autoSync,
      ...order,
    });
    const isOfAll = !order.changedFirst || taken.folded === 0;
    return { taken, places: wanted, anyLane, isOfAll, foldIsFull: taken.folded >= foldMost };
  }

  /** Resolves when the first requests of the rooms are sent and the take is committed. If the commit fails, it throws. */
  async function startRooms(take: Take, lease: Lease, stopping: AbortSignal): Promise<void> {
    const { taken, anyLane, isOfAll } = take;
    // a take of the changed rooms says nothing about the others
    if (isOfAll || taken.more) othersWait = taken.more;
    bookingDown.over();
    failures = 0;
    recorded = taken.recorded.catch(() => undefined);
    running.start(taken, isOfAll && anyLane && !taken.more, lease, stopping);
    // the first requests of the rooms are sent before anything else
    if (taken.rooms.length > 0) await requestsSent();
    // if it fails, all leases end: what was sent under them is not known
    await taken.recorded;
  }

  /** Rooms complete and store their rounds and are released; after `drainOutMs` they are cut off. */
  async function drainOut({ ended }: Lease): Promise<void> {
    const cutOff = setTimeout(() => ended.abort(new Error('stopped')), drainOutMs);
    await running.ended();
    clearTimeout(cutOff);
  }

  return {
    run,
    needLease: guard.needLease,
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

/** A failing view is no bug of ours, and no room can be worked on while it stops a take. */
function failureOfSide(error: unknown): Error {
  const failure = databaseFailure(error, 'work');
  return isOfBookingSystem(error)
    ? new Permanent(failure.message, { reach: 'side', hint: unreadableHint, cause: error })
    : failure;
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
