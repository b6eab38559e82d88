/**
 * The one loop of the daemon. It is woken by NOTIFY, by a finished room and by the clock, which all say the same:
 * look. Each look folds the outbox, leases due rooms and drains them side by side.
 *
 * Leases live on one session. While it is ours and we are awake, nobody else works on those rooms; when it is lost,
 * or this process was frozen longer than `frozenMs`, nothing more is sent: every drain is aborted and, should it
 * still write something down, fenced by its epoch.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { backOffMs } from '../../back-off.ts';
import type { Queryable } from '../../database.ts';
import { databaseFailure, isContended, isOutage } from '../../database.ts';
import { NotInstalled, Permanent, Retryable, messageOf } from '../../errors.ts';
import type { Tell } from '../../facts.ts';
import {
  abandonRoom,
  doubtRooms,
  foldMost,
  releaseRoom,
  takeRooms,
  type LeasedRoom,
  type Taken,
  type Window,
} from '../store/work-list.ts';
import { createOutage } from './outage.ts';
import type { Drained } from '../apply/rest.ts';
import { itemsAtATime } from './drain.ts';

/** Rooms one daemon works on at a time, and how many of these places backfills must leave free. */
const roomsAtATime = 48;
const keptForLive = 12;
/** With other daemons alive each holds few, so that they share. */
const roomsAmongPeers = 8;
/** A gap this long on the monotonic clock means that we were frozen and others may have taken over. */
const frozenMs = 3_000;
const drainOutMs = 8_000;
/** A lease session that ends sooner than that was of no use. */
const briefMs = 10_000;
/**
 * What the lease session commits is on the server's disk after three times its `wal_writer_delay`, 0.6 s as it comes
 * (PostgreSQL: wal-async-commit); a crash of the server forgets what came later.
 */
const flushedMs = 2_000;
/** Peers look this often by themselves. */
const ringEveryMs = 250;

/** How often a statement that met others in the same rows is tried again, about a minute long, before it is told. */
const contendedMost = 20;

/** How the loop is woken and how long it may sleep: the listener and the adaptive NOTIFY behind it. */
export interface Rhythm {
  /** Resolves at the next ring, after `ms`, or when `signal` aborts. */
  waitOr(ms: number, signal: AbortSignal): Promise<void>;
  ring(): void;
  /** Told after each look how many outbox rows it folded and how long it took; may go hot or cold on the lease session. */
  afterTake(session: Queryable, folded: number, tookMs: number): Promise<void>;
  /** Bookings come so fast that the loop rests between two looks even after work: they go first. */
  readonly yields: boolean;
  /** The lease session is gone, and with it the hot lock. */
  lost(): void;
  /** How long the loop may wait for a ring before it looks again. */
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
  readonly drain: (room: LeasedRoom, signal: AbortSignal, stopping: AbortSignal) => Promise<Drained>;
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
  const running = new Map<number, { room: LeasedRoom; stop: AbortController; done: Promise<void> }>();
  const outlookDown = createOutage('outlook', tell);
  const bookingDown = createOutage('booking', tell);
  let awakeAt = performance.now();
  let requestedAt = Number.NEGATIVE_INFINITY;
  const givenBack = createRecent(flushedMs);
  let doubtful: readonly number[] = [];
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

