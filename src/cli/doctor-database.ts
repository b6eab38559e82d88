/** `doctor`: the checks of the booking system's database. */
import { randomUUID } from 'node:crypto';
import { abilityWords, readAbilities } from '../abilities.ts';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type pg from 'pg';
import { failureInWords } from '../adapter-error.ts';
import { adapterFolder } from '../adapter.ts';
import { detachedSince, readDetached } from '../booking/detach.ts';
import { hasOurFunctions } from '../booking/functions.ts';
import { newerThanOurs } from '../booking/versions.ts';
import { adapterFailure, readStatements } from '../booking/adapter-sql.ts';
import { missingRights } from '../booking/install.ts';
import { missingObjects } from '../booking/rebuild.ts';
import type { BookingConfig } from '../config.ts';
import { poolerFailure } from '../connection.ts';
import { databaseFailure, openSession, sqlState, type Queryable } from '../database.ts';
import { Permanent, Retryable, messageOf } from '../errors.ts';
import { securedTables } from '../booking/row-security.ts';
import { attachCommand, command, migrateCommand } from '../command-name.ts';
import type { Id } from '../id.ts';
import { ownSettings, type RoomSettings } from '../room-settings.ts';
import { checkClaims } from './doctor-claim.ts';
import { reportSharedMailbox, type Report } from './doctor-findings.ts';
import { checkTriggers } from './doctor-triggers.ts';
import { isCurrent, narrowEncoding } from './migrate-checks.ts';
import { isInstalled, namesTaken, openMigrations, ourMigrations, ourSteps } from './own-schema.ts';
import { directClient } from './with-database.ts';
import { queryValue } from '../query.ts';

/** Runs all checks of the database. Returns whether the bridge's tables exist, so that later checks can query them. */
export async function checkDatabase(config: BookingConfig, report: Report): Promise<boolean> {
  const client = directClient(config, 'doctor', 20_000);
  try {
    await client.connect();
  } catch (error) {
    const pooler = poolerFailure(error);
    const failure = databaseFailure(error, 'doctor');
    if (pooler !== null) report('problem', 'connection', `${pooler.message}.`, pooler.hint ?? null);
    else if (/^28/.test(sqlState(error) ?? ''))
      report(
        'problem',
        'database',
        `PostgreSQL answers but refuses the login: ${messageOf(error)}.`,
        `Check DB_USER and DB_PASS (or DATABASE_URL), and pg_hba.conf; ${psqlTest(config)}`,
      );
    else if (failure instanceof Retryable && failure.hint !== undefined)
      report(
        'problem',
        'database',
        `PostgreSQL answers but refuses the connection: ${messageOf(error)}.`,
        failure.hint,
      );
    else
      report(
        'problem',
        'database',
        `PostgreSQL cannot be reached: ${messageOf(error)}`,
        `Check DB_HOST, DB_PORT and DB_NAME (or DATABASE_URL); ${psqlTest(config)}`,
      );
    return false;
  }
  try {
    await checkServer(client, report);
    await checkClock(client, report);
    await checkZone(client, config, report);
    await checkRights(client, config, report);
    const installed = await checkTables(client, report);
    if (!installed) return false;
    await checkSettings(client, config, report);
    await checkRoomSettings(client, report);
    await checkClaims(client, report);
    await checkNotify(config, report);
    const detached = await readDetached(client);
    if (detached !== null) {
      report(
        'problem',
        'adapter',
        `${detachedSince(detached).replace('the', 'The')}: nothing is synchronized.`,
        attachCommand,
      );
      return true;
    }
    await checkAdapter(client, report);
    await checkTriggers(client, report);
    await checkDefaults(client, config, report);
    await checkUnfolded(client, report);
    await checkRemarks(client, report);
    await checkMailboxRows(client, report);
    return true;
  } finally {
    await client.end().catch(() => undefined); // no longer needed
  }
}

function psqlTest({ database }: BookingConfig): string {
  const { hostname, port, pathname, username } = new URL(database.url);
  return `to test it: psql -h ${hostname} -p ${port || '5432'} -U ${username} ${pathname.slice(1)}`;
}

