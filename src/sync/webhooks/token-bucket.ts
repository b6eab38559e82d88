/**
 * Keeps a flood of notifications from becoming as many calls to Graph, which tells of one edit several times: a room that
 * is told of no oftener than people edit has a token for each notification; one that is told of faster has none until it
 * was told of less again.
 */
import { LRUCache } from 'lru-cache';

/** So many at once, and so many more with each second. */
const capacity = 8;
const perSecond = 8;
/** A flood costs no more than this many tokens in advance: half a second after it there is one again. */
const debtMost = 4;
/** Rooms that are remembered; of more the one told of longest ago is forgotten. */
const roomsMost = 10_000;

/** `now`: milliseconds on a monotonic clock. */
export function createTokenBucket(now: () => number = () => performance.now()) {
  const rooms = new LRUCache<number, { readonly at: number; readonly tokens: number }>({ max: roomsMost });
  return {
    /** Takes a token of this room; false: there was none. */
    take(roomId: number): boolean {
      const at = now();
      const { at: before, tokens } = rooms.get(roomId) ?? { at, tokens: capacity };
      const left = Math.min(capacity, tokens + ((at - before) * perSecond) / 1_000) - 1;
      rooms.set(roomId, { at, tokens: Math.max(-debtMost, left) });
      return left >= 0;
    },
  };
}
