/** The outage of one side as a whole: reported once at its start and once at its end. */
import { backOffMs } from '../../back-off.ts';
import { Permanent, Retryable, isExpected } from '../../errors.ts';
import type { Tell } from '../../facts.ts';
import type { Taken } from '../store/work-list.ts';

export function createOutage(side: 'outlook' | 'booking', tell: Tell) {
  let since: number | null = null;
  let attempt = 0;
  let retryAt = 0;
  return {
    failed(error: Error): void {
      const afterMs = error instanceof Retryable ? error.afterMs : undefined;
      // failures of many rooms at once are one attempt
      if (performance.now() >= retryAt) {
        retryAt = performance.now() + backOffMs(attempt, Math.random());
        attempt += 1;
      }
      if (afterMs !== undefined) retryAt = Math.max(retryAt, performance.now() + afterMs);
      if (since !== null) return;
      since = performance.now();
      const hint = isExpected(error) ? (error.hint ?? null) : null;
      tell({ fact: 'outage', side, error: error.message, hint, refused: error instanceof Permanent });
    },
    over(): void {
      if (since === null) return;
      tell({ fact: 'outage-over', side, ms: performance.now() - since });
      since = null;
      attempt = 0;
      retryAt = 0;
    },
    isDown: () => since !== null,
    /** It is down, and the next attempt is not due. */
    isResting: () => since !== null && performance.now() < retryAt,
    /** Milliseconds until the next attempt; `Infinity`: there is none to wait for. */
    probeInMs: () => {
      const ms = since === null ? 0 : retryAt - performance.now();
      return ms > 0 ? ms : Number.POSITIVE_INFINITY;
    },
  };
}

/** In an outage of Outlook one room at a time is tried, each in its turn: the room due the longest may be the only one affected. */
export function createProbe(outlookDown: ReturnType<typeof createOutage>) {
  const tried = new Set<number>();
  return {
    tried: () => [...tried],
    /** A take for this number of places found no room: each was tried. */
    isThrough: ({ rooms }: Taken, places: number): boolean =>
      outlookDown.isDown() && tried.size > 0 && places > 0 && rooms.length === 0,
    /** All rooms may be tried. */
    beginAnew: () => tried.clear(),
    /** These rooms are tried now. */
    taken({ rooms }: Taken): void {
      if (!outlookDown.isDown()) tried.clear();
      else for (const { id } of rooms) tried.add(id);
    },
  };
}
