/** Concurrent work on one room. */
import type { Item } from '../item.ts';

/**
 * As Promise.all, but a failure is thrown only after all have ended: a drain that gives up leaves no call of its room under
 * way, which the next daemon to lease the room would meet.
 */
export async function together<T extends readonly unknown[] | []>(work: T) {
  await Promise.allSettled(work);
  return await Promise.all(work);
}

type Place = Pick<Item, 'startsAt' | 'endsAt'>;

/**
 * Runs `work` for all items concurrently, except that items whose times overlap, directly or through others, run one after the
 * other in the given order: the first gets the time. Throws after all have ended. Returns the results in the given order.
 */
export async function inTurns<T, R>(
  items: readonly T[],
  placeOf: (item: T) => Place | null,
  work: (item: T) => Promise<R>,
): Promise<R[]> {
  const results: R[] = [];
  // map passes an index as well, which placeOf may take for its optional second parameter
  const turns = overlapping(items.map((item) => placeOf(item))).map(async (group) => {
    for (const at of group) results[at] = await work(items[at]!);
  });
  await together(turns);
  return results;
}

/** The positions of overlapping places, in groups; null is a group of its own. */
function overlapping(places: readonly (Place | null)[]): number[][] {
  const groups: number[][] = [];
  let reached = '';
  for (const [at, place] of [...places.entries()].toSorted(([, a], [, b]) => byStart(a, b))) {
    if (place !== null && place.startsAt < reached) groups.at(-1)!.push(at);
    else groups.push([at]);
    if (place !== null && place.endsAt > reached) reached = place.endsAt;
  }
  return groups.map((group) => group.sort((a, b) => a - b));
}

/** Null first. */
function byStart(a: Place | null, b: Place | null): number {
  const [one, other] = [a?.startsAt ?? '', b?.startsAt ?? ''];
  return one < other ? -1 : one > other ? 1 : 0;
}
