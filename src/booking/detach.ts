/**
 * Detaches the bridge from the booking system's tables for an upgrade of them, and attaches it again: a view blocks ALTER TABLE …
 * TYPE of its columns, and a trigger fails on a renamed column. Our own tables stay, and `bridge_settings` stores the time of the
 * detach; a comparison of every room finds the changes made meanwhile.
 */
import { sqlState, type Queryable } from '../database.ts';
import { attachCommand, migrateCommand } from '../command-name.ts';
import { NotInstalled, Permanent, messageOf } from '../errors.ts';
import { untilUnlocked, type Tell } from './install.ts';

/** The time of the detach, ISO 8601 in UTC; null: not detached. Throws NotInstalled without our tables. */
export async function readDetached(db: Queryable): Promise<string | null> {
  // a probe during the first migrate would otherwise write an error into the server's log each time
  const { rows: found } = await db.query<{ there: boolean }>(
    `SELECT to_regclass('public.bridge_settings') IS NOT NULL AS there`,
  );
  if (!found[0]!.there)
    throw new NotInstalled('the bridge is not installed: there is no table bridge_settings', {
      reach: 'side',
      hint: `Run: ${migrateCommand}`,
    });
  const { rows } = await db.query<{ value: string }>(
    // a foreign table may have the name, with other columns
    `SELECT to_jsonb(s) ->> 'value' AS value FROM public.bridge_settings s WHERE to_jsonb(s) ->> 'name' = 'detached'`,
  );
  return rows[0]?.value ?? null;
}

/** The message about it, without a full stop. */
export const detachedSince = (since: string) =>
  `the bridge is detached from the booking system since ${since}`;

/** Throws NotInstalled unless the adapter's view can be read. */
export async function needAdapter(db: Queryable): Promise<void> {
  const since = await readDetached(db);
  if (since !== null)
    throw new NotInstalled(detachedSince(since), { reach: 'side', hint: `Run: ${attachCommand}` });
  await db.query('SELECT FROM public.bridge_items LIMIT 0');
}

/**
 * Drops views, functions and triggers of the adapter, each as soon as its table is not in use. A trigger is dropped with its
 * function, which needs only ownership of the function. A repetition continues where the previous run stopped. Throws Permanent
 * if a foreign object depends on a view. `ours`: the bridge's own functions.
 */
export async function detachAdapter(
  db: Queryable,
  ours: readonly string[],
  tell: Tell,
  signal: AbortSignal,
): Promise<void> {
  await db.query(`
    INSERT INTO public.bridge_settings (name, value)
    VALUES ('detached', to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'))
    ON CONFLICT (name) DO NOTHING`);
  // objects dropped with a function are expected
  await db.query('SET client_min_messages = warning');
  const { rows } = await db.query<{ statement: string }>(
    // the views first: without them no daemon starts new work
    `SELECT format('DROP VIEW IF EXISTS public.%I', c.relname) AS statement, 1 AS place, c.relname::text AS name
     FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'v' AND c.relname LIKE 'bridge\\_%'
     UNION ALL
     SELECT format('DROP FUNCTION IF EXISTS %s%s', p.oid::regprocedure, CASE WHEN p.prorettype = 'trigger'::regtype THEN ' CASCADE' END),
       2, p.proname::text
     FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace AND p.prokind = 'f' AND p.proname LIKE 'bridge\\_%'
       AND p.proname <> ALL ($1)
     ORDER BY 2, 3`,
    [ours],
  );
  for (const { statement } of rows) {
    try {
      await untilUnlocked(db, statement, tell, signal);
    } catch (error) {
      const behind = error instanceof Error && error.cause !== undefined ? error.cause : error;
      // dependent_objects_still_exist
      if (sqlState(behind) !== '2BP01') throw error;
      throw new Permanent(`${statement}: ${messageOf(behind)}`, {
        hint: `${(behind as { detail?: string }).detail ?? ''}\nDrop what depends on it, then run this again; nothing is synchronized until: ${attachCommand}`,
        cause: error,
      });
    }
  }
}

/** Records that the adapter is installed again. */
export async function forgetDetached(db: Queryable): Promise<void> {
  await db.query(`DELETE FROM public.bridge_settings WHERE name = 'detached'`);
}
