/**
 * Outlook with a short memory: an event that was read a moment ago is not read again for its decision. Decisions are about events
 * with a time in the calendar, never about the master of a series.
 */
import { LRUCache } from 'lru-cache';
import { dated, type Mailbox, type OutlookEvent } from '../event.ts';
import type { OutlookSide } from './outlook-side.ts';

/** Shorter than the time between two edits by a user, longer than a drain takes from reading to deciding. */
const freshMs = 2_000;
const keptMost = 1_000;

export interface FreshReads extends OutlookSide {
  /** The next `read` of this event within two seconds returns it without a call, once. */
  keep(room: Mailbox, event: OutlookEvent): void;
  /** Discards a kept event that the calendar shows in another version. */
  outdate(room: Mailbox, reported: Pick<OutlookEvent, 'id' | 'etag'>): void;
  /**
   * Reads the event with a call: the kept one is older than a change that was reported since. Also reads the master of a series,
   * which reports about a series name.
   */
  readAnew: OutlookSide['read'];
}

/** The same side without masters of series, which answers one read of an event that was kept from memory. */
export function withFreshReads(outlook: OutlookSide): FreshReads {
  const kept = new LRUCache<string, OutlookEvent>({ max: keptMost, ttl: freshMs });
  const keyOf = (room: Mailbox, eventId: string) => `${room.mailbox} ${eventId}`;
  return {
    ...outlook,
    // the kept event is older than our own change, which would be taken for an edit
    async write(room, writes, signal) {
      const forget = () => {
        for (const write of writes) if (write.do !== 'create') kept.delete(keyOf(room, write.eventId));
      };
      forget();
      try {
        return await outlook.write(room, writes, signal);
      } finally {
        forget(); // kept meanwhile
      }
    },
    keep: (room, event) => void kept.set(keyOf(room, event.id), event),
    outdate: (room, { id, etag }) => {
      const key = keyOf(room, id);
      if (etag === null || kept.peek(key)?.etag !== etag) kept.delete(key);
    },
    readAnew: (room, eventId, signal) => {
      kept.delete(keyOf(room, eventId));
      return outlook.read(room, eventId, signal);
    },
    async read(room, eventId, signal) {
      const key = keyOf(room, eventId);
      const event = kept.get(key);
      kept.delete(key);
      return dated(event ?? (await outlook.read(room, eventId, signal)));
    },
    find: async (room, properties, signal) =>
      (await outlook.find(room, properties, signal)).filter((event) => dated(event) !== null),
  };
}
