/**
 * The state of the capture of booking changes. The adapter declares the watched tables and their triggers (`bridge_watched`);
 * `migrate` records triggers that the adapter creates without a declaration. Each trigger must exist, be enabled and work.
 * Problems are reported; only `migrate` or a person repairs them.
 */
import type { Queryable } from '../database.ts';
import { attachCommand, migrateCommand } from '../command-name.ts';
import { detachedSince, readDetached } from './detach.ts';
import { untilUnlocked, type Tell } from './install.ts';
import { queryValue } from '../query.ts';

export interface Capture {
  /** One sentence each: a trigger that is missing, disabled, broken, or not yet on a partition. */
  readonly missing: readonly string[];
  /** One sentence each: a trigger of ours without a declaration. It is harmless apart from its cost. */
  readonly extra: readonly string[];
  /** The DBA's repair statement; null: no repair is needed. */
  readonly repair: string | null;
}

/** Triggers of ours in the booking system's tables: their functions are ours by name, the tables are not. */
const ourTriggers = `
  SELECT t.tgrelid AS relation, t.tgrelid::regclass::text AS "table", t.tgname AS name, t.tgenabled IN ('O', 'A') AS enabled,
    t.tgfoid AS function, t.tgparentid = 0 AS own
  FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid JOIN pg_class c ON c.oid = t.tgrelid
  WHERE NOT t.tgisinternal AND p.pronamespace = 'public'::regnamespace AND p.proname LIKE 'bridge\\_%'
    AND NOT (c.relnamespace = 'public'::regnamespace AND c.relname LIKE 'bridge\\_%')`;

/** Records the current triggers. */
export async function rememberTriggers(db: Queryable): Promise<void> {
  await db.query(`
    INSERT INTO bridge_settings (name, value)
    SELECT 'triggers', coalesce(json_agg(json_build_object('table', t."table", 'name', quote_ident(t.name))
      ORDER BY t."table", t.name), '[]')::text
    FROM (${ourTriggers}) t
    ON CONFLICT (name) DO UPDATE SET value = excluded.value, updated_at = now()
    WHERE bridge_settings.value <> excluded.value`);
}

/** A fingerprint of the triggers and their functions; it changes when one is created or replaced. */
export async function readTriggers(db: Queryable): Promise<string> {
  return await queryValue<string>(
    db,
    `SELECT coalesce(string_agg(concat_ws(' ', relation, name, function), ',' ORDER BY relation, name), '') AS triggers
     FROM (${ourTriggers}) t`,
  );
}

/** Drops the triggers of tables declared before `since` and not again, and reports each. */
export async function unwatchUndeclared(
  db: Queryable,
  since: string,
  tell: Tell,
  signal: AbortSignal,
): Promise<void> {
  const { rows } = await db.query<{ table: string; statement: string }>(
    `SELECT table_name AS "table", format('SELECT public.bridge_unwatch(%L)', table_name) AS statement
     FROM bridge_watched WHERE declared_at < $1::timestamptz ORDER BY 1`,
    [since],
  );
  for (const { table, statement } of rows) {
    await untilUnlocked(db, statement, tell, signal);
    tell(`The adapter no longer declares ${table}: its triggers are taken away.`);
  }
}

interface Wanted {
  readonly table: string;
  readonly name: string;
  /** Null: it does not exist. */
  readonly enabled: boolean | null;
  /** Its partitioned table, if it was attached after `migrate`. */
  readonly partitionOf: string | null;
  /** Columns of the declaration that the table does not have. */
  readonly gone: readonly string[];
}

/** The tables of bridge_watched by oid, because a name cannot be resolved in a schema that our role may not use. */
const watchedTables = `
  SELECT w.*, c.oid AS relation FROM bridge_watched w
  LEFT JOIN (pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace)
    ON n.nspname = (parse_ident(w.table_name))[1] AND c.relname = (parse_ident(w.table_name))[2]`;

/**
 * Joins the expected triggers with the existing ones: `declared` by the adapter, `remembered` for undeclared tables, both also on
 * the partitions, because a statement on a partition fires only that partition's triggers.
 */
