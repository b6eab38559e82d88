/**
 * Connections to the booking system's PostgreSQL: a pool for everyday queries and single clients for what needs a
 * session of its own (LISTEN, advisory locks). Every session is named after the daemon, speaks UTC, and tells the
 * server to notice soon when we are gone, so that our locks are freed.
 */
import { readFileSync } from 'node:fs';
import { Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';
import type { DatabaseConfig } from './config.ts';
import { Permanent, Retryable, messageOf } from './errors.ts';

export type Database = pg.Pool;
type Session = pg.Client;
/** Whatever can run a query: a pool, a session, a client inside a transaction. */
export type Queryable = Pick<pg.ClientBase, 'query'>;

/** bigint columns (ids, revisions) fit a double for longer than the bridge will live; pg gives strings otherwise. */
pg.types.setTypeParser(pg.types.builtins.INT8, Number);

// Settable without superuser rights. Half-open connections end after about 20 s on either side.
const sessionSettings = [
  '-c TimeZone=UTC',
  '-c DateStyle=ISO',
  '-c IntervalStyle=iso_8601',
  '-c search_path=public,pg_catalog',
  '-c synchronous_commit=on',
  // our statements are short; up to 17 a plan under enable_seqscan=off may cost 1e10 on paper, which asks for compiling
  '-c jit=off',
  '-c idle_in_transaction_session_timeout=30s',
  '-c tcp_keepalives_idle=10',
  '-c tcp_keepalives_interval=3',
  '-c tcp_keepalives_count=3',
  '-c tcp_user_timeout=15s',
].join(' ');

/** Connection settings for `pg`. `name` shows in pg_stat_activity. */
export function connectionSettings(config: DatabaseConfig, name: string): pg.ClientConfig {
  return {
    connectionString: config.url,
    ssl:
      config.ssl === false
        ? false
        : {
            rejectUnauthorized: config.ssl.rejectUnauthorized,
            ...(config.ssl.caFile === undefined ? {} : { ca: readFileSync(config.ssl.caFile, 'utf8') }),
          },
    application_name: name,
    options: sessionSettings,
    connectionTimeoutMillis: 5_000,
    query_timeout: 30_000,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
  };
}

/**
 * A pool of at most `max` connections. An idle connection that breaks is dropped and never ends the process. A query
 * that is not answered within `queryMs` fails, and its connection with it: half-open ones look just like that.
 */
export function openPool(config: DatabaseConfig, name: string, max = 8, queryMs = 30_000): Database {
  return poolOf(connectionSettings(config, name), max, queryMs);
}

/**
 * A pool whose sessions PostgreSQL lets write nothing. One that asks nothing for two minutes is ended, and its locks with
 * it: whoever holds a room's lease here is in no list of daemons.
 */
export function openReadingPool(config: DatabaseConfig, name: string, max: number): Database {
  const settings = connectionSettings(config, name);
  const options = `${settings.options ?? ''} -c default_transaction_read_only=on -c idle_session_timeout=120s`;
  return poolOf({ ...settings, options }, max, 30_000);
}

function poolOf(settings: pg.ClientConfig, max: number, queryMs: number): Database {
  const pool = new pg.Pool({
    ...settings,
    query_timeout: queryMs,
    max,
    idleTimeoutMillis: 30_000,
  });
  // the pool has removed the broken client already; whoever queries next gets the error that matters
  pool.on('error', () => undefined);
  return pool;
}

/** A session of its own: what it can run, a signal that aborts when its connection is gone, and its end. */
export interface OwnSession {
  readonly session: Session;
  readonly lost: AbortSignal;
  /** Ends it, with a word to the server if that still listens; never rejects and never waits longer than a second. */
  close(): Promise<void>;
}

/** Connects a session. A query that is not answered within `queryMs` fails, and the session is then of no more use. */
export async function openSession(
  config: DatabaseConfig,
  name: string,
  queryMs = 30_000,
): Promise<OwnSession> {
  const socket = new Socket();
  const session = new pg.Client({
    ...connectionSettings(config, name),
    query_timeout: queryMs,
    stream: () => socket,
  });
  const lost = new AbortController();
  session
    .on('error', (error) => lost.abort(error))
    .on('end', () => lost.abort(new Error('the connection has ended')));
  const close = async () => {
    // a half-open connection never says goodbye
    await Promise.race([session.end(), pause(1_000, undefined, { ref: false })]).catch(() => undefined);
    socket.destroy();
  };
  try {
    await session.connect();
  } catch (error) {
    await close();
    throw error;
  }
  return { session, lost: lost.signal, close };
}

/**
 * Runs `work` on one connection of the pool, which is thrown away if it breaks meanwhile or `discard` was called. The
 * pool listens to idle connections only: without a listener here, one that breaks would end the process.
 */
export async function onConnection<T>(
  db: Database,
  work: (client: pg.PoolClient, discard: (error: Error) => void) => Promise<T>,
): Promise<T> {
  const client = await db.connect();
  let broken: Error | undefined;
  const discard = (error: Error) => {
    broken = error;
  };
  client.on('error', discard);
  try {
    return await work(client, discard);
  } finally {
    client.off('error', discard);
    client.release(broken);
  }
}

/**
 * Whether a connection pooler stands between this session and PostgreSQL: it hands out process ids of its own.
 * Behind one that pools transactions, LISTEN and advisory locks succeed and are lost
 * (https://www.pgbouncer.org/features.html, "SQL feature map for pooling modes").
 */
export async function isPooled(session: Queryable): Promise<boolean> {
  const { rows } = await session.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
  // missing in the types of pg: what the server called itself when the session began
  return 'processID' in session && session.processID !== rows[0]?.pid;
}

/**
 * Throws Retryable where a pooler stands in between: a lock that is taken through one belongs to whoever is served next,
 * and may stay when we are long gone.
 */
export async function needDirect(session: Queryable): Promise<void> {
  if (await isPooled(session))
    throw new Retryable(
      'a connection pooler (PgBouncer) stands between us and PostgreSQL, and our leases do not pass it',
      {
        reach: 'side',
        hint: "Set DB_HOST and DB_PORT to PostgreSQL's own address and port (usually 5432).",
      },
    );
}

/** Runs `work` in one transaction; commits when it resolves, rolls back when it throws. */
export function inTransaction<T>(db: Database, work: (client: pg.PoolClient) => Promise<T>): Promise<T> {
  return onConnection(db, async (client, discard) => {
    try {
      await client.query('BEGIN');
      const result = await work(client);
      await client.query('COMMIT');
      return result;
    } catch (error) {
      await client.query('ROLLBACK').catch(discard);
      throw error;
    }
  });
}

// https://www.postgresql.org/docs/current/errcodes-appendix.html
// 3D000: the database is not there yet, or not any more
const retryableStates = /^(08|53|57P0|3D000|40001|40P01|55P03|25006|57014|BR001)/;
const lostConnection =
  /ECONN|EPIPE|ETIMEDOUT|ENOTFOUND|EAI_AGAIN|terminated|timeout|not queryable|Connection/i;

/** The SQLSTATE of an error of the server, or null. */
export function sqlState(error: unknown): string | null {
  return error instanceof pg.DatabaseError ? (error.code ?? null) : null;
}

/**
 * A table, view, function or column is not there (undefined_table, undefined_function, undefined_column): where we only
 * ask for what is ours, the bridge is not installed, or an older one is.
 */
export const isNotInstalled = (error: unknown): boolean =>
  ['42P01', '42883', '42703'].includes(sqlState(error) ?? '');

/** Turns a failure of PostgreSQL into our kinds: the only place that reads an SQLSTATE to decide what comes next. */
export function databaseFailure(error: unknown, what: string): Error {
  const state = sqlState(error);
  const message = `${what}: ${messageOf(error)}`;
  if (state === null)
    return error instanceof Error &&
      lostConnection.test(`${error.message} ${'code' in error ? String(error.code) : ''}`)
      ? new Retryable(message, { reach: 'side', cause: error })
      : (error as Error);
  if (retryableStates.test(state)) return new Retryable(message, { reach: 'side', cause: error });
  if (/^28/.test(state))
    return new Retryable(message, {
      reach: 'side',
      hint: 'PostgreSQL refuses our login: check DB_USER, DB_PASS (or DATABASE_URL) and pg_hba.conf.',
      cause: error,
    });
  if (state === '42501')
    return new Permanent(message, {
      hint: 'Grant the right to our role; `migrate` prints the statement.',
      cause: error,
    });
  if (/^(22|23|P0)/.test(state)) return new Permanent(message, { hint: messageOf(error), cause: error });
  return error as Error;
}
