/** An event that was read a moment ago need not be read again before it is decided about. */
import { LRUCache } from 'lru-cache';
import type { Mailbox, OutlookEvent } from '../event.ts';
import type { OutlookSide } from './outlook-side.ts';

/** Shorter than a person needs for two edits, longer than a drain from reading to deciding. */
const freshMs = 2_000;
const keptMost = 1_000;

export interface FreshReads extends OutlookSide {
  /** The next `read` of this event returns it without a call, once, if it comes within two seconds. */
  keep(room: Mailbox, event: OutlookEvent): void;
  /** Reads the event with a call: what was kept is from before a change that was told of since. */
  readAnew: OutlookSide['read'];
}

/** The same side, which answers one read of an event that was kept from memory. */
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
    readAnew: (room, eventId, signal) => {
      kept.delete(keyOf(room, eventId));
      return outlook.read(room, eventId, signal);
    },
    async read(room, eventId, signal) {
      const key = keyOf(room, eventId);
      const event = kept.get(key);
      kept.delete(key);
      return event ?? (await outlook.read(room, eventId, signal));
    },
  };
}
