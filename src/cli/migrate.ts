/**
 * `migrate`: installs or updates our tables and the adapter. It is idempotent and safe while bookings are made. If a privilege
 * is missing, it changes nothing and prints the statements to grant it.
 */
import type pg from 'pg';
import { adapterFolder } from '../adapter.ts';
import { isAdapterCurrent, rememberAdapter } from '../booking/adapter-state.ts';
import { readCapture, readTriggers, rememberTriggers, unwatchUndeclared } from '../booking/capture.ts';
import { compareFunctions, functionTexts, installFunctions } from '../booking/functions.ts';
import { detachAdapter, detachedSince, forgetDetached, readDetached } from '../booking/detach.ts';
import { enableTriggers, installAdapter, type Tell } from '../booking/install.ts';
import { rebuild, stepsOf } from '../booking/rebuild.ts';
import { securedTables } from '../booking/row-security.ts';
import { ourVersion } from '../booking/versions.ts';
import { attachCommand } from '../command-name.ts';
import { readEnv } from '../environment.ts';
import { toBookingConfig, type BookingConfig, type WakeMode } from '../config.ts';
import type { Queryable } from '../database.ts';
import { Invalid, NotInstalled } from '../errors.ts';
import { queryValue } from '../query.ts';
import { storeAppearance } from '../sync/store/installation.ts';
import { followMailboxes, sweepRooms } from '../sync/worker/sweep.ts';
import { requireContract } from './adapter-shape.ts';
import { check, isCurrent, wakeMode } from './migrate-checks.ts';
import { withLock } from './migrate-session.ts';
import { migrateTables } from './migrate-tables.ts';
import { migrationTexts, ourMigrations, ourNames, ourSteps, ourTexts } from './own-schema.ts';
import { say } from './terminal.ts';

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
    const isAttached = adapter === 'attach' || !(await isDetached(client));
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

/** False also before the first migration. */
async function isDetached(client: Queryable): Promise<boolean> {
  try {
    return (await readDetached(client)) !== null;
  } catch (error) {
    if (error instanceof NotInstalled) return false;
    throw error;
  }
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

/** `folder`: of the adapter; null: the bridge stays detached. */
async function install(
  client: pg.Client,
  config: BookingConfig,
  folder: string | null,
  tell: Tell,
  signal: AbortSignal,
): Promise<Migrated> {
  const { run, wake } = await installOurs(client, config, tell, signal);
  const detached = await readDetached(client);
  if (folder === null) return { migrations: run, wake, detached, notes: [] };
  const notes = await installInBookingSystem(client, folder, tell, signal);
  return { migrations: run, wake, detached: null, notes };
}

/** Our tables, functions and settings. Returns the migrations that were run, and the installed wake mode. */
async function installOurs(client: pg.Client, config: BookingConfig, tell: Tell, signal: AbortSignal) {
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
  return { run, wake };
}

/** The adapter: its view, functions and triggers. Returns notes as in `Migrated`. */
async function installInBookingSystem(
  client: pg.Client,
  folder: string,
  tell: Tell,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const missing = (await readCapture(client)).missing.length;
  const triggers = await readTriggers(client);
  const from = (await isAdapterCurrent(client, folder)) ? 40 : 10;
  const before = await queryValue<string>(client, 'SELECT clock_timestamp()::text');
  const chosen = await installAdapter(client, folder, tell, signal, from);
  if (from === 10) await unwatchUndeclared(client, before, tell, signal);
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
  // what a missing function or a failing view prevented, which is repaired now
  await client.query('SELECT public.bridge_retry_failed(NULL, false)');
  await forgetDetached(client);
  if (isReplaced) await client.query('SELECT public.bridge_wake()');
  return [...secured.map(({ message, repair }) => `${message} ${repair}`), ...chosen];
}

/** Recreates dropped objects and returns their names. Functions of another version do not count as dropped. */
async function recreateDropped(client: pg.Client, wake: WakeMode): Promise<string[]> {
  const tables = await rebuild(client, stepsOf(migrationTexts()));
  if ((await compareFunctions(client, wake)) === 'other') return tables;
  return [...tables, ...(await rebuild(client, stepsOf(functionTexts(wake))))];
}
