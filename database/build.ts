/**
 * Writes `create_tables.sql` from the migrations and the functions, for those who install with psql instead of
 * `migrate`: `node database/build.ts`. A test compares the file with what this makes.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { functionTexts, remembered } from '../src/booking/functions.ts';

const folder = new URL('migrations/', import.meta.url);

/** The text of create_tables.sql. */
export function createTables(): string {
  const functions = functionTexts('adaptive');
  const names = readdirSync(folder).filter((name) => name.endsWith('.sql'));
  const steps = names.toSorted().map((name) => {
    const text = readFileSync(new URL(name, folder), 'utf8');
    const up = text.slice(text.indexOf('\n') + 1, text.indexOf('-- Down Migration')).trim();
    return { name: name.replace(/\.sql$/, ''), up };
  });
  const made = steps.flatMap(({ up }) =>
    [...up.matchAll(/^CREATE (?:TABLE|SEQUENCE) (\w+)/gm)].map((m) => m[1]!),
  );
  return [
    head(made),
    ...steps.map(({ name, up }) => `  EXECUTE $migration$\n${up}\n$migration$;\n${recorded(name)}`),
    ...functions.map((text) => `  EXECUTE $functions$\n${text.trim()}\n$functions$;\n`),
    foot(remembered(functions)),
  ].join('\n');
}

const head = (made: readonly string[]) => `\
-- Everything the bridge owns: psql "$DATABASE_URL" -v ON_ERROR_STOP=1 -f database/create_tables.sql
-- Made from database/migrations and database/functions by database/build.ts; do not edit. All or nothing, and nothing at
-- all when it was run before: updates, and what the adapter puts into the booking system, are installed by \`migrate\`.
DO $create_tables$
DECLARE
  foreign_names text;
BEGIN
  PERFORM pg_advisory_xact_lock(7230912, 3);
  IF to_regclass('public.bridge_migrations') IS NOT NULL THEN
    RAISE NOTICE 'The tables already exist; nothing was changed. To update them run migrate.';
    RETURN;
  END IF;
  SELECT string_agg(c.relname, ', ' ORDER BY c.relname) INTO foreign_names FROM pg_class c
  WHERE c.relnamespace = 'public'::regnamespace AND c.relname = ANY ('{${made.join(', ')}}');
  IF foreign_names IS NOT NULL THEN
    RAISE EXCEPTION 'Tables with the names of the bridge already exist: %', foreign_names
      USING HINT = 'Run the command adopt: it renames them and takes over their rooms and events. Nothing was changed.';
  END IF;
  PERFORM set_config('search_path', 'public', true);
  CREATE TABLE bridge_migrations (id SERIAL PRIMARY KEY, name varchar(255) NOT NULL, run_on timestamp NOT NULL);
`;
const recorded = (name: string) =>
  `  INSERT INTO bridge_migrations (name, run_on) VALUES ('${name}', now());\n`;
const foot = (written: string) => `${written.replace(/^\n/, '')}END $create_tables$;\n`;

if (import.meta.main) writeFileSync(new URL('create_tables.sql', import.meta.url), createTables());
