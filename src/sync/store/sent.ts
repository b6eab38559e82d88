/** What is sent to Outlook is stored before: after a lost answer or the end of a daemon, it is no edit of a person (28_sent.sql). */
import type { BookedItem } from '../../appearance.ts';
import type { Queryable } from '../../database.ts';
import type { ReservationKey } from '../../item.ts';
import { callFunction } from '../../query.ts';
import type { Settlement } from './settle.ts';
import type { LeasedRoom } from './work-list.ts';

/** A state of a reservation, about to be sent to its event. */
export interface Sent {
  /** Its mapping. */
  readonly id: number;
  readonly reservation: ReservationKey;
  /** Null: it is sent with a create. */
  readonly eventId: string | null;
  readonly state: BookedItem;
}

/** With the room and the resource in which it was sent. */
export interface SentInRoom extends Sent {
  readonly room: number;
  readonly resourceId: number;
}

/**
 * Stores states that are about to be sent. Returns the ids of the mappings that have not changed since they were read; their revision
 * is one higher now.
 */
export async function storeSending(
  db: Queryable,
  room: LeasedRoom,
  sending: readonly (Pick<Sent, 'id' | 'state'> & { readonly revision: number })[],
): Promise<ReadonlySet<number>> {
  const states = JSON.stringify(sending.map(({ id, revision, state }) => ({ id, revision, state })));
  return new Set(await callFunction<number[]>(db, 'bridge_sending', room.id, room.epoch, states));
}

/** Mappings remembered at most. */
const mappingsMost = 10_000;

export type SentMemory = ReturnType<typeof createSentMemory>;

/**
 * What this daemon sent of late. The transaction that stores a state may fail after its answer, and a crash of the server may lose it
 * after its commit, but not once `flushedMs` have passed since the settlement.
 */
export function createSentMemory(flushedMs: number) {
  const byMapping = new Map<number, { sent: SentInRoom[]; settledAt: number | null }>();

  function forget(): void {
    const before = performance.now() - flushedMs;
    for (const [id, { settledAt }] of byMapping)
      if (settledAt !== null && settledAt < before) byMapping.delete(id);
    for (const id of byMapping.keys()) if (byMapping.size > mappingsMost) byMapping.delete(id);
  }

  return {
    sending({ id: room, resourceId }: Pick<LeasedRoom, 'id' | 'resourceId'>, sent: readonly Sent[]): void {
      for (const one of sent) {
        const former = byMapping.get(one.id)?.sent ?? [];
        byMapping.delete(one.id); // moves to the end of the order
        byMapping.set(one.id, {
          sent: [...former.slice(-15), { ...one, room, resourceId }],
          settledAt: null,
        });
      }
      if (byMapping.size > 1_000) forget();
    },
    settled(results: readonly Pick<Settlement, 'id' | 'action'>[]): void {
      const now = performance.now();
      for (const { id, action } of results) {
        const known = byMapping.get(id);
        if (known === undefined) continue;
        known.settledAt = now;
        // Outlook has answered: a former state that it shows from now on is an edit
        if (action === 'updated' || action === 'created') known.sent = known.sent.slice(-1);
      }
    },
    /** What may be lost of these rooms. */
    in(rooms: readonly number[]): readonly SentInRoom[] {
      forget();
      return [...byMapping.values()].flatMap(({ sent }) => sent.filter(({ room }) => rooms.includes(room)));
    },
  };
}
