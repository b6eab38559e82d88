/**
 * Keeps a flood of notifications from becoming as many calls to Graph, which tells of one edit several times: a room that is
 * told of no oftener than people edit is looked at at once; one that is told of faster rests between two rounds, longer and
 * longer, until it was told of less again.
 */

/** So many at once, before the first rest, and so many more with each second. */
const freely = 8;
const freelyPerSecond = 8;
const firstGapMs = 100;
const longestGapMs = 500;
/** Beyond this a flood is a flood: five eighths of a second after it, a room is looked at at once again. */
const fullest = freely + 4;
/** Rooms that are remembered; of more the one told of longest ago is forgotten. */
const roomsMost = 10_000;

/** `now`: milliseconds on a monotonic clock. */
export function createTokenBucket(now: () => number = () => performance.now()) {
  const told = new Map<number, { at: number; level: number }>();
  return {
    /** To be called each time a room is told of: how long it shall have rested since its last round, in ms. */
    gapMs(roomId: number): number {
      const at = now();
      const known = told.get(roomId);
      const left = known === undefined ? 0 : known.level - ((at - known.at) * freelyPerSecond) / 1_000;
      const level = Math.min(fullest, Math.max(0, left) + 1);
      told.delete(roomId); // last told, last in order
      if (told.size >= roomsMost) told.delete(told.keys().next().value!);
      told.set(roomId, { at, level });
      return level <= freely ? 0 : Math.min(longestGapMs, firstGapMs * 2 ** (Math.ceil(level - freely) - 1));
    },
  };
}
