/**
 * An event that was read a moment ago need not be read again before it is decided about. And what is decided about are events
 * that take time in a calendar, never the master of a series.
 */
import { LRUCache } from 'lru-cache';
import { dated, type Mailbox, type OutlookEvent } from '../event.ts';
import type { OutlookSide } from './outlook-side.ts';

/** Shorter than a person needs for two edits, longer than a drain from reading to deciding. */
const freshMs = 2_000;
const keptMost = 1_000;

export interface FreshReads extends OutlookSide {
  /** The next `read` of this event returns it without a call, once, if it comes within two seconds. */
  keep(room: Mailbox, event: OutlookEvent): void;
  /** Forgets what was kept of an event that the calendar shows in another version by now. */
  outdate(room: Mailbox, reported: Pick<OutlookEvent, 'id' | 'etag'>): void;
  /**
   * Reads the event with a call: what was kept is from before a change that was told of since. The master of a series is read as
   * well, for what is told of a series is told of that.
   */
  readAnew: OutlookSide['read'];
}

/** The same side without masters of series, which answers one read of an event that was kept from memory. */
export function withFreshReads(outlook: OutlookSide): FreshReads {
  const kept = new LRUCache<string, OutlookEvent>({ max: keptMost, ttl: freshMs });
  const keyOf = (room: Mailbox, eventId: string) => `${room.mailbox} ${eventId}`;
  return {
    ...outlook,
    // what was kept is from before our own change, and would be taken for somebody's
    async write(room, writes, signal) {
      const forget = () => {
        for (const write of writes) if (write.do !== 'create') kept.delete(keyOf(room, write.eventId));
      };
      forget();
      try {
        return await outlook.write(room, writes, signal);
      } finally {
        forget(); // read and kept meanwhile
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
