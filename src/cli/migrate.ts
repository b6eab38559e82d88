/**
 * `migrate`: our tables and the adapter, installed or brought up to date. Running it twice gives the same as once, and
 * running it while people book is safe. Either what it needs is there, or it changes nothing and says what to grant.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { runner } from 'node-pg-migrate';
import type pg from 'pg';
import { adapterFolder } from '../adapter.ts';
import { readCapture, rememberTriggers } from '../booking/capture.ts';
import { compareFunctions, functionTexts, installFunctions } from '../booking/functions.ts';
import { enableTriggers, installAdapter, missingRights, type Tell } from '../booking/install.ts';
import { rebuild, stepsOf } from '../booking/rebuild.ts';
import { newerThanOurs, ourVersion } from '../booking/versions.ts';
import { readEnv, toBookingConfig, type BookingConfig, type WakeMode } from '../config.ts';
import { connectionSettings, DirectClient } from '../connection.ts';
import { databaseFailure, sqlState, type Queryable } from '../database.ts';
import { Invalid, Permanent, Retryable, messageOf } from '../errors.ts';
import { command } from './command-name.ts';
import { say } from './terminal.ts';
import { readInstallation } from '../sync/store/installation.ts';
import { sweepRooms } from '../sync/worker/sweep.ts';

export interface Migrated {
  /** Names of the migrations of our own tables that were run now. */
  readonly migrations: readonly string[];
  /** How booking writes wake the daemon from now on; may differ from what was asked for. */
  readonly wake: WakeMode;
}

const migrations = new URL('../../database/migrations/', import.meta.url);
const migrateLock = [7_230_912, 3] as const;
const oldestVersion = 14;

/**
 * Installs or updates everything in the booking database, makes again what was dropped of it, and tells what is worth
 * knowing. Throws Permanent, with the repair, when a right is missing or when tables of somebody else bear our names,
 * and Invalid when the database was set up with another zone or adapter; nothing is changed then.
 */
export async function migrate(config: BookingConfig, tell: Tell, signal: AbortSignal): Promise<Migrated> {
  const folder = adapterFolder(config.adapter);
  const client = new DirectClient(config.database, {
    ...connectionSettings(config.database, 'outlook-booking-sync migrate'),
    query_timeout: 120_000,
  });
  client.on('error', () => undefined); // the query under way rejects; that is enough
  client.on('notice', (notice) => tell(notice.message ?? ''));
  try {
    await client.connect();
    // a person's own settings of the role must not make us wait for bookings, nor them for us
    await client.query(
      `SET lock_timeout = '500ms'; SET client_min_messages = notice; SET statement_timeout = 0`,
    );
    await waitForOthers(client, tell, signal);
    await check(client, config, folder, tell);
    return await install(client, config, folder, tell, signal);
  } catch (error) {
    throw signal.aborted || error instanceof Invalid ? error : databaseFailure(error, 'migrate');
  } finally {
    await client.end().catch(() => undefined); // the lock goes with the session, ended or broken
  }
}

/** The command line's form: settings from the environment, lines to the terminal. Returns the exit code. */
export async function migrateCommand(signal: AbortSignal): Promise<number> {
  const { migrations: run, wake } = await migrate(toBookingConfig(readEnv()), (line) => say(line), signal);
  say(run.length === 0 ? 'Our tables were up to date.' : `Our tables: ${run.join(', ')}.`);
  say(`The adapter is installed. Booking writes wake the daemon: ${wake}.`);
  return 0;
}

async function install(
  client: pg.Client,
  config: BookingConfig,
  folder: string,
  tell: Tell,
  signal: AbortSignal,
): Promise<Migrated> {
  const run = await ourTables(client, tell, signal);
  const wake = await wakeMode(client, config.wake, tell);
  const made = await mend(client, wake);
  if (made.length > 0)
    tell(`Something of ours was gone and is made again: ${made.join(', ')}. All rooms are compared anew.`);
  if ((await compareFunctions(client, wake)) !== 'same') {
    await installFunctions(client, wake, tell, signal);
    if (run.length < ourMigrations().length)
      tell('Our functions were not those of this version; they are now.');
  }
  await client.query({
    text: `INSERT INTO public.bridge_settings (name, value) SELECT * FROM unnest($1::text[], $2::text[])
           ON CONFLICT (name) DO UPDATE SET value = excluded.value, updated_at = now()
           WHERE bridge_settings.value <> excluded.value`,
    values: [
      ['timezone', 'adapter', 'wake', 'version'],
      [config.timezone, config.adapter, wake, ourVersion],
    ],
  });
  const missing = (await readCapture(client)).missing.length;
  await installAdapter(client, folder, tell, signal);
  await enableTriggers(client, tell, signal);
  await rememberTriggers(client);
  // nobody wrote down what was booked while they were missing
  if (missing > 0) {
    const rooms = await sweepRooms(client);
    if (rooms > 0) tell(`Triggers were missing or disabled: ${rooms} rooms are compared.`);
    await client.query('SELECT public.bridge_wake()');
  }
  return { migrations: run, wake };
}

