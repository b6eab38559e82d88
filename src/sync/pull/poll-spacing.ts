/** The interval of polls. Rooms without a subscription are polled more often after a change in Outlook, the others less often. */
import { cachedFor } from '../../calls.ts';
import type { Queryable } from '../../database.ts';
import { activeShare } from '../store/rounds.ts';

/** An interval with a random deviation of up to a tenth, so that rooms are not polled at the same time. */
export const pollAfter = (pollMs: number): number => pollMs * (0.9 + Math.random() * 0.2);

/** Multiples of the poll interval. */
export interface Spacing {
  readonly active: number;
  readonly quiet: number;
}

/** An active room is polled at most this many times as often, a quiet one after at most this many intervals. */
const soonest = 4;
const latest = 1.5;

/**
 * The spacing with the same number of polls as one per room and interval, for the share (0 to 1) of active rooms:
 * share / active + (1 - share) / quiet = 1.
 */
export function spacingFor(share: number): Spacing {
  if (share <= 0) return { active: 1 / soonest, quiet: 1 };
  const times = Math.min(soonest, (1 - (1 - share) / latest) / share);
  const left = 1 - times * share;
  return { active: 1 / times, quiet: left <= 0 ? latest : Math.min(latest, (1 - share) / left) };
}

/** The share of active rooms is read again after this time. */
const cachedMs = 10_000;

/** Returns a function that reads the current spacing. */
export const createSpacing = (db: Queryable) =>
  cachedFor(cachedMs, async () => spacingFor(await activeShare(db)));
