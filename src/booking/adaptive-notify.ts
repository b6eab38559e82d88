/**
 * When booking writes need not wake us: adaptive NOTIFY. A notifying commit takes a lock that all committing
 * transactions of the cluster share, until its WAL is flushed (PostgreSQL source, async.c, PreCommit_Notify): busy
 * writers keep a third of their throughput. So while work comes in quick succession we hold an advisory lock and poll,
 * and `bridge_wake()` notifies only when it can get that lock shared.
 *
 *     notifying ──(notifications come fast: take the lock)──► polling ──(nothing folded for a while: release it)──► draining
 *      ▲                                                        ▲ └── the lock was refused, or lost with its session ──► │
 *      │                                                        └────────────(notifications come fast)────────────────── │
 *      └───────────── nothing folded by a take that began after every transaction before the barrier had ended ◄─────────┘
 *
 * - notifying: LISTENing; a booking now and then stays here and is taken at once. Latency is what counts.
 * - polling: the triggers are silent, and the loop takes every few ms.
 * - draining: the triggers notify again, but a transaction whose trigger ran while they were silent may commit at any
 *   later time without a notification. It had its transaction id before it tried the lock. So once the lock is
 *   released we take an id of our own, the barrier: when no transaction below it is running (it is `xmin` of a
 *   snapshot at least), all of them are visible to the next take. `pg_snapshot_xmax` is no barrier: it is the last
 *   completed id + 1, and running transactions lie above it.
 *
 * They are silent as well while no daemon is there: each holds a second lock, shared, from before its first barrier on, and
 * a trigger that can take that lock alone does not notify. Two triggers that try in the same moment may notify needlessly.
 *
 * Whenever the triggers may have been silent without us polling, we drain: at the start (a predecessor may have been
 * killed while polling), after our session was lost, after another daemon vanished, and after a lock that was asked for and
 * not granted (a waiting request silences the triggers too: a shared try fails behind a waiting exclusive one).
 */
import type { WakeMode } from '../config.ts';
import { sqlState, type Queryable } from '../database.ts';
import { locks } from '../locks.ts';

export interface AdaptiveNotifyOptions {
  readonly mode: WakeMode;
  /** Other daemons alive on this database. */
  readonly peers?: () => number;
  /** Whether the listener receives notifications. While it does not, takes are more frequent. */
  readonly heard?: () => boolean;
  /** Milliseconds on a monotonic clock. */
  readonly now?: () => number;
  readonly tuning?: Partial<Tuning>;
}

export interface Tuning {
  /** After `burst` notifications within `burstMs` we poll. */
  readonly burst: number;
  readonly burstMs: number;
  /** Maximum wait for the lock. It is kept for microseconds, unless another daemon polls. */
  readonly lockMs: number;
  /**
   * Polling: the minimum time between two takes, and as a multiple of the duration of the last take, because folding takes
   * processor time from the bookings. After a take that folded more than `few`, changes come faster than people book, and the
   * pause is longer, but at most `restMostMs`.
   *
   * After a take that folded `countFrom` at least, the pause depends on how many bookings are written, as a multiple of those that
   * takes fold with that longer pause. More than `flood`: only its end lets the takes catch up, and the pause is longer still. Less
   * than `calm`, after a statement of many rows or after a flood: the pause is the shorter one, because it protects few bookings.
   */
  readonly restMs: number;
  readonly restFactor: number;
  readonly few: number;
  readonly restFactorOfMany: number;
  readonly restMostMs: number;
  readonly countFrom: number;
  readonly flood: number;
  readonly calm: number;
  readonly restFactorOfFlood: number;
  readonly restMostOfFloodMs: number;
  /** Polling: the lock is released after this time without a folded change. */
  readonly quietMs: number;
  /** Draining: between two takes, and `drainLongMs` between two takes after `drainLongAfterMs`. */
  readonly drainMs: number;
  readonly drainLongAfterMs: number;
  readonly drainLongMs: number;
  /** Notifying: takes without a notification, as a safety net, alone and with other daemons alive. */
  readonly backstopMs: number;
  readonly backstopAmongPeersMs: number;
  /** WAKE=poll: between two takes soon after work, and otherwise. */
  readonly pollBusyMs: number;
  readonly pollMs: number;
}

