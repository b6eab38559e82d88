/**
 * Our functions and the triggers on our own tables: the files of database/functions in the order of their names, and the
 * one of database/wake. They are replaced where they are not those of this version, and else left alone; what they are
 * installed over, and how a signature changes, is told in database/README.md.
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

/** Of `texts` as a whole; another letter is another digest. */
const digestOf = (texts: readonly string[]) => createHash('sha256').update(texts.join('\n')).digest('hex');

/**
 * An expression that yields what the database has of the functions in `texts` and of the triggers that call them, as a
 * digest: one that is replaced by hand, or by an older version, changes it.
 */
function stateOf(texts: readonly string[]): string {
  const names = texts.flatMap((text) =>
    [...text.matchAll(/^CREATE OR REPLACE FUNCTION (\w+)/gm)].map((match) => match[1]!),
  );
  // a definition leaves out the schema of what the search path finds
  return `(
    SELECT md5(coalesce(string_agg(d.line, '' ORDER BY d.line COLLATE "C"), ''))
    FROM (
      SELECT replace(unnest(pg_get_functiondef(p.oid) || ARRAY(
        SELECT pg_get_triggerdef(t.oid) FROM pg_trigger t WHERE t.tgfoid = p.oid)), 'public.', '') AS line
      FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace AND p.proname = ANY ('{${names.join(',')}}')
    ) d)`;
}

/** The statement that writes down what was just installed. */
export const remembered = (texts: readonly string[]) => `
  INSERT INTO public.bridge_settings (name, value) VALUES ('functions', '${digestOf(texts)} ' || ${stateOf(texts)})
  ON CONFLICT (name) DO UPDATE SET value = excluded.value, updated_at = now();
`;

/**
 * How the functions in the database stand to those of this version. `same`; `changed`: they were installed by this
 * version, and something became of them; `other`: another version installed them, or nobody did. Needs bridge_settings.
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

/** Whether this version would leave the functions as they are, for the way of waking that is installed. */
export async function hasOurFunctions(db: Queryable): Promise<boolean> {
  const { rows } = await db.query<{ wake: WakeMode }>(
    `SELECT value AS wake FROM public.bridge_settings WHERE name = 'wake' AND value IN ('adaptive', 'notify', 'poll')`,
  );
  return (await compareFunctions(db, rows[0]?.wake ?? 'adaptive')) === 'same';
}

/** Replaces all of them, in one transaction; no table of the booking system is locked. */
export async function installFunctions(
  db: Queryable,
  wake: WakeMode,
  tell: Tell,
  signal: AbortSignal,
): Promise<void> {
  const texts = functionTexts(wake);
  // one message is one transaction
  await untilUnlocked(db, [...texts, remembered(texts)].join('\n'), tell, signal, 'our functions');
}
