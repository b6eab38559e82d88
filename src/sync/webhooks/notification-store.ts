/**
 * Stores notifications, one statement at a time: those that arrive meanwhile share the next one. Graph sends several in one POST and
 * repeats all of them after one answer other than 2xx (Microsoft: change-notifications-delivery-webhooks); to store one twice is harmless.
 */
import { combined } from '../../calls.ts';
import { sqlState, type Database } from '../../database.ts';
import { hintsKeptMost } from '../hint-limits.ts';
import { failingWithin } from '../store/failing.ts';
import {
  markRooms,
  mergedEvents,
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

/** The rooms whose rows another transaction had locked, with the delay of their reads. */
type Locked = ReadonlyMap<number, number>;

/** What may have to wait for another transaction. */
interface Waiting extends Notified {
  readonly locked: Locked;
}

const what = 'store notifications';

/** `db`: with a `lock_timeout` well below `waitMs`, the time limit of a statement. */
export function createNotificationStore(db: Database, waitMs: number) {
  const wakesAt = new Set<number>();
  const tokens = createTokenBucket();
  const storeFree = combined(failingWithin(waitMs, what, storeFreeRooms));
  const storeSlowly = combined(failingWithin(waitMs, what, storeWhatWaits));

  /** Waits for no other transaction: a room locked by one does not delay the others. */
  async function storeFreeRooms(all: readonly (readonly Changed[])[]): Promise<Locked[]> {
    const locked = new Map<number, number>();
    const changed = all.flat();
    // a flood becomes few reads
    const ids = new Set(changed.map(({ id }) => id));
    const gaps = new Map([...ids].map((id) => [id, tokens.take(id) ? 0 : floodGapMs]));
    for (const notified of notifiedRooms(changed, gaps)) {
      const marked = await repeatedly(() => markRooms(db, notified, 'skip'));
      for (const ms of marked.later) wakeIn(ms);
      for (const id of marked.locked) locked.set(id, gaps.get(id)!);
    }
    return all.map(() => locked);
  }

  /**
   * A drain locks its room for milliseconds, a person's transaction for any time. Of a room that stays locked, hints are stored without
   * the room; a heartbeat marks it.
   */
  async function storeWhatWaits(all: readonly Waiting[]): Promise<void[]> {
    const gaps = new Map<number, number>();
    for (const { locked } of all)
      for (const [id, ms] of locked) gaps.set(id, Math.max(ms, gaps.get(id) ?? 0));
    const rooms = all.flatMap((one) => one.rooms);
    for (const notified of notifiedRooms(rooms, gaps)) {
      const mark = (ifLocked: 'wait' | 'hint') => repeatedly(() => markRooms(db, notified, ifLocked));
      const marked = await mark('wait').catch((error: unknown) => {
        if (sqlState(error) !== lockNotAvailable) throw error;
        return mark('hint');
      });
      for (const ms of marked.later) wakeIn(ms);
    }
    const removed = all.flatMap((one) => one.removed);
    if (removed.length > 0) await repeatedly(() => noteRemoved(db, removed));
    const reauthorized = all.flatMap((one) => one.reauthorized);
    if (reauthorized.length > 0) await repeatedly(() => noteReauthorization(db, reauthorized));
    return all.map(() => undefined);
  }

  async function store({ rooms, removed, reauthorized }: Notified): Promise<void> {
    const locked = await storeFree(rooms);
    const left = rooms.filter(({ id }) => locked.has(id));
    if (left.length + removed.length + reauthorized.length === 0) return;
    await storeSlowly({ rooms: left, locked, removed, reauthorized });
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
  gaps: ReadonlyMap<number, number>,
): readonly NotifiedRoom[][] {
  const rooms = [...Map.groupBy(changed, ({ id }) => id)].map(([id, changes]) => {
    const all = new Map<string, NotifiedEvent>();
    for (const { event } of changes) {
      if (event === null) continue;
      const before = all.get(event.eventId);
      all.set(event.eventId, before === undefined ? event : mergedEvents(before, event));
    }
    // one more than may be stored: it becomes a hint of the whole room
    const events = new Map([...all].slice(0, hintsKeptMost + 1));
    const isWhole = changes.some(({ event }) => event === null);
    return { id, isWhole, gapMs: gaps.get(id)!, events: [...events.values()] };
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
