/**
 * Alerts: facts and looks at the database become rows (alert-book.ts) and messages (alert-webhook.ts), each raised once
 * however many daemons see it, and closed by themselves when the reason is over.
 *
 * Told facts are of two kinds. Some begin and end (an outage, deafness): this daemon holds such an alert until the end is
 * told, and repeats that it does. Others happen (a bug, the brake): they are raised and stay until a look finds nothing
 * more. Everything else is found by looking, on a schedule and soon after a fact that makes a look worth while.
 *
 * The database may be away, and is in the alert that matters most. Then the message goes out at once all the same, and
 * the row is written when it is back, with the time at which it began. (Daemons that cannot reach the database cannot
 * agree who speaks: each does.)
 */
import { setTimeout as pause } from 'node:timers/promises';
import { backOffMs } from '../back-off.ts';
import { databaseFailure, type Database } from '../database.ts';
import { Retryable } from '../errors.ts';
import type { Fact, Tell } from '../facts.ts';
import { createAlertBook, type AlertRow, type Changed } from './alert-book.ts';
import { readReasons, reasonTypes, type ReasonOptions } from './alert-reasons.ts';
import type { Alert, AlertType, HeldType } from './alert-types.ts';
import type { AlertWebhook } from './alert-webhook.ts';
import { bugKind, createRepeats } from './repeats.ts';
import { brakeHeld, bugMet, captureBroken, credentialExpiring, listenSilent, outage } from './alert-words.ts';

export interface AlertOptions extends ReasonOptions {
  readonly db: Database;
  readonly webhook: Pick<AlertWebhook, 'post'>;
  readonly tell: Tell;
  /** Names this daemon among the holders. */
  readonly holder: string;
  /** Triggers that are missing or disabled, and the repair. */
  readonly readCapture: () => Promise<{
    readonly missing: readonly string[];
    readonly repair: string | null;
  }>;
  /** The end of our certificate; null: there is none, or it cannot be read. */
  readonly credentialEnds: () => Date | null;
  /** Not hearing for this long is worth an alert: reconnecting takes less. */
  readonly deafMs?: number;
  /** Facts that make a look worth while are gathered for so long. */
  readonly gatherMs?: number;
}

/** Something that this daemon saw and that is not written down yet, or that it still sees. */
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
const deafMs_ = 10_000;
const gatherMs_ = 250;
/** Two looks that facts asked for are at least so far apart. */
const looksApartMs = 5_000;
/** How often we repeat what we see. */
const repeatMs = 30_000;
const dayMs = 86_400_000;

