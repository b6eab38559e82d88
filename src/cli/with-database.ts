/** How a command that looks into the booking database gets at it. */
import { migrateCommand } from '../command-name.ts';
import { readEnv, toBookingConfig, type BookingConfig } from '../config.ts';
import { databaseFailure, openPool, type Database, type Queryable } from '../database.ts';
import { createKeys } from '../sync/report/keys.ts';
import { Invalid, NotInstalled, Permanent, Retryable, messageOf } from '../errors.ts';

/**
 * Runs `work` on a small pool of its own. Throws ConfigError for settings that are wrong, Retryable while the database
 * is away, and Permanent where the bridge, or a part of it, is not installed.
 */
export async function withDatabase<T>(
  what: string,
  work: (db: Database, config: BookingConfig) => Promise<T>,
): Promise<T> {
  const config = toBookingConfig(readEnv());
  const db = openPool(config.database, `outlook-booking-sync ${what}`, 3);
  return await onPool(db, what, () => work(db, config));
}

/** The same on a pool that is there; it is ended. */
export async function onPool<T>(db: Database, what: string, work: () => Promise<T>): Promise<T> {
  try {
    await reach(db, what);
    return await work();
  } catch (error) {
    throw inWords(error, what);
  } finally {
    await db.end();
  }
}

/** Throws what to look at when nobody answers there, before the work says it in words of its own. */
async function reach(db: Database, what: string): Promise<void> {
  try {
    await db.query('SELECT 1');
  } catch (error) {
    const failure = databaseFailure(error, what);
    if (!(failure instanceof Retryable) || failure.hint !== undefined) throw failure;
    const hint = 'Does PostgreSQL run there? Check DB_HOST and DB_PORT, or DATABASE_URL.';
    throw new Retryable(failure.message, { reach: failure.reach, hint, cause: error });
  }
}

function inWords(error: unknown, what: string): unknown {
  const known = error instanceof Retryable || error instanceof Permanent || error instanceof Invalid;
  const failure = known ? error : databaseFailure(error, what);
  if (!(failure instanceof NotInstalled)) return failure;
  return new Permanent(
    'The bridge is not installed in this database, is detached, or a part of it is missing.',
    {
      hint: `Run: ${migrateCommand}, or after migrate --detach: migrate --attach   (${messageOf(failure.cause ?? failure)})`,
      cause: error,
    },
  );
}

/** A resource on the command line, by its number or its key. Throws Invalid. */
export async function resourceNumber(db: Queryable, name: string, text: string): Promise<number> {
  const keys = createKeys(db);
  if (!(await keys.keyed()).resources) return wholeNumber(name, text);
  const id = await keys.resource(text);
  if (id !== null) return id;
  if (/^\d+$/.test(text)) return wholeNumber(name, text);
  throw new Invalid(
    name,
    `The booking system has no resource '${text.slice(0, 100)}'.`,
    'Its resources and their keys: SELECT * FROM bridge_resources ORDER BY name;',
  );
}

/** A whole number on the command line. Throws Invalid. */
export function wholeNumber(name: string, text: string, most = 2 ** 31 - 1): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value <= most) return value;
  throw new Invalid(name, `${name} is '${text}'.`, `Write a whole number from 0 to ${most}.`);
}
