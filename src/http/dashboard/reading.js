/**
 * What is asked again and again: each part at its own pace, sooner when something happened, and not at all while nobody
 * looks. A message only ever says "look"; what is shown is what the API answered.
 */
import { ApiError } from './api.js';

/**
 * `everyMs`: how often it is read by itself. `gapMs`: facts make it read again, but not sooner after it was read.
 * @typedef {{ everyMs: number, gapMs: number, due: number, readAt: number, busy: boolean, again: boolean,
 *   read: () => Promise<void> }} Source
 */

/**
 * @param {number} everyMs
 * @param {() => Promise<void>} read
 * @param {number} [gapMs]
 * @returns {Source}
 */
export const source = (everyMs, read, gapMs = 500) => ({
  everyMs,
  gapMs,
  due: 0,
  readAt: 0,
  busy: false,
  again: false,
  read,
});

/**
 * @param {{ sources: Record<string, Source>, first: string, isAway: () => boolean,
 *   onRead: (name: string) => void, onFail: (name: string, error: ApiError) => void }} options
 *   `first` is asked even while the others wait because there is no answer.
 */
export function createReading({ sources, first, isAway, onRead, onFail }) {
  /** @param {string} name @param {Source} one */
  async function read(name, one) {
    one.busy = true;
    one.again = false;
    /** @type {ApiError | null} */
    let failure = null;
    try {
      await one.read();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      failure = error;
    } finally {
      one.busy = false;
      one.readAt = performance.now();
      one.due = one.readAt + (one.again ? one.gapMs : Math.max(one.everyMs, one.gapMs));
    }
    if (failure === null) onRead(name);
    else onFail(name, failure);
  }

  return {
    tick() {
      for (const [name, one] of Object.entries(sources)) {
        const waits = isAway() && name !== first;
        if (!one.busy && !waits && performance.now() >= one.due) void read(name, one);
      }
    },
    /** Looks at everything at once. */
    look() {
      for (const one of Object.values(sources)) {
        one.again = one.busy;
        one.due = 0;
      }
    },
    /** Looks soon: something happened. What is being read now is read again after it. @param {...string} names */
    lookSoon(...names) {
      for (const name of names) {
        const one = sources[name];
        if (one === undefined) continue;
        one.again = one.busy;
        one.due = Math.min(one.due, one.readAt + one.gapMs);
      }
    },
  };
}
