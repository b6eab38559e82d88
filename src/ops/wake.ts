/** The wait of the loops: until a wake-up, a time-out, or the end. */

/** A signal, not a queue: several signals during the work wake the loop once. */
export class Wake {
  #requested = false;
  readonly #waiting = new Set<() => void>();

  /** Ends every current wait; without one, the next wait ends at once. */
  ring(): void {
    if (this.#waiting.size === 0) this.#requested = true;
    for (const wakeUp of [...this.#waiting]) wakeUp();
  }

  /** Resolves at the next signal, after `ms`, or when `signal` aborts. Never rejects. */
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
