/**
 * Limits the calls to Graph in a flood of notifications (Graph sends several for one edit). A room has a token for each notification
 * at the rate at which people edit, and none while notifications come faster.
 */
import { LRUCache } from 'lru-cache';

/** The number of tokens at first, and the number added each second. */
const capacity = 8;
const perSecond = 8;
/** The debt of a flood is limited: half a second after it there is a token again. */
const debtMost = 4;
/** Maximum number of rooms; of more, the one without a notification for the longest time is forgotten. */
const roomsMost = 10_000;

/** `now`: milliseconds on a monotonic clock. */
export function createTokenBucket(now: () => number = () => performance.now()) {
  const rooms = new LRUCache<number, { readonly at: number; readonly tokens: number }>({ max: roomsMost });
  return {
    /** Takes a token of this room. Returns whether there was one. */
    take(roomId: number): boolean {
      const at = now();
      const { at: before, tokens } = rooms.get(roomId) ?? { at, tokens: capacity };
      const left = Math.min(capacity, tokens + ((at - before) * perSecond) / 1_000) - 1;
      rooms.set(roomId, { at, tokens: Math.max(-debtMost, left) });
      return left >= 0;
    },
  };
}
