/** How the loops wait: for a wake-up, for the clock, or for the end, whatever comes first. */

/** A signal, not a queue: however often it is given while the loop works, the loop wakes once. */
export class Wake {
  #requested = false;
  readonly #waiting = new Set<() => void>();

  /** Ends every wait under way; with nobody waiting, the next wait ends at once. */
  ring(): void {
    if (this.#waiting.size === 0) this.#requested = true;
    for (const wakeUp of [...this.#waiting]) wakeUp();
  }

  /** Resolves at the next ring, after `ms`, or when `signal` aborts. Never rejects. */
  waitOr(ms: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.resolve();
    if (this.#requested) {
      this.#requested = false;
      return Promise.resolve();
    }
    return new Promise((resolve) => {
      const wakeUp = () => {
        clearTimeout(timer);
        signal.removeEventListener('abort', wakeUp);
        this.#waiting.delete(wakeUp);
        resolve();
      };
      const timer = setTimeout(wakeUp, Math.min(Math.max(0, ms), longestTimerMs));
      signal.addEventListener('abort', wakeUp);
      this.#waiting.add(wakeUp);
    });
  }
}

/** A longer timer would fire at once: https://nodejs.org/api/timers.html#settimeoutcallback-delay-args */
const longestTimerMs = 2 ** 31 - 1;
