/**
 * Conditions and events observed by this daemon, on their way into the alert store: written as soon as the database accepts them, with
 * their start time; conditions are confirmed while they last, so that the other daemons know that they still exist.
 *
 * During a database outage, the most important case, the message is sent at once without the row. (Daemons without a database cannot
 * coordinate, so each sends it.)
 */
import { backOffMs } from '../back-off.ts';
import { databaseFailure, isOutage } from '../database.ts';
import { sleep } from '../sleep.ts';
import type { AlertStore, Changed } from './alert-store.ts';
import type { Alert, AlertType, DaemonAlertType } from './alert-types.ts';
import type { AlertWebhook } from './alert-webhook.ts';

export interface ConditionOptions {
  readonly store: Pick<AlertStore, 'raise' | 'recordCondition' | 'confirm'>;
  readonly webhook: Pick<AlertWebhook, 'post'>;
  /** The id of this daemon among the holders. */
  readonly holder: string;
  /** Called after a write; `isPosted`: its message was already sent. */
  readonly publish: (changed: Changed, isPosted: boolean) => void;
  /** Called with the reason if something is dropped. */
  readonly failed: (error: unknown) => void;
}

/** A condition or event that is not written yet, or a condition that still exists. */
interface Entry {
  readonly alert: Alert;
  /** `performance.now()` at its start and end. */
  readonly since: number;
  over: number | null;
  /** An event has no end here: a check finds it. */
  readonly isEvent: boolean;
  written: boolean;
  posted: boolean;
}

/** Maximum number of different alerts; further ones are dropped, because the checks find most of them. */
const entriesMost = 500;
const confirmIntervalMs = 30_000;

const keyOf = ({ type, resourceId }: Pick<Alert, 'type' | 'resourceId'>) => `${type} ${resourceId ?? ''}`;

export function createConditions({ store, webhook, holder, publish, failed }: ConditionOptions) {
  const entries = new Map<string, Entry>();
  const closing = new AbortController();
  let confirming: NodeJS.Timeout | null = null;
  let writing: Promise<void> | null = null;

  /** A condition of the daemon, which belongs to no single room. */
  const conditionOf = (type: AlertType) => entries.get(keyOf({ type, resourceId: null }));
  const isOpen = (type: AlertType) => conditionOf(type)?.over === null;
  const unwritten = () => [...entries].find(([, entry]) => !entry.written || entry.over !== null);

  /** Opens a condition until `end`; it is recorded again if its message or severity changes. */
  function begin(alert: Alert): void {
    const open = isOpen(alert.type) ? conditionOf(alert.type) : undefined;
    if (open?.alert.message === alert.message && open.alert.severity === alert.severity) return;
    add(alert, false, open?.since);
    // the outage of the database is the subject of this alert
    if (alert.type === 'booking-outage') postUnwritten();
    write();
  }

  function end(types: readonly DaemonAlertType[]): void {
    for (const type of types) {
      const entry = conditionOf(type);
      if (entry !== undefined) entry.over ??= performance.now();
    }
    write();
  }

  function record(event: Alert): void {
    add(event, true);
    write();
  }

  function add(alert: Alert, isEvent: boolean, since = performance.now()): void {
    const key = keyOf(alert);
    const known = entries.get(key);
    const entry: Entry = { alert, since, over: null, isEvent, written: false, posted: false };
    // one that already waits to be written keeps its earlier start
    if (known !== undefined && !known.written)
      entries.set(key, {
        ...entry,
        since: known.since,
        posted: known.posted && known.alert.severity === alert.severity,
      });
    else if (entries.size < entriesMost || known !== undefined) entries.set(key, entry);
  }

  /** One writer at a time; retries while the database is unavailable. */
  function write(): void {
    writing ??= writeAll()
      .catch(failed)
      .finally(() => {
        writing = null;
        if (closing.signal.aborted) return;
        if (unwritten() !== undefined) write(); // it arrived while the last one ended
        confirming ??= setTimeout(confirm, confirmIntervalMs).unref();
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
          entries.delete(next[0]);
          throw failure;
        }
        postUnwritten();
        await sleep(Math.min(5_000, backOffMs(attempt++, Math.random())), closing.signal);
      }
    }
  }

  async function writeOne(key: string, entry: Entry): Promise<void> {
    const now = performance.now();
    const overMs = entry.over === null ? null : now - entry.over;
    const changed = entry.isEvent
      ? await store.raise(entry.alert)
      : await store.recordCondition(holder, { alert: entry.alert, ageMs: now - entry.since, overMs });
    publish(changed, entry.posted);
    // it may have ended or repeated during the write
    if (entries.get(key) !== entry) return;
    if (entry.isEvent || overMs !== null) entries.delete(key);
    else entry.written = true;
  }

  /** Sends the message without waiting for the row. */
  function postUnwritten(): void {
    for (const entry of entries.values()) {
      if (entry.written || entry.posted) continue;
      entry.posted = true;
      const { resourceId: resource_id, ...alert } = entry.alert;
      const created_at = new Date(Date.now() - (performance.now() - entry.since));
      webhook.post('opened', { id: null, ...alert, resource_id, mailbox: null, created_at, closed_at: null });
    }
  }

  function confirm(): void {
    confirming = null;
    if (closing.signal.aborted) return;
    const written = [...entries.values()].filter((entry) => entry.written);
    if (written.length > 0) confirmAll(written).catch(failed);
    confirming = setTimeout(confirm, confirmIntervalMs).unref();
  }

  /** Raises alerts again that other daemons closed because our confirmation was missing. */
  async function confirmAll(written: readonly Entry[]): Promise<void> {
    const open = await store.confirm(
      holder,
      written.map(({ alert }) => alert.type),
    );
    for (const entry of written) if (!open.has(entry.alert.type)) entry.written = false;
    write();
  }

  return {
    begin,
    end,
    record,
    isOpen,
    async [Symbol.asyncDispose]() {
      closing.abort();
      if (confirming !== null) clearTimeout(confirming);
      await writing;
    },
  };
}
