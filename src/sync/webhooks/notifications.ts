/**
 * What Graph tells us (Microsoft: change-notifications-delivery): "something changed in this room", or something about
 * a subscription. Each notification is checked by itself: its subscription must be in our table and its secret must be
 * the one of that subscription. What is true is written down before `receive` resolves; what is forged changes nothing
 * and is counted.
 *
 * Made for floods: all that arrives while one statement is under way shares the next one, and subscriptions are known
 * by heart. An id that is not is looked up in the table, together with the others of the same moment, so that a sender that
 * makes up ids cannot keep the database busy.
 */
import { timingSafeEqual } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { databaseFailure, sqlState, type Database } from '../../database.ts';
import { Retryable } from '../../errors.ts';
import type { Tell } from '../../facts.ts';
import { hintsMost } from '../store/work-list.ts';
import { createTokenBucket } from './token-bucket.ts';
import {
  markRooms,
  noteReauthorization,
  noteRemoved,
  wakeAll,
  type NotifiedEvent,
  type NotifiedRoom,
} from './subscription-store.ts';

/** Of one POST: how many were Graph's, and how many were not. */
interface Received {
  readonly accepted: number;
  readonly rejected: number;
}

export interface Notifications {
  /**
   * Checks each element of a notification's `value` and notes what is true, durably. Throws Retryable when the
   * database does not take it in time: Graph then delivers again.
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
  /** A pool of its own: slow reports must not hold up Graph, which waits for 3 seconds. */
  readonly db: Database;
  readonly tell: Tell;
  readonly waitMs?: number;
  /** Rest between two reads of the table. */
  readonly lookEveryMs?: number;
}

interface Known {
  readonly roomId: number | null;
  readonly secret: Buffer;
}

/** Far more than there are rooms. */
const knownMost = 50_000;
const triesMost = 3;
const tellEveryMs = 1_000;
/** In a flood a room is asked for changes once in so long. */
const floodGapMs = 1_000;
/** Rooms that are due within one such step share one ring. */
const wakeStepMs = 25;

/** https://www.postgresql.org/docs/current/errcodes-appendix.html: serialization_failure, deadlock_detected */
const again = ['40001', '40P01'];

export function createNotifications(options: NotificationsOptions): Notifications {
  const { db, tell, waitMs = 2_000, lookEveryMs = 20 } = options;
  const book = createBook(db, lookEveryMs, waitMs);
  const notes = createNotes(db, waitMs);
  const counter = createCounter(tell);

  async function receive(elements: readonly unknown[]): Promise<Received> {
    const read = elements.map(readElement);
    const strange = read.filter((one) => one !== null && book.find(one.subscriptionId) === undefined);
    if (strange.length > 0) await book.learn(strange.map((one) => one!.subscriptionId));
    const [rooms, removed, reauthorized]: [Changed[], string[], string[]] = [[], [], []];
    let [changes, lifecycle] = [0, 0];
    for (const one of read) {
      const known = one === null ? undefined : book.find(one.subscriptionId);
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
      await notes.write({ rooms, removed, reauthorized });
      counter.accepted(changes, lifecycle);
    }
    return { accepted: changes + lifecycle, rejected };
  }

  return { receive, counts: counter.counts };
}

interface Element {
  readonly subscriptionId: string;
  readonly clientState: string;
  /** Null: a change in the room. An event we have not heard of makes the room be looked at, too. */
  readonly lifecycleEvent: string | null;
  /** The event that changed; null: the notification names none. */
  readonly event: NotifiedEvent | null;
}

/** A room that something changed in, and the event if it was named. */
interface Changed {
  readonly id: number;
  readonly event: NotifiedEvent | null;
}

/** Graph's are GUIDs; this is whatever a database can look up. */
const idShape = /^[\x21-\x7e]{1,100}$/;

