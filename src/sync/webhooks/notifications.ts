/**
 * Notifications from Graph (Microsoft: change-notifications-delivery) about a change in a room, or about a subscription. Each is
 * checked: its subscription must be in our table, with the same secret. Valid ones are stored before `receive` resolves; forged ones
 * change nothing and are counted.
 *
 * For floods, notifications are stored in batches, and subscriptions are kept in memory. Unknown ids are read from the table in
 * batches, too, so that a sender of invented ids cannot keep the database busy.
 */
import { timingSafeEqual } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { combined } from '../../calls.ts';
import type { Database } from '../../database.ts';
import { queryRows } from '../../query.ts';
import type { Tell } from '../../facts.ts';
import { failingWithin } from '../store/failing.ts';
import { createNotificationStore, type Changed } from './notification-store.ts';
import type { NotifiedEvent } from './subscription-store.ts';

/** The valid and forged notifications of one POST. */
interface Received {
  readonly accepted: number;
  readonly rejected: number;
}

export interface Notifications {
  /**
   * Checks each element of a notification's `value` and stores the valid ones. Throws Retryable when the database does not accept
   * them in time: Graph then delivers again.
   */
  receive(elements: readonly unknown[]): Promise<Received>;
  /** Since the start of this process. */
  counts(): NotificationCounts;
}

interface NotificationCounts {
  readonly since: Date;
  readonly changes: number;
  readonly lifecycle: number;
  readonly rejected: number;
  readonly last_at: Date | null;
}

export interface NotificationsOptions {
  /** A pool of its own: slow reports must not delay the answer to Graph, which waits for 3 seconds. */
  readonly db: Database;
  readonly tell: Tell;
  readonly waitMs?: number;
  /** The pause between two reads of the table. */
  readonly readEveryMs?: number;
}

const tellEveryMs = 1_000;

export function createNotifications(options: NotificationsOptions): Notifications {
  const { db, tell, waitMs = 2_000, readEveryMs = 20 } = options;
  const subscriptions = createKnownSubscriptions(db, readEveryMs, waitMs);
  const notified = createNotificationStore(db, waitMs);
  const counter = createCounter(tell);

  async function receive(elements: readonly unknown[]): Promise<Received> {
    const read = elements.map(readNotification);
    const unknown = read.filter(
      (one) => one !== null && subscriptions.find(one.subscriptionId) === undefined,
    );
    if (unknown.length > 0) await subscriptions.learn(unknown.map((one) => one!.subscriptionId));
    const [rooms, removed, reauthorized]: [Changed[], string[], string[]] = [[], [], []];
    let [changes, lifecycle] = [0, 0];
    for (const one of read) {
      const known = one === null ? undefined : subscriptions.find(one.subscriptionId);
      if (one === null || known === undefined || !isSecret(one.clientState, known.secret)) continue;
      if (known.roomId !== null) rooms.push({ id: known.roomId, event: one.event });
      if (one.lifecycleEvent === null) changes += 1;
      else lifecycle += 1;
      if (one.lifecycleEvent === 'subscriptionRemoved') removed.push(one.subscriptionId);
      if (one.lifecycleEvent === 'reauthorizationRequired') reauthorized.push(one.subscriptionId);
    }
    const rejected = elements.length - changes - lifecycle;
    counter.rejected(rejected);
    if (changes + lifecycle > 0) {
      await notified.store({ rooms, removed, reauthorized });
      counter.accepted(changes, lifecycle);
    }
    return { accepted: changes + lifecycle, rejected };
  }

  return { receive, counts: counter.counts };
}

/** One notification; further fields are ignored. */
interface Notification {
  readonly subscriptionId: string;
  readonly clientState: string;
  /** Null: a change in the room. An unknown lifecycle event causes a read of the room, too. */
  readonly lifecycleEvent: string | null;
  /** The event that changed; null: the notification names none. */
  readonly event: NotifiedEvent | null;
}

/** Graph uses GUIDs; accepted is whatever the database can search. */
const idShape = /^[\x21-\x7e]{1,100}$/;

