/** `adapter new`: generates the first version of an adapter from the schema of a booking system, to be completed by hand. */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { readEnv } from '../environment.ts';
import { toBookingConfig } from '../config.ts';
import { openSession, type Queryable } from '../database.ts';
import { Invalid, Permanent } from '../errors.ts';
import { literal, name, tableName, type StateValue } from './adapter-expressions.ts';
import { guess, type Column, type Guess } from './adapter-guess.ts';
import { adapterTexts } from './adapter-texts.ts';
import { command } from '../command-name.ts';
import { say } from './terminal.ts';
import { connecting } from './with-database.ts';
import { queryRows } from '../query.ts';

const queryMs = 30_000;

/** Writes the folder. Throws Invalid if it exists or the table does not, Retryable if the database does not answer, and Permanent if no table of the database can be one of bookings. */
export async function newCommand(folder: string, { table }: { readonly table?: string }): Promise<number> {
  const target = resolve(folder);
  if (existsSync(target))
    throw new Invalid('FOLDER', `${target} exists already.`, 'Name a folder that does not exist yet.');
  const { database } = toBookingConfig(readEnv());
  const own = await connecting('adapter new', () =>
    openSession(database, 'outlook-booking-sync adapter new', queryMs),
  );
  const texts = await textsOf(own.session, table).finally(() => own.close());
  mkdirSync(target, { recursive: true });
  for (const [name, text] of Object.entries(texts)) writeFileSync(join(target, name), text);
  say(`Written to ${target}: ${Object.keys(texts).join(', ')}.`);
  say(
    `The files are guesses: review them. Then, on a copy of the database: ${command} adapter check ${target}`,
  );
  return 0;
}

/**
 * The texts of the files by file name. `table`: the bookings table, as `schema.table` or `table`; guessed if it is missing. Throws
 * Permanent if no table of the database can be one of bookings.
 */
export async function textsOf(db: Queryable, table?: string): Promise<Readonly<Record<string, string>>> {
  const columns = await readColumns(db);
  const guessed = guess(columns, table === undefined ? undefined : chosenTable(columns, table));
  if (guessed === null)
    throw new Permanent(
      table === undefined
        ? 'No bookings table was found: no table has a key of one column and columns for start and end, or for start and duration.'
        : `${table} cannot be used: it has no key of one column, or no two columns with times.`,
      {
        hint:
          table === undefined
            ? 'Name the table: adapter new FOLDER --table SCHEMA.TABLE. Or copy sql/mrbs and follow sql/README.md, "Writing one in an hour". Columns are only visible to a role with a privilege on the table.'
            : 'Copy sql/mrbs and follow sql/README.md, "Writing one in an hour"; sql/indico shows an id made of several columns.',
      },
    );
  return adapterTexts(guessed, await readStates(db, guessed));
}

/** The full name of a table. Throws Invalid if there is none, or several in different schemas. */
function chosenTable(columns: readonly Column[], table: string): string {
  const names = [...new Set(columns.map((column) => `${column.schema}.${column.table}`))];
  const found = names.includes(table) ? [table] : names.filter((one) => one.endsWith(`.${table}`));
  if (found.length === 1) return found[0]!;
  throw new Invalid(
    '--table',
    found.length === 0
      ? `There is no table ${table}, or our role has no privilege on it.`
      : `Several tables are called ${table}: ${found.join(', ')}.`,
    'Name it as schema.table, in the case in which psql shows it, without quotes.',
  );
}

/** The columns of all tables except PostgreSQL's and ours. */
async function readColumns(db: Queryable): Promise<readonly Column[]> {
  return await queryRows<Column>(
    db,
    `
    SELECT n.nspname AS schema, c.relname AS "table", a.attname AS "column", format_type(a.atttypid, NULL) AS type,
      CASE WHEN a.atttypid IN ('varchar'::regtype, 'bpchar'::regtype) AND a.atttypmod > 4 THEN a.atttypmod - 4 END AS length,
      EXISTS (SELECT FROM pg_constraint x WHERE x.conrelid = c.oid AND x.contype = 'x' AND a.attnum = ANY (x.conkey)) AS "isExcluded",
      EXISTS (SELECT FROM pg_index i WHERE i.indexrelid = k.key AND a.attnum = ANY (i.indkey)) AS "isKey",
      a.attnotnull AND NOT a.atthasdef AND a.attidentity = '' AS "isNeeded", a.attnotnull AS "isNotNull",
      (SELECT n2.nspname || '.' || c2.relname FROM pg_constraint k
       JOIN pg_class c2 ON c2.oid = k.confrelid JOIN pg_namespace n2 ON n2.oid = c2.relnamespace
       WHERE k.conrelid = c.oid AND k.contype = 'f' AND k.conkey = ARRAY[a.attnum] LIMIT 1) AS "references"
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    -- the primary key; in a table without one, the first required column that is unique
    LEFT JOIN LATERAL (
      SELECT i.indexrelid AS key FROM pg_index i LEFT JOIN pg_attribute u ON u.attrelid = c.oid AND u.attnum = i.indkey[0]
      WHERE i.indrelid = c.oid AND (i.indisprimary OR (i.indisunique AND i.indnkeyatts = 1 AND i.indpred IS NULL AND u.attnotnull))
      ORDER BY i.indisprimary DESC, u.attnum LIMIT 1) k ON true
    WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'
      AND NOT (n.nspname = 'public' AND c.relname LIKE 'bridge\\_%')
    ORDER BY 1, 2, a.attnum`,
  );
}

/** The values of the state column with their words, the most frequent first; empty if our role may not read it. */
async function readStates(db: Queryable, { table, state, states }: Guess): Promise<readonly StateValue[]> {
  if (state === null) return [];
  const home = state.table === table.split('.')[1] ? table : `${state.schema}.${state.table}`;
  const [of, column] = [tableName(home), name(state.column)];
  const text =
    states === null
      ? `SELECT value, value AS word FROM (
           SELECT ${column}::text AS value, count(*) AS rows FROM (SELECT ${column} FROM ${of} LIMIT 10000) s
           WHERE ${column} IS NOT NULL GROUP BY 1
           UNION ALL SELECT e.enumlabel::text, 0 FROM pg_enum e JOIN pg_attribute a ON a.atttypid = e.enumtypid
           WHERE a.attrelid = ${literal(of)}::regclass AND a.attname = ${literal(state.column)}) v
         GROUP BY value ORDER BY sum(rows) DESC, value LIMIT 12`
      : `SELECT s.${name(states.key.column)}::text AS value, s.${name(states.word.column)}::text AS word
         FROM ${tableName(`${states.key.schema}.${states.key.table}`)} s
         ORDER BY (SELECT count(*) FROM (SELECT ${column} FROM ${of} LIMIT 10000) b WHERE b.${column} = s.${name(states.key.column)}) DESC, 1 LIMIT 12`;
  return await queryRows<StateValue>(db, text).catch(() => []);
}
