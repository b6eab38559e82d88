/** Failures of statements: as errors of our kinds, refused rows apart from the others, contended rows tried again. */
import { setTimeout as pause } from 'node:timers/promises';
import { databaseFailure, sqlState, type Queryable } from '../../database.ts';
import { Permanent, Retryable } from '../../errors.ts';
import { queriedBy } from '../../query.ts';

/** The same work; a failure of the database is thrown as one of our kinds. */
export function failingAs<Args extends unknown[], Result>(
  what: string,
  work: (...args: Args) => Promise<Result>,
): (...args: Args) => Promise<Result> {
  return async (...args) => {
    try {
      return await work(...args);
    } catch (error) {
      throw databaseFailure(error, what);
    }
  };
}

/** The same, with a time limit: after `ms` it fails, and its result is ignored. */
export const failingWithin = <Args extends unknown[], Result>(
  ms: number,
  what: string,
  work: (...args: Args) => Promise<Result>,
) =>
  failingAs(what, async (...args: Args) => {
    const late = Promise.withResolvers<never>();
    const error = new Retryable(`${what}: the database does not answer`, { reach: 'side' });
    const timer = setTimeout(() => late.reject(error), ms);
    try {
      return await Promise.race([work(...args), late.promise]);
    } finally {
      clearTimeout(timer);
    }
  });

/** PostgreSQL refused the statement because of its content, and would refuse it again. Without a privilege it refuses all contents. */
export function isRefusedForGood(error: unknown): error is Error {
  if (sqlState(error) === null) return false;
  const failure = databaseFailure(error, 'store');
  return !(failure instanceof Retryable || (failure instanceof Permanent && failure.reach === 'side'));
}

/** An item that PostgreSQL refuses by itself, and why. */
export interface RefusedItem<T> {
  readonly item: T;
  readonly error: Error;
}

/** Writes each item separately. Returns the refused ones; throws failures that concern all. */
export async function oneByOne<T>(
  items: readonly T[],
  write: (item: T) => Promise<unknown>,
): Promise<RefusedItem<T>[]> {
  const refused: RefusedItem<T>[] = [];
  for (const item of items)
    try {
      await write(item);
    } catch (error) {
      if (!isRefusedForGood(error)) throw error;
      refused.push({ item, error });
    }
  return refused;
}

const firstPauseMs = 50;
/** Pauses of about six seconds in all, which leaves a stopping daemon time for the tries themselves (src/main.ts: 12 s). */
const triesMost = 7;

/**
 * The same database, repeating a statement for a few seconds while another transaction has a row that it needs. A single try
 * waits only briefly (see 04_locks.sql), so folds and settlements of other rooms come between. Not for statements within a
 * transaction.
 */
export const patiently = (db: Queryable): Queryable =>
  queriedBy(db, async (query) => {
    for (let tries = 0; ; tries += 1)
      try {
        return await query();
      } catch (error) {
        if (!/^(55P03|40P01)$/.test(sqlState(error) ?? '') || tries >= triesMost) throw error;
        await pause(firstPauseMs * 2 ** tries);
      }
  });