  async function holdLease(signal: AbortSignal, succeeded: () => void): Promise<void> {
    const lease = await options.openLease();
    const session = oneAtATime(lease.session);
    options.leaseOpened?.();
    const held = new AbortController();
    current = held;
    leasePid = lease.pid;
    lease.lost.addEventListener('abort', () => held.abort(lease.lost.reason));
    awakeAt = performance.now();
    const until = AbortSignal.any([signal, held.signal]);
    if (doubtful.length > 0) await again(() => doubtRooms(session, doubtful, replica), until);
    doubtful = [];
    let hasLooked = false;
    // every other look is for all rooms, so that bookings without end keep none from its turn
    let changedFirst = false;
    try {
      await options.needAdapter(session);
      while (!until.aborted) {
        const startedAt = performance.now();
        const taken: Taken = await again(() => takeRooms(session, { ...lookFor(), changedFirst }), until);
        const tookMs = performance.now() - startedAt;
        hasLooked = true;
        changedFirst = !changedFirst || taken.folded === 0;
        bookingDown.over();
        succeeded();
        start(taken, session, held.signal, signal);
        await rhythm.afterTake(session, taken.folded, tookMs);
        if (taken.more && options.peers() > 0 && options.writes()) ringPeers();
        // what a full fold left behind is looked for at once; whatever comes later rings, and a look of its own would
        // only compete with what was just taken
        if (taken.folded < foldMost || rhythm.yields)
          await rhythm.waitOr(Math.min(rhythm.waitMs, outlookDown.probeInMs()), until);
      }
      if (held.signal.aborted) tell({ fact: 'lease-lost', reason: messageOf(held.signal.reason) });
      if (signal.aborted) await drainOut();
    } catch (error) {
      // a look may be the first to hear that the session has ended
      if (hasLooked) tell({ fact: 'lease-lost', reason: messageOf(error) });
      throw error;
    } finally {
      if (!signal.aborted) doubtful = [...doubtful, ...running.keys(), ...givenBack.all()];
      held.abort(new Error('the lease session was closed'));
      current = null;
      leasePid = null;
      rhythm.lost();
      await Promise.allSettled([...running.values()].map(({ done }) => done));
      await lease.close();
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

  /** Not at each look: our own ring comes back to us and is the next look. */
  function ringPeers(): void {
    if (performance.now() - requestedAt < ringEveryMs) return;
    requestedAt = performance.now();
    options.ringPeers();
  }

  function lookFor() {
    const places = !options.writes()
      ? 0
      : outlookDown.isDown()
        ? 1
        : options.peers() > 0
          ? roomsAmongPeers
          : roomsAtATime;
    const free = outlookDown.isResting() ? 0 : Math.max(0, places - running.size);
    return {
      replica,
      held: [...running.keys()],
      rooms: free,
      items: itemsAtATime,
      window,
      anyLane: running.size < Math.max(1, places - Math.min(keptForLive, places >> 2)),
      askedOnly: !autoSync,
    };
  }

  function start(taken: Taken, session: Queryable, held: AbortSignal, stopping: AbortSignal): void {
    for (const id of taken.stopped) running.get(id)?.stop.abort(new Error('the room was switched off'));
    for (const room of taken.rooms) {
      const stop = new AbortController();
      const done = work(room, session, AbortSignal.any([held, stop.signal]), stopping).finally(() => {
        running.delete(room.id);
        rhythm.ring();
      });
      running.set(room.id, { room, stop, done });
    }
  }

  /**
   * Drains one room and gives it back. Never rejects. `signal` cuts it off; at `stopping` it ends its round first, so
   * that nothing is sent that nobody writes down.
   */
  async function work(
    room: LeasedRoom,
    session: Queryable,
    signal: AbortSignal,
    stopping: AbortSignal,
  ): Promise<void> {
    let giveBack: () => Promise<void>;
    try {
      const drained = await drain(room, signal, stopping);
      if (drained.outage !== null) outlookDown.failed(drained.outage);
      else if (drained.answered) outlookDown.over();
      tellRoom(room, drained);
      giveBack = () => releaseRoom(session, room, drained.rest ?? askedRest(drained.outage));
    } catch (error) {
      const rest = restAfter(error, room, signal);
      giveBack = () => abandonRoom(session, room, rest);
    }
    // a lease that is lost is not given back: the room stays marked as abandoned, so its next holder looks at Outlook first
    if (current?.signal.aborted !== false) return;
    try {
      await again(giveBack, signal);
      givenBack.add(room.id);
    } catch (error) {
      // the lease ends with its session; if that is alive all the same, it must not keep the room
      const failure = databaseFailure(error, 'release a room');
      if (!(failure instanceof Retryable))
        tell({ fact: 'bug', error: failure, where: `giving back ${room.name}` });
      current?.abort(failure);
    }
  }

  /** Also in an outage each mailbox is left alone for as long as it asked. */
  function askedRest(outage: Drained['outage']): Drained['rest'] {
    if (!(outage instanceof Retryable) || outage.afterMs === undefined) return null;
    const { afterMs: ms, message: why, hint = null } = outage;
    return { ms, throttled: true, condition: 'waiting', why, hint };
  }

  function restAfter(error: unknown, room: LeasedRoom, signal: AbortSignal): Drained['rest'] {
    const failure = databaseFailure(error, 'drain a room');
    // no room can be worked on: the loop waits until it is there again
    if (failure instanceof NotInstalled) current?.abort(failure);
    const aborted = signal.aborted;
    const known = failure instanceof Retryable || failure instanceof Permanent;
    if (!aborted && !known) tell({ fact: 'bug', error: failure, where: `the drain of ${room.name}` });
    if (aborted) return null;
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

  /** Stopping: rounds under way are ended and written down, leases given back; after `drainOutMs` they are cut off. */
  async function drainOut(): Promise<void> {
    const cutOff = setTimeout(() => current?.abort(new Error('stopped')), drainOutMs);
    await Promise.allSettled([...running.values()].map(({ done }) => done));
    clearTimeout(cutOff);
  }

  return {
    run,
    maySend,
    /** The backend of the lease session, for the heartbeat. */
    leasePid: () => leasePid,
    /** Rooms being worked on now. */
    working: () => [...running.values()].map(({ room }) => room),
    isOutlookDown: () => outlookDown.isDown(),
    isBookingDown: () => bookingDown.isDown(),
  };
}

const quiet = (ms: number, signal: AbortSignal): Promise<void> =>
  pause(ms, undefined, { signal }).catch(() => undefined); // stopping cuts it short

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
