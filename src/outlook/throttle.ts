/**
 * Limits concurrent calls: at most 4 per mailbox, because Graph refuses a fifth (Microsoft: throttling-limits,
 * Outlook: 4 concurrent requests per app and mailbox), and a total over all mailboxes. First come, first served
 * within a mailbox and lane; mailboxes take turns, those with a quick call before the others.
 */
import { Retryable } from '../errors.ts';

export const placesPerMailbox = 4;
/** Maximum number of waiting calls for one mailbox; further ones are refused. */
const mostWaiting = 2_000;
/** Calls of the quick lane that may pass a waiting one of the other lane. */
const mostPassing = 8;

/** `quick`: latency matters. `bulk`: lists and backfills. */
export type Lane = 'quick' | 'bulk';

interface Waiter {
  readonly places: number;
  readonly start: () => void;
}

/** The calls of one mailbox. */
interface Queue {
  readonly key: string;
  taken: number;
  readonly quick: Waiter[];
  readonly bulk: Waiter[];
  /** Calls of the quick lane since one of the bulk lane last had its turn. */
  passed: number;
}

export interface Throttle {
  /**
   * Takes places for a call to a mailbox (null: without a mailbox). Undefined: taken at once; else a promise. Rejects with the
   * signal's reason, and with Retryable if too many calls wait. Return them with `leave`.
   */
  enter(mailbox: string | null, places: number, lane: Lane, signal: AbortSignal): Promise<void> | undefined;
  leave(mailbox: string | null, places: number): void;
  /** Running calls, counted in places, and waiting calls. */
  readonly inFlight: number;
  readonly waiting: number;
}

/** `total`: places over all mailboxes, at least the four that a batch takes. */
export function createThrottle(total: number): Throttle {
  const queues = new Map<string, Queue>();
  /** Mailboxes whose next call fits into the mailbox but not into the total, in the order of their turns. */
  const turns = new Set<Queue>();
  let inFlight = 0;
  let waiting = 0;
  /** Quick calls that have passed a mailbox with a bulk call since one of those had its turn. */
  let passed = 0;

  function queueOf(mailbox: string | null): Queue {
    const key = mailbox?.toLowerCase() ?? '';
    let calls = queues.get(key);
    if (calls === undefined) {
      calls = { key, taken: 0, quick: [], bulk: [], passed: 0 };
      queues.set(key, calls);
    }
    return calls;
  }

  const isIdle = (calls: Queue) => calls.taken === 0 && calls.quick.length + calls.bulk.length === 0;

  function take(calls: Queue, places: number): void {
    calls.taken += places;
    inFlight += places;
  }

  /** The lane whose first call is next. */
  function nextLane(calls: Queue): Waiter[] {
    if (calls.quick.length === 0) return calls.bulk;
    return calls.bulk.length > 0 && calls.passed >= mostPassing ? calls.bulk : calls.quick;
  }

  const fits = (calls: Queue) => {
    const next = nextLane(calls)[0];
    return next !== undefined && calls.taken + next.places <= placesPerMailbox;
  };

  /**
   * The mailbox whose turn is next: the first with a quick call. That passes those with a bulk call before it, but not for ever.
   */
  function nextTurn(): { readonly calls: Queue; readonly passes: boolean } | undefined {
    let bulk: Queue | undefined;
    for (const calls of turns) {
      if (!fits(calls)) turns.delete(calls);
      else if (nextLane(calls) === calls.bulk) bulk ??= calls;
      else if (bulk === undefined || passed < mostPassing) return { calls, passes: bulk !== undefined };
      else break;
    }
    return bulk && { calls: bulk, passes: false };
  }

  /** Lets mailboxes take turns, one call each, while there are places. */
  function admit(): void {
    for (let turn = nextTurn(); turn !== undefined; turn = nextTurn()) {
      const { calls, passes } = turn;
      const lane = nextLane(calls);
      const next = lane[0]!;
      if (inFlight + next.places > total) return;
      turns.delete(calls);
      lane.shift();
      calls.passed = lane === calls.bulk || calls.bulk.length === 0 ? 0 : calls.passed + 1;
      passed = lane === calls.bulk ? 0 : passed + (passes ? 1 : 0);
      waiting -= 1;
      take(calls, next.places);
      next.start();
      if (fits(calls)) turns.add(calls);
    }
  }

  function wait(calls: Queue, places: number, lane: Lane, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const waiters = calls[lane];
      const onAbort = () => {
        const at = waiters.indexOf(waiter);
        if (at === -1) return;
        waiters.splice(at, 1);
        waiting -= 1;
        // the calls behind it may fit now
        if (fits(calls)) turns.add(calls);
        admit();
        if (isIdle(calls)) queues.delete(calls.key);
        reject(signal.reason);
      };
      const waiter: Waiter = {
        places,
        start: () => {
          signal.removeEventListener('abort', onAbort);
          resolve();
        },
      };
      signal.addEventListener('abort', onAbort, { once: true });
      waiters.push(waiter);
      waiting += 1;
      if (fits(calls)) turns.add(calls);
      admit();
    });
  }

  return {
    enter(mailbox, places, lane, signal) {
      const calls = queueOf(mailbox);
      const queued = calls.quick.length + calls.bulk.length;
      const isFree = calls.taken + places <= placesPerMailbox && inFlight + places <= total;
      // a call that waits for the total comes first, or a batch would never get its four
      if (isFree && queued === 0 && turns.size === 0) {
        take(calls, places);
        return undefined;
      }
      if (queued >= mostWaiting)
        return Promise.reject(
          new Retryable(`${queued} calls are waiting for this mailbox already`, { reach: 'room' }),
        );
      if (signal.aborted) return Promise.reject(signal.reason as Error);
      return wait(calls, places, lane, signal);
    },
    leave(mailbox, places) {
      const calls = queueOf(mailbox);
      calls.taken -= places;
      inFlight -= places;
      if (fits(calls)) turns.add(calls);
      admit();
      if (isIdle(calls)) queues.delete(calls.key);
    },
    get inFlight() {
      return inFlight;
    },
    get waiting() {
      return waiting;
    },
  };
}
