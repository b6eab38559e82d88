/**
 * `adopt`: migration from a predecessor. Relations with our names are renamed (nothing is deleted), the bridge is installed, and
 * the predecessor's rooms and events are taken over, so that no event is created twice. Can be repeated at any time; completed
 * steps are skipped.
 */
import type pg from 'pg';
import { readEnv } from '../environment.ts';
import { toBookingConfig, toConfig, type BookingConfig } from '../config.ts';
import { databaseFailure, openPool, sqlState } from '../database.ts';
import { Permanent } from '../errors.ts';
import { readLegacy, takeOver, type Legacy, type TakenOver } from './adopt-legacy.ts';
import { migrate } from './migrate.ts';
import { refuseLostBookkeeping } from './migrate-checks.ts';
import { namesTaken, ourNames } from './own-schema.ts';
import { oneLine, say, sayJson } from './terminal.ts';
import { connecting, directClient } from './with-database.ts';
import { queryRows } from '../query.ts';

export interface AdoptOptions {
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

interface Move {
  readonly from: string;
  readonly to: string;
  readonly statement: string;
}

export async function adopt(options: AdoptOptions, signal: AbortSignal): Promise<number> {
  const booking = toBookingConfig(readEnv());
  const tell = (line: string) => {
    if (options.json !== true) say(line);
  };
  const { moves, legacy } = await renameAndRead(booking, options.dryRun !== true);
  for (const { from, to } of moves)
    tell(options.dryRun === true ? `Would rename ${from} to ${to}.` : `Renamed ${from} to ${to}.`);
  if (moves.length === 0) tell('No table has to be renamed.');
  tell(
    `The predecessor has ${legacy.pairs.length} rooms and ${legacy.events.length} events of reservations` +
      (legacy.sources.length === 0 ? '.' : ` (${legacy.sources.join(', ')}).`),
  );
  const moved = moves.map(({ from, to }) => ({ from, to }));
  if (options.dryRun === true) {
    if (options.json === true)
      sayJson({ success: true, dry_run: true, moved, rooms: legacy.pairs, events: legacy.events.length });
    else say('Nothing was changed: this was a dry run.');
    return 0;
  }
  await install(booking, tell, signal, moves.length > 0);
  const taken =
    legacy.pairs.length === 0
      ? { rooms: 0, events: 0, gone: 0, skipped: [], refused: [] }
      : await withPool(booking, (db) => takeOver(db, toConfig(readEnv()), legacy, signal));
  const success = taken.refused.length === 0;
  if (options.json === true) sayJson({ success, dry_run: false, moved, ...taken });
  else report(taken);
  return success ? 0 : 1;
}

function report({ rooms, events, gone, skipped, refused }: TakenOver): void {
  say(`Taken over: ${rooms} rooms and ${events} events.`);
  if (gone > 0)
    say(
      `${gone} events no longer exist in Outlook, or their reservations do not; their rooms are compared anyway.`,
    );
  for (const line of skipped.slice(0, 50)) say(`Skipped: ${oneLine(line)}`);
  if (skipped.length > 50) say(`… and ${skipped.length - 50} more; --json lists all.`);
  for (const line of refused) say(`Needs attention: ${oneLine(line)}`);
  if (refused.length > 0)
    say('Run `doctor`, fix the problems, and run adopt again: it continues where it stopped.');
  say('A daemon compares both sides of each room and matches events by their extended properties.');
}

/** Reads the relations to rename and the predecessor's data; renames them if `moving`. */
async function renameAndRead(
  booking: BookingConfig,
  moving: boolean,
): Promise<{ moves: Move[]; legacy: Legacy }> {
  const client = directClient(booking, 'adopt', 60_000);
  try {
    await connecting('adopt', () => client.connect());
    const { rows } = await client.query<{ installed: boolean }>(
      `SELECT to_regclass('public.bridge_migrations') IS NOT NULL AS installed`,
    );
    const { installed } = rows[0]!;
    if (!installed) await refuseLostBookkeeping(client);
    const moves = installed ? [] : await movesOf(client);
    if (moving && moves.length > 0) await move(client, moves);
    const ours = installed || moving ? ourNames() : [];
    return { moves, legacy: await readLegacy(client, ours) };
  } catch (error) {
    throw error instanceof Permanent ? error : databaseFailure(error, 'adopt');
  } finally {
    await client.end().catch(() => undefined); // no longer needed
  }
}

/** The relations with our names, and their indexes and sequences, with their new names. */
async function movesOf(client: pg.Client): Promise<Move[]> {
  const names = (await namesTaken(client)).map(({ name }) => name);
  return await queryRows<Move>(
    client,
    `WITH moved AS (
       SELECT c.oid FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relname = ANY ($1)
     ), with_parts AS (
       SELECT oid FROM moved
       UNION SELECT indexrelid FROM pg_index WHERE indrelid IN (SELECT oid FROM moved)
       UNION SELECT d.objid FROM pg_depend d JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S'
             WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')
               AND d.refobjid IN (SELECT oid FROM moved)
     )
     SELECT c.relname AS "from", n.name AS "to",
       format('ALTER %s public.%I RENAME TO %I', CASE c.relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW'
         WHEN 'S' THEN 'SEQUENCE' WHEN 'i' THEN 'INDEX' WHEN 'I' THEN 'INDEX' WHEN 'f' THEN 'FOREIGN TABLE' ELSE 'TABLE' END,
         c.relname, n.name) AS statement
     FROM with_parts p JOIN pg_class c ON c.oid = p.oid
     CROSS JOIN LATERAL (SELECT left('predecessor_' || c.relname, 63) AS name) n
     ORDER BY c.relkind NOT IN ('r', 'p', 'v', 'm', 'f'), c.relname`,
    [names],
  );
}

async function move(client: pg.Client, moves: readonly Move[]): Promise<void> {
  await client.query(`BEGIN; SET LOCAL lock_timeout = '5s'`);
  try {
    for (const { statement } of moves) await client.query(statement);
    await client.query('COMMIT');
  } catch (error) {
    await client.query('ROLLBACK').catch(() => undefined); // report the first error
    const statements = moves.map(({ statement }) => `  ${statement};`).join('\n');
    if (sqlState(error) === '42501')
      throw new Permanent('The tables belong to another role, so only that role can rename them.', {
        hint: `As their owner run these statements, then run adopt again:\n${statements}`,
        cause: error,
      });
    if (sqlState(error) === '42P07')
      throw new Permanent('A table renamed by an earlier run already has the new name.', {
        hint: `Rename or drop that predecessor_… table, then run adopt again. It would run:\n${statements}`,
        cause: error,
      });
    throw error;
  }
}

async function install(
  booking: BookingConfig,
  tell: (line: string) => void,
  signal: AbortSignal,
  moved: boolean,
): Promise<void> {
  try {
    const { migrations } = await migrate(booking, (line) => tell(`migrate: ${line}`), signal);
    if (migrations.length > 0) tell(`The bridge is installed: ${migrations.join(', ')}.`);
  } catch (error) {
    if (moved && error instanceof Permanent)
      throw new Permanent(`The old tables are renamed, but the bridge is not installed: ${error.message}`, {
        hint: `${error.hint ?? ''}\nThen run adopt again: it continues where it stopped.`,
        cause: error,
      });
    throw error;
  }
}

async function withPool<T>(
  booking: BookingConfig,
  work: (db: ReturnType<typeof openPool>) => Promise<T>,
): Promise<T> {
  const db = openPool(booking.database, 'outlook-booking-sync adopt', 3);
  try {
    return await work(db);
  } catch (error) {
    throw databaseFailure(error, 'adopt');
  } finally {
    await db.end();
  }
}
