/**
 * An adapter installed inside a transaction that its caller takes back, to see what would come of it. What stops the writers
 * of a booking table (an index, a trigger) is apart from what does not.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type pg from 'pg';
import { adapterFiles, failure, isBusy, locateStatements, summaryOf } from '../booking/install.ts';
import { databaseFailure, sqlState } from '../database.ts';
import { messageOf } from '../errors.ts';
import type { Find } from './doctor-findings.ts';

/** `definitions`: views, functions, settings; `locking`: the statements that take a lock on a booking table. */
export type Portion = 'definitions' | 'locking';

const locking =
  /\bbridge_(watch|watch_table|index)\s*\(|\bCREATE (UNIQUE )?INDEX\b|\bCREATE (OR REPLACE )?TRIGGER\b/i;

/** Our tables and functions where they are not there yet, and the zone. `texts`: the statements that make them. */
export async function stageOurs(
  client: pg.Client,
  texts: readonly string[],
  timezone: string,
): Promise<void> {
  const { rows } = await client.query<{ there: boolean }>(
    `SELECT to_regclass('public.bridge_settings') IS NOT NULL AS there`,
  );
  if (!rows[0]!.there) for (const text of texts) await client.query(text.split(/^-- Down Migration/m)[0]!);
  await client.query(
    `INSERT INTO public.bridge_settings (name, value) VALUES ('timezone', $1)
     ON CONFLICT (name) DO UPDATE SET value = excluded.value WHERE bridge_settings.value <> excluded.value`,
    [timezone],
  );
}

/**
 * Runs a portion of the adapter's files. Each statement that fails is a problem, with file, line and SQLSTATE, and the others
 * go on. Throws when a lock is not to be had.
 */
export async function stageAdapter(
  client: pg.Client,
  folder: string,
  portion: Portion,
  find: Find,
): Promise<void> {
  for (const file of adapterFiles(folder)) {
    for (const { statement, line } of locateStatements(readFileSync(join(folder, file), 'utf8'))) {
      if (locking.test(statement.replace(/--[^\n]*/g, '')) !== (portion === 'locking')) continue;
      const error = await attempt(client, statement);
      if (error === null) continue;
      if (isBusy(error)) throw databaseFailure(error, `${file}:${line}`);
      const { position } = error as { position?: string };
      const before = position === undefined ? '' : statement.slice(0, Number(position) - 1);
      const { hint } = failure(error, file) as { hint?: string };
      find(
        'problem',
        'sql',
        `${file}:${line + before.split('\n').length - 1}: ${messageOf(error)} (SQLSTATE ${sqlState(error) ?? 'unknown'}), in: ${summaryOf(statement)}`,
        hint ?? (error as { hint?: string }).hint ?? `Mend the statement in ${join(folder, file)}.`,
      );
    }
  }
}

/** Runs one statement inside the open transaction; what it failed with, or null. The transaction goes on either way. */
export async function attempt(
  client: pg.Client,
  statement: string,
  values: readonly unknown[] = [],
): Promise<Error | null> {
  await client.query('SAVEPOINT attempt');
  try {
    await client.query(statement, [...values]);
    await client.query('RELEASE attempt');
    return null;
  } catch (error) {
    // without a SQLSTATE it is the connection that failed
    if (sqlState(error) === null) throw error;
    await client.query('ROLLBACK TO attempt; RELEASE attempt');
    return error as Error;
  }
}
