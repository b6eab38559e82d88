/** What `doctor` asks of the booking system's database. */
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
import { connectionSettings, DirectClient, poolerFailure } from '../connection.ts';
import { openSession, sqlState, type Queryable } from '../database.ts';
import { Permanent, messageOf } from '../errors.ts';
import { attachCommand, command, migrateCommand } from '../command-name.ts';
import type { Id } from '../id.ts';
import { ownSettings, type RoomSettings } from '../room-settings.ts';
import { checkClaims } from './doctor-claim.ts';
import { findOneMailbox, type Find } from './doctor-findings.ts';
import { checkTriggers } from './doctor-triggers.ts';
import { isCurrent, namesTaken, narrowEncoding, ourMigrations, ourSteps } from './migrate.ts';

/** Looks at everything; resolves with whether the bridge's tables are there to be asked further. */
export async function checkDatabase(config: BookingConfig, find: Find): Promise<boolean> {
  const client = new DirectClient(config.database, {
    ...connectionSettings(config.database, 'outlook-booking-sync doctor'),
    query_timeout: 20_000,
  });
  client.on('error', () => undefined); // the query under way rejects; that is enough
  try {
    await client.connect();
  } catch (error) {
    const pooler = poolerFailure(error);
    if (pooler !== null) find('problem', 'connection', `${pooler.message}.`, pooler.hint ?? null);
    else if (/^28/.test(sqlState(error) ?? ''))
      find(
        'problem',
        'database',
        `PostgreSQL answers and refuses our login: ${messageOf(error)}.`,
        `Check DB_USER and DB_PASS (or DATABASE_URL), and pg_hba.conf; ${byHand(config)}`,
      );
    else
      find(
        'problem',
        'database',
        `PostgreSQL is not reached: ${messageOf(error)}`,
        `Check DB_HOST, DB_PORT and DB_NAME (or DATABASE_URL); ${byHand(config)}`,
      );
    return false;
  }
  try {
    await checkServer(client, find);
    await checkClock(client, find);
    await checkZone(client, config, find);
    await checkRights(client, config, find);
    const installed = await checkTables(client, find);
    if (!installed) return false;
    await checkSettings(client, config, find);
    await checkRoomSettings(client, find);
    await checkClaims(client, find);
    await checkHearing(config, find);
    const detached = await readDetached(client);
    if (detached !== null) {
      find(
        'problem',
        'adapter',
        `${detachedSince(detached).replace('the', 'The')}: nothing is synchronized.`,
        attachCommand,
      );
      return true;
    }
    await checkAdapter(client, find);
    await checkTriggers(client, find);
    await checkDefaults(client, config, find);
    await checkUnfolded(client, find);
    await checkRemarks(client, find);
    await checkMailboxRows(client, find);
    return true;
  } finally {
    await client.end().catch(() => undefined); // it has said what it had to say
  }
}

function byHand({ database }: BookingConfig): string {
  const { hostname, port, pathname, username } = new URL(database.url);
  return `by hand: psql -h ${hostname} -p ${port || '5432'} -U ${username} ${pathname.slice(1)}`;
}

async function checkServer(client: pg.Client, find: Find): Promise<void> {
  const { rows } = await client.query<{ version: string; major: number; standby: boolean }>(
    `SELECT current_setting('server_version') AS version, current_setting('server_version_num')::integer / 10000 AS major,
            pg_is_in_recovery() AS standby`,
  );
  const { version, major, standby } = rows[0]!;
  if (major < 14)
    find('problem', 'database', `This is PostgreSQL ${version}.`, 'Upgrade the server to 14 or newer.');
  else find('ok', 'database', `PostgreSQL ${version} answers`);
  if (standby)
    find(
      'problem',
      'database',
      'This server is a standby: it takes neither our writes nor LISTEN.',
      'Set DB_HOST to the primary.',
    );
  find('ok', 'connection', 'direct, no pooler in between');
  const narrow = await narrowEncoding(client);
  if (narrow !== null)
    find(
      'warning',
      'encoding',
      narrow.replace('the', 'The'),
      'Move the booking system to a database with ENCODING UTF8, or change such texts in Outlook.',
    );
}

const clockBearableMs = 5_000;

async function checkClock(client: pg.Client, find: Find): Promise<void> {
  const before = Date.now();
  const { rows } = await client.query<{ now: Date }>('SELECT clock_timestamp() AS now');
  const off = rows[0]!.now.getTime() - (before + Date.now()) / 2;
  clock('the database server', off, find);
}

