/** Checks that every table that an adapter's view reads has triggers, and that the triggers work. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type pg from 'pg';
import type { Report } from './doctor-findings.ts';
import { readRelations, securedTables } from '../booking/row-security.ts';
import { triggerFailures } from '../booking/trigger-trial.ts';

interface Read {
  readonly table: string;
  readonly kind: string;
  /** The events for which the bridge has an enabled trigger. */
  readonly events: readonly string[];
}

/** The tables below bridge_items, also through other views. */
const readTables = `
  WITH RECURSIVE ${readRelations}, fired AS (
    SELECT t.tgrelid, bit_or(t.tgtype::integer) AS type FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
    WHERE NOT t.tgisinternal AND t.tgenabled IN ('O', 'A')
      AND p.pronamespace = 'public'::regnamespace AND p.proname LIKE 'bridge\\_%'
    GROUP BY t.tgrelid
  )
  SELECT c.oid::regclass::text AS "table", c.relkind AS kind,
    ARRAY(SELECT e.name FROM (VALUES ('INSERT', 4), ('UPDATE', 16), ('DELETE', 8), ('TRUNCATE', 32)) AS e (name, bit)
          WHERE f.type & e.bit > 0) AS events
  FROM reads r JOIN pg_class c ON c.oid = r.id LEFT JOIN fired f ON f.tgrelid = c.oid
  WHERE c.relkind IN ('r', 'p', 'f', 'm') AND NOT (c.relnamespace = 'public'::regnamespace AND c.relname LIKE 'bridge\\_%')
  ORDER BY 1`;

/** Needs the view and the triggers. */
export async function checkWatched(client: pg.Client, folder: string, report: Report): Promise<void> {
  const { rows } = await client.query<Read>(readTables);
  checkRightsQuery(folder, rows, report);
  for (const { applies, message, repair } of await securedTables(client))
    report(applies ? 'warning' : 'note', 'rights', message, repair);
  let isWhole = true;
  for (const { table, kind, events } of rows) {
    const missing = ['INSERT', 'UPDATE', 'DELETE'].filter((event) => !events.includes(event));
    if (missing.length === 0) continue;
    if (events.includes('UPDATE')) {
      report(
        'note',
        'triggers',
        `${table}: ${missing.join(' and ')} has no trigger. That is correct if such a row never belongs to a reservation.`,
      );
      continue;
    }
    isWhole = false;
    if (kind === 'f' || kind === 'm')
      report(
        'problem',
        'triggers',
        `The view reads ${table}, a ${kind === 'f' ? 'foreign table' : 'materialized view'}, whose changes no trigger can record.`,
        'Read the underlying tables instead.',
      );
    else
      report(
        'problem',
        'triggers',
        `The view reads ${table}, and no trigger records its changes${events.length > 0 ? ` by ${missing.join(' and ')}` : ''}.`,
        `In 30_watch.sql: SELECT public.bridge_watch_table('${table}', $$SELECT 'type', changed.id$$, '{columns that the view reads}');`,
      );
  }
  const failing = await triggerFailures(client, 'inside');
  for (const [why, tables] of failing)
    report(
      'problem',
      'triggers',
      `Changes of ${tables.join(', ')} are not recorded: ${why}`,
      'Fix the declaration of that table in 30_watch.sql, or its function in 30_triggers.sql.',
    );
  if (isWhole && failing.size === 0)
    report('ok', 'triggers', `the view reads ${rows.length} tables; all have triggers, which work`);
}

/** Checks that 00_rights.sql names every table: run by the owner of all tables, a missing one would not show otherwise. */
function checkRightsQuery(folder: string, read: readonly Read[], report: Report): void {
  const file = join(folder, '00_rights.sql');
  const text = existsSync(file) ? readFileSync(file, 'utf8') : '';
  const forgotten = read
    .map(({ table }) => table)
    .filter((table) => !text.includes(table.split('.').at(-1)!.replaceAll('"', '')));
  if (forgotten.length > 0)
    report(
      'problem',
      'rights',
      `00_rights.sql does not check ${forgotten.join(', ')}, which the view reads: missing privileges would not be reported.`,
      'Add a line for each, with SELECT and TRIGGER.',
    );
}