export const defaultTuning: Tuning = {
  burst: 10,
  burstMs: 100,
  lockMs: 50,
  restMs: 8,
  restFactor: 5,
  few: 5,
  restFactorOfMany: 12,
  restMostMs: 150,
  countFrom: 100,
  flood: 1.25,
  calm: 0.1,
  restFactorOfFlood: 60,
  restMostOfFloodMs: 500,
  quietMs: 150,
  drainMs: 20,
  drainLongAfterMs: 5_000,
  drainLongMs: 250,
  backstopMs: 1_000,
  backstopAmongPeersMs: 250,
  pollBusyMs: 20,
  pollMs: 50,
};

type State =
  | { readonly is: 'notifying' }
  | { readonly is: 'polling' }
  /** `barrier`: null until it is taken. `passed`: no transaction below it is running, so the next take sees them all. */
  | {
      readonly is: 'draining';
      readonly since: number;
      readonly barrier: string | null;
      readonly passed: boolean;
    };

export interface AdaptiveNotify {
  readonly state: State['is'];
  /** Maximum time until the next take. */
  readonly waitMs: number;
  /** Whether to wait even after a take that folded something, so that bookings go first. */
  readonly yields: boolean;
  /** A notification arrived. */
  notified(): void;
  /**
   * Called after each take with the number of folded outbox rows (-1: another daemon was folding) and its duration in
   * milliseconds. Runs a few statements on `session`, which holds the lock while we poll, and none for occasional bookings.
   * Throws what they throw; the session must then be closed and `lost` called.
   */
  afterTake(session: Queryable, folded: number, tookMs?: number): Promise<void>;
  /** The session is gone, and with it the lock. */
  lost(): void;
}

