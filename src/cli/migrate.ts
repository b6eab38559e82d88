/**
 * `migrate`: installs or updates our tables and the adapter. It is idempotent and safe while bookings are made. If a privilege
 * is missing, it changes nothing and prints the statements to grant it.
 */
import { readFileSync } from 'node:fs';
import type pg from 'pg';
import { adapterFolder } from '../adapter.ts';
import { isAdapterCurrent, rememberAdapter } from '../booking/adapter-state.ts';
import { readCapture, readTriggers, rememberTriggers, unwatchUndeclared } from '../booking/capture.ts';
import { compareFunctions, functionTexts, installFunctions } from '../booking/functions.ts';
import { detachAdapter, detachedSince, forgetDetached, readDetached } from '../booking/detach.ts';
import { enableTriggers, installAdapter, missingRights, type Tell } from '../booking/install.ts';
import { missingObjects, rebuild, stepsOf } from '../booking/rebuild.ts';
import { securedTables } from '../booking/row-security.ts';
import { newerThanOurs, ourVersion } from '../booking/versions.ts';
import { readEnv, toBookingConfig, type BookingConfig, type WakeMode } from '../config.ts';
import { sqlState, type Queryable } from '../database.ts';
import { Invalid, Permanent } from '../errors.ts';
import { withLock } from './migrate-session.ts';
import { migrateTables, migrationNames, migrations } from './migrate-tables.ts';
import { requireContract } from './adapter-shape.ts';
import { attachCommand, command, migrateCommand as howToMigrate } from '../command-name.ts';
import { say } from './terminal.ts';
import { readInstallation, storeAppearance } from '../sync/store/installation.ts';
import { followMailboxes, sweepRooms } from '../sync/worker/sweep.ts';
import { queryRows, queryValue } from '../query.ts';

export interface Migrated {
  /** Names of the migrations of our own tables that were run now. */
  readonly migrations: readonly string[];
  /** The installed wake mode; may differ from the requested one. */
  readonly wake: WakeMode;
  /** Since when the bridge is detached from the booking system; null: it is not. */
  readonly detached: string | null;
  /** Optional settings and privileges, one text each; not logged at each start. */
  readonly notes: readonly string[];
}

const oldestVersion = 14;

/**
 * Installs or updates everything in the booking database and recreates dropped objects. `tell` receives messages, one line
 * each. Throws Permanent, with the repair, if a privilege is missing or foreign tables have our names, and Invalid if the
 * database was set up with another zone or adapter; nothing is changed then.
 */
export async function migrate(
  config: BookingConfig,
  tell: Tell,
  signal: AbortSignal,
  adapter: 'as it is' | 'attach' = 'as it is',
): Promise<Migrated> {
  return await withLock(config, tell, signal, async (client) => {
    const folder = adapterFolder(config.adapter);
    const isAttached = adapter === 'attach' || (await detachedNow(client)) === null;
    const optional = await check(client, config, isAttached ? folder : null, tell);
    if (isAttached && !(await isCurrent(client, config, folder)))
      await requireContract(client, folder, ourTexts(config.wake), config.timezone, signal);
    const done = await install(client, config, isAttached ? folder : null, tell, signal);
    return { ...done, notes: [...done.notes, ...optional] };
  });
}

/**
 * Removes the adapter from the booking system for an upgrade of it; our tables stay. Throws Permanent if the bridge is not
 * installed, or if foreign objects depend on our views.
 */
export async function detach(config: BookingConfig, tell: Tell, signal: AbortSignal): Promise<void> {
  await withLock(config, tell, signal, async (client) => {
    const ours = ourSteps().flatMap(({ makes }) => (makes?.kind === 'function' ? [makes.name] : []));
    await detachAdapter(client, ours, tell, signal);
  });
}

/** Since when the bridge is detached; null: it is not, or our tables do not exist yet. */
async function detachedNow(client: Queryable): Promise<string | null> {
  const there = await queryValue<boolean>(
    client,
    `SELECT to_regclass('public.bridge_settings') IS NOT NULL AS there`,
  );
  return there ? await readDetached(client) : null;
}

