/** When a room that Outlook does not call us for is asked next: one that was changed lately sooner, the others later. */
import type { Queryable } from '../../database.ts';
import { activeShare } from '../store/polls.ts';

/** Multiples of the poll interval. */
export interface Spacing {
  readonly active: number;
  readonly quiet: number;
}

/** An active room is asked so many times as often, a quiet one after so many intervals at the latest. */
const soonest = 4;
const latest = 1.5;

/**
 * The spacing at which all rooms together are asked as often as if each were asked once per interval, given the part of
 * them (0 to 1) that is active: share / active + (1 - share) / quiet = 1.
 */
export function spacingFor(share: number): Spacing {
  if (share <= 0) return { active: 1 / soonest, quiet: 1 };
  const times = Math.min(soonest, (1 - (1 - share) / latest) / share);
  const left = 1 - times * share;
  return { active: 1 / times, quiet: left <= 0 ? latest : Math.min(latest, (1 - share) / left) };
}

/** How long the share of the active rooms is taken for what it was. */
const knownForMs = 10_000;

/** The spacing of now. */
export function createSpacing(db: Queryable, now: () => number = () => performance.now()) {
  let current: Promise<Spacing> | null = null;
  let readAt = 0;
  return async function spacing(): Promise<Spacing> {
    if (current === null || now() - readAt >= knownForMs) {
      readAt = now();
      current = activeShare(db).then(spacingFor);
      // its waiter is told; the next one asks again
      current.catch(() => (current = null));
    }
    return await current;
  };
}
