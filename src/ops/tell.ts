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
interface Line {
  readonly level: Level;
  readonly message: string;
  readonly fields: object;
}

export function createTell({ log, observers, now = () => performance.now() }: TellOptions): Told {
  const watchers = new Set<(fact: Fact) => void>();
  const isRepeated = createTroubles(now);

  function tell(fact: Fact): void {
    for (const observe of observers) observe(fact);
    const { level, message, fields } = lineOf(fact);
    const repeated = isRepeated(fact, level);
    log[repeated ? 'debug' : level](fields, message);
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
function createTroubles(now: () => number): (fact: Fact, level: Level) => boolean {
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

const pulledAs = {
  imported: 'imported',
  joined: 'given another room',
  'booking-updated': 'changed from outlook',
  'booking-cancelled': 'cancelled from outlook',
  declined: 'declined in outlook',
} as const;

function lineOf(fact: Fact): Line {
  const fields = redactedFields(fact);
  switch (fact.fact) {
    case 'pushed': {
      const moved = ['created', 'adopted', 'updated', 'deleted'].includes(fact.action);
      // items without a latency belong to a backfill: thousands at a time, counted by the metrics
      return {
        level: moved && fact.latencyMs !== null ? 'info' : 'debug',
        message: `item ${fact.action}`,
        fields,
      };
    }
    case 'pulled':
      return {
        level: fact.latencyMs === null ? 'debug' : 'info',
        message: `reservation ${pulledAs[fact.action]}`,
        fields,
      };
    case 'conflict':
      return { level: 'warn', message: 'conflict needs a decision', fields };
    case 'conflict-over':
      return { level: 'info', message: 'conflict over', fields };
    case 'room-pulled':
      return { level: 'debug', message: 'changes read from outlook', fields };
    case 'item-delayed':
      return { level: 'debug', message: 'item delayed', fields };
    case 'item-parked':
      return { level: 'warn', message: 'item parked', fields };
    case 'room-resting':
      return {
        level: fact.throttled ? 'info' : 'warn',
        message: fact.throttled ? 'room throttled by Graph' : 'room backing off',
        fields,
      };
    case 'room-refused':
      return { level: 'error', message: 'room refused', fields };
    case 'room-held':
      return { level: 'error', message: 'room held: mailbox claimed elsewhere', fields };
    case 'room-well':
      return { level: 'info', message: 'room recovered', fields };
    case 'room-baselined':
      return { level: 'info', message: 'room compared with outlook', fields };
    case 'room-reconciled':
      return { level: 'info', message: 'room compared with the booking system', fields };
    case 'brake-held':
      return { level: 'error', message: 'mass removal held by the brake', fields };
    case 'outage':
      return {
        level: 'error',
        message: `${fact.side} is unreachable`,
        fields,
      };
    case 'outage-over':
      return { level: 'info', message: `${fact.side} is reachable again`, fields };
    case 'listening':
      return fact.heard
        ? { level: 'info', message: 'listening', fields: {} }
        : { level: 'warn', message: 'not listening', fields: { reason: fields['reason'] } };
    case 'lease-lost':
      return { level: 'warn', message: 'lease lost', fields };
    case 'subscription':
      return {
        level: { created: 'info', renewed: 'debug', removed: 'info', lost: 'warn' }[fact.action] as Level,
        message: `subscription ${fact.action}`,
        fields,
      };
    case 'subscription-failed':
      return { level: 'warn', message: 'subscription failed, the room is polled meanwhile', fields };
    case 'notified':
      return { level: 'debug', message: 'notified by outlook', fields };
    case 'notifications-rejected':
      return { level: 'warn', message: 'forged notifications rejected', fields };
    case 'capture-missed':
      return {
        level: 'warn',
        message: 'a trigger could not record a change; all rooms are compared',
        fields,
      };
    case 'capture-broken':
      return { level: 'error', message: 'triggers of the booking system are missing or disabled', fields };
    case 'planned':
      return {
        level: 'info',
        message: 'planned: nothing is written yet; see GET /plan',
        fields: { ...fields, ...fact.counts, counts: undefined },
      };
    case 'start-held':
      return { level: 'error', message: 'nothing is written until a person confirms', fields };
    case 'plan-confirmed':
      return { level: 'info', message: 'plan confirmed, synchronization starts', fields };
    case 'started':
      return { level: 'info', message: 'started', fields };
    case 'stopped':
      return { level: 'info', message: 'stopped', fields };
    case 'alert':
      return {
        level: 'info',
        message: `alert ${fact.event}`,
        fields: { ...fields, message: redact(fact.message) },
      };
    case 'alert-undelivered':
      return { level: 'warn', message: 'an alert could not be delivered', fields };
    case 'schedule-ran':
      return {
        level: fact.failed === null ? 'debug' : 'warn',
        message: fact.failed === null ? 'schedule ran' : 'schedule failed',
        fields,
      };
    case 'report':
      return { level: 'info', message: 'daily report', fields: { ...fact.report } };
    case 'bug':
      return {
        level: 'error',
        message: 'bug',
        // not pino's error serializer: the details of a database error quote the row
        fields: {
          where: fact.where,
          error: redact(fact.error.message),
          stack: redact(fact.error.stack ?? ''),
        },
      };
  }
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
