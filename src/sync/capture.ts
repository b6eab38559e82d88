/**
 * Whether the booking system's changes are noted at all. The adapter's trigger functions are recognised by what they
 * do, they write to bridge_changes, so that no booking table is named here: each must hang on a table, enabled.
 */
import type { Queryable } from '../database.ts';

export interface Capture {
  /** Each is a sentence: a function without a trigger, or a trigger that is off. */
  readonly missing: readonly string[];
  /** What a DBA runs to repair it; null: nothing is to be repaired. */
  readonly repair: string | null;
}

interface Row {
  readonly function: string;
  readonly table: string | null;
  readonly trigger: string | null;
  readonly enabled: string | null;
}

const install = 'npm run migrate';

/** Reads the state of the triggers; as cheap as a few rows of the catalogue. */
export async function readCapture(db: Queryable): Promise<Capture> {
  const { rows } = await db.query<Row>({
    name: 'read_capture',
    text: `
      SELECT p.oid::regproc::text AS function, t.tgrelid::regclass::text AS table, quote_ident(t.tgname) AS trigger,
        t.tgenabled AS enabled
      FROM pg_proc p LEFT JOIN pg_trigger t ON t.tgfoid = p.oid AND NOT t.tgisinternal
      WHERE p.prorettype = 'trigger'::regtype AND p.prosrc LIKE '%bridge_changes%'
        AND p.pronamespace = 'public'::regnamespace
      ORDER BY 1, 2, 3`,
  });
  if (rows.length === 0)
    return { missing: ['the adapter is not installed: there are no triggers'], repair: install };
  const without = rows.filter((row) => row.trigger === null);
  // 'O' fires, 'A' fires always; 'D' is disabled and 'R' fires for replication only
  const off = rows.filter((row) => row.trigger !== null && row.enabled !== 'O' && row.enabled !== 'A');
  const enable = off.map((row) => `ALTER TABLE ${row.table} ENABLE TRIGGER ${row.trigger};`);
  return {
    missing: [
      ...without.map((row) => `no table calls ${row.function}()`),
      ...off.map((row) => `the trigger ${row.trigger} on ${row.table} is disabled`),
    ],
    repair: without.length > 0 ? install : off.length > 0 ? enable.join(' ') : null,
  };
}
