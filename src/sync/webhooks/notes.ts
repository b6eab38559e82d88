/** What Graph told us is written down, one statement at a time; what comes meanwhile shares the next one. */
import { sqlState, type Database } from '../../database.ts';
import { hintsMost } from '../store/work-list.ts';
import {
  markRooms,
  noteReauthorization,
  noteRemoved,
  wakeAll,
  type NotifiedEvent,
  type NotifiedRoom,
} from './subscription-store.ts';
import { createTokenBucket } from './token-bucket.ts';
import { within } from './within.ts';

const triesMost = 3;
/** In a flood a room is asked for changes once in so long. */
const floodGapMs = 1_000;
/** Rooms that are due within this time of each other share one wake-up. */
const wakeTogetherMs = 25;

/** https://www.postgresql.org/docs/current/errcodes-appendix.html: serialization_failure, deadlock_detected */
const again = ['40001', '40P01'];

/** A room that something changed in, and the event if it was named. */
export interface Changed {
  readonly id: number;
  readonly event: NotifiedEvent | null;
}

interface Note {
  readonly rooms: readonly Changed[];
  readonly removed: readonly string[];
  readonly reauthorized: readonly string[];
}

/** `waitMs`: how long a statement may take. */
export function createNotes(db: Database, waitMs: number) {
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

  /** For rooms that are due in a moment; should it fail, the daemons take what is due once a second anyway. */
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
