/** Database access of the commands, and their arguments that name a resource or a number. */
import { migrateCommand } from '../command-name.ts';
import { readEnv } from '../environment.ts';
import { toBookingConfig, type BookingConfig } from '../config.ts';
import { connectionSettings, DirectClient } from '../connection.ts';
import {
  databaseFailure,
  openPool,
  requestLockMs,
  sqlState,
  type Database,
  type Queryable,
} from '../database.ts';
import { createKeys } from '../sync/report/keys.ts';
import { Invalid, NotInstalled, Permanent, Retryable, messageOf } from '../errors.ts';

/**
 * Runs `work` on its own pool. `commandName`: for application_name and messages. Throws ConfigError for invalid settings,
 * Retryable if the database is unavailable, and Permanent if the bridge, or a part of it, is not installed.
 */
export async function withDatabase<T>(
  commandName: string,
  work: (db: Database, config: BookingConfig) => Promise<T>,
): Promise<T> {
  const config = toBookingConfig(readEnv());
  const db = openPool(config.database, `outlook-booking-sync ${commandName}`, 3);
  return await onPool(db, commandName, () => work(db, config));
}

/** The same on the given pool, which is ended. */
export async function onPool<T>(db: Database, commandName: string, work: () => Promise<T>): Promise<T> {
  try {
    await requireConnection(db, commandName);
    return await work();
  } catch (error) {
    throw explained(error, commandName);
  } finally {
    await db.end();
  }
}

/**
 * A client of a command that needs a session of its own; not connected yet. `lockMs`: as for `openPool`; a start-up setting, which
 * RESET restores.
 */
export function directClient(
  { database }: BookingConfig,
  commandName: string,
  queryMs: number,
  lockMs = requestLockMs,
): DirectClient {
  const client = new DirectClient(database, {
    ...connectionSettings(database, `outlook-booking-sync ${commandName}`, [`lock_timeout=${lockMs}ms`]),
    query_timeout: queryMs,
  });
  client.on('error', () => undefined); // the query under way rejects; that is enough
  return client;
}

/** Throws Retryable with the settings to check if the server does not answer. */
const requireConnection = (db: Database, commandName: string) =>
  connecting(commandName, () => db.query('SELECT 1'));

/** Runs `connect`. Throws Retryable with the settings to check if PostgreSQL does not answer. `commandName`: begins the message. */
export async function connecting<T>(commandName: string, connect: () => Promise<T>): Promise<T> {
  try {
    return await connect();
  } catch (error) {
    const failure = databaseFailure(error, commandName);
    if (!(failure instanceof Retryable) || failure.hint !== undefined) throw failure;
    const isThere = sqlState(error) !== null;
    const hint = isThere
      ? 'Check DB_NAME (or DATABASE_URL), and that PostgreSQL accepts connections.'
      : 'Check DB_HOST and DB_PORT (or DATABASE_URL), and that PostgreSQL is running.';
    throw new Retryable(failure.message, { reach: failure.reach, hint, cause: error });
  }
}

function explained(error: unknown, commandName: string): unknown {
  const known = error instanceof Retryable || error instanceof Permanent || error instanceof Invalid;
  const failure = known ? error : databaseFailure(error, commandName);
  if (!(failure instanceof NotInstalled)) return failure;
  return new Permanent(
    'The bridge is not installed in this database, is detached, or a part of it is missing.',
    {
      hint: `Run: ${migrateCommand}, or after migrate --detach: migrate --attach   (${messageOf(failure.cause ?? failure)})`,
      cause: error,
    },
  );
}

/** Parses a resource given by its number or its key. `name`: of the argument, for messages. Throws Invalid. */
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

/** Parses a whole number from `least` to `most`. `name`: of the argument, for messages. Throws Invalid. */
export function wholeNumber(name: string, text: string, most = 2 ** 31 - 1, least = 0): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= least && value <= most) return value;
  throw new Invalid(name, `${name} is '${text}'.`, `Write a whole number from ${least} to ${most}.`);
}
