/** Runs new files of database/migrations in one transaction that takes all of its locks before it changes anything. */
import { readdirSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { runner } from 'node-pg-migrate';
import type pg from 'pg';
import { isBusy, type Tell } from '../booking/install.ts';
import { Permanent, messageOf } from '../errors.ts';

export const migrations = new URL('../../database/migrations/', import.meta.url);
/** The files, in order. */
export const migrationNames = (): string[] =>
  readdirSync(migrations)
    .filter((name) => name.endsWith('.sql'))
    .toSorted();

const longestWaitMs = 60_000;
/**
 * The wait for each table in one attempt. Daemons hold locks for milliseconds. The wait is short because daemons and bookings
 * may wait for the tables that are already locked.
 */
const lockTimeout = '100ms';
const changeTimeout = '500ms';

/** Returns the names of the migrations that were run. `names`: our tables. Throws Permanent for a database of a newer version. */
export async function migrateTables(
  client: pg.Client,
  names: readonly string[],
  tell: Tell,
  signal: AbortSignal,
): Promise<string[]> {
  const givesUpAt = Date.now() + longestWaitMs;
  for (let attempt = 1; ; attempt += 1) {
    try {
      await client.query('BEGIN');
      if (await isBehind(client)) await lockTables(client, names);
      const done = await runner({
        dbClient: inOurTransaction(client),
        dir: fileURLToPath(migrations),
        schema: 'public',
        migrationsTable: 'bridge_migrations',
        direction: 'up',
        noLock: true, // the whole command runs under the lock of migrate-session.ts
        singleTransaction: true,
        logger: { info: () => undefined, warn: () => undefined, error: () => undefined },
      });
      await client.query('COMMIT');
      return done.map(({ name }) => name);
    } catch (error) {
      await client.query('ROLLBACK');
      if (!isBusy(error) || Date.now() > givesUpAt) throw explain(error);
      if (attempt === 1) tell("The bridge's tables are in use; waiting.");
      await pause(50 + Math.random() * 100, undefined, { signal });
    }
  }
}

/** The same client for the runner, whose own transaction is omitted: ours has the locks already. */
function inOurTransaction(client: pg.Client): pg.Client {
  const query = (text: string, ...values: unknown[]) =>
    /^(BEGIN|COMMIT|ROLLBACK);?$/.test(text)
      ? Promise.resolve({ rows: [] })
      : (client.query as (...given: unknown[]) => unknown).call(client, text, ...values);
  return new Proxy(client, {
    get: (target, name) => (name === 'query' ? query : (Reflect.get(target, name) as unknown)),
  });
}

async function isBehind(client: pg.Client): Promise<boolean> {
  const { rows } = await client.query<{ there: boolean }>(
    `SELECT to_regclass('public.bridge_migrations') IS NOT NULL AS there`,
  );
  if (!rows[0]!.there) return false;
  const { rows: run } = await client.query<{ name: string }>('SELECT name FROM public.bridge_migrations');
  const known = new Set(run.map(({ name }) => name));
  return migrationNames().some((name) => !known.has(name.replace(/\.sql$/, '')));
}

/**
 * Locks our tables, the outbox last because bookings write to it. Skips tables of another owner, which fail later with a
 * message.
 */
async function lockTables(client: pg.Client, names: readonly string[]): Promise<void> {
  const { rows } = await client.query<{ tables: string | null }>(
    `SELECT string_agg(c.oid::regclass::text, ', ' ORDER BY c.relname = 'bridge_changes', c.relname) AS tables
     FROM pg_class c
     WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND c.relname = ANY ($1)
       AND pg_has_role(c.relowner, 'USAGE')`,
    [names],
  );
  const { tables } = rows[0]!;
  if (tables === null) return;
  await client.query(`SET LOCAL lock_timeout = '${lockTimeout}'`);
  await client.query(`LOCK TABLE ${tables} IN ACCESS EXCLUSIVE MODE`);
  await client.query(`SET LOCAL lock_timeout = '${changeTimeout}'`);
}

const explain = (error: unknown) =>
  /Not run migration .* is preceding|have been deleted/.test(messageOf(error))
    ? new Permanent(`This database was migrated by a newer version: ${messageOf(error)}`, {
        hint: 'Run the newer version, or an older one that knows these migrations.',
        cause: error,
      })
    : error;
