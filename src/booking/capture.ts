/**
 * Whether the booking system's changes reach the outbox: are our triggers there, and enabled? `migrate` writes down
 * which it installed; a disabled or dropped one is reported, and only `migrate` or a person mends it.
 */
import type { Queryable } from '../database.ts';

/** Triggers of ours in the booking system's tables, as `table.trigger`. */
const installed = `
  SELECT t.tgrelid::regclass || '.' || t.tgname AS name, t.tgenabled IN ('O', 'A') AS enabled
  FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
  WHERE NOT t.tgisinternal AND p.pronamespace = 'public'::regnamespace AND p.proname LIKE 'bridge\\_%'
    AND t.tgrelid::regclass::text NOT LIKE 'bridge\\_%'`;

/** Writes down which triggers there are now. */
export async function rememberTriggers(db: Queryable): Promise<void> {
  await db.query(`
    INSERT INTO bridge_settings (name, value)
    SELECT 'triggers', coalesce(json_agg(name ORDER BY name), '[]')::text FROM (${installed}) t
    ON CONFLICT (name) DO UPDATE SET value = excluded.value, updated_at = now()
    WHERE bridge_settings.value <> excluded.value`);
}

/** What is wrong with capture, one line each; empty: nothing. */
export async function brokenTriggers(db: Queryable): Promise<string[]> {
  const { rows } = await db.query<{ line: string }>({
    name: 'broken_triggers',
    text: `
      WITH installed AS (${installed}),
      expected AS (
        SELECT json_array_elements_text(value::json) AS name FROM bridge_settings WHERE name = 'triggers')
      SELECT e.name || CASE WHEN i.name IS NULL THEN ' is missing' ELSE ' is disabled' END AS line
      FROM expected e LEFT JOIN installed i USING (name) WHERE i.enabled IS NOT TRUE
      UNION ALL SELECT 'no trigger was ever installed' WHERE NOT EXISTS (SELECT FROM expected)
      ORDER BY 1`,
  });
  return rows.map((row) => row.line);
}
