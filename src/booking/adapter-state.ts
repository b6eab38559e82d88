/**
 * Whether the installed adapter matches its files, so that a restarting daemon needs no CREATE rights: `bridge_settings` stores a
 * digest of the files and one of the resulting database objects.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Queryable } from '../database.ts';
import { readCapture } from './capture.ts';
import { adapterFiles } from './install.ts';

/** Includes the template from which the declared triggers are generated. */
const digestOf = (folder: string) =>
  adapterFiles(folder)
    .map((name) => join(folder, name))
    .concat(fileURLToPath(new URL('../../database/functions/12_watch.sql', import.meta.url)))
    .reduce((hash, file) => hash.update(readFileSync(file)), createHash('sha256'))
    .digest('hex');

/** Our views, functions and triggers, including those on our own tables: a change of any of them requires a new installation. */
const state = `(
  SELECT md5(string_agg(o.line, '' ORDER BY o.line COLLATE "C")) FROM (
    SELECT pg_get_functiondef(p.oid) AS line FROM pg_proc p
    WHERE p.pronamespace = 'public'::regnamespace AND p.prokind = 'f' AND p.proname LIKE 'bridge\\_%'
    UNION ALL SELECT c.relname || pg_get_viewdef(c.oid) FROM pg_class c
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'v' AND c.relname LIKE 'bridge\\_%'
    UNION ALL SELECT concat_ws(' ', t.tgrelid::regclass, t.tgname, t.tgenabled) FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
    WHERE NOT t.tgisinternal AND p.pronamespace = 'public'::regnamespace AND p.proname LIKE 'bridge\\_%'
    -- the triggers are made for it
    UNION ALL SELECT 'wake ' || value FROM public.bridge_settings WHERE name = 'wake') o)`;

/** Stores the digests of the installation. */
export async function rememberAdapter(db: Queryable, folder: string): Promise<void> {
  await db.query(
    `INSERT INTO public.bridge_settings (name, value) VALUES ('adapter_state', $1 || ' ' || ${state})
     ON CONFLICT (name) DO UPDATE SET value = excluded.value, updated_at = now()
     WHERE bridge_settings.value <> excluded.value`,
    [digestOf(folder)],
  );
}

/** Whether installing it again would change nothing. Needs our tables. */
export async function isAdapterCurrent(db: Queryable, folder: string): Promise<boolean> {
  const { rows } = await db.query<{ same: boolean }>(
    `SELECT value = $1 || ' ' || ${state} AS same FROM public.bridge_settings WHERE name = 'adapter_state'`,
    [digestOf(folder)],
  );
  return rows[0]?.same === true && (await readCapture(db)).missing.length === 0;
}
