/**
 * Recreates dropped tables and functions of ours: runs those creating statements, in their order, that have a missing object.
 * Existing objects are not touched, so a complete database is left unchanged.
 */
import type { Queryable } from '../database.ts';
import { splitStatements } from './adapter-sql.ts';

/** The object that one statement creates or refers to. */
interface Step {
  readonly statement: string;
  /** Null: it creates no object (a comment, a row, a change of a table) and is run if `table` was recreated. */
  readonly makes: { readonly kind: 'relation' | 'function' | 'trigger'; readonly name: string } | null;
  readonly table: string | null;
  /** Tables that its rows refer to. */
  readonly refersTo: readonly string[];
}

/** The steps of our migrations and functions, from their texts in order, without those reverted by a later one. */
export function stepsOf(texts: readonly string[]): Step[] {
  const steps = texts.flatMap(stepsOfText);
  const dropped = steps.map(
    ({ statement }) =>
      /^DROP (?:TABLE|SEQUENCE|INDEX|FUNCTION|TRIGGER) (?:IF EXISTS )?(\w+)/m.exec(statement)?.[1],
  );
  return steps.filter(
    ({ makes }, at) =>
      dropped[at] === undefined && (makes === null || !dropped.slice(at).includes(makes.name)),
  );
}

function stepsOfText(text: string): Step[] {
  return splitStatements(text.split(/^-- Down Migration/m)[0]!).map((statement) => {
    const sql = statement.replace(/^(?:\s*--[^\n]*\n|\s+)+/, '');
    const [, what = '', name = ''] =
      /^CREATE (?:UNIQUE |OR REPLACE )?(TABLE|SEQUENCE|INDEX|FUNCTION|TRIGGER) (\w+)/.exec(sql) ?? [];
    const [, table = what === 'TABLE' ? name : null] =
      (what === 'TABLE' || what === 'FUNCTION'
        ? null
        : /^(?:INSERT INTO|COMMENT ON TABLE|COMMENT ON COLUMN|ALTER TABLE) (\w+)|\sON (\w+)/
            .exec(sql)
            ?.filter((part) => part !== undefined)) ?? [];
    const kinds = {
      TABLE: 'relation',
      SEQUENCE: 'relation',
      INDEX: 'relation',
      FUNCTION: 'function',
      TRIGGER: 'trigger',
    } as const;
    return {
      statement,
      makes: what === '' ? null : { kind: kinds[what as keyof typeof kinds], name },
      table,
      refersTo: what === 'TABLE' ? [...sql.matchAll(/\bREFERENCES (\w+)/g)].map((m) => m[1]!) : [],
    };
  });
}

/** The names of missing objects: tables, sequences, indexes, functions, triggers. */
export async function missingObjects(db: Queryable, steps: readonly Step[]): Promise<string[]> {
  const made = steps.flatMap(({ makes, table }, at) => (makes === null ? [] : [{ ...makes, table, at }]));
  const { rows } = await db.query<{ name: string }>(
    `SELECT o.name FROM jsonb_to_recordset($1) AS o (kind text, name text, "table" text, at integer)
     WHERE NOT CASE o.kind
       WHEN 'relation' THEN to_regclass('public.' || quote_ident(o.name)) IS NOT NULL
       WHEN 'function' THEN EXISTS (SELECT FROM pg_proc p WHERE p.proname = o.name AND p.pronamespace = 'public'::regnamespace)
       ELSE EXISTS (SELECT FROM pg_trigger t WHERE t.tgname = o.name AND t.tgrelid = to_regclass('public.' || quote_ident(o."table")))
     END ORDER BY at`,
    [JSON.stringify(made)],
  );
  return rows.map((row) => row.name);
}

/**
 * Creates the missing objects in one transaction and requests a comparison of every room, because the content of the lost rows is
 * unknown. A table with references to lost rows is recreated as well. Returns the names of the created objects.
 */
export async function rebuild(db: Queryable, steps: readonly Step[]): Promise<string[]> {
  const missing = new Set(await missingObjects(db, steps));
  if (missing.size === 0) return [];
  await db.query('BEGIN');
  try {
    for (const { makes, table, refersTo } of steps) {
      if (makes === null || table !== makes.name || missing.has(table)) continue;
      if (!refersTo.some((name) => missing.has(name))) continue;
      await db.query(`DROP TABLE public.${table}`);
      missing.add(table);
    }
    // indexes and triggers were dropped with their table
    for (const { makes, table } of steps)
      if (makes !== null && table !== null && missing.has(table)) missing.add(makes.name);
    for (const { statement, makes, table } of steps)
      if (makes === null ? table !== null && missing.has(table) : missing.has(makes.name))
        await db.query(statement);
    await db.query(`
      INSERT INTO public.bridge_room_state AS s (resource_mapping_id, push_due_at, push_lane)
      SELECT id, now(), 1 FROM public.bridge_resource_mappings
      ON CONFLICT (resource_mapping_id) DO UPDATE
        SET push_due_at = now(), baselined_at = NULL, reconciled_at = NULL, updated_at = now(),
          push_lane = CASE WHEN s.push_due_at IS NULL THEN 1 ELSE s.push_lane END`);
    await db.query('COMMIT');
  } catch (error) {
    await db.query('ROLLBACK').catch(() => undefined); // keep the first error
    throw error;
  }
  return [...missing];
}