async function checkServer(client: pg.Client, report: Report): Promise<void> {
  const { rows } = await client.query<{
    version: string;
    major: number;
    standby: boolean;
    readOnly: boolean;
  }>(
    `SELECT current_setting('server_version') AS version, current_setting('server_version_num')::integer / 10000 AS major,
            pg_is_in_recovery() AS standby, current_setting('default_transaction_read_only')::boolean AS "readOnly"`,
  );
  const { version, major, standby, readOnly } = rows[0]!;
  if (major < 14)
    report('problem', 'database', `This is PostgreSQL ${version}.`, 'Upgrade the server to 14 or newer.');
  else report('ok', 'database', `PostgreSQL ${version} answers`);
  if (standby)
    report(
      'problem',
      'database',
      'This server is a standby: it accepts neither writes nor LISTEN.',
      'Set DB_HOST to the primary.',
    );
  else if (readOnly)
    report(
      'problem',
      'database',
      'default_transaction_read_only is on for this role or database: nothing can be written.',
      'ALTER ROLE … RESET default_transaction_read_only; or the same with ALTER DATABASE …',
    );
  report('ok', 'connection', 'direct, without a pooler');
  const narrow = await narrowEncoding(client);
  if (narrow !== null)
    report(
      'warning',
      'encoding',
      narrow.replace('the', 'The'),
      'Move the booking system to a database with ENCODING UTF8, or remove such characters in Outlook.',
    );
}

const clockToleranceMs = 5_000;

async function checkClock(client: pg.Client, report: Report): Promise<void> {
  const before = Date.now();
  const { rows } = await client.query<{ now: Date }>('SELECT clock_timestamp() AS now');
  const off = rows[0]!.now.getTime() - (before + Date.now()) / 2;
  clock('the database server', off, report);
}

/** Reports the deviation of another clock. `offMs`: how far it is ahead of ours in milliseconds, negative if behind. */
export function clock(owner: string, offMs: number, report: Report, toleranceMs = clockToleranceMs): void {
  const text = `${(Math.abs(offMs) / 1_000).toFixed(1)} s ${offMs < 0 ? 'behind' : 'ahead of'}`;
  if (Math.abs(offMs) <= toleranceMs) report('ok', 'clock', `the clock of ${owner} agrees with ours`);
  else
    report(
      'warning',
      'clock',
      `The clock of ${owner} is ${text} ours.`,
      'Synchronize both with a time server: timedatectl set-ntp true',
    );
}

async function checkZone(client: pg.Client, config: BookingConfig, report: Report): Promise<void> {
  const known = await queryValue<boolean>(
    client,
    'SELECT EXISTS (SELECT FROM pg_timezone_names WHERE lower(name) = lower($1)) AS known',
    [config.timezone],
  );
  if (known) report('ok', 'zone', `PostgreSQL knows ${config.timezone}`);
  else
    report(
      'problem',
      'zone',
      `PostgreSQL does not know the zone '${config.timezone}' of BOOKING_TIMEZONE.`,
      'The names that it knows: SELECT name FROM pg_timezone_names;',
    );
}

/** Runs SQL of the adapter. A failure is reported as a problem with file and line; the result is then null. */
async function unlessItFails<T>(report: Report, check: string, work: () => Promise<T>): Promise<T | null> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof Permanent)) throw error;
    report('problem', check, error.message, error.hint ?? null);
    return null;
  }
}