/** Says how far a clock is from ours, given how far it is ahead in ms. */
export function clock(whose: string, offMs: number, find: Find, bearableMs = clockBearableMs): void {
  const text = `${(Math.abs(offMs) / 1_000).toFixed(1)} s ${offMs < 0 ? 'behind' : 'ahead of'}`;
  if (Math.abs(offMs) <= bearableMs) find('ok', 'clock', `the clock of ${whose} agrees with ours`);
  else
    find(
      'warning',
      'clock',
      `The clock of ${whose} is ${text} ours.`,
      'Let both follow a time server: timedatectl set-ntp true',
    );
}

async function checkZone(client: pg.Client, config: BookingConfig, find: Find): Promise<void> {
  const { rows } = await client.query<{ known: boolean }>(
    'SELECT EXISTS (SELECT FROM pg_timezone_names WHERE lower(name) = lower($1)) AS known',
    [config.timezone],
  );
  if (rows[0]!.known) find('ok', 'zone', `PostgreSQL knows ${config.timezone}`);
  else
    find(
      'problem',
      'zone',
      `PostgreSQL does not know the zone '${config.timezone}' of BOOKING_TIMEZONE.`,
      'Write it as in: SELECT name FROM pg_timezone_names;',
    );
}

/** Runs SQL of the adapter; what it fails with is a problem, named by file and line. Resolves with null then. */
async function unlessItFails<T>(find: Find, check: string, work: () => Promise<T>): Promise<T | null> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof Permanent)) throw error;
    find('problem', check, error.message, error.hint ?? null);
    return null;
  }
}

async function checkRights(client: pg.Client, config: BookingConfig, find: Find): Promise<void> {
  const folder = adapterFolder(config.adapter);
  const missing = await unlessItFails(find, 'rights', () => missingRights(client, folder));
  if (missing === null) return;
  const { rows } = await client.query<{ creates: boolean; role: string }>(
    `SELECT has_schema_privilege('public', 'CREATE') AS creates, quote_ident(current_user) AS role`,
  );
  const { creates, role } = rows[0]!;
  const needsToCreate = !creates && !(await isCurrent(client, config, folder));
  if (needsToCreate)
    find(
      'problem',
      'rights',
      `The role ${role} may not create anything in schema public.`,
      `GRANT USAGE, CREATE ON SCHEMA public TO ${role};`,
    );
  for (const { repair, needed, why } of missing)
    find(
      needed ? 'problem' : 'note',
      'rights',
      repair === null
        ? (why ?? '')
        : `The role ${role} lacks a right${why === null ? '' : `; without it ${why}`}.`,
      repair,
    );
  if (!needsToCreate && !missing.some(({ needed }) => needed))
    find('ok', 'rights', `the role ${role} has what it needs in the booking system's tables`);
}

async function checkTables(client: pg.Client, find: Find): Promise<boolean> {
  const { rows } = await client.query<{ installed: boolean }>(
    `SELECT to_regclass('public.bridge_migrations') IS NOT NULL AS installed`,
  );
  if (!rows[0]!.installed) {
    const foreign = await namesTaken(client);
    if (foreign.length === 0) find('problem', 'tables', 'The bridge is not installed here.', migrateCommand);
    else
      find(
        'problem',
        'tables',
        `There are tables under our names that are not ours: ${foreign.map(({ name }) => name).join(', ')}.`,
        `${command} adopt --dry-run`,
      );
    return false;
  }
  const missing = await missingObjects(client, ourSteps());
  if (missing.length > 0) {
    find('problem', 'tables', `Something of ours is gone: ${missing.join(', ')}.`, migrateCommand);
    return false;
  }
  const { rows: run } = await client.query<{ name: string }>('SELECT name FROM bridge_migrations');
  const done = new Set(run.map(({ name }) => name));
  const open = ourMigrations().filter((name) => !done.has(name));
  if (open.length > 0) {
    find('problem', 'tables', `Migrations wait: ${open.join(', ')}.`, migrateCommand);
    return false;
  }
  find('ok', 'tables', 'all of ours are there and up to date');
  const newer = await newerThanOurs(client, ourMigrations());
  if (newer !== null) find('problem', 'version', newer.message, newer.hint ?? null);
  else if (await hasOurFunctions(client)) find('ok', 'functions', 'ours are those of this version');
  else find('problem', 'functions', 'Our functions in the database are of another version.', migrateCommand);
  return true;
}

