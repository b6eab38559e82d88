import { monotonicMs, type Clock } from './clock.ts';
import { GraphError } from './graph-error.ts';
import type { Switches } from './faults.ts';
import type { JournalBook } from './journal.ts';

const TEN_MINUTES_MS = 600_000;

interface Load {
  inFlight: number;
  windowFrom: number;
  inWindow: number;
}

/** A Retry-After that was answered. */
interface Told {
  readonly key: string;
  /** Monotonic. */
  readonly until: number;
  readonly connection: object;
  /** The client has read it. */
  isRead: boolean;
}

/** A request, or a batch with all its parts, as it arrived. */
export interface Received {
  readonly connection: object;
  /** The mailboxes to which the client should not have sent it: it had read that they ask for rest → until when, monotonic. */
  readonly resting: ReadonlyMap<string, number>;
}

/** Counts the requests in flight per app and mailbox. Other mailboxes are unaffected (Microsoft: throttling-limits). */
export interface Throttle {
  /**
   * Call when a request arrives, with an object that stands for its connection. A request that was sent before its client had read a
   * Retry-After is not early, however late it arrives. A client sends its next request on a connection after it has read the answer
   * to the one before: that proves that it has read it. What it had sent on other connections by then has arrived within this turn of
   * the event loop.
   */
  receive(connection: object): Received;
  /** Takes a place and returns how many there are now. Take it back with `leave`. */
  enter(key: string): number;
  leave(key: string): void;
  /** Throws the 429 for one in flight too many, and for too many in ten minutes. */
  check(key: string, inFlight: number, switches: Switches, received: Received): void;
  /** Notes that a Retry-After of that many ms is answered. */
  told(key: string, retryAfterMs: number, received: Received): void;
}

export function createThrottle(journal: JournalBook, clock: Clock): Throttle {
  const loads = new Map<string, Load>();
  let allTold: Told[] = [];
  const loadOf = (key: string) => {
    let load = loads.get(key);
    if (!load) loads.set(key, (load = { inFlight: 0, windowFrom: 0, inWindow: 0 }));
    return load;
  };
  return {
    receive(connection) {
      const now = monotonicMs();
      allTold = allTold.filter(({ until }) => now < until);
      const news = allTold.filter((one) => one.connection === connection && !one.isRead);
      if (news.length > 0)
        setImmediate(() => {
          for (const one of news) one.isRead = true;
        });
      const resting = new Map<string, number>();
      for (const { key, until, isRead, connection: by } of allTold)
        if (isRead || by === connection) resting.set(key, Math.max(resting.get(key) ?? 0, until));
      return { connection, resting };
    },
    enter: (key) => ++loadOf(key).inFlight,
    leave(key) {
      loadOf(key).inFlight--;
    },
    check(key, inFlight, switches, { resting }) {
      const load = loadOf(key);
      if (resting.has(key))
        journal.violate({
          rule: 'early-retry',
          mailbox: key,
          detail: `${Math.round(resting.get(key)! - monotonicMs())} ms before Retry-After had elapsed`,
        });
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
    told(key, retryAfterMs, { connection }) {
      allTold.push({ key, until: monotonicMs() + retryAfterMs, connection, isRead: false });
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
