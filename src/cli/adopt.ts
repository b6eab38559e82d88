/**
 * `adopt`: from the predecessor to the bridge. What stands under our names is moved aside (nothing is deleted), the bridge
 * is installed, and the predecessor's rooms and the events it knows of are taken over, so that nothing is made twice.
 * It may be run again at any time: what is done already is left as it is.
 */
import type pg from 'pg';
import { readEnv, toBookingConfig, toConfig, type BookingConfig } from '../config.ts';
import { connectionSettings, DirectClient } from '../connection.ts';
import { databaseFailure, openPool, sqlState } from '../database.ts';
import { Permanent } from '../errors.ts';
import { readLegacy, takeOver, type Legacy, type TakenOver } from './adopt-legacy.ts';
import { migrate, namesTaken, ourNames, refuseLostBookkeeping } from './migrate.ts';
import { oneLine, say, sayJson } from './terminal.ts';

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
  const { moves, legacy } = await look(booking, options.dryRun !== true);
  for (const { from, to } of moves)
    tell(options.dryRun === true ? `Would move ${from} aside, as ${to}.` : `Moved ${from} aside, as ${to}.`);
  if (moves.length === 0) tell('Nothing stands under our names.');
  tell(
    `The predecessor knows ${legacy.pairs.length} rooms and ${legacy.events.length} events of reservations` +
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
      `${gone} events are not in Outlook any more, or not their reservation; their rooms are compared anyway.`,
    );
  for (const line of skipped.slice(0, 50)) say(`Left out: ${oneLine(line)}`);
  if (skipped.length > 50) say(`… and ${skipped.length - 50} more; --json lists all.`);
  for (const line of refused) say(`To be seen to: ${oneLine(line)}`);
  if (refused.length > 0) say('Run `doctor`, mend it, and run adopt again: it goes on where it stopped.');
  say(
    'Each room is compared with both sides as soon as a daemon runs: what carries our extended properties is recognised.',
  );
}

/** What is to be moved, moved if so wished, and what the predecessor knows, read from where it is then. */
async function look(booking: BookingConfig, moving: boolean): Promise<{ moves: Move[]; legacy: Legacy }> {
  const client = new DirectClient(booking.database, {
    ...connectionSettings(booking.database, 'outlook-booking-sync adopt'),
    query_timeout: 60_000,
  });
  client.on('error', () => undefined); // the query under way rejects; that is enough
  try {
    await client.connect();
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
    await client.end().catch(() => undefined); // it has said what it had to say
  }
}

/** The relations under our names and all indexes and sequences that belong to them, with their new names. */
async function movesOf(client: pg.Client): Promise<Move[]> {
  const names = (await namesTaken(client)).map(({ name }) => name);
  const { rows } = await client.query<Move>(
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
  return rows;
}

async function move(client: pg.Client, moves: readonly Move[]): Promise<void> {
  await client.query(`BEGIN; SET LOCAL lock_timeout = '5s'`);
  try {
    for (const { statement } of moves) await client.query(statement);
    await client.query('COMMIT');
  } catch (error) {
    await client.query('ROLLBACK').catch(() => undefined); // the first failure is the one that matters
    const statements = moves.map(({ statement }) => `  ${statement};`).join('\n');
    if (sqlState(error) === '42501')
      throw new Permanent('The tables belong to another role, so only that one can move them aside.', {
        hint: `Let their owner run this, then run adopt again:\n${statements}`,
        cause: error,
      });
    if (sqlState(error) === '42P07')
      throw new Permanent('A table that was moved aside earlier is in the way.', {
        hint: `Rename or drop the older predecessor_… table, then run adopt again. It would run:\n${statements}`,
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
      throw new Permanent(`The old tables are set aside, but the bridge is not installed: ${error.message}`, {
        hint: `${error.hint ?? ''}\nThen run adopt again: it goes on where it stopped.`,
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
