/**
 * Alerts: facts and checks of the database become rows (alert-store.ts) and messages (alert-webhook.ts), each raised once across all
 * daemons and closed automatically when its cause is over.
 *
 * Facts are of two kinds. Some have a start and an end (an outage, a silent listener): this daemon holds the alert until the end is
 * reported (sightings.ts). Others are events (a bug, the brake): they stay open until a check no longer finds their cause. All other
 * alerts are found by checks, on a schedule and shortly after a relevant fact.
 */
import { databaseFailure, isOutage, type Database } from '../database.ts';
import type { Fact, Tell } from '../facts.ts';
import { createAlertStore, type AlertRow, type Changed } from './alert-store.ts';
import { readReasons, reasonTypes } from './alert-reasons.ts';
import type { AlertWebhook } from './alert-webhook.ts';
import { brakeHeld, bugMet, captureBroken, credentialExpiring, listenSilent, outage } from './alert-words.ts';
import type { ReasonOptions } from './reason-words.ts';
import { bugKind, createRepeats } from './repeats.ts';
import { createSightings } from './sightings.ts';

export interface AlertOptions extends ReasonOptions {
  readonly db: Database;
  readonly webhook: Pick<AlertWebhook, 'post'>;
  readonly tell: Tell;
  /** The id of this daemon among the holders. */
  readonly holder: string;
  /** Missing or disabled triggers, and the repair. */
  readonly readCapture: () => Promise<{
    readonly missing: readonly string[];
    readonly repair: string | null;
  }>;
  /** The expiry of our certificate; null: there is none, or it cannot be read. */
  readonly credentialEnds: () => Date | null;
  /** A listener that is silent for this time raises an alert; reconnecting takes less. */
  readonly deafMs?: number;
  /** The delay of a check after a relevant fact, to combine several facts. */
  readonly gatherMs?: number;
}

const deafMs_ = 10_000;
const gatherMs_ = 250;
/** The minimum interval between two checks caused by facts. */
const looksApartMs = 5_000;
const dayMs = 86_400_000;

export function createAlerts(options: AlertOptions) {
  const { db, webhook, tell, holder, deafMs = deafMs_, gatherMs = gatherMs_ } = options;
  const book = createAlertStore(db);
  const sightings = createSightings({ book, webhook, holder, publish, failed });
  const { see, unsee, happen, isSeen } = sightings;
  const bugs = createRepeats(() => performance.now());
  const closing = new AbortController();
  const timers = new Map<'deaf' | 'look', NodeJS.Timeout>();
  let lookedAt = Number.NEGATIVE_INFINITY;
  let looking: Promise<unknown> = Promise.resolve();

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

  function fallDeaf(reason: string): void {
    if (timers.has('deaf') || isSeen('listen-silent')) return;
    later('deaf', deafMs, () => {
      // a database outage also silences the listener: one cause, one alert
      if (isSeen('booking-outage')) fallDeaf(reason);
      else see(listenSilent(reason));
    });
  }

  function hear(): void {
    clearTimeout(timers.get('deaf'));
    timers.delete('deaf');
    unsee(['listen-silent']);
  }

  function later(name: 'deaf' | 'look', ms: number, then: () => void): void {
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
      looking = check().catch(failed); // the schedule checks again
    });
  }

  /** Runs all checks. Throws errors of the database. */
  async function check(): Promise<Changed> {
    lookedAt = performance.now();
    checkCredential();
    const [{ alerts, kept }, capture] = await Promise.all([readReasons(db, options), options.readCapture()]);
    const all = capture.missing.length === 0 ? alerts : [...alerts, captureBroken(capture)];
    const changed = await book.replace([...reasonTypes, 'capture-broken'], all, kept);
    publish(changed);
    return changed;
  }

  function checkCredential(): void {
    const ends = options.credentialEnds();
    const days = ends === null ? Number.POSITIVE_INFINITY : (ends.getTime() - Date.now()) / dayMs;
    if (days >= 30) unsee(['credential-expiring']);
    else see(credentialExpiring(ends!, days));
  }

  /** `isPosted`: the opened alert was posted before it was recorded. */
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

  /** The work loop reports an outage of the database; any other error here is a bug. */
  function failed(error: unknown): void {
    const failure = databaseFailure(error, ownName);
    if (!isOutage(failure)) tell({ fact: 'bug', error: failure, where: ownName });
  }

  return {
    observe,
    check,
    book,
    async [Symbol.asyncDispose]() {
      closing.abort();
      for (const timer of timers.values()) clearTimeout(timer);
      await looking; // its connections are closed afterwards
      await sightings[Symbol.asyncDispose]();
    },
  };
}

export type Alerts = ReturnType<typeof createAlerts>;

const ownName = 'the alerts';

/** Facts that cause a check. */
const worthALook: ReadonlySet<Fact['fact']> = new Set([
  'capture-broken',
  'conflict',
  'conflict-over',
  'item-parked',
  'item-delayed',
  'room-held',
  'room-refused',
  'room-resting',
  'start-held',
  'plan-confirmed',
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