async function checkRights(client: pg.Client, config: BookingConfig, report: Report): Promise<void> {
  const folder = adapterFolder(config.adapter);
  const missing = await unlessItFails(report, 'rights', () => missingRights(client, folder));
  if (missing === null) return;
  const { rows } = await client.query<{ creates: boolean; role: string }>(
    `SELECT has_schema_privilege('public', 'CREATE') AS creates, quote_ident(current_user) AS role`,
  );
  const { creates, role } = rows[0]!;
  const needsToCreate = !creates && !(await isCurrent(client, config, folder));
  if (needsToCreate)
    report(
      'problem',
      'rights',
      `The role ${role} cannot create objects in schema public.`,
      `GRANT USAGE, CREATE ON SCHEMA public TO ${role};`,
    );
  for (const { repair, needed, why } of missing)
    report(
      needed ? 'problem' : 'note',
      'rights',
      repair === null
        ? (why ?? '')
        : `The role ${role} lacks a privilege${why === null ? '' : `; without it ${why}`}.`,
      repair,
    );
  if (!needsToCreate && !missing.some(({ needed }) => needed))
    report('ok', 'rights', `the role ${role} has all privileges that it needs`);
}

async function checkTables(client: pg.Client, report: Report): Promise<boolean> {
  if (!(await isInstalled(client))) {
    const foreign = await namesTaken(client);
    if (foreign.length === 0)
      report('problem', 'tables', 'The bridge is not installed here.', migrateCommand);
    else
      report(
        'problem',
        'tables',
        `Tables with the bridge's names already exist: ${foreign.map(({ name }) => name).join(', ')}.`,
        `${command} adopt --dry-run`,
      );
    return false;
  }
  const missing = await missingObjects(client, ourSteps());
  if (missing.length > 0) {
    report('problem', 'tables', `Objects of the bridge are missing: ${missing.join(', ')}.`, migrateCommand);
    return false;
  }
  const open = await openMigrations(client);
  if (open.length > 0) {
    report('problem', 'tables', `Migrations have not been run: ${open.join(', ')}.`, migrateCommand);
    return false;
  }
  report('ok', 'tables', "the bridge's tables are complete and up to date");
  const newer = await newerThanOurs(client, ourMigrations());
  if (newer !== null) report('problem', 'version', newer.message, newer.hint ?? null);
  else if (await hasOurFunctions(client))
    report('ok', 'functions', "the bridge's functions are those of this version");
  else
    report(
      'problem',
      'functions',
      "The bridge's functions in the database are of another version.",
      migrateCommand,
    );
  return true;
}

async function checkSettings(client: pg.Client, config: BookingConfig, report: Report): Promise<void> {
  const { rows } = await client.query<{ name: string; value: string }>(
    `SELECT name, value FROM bridge_settings WHERE name IN ('timezone', 'adapter', 'wake', 'privacy', 'title_template')`,
  );
  const stored = new Map(rows.map((row) => [row.name, row.value]));
  for (const [name, variable, wanted] of [
    ['timezone', 'BOOKING_TIMEZONE', config.timezone],
    ['adapter', 'BOOKING_ADAPTER', config.adapter],
  ] as const) {
    const value = stored.get(name);
    if (value === wanted)
      report('ok', 'settings', `${variable} is the value stored in the database: ${wanted}`);
    else
      report(
        'problem',
        'settings',
        `${variable} is '${wanted}', but ${value === undefined ? 'the database has no value' : `the value stored in the database is '${value}'`}.`,
        `${variable}=${value ?? wanted}\nor, if the change is intended: UPDATE bridge_settings SET value = '${wanted}' WHERE name = '${name}'; then ${migrateCommand}`,
      );
  }
  const { privacy, titleTemplate } = config.appearance ?? {};
  for (const [name, variable, wanted] of [
    ['privacy', 'PRIVACY', privacy],
    ['title_template', 'TITLE_TEMPLATE', titleTemplate],
  ] as const)
    if (wanted !== undefined && (stored.get(name) ?? wanted) !== wanted)
      report(
        'note',
        'settings',
        `${variable} is '${wanted}'; events are shown according to '${stored.get(name)}' until the daemon is restarted.`,
        'Restart the daemon.',
      );
  if (stored.get('wake') !== config.wake)
    report(
      'note',
      'settings',
      `WAKE is ${config.wake}, but ${stored.get('wake') ?? 'nothing'} is installed (migrate prints the reason if it cannot install WAKE).`,
      migrateCommand,
    );
}