async function checkSettings(client: pg.Client, config: BookingConfig, find: Find): Promise<void> {
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
      find('ok', 'settings', `${variable} is what the database was set up with: ${wanted}`);
    else
      find(
        'problem',
        'settings',
        `${variable} is '${wanted}', but this database was set up with '${value ?? 'nothing'}'.`,
        `${variable}=${value ?? wanted}\nor, on purpose: UPDATE bridge_settings SET value = '${wanted}' WHERE name = '${name}'; then ${migrateCommand}`,
      );
  }
  const { privacy, titleTemplate } = config.appearance ?? {};
  for (const [name, variable, wanted] of [
    ['privacy', 'PRIVACY', privacy],
    ['title_template', 'TITLE_TEMPLATE', titleTemplate],
  ] as const)
    if (wanted !== undefined && (stored.get(name) ?? wanted) !== wanted)
      find(
        'note',
        'settings',
        `${variable} is '${wanted}'; events are shown by '${stored.get(name)}' until the daemon is started with it.`,
        'Restart the daemon.',
      );
  if (stored.get('wake') !== config.wake)
    find(
      'note',
      'settings',
      `WAKE is ${config.wake}, installed is ${stored.get('wake') ?? 'nothing'} (migrate says why where it may not be as asked).`,
      migrateCommand,
    );
}

const viewColumns =
  'reservation_type, reservation_id, resource_id, priority_level, active, starts_at, ends_at, all_day, title, description, organizer_name, organizer_email, is_private';
const functions = ['bridge_import_item', 'bridge_change_item', 'bridge_cancel_item'];

async function checkAdapter(client: pg.Client, find: Find): Promise<void> {
  try {
    await client.query(`SELECT ${viewColumns} FROM bridge_items LIMIT 1`);
    find('ok', 'adapter', 'the view bridge_items shows reservations');
  } catch (error) {
    find(
      'problem',
      'adapter',
      `The view bridge_items cannot be read: ${failureInWords(error)}`,
      migrateCommand,
    );
  }
  const { known, unknown } = await readAbilities(client);
  if (unknown.length > 0)
    find(
      'warning',
      'adapter',
      `The setting abilities has words that say nothing: ${unknown.join(', ')}.`,
      `The words are ${abilityWords}.`,
    );
  if (known.size > 0)
    find('ok', 'adapter', `it declares what the booking system cannot do: ${[...known].join(', ')}`);
  if (known.has('one-way')) return;
  const { rows } = await client.query<{ name: string }>(
    `SELECT f.name FROM unnest($1::text[]) AS f (name)
     WHERE NOT EXISTS (SELECT FROM pg_proc p WHERE p.proname = f.name AND p.pronamespace = 'public'::regnamespace)`,
    [functions],
  );
  for (const { name } of rows) find('problem', 'adapter', `The function ${name} is gone.`, migrateCommand);
  if (rows.length === 0) find('ok', 'adapter', 'the functions that write back are there');
}

const hearingMs = 3_000;

/** A NOTIFY of one session must reach another, as a booking's must reach the daemon. */
async function checkHearing(config: BookingConfig, find: Find): Promise<void> {
  await using opened = new AsyncDisposableStack();
  const open = async (name: string) => {
    const own = await openSession(config.database, name, hearingMs);
    opened.defer(() => own.close());
    return own.session;
  };
  const [listener, speaker] = [await open('bridge doctor listens'), await open('bridge doctor speaks')];
  const word = randomUUID();
  const heard = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => heard.resolve(false), hearingMs);
  listener.on('notification', ({ payload }) => {
    if (payload === word) heard.resolve(true);
  });
  await listener.query('LISTEN bridge_doctor');
  await speaker.query(`SELECT pg_notify('bridge_doctor', $1)`, [word]);
  const started = performance.now();
  const isHeard = await heard.promise;
  clearTimeout(timer);
  if (isHeard)
    find('ok', 'listen', `a notification arrived after ${Math.round(performance.now() - started)} ms`);
  else
    find(
      'problem',
      'listen',
      `A notification to ourselves was not heard within ${hearingMs / 1_000} s: bookings are found by looking, a little later.`,
      'Connect directly to the primary: no pooler in between, no standby.',
    );
}

