/** Whether the triggers work: each is fired, in a transaction that is taken back. */
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
 * Tries each trigger by a statement that changes no row, in a transaction that is taken back, or inside of the one that
 * is open: its function compares the old rows with the new all the same. Returns why some fail, with their tables. What our
 * role may not write, or somebody has locked, is not tried.
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

/** insufficient_privilege, lock_not_available, read_only_sql_transaction: it says nothing of the trigger. */
const notTried = new Set(['42501', '55P03', '25006']);

/** What the trigger warns of, or fails with; null: nothing. */
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

/** What the last trial found, one sentence each; another one is begun where it is older than a minute. */
export interface TriggerTrial {
  failures(): readonly string[];
}

const trialEveryMs = 60_000;

/** Tries the triggers beside what asks, because a table that is in use may have to be waited for. */
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
          () => undefined, // the database is away, which others report; what is known stays
        );
      }
      return known;
    },
  };
}