/** Makes again what was dropped; a function that another version did not have is none of that. Returns their names. */
async function mend(client: pg.Client, wake: WakeMode): Promise<string[]> {
  const tables = await rebuild(client, stepsOf(migrationTexts()));
  if ((await compareFunctions(client, wake)) === 'other') return tables;
  return [...tables, ...(await rebuild(client, stepsOf(functionTexts(wake))))];
}

async function waitForOthers(client: pg.Client, tell: Tell, signal: AbortSignal): Promise<void> {
  const givesUpAt = Date.now() + 60_000;
  for (let told = false; ; told = true) {
    signal.throwIfAborted();
    const { rows } = await client.query<{ ours: boolean }>('SELECT pg_try_advisory_lock($1, $2) AS ours', [
      ...migrateLock,
    ]);
    if (rows[0]!.ours) return;
    if (!told) tell('Another migrate is at work on this database; waiting for it.');
    if (Date.now() > givesUpAt)
      throw new Retryable('another migrate has been at work on this database for a minute', {
        reach: 'side',
      });
    await pause(200, undefined, { signal });
  }
}

/** Everything that can be known before anything is changed. */
async function check(client: pg.Client, config: BookingConfig, folder: string, tell: Tell): Promise<void> {
  const { rows } = await client.query<{
    version: number;
    installed: boolean;
    settings: boolean;
    creates: boolean;
    role: string;
  }>(
    `SELECT current_setting('server_version_num')::integer / 10000 AS version, quote_ident(current_user) AS role,
            to_regclass('public.bridge_migrations') IS NOT NULL AS installed,
            to_regclass('public.bridge_settings') IS NOT NULL AND to_regclass('public.bridge_resource_mappings') IS NOT NULL AS settings,
            has_schema_privilege('public', 'CREATE') AS creates`,
  );
  const { version, installed, settings, creates, role } = rows[0]!;
  if (version < oldestVersion)
    throw new Permanent(`This is PostgreSQL ${version}; the bridge needs ${oldestVersion} or newer.`, {
      hint: 'Upgrade the server: triggers with transition tables on partitions and multiranges are needed.',
    });
  if (!installed) await refuseForeignTables(client);
  else if (settings) {
    const newer = await newerThanOurs(client, ourMigrations());
    if (newer !== null) throw newer;
    await readInstallation(client, config.timezone, config.adapter);
  }
  await refuseUnknownZone(client, config.timezone);
  const missing = await missingRights(client, folder);
  if (!creates)
    missing.unshift({
      repair: `GRANT USAGE, CREATE ON SCHEMA public TO ${role};`,
      needed: true,
      why: null,
    });
  const needed = missing.filter((right) => right.needed);
  if (needed.length > 0)
    throw new Permanent(`The role ${role} lacks rights in this database, or something is not there.`, {
      hint: [
        'Let a DBA run this in the booking database, then run migrate again:',
        ...needed.map(({ repair, why }) => `  ${repair ?? why ?? ''}`),
      ].join('\n'),
    });
  for (const { repair, why } of missing) tell(`Optional: ${repair ?? ''} -- without it ${why ?? ''}`);
}

/** Our own names in the hands of somebody else: the predecessor's newer form has a bridge_mappings of its own. */
async function refuseForeignTables(client: pg.Client): Promise<void> {
  const found = await namesTaken(client);
  if (found.length === 0) return;
  const names = found.map(({ name }) => name);
  await refuseLostBookkeeping(client);
  throw new Permanent(
    `There are tables under our names that are not ours: ${names.join(', ')}` +
      (found.some(({ predecessor }) => predecessor)
        ? ' (the predecessor outlook-booking-bridge made them).'
        : '.'),
    {
      hint: `Run \`${command} adopt\`: it moves them aside and takes over the pairs they hold. Nothing was changed.`,
    },
  );
}

/** Throws Permanent where the tables are ours all the same, and only the one that says how new they are is gone. */
export async function refuseLostBookkeeping(client: Queryable): Promise<void> {
  const { rows: there } = await client.query<{ there: boolean }>(
    `SELECT to_regclass('public.bridge_settings') IS NOT NULL AS there`,
  );
  if (!there[0]!.there) return;
  const { rows } = await client.query(
    `SELECT FROM bridge_settings s WHERE to_jsonb(s) ->> 'name' = 'installation_id'`,
  );
  if (rows.length === 0) return;
  throw new Permanent('The table bridge_migrations is gone, which says how new our tables are.', {
    hint: `If nothing else was changed, write it down again and run migrate:\n${bookkeeping()}`,
  });
}