const viewColumns =
  'reservation_type, reservation_id, resource_id, priority_level, active, starts_at, ends_at, all_day, title, description, organizer_name, organizer_email, is_private';
const functions = ['bridge_import_item', 'bridge_change_item', 'bridge_cancel_item'];

async function checkAdapter(client: pg.Client, report: Report): Promise<void> {
  try {
    await client.query(`SELECT ${viewColumns} FROM bridge_items LIMIT 1`);
    report('ok', 'adapter', 'the view bridge_items can be read');
    for (const { applies, message, repair } of await securedTables(client))
      if (applies) report('warning', 'rights', message, repair);
  } catch (error) {
    report(
      'problem',
      'adapter',
      `The view bridge_items cannot be read: ${failureInWords(error)}`,
      migrateCommand,
    );
  }
  const { known, unknown } = await readAbilities(client);
  if (unknown.length > 0)
    report(
      'warning',
      'adapter',
      `The setting abilities has unknown words: ${unknown.join(', ')}.`,
      `The allowed words are ${abilityWords}.`,
    );
  if (known.size > 0)
    report('ok', 'adapter', `declared limits of the booking system: ${[...known].join(', ')}`);
  if (known.has('one-way')) return;
  const { rows } = await client.query<{ name: string }>(
    `SELECT f.name FROM unnest($1::text[]) AS f (name)
     WHERE NOT EXISTS (SELECT FROM pg_proc p WHERE p.proname = f.name AND p.pronamespace = 'public'::regnamespace)`,
    [functions],
  );
  for (const { name } of rows)
    report('problem', 'adapter', `The function ${name} is missing.`, migrateCommand);
  if (rows.length === 0) report('ok', 'adapter', 'the functions that write to the booking system exist');
}

const notifyMs = 3_000;

/** Checks that a NOTIFY from one session reaches another, as from a booking to the daemon. */
async function checkNotify(config: BookingConfig, report: Report): Promise<void> {
  await using opened = new AsyncDisposableStack();
  const open = async (name: string) => {
    const own = await openSession(config.database, name, notifyMs);
    opened.defer(() => own.close());
    return own.session;
  };
  const [listener, notifier] = [await open('bridge doctor listens'), await open('bridge doctor notifies')];
  const payload = randomUUID();
  const received = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => received.resolve(false), notifyMs);
  listener.on('notification', (notification) => {
    if (notification.payload === payload) received.resolve(true);
  });
  await listener.query('LISTEN bridge_doctor');
  await notifier.query(`SELECT pg_notify('bridge_doctor', $1)`, [payload]);
  const started = performance.now();
  const isReceived = await received.promise;
  clearTimeout(timer);
  if (isReceived)
    report('ok', 'listen', `a notification arrived after ${Math.round(performance.now() - started)} ms`);
  else
    report(
      'problem',
      'listen',
      `A test notification did not arrive within ${notifyMs / 1_000} s: bookings are found by polling, with a delay.`,
      'Connect directly to the primary, without a pooler.',
    );
}

/** Reports the adapter's notes about missing defaults, from its 40_defaults.sql run in a transaction that is rolled back. */
async function checkDefaults(client: Queryable, config: BookingConfig, report: Report): Promise<void> {
  const folder = adapterFolder(config.adapter);
  if (!existsSync(join(folder, '40_defaults.sql'))) return;
  const notes = await unlessItFails(report, 'defaults', () => readNotes(client, folder));
  for (const note of notes ?? []) {
    const [, text = note, repair = null] = /^(.*?)\s*Set it with: (.*)$/s.exec(note) ?? [];
    report('note', 'defaults', text, repair);
  }
  if (notes?.length === 0) report('ok', 'defaults', 'all defaults for imported events are set');
}

async function readNotes(client: Queryable, folder: string): Promise<string[]> {
  const notes: string[] = [];
  await client.query('BEGIN');
  try {
    for (const one of readStatements(folder, '40_defaults.sql')) {
      const { rows } = await client.query<{ note?: unknown }>(one.statement).catch((error: unknown) => {
        throw adapterFailure(error, one);
      });
      for (const { note } of rows) if (typeof note === 'string') notes.push(note);
    }
  } finally {
    await client.query('ROLLBACK');
  }
  return notes;
}

