/**
 * Outlook with a short memory of the events that were read for a report of a change. The rule: an event from memory may decide what
 * the booking system takes over from Outlook, and nothing that could discard an edit made in Outlook since it was read. Before an
 * event is deleted or declined, or a reservation cancelled, or a field written over that Outlook may have changed, the event is read
 * with a call of its own (`mayDiscardEdits` in apply/read.ts, and apply/take-out.ts). `If-Match` is sent with changes as well, but is
 * not relied on: Microsoft does not document it for events.
 */
import { LRUCache } from 'lru-cache';
import { dated, type Mailbox, type OutlookEvent } from '../event.ts';
import type { OutlookSide } from './outlook-side.ts';

/** Longer than a drain takes from reading to deciding. */
const freshMs = 2_000;
const keptMost = 1_000;

export interface FreshReads extends OutlookSide {
  /** Keeps an event for the next `recent`, within two seconds. */
  keep(room: Mailbox, event: OutlookEvent): void;
  /** The kept event, once; null: none is kept. It may have been edited since. */
  recent(room: Mailbox, eventId: string): OutlookEvent | null;
  /** Discards a kept event that the calendar shows in another version. */
  outdate(room: Mailbox, reported: Pick<OutlookEvent, 'id' | 'etag'>): void;
  /** Like `read`, and returns the master of a series as well, which reports about a series name. */
  readUndated: OutlookSide['read'];
}

/** The same side with such a memory, and without masters of series: decisions are about events with a time in the calendar. */
export function withFreshReads(outlook: OutlookSide): FreshReads {
  const kept = new LRUCache<string, OutlookEvent>({ max: keptMost, ttl: freshMs });
  const keyOf = (room: Mailbox, eventId: string) => `${room.mailbox} ${eventId}`;
  const readUndated: FreshReads['readUndated'] = (room, eventId, signal) => {
    kept.delete(keyOf(room, eventId));
    return outlook.read(room, eventId, signal);
  };
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
    recent: (room, eventId) => {
      const key = keyOf(room, eventId);
      const event = kept.get(key) ?? null;
      kept.delete(key);
      return dated(event);
    },
    outdate: (room, { id, etag }) => {
      const key = keyOf(room, id);
      if (etag === null || kept.peek(key)?.etag !== etag) kept.delete(key);
    },
    readUndated,
    read: async (room, eventId, signal) => dated(await readUndated(room, eventId, signal)),
    find: async (room, properties, signal) =>
      (await outlook.find(room, properties, signal)).filter((event) => dated(event) !== null),
  };
}
