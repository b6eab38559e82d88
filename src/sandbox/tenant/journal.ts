import { monotonicMs } from './clock.ts';

/**
 * One request the tenant got, noted when its answer leaves. The inner requests of a $batch each have an
 * entry of their own before that of the batch, whose body is left out.
 */
export interface Journalled {
  /** Counts up from 1 without gaps. */
  readonly seq: number;
  /** When it arrived, in ms of the machine's monotonic clock (same origin in every process). */
  readonly at: number;
  /** When its answer left, or was lost. */
  readonly until: number;
  readonly method: string;
  /** As sent, without version and query. */
  readonly path: string;
  /** With its question mark, or empty. */
  readonly search: string;
  /** Object id of the mailbox, null when the request is about none. */
  readonly mailbox: string | null;
  /** The status of the answer, also if the client was gone; 0: no answer. */
  readonly status: number;
  /** `error.code` of a refusal. */
  readonly code: string | null;
  readonly body: unknown;
  /** Requests of this mailbox in flight when it arrived, itself included. */
  readonly inFlight: number;
  /** client-request-id, as the client sent it. */
  readonly correlation: string | null;
  /** Which request of which batch it came in. */
  readonly batch: string | null;
  /** The answer did not reach the client. */
  readonly lost: boolean;
}

/** A rule of Graph's that a client broke, though it may not have been punished for it. */
export interface Violation {
  readonly at: number;
  readonly rule: 'concurrency' | 'early-retry' | 'renew-and-reauthorize';
  readonly mailbox: string | null;
  readonly detail: string;
}

export interface JournalBook {
  readonly entries: readonly Journalled[];
  readonly violations: readonly Violation[];
  add(entry: Omit<Journalled, 'seq' | 'until'>): void;
  violate(violation: Omit<Violation, 'at'>): void;
  /** Entries with a greater seq, at most `limit`. */
  since(seq: number, limit: number): readonly Journalled[];
  until(match: (entry: Journalled) => boolean, signal?: AbortSignal): Promise<Journalled>;
  /** Resolves at the next entry after `seq`, or when the signal aborts. */
  moved(seq: number, signal: AbortSignal): Promise<void>;
  /** The clock of `at`. */
  now(): number;
}

const MOST_VIOLATIONS = 10_000;

/** A journal of the last `size` entries. */
export function createJournal(size: number): JournalBook {
  const entries: Journalled[] = [];
  const violations: Violation[] = [];
  const watchers = new Set<(entry: Journalled) => void>();
  let seq = 0;
  const firstIndexAfter = (after: number) => Math.max(0, entries.length - Math.max(0, seq - after));

  return {
    entries,
    violations,
    now: monotonicMs,
    add(noted) {
      const entry: Journalled = { seq: ++seq, until: monotonicMs(), ...noted };
      entries.push(entry);
      if (entries.length > size * 1.2) entries.splice(0, entries.length - size);
      for (const watch of watchers) watch(entry);
    },
    violate(violation) {
      if (violations.length < MOST_VIOLATIONS) violations.push({ at: monotonicMs(), ...violation });
    },
    since: (after, limit) => {
      const from = firstIndexAfter(after);
      return entries.slice(from, from + limit);
    },
    until(match, signal) {
      const earlier = entries.find(match);
      if (earlier) return Promise.resolve(earlier);
      return new Promise((resolve, reject) => {
        const watch = (entry: Journalled) => {
          if (match(entry)) settle(() => resolve(entry));
        };
        const abort = () => settle(() => reject(signal?.reason as Error));
        const settle = (then: () => void) => {
          watchers.delete(watch);
          signal?.removeEventListener('abort', abort);
          then();
        };
        if (signal?.aborted) return abort();
        watchers.add(watch);
        signal?.addEventListener('abort', abort, { once: true });
      });
    },
    moved(after, signal) {
      if (seq > after || signal.aborted) return Promise.resolve();
      return new Promise((resolve) => {
        const settle = () => {
          watchers.delete(settle);
          signal.removeEventListener('abort', settle);
          resolve();
        };
        watchers.add(settle);
        signal.addEventListener('abort', settle, { once: true });
      });
    },
  };
}
