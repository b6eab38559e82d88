/** `doctor`: the checks of the booking system's database. */
import type pg from 'pg';
import { detachedSince, readDetached } from '../booking/detach.ts';
import { hasOurFunctions } from '../booking/functions.ts';
import { missingObjects } from '../booking/rebuild.ts';
import { newerThanOurs } from '../booking/versions.ts';
import { attachCommand, command, migrateCommand } from '../command-name.ts';
import type { BookingConfig } from '../config.ts';
import { poolerFailure } from '../connection.ts';
import { databaseFailure, isTlsFailure, sqlState, tlsHint, type Queryable } from '../database.ts';
import { Retryable, messageOf } from '../errors.ts';
import { ownSettings, type RoomSettings } from '../room-settings.ts';
import { checkAdapter, checkDefaults, checkRemarks, checkRights } from './doctor-adapter.ts';
import { checkClaims } from './doctor-claim.ts';
import { mostRows, reportSharedMailbox, type Report } from './doctor-findings.ts';
import { checkClock, checkNotify, checkServer, checkZone } from './doctor-server.ts';
import { checkTriggers } from './doctor-triggers.ts';
import { isInstalled, namesTaken, openMigrations, ourMigrations, ourSteps } from './own-schema.ts';
import { directClient } from './with-database.ts';

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
    else if (isTlsFailure(error))
      report('problem', 'database', `The TLS connection to PostgreSQL failed: ${error.message}.`, tlsHint);
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
  const { hostname, port, pathname, username, searchParams } = new URL(database.url);
  // a folder of Unix sockets
  const host = searchParams.get('host') ?? hostname.replace(/^\[|\]$/g, '');
  const [user, name] = [username, pathname.slice(1)].map(decodeURIComponent);
  return `to test it: psql -h ${host} -p ${port || '5432'} -U ${user} ${name}`;
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

/** Changes of the booking system that could not be folded. */
async function checkUnfolded(client: Queryable, report: Report): Promise<void> {
  const { rows } = await client.query<{ changed: string; why: string; isLocked: boolean; total: number }>(
    `SELECT coalesce(reservation_type || '/' || coalesce(reservation_key, bridge_key_of(reservation_type, reservation_id), reservation_id::text),
        'a table that was emptied') AS changed, error_message AS why, code IN ('55P03', '40P01') AS "isLocked", count(*) OVER () AS total
     FROM bridge_unfolded ORDER BY changed_at LIMIT $1`,
    [mostRows],
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

/** Lists rooms with settings of their own, because their behaviour may surprise. */
async function checkRoomSettings(client: Queryable, report: Report): Promise<void> {
  const { rows } = await client.query<{ resource: number; name: string; own: Partial<RoomSettings> }>(
    `SELECT resource_id AS resource, coalesce(outlook_item_name, outlook_item_id) AS name, bridge_own_settings(r) AS own
     FROM bridge_resource_mappings r WHERE active = 1 AND bridge_own_settings(r) <> '{}' ORDER BY 1 LIMIT $1`,
    [mostRows],
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
