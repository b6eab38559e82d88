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

interface Door {
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
  const doors = new Map<string, Door>();
  /** Mailboxes whose next call fits into the mailbox but not into the total, in the order of their turns. */
  const turns = new Set<Door>();
  let inFlight = 0;
  let waiting = 0;
  /** Quick calls that have passed a mailbox with a bulk call since one of those had its turn. */
  let passed = 0;

  function doorOf(mailbox: string | null): Door {
    const key = mailbox?.toLowerCase() ?? '';
    let door = doors.get(key);
    if (door === undefined) {
      door = { key, taken: 0, quick: [], bulk: [], passed: 0 };
      doors.set(key, door);
    }
    return door;
  }

  const isIdle = (door: Door) => door.taken === 0 && door.quick.length + door.bulk.length === 0;

  function take(door: Door, places: number): void {
    door.taken += places;
    inFlight += places;
  }

  /** The lane whose first call is next. */
  function nextLane(door: Door): Waiter[] {
    if (door.quick.length === 0) return door.bulk;
    return door.bulk.length > 0 && door.passed >= mostPassing ? door.bulk : door.quick;
  }

  const fits = (door: Door) => {
    const next = nextLane(door)[0];
    return next !== undefined && door.taken + next.places <= placesPerMailbox;
  };

  /**
   * The mailbox whose turn is next: the first with a quick call. That passes those with a bulk call before it, but not for ever.
   */
  function nextTurn(): { readonly door: Door; readonly passes: boolean } | undefined {
    let bulk: Door | undefined;
    for (const door of turns) {
      if (!fits(door)) turns.delete(door);
      else if (nextLane(door) === door.bulk) bulk ??= door;
      else if (bulk === undefined || passed < mostPassing) return { door, passes: bulk !== undefined };
      else break;
    }
    return bulk && { door: bulk, passes: false };
  }

  /** Lets mailboxes take turns, one call each, while there are places. */
  function admit(): void {
    for (let turn = nextTurn(); turn !== undefined; turn = nextTurn()) {
      const { door, passes } = turn;
      const lane = nextLane(door);
      const next = lane[0]!;
      if (inFlight + next.places > total) return;
      turns.delete(door);
      lane.shift();
      door.passed = lane === door.bulk || door.bulk.length === 0 ? 0 : door.passed + 1;
      passed = lane === door.bulk ? 0 : passed + (passes ? 1 : 0);
      waiting -= 1;
      take(door, next.places);
      next.start();
      if (fits(door)) turns.add(door);
    }
  }

  function wait(door: Door, places: number, lane: Lane, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const queue = door[lane];
      const onAbort = () => {
        const at = queue.indexOf(waiter);
        if (at === -1) return;
        queue.splice(at, 1);
        waiting -= 1;
        // the calls behind it may fit now
        if (fits(door)) turns.add(door);
        admit();
        if (isIdle(door)) doors.delete(door.key);
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
      queue.push(waiter);
      waiting += 1;
      if (fits(door)) turns.add(door);
      admit();
    });
  }

  return {
    enter(mailbox, places, lane, signal) {
      const door = doorOf(mailbox);
      const queued = door.quick.length + door.bulk.length;
      const isFree = door.taken + places <= placesPerMailbox && inFlight + places <= total;
      // a call that waits for the total comes first, or a batch would never get its four
      if (isFree && queued === 0 && turns.size === 0) {
        take(door, places);
        return undefined;
      }
      if (queued >= mostWaiting)
        return Promise.reject(
          new Retryable(`${queued} calls are waiting for this mailbox already`, { reach: 'room' }),
        );
      if (signal.aborted) return Promise.reject(signal.reason as Error);
      return wait(door, places, lane, signal);
    },
    leave(mailbox, places) {
      const door = doorOf(mailbox);
      door.taken -= places;
      inFlight -= places;
      if (fits(door)) turns.add(door);
      admit();
      if (isIdle(door)) doors.delete(door.key);
    },
    get inFlight() {
      return inFlight;
    },
    get waiting() {
      return waiting;
    },
  };
}
