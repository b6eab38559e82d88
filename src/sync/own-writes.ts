/**
 * The versions of events that this daemon wrote. A notification of one of them reports nothing new, even if the event was written again
 * since; the version that a mapping knows is only the last one.
 */
import { LRUCache } from 'lru-cache';
import type { OutlookSide } from './outlook-side.ts';

const keptMost = 5_000;

export interface OwnWrites {
  /** The same side, whose writes are remembered. */
  readonly remembered: (outlook: OutlookSide) => OutlookSide;
  /** Whether an answer to a write of this daemon showed this version. */
  readonly has: (eventId: string, etag: string) => boolean;
}

export function createOwnWrites(): OwnWrites {
  const kept = new LRUCache<string, true>({ max: keptMost });
  const keyOf = (eventId: string, etag: string) => `${eventId} ${etag}`;
  return {
    remembered: (outlook) => ({
      ...outlook,
      async write(room, writes, signal) {
        const answers = await outlook.write(room, writes, signal);
        for (const answer of answers)
          if (answer.outcome === 'written' && answer.event?.etag != null)
            kept.set(keyOf(answer.event.id, answer.event.etag), true);
        return answers;
      },
    }),
    has: (eventId, etag) => kept.has(keyOf(eventId, etag)),
  };
}
