/** `adapter new`: generates the first version of an adapter from the schema of a booking system, to be completed by hand. */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { readEnv, toBookingConfig } from '../config.ts';
import { openSession, type Queryable } from '../database.ts';
import { Invalid, Permanent } from '../errors.ts';
import { guess, type Column } from './adapter-guess.ts';
import { adapterTexts } from './adapter-texts.ts';
import { command } from '../command-name.ts';
import { say } from './terminal.ts';
import { connecting } from './with-database.ts';
import { queryRows } from '../query.ts';

const queryMs = 30_000;

/** Writes the folder. Throws Invalid if it exists, Retryable if the database does not answer, and Permanent if no table of the database can be one of bookings. */
export async function newCommand(folder: string): Promise<number> {
  const target = resolve(folder);
  if (existsSync(target))
    throw new Invalid('FOLDER', `${target} exists already.`, 'Name a folder that does not exist yet.');
  const { database } = toBookingConfig(readEnv());
  const own = await connecting('adapter new', () =>
    openSession(database, 'outlook-booking-sync adapter new', queryMs),
  );
  const texts = await textsOf(own.session).finally(() => own.close());
  mkdirSync(target, { recursive: true });
  for (const [name, text] of Object.entries(texts)) writeFileSync(join(target, name), text);
  say(`Written to ${target}: ${Object.keys(texts).join(', ')}.`);
  say(
    `The files are guesses: review them. Then, on a copy of the database: ${command} adapter check ${target}`,
  );
  return 0;
}

/** The texts of the files by file name. Throws Permanent if no table of the database can be one of bookings. */
export async function textsOf(db: Queryable): Promise<Readonly<Record<string, string>>> {
  const guessed = guess(await readColumns(db));
  if (guessed === null)
    throw new Permanent(
      'No bookings table was found: no table has a primary key of one column and two columns for start and end.',
      {
        hint: 'Copy sql/mrbs and follow sql/README.md, "Writing one in an hour". Columns are only visible to a role with a privilege on the table.',
      },
    );
  const { state } = guessed;
  const values = state === null ? [] : await readValues(db, guessed.table, state.column);
  return adapterTexts(guessed, values);
}

/** The columns of all tables except PostgreSQL's and ours. */
async function readColumns(db: Queryable): Promise<readonly Column[]> {
  return await queryRows<Column>(
    db,
    `
    SELECT n.nspname AS schema, c.relname AS "table", a.attname AS "column", format_type(a.atttypid, NULL) AS type,
      CASE WHEN a.atttypid IN ('varchar'::regtype, 'bpchar'::regtype) AND a.atttypmod > 4 THEN a.atttypmod - 4 END AS length,
      EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary AND a.attnum = ANY (i.indkey)) AS "isKey",
      a.attnotnull AND NOT a.atthasdef AND a.attidentity = '' AS "isNeeded", a.attnotnull AS "isNotNull",
      (SELECT n2.nspname || '.' || c2.relname FROM pg_constraint k
       JOIN pg_class c2 ON c2.oid = k.confrelid JOIN pg_namespace n2 ON n2.oid = c2.relnamespace
       WHERE k.conrelid = c.oid AND k.contype = 'f' AND k.conkey = ARRAY[a.attnum] LIMIT 1) AS "references"
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'
      AND NOT (n.nspname = 'public' AND c.relname LIKE 'bridge\\_%')
    ORDER BY 1, 2, a.attnum`,
  );
}

/** The values of a state column; empty if our role may not read it. */
async function readValues(db: Queryable, table: string, column: string): Promise<readonly string[]> {
  const quoted = table.split('.').map(quote).join('.');
  const { rows } = await db
    .query<{ value: string }>(
      `SELECT DISTINCT ${quote(column)}::text AS value FROM (SELECT ${quote(column)} FROM ${quoted} LIMIT 10000) s
       WHERE ${quote(column)} IS NOT NULL ORDER BY 1 LIMIT 12`,
    )
    .catch(() => ({ rows: [] }));
  return rows.map(({ value }) => value);
}

const quote = (name: string) => (/^[a-z_][a-z0-9_]*$/.test(name) ? name : `"${name.replaceAll('"', '""')}"`);
