/** How many rooms one daemon works on at a time. */
import type { createOutage } from './outage.ts';

/** Rooms that one daemon works on at a time: as many as it has calls in flight, because a room may need only one. */
const roomsAtATime = 64;
/** Rooms for a poll, backfill or comparison are started while fewer than these are worked on, so that changes find a place at once. */
const otherRoomsAtATime = 36;
/** Rooms at a time while other daemons are alive, so that they share them. */
const roomsAmongPeers = 8;

export interface PlacesOptions {
  /** While false, no room is worked on. */
  readonly writes: () => boolean;
  /** The number of other daemons. */
  readonly peers: () => number;
  readonly outlookDown: ReturnType<typeof createOutage>;
  /** The number of rooms that are worked on. */
  readonly running: () => number;
}

export function createPlaces({ writes, peers, outlookDown, running }: PlacesOptions) {
  function most(): number {
    if (!writes()) return 0;
    if (outlookDown.isDown()) return 1;
    return peers() > 0 ? roomsAmongPeers : roomsAtATime;
  }
  return {
    /** The number of rooms that may be started now. */
    free: () => (outlookDown.isResting() ? 0 : Math.max(0, most() - running())),
    /** There is a place for a room with nothing but a poll, backfill or comparison. */
    areForOthers(): boolean {
      const all = most();
      return running() < (all < roomsAtATime ? Math.max(1, all - (all >> 2)) : otherRoomsAtATime);
    },
  };
}
