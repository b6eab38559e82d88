/** Our tables and functions: their texts and names, which of our migrations were run, and foreign relations with our names. */
import { readFileSync } from 'node:fs';
import { functionTexts } from '../booking/functions.ts';
import { stepsOf } from '../booking/rebuild.ts';
import type { WakeMode } from '../config.ts';
import type { Queryable } from '../database.ts';
import { queryColumn, queryRows, queryValue } from '../query.ts';
import { migrationNames, migrations } from './migrate-tables.ts';

/** The texts of our migrations, in order. */
export const migrationTexts = () =>
  migrationNames().map((name) => readFileSync(new URL(name, migrations), 'utf8'));

/** The SQL that creates our tables and functions, in order. */
export const ourTexts = (wake: WakeMode) => [...migrationTexts(), ...functionTexts(wake)];

/** The statements of our migrations and functions. */
export const ourSteps = () => stepsOf(ourTexts('adaptive'));

/** The names of our migrations as stored in bridge_migrations. */
export const ourMigrations = () => migrationNames().map((name) => name.replace(/\.sql$/, ''));

/** The names of the tables and the sequence of the migrations, and of the views of the adapters. */
export const ourNames = () => [
  ...ourSteps().flatMap(({ statement, makes }) =>
    makes?.kind === 'relation' && !/^CREATE (?:UNIQUE )?INDEX/m.test(statement) ? [makes.name] : [],
  ),
  'bridge_items',
  'bridge_resources',
  'bridge_remarks',
];

/** Whether the first migration was run. */
export const isInstalled = (db: Queryable) =>
  queryValue<boolean>(db, `SELECT to_regclass('public.bridge_migrations') IS NOT NULL`);

/** The migrations of this version that were not run, in order. Needs bridge_migrations. */
export async function openMigrations(db: Queryable): Promise<string[]> {
  const done = new Set(await queryColumn<string>(db, 'SELECT name FROM public.bridge_migrations'));
  return ourMigrations().filter((name) => !done.has(name));
}

/** A foreign table, view or sequence with one of our names. */
export interface Taken {
  readonly name: string;
  /** It has columns of the predecessor. */
  readonly predecessor: boolean;
}

/** The existing relations with our names, sorted by name. Only meaningful before the bridge is installed. */
export async function namesTaken(db: Queryable): Promise<Taken[]> {
  return await queryRows<Taken>(
    db,
    `SELECT c.relname::text AS name, EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid
              AND a.attname IN ('source_bridge', 'target_bridge', 'bridge_from', 'bridge_type')) AS predecessor
     FROM pg_class c
     WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f') AND c.relname = ANY ($1)
     ORDER BY 1`,
    [ourNames()],
  );
}
