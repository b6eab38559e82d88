/**
 * Our functions and the triggers on our own tables: the files of database/functions in the order of their names, and one of
 * database/wake. They are replaced only if they are not those of this version; database/README.md explains the installation and
 * changes of signatures.
 */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import type { WakeMode } from '../config.ts';
import type { Queryable } from '../database.ts';
import { untilUnlocked, type Tell } from './install.ts';

const folder = new URL('../../database/functions/', import.meta.url);

/** The texts of our functions, in the order in which they can be installed. */
export function functionTexts(wake: WakeMode): string[] {
  const files = readdirSync(folder).filter((name) => name.endsWith('.sql'));
  return [
    ...files.toSorted().map((name) => readFileSync(new URL(name, folder), 'utf8')),
    readFileSync(new URL(`../wake/${wake}.sql`, folder), 'utf8'),
  ];
}

/** The digest of `texts`. */
const digestOf = (texts: readonly string[]) => createHash('sha256').update(texts.join('\n')).digest('hex');

/**
 * An SQL expression for the digest of the database's definitions of the functions in `texts` and their triggers; it changes if one
 * is replaced by hand or by an older version.
 */
function stateOf(texts: readonly string[]): string {
  const names = texts.flatMap((text) =>
    [...text.matchAll(/^CREATE OR REPLACE FUNCTION (\w+)/gm)].map((match) => match[1]!),
  );
  // a definition omits the schema of names found through the search path
  return `(
    SELECT md5(coalesce(string_agg(d.line, '' ORDER BY d.line COLLATE "C"), ''))
    FROM (
      SELECT replace(unnest(pg_get_functiondef(p.oid) || ARRAY(
        SELECT pg_get_triggerdef(t.oid) FROM pg_trigger t WHERE t.tgfoid = p.oid)), 'public.', '') AS line
      FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace AND p.proname = ANY ('{${names.join(',')}}')
    ) d)`;
}

/** The statement that stores the digests of the installation. */
export const remembered = (texts: readonly string[]) => `
  INSERT INTO public.bridge_settings (name, value) VALUES ('functions', '${digestOf(texts)} ' || ${stateOf(texts)})
  ON CONFLICT (name) DO UPDATE SET value = excluded.value, updated_at = now();
`;

/**
 * Compares the functions in the database with those of this version. `same`; `changed`: installed by this version and modified
 * since; `other`: installed by another version, or not at all. Needs bridge_settings.
 */
export async function compareFunctions(db: Queryable, wake: WakeMode): Promise<'same' | 'changed' | 'other'> {
  const texts = functionTexts(wake);
  const { rows } = await db.query<{ ours: boolean; whole: boolean }>(
    `SELECT split_part(value, ' ', 1) = $1 AS ours, value = $1 || ' ' || ${stateOf(texts)} AS whole
     FROM public.bridge_settings WHERE name = 'functions'`,
    [digestOf(texts)],
  );
  const [found] = rows;
  return found?.ours !== true ? 'other' : found.whole ? 'same' : 'changed';
}

/** Whether this version would leave the functions as they are, for the installed value of WAKE. */
export async function hasOurFunctions(db: Queryable): Promise<boolean> {
  const { rows } = await db.query<{ wake: WakeMode }>(
    `SELECT value AS wake FROM public.bridge_settings WHERE name = 'wake' AND value IN ('adaptive', 'notify', 'poll')`,
  );
  return (await compareFunctions(db, rows[0]?.wake ?? 'adaptive')) === 'same';
}

/** Replaces all functions in one transaction; locks no table of the booking system. */
export async function installFunctions(
  db: Queryable,
  wake: WakeMode,
  tell: Tell,
  signal: AbortSignal,
): Promise<void> {
  const texts = functionTexts(wake);
  // one message with several statements is one transaction
  await untilUnlocked(db, [...texts, remembered(texts)].join('\n'), tell, signal, 'our functions');
}