const mostRemarks = 20;

async function checkRemarks(client: Queryable, report: Report): Promise<void> {
  const { rows: known } = await client.query<{ known: boolean }>(
    `SELECT to_regclass('public.bridge_remarks') IS NOT NULL AS known`,
  );
  if (!known[0]!.known) return;
  const rows = await remarks(client).catch((error: unknown) => {
    if (sqlState(error) === null) throw error;
    report(
      'problem',
      'reservations',
      `The view bridge_remarks cannot be read: ${failureInWords(error)}`,
      migrateCommand,
    );
    return [];
  });
  for (const { type, id, remark } of rows) report('note', 'reservations', `${type}/${id}: ${remark}.`);
  const more = (rows[0]?.total ?? 0) - rows.length;
  if (more > 0) report('note', 'reservations', `and ${more} more.`, 'SELECT * FROM bridge_remarks;');
}

/** Changes of the booking system that could not be folded. */
async function checkUnfolded(client: Queryable, report: Report): Promise<void> {
  const { rows } = await client.query<{ changed: string; why: string; isLocked: boolean; total: number }>(
    `SELECT coalesce(reservation_type || '/' || coalesce(reservation_key, bridge_key_of(reservation_type, reservation_id), reservation_id::text),
        'a table that was emptied') AS changed, error_message AS why, code IN ('55P03', '40P01') AS "isLocked", count(*) OVER () AS total
     FROM bridge_unfolded ORDER BY changed_at LIMIT $1`,
    [mostRemarks],
  );
  for (const { changed, why, isLocked } of rows)
    report(
      'warning',
      'changes',
      `The change of ${changed} cannot be followed: ${why}.`,
      isLocked
        ? 'Commit the open transaction, or roll it back.'
        : 'Correct the reservation in the booking system, or the view bridge_items of the adapter. It is retried automatically.',
    );
  const more = (rows[0]?.total ?? 0) - rows.length;
  if (more > 0) report('warning', 'changes', `and ${more} more.`, 'SELECT * FROM bridge_unfolded;');
}

const remarks = async (client: Queryable) =>
  (
    await client.query<{ type: string; id: Id; remark: string; total: number }>(
      `SELECT reservation_type AS type, reservation_id AS id, remark, count(*) OVER () AS total FROM bridge_remarks
       ORDER BY 1, 2 LIMIT $1`,
      [mostRemarks],
    )
  ).rows;

/** Lists rooms with settings of their own, because their behaviour may surprise. */
async function checkRoomSettings(client: Queryable, report: Report): Promise<void> {
  const { rows } = await client.query<{ resource: number; name: string; own: Partial<RoomSettings> }>(
    `SELECT resource_id AS resource, coalesce(outlook_item_name, outlook_item_id) AS name, bridge_own_settings(r) AS own
     FROM bridge_resource_mappings r WHERE active = 1 AND bridge_own_settings(r) <> '{}' ORDER BY 1 LIMIT $1`,
    [mostRemarks],
  );
  for (const { resource, name, own } of rows)
    report(
      'ok',
      'rooms',
      `resource ${resource} (${name}) has settings of its own: ${ownSettings(own).join(', ')}`,
    );
}

/** Reports mappings of one mailbox under two names: an address in another spelling, or the object id. */
async function checkMailboxRows(client: Queryable, report: Report): Promise<void> {
  const { rows } = await client.query<{ mailbox: string; resources: number[] }>(
    `SELECT min(outlook_item_id) AS mailbox, array_agg(resource_id ORDER BY resource_id) AS resources FROM bridge_resource_mappings
     WHERE active = 1 GROUP BY lower(coalesce(outlook_object_id, outlook_item_id)) HAVING count(*) > 1 ORDER BY 1`,
  );
  for (const { mailbox, resources } of rows) reportSharedMailbox(report, mailbox, resources);
}
