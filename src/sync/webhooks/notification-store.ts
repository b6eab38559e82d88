/**
 * Stores notifications, one statement at a time: those that arrive meanwhile share the next one. Graph sends several in one POST and
 * repeats all of them after one answer other than 2xx (Microsoft: change-notifications-delivery-webhooks); to store one twice is harmless.
 */
import { sqlState, type Database } from '../../database.ts';
import { Retryable } from '../../errors.ts';
import { createBatches } from './batches.ts';
import {
  markFreeRooms,
  markOrHintRooms,
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

/** By room: its events by their ids, and whether a notification named the room as a whole. */
type RoomEvents = Map<number, { isWhole: boolean; readonly events: Map<string, NotifiedEvent> }>;

const newBatch = () => ({
  rooms: new Map() as RoomEvents,
  /** The rooms whose rows another transaction had locked. */
  locked: new Set<number>(),
});

/** What may have to wait for another transaction. */
const newSlowBatch = () => ({ ...newBatch(), removed: new Set<string>(), reauthorized: new Set<string>() });

const what = 'note what Graph told us';

/** `db`: with a `lock_timeout` well below `waitMs`, the time limit of a statement. */
export function createNotificationStore(db: Database, waitMs: number) {
  const wakesAt = new Set<number>();
  const tokens = createTokenBucket();
  const addToBatch = createBatches({ newBatch, run: storeBatch, what, waitMs });
  const addToSlowBatch = createBatches({ newBatch: newSlowBatch, run: storeSlowBatch, what, waitMs });

  /** Waits for no other transaction: a room locked by one does not delay the others. */
  async function storeBatch({ rooms, locked }: ReturnType<typeof newBatch>): Promise<void> {
    // a flood becomes few reads
    for (const notified of notifiedRooms(rooms, (id) => (tokens.take(id) ? 0 : floodGapMs))) {
      const marked = await repeatedly(() => markFreeRooms(db, notified));
      for (const ms of marked.later) wakeIn(ms);
      for (const id of marked.locked) locked.add(id);
    }
  }

  /**
   * A drain locks its room for milliseconds, a person's transaction for any time. Of a room that stays locked, hints are stored without
   * the room; a heartbeat marks it.
   */
  async function storeSlowBatch(batch: ReturnType<typeof newSlowBatch>): Promise<void> {
    for (const notified of notifiedRooms(batch.rooms, () => 0))
      try {
        for (const ms of await repeatedly(() => markRooms(db, notified))) wakeIn(ms);
      } catch (error) {
        if (sqlState(error) !== lockNotAvailable) throw error;
        const marked = await repeatedly(() => markOrHintRooms(db, notified));
        for (const ms of marked.later) wakeIn(ms);
        for (const id of marked.locked) batch.locked.add(id);
      }
    if (batch.removed.size > 0) await repeatedly(() => noteRemoved(db, [...batch.removed]));
    if (batch.reauthorized.size > 0) await repeatedly(() => noteReauthorization(db, [...batch.reauthorized]));
  }

  async function store({ rooms, removed, reauthorized }: Notified): Promise<void> {
    let locked: ReadonlySet<number> = new Set();
    await addToBatch((batch) => {
      locked = batch.locked;
      for (const { id, event } of rooms) addEvent(batch.rooms, id, event);
    });
    const left = rooms.filter(({ id }) => locked.has(id));
    if (left.length + removed.length + reauthorized.length === 0) return;
    await addToSlowBatch((batch) => {
      locked = batch.locked;
      for (const { id, event } of left) addEvent(batch.rooms, id, event);
      for (const id of removed) batch.removed.add(id);
      for (const id of reauthorized) batch.reauthorized.add(id);
    });
    if (left.some(({ id }) => locked.has(id)))
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
function notifiedRooms(rooms: RoomEvents, gapOf: (id: number) => number): readonly NotifiedRoom[][] {
  const all = [...rooms].map(([id, { isWhole, events }]) => ({
    id,
    isWhole,
    gapMs: gapOf(id),
    events: [...events.values()],
  }));
  const hinted = all.filter(({ events }) => events.length > 0);
  const whole = all.filter(({ isWhole }) => isWhole).map((room) => ({ ...room, events: [] }));
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

function addEvent(rooms: RoomEvents, id: number, event: NotifiedEvent | null): void {
  const room = rooms.get(id) ?? { isWhole: false, events: new Map<string, NotifiedEvent>() };
  rooms.set(id, room);
  if (event === null) room.isWhole = true;
  else room.events.set(event.eventId, event);
}
