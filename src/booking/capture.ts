/**
 * Whether the booking system's changes are noted at all: `migrate` writes down which triggers it left behind, and each
 * of them must be there, enabled. One that is not is reported; only `migrate` or a person mends it.
 */
import type { Queryable } from '../database.ts';
import { attachCommand, migrateCommand } from '../command-name.ts';
import { detachedSince, readDetached } from './detach.ts';

export interface Capture {
  /** Each is a sentence: a trigger that is gone, or off, or not on a partition yet. */
  readonly missing: readonly string[];
  /** What a DBA runs to repair it; null: nothing is to be repaired. */
  readonly repair: string | null;
}

/** Triggers of ours in the booking system's tables: their functions are ours by name, the tables are not. */
const triggers = `
  SELECT t.tgrelid::regclass::text AS "table", quote_ident(t.tgname) AS name, t.tgenabled IN ('O', 'A') AS enabled
  FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
  WHERE NOT t.tgisinternal AND p.pronamespace = 'public'::regnamespace AND p.proname LIKE 'bridge\\_%'
    AND t.tgrelid::regclass::text NOT LIKE 'bridge\\_%'`;

/** Writes down which triggers there are now. */
export async function rememberTriggers(db: Queryable): Promise<void> {
  await db.query(`
    INSERT INTO bridge_settings (name, value)
    SELECT 'triggers', coalesce(json_agg(json_build_object('table', t."table", 'name', t.name)
      ORDER BY t."table", t.name), '[]')::text
    FROM (${triggers}) t
    ON CONFLICT (name) DO UPDATE SET value = excluded.value, updated_at = now()
    WHERE bridge_settings.value <> excluded.value`);
}

interface Remembered {
  readonly table: string;
  readonly name: string;
  /** Null: it is not there. */
  readonly enabled: boolean | null;
  /** The table it is a partition of, where it was attached after `migrate`. */
  readonly partitionOf: string | null;
}

/** Reads the state of the triggers; as cheap as a few rows of the catalogue. */
export async function readCapture(db: Queryable): Promise<Capture> {
  const detached = await readDetached(db);
  if (detached !== null) return { missing: [detachedSince(detached)], repair: attachCommand };
  const { rows } = await db.query<Remembered>({
    name: 'read_capture',
    text: `
      WITH remembered AS (
        SELECT e."table", e.name FROM bridge_settings s
        CROSS JOIN json_to_recordset(s.value::json) AS e ("table" text, name text)
        WHERE s.name = 'triggers'
      ), wanted AS (
        SELECT "table", name, NULL::text AS "partitionOf" FROM remembered
        UNION ALL
        -- a statement that names a partition fires the triggers of that partition only
        SELECT p.relid::regclass::text, r.name, r."table" FROM remembered r
        JOIN pg_class c ON c.oid = to_regclass(r."table") AND c.relkind = 'p'
        CROSS JOIN pg_partition_tree(c.oid) p
        WHERE (p.relid::regclass::text, r.name) NOT IN (SELECT "table", name FROM remembered)
      )
      SELECT DISTINCT ON (1, 2) w."table", w.name, i.enabled, w."partitionOf"
      FROM wanted w LEFT JOIN (${triggers}) i ON i."table" = w."table" AND i.name = w.name
      ORDER BY 1, 2, 4`,
  });
  if (rows.length === 0)
    return { missing: ['the adapter is not installed: there are no triggers'], repair: migrateCommand };
  const gone = rows.filter((row) => row.enabled === null);
  const off = rows.filter((row) => row.enabled === false);
  const enable = off.map((row) => `ALTER TABLE ${row.table} ENABLE TRIGGER ${row.name};`);
  return {
    missing: [
      ...gone.map((row) =>
        row.partitionOf === null
          ? `the trigger ${row.name} on ${row.table} is gone`
          : `the partition ${row.table} of ${row.partitionOf} came later and has no trigger ${row.name}`,
      ),
      ...off.map((row) => `the trigger ${row.name} on ${row.table} is disabled`),
    ],
    repair: gone.length > 0 ? migrateCommand : off.length > 0 ? enable.join(' ') : null,
  };
}