/** What the adapter could not choose: its own notes, asked for in a transaction that is taken back. */
async function checkDefaults(client: Queryable, config: BookingConfig, find: Find): Promise<void> {
  const folder = adapterFolder(config.adapter);
  if (!existsSync(join(folder, '40_defaults.sql'))) return;
  const notes = await unlessItFails(find, 'defaults', () => readNotes(client, folder));
  for (const note of notes ?? []) {
    const [, text = note, repair = null] = /^(.*?)\s*Set it with: (.*)$/s.exec(note) ?? [];
    find('note', 'defaults', text, repair);
  }
  if (notes?.length === 0) find('ok', 'defaults', 'what Outlook does not say of a booking is chosen');
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

async function checkRemarks(client: Queryable, find: Find): Promise<void> {
  const { rows: known } = await client.query<{ known: boolean }>(
    `SELECT to_regclass('public.bridge_remarks') IS NOT NULL AS known`,
  );
  if (!known[0]!.known) return;
  const rows = await remarks(client).catch((error: unknown) => {
    if (sqlState(error) === null) throw error;
    find(
      'problem',
      'reservations',
      `The view bridge_remarks cannot be read: ${failureInWords(error)}`,
      migrateCommand,
    );
    return [];
  });
  for (const { type, id, remark } of rows) find('note', 'reservations', `${type}/${id}: ${remark}.`);
  const more = (rows[0]?.total ?? 0) - rows.length;
  if (more > 0) find('note', 'reservations', `and ${more} more.`, 'SELECT * FROM bridge_remarks;');
}

/** Changes of the booking system that could not be folded. */
async function checkUnfolded(client: Queryable, find: Find): Promise<void> {
  const { rows } = await client.query<{ changed: string; why: string; isLocked: boolean; total: number }>(
    `SELECT coalesce(reservation_type || '/' || coalesce(reservation_key, bridge_key_of(reservation_type, reservation_id), reservation_id::text),
        'a table that was emptied') AS changed, error_message AS why, code IN ('55P03', '40P01') AS "isLocked", count(*) OVER () AS total
     FROM bridge_unfolded ORDER BY changed_at LIMIT $1`,
    [mostRemarks],
  );
  for (const { changed, why, isLocked } of rows)
    find(
      'warning',
      'changes',
      `The change of ${changed} cannot be followed: ${why}.`,
      isLocked
        ? 'Commit the open transaction, or roll it back.'
        : 'Correct the reservation in the booking system, or the view bridge_items of the adapter. It is tried again by itself.',
    );
  const more = (rows[0]?.total ?? 0) - rows.length;
  if (more > 0) find('warning', 'changes', `and ${more} more.`, 'SELECT * FROM bridge_unfolded;');
}

const remarks = async (client: Queryable) =>
  (
    await client.query<{ type: string; id: Id; remark: string; total: number }>(
      `SELECT reservation_type AS type, reservation_id AS id, remark, count(*) OVER () AS total FROM bridge_remarks
       ORDER BY 1, 2 LIMIT $1`,
      [mostRemarks],
    )
  ).rows;

/** Rooms that do something differently from the environment: what is asked of a room that surprises. */
async function checkRoomSettings(client: Queryable, find: Find): Promise<void> {
  const { rows } = await client.query<{ resource: number; name: string; own: Partial<RoomSettings> }>(
    `SELECT resource_id AS resource, coalesce(outlook_item_name, outlook_item_id) AS name, bridge_own_settings(r) AS own
     FROM bridge_resource_mappings r WHERE active = 1 AND bridge_own_settings(r) <> '{}' ORDER BY 1 LIMIT $1`,
    [mostRemarks],
  );
  for (const { resource, name, own } of rows)
    find(
      'ok',
      'rooms',
      `resource ${resource} (${name}) has settings of its own: ${ownSettings(own).join(', ')}`,
    );
}

/** Rows that name one mailbox by two names: the address, in another spelling, or the object id. */
async function checkMailboxRows(client: Queryable, find: Find): Promise<void> {
  const { rows } = await client.query<{ mailbox: string; resources: number[] }>(
    `SELECT min(outlook_item_id) AS mailbox, array_agg(resource_id ORDER BY resource_id) AS resources FROM bridge_resource_mappings
     WHERE active = 1 GROUP BY lower(coalesce(outlook_object_id, outlook_item_id)) HAVING count(*) > 1 ORDER BY 1`,
  );
  for (const { mailbox, resources } of rows) findOneMailbox(find, mailbox, resources);
}
