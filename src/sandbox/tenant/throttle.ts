import { monotonicMs, type Clock } from './clock.ts';
import { GraphError } from './graph-error.ts';
import type { Switches } from './faults.ts';
import type { JournalBook } from './journal.ts';

/** Answers on their way when a Retry-After is sent do not count as impatience. */
const GRACE_MS = 25;
const TEN_MINUTES_MS = 600_000;

interface Load {
  inFlight: number;
  /** Monotonic: requests before this came too early. */
  quietUntil: number;
  /** Monotonic: when that was announced. */
  toldAt: number;
  windowFrom: number;
  inWindow: number;
}

/** Counts the requests in flight per app and mailbox. Other mailboxes are unaffected (Microsoft: throttling-limits). */
export interface Throttle {
  /** Takes a place and returns how many there are now. Take it back with `leave`. */
  enter(key: string): number;
  leave(key: string): void;
  /** Throws the 429 for one in flight too many, and for too many in ten minutes. */
  check(key: string, inFlight: number, switches: Switches): void;
  /** Notes that a Retry-After of that many ms was answered. */
  told(key: string, retryAfterMs: number): void;
}

export function createThrottle(journal: JournalBook, clock: Clock): Throttle {
  const loads = new Map<string, Load>();
  const loadOf = (key: string) => {
    let load = loads.get(key);
    if (!load) loads.set(key, (load = { inFlight: 0, quietUntil: 0, toldAt: 0, windowFrom: 0, inWindow: 0 }));
    return load;
  };
  return {
    enter: (key) => ++loadOf(key).inFlight,
    leave(key) {
      loadOf(key).inFlight--;
    },
    check(key, inFlight, switches) {
      const load = loadOf(key);
      const now = monotonicMs();
      if (now < load.quietUntil && now > load.toldAt + GRACE_MS) {
        const early = Math.round(load.quietUntil - now);
        journal.violate({
          rule: 'early-retry',
          mailbox: key,
          detail: `${early} ms before Retry-After had elapsed`,
        });
      }
      if (clock.now() - load.windowFrom >= TEN_MINUTES_MS) {
        load.windowFrom = clock.now();
        load.inWindow = 0;
      }
      // All requests count, also throttled ones (Microsoft: throttling).
      load.inWindow++;
      if (inFlight > switches.concurrency) {
        journal.violate({ rule: 'concurrency', mailbox: key, detail: `${inFlight} requests in flight` });
        throw throttled('Application is over its MailboxConcurrency limit.', switches.concurrencyRetryAfter);
      }
      if (switches.requestsPerTenMinutes !== null && load.inWindow > switches.requestsPerTenMinutes) {
        const left = Math.ceil((load.windowFrom + TEN_MINUTES_MS - clock.now()) / 1_000);
        throw throttled('Application is over its RequestRate limit.', left);
      }
    },
    told(key, retryAfterMs) {
      const load = loadOf(key);
      load.toldAt = monotonicMs();
      load.quietUntil = Math.max(load.quietUntil, load.toldAt + retryAfterMs);
    },
  };
}

const throttled = (message: string, retryAfter: number) =>
  new GraphError(429, 'ApplicationThrottled', message, { headers: { 'Retry-After': String(retryAfter) } });

/** Milliseconds asked for by a Retry-After header: seconds, fractions allowed, or an HTTP date. */
export function retryAfterMs(header: string | undefined): number {
  if (header === undefined) return 0;
  const ms = /^\d+(\.\d+)?$/.test(header) ? Number(header) * 1_000 : Date.parse(header) - Date.now();
  return Number.isNaN(ms) ? 0 : Math.max(0, ms);
}
