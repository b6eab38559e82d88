/** Tests the triggers by firing each in a transaction that is rolled back. */
import type pg from 'pg';
import { onConnection, sqlState, type Database } from '../database.ts';
import { messageOf } from '../errors.ts';

interface Watched {
  readonly table: string;
  readonly column: string;
  readonly inserts: boolean;
  readonly updates: boolean;
  readonly deletes: boolean;
}

/**
 * Fires each trigger by a statement that changes no row, in a transaction that is rolled back, or inside of the open one; its
 * function compares old and new rows anyway. Returns the failures with their tables. Tables that our role may not write, or that
 * another session has locked, are skipped.
 */
export async function triggerFailures(
  client: pg.Client,
  where: 'alone' | 'inside',
): Promise<ReadonlyMap<string, readonly string[]>> {
  const { rows } = await client.query<Watched>(`
    SELECT t.tgrelid::regclass::text AS "table", bool_or(t.tgtype & 4 > 0) AS inserts,
      bool_or(t.tgtype & 16 > 0) AS updates, bool_or(t.tgtype & 8 > 0) AS deletes,
      (SELECT quote_ident(a.attname) FROM pg_attribute a
       WHERE a.attrelid = t.tgrelid AND a.attnum > 0 AND NOT a.attisdropped AND a.attidentity = '' AND a.attgenerated = ''
       ORDER BY a.attnum LIMIT 1) AS "column"
    FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
    WHERE NOT t.tgisinternal AND t.tgenabled IN ('O', 'A') AND t.tgparentid = 0
      AND p.pronamespace = 'public'::regnamespace AND p.proname LIKE 'bridge\\_%'
      AND NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = t.tgrelid AND c.relnamespace = 'public'::regnamespace AND c.relname LIKE 'bridge\\_%')
    GROUP BY t.tgrelid ORDER BY 1`);
  const failing = new Map<string, string[]>();
  for (const { table, column, inserts, updates, deletes } of rows) {
    const statements = [
      ...(inserts ? [`INSERT INTO ${table} (${column}) SELECT ${column} FROM ${table} WHERE false`] : []),
      ...(updates ? [`UPDATE ${table} SET ${column} = ${column} WHERE false`] : []),
      ...(deletes ? [`DELETE FROM ${table} WHERE false`] : []),
    ];
    const whys = new Set<string>();
    for (const statement of statements) {
      const why = await failureOf(client, statement, where);
      if (why !== null) whys.add(why);
    }
    for (const why of whys) failing.set(why, [...(failing.get(why) ?? []), table]);
  }
  return failing;
}

/** insufficient_privilege, lock_not_available, read_only_sql_transaction: no statement about the trigger. */
const notTried = new Set(['42501', '55P03', '25006']);

/** The trigger's warning or error; null: none. */
async function failureOf(
  client: pg.Client,
  statement: string,
  where: 'alone' | 'inside',
): Promise<string | null> {
  const warnings: string[] = [];
  const listen = ({
    severity,
    message = '',
  }: {
    severity?: string | undefined;
    message?: string | undefined;
  }) => {
    if (severity === 'WARNING') warnings.push(message);
  };
  client.on('notice', listen);
  try {
    await client.query(
      `${where === 'alone' ? 'BEGIN' : 'SAVEPOINT trial'}; SET LOCAL lock_timeout = '500ms'; SET LOCAL client_min_messages = warning`,
    );
    await client.query(statement);
    return warnings.find((warning) => warning.startsWith('outlook-booking-sync')) ?? null;
  } catch (error) {
    return notTried.has(sqlState(error) ?? '') ? null : messageOf(error);
  } finally {
    await client.query(where === 'alone' ? 'ROLLBACK' : 'ROLLBACK TO trial');
    client.off('notice', listen);
  }
}

/** The findings of the last trial, one sentence each; starts another one if it is older than a minute. */
export interface TriggerTrial {
  failures(): readonly string[];
}

const trialEveryMs = 60_000;

/** Runs the trial in the background, because it may have to wait for a table in use. */
export function createTriggerTrial(db: Database): TriggerTrial {
  let known: readonly string[] = [];
  let triedAt = Number.NEGATIVE_INFINITY;
  return {
    failures() {
      if (performance.now() - triedAt >= trialEveryMs) {
        triedAt = performance.now();
        void onConnection(db, (client) => triggerFailures(client, 'alone')).then(
          (failing) => {
            known = [...failing].map(([why, tables]) => `the triggers on ${tables.join(', ')} fail: ${why}`);
          },
          () => undefined, // an outage is reported elsewhere; keep the last result
        );
      }
      return known;
    },
  };
}
