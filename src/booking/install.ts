/**
 * Installation of an adapter: the SQL files of its folder in the order of their names, statement by statement. Each statement is a
 * separate transaction that waits at most half a second for a lock and is repeated, so that no booking waits behind it for
 * longer. sql/README.md is the contract of the files.
 */
import { existsSync, readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { databaseFailure, sqlState, type Queryable } from '../database.ts';
import { Permanent, Retryable, messageOf } from '../errors.ts';
import { adapterFailure, isOfSession, readStatements, readWhole, summaryOf } from './adapter-sql.ts';
import { queryRows } from '../query.ts';

/** Prints one line to the operator. */
export type Tell = (line: string) => void;

/** A missing right of our role. */
export interface MissingRight {
  /** The statement for the DBA; null if no right would help. */
  readonly repair: string | null;
  readonly needed: boolean;
  readonly why: string | null;
}

/** The missing rights according to the adapter's `00_rights.sql`. Throws Permanent with file and line if that fails. */
export async function missingRights(db: Queryable, folder: string): Promise<MissingRight[]> {
  if (!existsSync(join(folder, '00_rights.sql'))) return [];
  const query = readWhole(folder, '00_rights.sql');
  try {
    return (await db.query<MissingRight>(query.statement)).rows;
  } catch (error) {
    throw adapterFailure(error, query);
  }
}

/** The files that `migrate` runs, in their order. */
export const adapterFiles = (folder: string): string[] =>
  readdirSync(folder)
    .filter((name) => /^[1-8]\d_\w+\.sql$/.test(name))
    .toSorted();

/**
 * Runs the files of the adapter, or those from a number on (from 40 on they only choose settings). Returns the notes of rows with
 * a column `note`. Idempotent.
 */
export async function installAdapter(
  db: Queryable,
  folder: string,
  tell: Tell,
  signal: AbortSignal,
  from: 10 | 40 = 10,
): Promise<string[]> {
  const notes: string[] = [];
  for (const name of adapterFiles(folder).filter((file) => Number(file.slice(0, 2)) >= from)) {
    const told = (line: string) => tell(`${basename(folder)}/${name}: ${line}`);
    for (const one of readStatements(folder, name).filter((read) => !isOfSession(read))) {
      const what = `${name}:${one.line}: ${summaryOf(one.statement)}`;
      const rows = await untilUnlocked(db, one.statement, told, signal, what).catch((error: unknown) => {
        throw adapterFailure(error, one);
      });
      for (const { note } of rows) if (typeof note === 'string') notes.push(note);
    }
  }
  return notes;
}

/**
 * Enables disabled triggers of ours. The daemon never does this by itself, because a DBA may have had a reason and runs `migrate`
 * afterwards. Reports each; if our role may not enable one, reports the statement for the DBA.
 */
export async function enableTriggers(db: Queryable, tell: Tell, signal: AbortSignal): Promise<void> {
  const { rows } = await db.query<{ statement: string }>(
    `SELECT format('ALTER TABLE %s ENABLE TRIGGER %I', t.tgrelid::regclass, t.tgname) AS statement
     FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
     WHERE t.tgenabled = 'D' AND NOT t.tgisinternal
       AND p.pronamespace = 'public'::regnamespace AND p.proname LIKE 'bridge\\_%'
     ORDER BY 1`,
  );
  for (const { statement } of rows) {
    try {
      await untilUnlocked(db, statement, tell, signal);
      tell(`A trigger was disabled and is enabled again: ${statement}`);
    } catch (error) {
      if (!(error instanceof Permanent)) throw error;
      tell(`A trigger is disabled and only the owner of its table can enable it: ${statement};`);
    }
  }
}

// PostgreSQL's errors for a conflict with another session: a lock not granted in time, a deadlock, two DDL statements at once.
const busyStates = new Set(['55P03', '40P01']);
const longestWaitMs = 60_000;
/** Bound over all statements of a session, so that a busy booking system cannot delay a deployment by an hour. */
const longestWaitInAllMs = 300_000;
const waitedMs = new WeakMap<Queryable, number>();

/** Whether another session currently holds the lock. */
export const isBusy = (error: unknown): boolean =>
  busyStates.has(sqlState(error) ?? '') || /tuple concurrently updated/.test(String(error));

/**
 * Runs one statement with lock_timeout, repeated until it gets its lock. Returns its rows. `what` is its name in errors. Several
 * statements in one text are one transaction and return no rows.
 */
export async function untilUnlocked(
  db: Queryable,
  statement: string,
  tell: Tell,
  signal: AbortSignal,
  what = summaryOf(statement),
): Promise<Record<string, unknown>[]> {
  const begunAt = Date.now();
  const before = waitedMs.get(db) ?? 0;
  for (let attempt = 1; ; attempt += 1) {
    signal.throwIfAborted();
    try {
      return await queryRows<Record<string, unknown>>(db, statement);
    } catch (error) {
      if (!isBusy(error)) throw failure(error, what);
      const waited = Date.now() - begunAt;
      waitedMs.set(db, before + waited);
      if (waited > longestWaitMs || before + waited > longestWaitInAllMs)
        throw new Retryable(`${what}: ${waitedFor(waited, before + waited)}`, {
          hint: 'Look for it with: SELECT pid, xact_start, query FROM pg_stat_activity ORDER BY xact_start; then run migrate again.',
          cause: error,
        });
      if (attempt % 5 === 1) tell(`${what}: waiting for a transaction that uses the table`);
      // let the bookings queued behind our request go first
      await pause(200 + Math.random() * 300, undefined, { signal });
    }
  }
}

const waitedFor = (ms: number, inAllMs: number) =>
  ms > longestWaitMs
    ? `a transaction has held the table for ${longestWaitMs / 1_000} s`
    : `${Math.round(inAllMs / 1_000)} s in all were spent waiting for transactions that use the tables`;

/** The error of a statement with its remedy. `what` is its name. */
function failure(error: unknown, what: string): Error {
  const state = sqlState(error);
  if (state === '42501' || state === '42809' || state === '42P16')
    return new Permanent(`${what}: ${String((error as Error).message)}`, {
      hint:
        state === '42501'
          ? ((error as { hint?: string }).hint ??
            'Our role lacks a right, or an object belongs to another role: run migrate as its owner, or let a DBA hand it over (ALTER ... OWNER TO).')
          : 'The installed object has another shape: run 90_uninstall.sql of the adapter, then migrate again.',
      cause: error,
    });
  if (state === '42P13')
    // PostgreSQL's own hint names the function
    return new Permanent(`${what}: ${messageOf(error)}`, {
      hint: `${(error as { hint?: string }).hint ?? 'Drop the function that stands in its place.'} Then run migrate again.`,
      cause: error,
    });
  return databaseFailure(error, what);
}
