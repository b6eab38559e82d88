/**
 * The end of a failure of the booking system. What failed because of it waits for up to ten minutes (`slowBackOffMs`); the first success
 * makes the others due at once.
 */
import { isContended, type Queryable } from '../../database.ts';
import { callFunction } from '../../query.ts';
import type { Settlement } from '../store/settle.ts';
import type { WorkItem } from '../store/work-item.ts';
import type { WrittenToBooking } from './item-results.ts';

/** Between two tests whether a failure is over, because one item may go on failing while others succeed. */
const probeMs = 5_000;

/** How errors of the adapter's SQL end, except those of locks and outages, which are tried again soon: see `failureInWords`. */
const awaitsRepair = (message: string | null): message is string =>
  message !== null && /SQLSTATE (?!08|40|42501|53|55|57)\w{5}\)$/.test(message);

export function createRepairs(db: Queryable) {
  let hasFailed = false;
  let probedAt = Number.NEGATIVE_INFINITY;

  async function retry(why: string | null, oneEach: boolean): Promise<void> {
    try {
      await callFunction(db, 'bridge_retry_failed', why, oneEach);
    } catch (error) {
      // they are tried at their time
      if (!isContended(error)) throw error;
    }
  }

  return {
    /** After the results of work items were stored. */
    async noticed(
      items: readonly WorkItem[],
      settled: readonly Settlement[],
      done: readonly WrittenToBooking[],
    ): Promise<void> {
      const well = new Set([
        ...done.map(({ item }) => item.id),
        ...settled.filter(({ error, action }) => error === null && action !== 'delayed').map(({ id }) => id),
      ]);
      const over = items.filter(({ id }) => well.has(id)).map(({ error }) => error);
      for (const why of new Set(over.filter(awaitsRepair))) await retry(why, false);
      hasFailed ||= settled.some(({ error }) => awaitsRepair(error));
      if (!hasFailed || done.length === 0 || performance.now() - probedAt < probeMs) return;
      hasFailed = false;
      probedAt = performance.now();
      await retry(null, true);
    },
  };
}
