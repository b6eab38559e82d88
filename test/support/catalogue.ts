/** What a database is made of, in a form that can be compared. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createTables } from '../../database/build.ts';
import { splitStatements } from '../../src/booking/adapter-sql.ts';
import type { TestDatabase } from './database.ts';

/**
 * Columns, constraints, indexes, triggers, functions and views, in every schema but PostgreSQL's, as text. `where` narrows it:
 * `all`, or what is `not ours`: everything but the tables and functions that database/ makes.
 */
export async function catalogue(db: TestDatabase, where: 'all' | 'not ours'): Promise<string[]> {
  const rows = await db.query<{ name: string; line: string }>(catalogueQuery);
  const made = createTables().matchAll(/^CREATE (?:OR REPLACE )?(?:TABLE|SEQUENCE|FUNCTION) (\w+)/gm);
  const ours = new Set([...made].map((match) => match[1]!));
  for (const name of ['bridge_migrations', 'bridge_migrations_id_seq']) ours.add(name);
  const isOurs = (name: string) =>
    ours.has(name) || [...ours].some((table) => new RegExp(`^${table}_[a-z]+_seq$`).test(name));
  return rows.filter(({ name }) => where === 'all' || !isOurs(name)).map(({ line }) => line);
}

// but for the tests' own schema (see transitions.ts)
const catalogueQuery = `
  WITH homes AS (
    SELECT oid AS id FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname NOT IN ('information_schema', 'transitions'))
  SELECT name, line FROM (
    SELECT c.relname::text AS name, format('column %s.%s %s%s default %s identity %s options %s', c.relname, a.attname,
      format_type(a.atttypid, a.atttypmod), CASE WHEN a.attnotnull THEN ' not null' END,
      pg_get_expr(d.adbin, d.adrelid), a.attidentity, c.reloptions) AS line
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
    WHERE c.relnamespace IN (SELECT id FROM homes) AND c.relkind IN ('r', 'p', 'v')
    UNION ALL SELECT c.relname, format('%s %s', c.relkind, c.relname) FROM pg_class c
    WHERE c.relnamespace IN (SELECT id FROM homes) AND c.relkind IN ('r', 'p', 'v', 'S')
    UNION ALL SELECT c.relname, format('constraint %s %s %s', c.relname, k.conname, pg_get_constraintdef(k.oid))
    FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid WHERE c.relnamespace IN (SELECT id FROM homes)
    UNION ALL SELECT c.relname, format('index %s', pg_get_indexdef(i.indexrelid))
    FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid WHERE c.relnamespace IN (SELECT id FROM homes)
    UNION ALL SELECT c.relname, format('trigger %s %s', t.tgenabled, pg_get_triggerdef(t.oid))
    FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
    -- but for the tests' own (see transitions.ts)
    WHERE NOT t.tgisinternal AND c.relnamespace IN (SELECT id FROM homes) AND t.tgname <> 'record_transition'
    UNION ALL SELECT p.proname, format('function %s %s', pg_get_functiondef(p.oid), p.proacl)
    FROM pg_proc p WHERE p.pronamespace IN (SELECT id FROM homes) AND p.prokind = 'f'
    UNION ALL SELECT c.relname, format('view %s', pg_get_viewdef(c.oid))
    FROM pg_class c WHERE c.relnamespace IN (SELECT id FROM homes) AND c.relkind = 'v'
    UNION ALL SELECT c.relname, format('comment %s %s %s', c.relname, d.objsubid, d.description)
    FROM pg_description d JOIN pg_class c ON c.oid = d.objoid AND d.classoid = 'pg_class'::regclass
    WHERE c.relnamespace IN (SELECT id FROM homes)
  ) all_there_is ORDER BY line COLLATE "C"`;

const root = fileURLToPath(new URL('../../', import.meta.url));

/** Runs a SQL file as psql does: statement by statement on one connection. A path without a root is the repository's. */
export async function runFile(db: TestDatabase, path: string): Promise<void> {
  const client = await db.pool.connect();
  try {
    const text = readFileSync(resolve(root, path), 'utf8');
    for (const statement of splitStatements(text)) await client.query(statement);
  } finally {
    client.release();
  }
}
