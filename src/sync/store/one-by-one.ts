/** What is written down for many items at once, and refused by PostgreSQL for good, is written down one by one. */
import { databaseFailure, sqlState } from '../../database.ts';
import { Retryable } from '../../errors.ts';

/** An item that PostgreSQL refuses by itself, and why. */
export interface RefusedItem<T> {
  readonly item: T;
  readonly error: Error;
}

/** PostgreSQL refused what was to be written, and would do so again. */
export const isRefusedForGood = (error: unknown): error is Error =>
  sqlState(error) !== null && !(databaseFailure(error, 'write down') instanceof Retryable);

/** Writes down each item by itself. Returns those that are refused; throws what keeps us from all of them. */
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
