/**
 * Milliseconds to wait before the next try: below one second at first, at most 5 s during about the first two minutes
 * (30 tries) of an outage, then growing to at most 30 s. There is no last try: retry limits are for single failing items.
 * `random` is a number from 0 to 1; it spreads daemons that fail together.
 */
export function backOffMs(attempt: number, random: number): number {
  const most = attempt < 30 ? 5_000 : Math.min(30_000, 5_000 * 2 ** Math.min(attempt - 29, 3));
  return Math.min(most, 400 * 2 ** Math.min(attempt, 10)) * (0.75 + random / 4);
}

/** The same for what a person has to repair: half a minute at first, at most ten minutes. */
export const slowBackOffMs = (attempt: number, random: number): number =>
  Math.min(600_000, 40_000 * 2 ** Math.min(attempt, 10)) * (0.75 + random / 4);