export function createAlerts(options: AlertOptions) {
  const { db, webhook, tell, holder, deafMs = deafMs_, gatherMs = gatherMs_ } = options;
  const book = createAlertBook(db);
  const seen = new Map<string, Seen>();
  const bugs = createRepeats(() => performance.now());
  const closing = new AbortController();
  const timers = new Map<'deaf' | 'look' | 'repeat', NodeJS.Timeout>();
  let writing: Promise<void> | null = null;
  let lookedAt = Number.NEGATIVE_INFINITY;

  const keyOf = ({ type, resourceId }: Pick<Alert, 'type' | 'resourceId'>) => `${type} ${resourceId ?? ''}`;
  const isSeen = (type: AlertType) => seen.get(keyOf({ type, resourceId: null }))?.over === null;

  function observe(fact: Fact): void {
    if (closing.signal.aborted) return;
    if (fact.fact === 'outage') see(outage(fact));
    else if (fact.fact === 'outage-over') {
      unsee(fact.side === 'booking' ? ['booking-outage'] : ['outlook-outage', 'credential-refused']);
      lookSoon();
    } else if (fact.fact === 'listening' && !fact.heard) fallDeaf(fact.reason);
    else if (fact.fact === 'listening' || fact.fact === 'stopped') hear();
    else if (fact.fact === 'brake-held') happen(brakeHeld(fact));
    else if (fact.fact === 'bug' && fact.where !== ownName) {
      if (!bugs.isRepeated(bugKind(fact))) happen(bugMet(fact));
    } else if (worthALook.has(fact.fact)) lookSoon();
  }

  function see(alert: Alert): void {
    if (isSeen(alert.type)) return;
    note({ alert, since: performance.now(), over: null, happened: false, written: false, posted: false });
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

  function happen(alert: Alert): void {
    note({ alert, since: performance.now(), over: null, happened: true, written: false, posted: false });
    write();
  }

  /** What waits to be written already began earlier; that it did stays. */
  function note(fresh: Seen): void {
    const key = keyOf(fresh.alert);
    const known = seen.get(key);
    if (known !== undefined && !known.written)
      seen.set(key, { ...fresh, since: known.since, posted: known.posted });
    else if (seen.size < seenMost || known !== undefined) seen.set(key, fresh);
  }

  function fallDeaf(reason: string): void {
    if (timers.has('deaf') || isSeen('listen-silent')) return;
    later('deaf', deafMs, () => {
      // with the database away nothing is heard either: one reason, one alert
      if (isSeen('booking-outage')) fallDeaf(reason);
      else see(listenSilent(reason));
    });
  }

  function hear(): void {
    clearTimeout(timers.get('deaf'));
    timers.delete('deaf');
    unsee(['listen-silent']);
  }

  function later(name: 'deaf' | 'look' | 'repeat', ms: number, then: () => void): void {
    timers.set(
      name,
      setTimeout(() => {
        timers.delete(name);
        then();
      }, ms).unref(),
    );
  }

  function lookSoon(): void {
    if (timers.has('look')) return;
    later('look', Math.max(gatherMs, lookedAt + looksApartMs - performance.now()), () => {
      check().catch(failed); // the schedule looks again
    });
  }

  /** Looks at everything that can be looked at. Throws what the database throws. */
  async function check(): Promise<Changed> {
    lookedAt = performance.now();
    lookAtCredential();
    const [{ alerts, kept }, capture] = await Promise.all([readReasons(db, options), options.readCapture()]);
    const all = capture.missing.length === 0 ? alerts : [...alerts, captureBroken(capture)];
    const changed = await book.replace([...reasonTypes, 'capture-broken'], all, kept);
    publish(changed);
    return changed;
  }

  function lookAtCredential(): void {
    const ends = options.credentialEnds();
    const days = ends === null ? Number.POSITIVE_INFINITY : (ends.getTime() - Date.now()) / dayMs;
    if (days >= 30) unsee(['credential-expiring']);
    else see(credentialExpiring(ends!, days));
  }

  /** One writer at a time; while the database is away it tries again until it is back. */
  function write(): void {
    writing ??= writeAll()
      .catch(failed)
      .finally(() => {
        writing = null;
        if (closing.signal.aborted) return;
        if (unwritten() !== undefined) write(); // it came as the last one ended
        if (!timers.has('repeat')) later('repeat', repeatMs, repeat);
      });
  }

  const unwritten = () => [...seen.entries()].find(([, entry]) => !entry.written || entry.over !== null);

  async function writeAll(): Promise<void> {
    for (let attempt = 0; !closing.signal.aborted;) {
      const next = unwritten();
      if (next === undefined) return;
      try {
        await writeOne(...next);
        attempt = 0;
      } catch (error) {
        const failure = databaseFailure(error, 'write an alert');
        if (!(failure instanceof Retryable)) {
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

  function publish({ opened, closed }: Changed, isPosted = false): void {
    for (const [event, rows] of [
      ['opened', opened],
      ['closed', closed],
    ] as const)
      for (const row of rows) {
        if (!(event === 'opened' && isPosted)) webhook.post(event, messageOf(row));
        const { type, severity, room, resource_id: resourceId, message } = row;
        tell({ fact: 'alert', event, type, severity, room, resourceId, message });
      }
  }

  function repeat(): void {
    if (closing.signal.aborted) return;
    const standing = [...seen.values()].filter((entry) => entry.written);
    if (standing.length > 0) sayAgain(standing).catch(failed);
    later('repeat', repeatMs, repeat);
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

  /** An outage of the database is told by the work loop, once; everything else here is a bug. */
  function failed(error: unknown): void {
    const failure = databaseFailure(error, ownName);
    if (!(failure instanceof Retryable)) tell({ fact: 'bug', error: failure, where: ownName });
  }

  return {
    observe,
    check,
    book,
    async [Symbol.asyncDispose]() {
      closing.abort();
      for (const timer of timers.values()) clearTimeout(timer);
      await writing;
    },
  };
}

export type Alerts = ReturnType<typeof createAlerts>;

const ownName = 'the alerts';

/** Facts after which a look may find, or miss, something. */
const worthALook: ReadonlySet<Fact['fact']> = new Set([
  'capture-broken',
  'item-parked',
  'room-refused',
  'room-resting',
  'room-well',
  'subscription',
  'subscription-failed',
]);

const messageOf = ({
  id,
  type,
  severity,
  room,
  resource_id,
  mailbox,
  message,
  hint,
  detail,
  created_at,
  closed_at,
}: AlertRow) => ({
  id,
  type,
  severity,
  room,
  resource_id,
  mailbox,
  message,
  hint,
  detail,
  created_at,
  closed_at,
});