/** Null: it is not from Graph. */
function readNotification(value: unknown): Notification | null {
  if (typeof value !== 'object' || value === null) return null;
  const { subscriptionId, clientState, lifecycleEvent } = value as Readonly<Record<string, unknown>>;
  if (typeof subscriptionId !== 'string' || typeof clientState !== 'string') return null;
  if (!idShape.test(subscriptionId)) return null;
  return {
    subscriptionId,
    clientState,
    lifecycleEvent: typeof lifecycleEvent === 'string' ? lifecycleEvent : null,
    event: typeof lifecycleEvent === 'string' ? null : readEvent(value),
  };
}

/** Ids of Exchange are base64 of about 120 characters; accepted is whatever a primary key can hold. */
const eventIdShape = /^[\x21-\x7e]{1,512}$/;

function readEvent(value: object): NotifiedEvent | null {
  const { changeType, resourceData } = value as Readonly<Record<string, unknown>>;
  if (typeof resourceData !== 'object' || resourceData === null) return null;
  const { id, '@odata.etag': etag } = resourceData as Readonly<Record<string, unknown>>;
  if (typeof id !== 'string' || !eventIdShape.test(id)) return null;
  return {
    eventId: id,
    deleted: changeType === 'deleted',
    etag: typeof etag === 'string' && eventIdShape.test(etag) ? etag : null,
  };
}

/** In constant time for every text of the right length, which is no secret. */
function isSecret(given: string, secret: Buffer): boolean {
  if (given.length !== secret.length) return false;
  const bytes = Buffer.from(given);
  return bytes.length === secret.length && timingSafeEqual(bytes, secret);
}

interface Known {
  readonly roomId: number | null;
  readonly secret: Buffer;
}

/** Far more than there are rooms. */
const knownMost = 50_000;

/**
 * The subscriptions that sent notifications, in memory: room and secret of a subscription never change. `everyMs`: the pause
 * between two reads of the table; `waitMs`: the time limit of one.
 */
function createKnownSubscriptions(db: Database, everyMs: number, waitMs: number) {
  const known = new Map<string, Known>();
  async function read(asked: readonly (readonly string[])[]): Promise<void[]> {
    const rows = await queryRows<{ id: string; secret: string; roomId: number | null }>(db, {
      name: 'known_subscriptions',
      text: `SELECT subscription_id AS id, client_state AS secret, resource_mapping_id AS "roomId"
        FROM bridge_subscriptions WHERE subscription_id = ANY ($1)`,
      values: [[...new Set(asked.flat())]],
    });
    for (const { id, secret, roomId } of rows) known.set(id, { roomId, secret: Buffer.from(secret) });
    while (known.size > knownMost) known.delete(known.keys().next().value!);
    return asked.map(() => undefined);
  }

  return {
    find: (subscriptionId: string) => known.get(subscriptionId),
    /** Reads these from the table. */
    learn: combined(failingWithin(waitMs, 'look up a subscription', read), {
      rest: () => pause(everyMs, undefined, { ref: false }),
    }),
  };
}

/** Counts notifications, and reports them at once or, in a flood, once a second. */
function createCounter(tell: Tell) {
  const since = new Date();
  const total = { changes: 0, lifecycle: 0, rejected: 0 };
  let untold = { changes: 0, lifecycle: 0, rejected: 0 };
  let lastAt: Date | null = null;
  let timer: NodeJS.Timeout | null = null;

  function tellNow(): void {
    const { changes, lifecycle, rejected } = untold;
    untold = { changes: 0, lifecycle: 0, rejected: 0 };
    timer = null;
    if (changes + lifecycle + rejected === 0) return;
    timer = setTimeout(tellNow, tellEveryMs).unref();
    if (changes + lifecycle > 0) tell({ fact: 'notified', changes, lifecycle });
    if (rejected > 0) tell({ fact: 'notifications-rejected', count: rejected });
  }

  function add(kind: keyof typeof total, count: number): void {
    total[kind] += count;
    untold[kind] += count;
  }

  return {
    accepted(changes: number, lifecycle: number): void {
      add('changes', changes);
      add('lifecycle', lifecycle);
      lastAt = new Date();
      if (timer === null) tellNow();
    },
    rejected(count: number): void {
      if (count === 0) return;
      add('rejected', count);
      if (timer === null) tellNow();
    },
    counts: (): NotificationCounts => ({ since, ...total, last_at: lastAt }),
  };
}
