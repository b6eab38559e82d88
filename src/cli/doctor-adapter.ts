/** `doctor`: the checks of the adapter: its privileges, view and functions, and what it says about defaults and reservations. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type pg from 'pg';
import { abilityWords, readAbilities } from '../abilities.ts';
import { failureInWords } from '../adapter-error.ts';
import { adapterFolder } from '../adapter.ts';
import { adapterFailure, readStatements } from '../booking/adapter-sql.ts';
import { missingRights } from '../booking/install.ts';
import { securedTables } from '../booking/row-security.ts';
import { migrateCommand } from '../command-name.ts';
import type { BookingConfig } from '../config.ts';
import { sqlState, type Queryable } from '../database.ts';
import { Permanent } from '../errors.ts';
import type { Id } from '../id.ts';
import { queryRows, queryValue } from '../query.ts';
import { mostRows, type Report } from './doctor-findings.ts';
import { isCurrent } from './migrate-checks.ts';

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

export async function checkRights(client: pg.Client, config: BookingConfig, report: Report): Promise<void> {
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

const viewColumns =
  'reservation_type, reservation_id, resource_id, priority_level, active, starts_at, ends_at, all_day, title, description, organizer_name, organizer_email, is_private';
const functions = ['bridge_import_item', 'bridge_change_item', 'bridge_cancel_item'];

export async function checkAdapter(client: pg.Client, report: Report): Promise<void> {
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

/** Reports the adapter's notes about missing defaults, from its 40_defaults.sql run in a transaction that is rolled back. */
export async function checkDefaults(client: Queryable, config: BookingConfig, report: Report): Promise<void> {
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

/** Reports what the adapter says about single reservations in its optional view bridge_remarks. */
export async function checkRemarks(client: Queryable, report: Report): Promise<void> {
  if (!(await queryValue<boolean>(client, `SELECT to_regclass('public.bridge_remarks') IS NOT NULL`))) return;
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

const remarks = (client: Queryable) =>
  queryRows<{ type: string; id: Id; remark: string; total: number }>(
    client,
    `SELECT reservation_type AS type, reservation_id AS id, remark, count(*) OVER () AS total FROM bridge_remarks
     ORDER BY 1, 2 LIMIT $1`,
    [mostRows],
  );
