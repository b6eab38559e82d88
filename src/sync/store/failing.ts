import { databaseFailure } from '../../database.ts';

/** The same work; a failure of the database comes out as one of our kinds. */
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
