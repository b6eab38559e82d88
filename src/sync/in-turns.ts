/** Work that is done at the same time, but for what shares time in a room: there the first one takes the place. */
import type { Item } from '../item.ts';
import { together } from './together.ts';

type Place = Pick<Item, 'startsAt' | 'endsAt'>;

/**
 * Does `work` for all of them, beside each other; those whose places overlap, directly or by others between them, one after
 * the other, in the order given. A failure is thrown when all have ended. Returns what came of each.
 */
export async function inTurns<T, R>(
  all: readonly T[],
  placeOf: (one: T) => Place | null,
  work: (one: T) => Promise<R>,
): Promise<R[]> {
  const results: R[] = [];
  // of the item alone: a position that map gives beside it would be taken for something else
  const turns = groupsOf(all.map((one) => placeOf(one))).map(async (group) => {
    for (const at of group) results[at] = await work(all[at]!);
  });
  await together(turns);
  return results;
}

/** The positions of places that overlap, together; what has no place stands alone. */
function groupsOf(places: readonly (Place | null)[]): number[][] {
  const groups: number[][] = [];
  let reached = '';
  for (const [at, place] of [...places.entries()].toSorted(([, a], [, b]) => compare(a, b))) {
    if (place !== null && place.startsAt < reached) groups.at(-1)!.push(at);
    else groups.push([at]);
    if (place !== null && place.endsAt > reached) reached = place.endsAt;
  }
  return groups.map((group) => group.sort((a, b) => a - b));
}

/** Those without a place first, the others by start. */
const compare = (a: Place | null, b: Place | null): number =>
  (a?.startsAt ?? '') < (b?.startsAt ?? '') ? -1 : (a?.startsAt ?? '') > (b?.startsAt ?? '') ? 1 : 0;
