/**
 * Conditions seen by this daemon, on their way into the alert store: written as soon as the database accepts them, with their start
 * time, and confirmed while they last, so that the other daemons know that they still exist.
 *
 * During a database outage, the most important case, the message is sent at once without the row. (Daemons without a database cannot
 * coordinate, so each sends it.)
 */
import { setTimeout as pause } from 'node:timers/promises';
import { backOffMs } from '../back-off.ts';
import { databaseFailure, isOutage } from '../database.ts';
import type { Changed, createAlertStore } from './alert-store.ts';
import type { Alert, AlertType, HeldType } from './alert-types.ts';
import type { AlertWebhook } from './alert-webhook.ts';

export interface SightingOptions {
  readonly book: Pick<ReturnType<typeof createAlertStore>, 'raise' | 'witness' | 'repeat'>;
  readonly webhook: Pick<AlertWebhook, 'post'>;
  /** The id of this daemon among the holders. */
  readonly holder: string;
  /** Called after a write; `isPosted`: its message was already sent. */
  readonly publish: (changed: Changed, isPosted: boolean) => void;
  /** Called with the reason if something is dropped. */
  readonly failed: (error: unknown) => void;
}

/** A condition that is not recorded yet, or that still exists. */
interface Seen {
  readonly alert: Alert;
  /** `performance.now()` at its start and end. */
  readonly since: number;
  over: number | null;
  /** An event; its end is detected elsewhere. */
  readonly happened: boolean;
  written: boolean;
  posted: boolean;
}

/** Maximum number of different alerts; further ones are dropped, because the checks find most of them. */
const seenMost = 500;
/** The interval of confirmations. */
const repeatMs = 30_000;

export function createSightings({ book, webhook, holder, publish, failed }: SightingOptions) {
  const seen = new Map<string, Seen>();
  const closing = new AbortController();
  let repeating: NodeJS.Timeout | null = null;
  let writing: Promise<void> | null = null;

  const keyOf = ({ type, resourceId }: Pick<Alert, 'type' | 'resourceId'>) => `${type} ${resourceId ?? ''}`;
  const isSeen = (type: AlertType) => seen.get(keyOf({ type, resourceId: null }))?.over === null;
  const unwritten = () => [...seen.entries()].find(([, entry]) => !entry.written || entry.over !== null);

  /** A condition that lasts until `unsee`; it is recorded again if its message or severity changes. */
  function see(alert: Alert): void {
    const known = seen.get(keyOf({ type: alert.type, resourceId: null }));
    const standing = known?.over === null ? known : undefined;
    if (standing?.alert.message === alert.message && standing.alert.severity === alert.severity) return;
    const since = standing?.since ?? performance.now();
    note({ alert, since, over: null, happened: false, written: false, posted: false });
    // the outage of the database is the subject of this alert
    if (alert.type === 'booking-outage') postUnwritten();
    write();
  }

  function unsee(types: readonly HeldType[]): void {
    for (const type of types) {
      const known = seen.get(keyOf({ type, resourceId: null }));
      if (known !== undefined) known.over ??= performance.now();
    }
    write();
  }

  /** An event; a check finds its end. */
  function happen(alert: Alert): void {
    note({ alert, since: performance.now(), over: null, happened: true, written: false, posted: false });
    write();
  }

  /** A condition that already waits to be written keeps its earlier start. */
  function note(fresh: Seen): void {
    const key = keyOf(fresh.alert);
    const known = seen.get(key);
    if (known !== undefined && !known.written)
      seen.set(key, {
        ...fresh,
        since: known.since,
        posted: known.posted && known.alert.severity === fresh.alert.severity,
      });
    else if (seen.size < seenMost || known !== undefined) seen.set(key, fresh);
  }

  /** One writer at a time; retries while the database is unavailable. */
  function write(): void {
    writing ??= writeAll()
      .catch(failed)
      .finally(() => {
        writing = null;
        if (closing.signal.aborted) return;
        if (unwritten() !== undefined) write(); // it arrived while the last one ended
        repeating ??= setTimeout(repeat, repeatMs).unref();
      });
  }

  async function writeAll(): Promise<void> {
    for (let attempt = 0; !closing.signal.aborted;) {
      const next = unwritten();
      if (next === undefined) return;
      try {
        await writeOne(...next);
        attempt = 0;
      } catch (error) {
        const failure = databaseFailure(error, 'write an alert');
        if (!isOutage(failure)) {
          seen.delete(next[0]);
          throw failure;
        }
        postUnwritten();
        await pause(Math.min(5_000, backOffMs(attempt++, Math.random())), undefined, {
          signal: closing.signal,
        }).catch(() => undefined); // interrupted by closing
      }
    }
  }

  async function writeOne(key: string, entry: Seen): Promise<void> {
    const now = performance.now();
    const overMs = entry.over === null ? null : now - entry.over;
    const changed = entry.happened
      ? await book.raise(entry.alert)
      : await book.witness(holder, { alert: entry.alert, ageMs: now - entry.since, overMs });
    publish(changed, entry.posted);
    // it may have ended or repeated during the write
    if (seen.get(key) !== entry) return;
    if (entry.happened || overMs !== null) seen.delete(key);
    else entry.written = true;
  }

  /** Sends the message without waiting for the row. */
  function postUnwritten(): void {
    for (const entry of seen.values()) {
      if (entry.written || entry.posted) continue;
      entry.posted = true;
      const { resourceId: resource_id, ...alert } = entry.alert;
      const created_at = new Date(Date.now() - (performance.now() - entry.since));
      webhook.post('opened', { id: null, ...alert, resource_id, mailbox: null, created_at, closed_at: null });
    }
  }

  function repeat(): void {
    repeating = null;
    if (closing.signal.aborted) return;
    const standing = [...seen.values()].filter((entry) => entry.written);
    if (standing.length > 0) sayAgain(standing).catch(failed);
    repeating = setTimeout(repeat, repeatMs).unref();
  }

  /** Raises alerts again that other daemons closed because our confirmation was missing. */
  async function sayAgain(standing: readonly Seen[]): Promise<void> {
    const open = await book.repeat(
      holder,
      standing.map(({ alert }) => alert.type),
    );
    for (const entry of standing) if (!open.has(entry.alert.type)) entry.written = false;
    write();
  }

  return {
    see,
    unsee,
    happen,
    isSeen,
    async [Symbol.asyncDispose]() {
      closing.abort();
      if (repeating !== null) clearTimeout(repeating);
      await writing;
    },
  };
}
