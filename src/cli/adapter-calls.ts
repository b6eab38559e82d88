/** Calls in the transaction of `adapter check`, each in a savepoint, so that the transaction stays usable after an error. */
import pg from 'pg';
import { failureInWords } from '../adapter-error.ts';
import { sqlState } from '../database.ts';
import { findRow, queryRow } from '../query.ts';
import type { Item, Key } from './adapter-meeting.ts';
import { grant } from './adapter-repairs.ts';
import type { Report } from './doctor-findings.ts';

/** Runs one statement in a savepoint and returns its error, or null. The transaction stays usable. */
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
    // without a SQLSTATE the connection failed
    if (sqlState(error) === null) throw error;
    await client.query('ROLLBACK TO attempt; RELEASE attempt');
    return error as Error;
  }
}

/** Runs `work` and rolls back what it did. */
export async function undone<Result>(client: pg.Client, work: () => Promise<Result>): Promise<Result> {
  await client.query('SAVEPOINT undone');
  const result = await work();
  await client.query('ROLLBACK TO undone; RELEASE undone');
  return result;
}

export const importItem = async (client: pg.Client, item: Item) =>
  await attempt(client, 'SELECT bridge_import($1)', [JSON.stringify(item)]);

export const changeItem = async (client: pg.Client, { type, id }: Key, change: Item) =>
  await attempt(client, 'SELECT bridge_change_item($1, $2::bigint, $3)', [type, id, JSON.stringify(change)]);

/** The row of one call; null if it failed, which is reported with SQLSTATE, function and line. */
export async function callFunction<Row extends object>(
  client: pg.Client,
  text: string,
  values: readonly unknown[],
  repair: string,
  report: Report,
): Promise<Row | null> {
  await client.query('SAVEPOINT call');
  try {
    return await findRow<Row>(client, text, [...values]);
  } catch (error) {
    if (sqlState(error) === null) throw error;
    await client.query('ROLLBACK TO call');
    report('problem', 'functions', `${failureInWords(error)}.`, sqlState(error) === '42501' ? grant : repair);
    return null;
  }
}

/** Whether the booking system itself refuses it, and not the function. */
export const isOfConstraint = (error: Error | null) =>
  error instanceof pg.DatabaseError && error.constraint !== undefined;

/** The rows that this transaction has written so far, outside of our tables. */
export async function writtenRows(client: pg.Client): Promise<{ changed: number; deleted: number }> {
  return await queryRow(
    client,
    `SELECT coalesce(sum(n_tup_ins + n_tup_upd), 0)::integer AS changed, coalesce(sum(n_tup_del), 0)::integer AS deleted
     FROM pg_stat_xact_user_tables WHERE NOT (schemaname = 'public' AND relname LIKE 'bridge\\_%')`,
  );
}