/** Runs `migrate` with the settings of the environment and prints its messages. Returns the exit code. */
export async function migrateCommand(
  options: { readonly detach?: boolean; readonly attach?: boolean },
  signal: AbortSignal,
): Promise<number> {
  const config = toBookingConfig(readEnv());
  const optional: string[] = [];
  // optional settings arrive during the installation and are printed after it
  const tell = (line: string) => (line.startsWith('Optional') ? void optional.push(line) : say(line));
  if (options.detach === true && options.attach === true)
    throw new Invalid('--attach', 'Give --detach or --attach, not both.', 'Detach, upgrade, then attach.');
  if (options.detach === true) {
    await detach(config, tell, signal);
    say(
      'The bridge is detached: its adapter is removed from the booking system, and nothing is synchronized.',
    );
    say(`Upgrade the booking system, then run: ${attachCommand}`);
    return 0;
  }
  const {
    migrations: run,
    wake,
    detached,
    notes,
  } = await migrate(config, tell, signal, options.attach === true ? 'attach' : 'as it is');
  say(run.length === 0 ? "The bridge's tables are up to date." : `Migrations run: ${run.join(', ')}.`);
  if (detached === null) say(`The adapter is installed. Booking writes wake the daemon: ${wake}.`);
  else say(`The adapter is not installed: ${detachedSince(detached)}. To install it: ${attachCommand}`);
  if (options.attach === true) say('All rooms are compared with the booking system again.');
  const choices = [...notes, ...optional];
  if (choices.length > 0)
    say(`\nThe installation is complete. Optional settings:\n- ${choices.join('\n- ')}`);
  return 0;
}