export function createAdaptiveNotify(options: AdaptiveNotifyOptions): AdaptiveNotify {
  const { mode, peers = () => 0, heard = () => true, now = () => performance.now() } = options;
  const tuning = { ...defaultTuning, ...options.tuning };
  const isBurst = createBurst(tuning.burst, tuning.burstMs);
  let state: State = { is: 'draining', since: now(), barrier: null, passed: false };
  let isBusy = false;
  let workedAt = Number.NEGATIVE_INFINITY;
  let peersBefore = 0;
  let lastTookMs = 0;
  let lastFolded = 0;
  // after the last take, if it folded many: the next transaction id of the cluster, and the time
  let counted: { readonly at: number; readonly id: number } | null = null;
  // bookings written meanwhile, as a multiple of those that takes can fold; null: not counted
  let load: number | null = null;
  // whether this session holds the lock that shows that a daemon is alive
  let isPresent = false;

  const drain = (barrier: string | null = null) => {
    state = { is: 'draining', since: now(), barrier, passed: false };
  };

  async function startPolling(session: Queryable): Promise<void> {
    isBusy = false;
    counted = null;
    load = null;
    // the triggers are silent from here on, and if the next line fails, changes without a notification are found by draining
    drain();
    if (!(await isLocked(session, `pg_advisory_lock(${locks.adaptiveNotify})`))) return;
    workedAt = now();
    state = { is: 'polling' };
  }

  /** False: it was not granted in time. */
  async function isLocked(session: Queryable, lock: string): Promise<boolean> {
    try {
      await session.query(`SET LOCAL lock_timeout = ${Math.ceil(tuning.lockMs)}; SELECT ${lock}`);
      return true;
    } catch (error) {
      if (sqlState(error) === lockNotAvailable) return false;
      throw error;
    }
  }

  async function stopPolling(session: Queryable): Promise<void> {
    drain();
    await session.query(`SELECT pg_advisory_unlock(${locks.adaptiveNotify})`);
    await raiseBarrier(session);
  }

  /**
   * After the lock is released and our presence is known: a transaction that was silent for either reason must have the smaller
   * id.
   */
  async function raiseBarrier(session: Queryable): Promise<void> {
    isPresent ||= await isLocked(session, `pg_advisory_lock_shared(${locks.present})`);
    if (!isPresent) return;
    const { rows } = await session.query<{ barrier: string }>('SELECT pg_current_xact_id()::text AS barrier');
    drain(rows[0]!.barrier);
    await checkBarrier(session);
  }

  async function checkBarrier(session: Queryable): Promise<void> {
    if (state.is !== 'draining' || state.passed) return;
    const { rows } = await session.query<{ passed: boolean }>(
      'SELECT pg_snapshot_xmin(pg_current_snapshot()) >= $1::xid8 AS passed',
      [state.barrier],
    );
    state = { ...state, passed: rows[0]!.passed };
  }

  async function afterTake(session: Queryable, folded: number, tookMs = 0): Promise<void> {
    lastTookMs = tookMs;
    lastFolded = folded;
    if (folded > 0) workedAt = now();
    if (mode === 'poll') return;
    const peersNow = peers();
    if (peersNow < peersBefore && state.is === 'notifying') drain();
    peersBefore = peersNow;
    if (isBusy && mode === 'adaptive' && state.is !== 'polling') return await startPolling(session);
    isBusy = false;
    switch (state.is) {
      case 'notifying':
        return;
      case 'polling':
        if (folded === 0 && now() - workedAt >= tuning.quietMs) await stopPolling(session);
        else await countBookings(session);
        return;
      case 'draining':
        if (state.barrier === null) return await raiseBarrier(session);
        // `passed` was read before this take, so this take has seen all transactions below the barrier
        if (state.passed && folded === 0) state = { is: 'notifying' };
        else await checkBarrier(session);
    }
  }

  /** After a take that folded many. */
  async function countBookings(session: Queryable): Promise<void> {
    load = null;
    if (lastFolded < tuning.countFrom) {
      counted = null;
      return;
    }
    const { rows } = await session.query<{ id: string }>({
      name: 'read_next_transaction',
      text: 'SELECT pg_snapshot_xmax(pg_current_snapshot())::text AS id',
    });
    const since = counted;
    counted = { at: now(), id: Number(rows[0]!.id) };
    if (since === null || counted.at <= since.at) return;
    const written = (counted.id - since.id) / idsOfBooking;
    const foldable = ((counted.at - since.at) * lastFolded) / (lastTookMs * (1 + tuning.restFactorOfMany));
    load = written / foldable;
  }

  function restMs(): number {
    if (load !== null && load > tuning.flood)
      return Math.min(tuning.restMostOfFloodMs, tuning.restFactorOfFlood * lastTookMs);
    const isLong = lastFolded > tuning.few && (load === null || load >= tuning.calm);
    const factor = isLong ? tuning.restFactorOfMany : tuning.restFactor;
    return Math.max(tuning.restMs, Math.min(tuning.restMostMs, factor * lastTookMs));
  }

  function waitMs(): number {
    const sinceWork = now() - workedAt;
    const polling = sinceWork < 2_000 ? tuning.pollBusyMs : tuning.pollMs;
    if (mode === 'poll') return polling;
    switch (state.is) {
      case 'notifying':
        return !heard() ? polling : peers() > 0 ? tuning.backstopAmongPeersMs : tuning.backstopMs;
      case 'polling':
        return restMs();
      case 'draining':
        if (state.barrier === null || state.passed) return 0;
        if (now() - state.since < tuning.drainLongAfterMs) return tuning.drainMs;
        return heard() ? tuning.drainLongMs : polling;
    }
  }

  return {
    get state() {
      return state.is;
    },
    get waitMs() {
      return waitMs();
    },
    get yields() {
      return state.is === 'polling';
    },
    notified: () => {
      isBusy = isBurst(now()) || isBusy;
    },
    afterTake,
    lost: () => {
      isPresent = false;
      drain();
    },
  };
}

/** A booking takes a transaction id for itself, and its trigger one for the block with the exception handler. */
const idsOfBooking = 2;

/** https://www.postgresql.org/docs/current/errcodes-appendix.html: lock_not_available */
const lockNotAvailable = '55P03';

/** Whether a moment and the `size - 1` before it lie within `withinMs`. */
export function createBurst(size: number, withinMs: number): (at: number) => boolean {
  const last: number[] = [];
  return (at) => {
    last.push(at);
    if (last.length > size) last.shift();
    return last.length === size && at - last[0]! <= withinMs;
  };
}
