/** Statements that meet others in the same rows. */
import { setTimeout as pause } from 'node:timers/promises';
import { sqlState, type Queryable } from '../../database.ts';

const firstPauseMs = 50;
/** About six seconds in all: less than a daemon has for ending its work. */
const triesMost = 7;

/**
 * The same database, on which a single statement is run again for a few seconds while another transaction has a row that it needs.
 * None of them waits for long by itself (see 04_locks.sql), so that folds and settlements of other rooms come between. Not for
 * statements within a transaction.
 */
export function patiently(db: Queryable): Queryable {
  const query = async (...asked: unknown[]) => {
    for (let tries = 0; ; tries += 1)
      try {
        return (await Reflect.apply(db.query, db, asked)) as unknown;
      } catch (error) {
        if (!/^(55P03|40P01)$/.test(sqlState(error) ?? '') || tries >= triesMost) throw error;
        await pause(firstPauseMs * 2 ** tries);
      }
  };
  return { query: query as Queryable['query'] };
}
