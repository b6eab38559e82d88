/**
 * What this daemon itself has seen, on its way into the book of alerts: written as soon as the database takes it, with the
 * time at which it began, and said again while it lasts, so that the others know that somebody still sees it.
 *
 * The database may be away, and is in the alert that matters most. Then the message goes out at once all the same.
 * (Daemons that cannot reach the database cannot agree who speaks: each does.)
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
  /** Names this daemon among the holders. */
  readonly holder: string;
  /** Told what was written down; `isPosted`: its message went out before. */
  readonly publish: (changed: Changed, isPosted: boolean) => void;
  /** Told why something was given up. */
  readonly failed: (error: unknown) => void;
}

/** Something that is not written down yet, or that we still see. */
interface Seen {
  readonly alert: Alert;
  /** `performance.now()` when it began, and when it was over. */
  readonly since: number;
  over: number | null;
  /** It is told to be over elsewhere: it happened. */
  readonly happened: boolean;
  written: boolean;
  posted: boolean;
}

/** Of different alerts at once; of more the newest are dropped: a look finds what can be found. */
const seenMost = 500;
/** How often we repeat what we see. */
const repeatMs = 30_000;

export function createSightings({ book, webhook, holder, publish, failed }: SightingOptions) {
  const seen = new Map<string, Seen>();
  const closing = new AbortController();
  let repeating: NodeJS.Timeout | null = null;
  let writing: Promise<void> | null = null;

  const keyOf = ({ type, resourceId }: Pick<Alert, 'type' | 'resourceId'>) => `${type} ${resourceId ?? ''}`;
  const isSeen = (type: AlertType) => seen.get(keyOf({ type, resourceId: null }))?.over === null;
  const unwritten = () => [...seen.entries()].find(([, entry]) => !entry.written || entry.over !== null);

  /** It began, and goes on until `unsee`; seen again in other words, or as more severe, it is written down again. */
  function see(alert: Alert): void {
    const known = seen.get(keyOf({ type: alert.type, resourceId: null }));
    const standing = known?.over === null ? known : undefined;
    if (standing?.alert.message === alert.message && standing.alert.severity === alert.severity) return;
    const since = standing?.since ?? performance.now();
    note({ alert, since, over: null, happened: false, written: false, posted: false });
    // no word from the database is what this is about
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

  /** It happened; when it is over is found by looking. */
  function happen(alert: Alert): void {
    note({ alert, since: performance.now(), over: null, happened: true, written: false, posted: false });
    write();
  }

  /** What waits to be written already began earlier; that it did stays. */
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

  /** One writer at a time; while the database is away it tries again until it is back. */
  function write(): void {
    writing ??= writeAll()
      .catch(failed)
      .finally(() => {
        writing = null;
        if (closing.signal.aborted) return;
        if (unwritten() !== undefined) write(); // it came as the last one ended
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
        }).catch(() => undefined); // closing cuts it short
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
    // it may have been over, or have happened again, while this was written
    if (seen.get(key) !== entry) return;
    if (entry.happened || overMs !== null) seen.delete(key);
    else entry.written = true;
  }

  /** The message that does not wait for the row. */
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

  /** What others have closed meanwhile, because they did not hear of us, is raised again. */
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
