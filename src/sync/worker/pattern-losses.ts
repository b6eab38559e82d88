/**
 * What a person takes away by changing a series is one deed, however many dates that series loses: it was made shorter, begins
 * later, or comes every second week. Dates that were deleted one by one are still in its pattern, and each is a deed of its own.
 */
import { Permanent, Retryable } from '../../errors.ts';
import type { SeriesPattern } from '../../event.ts';
import type { OutlookSide } from '../outlook-side.ts';
import type { LeasedRoom } from '../store/work-list.ts';
import type { Missing, Verified } from '../store/pull-store.ts';

/** Fewer dates of a series need no reason: one is a deed in any case. */
const leastDates = 2;

/** Marks what is gone because the pattern of its series no longer has its date. Each pattern is read once. */
export function createPatternLosses(
  outlook: Pick<OutlookSide, 'pattern'>,
  room: LeasedRoom,
  signal: AbortSignal,
) {
  const patterns = new Map<string, SeriesPattern | null>();

  async function patternOf(master: string): Promise<SeriesPattern | null> {
    const before = patterns.get(master);
    if (before !== undefined) return before;
    const pattern = await readPattern(master);
    patterns.set(master, pattern);
    return pattern;
  }

  /** What is not known of a series excuses nothing. */
  async function readPattern(master: string): Promise<SeriesPattern | null> {
    try {
      return await outlook.pattern(room, master, signal);
    } catch (error) {
      if ((error instanceof Retryable || error instanceof Permanent) && error.reach === 'item') return null;
      throw error;
    }
  }

  return async function explained(
    missing: readonly Missing[],
    found: readonly Verified[],
  ): Promise<Verified[]> {
    const gone = new Set(found.flatMap(({ id, news }) => (news === 'gone' ? [id] : [])));
    const lost = missing.filter(({ id, slot }) => gone.has(id) && slot !== null);
    const off = new Set<number>();
    for (const [master, dates] of Map.groupBy(lost, ({ seriesMasterId }) => seriesMasterId)) {
      if (master === null || (dates.length < leastDates && !patterns.has(master))) continue;
      const without = (await patternOf(master))?.without(dates.map(({ slot }) => slot!));
      for (const { id, slot } of dates) if (without?.has(slot!) === true) off.add(id);
    }
    return found.map((one) => (off.has(one.id) ? { ...one, offPattern: true } : one));
  };
}
