import { databaseFailure } from '../../database.ts';
import { Retryable } from '../../errors.ts';

/** The result of `work` within `ms`; otherwise throws Retryable. Throws errors of the database as ours. */
export async function within<T>(ms: number, work: Promise<T>, what: string): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => late.reject(new Retryable(`${what}: the database does not answer`, { reach: 'side' })),
    ms,
  );
  work.catch(() => undefined); // a later failure has no listener
  try {
    return await Promise.race([work, late.promise]);
  } catch (error) {
    throw databaseFailure(error, what);
  } finally {
    clearTimeout(timer);
  }
}
