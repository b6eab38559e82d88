/** The tenant's time: real time plus the time that tests have skipped, with timers that `advance` fires early. */
export interface Clock {
  /** Milliseconds since 1970, as the tenant sees them. */
  now(): number;
  /** Runs `act` once that many milliseconds from now, unless cancelled. Never keeps the process alive. */
  after(ms: number, act: () => void): () => void;
  /** Moves the time forward and runs all due timers in order, including those that they set. */
  advance(ms: number): void;
  /** Cancels every timer. */
  stop(): void;
}

interface Timer {
  readonly dueAt: number;
  readonly act: () => void;
  handle: NodeJS.Timeout;
}

/** The longest delay setTimeout takes; beyond it Node fires at once. */
const LONGEST_MS = 2 ** 31 - 1;

export function createClock(): Clock {
  const timers = new Set<Timer>();
  let skippedMs = 0;
  let stopped = false;
  const now = () => Date.now() + skippedMs;

  const fire = (timer: Timer) => {
    clearTimeout(timer.handle);
    if (timers.delete(timer)) timer.act();
  };
  const arm = (timer: Timer) => {
    const ms = Math.min(Math.max(0, timer.dueAt - now()), LONGEST_MS);
    return setTimeout(() => fire(timer), ms).unref();
  };
  const firstDue = () => {
    let first: Timer | undefined;
    for (const timer of timers) {
      if (timer.dueAt <= now() && (!first || timer.dueAt < first.dueAt)) first = timer;
    }
    return first;
  };

  return {
    now,
    after(ms, act) {
      if (stopped) return () => {};
      const timer: Timer = { dueAt: now() + ms, act, handle: undefined as unknown as NodeJS.Timeout };
      timer.handle = arm(timer);
      timers.add(timer);
      return () => {
        clearTimeout(timer.handle);
        timers.delete(timer);
      };
    },
    advance(ms) {
      skippedMs += ms;
      for (let due = firstDue(); due; due = firstDue()) fire(due);
      for (const timer of timers) {
        clearTimeout(timer.handle);
        timer.handle = arm(timer);
      }
    },
    stop() {
      stopped = true;
      for (const timer of timers) clearTimeout(timer.handle);
      timers.clear();
    },
  };
}

/**
 * Milliseconds on the machine's monotonic clock, fractions included. Unlike `performance.now()` the
 * origin is the same in every process of one machine, so a benchmark may compare journals across them.
 */
export const monotonicMs = () => Number(process.hrtime.bigint()) / 1e6;