/** Null: it cannot be Graph's. */
function readElement(value: unknown): Element | null {
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

/** Ids of Exchange are base64 of some 120 characters; this is whatever a primary key can hold. */
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

/** In the same time for every text of the right length, which is no secret. */
function isSecret(given: string, secret: Buffer): boolean {
  if (given.length !== secret.length) return false;
  const bytes = Buffer.from(given);
  return bytes.length === secret.length && timingSafeEqual(bytes, secret);
}

/** The subscriptions that have called, in memory: what has been true of one stays true as long as it lives. */
function createBook(db: Database, everyMs: number, waitMs: number) {
  const known = new Map<string, Known>();
  let next: { readonly ids: Set<string>; readonly done: Promise<void> } | null = null;
  let last: Promise<unknown> = Promise.resolve();

  function open() {
    const ids = new Set<string>();
    const done = last.then(() => {
      next = null;
      return look([...ids]);
    });
    last = done.then(rest, rest);
    return { ids, done };
  }

  const rest = () => pause(everyMs, undefined, { ref: false });

  async function look(ids: readonly string[]): Promise<void> {
    const { rows } = await within(
      waitMs,
      db.query<{ id: string; secret: string; roomId: number | null }>({
        name: 'known_subscriptions',
        text: `SELECT subscription_id AS id, client_state AS secret, resource_mapping_id AS "roomId"
          FROM bridge_subscriptions WHERE subscription_id = ANY ($1)`,
        values: [ids],
      }),
      'look up a subscription',
    );
    for (const { id, secret, roomId } of rows) known.set(id, { roomId, secret: Buffer.from(secret) });
    while (known.size > knownMost) known.delete(known.keys().next().value!);
  }

  return {
    find: (subscriptionId: string) => known.get(subscriptionId),
    /** Looks these up; what comes meanwhile shares the next read. */
    learn(subscriptionIds: readonly string[]): Promise<void> {
      const batch = (next ??= open());
      for (const id of subscriptionIds) batch.ids.add(id);
      return batch.done;
    },
  };
}

interface Note {
  readonly rooms: readonly Changed[];
  readonly removed: readonly string[];
  readonly reauthorized: readonly string[];
}

/** Writes notes down, one statement at a time; those that come meanwhile share the next. */
function createNotes(db: Database, waitMs: number) {
  let next: {
    rooms: Map<number, Map<string, NotifiedEvent> | null>;
    removed: Set<string>;
    reauthorized: Set<string>;
    done: Promise<void>;
  } | null = null;
  let last: Promise<unknown> = Promise.resolve();
  const wakesAt = new Set<number>();
  const tokens = createTokenBucket();

  function open() {
    const batch = {
      rooms: new Map<number, Map<string, NotifiedEvent> | null>(),
      removed: new Set<string>(),
      reauthorized: new Set<string>(),
    };
    const done = last.then(() => {
      next = null;
      return within(waitMs, writeDown(batch), 'note what Graph told us');
    });
    last = done.catch(() => undefined); // told to those who wait for it
    return { ...batch, done };
  }

  async function writeDown(batch: Omit<NonNullable<typeof next>, 'done'>): Promise<void> {
    const told = [...batch.rooms].map(([id, events]) => toldOf(id, events));
    for (let attempt = 1; ; attempt += 1) {
      try {
        if (batch.removed.size > 0) await noteRemoved(db, [...batch.removed]);
        if (batch.reauthorized.size > 0) await noteReauthorization(db, [...batch.reauthorized]);
        for (const ms of await markRooms(db, told)) wakeIn(ms);
        return;
      } catch (error) {
        if (attempt >= triesMost || !again.includes(sqlState(error) ?? '')) throw error;
      }
    }
  }

  /** A flood, or more hints than are worth a call each, is one delta round. */
  function toldOf(id: number, events: ReadonlyMap<string, NotifiedEvent> | null): NotifiedRoom {
    if (!tokens.take(id)) return { id, gapMs: floodGapMs, events: [] };
    const few = events !== null && events.size <= hintsMost;
    return { id, gapMs: 0, events: few ? [...events.values()] : [] };
  }

  /** For rooms that are due in a moment; should it fail, the daemons look once a second anyway. */
  function wakeIn(ms: number): void {
    const now = performance.now();
    const at = Math.ceil((now + ms) / wakeStepMs) * wakeStepMs;
    if (wakesAt.has(at)) return;
    wakesAt.add(at);
    const wake = () => {
      wakesAt.delete(at);
      wakeAll(db).catch(() => undefined);
    };
    setTimeout(wake, at - now).unref();
  }

  return {
    write({ rooms, removed, reauthorized }: Note): Promise<void> {
      const batch = (next ??= open());
      for (const { id, event } of rooms) {
        const events = batch.rooms.has(id) ? batch.rooms.get(id)! : new Map<string, NotifiedEvent>();
        batch.rooms.set(id, event === null ? null : (events?.set(event.eventId, event) ?? null));
      }
      for (const id of removed) batch.removed.add(id);
      for (const id of reauthorized) batch.reauthorized.add(id);
      return batch.done;
    },
  };
}

/** What comes of it in time; else Retryable, as is every failure of the database that may pass. */
async function within<T>(ms: number, work: Promise<T>, what: string): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => late.reject(new Retryable(`${what}: the database does not answer`, { reach: 'side' })),
    ms,
  );
  work.catch(() => undefined); // when it fails after all, nobody waits for it any more
  try {
    return await Promise.race([work, late.promise]);
  } catch (error) {
    throw databaseFailure(error, what);
  } finally {
    clearTimeout(timer);
  }
}

/** Counts, and tells of it at once or, in a flood, once a second. */
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
