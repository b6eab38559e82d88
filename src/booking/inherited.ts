/**
 * Tables that share rows with a table of the booking view by inheritance (`INHERITS`). A statement fires the triggers of the table
 * that it names only: not those of its parent, and not those of its children, although it changes their rows too. Partitions get
 * triggers of their own (`bridge_make_triggers`); other children and parents need a declaration, because their rows may be of
 * another kind.
 */
import type { Queryable } from '../database.ts';
import { firedEvents, readRelations } from './read-tables.ts';

interface Unrecorded {
  readonly message: string;
  readonly repair: string;
}

/** The parents and children of watched tables whose changes are not recorded. Without the view: none. */
export async function unrecordedRelatives(db: Queryable): Promise<Unrecorded[]> {
  const { rows: views } = await db.query<{ there: boolean }>(
    `SELECT to_regclass('public.bridge_items') IS NOT NULL AS there`,
  );
  if (!views[0]!.there) return [];
  const { rows } = await db.query<{
    table: string;
    of: string;
    isChild: boolean;
    missing: readonly string[];
  }>(relativesText);
  return rows.map(({ table, of, isChild, missing }) => {
    const events = missing.join(' or ');
    const declaration = (columns: string) =>
      `In 30_watch.sql: SELECT public.bridge_watch_table('${table}', $$SELECT 'type', changed.id$$, '{${columns}}', '{${missing.join(',')}}'); and TRIGGER on ${table} in 00_rights.sql.`;
    return isChild
      ? {
          message: `The view reads ${table} too, because it inherits from ${of}, and no trigger records its changes by ${events}.`,
          repair: `${declaration('columns that the view reads')} If its rows are no bookings: FROM ONLY ${of} in 10_view.sql.`,
        }
      : {
          message: `${of} inherits from ${table}: a statement that names ${table} changes rows of ${of} too, and no trigger records its ${events}.`,
          repair: declaration(`columns of ${table} that the view reads`),
        };
  });
}

// a view that reads ONLY a table does not read its children
const relativesText = `
  WITH RECURSIVE ${readRelations}, ${firedEvents}, texts AS (
    SELECT string_agg(pg_get_viewdef(c.oid), ' ') AS text FROM reads r JOIN pg_class c ON c.oid = r.id AND c.relkind = 'v'
  ), watched AS (
    SELECT c.oid AS id, c.relkind, f.events FROM reads r JOIN pg_class c ON c.oid = r.id JOIN fired f ON f.id = c.oid
  ), down (root, id) AS (
    SELECT w.id, i.inhrelid FROM watched w CROSS JOIN texts t JOIN pg_inherits i ON i.inhparent = w.id
    WHERE w.relkind = 'r' AND t.text !~ ('\\mONLY ' || regexp_replace(w.id::regclass::text, '(\\W)', '\\\\\\1', 'g') || '(?![\\w".])')
    UNION SELECT d.root, i.inhrelid FROM down d JOIN pg_inherits i ON i.inhparent = d.id
  ), up (root, id) AS (
    SELECT w.id, i.inhparent FROM watched w JOIN pg_inherits i ON i.inhrelid = w.id
    UNION SELECT u.root, i.inhparent FROM up u JOIN pg_inherits i ON i.inhrelid = u.id
  ), relatives AS (
    SELECT root, id, true AS "isChild" FROM down
    UNION ALL SELECT root, id, false FROM up
  )
  SELECT r.id::regclass::text AS "table", r.root::regclass::text AS "of", r."isChild",
    ARRAY(SELECT e FROM unnest(w.events) WITH ORDINALITY AS u (e, place)
          WHERE (r."isChild" OR e IN ('UPDATE', 'DELETE')) AND e <> 'TRUNCATE' AND NOT e = ANY (coalesce(f.events, '{}')) ORDER BY place) AS missing
  FROM relatives r JOIN watched w ON w.id = r.root LEFT JOIN fired f ON f.id = r.id
  WHERE EXISTS (SELECT FROM unnest(w.events) e
    WHERE (r."isChild" OR e IN ('UPDATE', 'DELETE')) AND e <> 'TRUNCATE' AND NOT e = ANY (coalesce(f.events, '{}')))
  ORDER BY 1`;
