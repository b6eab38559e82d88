/** Stores notifications, one statement at a time: those that arrive meanwhile share the next one. */
import { sqlState, type Database } from '../../database.ts';
import { hintsMost } from '../store/work-list.ts';
import { createBatches } from './batches.ts';
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
/** The minimum interval of delta rounds of a room in a flood. */
const floodGapMs = 1_000;
/** Rooms that are due within this time of each other share one wake-up. */
const wakeTogetherMs = 25;

/** https://www.postgresql.org/docs/current/errcodes-appendix.html: serialization_failure, deadlock_detected */
const repeatable = ['40001', '40P01'];

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

/** By room: its events by their ids; null: the room as a whole. */
type RoomEvents = Map<number, Map<string, NotifiedEvent> | null>;

const newBatch = () => ({
  rooms: new Map() as RoomEvents,
  removed: new Set<string>(),
  reauthorized: new Set<string>(),
});

/** `waitMs`: the time limit of a statement. */
export function createNotificationStore(db: Database, waitMs: number) {
  const wakesAt = new Set<number>();
  const tokens = createTokenBucket();
  const addToBatch = createBatches({ newBatch, run: storeBatch, what: 'note what Graph told us', waitMs });

  async function storeBatch(batch: ReturnType<typeof newBatch>): Promise<void> {
    const rooms = [...batch.rooms].map(([id, events]) => notifiedRoom(id, events));
    for (let attempt = 1; ; attempt += 1) {
      try {
        if (batch.removed.size > 0) await noteRemoved(db, [...batch.removed]);
        if (batch.reauthorized.size > 0) await noteReauthorization(db, [...batch.reauthorized]);
        for (const ms of await markRooms(db, rooms)) wakeIn(ms);
        return;
      } catch (error) {
        if (attempt >= triesMost || !repeatable.includes(sqlState(error) ?? '')) throw error;
      }
    }
  }

  /** A flood, or too many hints to read each, becomes a delta round. */
  function notifiedRoom(id: number, events: ReadonlyMap<string, NotifiedEvent> | null): NotifiedRoom {
    if (!tokens.take(id)) return { id, gapMs: floodGapMs, events: [] };
    const few = events !== null && events.size <= hintsMost;
    return { id, gapMs: 0, events: few ? [...events.values()] : [] };
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

  return {
    store: ({ rooms, removed, reauthorized }: Notified): Promise<void> =>
      addToBatch((batch) => {
        for (const { id, event } of rooms) addEvent(batch.rooms, id, event);
        for (const id of removed) batch.removed.add(id);
        for (const id of reauthorized) batch.reauthorized.add(id);
      }),
  };
}

function addEvent(rooms: RoomEvents, id: number, event: NotifiedEvent | null): void {
  const events = rooms.has(id) ? rooms.get(id)! : new Map<string, NotifiedEvent>();
  rooms.set(id, event === null ? null : (events?.set(event.eventId, event) ?? null));
}
