/** What `migrate` requires before it changes anything, and whether there is anything to change. */
import type pg from 'pg';
import { isAdapterCurrent } from '../booking/adapter-state.ts';
import { compareFunctions } from '../booking/functions.ts';
import { missingRights, type Tell } from '../booking/install.ts';
import { missingObjects } from '../booking/rebuild.ts';
import { newerThanOurs } from '../booking/versions.ts';
import { command, migrateCommand as howToMigrate } from '../command-name.ts';
import type { BookingConfig, WakeMode } from '../config.ts';
import { sqlState, type Queryable } from '../database.ts';
import { Invalid, Permanent } from '../errors.ts';
import { readInstallation } from '../sync/store/installation.ts';
import { isInstalled, namesTaken, openMigrations, ourMigrations, ourSteps } from './own-schema.ts';

/** Of PostgreSQL, its major version. */
export const oldestVersion = 14;

/** Checks all preconditions before anything is changed. Returns the optional privileges, one text each. Throws as `migrate`. */
export async function check(
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
  if (!(await isInstalled(client)) || (await missingObjects(client, ourSteps())).length > 0) return false;
  if ((await openMigrations(client)).length > 0) return false;
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
  const open = await openMigrations(client);
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

const bookkeeping = () =>
  [
    'CREATE TABLE bridge_migrations (id serial PRIMARY KEY, name varchar(255) NOT NULL, run_on timestamp NOT NULL);',
    ...ourMigrations().map(
      (name) => `INSERT INTO bridge_migrations (name, run_on) VALUES ('${name}', now());`,
    ),
  ].join('\n');

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
export async function wakeMode(client: pg.Client, requested: WakeMode, tell: Tell): Promise<WakeMode> {
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
