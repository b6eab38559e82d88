/**
 * Installs an adapter inside a transaction that the caller rolls back. Statements that block writers of a booking table
 * (indexes, triggers) are run separately from those that do not.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type pg from 'pg';
import { isOfSession, readStatements, tellFailure } from '../booking/adapter-sql.ts';
import { adapterFiles, isBusy } from '../booking/install.ts';
import { databaseFailure } from '../database.ts';
import { attempt } from './adapter-calls.ts';
import type { Report } from './doctor-findings.ts';
import { queryValue } from '../query.ts';

/** `definitions`: views, functions, settings; `locking`: the statements that take a lock on a booking table. */
export type Portion = 'definitions' | 'locking';

const locking =
  /\bbridge_(watch|watch_table|index)\s*\(|\bCREATE (UNIQUE )?INDEX\b|\bCREATE (OR REPLACE )?TRIGGER\b/i;

/** Creates our tables and functions if they are missing, and sets the zone. `texts`: the SQL that creates them. */
export async function stageOurs(
  client: pg.Client,
  texts: readonly string[],
  timezone: string,
): Promise<void> {
  const there = await queryValue<boolean>(
    client,
    `SELECT to_regclass('public.bridge_settings') IS NOT NULL AS there`,
  );
  if (!there) for (const text of texts) await client.query(text.split(/^-- Down Migration/m)[0]!);
  await client.query(
    `INSERT INTO public.bridge_settings (name, value) VALUES ('timezone', $1)
     ON CONFLICT (name) DO UPDATE SET value = excluded.value WHERE bridge_settings.value <> excluded.value`,
    [timezone],
  );
}

/**
 * Runs a portion of the adapter's files. Each failing statement is reported as a problem with file, line and SQLSTATE; the
 * others are still run. Throws Retryable if a lock cannot be acquired.
 */
export async function stageAdapter(
  client: pg.Client,
  folder: string,
  portion: Portion,
  report: Report,
  signal: AbortSignal,
): Promise<void> {
  for (const file of adapterFiles(folder)) {
    for (const one of readStatements(folder, file)) {
      const { statement, line } = one;
      if (isOfSession(one)) continue;
      if (locking.test(statement.replace(/--[^\n]*/g, '')) !== (portion === 'locking')) continue;
      const error = await attemptUnlocked(client, statement, signal);
      if (error === null) continue;
      if (isBusy(error)) throw databaseFailure(error, `${file}:${line}`);
      const failure = tellFailure(error, one);
      if (failure === null) throw error;
      report('problem', 'sql', failure.message, failure.hint);
    }
  }
}

const mostTries = 10;

/** The same as `attempt`, repeated while a lock cannot be acquired; each attempt waits for lock_timeout. */
async function attemptUnlocked(
  client: pg.Client,
  statement: string,
  signal: AbortSignal,
): Promise<Error | null> {
  for (let tries = 1; ; tries += 1) {
    const error = await attempt(client, statement);
    if (error === null || !isBusy(error) || tries >= mostTries) return error;
    // bookings that waited behind our lock request run first
    await pause(200, undefined, { signal });
  }
}
