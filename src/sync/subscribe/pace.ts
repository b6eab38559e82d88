/**
 * Keeps a flood of notifications from becoming as many calls to Graph, which tells of one edit several times: who is told
 * of now and then is looked at once at a time, at once; who is told of again and again rests between two rounds, longer and
 * longer, until it was quiet for a second.
 */

/** So many at once, before the first rest. */
const freely = 5;
const firstGapMs = 100;
const longestGapMs = 500;
const quietMs = 1_000;
/** Rooms that are told of within a second; of more the one told of longest ago is forgotten. */
const roomsMost = 10_000;

/** `now`: milliseconds on a monotonic clock. */
export function createPace(now: () => number = () => performance.now()) {
  const told = new Map<number, { at: number; times: number }>();
  return {
    /** To be called each time a room is told of: how long it shall have rested since its last round, in ms. */
    gapMs(roomId: number): number {
      const known = told.get(roomId);
      const times = known === undefined || now() - known.at > quietMs ? 1 : known.times + 1;
      told.delete(roomId); // last told, last in order
      if (told.size >= roomsMost) told.delete(told.keys().next().value!);
      told.set(roomId, { at: now(), times });
      return times <= freely ? 0 : Math.min(longestGapMs, firstGapMs * 2 ** Math.min(times - freely - 1, 10));
    },
  };
}
