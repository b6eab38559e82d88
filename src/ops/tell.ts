/**
 * The processing of a fact: log line, metrics, health and live feed, in one exhaustive place so that they stay consistent.
 *
 * Levels: error needs attention, warn may need it, info is informative (a synced change, a room or side that failed or recovered),
 * debug is the rest: backfills, retries, equal items. Repeated trouble is logged once a minute per room, and so is each kind of bug,
 * which is then not sent to the live feed either. Personal data is removed from error texts.
 */
import type { Fact, Tell } from '../facts.ts';
import type { Logger } from '../log.ts';
import { redact } from './redact.ts';
import { bugKind, createRepeats } from './repeats.ts';

export interface TellOptions {
  readonly log: Logger;
  /** Called for each fact before it is logged: metrics, health. */
  readonly observers: readonly ((fact: Fact) => void)[];
  /** Milliseconds on a monotonic clock. */
  readonly now?: () => number;
}

export interface Told {
  readonly tell: Tell;
  /** Calls `watcher` for every fact until the returned function is called. A watcher that throws is removed. */
  readonly watch: (watcher: (fact: Fact) => void) => () => void;
}

type Level = 'error' | 'warn' | 'info' | 'debug';

export function createTell({ log, observers, now = () => performance.now() }: TellOptions): Told {
  const watchers = new Set<(fact: Fact) => void>();
  const isRepeated = createRepeatFilter(now);

  function tell(fact: Fact): void {
    for (const observe of observers) observe(fact);
    const [level, message] = entryOf(fact);
    const repeated = isRepeated(fact, level);
    log[repeated ? 'debug' : level](fieldsOf(fact), message);
    // a bug that repeats many times a second would displace everything else in the feed
    if (repeated && fact.fact === 'bug') return;
    for (const watcher of watchers) {
      try {
        watcher(fact);
      } catch (error) {
        // a watcher must not stop the work
        watchers.delete(watcher);
        log.warn({ error: redact(String(error)) }, 'a watcher of the live feed failed and was dropped');
      }
    }
  }

  return {
    tell,
    watch(watcher) {
      watchers.add(watcher);
      return () => watchers.delete(watcher);
    },
  };
}

/** Whether the trouble of a room, or a kind of bug, was logged less than a minute ago; reset when the room recovers. */
function createRepeatFilter(now: () => number): (fact: Fact, level: Level) => boolean {
  const repeats = createRepeats(now);
  return (fact, level) => {
    if (fact.fact === 'bug') return repeats.isRepeated(bugKind(fact));
    if (!('resourceId' in fact)) return false;
    if (fact.fact === 'room-well')
      for (const kind of ['room-resting', 'room-refused', 'room-held'])
        repeats.forget(`${kind} ${fact.resourceId}`);
    return (
      ['room-resting', 'room-refused', 'room-held', 'brake-held'].includes(fact.fact) &&
      level !== 'debug' &&
      repeats.isRepeated(`${fact.fact} ${fact.resourceId}`)
    );
  };
}

type Entry = readonly [Level, string];

