/**
 * The bridge taken off the booking system's tables for an upgrade of them, and put back: a view blocks ALTER TABLE … TYPE of
 * what it reads, and a trigger fails on a column that was renamed. Our own tables stay, and `bridge_settings` remembers since
 * when; what happened meanwhile is found by comparing every room.
 */
import { sqlState, type Queryable } from '../database.ts';
import { attachCommand } from '../command-name.ts';
import { NotInstalled, Permanent, messageOf } from '../errors.ts';
import { untilUnlocked, type Tell } from './install.ts';

/** Since when the bridge is detached, ISO 8601 in UTC; null: it is not. Needs our tables. */
export async function readDetached(db: Queryable): Promise<string | null> {
  const { rows } = await db.query<{ value: string }>(
    // a table of somebody else may bear the name, with other columns
    `SELECT to_jsonb(s) ->> 'value' AS value FROM public.bridge_settings s WHERE to_jsonb(s) ->> 'name' = 'detached'`,
  );
  return rows[0]?.value ?? null;
}

/** What is told of it, without a full stop. */
export const detachedSince = (since: string) =>
  `the bridge is detached from the booking system since ${since}`;

/** Throws NotInstalled unless the view of the booking system can be read. */
export async function needAdapter(db: Queryable): Promise<void> {
  const since = await readDetached(db);
  if (since !== null)
    throw new NotInstalled(detachedSince(since), { reach: 'side', hint: `Run: ${attachCommand}` });
  await db.query('SELECT FROM public.bridge_items LIMIT 0');
}

/**
 * Drops views, functions and triggers of the adapter, each as soon as its table is not in use. A trigger goes with its
 * function, so the owner of the functions may do it. Run again it goes on where it was stopped. Throws Permanent where
 * something of somebody else depends on a view. `ours`: the functions that are the bridge's own.
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
  // what goes with a function is known, and no news
  await db.query('SET client_min_messages = warning');
  const { rows } = await db.query<{ statement: string }>(
    // the views first: without them no daemon begins anything new
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

/** The adapter is installed again. */
export async function forgetDetached(db: Queryable): Promise<void> {
  await db.query(`DELETE FROM public.bridge_settings WHERE name = 'detached'`);
}