async function install(
  client: pg.Client,
  config: BookingConfig,
  folder: string | null,
  tell: Tell,
  signal: AbortSignal,
): Promise<Migrated> {
  const run = await migrateTables(client, ourNames(), tell, signal);
  const wake = await wakeMode(client, config.wake, tell);
  const recreated = await recreateDropped(client, wake);
  if (recreated.length > 0)
    tell(
      `Missing objects of the bridge were recreated: ${recreated.join(', ')}. All rooms are compared again.`,
    );
  if ((await compareFunctions(client, wake)) !== 'same') {
    await installFunctions(client, wake, tell, signal);
    if (run.length < ourMigrations().length)
      tell("The bridge's functions were updated to those of this version.");
    const rooms = await followMailboxes(client);
    if (rooms > 0)
      tell(
        `${rooms} ${rooms === 1 ? 'room' : 'rooms'} had mappings to events in another mailbox: the reservations are now shown in the current mailbox.`,
      );
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
  if (config.appearance !== undefined) await storeAppearance(client, config.appearance);
  // only once, so that a copy of this database is detected
  await client.query(
    `INSERT INTO public.bridge_settings (name, value) SELECT 'database', bridge_this_database()::text
     ON CONFLICT (name) DO NOTHING`,
  );
  const detached = await readDetached(client);
  if (folder === null) return { migrations: run, wake, detached, notes: [] };
  const missing = (await readCapture(client)).missing.length;
  const triggers = await readTriggers(client);
  const from = (await isAdapterCurrent(client, folder)) ? 40 : 10;
  const { rows } = await client.query<{ now: string }>('SELECT clock_timestamp()::text AS now');
  const chosen = await installAdapter(client, folder, tell, signal, from);
  if (from === 10) await unwatchUndeclared(client, rows[0]!.now, tell, signal);
  await enableTriggers(client, tell, signal);
  const isReplaced = missing > 0 || triggers !== (await readTriggers(client));
  await rememberTriggers(client);
  await rememberAdapter(client, folder);
  // bookings made while triggers were missing or the bridge was detached are not in the outbox
  if (isReplaced) {
    const rooms = await sweepRooms(client);
    if (rooms > 0)
      tell(
        `Triggers were missing, disabled or replaced: ${rooms === 1 ? '1 room is' : `${rooms} rooms are`} compared.`,
      );
  }
  const secured = (await securedTables(client)).filter(({ applies }) => applies);
  const notes = [...secured.map(({ message, repair }) => `${message} ${repair}`), ...chosen];
  await forgetDetached(client);
  if (isReplaced) await client.query('SELECT public.bridge_wake()');
  return { migrations: run, wake, detached: null, notes };
}

/** Recreates dropped objects and returns their names. Functions of another version do not count as dropped. */
async function recreateDropped(client: pg.Client, wake: WakeMode): Promise<string[]> {
  const tables = await rebuild(client, stepsOf(migrationTexts()));
  if ((await compareFunctions(client, wake)) === 'other') return tables;
  return [...tables, ...(await rebuild(client, stepsOf(functionTexts(wake))))];
}

/** Checks all preconditions before anything is changed. Returns the optional privileges, one text each. Throws as `migrate`. */
async function check(
  client: pg.Client,
  config: BookingConfig,
  folder: string | null,
  tell: Tell,
): Promise<string[]> {
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
  const narrow = await narrowEncoding(client);
  if (narrow !== null) tell(`Warning: ${narrow}`);
  const missing = folder === null ? [] : await missingRights(client, folder);
  if (!creates && !(await isCurrent(client, config, folder)))
    missing.unshift({
      repair: `GRANT USAGE, CREATE ON SCHEMA public TO ${role};`,
      needed: true,
      why: null,
    });
  const needed = missing.filter((right) => right.needed);
  if (needed.length > 0)
    throw new Permanent(`The role ${role} lacks privileges in this database, or tables are missing.`, {
      hint: [
        'As a DBA run these statements in the booking database, then run migrate again:',
        ...needed.map(({ repair, why }) => `  ${repair ?? why ?? ''}`),
      ].join('\n'),
    });
  return missing.map(({ repair, why }) => `Optional: ${repair ?? ''} -- without it ${why ?? ''}`);
}

/** A warning about the encoding of the database; null: it is UTF8. */
export async function narrowEncoding(db: Queryable): Promise<string | null> {
  const { rows } = await db.query<{ encoding: string }>(
    `SELECT current_setting('server_encoding') AS encoding`,
  );
  const { encoding } = rows[0]!;
  if (encoding === 'UTF8') return null;
  return `the encoding of this database is ${encoding}, not UTF8: changes in Outlook with a character that it lacks (an emoji, another script) cannot be written to the booking system and are listed as errors.`;
}

/** Whether `migrate` would create nothing, so that it does not need CREATE. `folder`: of the adapter; null: detached. */
export async function isCurrent(
  client: pg.Client,
  config: BookingConfig,
  folder: string | null,
): Promise<boolean> {
  const { rows } = await client.query<{ installed: boolean }>(
    `SELECT to_regclass('public.bridge_migrations') IS NOT NULL AND to_regclass('public.bridge_settings') IS NOT NULL AS installed`,
  );
  if (!rows[0]!.installed || (await missingObjects(client, ourSteps())).length > 0) return false;
  const { rows: run } = await client.query<{ name: string }>('SELECT name FROM public.bridge_migrations');
  const done = new Set(run.map(({ name }) => name));
  if (ourMigrations().some((name) => !done.has(name))) return false;
  const wake = await wakeMode(client, config.wake, () => undefined);
  if ((await compareFunctions(client, wake)) !== 'same') return false;
  return folder === null || (await isAdapterCurrent(client, folder));
}

/** The difference of the installed tables and functions to this version, with the repair; null: none, or not installed. */
export async function otherVersion(
  client: pg.Client,
  wake: WakeMode,
): Promise<{ readonly message: string; readonly repair: string } | null> {
  const { rows } = await client.query<{ installed: boolean; settings: boolean }>(
    `SELECT to_regclass('public.bridge_migrations') IS NOT NULL AS installed,
            to_regclass('public.bridge_settings') IS NOT NULL AS settings`,
  );
  const { installed, settings } = rows[0]!;
  if (!installed) {
    const taken = await namesTaken(client);
    if (taken.length === 0) return null;
    const names = taken.map(({ name }) => name).join(', ');
    return {
      message: `Tables with the bridge's names already exist: ${names}.`,
      repair: `${command} adopt`,
    };
  }
  const newer = settings ? await newerThanOurs(client, ourMigrations()) : null;
  if (newer !== null) return { message: newer.message, repair: newer.hint ?? 'Run the newer version.' };
  const { rows: run } = await client.query<{ name: string }>('SELECT name FROM public.bridge_migrations');
  const done = new Set(run.map(({ name }) => name));
  const open = ourMigrations().filter((name) => !done.has(name));
  const missing = settings && open.length === 0 ? await missingObjects(client, ourSteps()) : [];
  const difference =
    open.length > 0
      ? `${open.length} of its migrations were not run, from ${open[0]!} on`
      : missing.length > 0 || !settings
        ? `objects are missing: ${missing.join(', ') || 'bridge_settings'}`
        : (await compareFunctions(client, await wakeMode(client, wake, () => undefined))) === 'same'
          ? null
          : 'its functions are of another version';
  if (difference === null) return null;
  return {
    message: `The bridge in this database is of another version: ${difference}. No adapter can be checked in it.`,
    repair: `First run migrate with the installed adapter: ${howToMigrate}`,
  };
}

/** Throws Permanent if foreign tables have our names: a newer predecessor has its own bridge_mappings. */
async function refuseForeignTables(client: pg.Client): Promise<void> {
  const found = await namesTaken(client);
  if (found.length === 0) return;
  const names = found.map(({ name }) => name);
  await refuseLostBookkeeping(client);
  throw new Permanent(
    `Tables with the bridge's names already exist: ${names.join(', ')}` +
      (found.some(({ predecessor }) => predecessor)
        ? ' (created by the predecessor outlook-booking-bridge).'
        : '.'),
    {
      hint: `Run \`${command} adopt\`: it renames them and takes over their rooms and events. Nothing was changed.`,
    },
  );
}

/** Throws Permanent if the tables are ours and only bridge_migrations is missing. */
export async function refuseLostBookkeeping(client: Queryable): Promise<void> {
  const { rows: there } = await client.query<{ there: boolean }>(
    `SELECT to_regclass('public.bridge_settings') IS NOT NULL AS there`,
  );
  if (!there[0]!.there) return;
  const { rows } = await client.query(
    `SELECT FROM bridge_settings s WHERE to_jsonb(s) ->> 'name' = 'installation_id'`,
  );
  if (rows.length === 0) return;
  throw new Permanent("The table bridge_migrations, with the version of the bridge's tables, is missing.", {
    hint: `If nothing else was changed, restore it and run migrate:\n${bookkeeping()}`,
  });
}

/** A foreign table, view or sequence with one of our names. */
export interface Taken {
  readonly name: string;
  /** It has columns of the predecessor. */
  readonly predecessor: boolean;
}

/** The existing relations with our names, sorted by name. Only meaningful before the bridge is installed. */
export async function namesTaken(db: Queryable): Promise<Taken[]> {
  return await queryRows<Taken>(
    db,
    `SELECT c.relname::text AS name, EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid
              AND a.attname IN ('source_bridge', 'target_bridge', 'bridge_from', 'bridge_type')) AS predecessor
     FROM pg_class c
     WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f') AND c.relname = ANY ($1)
     ORDER BY 1`,
    [ourNames()],
  );
}

/** The texts of our migrations, in order. */
const migrationTexts = () => migrationNames().map((name) => readFileSync(new URL(name, migrations), 'utf8'));

/** The SQL that creates our tables and functions, in order. */
export const ourTexts = (wake: WakeMode) => [...migrationTexts(), ...functionTexts(wake)];

/** The statements of our migrations and functions. */
export const ourSteps = () => stepsOf(ourTexts('adaptive'));

/** The names of our migrations as stored in bridge_migrations. */
export const ourMigrations = () => migrationNames().map((name) => name.replace(/\.sql$/, ''));

const bookkeeping = () =>
  [
    'CREATE TABLE bridge_migrations (id serial PRIMARY KEY, name varchar(255) NOT NULL, run_on timestamp NOT NULL);',
    ...ourMigrations().map(
      (name) => `INSERT INTO bridge_migrations (name, run_on) VALUES ('${name}', now());`,
    ),
  ].join('\n');

/** The names of the tables and the sequence of the migrations, and of the views of the adapters. */
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
      'The names that it knows: SELECT name FROM pg_timezone_names;',
    );
  }
}

/** The wake mode to install: adaptive becomes poll if the server allows two-phase commits, which NOTIFY would make fail. */
async function wakeMode(client: pg.Client, requested: WakeMode, tell: Tell): Promise<WakeMode> {
  const { rows } = await client.query<{ most: number }>(
    `SELECT current_setting('max_prepared_transactions')::integer AS most`,
  );
  if (rows[0]!.most === 0 || requested === 'poll') return requested;
  const why = `max_prepared_transactions is ${rows[0]!.most}, and a transaction with a NOTIFY cannot be prepared`;
  tell(
    requested === 'adaptive'
      ? `WAKE=adaptive becomes poll: ${why}.`
      : `Warning: WAKE is notify, but ${why}: such bookings will fail. Set WAKE=poll.`,
  );
  return requested === 'adaptive' ? 'poll' : requested;
}