/** A table, view or sequence of somebody else under one of our names. */
export interface Taken {
  readonly name: string;
  /** It has the columns of the predecessor's. */
  readonly predecessor: boolean;
}

/** What stands under our names, in the order of their names. Asked before anything of ours is there. */
export async function namesTaken(db: Queryable): Promise<Taken[]> {
  const { rows } = await db.query<Taken>(
    `SELECT c.relname::text AS name, EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid
              AND a.attname IN ('source_bridge', 'target_bridge', 'bridge_from', 'bridge_type')) AS predecessor
     FROM pg_class c
     WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f') AND c.relname = ANY ($1)
     ORDER BY 1`,
    [ourNames()],
  );
  return rows;
}

/** The texts of our migrations, in order. */
const migrationNames = () =>
  readdirSync(migrations)
    .filter((name) => name.endsWith('.sql'))
    .toSorted();

const migrationTexts = () => migrationNames().map((name) => readFileSync(new URL(name, migrations), 'utf8'));

/** What our migrations and functions are made of, one statement each. */
export const ourSteps = () => stepsOf([...migrationTexts(), ...functionTexts('adaptive')]);

/** The names of our migrations as bridge_migrations holds them. */
export const ourMigrations = () => migrationNames().map((name) => name.replace(/\.sql$/, ''));

const bookkeeping = () =>
  [
    'CREATE TABLE bridge_migrations (id serial PRIMARY KEY, name varchar(255) NOT NULL, run_on timestamp NOT NULL);',
    ...ourMigrations().map(
      (name) => `INSERT INTO bridge_migrations (name, run_on) VALUES ('${name}', now());`,
    ),
  ].join('\n');

/** The tables and the sequence that the migrations make, and the views of the adapters. */
export const ourNames = () => [
  ...ourSteps().flatMap(({ statement, makes }) =>
    makes?.kind === 'relation' && !/^CREATE (?:UNIQUE )?INDEX/m.test(statement) ? [makes.name] : [],
  ),
  'bridge_items',
  'bridge_resources',
  'bridge_remarks',
];

async function refuseUnknownZone(client: pg.Client, timezone: string): Promise<void> {
  try {
    await client.query('SELECT now() AT TIME ZONE $1', [timezone]);
  } catch (error) {
    if (sqlState(error) !== '22023') throw error;
    throw new Invalid(
      'BOOKING_TIMEZONE',
      `PostgreSQL does not know the zone '${timezone}' of BOOKING_TIMEZONE.`,
      'Write it as in: SELECT name FROM pg_timezone_names;',
    );
  }
}

/** Runs what is new in database/migrations, all in one transaction. */
async function ourTables(client: pg.Client, tell: Tell, signal: AbortSignal): Promise<string[]> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      const done = await runner({
        dbClient: client,
        dir: fileURLToPath(migrations),
        schema: 'public',
        migrationsTable: 'bridge_migrations',
        direction: 'up',
        noLock: true, // we hold a lock of our own, which the rest of this command needs too
        singleTransaction: true,
        logger: { info: () => undefined, warn: () => undefined, error: () => undefined },
      });
      return done.map(({ name }) => name);
    } catch (error) {
      if (sqlState(error) !== '55P03' || attempt >= 60) throw explain(error);
      if (attempt === 1) tell('Our tables are in use; waiting.');
      await pause(500, undefined, { signal });
    }
  }
}

const explain = (error: unknown) =>
  /Not run migration .* is preceding|have been deleted/.test(messageOf(error))
    ? new Permanent(`This database was migrated by a newer version: ${messageOf(error)}`, {
        hint: 'Run the newer version, or an older one that knows these migrations.',
        cause: error,
      })
    : error;

/** NOTIFY forbids two-phase commits, so where the server allows those, nobody is notified unless it was asked for. */
async function wakeMode(client: pg.Client, asked: WakeMode, tell: Tell): Promise<WakeMode> {
  const { rows } = await client.query<{ most: number }>(
    `SELECT current_setting('max_prepared_transactions')::integer AS most`,
  );
  if (rows[0]!.most === 0 || asked === 'poll') return asked;
  const why = `max_prepared_transactions is ${rows[0]!.most}, and a transaction that notified cannot be prepared`;
  tell(
    asked === 'adaptive'
      ? `WAKE=adaptive becomes poll: ${why}.`
      : `Warning: WAKE=notify was asked for, but ${why}: such bookings will fail. Set WAKE=poll.`,
  );
  return asked === 'adaptive' ? 'poll' : asked;
}
