/**
 * Tests the declarations of watched tables: changes values in each table that the view reads, one column at a time, and compares the
 * reservations that the view then shows differently with those in the outbox. Each change is rolled back. A change that the
 * booking system refuses is not tested.
 */
import type pg from 'pg';
import { readRelations } from '../booking/read-tables.ts';
import { queryColumn, queryRows, queryValue } from '../query.ts';
import { attempt, undone } from './adapter-calls.ts';
import { notNull } from './adapter-rows.ts';
import type { Report } from './doctor-findings.ts';

/** Limits of the reservations that are compared and of the rows that a change writes. */
const mostReservations = 300;
const mostRows = 1000;
/** No change is tested after this time, because a table in use may be locked meanwhile. */
const mostMs = 20_000;

interface Watched {
  readonly table: string;
  /** A column that the view reads, quoted. */
  readonly column: string;
  readonly type: string;
  readonly isForeign: boolean;
  readonly isNotNull: boolean;
}

/** The columns of booking tables that the view reads and that no key, identity or expression fixes. */
const readColumns = `
  WITH RECURSIVE ${readRelations}
  SELECT DISTINCT c.oid::regclass::text AS "table", quote_ident(a.attname) AS "column", format_type(a.atttypid, NULL) AS type,
    EXISTS (SELECT FROM pg_constraint k WHERE k.conrelid = c.oid AND k.contype = 'f' AND a.attnum = ANY (k.conkey)) AS "isForeign",
    a.attnotnull AS "isNotNull"
  FROM reads v JOIN pg_rewrite w ON w.ev_class = v.id AND w.ev_type = '1'
  JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid AND d.refclassid = 'pg_class'::regclass AND d.refobjsubid > 0
  JOIN pg_class c ON c.oid = d.refobjid AND c.relkind IN ('r', 'p')
  JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = d.refobjsubid AND a.attidentity = '' AND a.attgenerated = ''
  WHERE NOT (c.relnamespace = 'public'::regnamespace AND c.relname LIKE 'bridge\\_%')
    AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conrelid = c.oid AND k.contype = 'p' AND a.attnum = ANY (k.conkey))
  ORDER BY 1, 2`;

/** Another value of the same type; of a foreign key or of a type that is not known here, another one of the column. */
function otherValue({ table, column, type, isForeign }: Watched): string {
  const own = `t.${column}`;
  if (!isForeign) {
    if (type === 'boolean') return `NOT coalesce(${own}, false)`;
    if (/^(smallint|integer|bigint|numeric)/.test(type)) return `coalesce(${own}, 0) + 1`;
    if (/^(timestamp|time )/.test(type)) return `${own} - interval '7 minutes'`;
    if (/^(text|character varying|citext)/.test(type))
      return `CASE WHEN coalesce(${own}, '') = '' THEN 'x' ELSE left(${own}, -1) || CASE WHEN right(${own}, 1) = 'x' THEN 'y' ELSE 'x' END END`;
  }
  return `(SELECT o.${column} FROM ${table} o WHERE o.${column} IS DISTINCT FROM t.${column} LIMIT 1)`;
}

/** Needs the view and the triggers. */
export async function checkReach(client: pg.Client, report: Report): Promise<void> {
  await client.query(`CREATE TEMPORARY TABLE adapter_sample ON COMMIT DROP AS
    SELECT DISTINCT i.reservation_type AS type, i.reservation_id AS id FROM (
      SELECT * FROM public.bridge_items WHERE ends_at > now() AND reservation_id IS NOT NULL ORDER BY active DESC, starts_at LIMIT ${mostReservations}) i`);
  const shown = `SELECT s.type, s.id, (SELECT md5(string_agg(to_jsonb(i)::text, ',' ORDER BY to_jsonb(i)::text)) FROM public.bridge_items i
      WHERE i.reservation_type = s.type AND i.reservation_id = s.id) AS hash FROM adapter_sample s`;
  await client.query(`CREATE TEMPORARY TABLE adapter_shown ON COMMIT DROP AS ${shown}`);
  const columns = await queryRows<Watched>(client, readColumns);
  const rowsOf = (table: string) =>
    `(t.tableoid, t.ctid) IN (SELECT r.tableoid, r.ctid FROM ${table} r ORDER BY r.ctid DESC LIMIT ${mostRows})`;
  const changes = [
    ...columns.map((one) => ({
      table: one.table,
      what: `an UPDATE of ${one.column}`,
      statement: `UPDATE ${one.table} t SET ${one.column} = ${otherValue(one)} WHERE ${rowsOf(one.table)}`,
    })),
    ...[...new Set(columns.map(({ table }) => table))].map((table) => ({
      table,
      what: 'a DELETE',
      statement: `DELETE FROM ${table} t WHERE ${rowsOf(table)}`,
    })),
  ];
  const nulls = columns.filter(({ isNotNull }) => !isNotNull);
  const till = performance.now() + mostMs;
  const missed = new Map<string, { whats: string[]; example: string }>();
  for (const { table, what, statement } of changes) {
    if (performance.now() > till) break;
    const example = await undone(client, async () => {
      const since = await queryValue<string>(client, 'SELECT clock_timestamp()::text');
      if ((await attempt(client, statement)) !== null) return undefined;
      const [first] = await queryColumn<string>(
        client,
        `SELECT concat(n.type, '/', coalesce((SELECT k.key FROM public.bridge_key k WHERE k.kind = n.type AND k.id = n.id), n.id::text)) FROM (${shown}) n JOIN adapter_shown w USING (type, id)
         WHERE n.hash IS DISTINCT FROM w.hash AND NOT EXISTS (
           SELECT FROM public.bridge_changes c WHERE c.changed_at >= $1::timestamptz AND (c.reservation_type IS NULL
             OR coalesce(c.reservation_id, bridge_key_id(c.reservation_type, c.reservation_key)) IS NULL
             OR (c.reservation_type = n.type AND coalesce(c.reservation_id, bridge_key_id(c.reservation_type, c.reservation_key)) = n.id)))
         ORDER BY 1 LIMIT 1`,
        [since],
      );
      return first;
    });
    if (example === undefined) continue;
    const known = missed.get(table) ?? { whats: [], example };
    missed.set(table, { ...known, whats: [...known.whats, what] });
  }
  for (const { table, column } of nulls) {
    if (performance.now() > till) break;
    const empty = await undone(client, async () => {
      const statement = `UPDATE ${table} t SET ${column} = NULL WHERE ${rowsOf(table)}`;
      if ((await attempt(client, statement)) !== null) return [];
      return await queryColumn<string>(
        client,
        `SELECT DISTINCT n.key FROM adapter_sample s JOIN public.bridge_items i ON i.reservation_type = s.type AND i.reservation_id = s.id
         CROSS JOIN LATERAL jsonb_each(to_jsonb(i)) n WHERE n.value = 'null' AND n.key = ANY ($1) ORDER BY 1`,
        [notNull],
      );
    });
    if (empty.length > 0)
      report(
        'warning',
        'rows',
        `If ${table}.${column} is NULL, bridge_items shows ${empty.join(', ')} as NULL, and the reservation is not synchronized.`,
        'In 10_view.sql, give it a value with coalesce, or exclude such rows in the WHERE if they are no bookings.',
      );
  }
  for (const [table, { whats, example }] of missed)
    report(
      'problem',
      'triggers',
      `${table}: ${whats.slice(0, 3).join(', ')}${whats.length > 3 ? ' and more' : ''} changed ${example} in the view, and the outbox has no row for it.`,
      'In 30_watch.sql, the query of this table must return type and id of every reservation that reads the changed row, and the third argument must list the column.',
    );
}
