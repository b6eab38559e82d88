/** One side as a whole: told once when it goes away and once when it is back, however many items were hit. */
import { backOffMs } from '../../back-off.ts';
import { Permanent, Retryable } from '../../errors.ts';
import type { Tell } from '../../facts.ts';

export function createOutage(side: 'outlook' | 'booking', tell: Tell) {
  let since: number | null = null;
  let attempt = 0;
  let retryAt = 0;
  return {
    failed(error: Error): void {
      const asked = error instanceof Retryable ? error.afterMs : undefined;
      // many rooms find out at once: that is one failed attempt
      if (performance.now() >= retryAt) {
        retryAt = performance.now() + backOffMs(attempt, Math.random());
        attempt += 1;
      }
      if (asked !== undefined) retryAt = Math.max(retryAt, performance.now() + asked);
      if (since !== null) return;
      since = performance.now();
      const hint = error instanceof Retryable || error instanceof Permanent ? (error.hint ?? null) : null;
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
    /** It is down, and it is too early to try again. */
    isResting: () => since !== null && performance.now() < retryAt,
    /** Milliseconds until the next probe; `Infinity` when there is none to wait for, or it is under way. */
    probeInMs: () => {
      const ms = since === null ? 0 : retryAt - performance.now();
      return ms > 0 ? ms : Number.POSITIVE_INFINITY;
    },
  };
}
