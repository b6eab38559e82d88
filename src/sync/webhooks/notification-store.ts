/**
 * Stores notifications, one statement at a time: those that arrive meanwhile share the next one. Graph sends several in one POST and
 * repeats all of them after one answer other than 2xx (Microsoft: change-notifications-delivery-webhooks); to store one twice is harmless.
 */
import { combined } from '../../calls.ts';
import { sqlState, type Database } from '../../database.ts';
import { Retryable } from '../../errors.ts';
import { failingWithin } from '../store/failing.ts';
import {
  markRooms,
  noteReauthorization,
  noteRemoved,
  wakeAll,
  type NotifiedEvent,
  type NotifiedRoom,
} from './subscription-store.ts';
import { createTokenBucket } from './token-bucket.ts';

const triesMost = 3;
/** The delay of hints, and the minimum interval of delta rounds, of a room in a flood. */
const floodGapMs = 1_000;
/** Rooms that are due within this time of each other share one wake-up. */
const wakeTogetherMs = 25;

/** https://www.postgresql.org/docs/current/errcodes-appendix.html: serialization_failure, deadlock_detected */
const repeatable = ['40001', '40P01'];
const lockNotAvailable = '55P03';

/** A changed room, and the event if it was named. */
export interface Changed {
  readonly id: number;
  readonly event: NotifiedEvent | null;
}

interface Notified {
  readonly rooms: readonly Changed[];
  /** Ids of subscriptions. */
  readonly removed: readonly string[];
  readonly reauthorized: readonly string[];
}

/** The rooms whose rows another transaction had locked. */
type Locked = ReadonlySet<number>;

const what = 'store notifications';

/** `db`: with a `lock_timeout` well below `waitMs`, the time limit of a statement. */
export function createNotificationStore(db: Database, waitMs: number) {
  const wakesAt = new Set<number>();
  const tokens = createTokenBucket();
  const storeFree = combined(failingWithin(waitMs, what, storeFreeRooms));
  const storeSlowly = combined(failingWithin(waitMs, what, storeWhatWaits));

  /** Waits for no other transaction: a room locked by one does not delay the others. */
  async function storeFreeRooms(all: readonly (readonly Changed[])[]): Promise<Locked[]> {
    const locked = new Set<number>();
    // a flood becomes few reads
    for (const notified of notifiedRooms(all.flat(), (id) => (tokens.take(id) ? 0 : floodGapMs))) {
      const marked = await repeatedly(() => markRooms(db, notified, 'skip'));
      for (const ms of marked.later) wakeIn(ms);
      for (const id of marked.locked) locked.add(id);
    }
    return all.map(() => locked);
  }

  /**
   * A drain locks its room for milliseconds, a person's transaction for any time. Of a room that stays locked, hints are stored without
   * the room; a heartbeat marks it.
   */
  async function storeWhatWaits(all: readonly Notified[]): Promise<Locked[]> {
    const locked = new Set<number>();
    const rooms = all.flatMap((one) => one.rooms);
    for (const notified of notifiedRooms(rooms, () => 0))
      try {
        for (const ms of (await repeatedly(() => markRooms(db, notified))).later) wakeIn(ms);
      } catch (error) {
        if (sqlState(error) !== lockNotAvailable) throw error;
        const marked = await repeatedly(() => markRooms(db, notified, 'hint'));
        for (const ms of marked.later) wakeIn(ms);
        for (const id of marked.locked) locked.add(id);
      }
    const removed = all.flatMap((one) => one.removed);
    if (removed.length > 0) await repeatedly(() => noteRemoved(db, removed));
    const reauthorized = all.flatMap((one) => one.reauthorized);
    if (reauthorized.length > 0) await repeatedly(() => noteReauthorization(db, reauthorized));
    return all.map(() => locked);
  }

  async function store({ rooms, removed, reauthorized }: Notified): Promise<void> {
    const locked = await storeFree(rooms);
    const left = rooms.filter(({ id }) => locked.has(id));
    if (left.length + removed.length + reauthorized.length === 0) return;
    const stillLocked = await storeSlowly({ rooms: left, removed, reauthorized });
    if (left.some(({ id }) => stillLocked.has(id)))
      throw new Retryable(`${what}: another transaction has locked the row of its room`, { reach: 'item' });
  }

  /** Wakes the daemons for rooms that are due then. After a failure they take what is due once a second anyway. */
  function wakeIn(ms: number): void {
    const now = performance.now();
    const at = Math.ceil((now + ms) / wakeTogetherMs) * wakeTogetherMs;
    if (wakesAt.has(at)) return;
    wakesAt.add(at);
    const wake = () => {
      wakesAt.delete(at);
      wakeAll(db).catch(() => undefined);
    };
    setTimeout(wake, at - now).unref();
  }

  return { store };
}

/** The rooms with hints, and those to be read as a whole: one statement each, because it updates a room once. */
function notifiedRooms(
  changed: readonly Changed[],
  gapOf: (id: number) => number,
): readonly NotifiedRoom[][] {
  const rooms = [...Map.groupBy(changed, ({ id }) => id)].map(([id, changes]) => {
    // the last notification of each event
    const events = new Map(changes.flatMap(({ event }) => (event === null ? [] : [[event.eventId, event]])));
    const isWhole = changes.some(({ event }) => event === null);
    return { id, isWhole, gapMs: gapOf(id), events: [...events.values()] };
  });
  const hinted = rooms.filter(({ events }) => events.length > 0);
  const whole = rooms.filter(({ isWhole }) => isWhole).map((room) => ({ ...room, events: [] }));
  return [hinted, whole].filter((some) => some.length > 0);
}

/** Repeats a statement after a deadlock. */
async function repeatedly<T>(statement: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt += 1)
    try {
      return await statement();
    } catch (error) {
      if (attempt >= triesMost || !repeatable.includes(sqlState(error) ?? '')) throw error;
    }
}
