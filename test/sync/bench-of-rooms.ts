/** A database with the bridge in it, a clerk, a calendar in memory and the drain between them, driven by hand. */
import { randomUUID } from 'node:crypto';
import { isContended } from '../../src/database.ts';
import type { Fact } from '../../src/facts.ts';
import type { Item } from '../../src/item.ts';
import { boundedLocks } from '../../src/daemon/lease-session.ts';
import { createDesk } from '../../src/sandbox/desk.ts';
import {
  createRelease,
  foldAgain,
  takeRooms,
  type LeasedRoom,
  type Taken,
} from '../../src/sync/store/work-list.ts';
import type { Drained } from '../../src/sync/apply/rest.ts';
import { itemsAtATime } from '../../src/sync/worker/drain.ts';
import { createSync, type SyncOptions } from '../../src/sync/sync.ts';
import { openTestDatabase } from '../support/database.ts';
import { createOutlookInMemory } from './outlook-in-memory.ts';
import { day } from '../support/dates.ts';

export const window = { pastDays: 7, futureDays: 365 };
const policy = { max: 10, share: 0.2 };
const triesMost = 20;

/** Runs a statement again that waited too long for a lock, as the loop of the daemon does: a busy machine keeps locks longer. */
async function again<T>(statement: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await statement();
    } catch (error) {
      if (!isContended(error) || tries >= triesMost) throw error;
    }
  }
}

/** Of the idempotency keys. */
export const installation = '6ba7b810-9dad-11d1-80b4-00c04fd430c8';

/** A reservation as it is in one room. */
export interface Shown {
  readonly type: 'event' | 'booking' | 'allocation';
  readonly id: number;
  readonly active: boolean;
  readonly organizer_email: string | null;
  readonly item: Item;
}

export async function openRooms(
  rooms: Readonly<Record<number, string>> = { 101: 'room101@example.org' },
  change: Partial<Pick<SyncOptions, 'conflict' | 'overlap' | 'importMode' | 'brake'>> = {},
) {
  const db = await openTestDatabase({ schema: 'bridge' });
  const session = await db.session();
  await session.query(boundedLocks);
  const outlook = createOutlookInMemory();
  const facts: Fact[] = [];
  const tell = (fact: Fact) => void facts.push(fact);
  const { drain } = createSync({
    db: db.pool,
    outlook: outlook.side,
    tell,
    installationId: () => installation,
    window,
    pollMs: 60_000,
    brake: policy,
    conflict: 'booking',
    overlap: 'flag',
    importMode: 'auto',
    ...change,
  });
  const never = new AbortController().signal;
  const replica = randomUUID();
  const release = createRelease(session);

  const take = (held: readonly number[] = [], rooms = 50): Promise<Taken> =>
    again(async () => {
      const taken = await takeRooms(session, {
        replica,
        held,
        rooms,
        items: itemsAtATime,
        window,
        anyLane: true,
        askedOnly: false,
        changedFirst: false,
      });
      await taken.recorded;
      return taken;
    });

  async function drainOne(room: LeasedRoom, othersWait = false): Promise<Drained> {
    const drained = await drain(room, never, never, () => othersWait);
    await again(() => release(room, drained.rest));
    return drained;
  }

  /**
   * Works until nothing is due (or rests); returns how each drain of a room ended. One call after the other: they share one
   * lease session, whose locks re-enter.
   */
  let settling: Promise<unknown> = Promise.resolve();
  function settle(): Promise<Drained[]> {
    const settled = settling.then(workOff);
    settling = settled.catch(() => undefined);
    return settled;
  }

  async function workOff(): Promise<Drained[]> {
    const ends: Drained[] = [];
    for (let round = 0; round < 50; round += 1) {
      const taken = await take();
      for (const room of taken.rooms) ends.push(await drainOne(room));
      if (taken.rooms.length === 0 && taken.folded === 0) return ends;
    }
    throw new Error('it never comes to rest');
  }

  for (const [resource, mailbox] of Object.entries(rooms))
    await db.query('INSERT INTO bridge_resource_mappings (resource_id, outlook_item_id) VALUES ($1, $2)', [
      Number(resource),
      mailbox,
    ]);

  return {
    db,
    desk: createDesk(db.pool),
    outlook,
    facts,
    session,
    take,
    /** Folds the outbox while rooms are being worked on; returns how many rows it took. */
    fold: async () => (await db.query<{ n: number }>('SELECT bridge_fold(7, 365, 500) AS n'))[0]!.n,
    /** What could not be folded is tried again where it is time, as the daemon does every second. */
    foldAgain: () => foldAgain(db.pool, window),
    drainOne,
    settle,
    /** The daemon that drained is dead, wherever it was: its session is gone, and the rooms are still marked as held by it. */
    die: () => session.query('SELECT pg_advisory_unlock_all()'),
    /** The one mapping of a reservation in a room. */
    mapping: async (reservation: { type: string; id: number }, resource = 101) =>
      (
        await db.query(
          `SELECT * FROM bridge_mappings WHERE reservation_type = $1 AND reservation_id = $2 AND resource_id = $3`,
          [reservation.type, reservation.id, resource],
        )
      )[0],
    /** The room hears that something changed in Outlook. */
    notify: async (resource = 101) => {
      await db.query(
        `UPDATE bridge_room_state s SET pull_due_at = now() FROM bridge_resource_mappings r
         WHERE r.id = s.resource_mapping_id AND r.resource_id = $1`,
        [resource],
      );
    },
    /** What the booking system shows in a room, by start, cancelled ones included. */
    reserved: (resource = 101) =>
      db.query<Shown>(
        `SELECT reservation_type AS type, reservation_id::int AS id, active, organizer_email,
           bridge_item_state(starts_at, ends_at, all_day, title, description, is_private) AS item
         FROM bridge_items WHERE resource_id = $1 ORDER BY starts_at, reservation_id`,
        [resource],
      ),
    /** What was done in a room, step by step. */
    done: async (resource = 101) =>
      (
        await db.query<{ action: string }>(
          'SELECT action FROM bridge_log WHERE resource_id = $1 ORDER BY id',
          [resource],
        )
      ).map(({ action }) => action),
    /** A local wall-clock text some days from now. */
    day,
    async [Symbol.asyncDispose]() {
      await db[Symbol.asyncDispose]();
    },
  };
}
