/**
 * Alerts: facts and checks of the database become rows (alert-store.ts) and messages (alert-webhook.ts), each raised once across all
 * daemons and closed automatically when its cause is over.
 *
 * Facts are of two kinds. Some have a start and an end (an outage, a silent listener): this daemon holds the alert until the end is
 * reported (conditions.ts). Others are events (a bug, the brake): they stay open until a check no longer finds their cause. All other
 * alerts are found by checks, on a schedule and shortly after a relevant fact.
 */
import { databaseFailure, isOutage, type Database } from '../database.ts';
import type { Fact, Tell } from '../facts.ts';
import { createAlertStore, type Changed } from './alert-store.ts';
import { readReasons } from './alert-reasons.ts';
import { checkedTypes } from './alert-types.ts';
import type { AlertWebhook } from './alert-webhook.ts';
import {
  brakeHeld,
  bugFound,
  captureBroken,
  credentialExpiring,
  listenSilent,
  outage,
} from './alert-words.ts';
import { createConditions } from './conditions.ts';
import type { ReasonOptions } from './reason-words.ts';
import { bugKind, createRepeats } from './repeats.ts';

export interface AlertOptions extends ReasonOptions {
  readonly db: Database;
  readonly webhook: Pick<AlertWebhook, 'post'>;
  readonly tell: Tell;
  /** The id of this daemon among the holders of an alert. */
  readonly holder: string;
  /** Missing or disabled triggers, and the repair. */
  readonly readCapture: () => Promise<{
    readonly missing: readonly string[];
    readonly repair: string | null;
  }>;
  /** The expiry of our certificate; null: there is none, or it cannot be read. */
  readonly credentialEnds: () => Date | null;
  /** A listener that is silent for this time raises an alert; reconnecting takes less. */
  readonly silentMs?: number;
  /** The delay of a check after a relevant fact, to combine several facts. */
  readonly gatherMs?: number;
}

/** The minimum interval between two checks caused by facts. */
const checkIntervalMs = 5_000;
const dayMs = 86_400_000;

export function createAlerts(options: AlertOptions) {
  const { db, webhook, tell, holder, silentMs = 10_000, gatherMs = 250 } = options;
  const store = createAlertStore(db);
  const conditions = createConditions({ store, webhook, holder, publish, failed });
  const bugs = createRepeats(() => performance.now());
  const closing = new AbortController();
  const timers = new Map<'silent' | 'check', NodeJS.Timeout>();
  let checkedAt = Number.NEGATIVE_INFINITY;
  let checking: Promise<unknown> = Promise.resolve();

  function observe(fact: Fact): void {
    if (closing.signal.aborted) return;
    if (fact.fact === 'outage') conditions.begin(outage(fact));
    else if (fact.fact === 'outage-over') {
      conditions.end(fact.side === 'booking' ? ['booking-outage'] : ['outlook-outage', 'credential-refused']);
      checkSoon();
    } else if (fact.fact === 'listening' && !fact.heard) waitForListener(fact.reason);
    else if (fact.fact === 'listening' || fact.fact === 'stopped') listenerReturned();
    else if (fact.fact === 'brake-held') conditions.record(brakeHeld(fact));
    else if (fact.fact === 'bug' && fact.where !== ownName) {
      if (!bugs.isRepeated(bugKind(fact))) conditions.record(bugFound(fact));
    } else if (causesCheck.has(fact.fact)) checkSoon();
  }

  function waitForListener(reason: string): void {
    if (timers.has('silent') || conditions.isOpen('listen-silent')) return;
    later('silent', silentMs, () => {
      // a database outage also silences the listener: one cause, one alert
      if (conditions.isOpen('booking-outage')) waitForListener(reason);
      else conditions.begin(listenSilent(reason));
    });
  }

  function listenerReturned(): void {
    clearTimeout(timers.get('silent'));
    timers.delete('silent');
    conditions.end(['listen-silent']);
  }

  function later(name: 'silent' | 'check', ms: number, then: () => void): void {
    const run = () => {
      timers.delete(name);
      then();
    };
    timers.set(name, setTimeout(run, ms).unref());
  }

  function checkSoon(): void {
    if (timers.has('check')) return;
    later('check', Math.max(gatherMs, checkedAt + checkIntervalMs - performance.now()), () => {
      checking = check().catch(failed); // the schedule checks again
    });
  }

  /** Runs all checks. Throws errors of the database. */
  async function check(): Promise<Changed> {
    checkedAt = performance.now();
    checkCredential();
    const [{ alerts, kept }, capture] = await Promise.all([readReasons(db, options), options.readCapture()]);
    const all = capture.missing.length === 0 ? alerts : [...alerts, captureBroken(capture)];
    const changed = await store.replace(checkedTypes, all, kept);
    publish(changed);
    return changed;
  }

  function checkCredential(): void {
    const ends = options.credentialEnds();
    const days = ends === null ? Number.POSITIVE_INFINITY : (ends.getTime() - Date.now()) / dayMs;
    if (days >= 30) conditions.end(['credential-expiring']);
    else conditions.begin(credentialExpiring(ends!, days));
  }

  /** `isPosted`: the opened alert was posted before it was recorded. */
  function publish({ opened, closed }: Changed, isPosted = false): void {
    for (const [event, rows] of [
      ['opened', opened],
      ['closed', closed],
    ] as const)
      for (const row of rows) {
        const { status: _, seen_at: _seen, acknowledged_at: _acknowledged, ...message } = row;
        if (!(event === 'opened' && isPosted)) webhook.post(event, message);
        const { type, severity, room, resource_id: resourceId } = row;
        tell({ fact: 'alert', event, type, severity, room, resourceId, message: row.message });
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
    store,
    async [Symbol.asyncDispose]() {
      closing.abort();
      for (const timer of timers.values()) clearTimeout(timer);
      await checking; // its connections are closed afterwards
      await conditions[Symbol.asyncDispose]();
    },
  };
}

export type Alerts = ReturnType<typeof createAlerts>;

const ownName = 'the alerts';

const causesCheck: ReadonlySet<Fact['fact']> = new Set([
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
