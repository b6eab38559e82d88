/** Checks that every table that an adapter's view reads has triggers, and that the triggers work. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type pg from 'pg';
import type { Report } from './doctor-findings.ts';
import { unrecordedRelatives } from '../booking/inherited.ts';
import { firedEvents, readRelations } from '../booking/read-tables.ts';
import { securedTables } from '../booking/row-security.ts';
import { triggerFailures } from '../booking/trigger-trial.ts';

interface Read {
  readonly table: string;
  readonly kind: string;
  /** The events for which the bridge has an enabled trigger. */
  readonly events: readonly string[];
}

/** The tables below bridge_items, also through other views. */
const readTables = `
  WITH RECURSIVE ${readRelations}, ${firedEvents}
  SELECT c.oid::regclass::text AS "table", c.relkind AS kind, coalesce(f.events, '{}') AS events
  FROM reads r JOIN pg_class c ON c.oid = r.id LEFT JOIN fired f ON f.id = c.oid
  WHERE c.relkind IN ('r', 'p', 'f', 'm') AND NOT (c.relnamespace = 'public'::regnamespace AND c.relname LIKE 'bridge\\_%')
  ORDER BY 1`;

/**
 * The columns that the view reads and a declaration does not list, where the trigger records only rows with a change in a listed
 * column. Other declarations record every row that an UPDATE writes.
 */
const forgottenColumns = `
  WITH RECURSIVE ${readRelations}
  SELECT c.oid::regclass::text AS "table", array_agg(DISTINCT a.attname::text ORDER BY a.attname::text) AS columns
  FROM reads v JOIN pg_rewrite w ON w.ev_class = v.id AND w.ev_type = '1'
  JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid AND d.refclassid = 'pg_class'::regclass AND d.refobjsubid > 0
  JOIN pg_class c ON c.oid = d.refobjid JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = d.refobjsubid
  JOIN public.bridge_watched b ON b.table_name = format('%I.%I', n.nspname, c.relname)
  JOIN pg_proc p ON p.oid = to_regproc(b.calls)
  WHERE 'UPDATE' = ANY (b.events) AND NOT a.attname = ANY (b.columns) AND p.prosrc LIKE '%old_rows AS o FULL JOIN new_rows%'
  GROUP BY c.oid ORDER BY 1`;

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
        `${table}: no trigger for ${missing.join(' and ')}. That is correct if such a row never belongs to a reservation.`,
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
  for (const { message, repair } of await unrecordedRelatives(client)) {
    isWhole = false;
    report('problem', 'triggers', message, repair);
  }
  const { rows: forgotten } = await client.query<{ table: string; columns: readonly string[] }>(
    forgottenColumns,
  );
  for (const { table, columns } of forgotten) {
    isWhole = false;
    report(
      'problem',
      'triggers',
      `The view reads ${columns.join(', ')} of ${table}, and its declaration does not list ${columns.length === 1 ? 'this column' : 'these columns'}: changes are not recorded.`,
      'Add the columns to the third argument of its bridge_watch_table in 30_watch.sql; a subquery with * reads all columns.',
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