/** The level and message of each fact. */
const entries: {
  readonly [Name in Fact['fact']]: Entry | ((fact: Extract<Fact, { fact: Name }>) => Entry);
} = {
  // items without a latency belong to a backfill: thousands at a time, counted by the metrics
  pushed: ({ action, latencyMs }) => [
    latencyMs !== null && ['created', 'adopted', 'updated', 'deleted'].includes(action) ? 'info' : 'debug',
    `item ${action}`,
  ],
  pulled: ({ action, latencyMs }) => [
    latencyMs === null ? 'debug' : 'info',
    `reservation ${pullMessages[action]}`,
  ],
  conflict: ['warn', 'conflict needs a decision'],
  'conflict-over': ['info', 'conflict over'],
  'item-delayed': ['debug', 'item delayed'],
  'item-parked': ['warn', 'item parked'],
  'room-pulled': ['debug', 'changes read from outlook'],
  'room-resting': ({ throttled }) =>
    throttled ? ['info', 'room throttled by Graph'] : ['warn', 'room backing off'],
  'room-refused': ['error', 'room refused'],
  'room-held': ['error', 'room held: mailbox claimed elsewhere'],
  'room-well': ['info', 'room recovered'],
  'room-baselined': ['info', 'room compared with outlook'],
  'room-reconciled': ['info', 'room compared with the booking system'],
  'brake-held': ['error', 'mass removal held by the brake'],
  outage: ({ side }) => ['error', `${side} is unreachable`],
  'outage-over': ({ side }) => ['info', `${side} is reachable again`],
  listening: ({ heard }) => (heard ? ['info', 'listening'] : ['warn', 'not listening']),
  'lease-lost': ['warn', 'lease lost'],
  subscription: ({ action }) => [
    ({ created: 'info', renewed: 'debug', removed: 'info', lost: 'warn' } as const)[action],
    `subscription ${action}`,
  ],
  'subscription-failed': ['warn', 'subscription failed, the room is polled meanwhile'],
  notified: ['debug', 'notified by outlook'],
  'notifications-rejected': ['warn', 'forged notifications rejected'],
  'capture-missed': ['warn', 'a trigger could not record a change; all rooms are compared'],
  'capture-broken': ['error', 'triggers of the booking system are missing or disabled'],
  planned: ['info', 'planned: nothing is written yet; see GET /plan'],
  'start-held': ['error', 'nothing is written until a person confirms'],
  'plan-confirmed': ['info', 'plan confirmed, synchronization starts'],
  started: ['info', 'started'],
  stopped: ['info', 'stopped'],
  alert: ({ event }) => ['info', `alert ${event}`],
  'alert-undelivered': ['warn', 'an alert could not be delivered'],
  'schedule-ran': ({ failed }) => (failed === null ? ['debug', 'schedule ran'] : ['warn', 'schedule failed']),
  report: ['info', 'daily report'],
  bug: ['error', 'bug'],
};

const pullMessages = {
  imported: 'imported',
  joined: 'given another room',
  'booking-updated': 'changed from outlook',
  'booking-cancelled': 'cancelled from outlook',
  declined: 'declined in outlook',
} as const;

function entryOf(fact: Fact): Entry {
  const entry = entries[fact.fact] as Entry | ((fact: Fact) => Entry);
  return typeof entry === 'function' ? entry(fact) : entry;
}

/** The fields of a log line. */
function fieldsOf(fact: Fact): object {
  const fields = redactedFields(fact);
  if (fact.fact === 'listening') return fact.heard ? {} : { reason: fields['reason'] };
  if (fact.fact === 'planned') return { ...fields, ...fact.counts, counts: undefined };
  if (fact.fact === 'alert') return { ...fields, message: redact(fact.message) };
  if (fact.fact === 'report') return { ...fact.report };
  if (fact.fact !== 'bug') return fields;
  const { where, error } = fact;
  // not pino's error serializer: the details of a database error quote the row
  return { where, error: redact(error.message), stack: redact(error.stack ?? '') };
}

/**
 * A fact for the live feed: without personal addresses and numbers from errors; of a bug only its place, because its message may
 * quote anything.
 */
export function shownFact(fact: Fact): Readonly<Record<string, unknown>> {
  if (fact.fact === 'bug') return { fact: 'bug', where: fact.where };
  return { fact: fact.fact, ...redactedFields(fact) };
}

/** The fields of a fact for the log; its name is the message, and foreign texts are redacted. */
function redactedFields(fact: Fact): Readonly<Record<string, unknown>> {
  const foreign = ['error', 'hint', 'reason', 'failed'];
  return Object.fromEntries(
    Object.entries(fact)
      .filter(([name]) => name !== 'fact')
      .map(([name, value]) => [
        name,
        foreign.includes(name) && typeof value === 'string' ? redact(value) : value,
      ]),
  );
}
