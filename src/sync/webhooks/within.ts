import { databaseFailure } from '../../database.ts';
import { Retryable } from '../../errors.ts';

/** What comes of it in time; else Retryable, as is every failure of the database that may pass. */
export async function within<T>(ms: number, work: Promise<T>, what: string): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => late.reject(new Retryable(`${what}: the database does not answer`, { reach: 'side' })),
    ms,
  );
  work.catch(() => undefined); // when it fails after all, nobody waits for it any more
  try {
    return await Promise.race([work, late.promise]);
  } catch (error) {
    throw databaseFailure(error, what);
  } finally {
    clearTimeout(timer);
  }
}
