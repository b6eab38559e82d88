/**
 * Polls the API: each source at its own interval, sooner after an event, and not while the page is hidden. An event only
 * requests a read; the page shows only answers of the API.
 */
import { ApiError } from './api.js';

/**
 * `everyMs`: interval of reads. `gapMs`: the least time between two reads, also after an event.
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
 *   `first` is read even while the others are suspended, before its first answer or because the API does not answer.
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
    /** Reads everything now. */
    refresh() {
      for (const one of Object.values(sources)) {
        one.again = one.busy;
        one.due = 0;
      }
    },
    /** Reads these sources soon, after an event. A source that is being read now is read again. @param {...string} names */
    refreshSoon(...names) {
      for (const name of names) {
        const one = sources[name];
        if (one === undefined) continue;
        one.again = one.busy;
        one.due = Math.min(one.due, one.readAt + one.gapMs);
      }
    },
  };
}