const wanted = `
  WITH watched AS (${watchedTables}), ours AS (${ourTriggers}), remembered AS (
    SELECT to_regclass(e."table") AS relation, e."table", e.name FROM bridge_settings s
    CROSS JOIN json_to_recordset(s.value::json) AS e ("table" text, name text)
    WHERE s.name = 'triggers'
  ), roots AS (
    SELECT w.relation, coalesce(w.relation::regclass::text, w.table_name) AS "table", 'bridge_' || lower(e) AS name,
      ARRAY(SELECT c FROM unnest(w.columns) c WHERE w.relation IS NOT NULL AND NOT EXISTS (
        SELECT FROM pg_attribute a WHERE a.attrelid = w.relation AND a.attname = c AND NOT a.attisdropped)) AS gone
    FROM watched w CROSS JOIN unnest(w.events) e
    UNION ALL
    SELECT r.relation, r."table", r.name, '{}' FROM remembered r
    WHERE r.relation IS NULL OR NOT EXISTS (
      SELECT FROM watched w WHERE r.relation IN (SELECT w.relation UNION SELECT relid FROM pg_partition_tree(w.relation)))
  ), wanted AS (
    SELECT r.*, NULL::text AS "partitionOf" FROM roots r
    UNION ALL
    SELECT p.relid, p.relid::regclass::text, r.name, r.gone,
      CASE WHEN (p.relid::regclass::text, r.name) NOT IN (SELECT m."table", m.name FROM remembered m) THEN r."table" END
    FROM roots r JOIN pg_class c ON c.oid = r.relation AND c.relkind = 'p'
    CROSS JOIN pg_partition_tree(c.oid) p WHERE p.relid <> c.oid
  )`;

/** Reads the state of the triggers; costs a few catalogue rows. */
export async function readCapture(db: Queryable): Promise<Capture> {
  const detached = await readDetached(db);
  if (detached !== null) return { missing: [detachedSince(detached)], extra: [], repair: attachCommand };
  const { rows } = await db.query<Wanted>({
    name: 'read_capture',
    text: `${wanted}
      SELECT DISTINCT ON (1, 2) w."table", w.name, i.enabled, w."partitionOf", w.gone
      FROM wanted w LEFT JOIN ours i ON i.relation = w.relation AND quote_ident(i.name) = w.name
      ORDER BY 1, 2, 4`,
  });
  if (rows.length === 0)
    return {
      missing: ['the adapter is not installed: there are no triggers'],
      extra: [],
      repair: migrateCommand,
    };
  const { rows: extra } = await db.query<{ table: string; name: string }>({
    name: 'read_extra_triggers',
    text: `${wanted}
      SELECT o."table", o.name FROM ours o
      WHERE o.own AND NOT EXISTS (SELECT FROM wanted w WHERE w.relation = o.relation AND w.name = quote_ident(o.name))
      ORDER BY 1, 2`,
  });
  return {
    ...judge(rows),
    extra: extra.map(({ table, name }) => `the trigger ${name} on ${table} is not declared`),
  };
}

function judge(rows: readonly Wanted[]): Omit<Capture, 'extra'> {
  const gone = rows.filter((row) => row.enabled === null);
  const off = rows.filter((row) => row.enabled === false);
  const broken = new Map(rows.filter((row) => row.gone.length > 0).map((row) => [row.table, row.gone]));
  const enable = off.map((row) => `ALTER TABLE ${row.table} ENABLE TRIGGER ${row.name};`);
  return {
    missing: [
      ...gone.map((row) =>
        row.partitionOf === null
          ? `the trigger ${row.name} on ${row.table} is gone`
          : `the partition ${row.table} of ${row.partitionOf} came later and has no trigger ${row.name}`,
      ),
      ...off.map((row) => `the trigger ${row.name} on ${row.table} is disabled`),
      ...[...broken].map(
        ([table, columns]) =>
          `${table} has no column ${columns.join(', ')} any more, which the adapter watches`,
      ),
    ],
    repair: gone.length + broken.size > 0 ? migrateCommand : off.length > 0 ? enable.join(' ') : null,
  };
}
