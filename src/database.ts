/**
 * Pools and single sessions (for LISTEN and advisory locks) on the booking system's PostgreSQL, and the conversion of its errors
 * into ours. connection.ts has the connections.
 */
import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';
import { migrateCommand } from './command-name.ts';
import type { DatabaseConfig } from './config.ts';
import { connectionSettings, DirectClient, poolerFailure } from './connection.ts';
import { Failure, NotInstalled, Permanent, Retryable, messageOf } from './errors.ts';
import { parseJson, toId } from './id.ts';

export type Database = pg.Pool;
type Session = pg.Client;
/** A pool, a session, or a client inside a transaction. */
export type Queryable = Pick<pg.ClientBase, 'query'>;

// a bigint, alone or within JSON, is never rounded (id.ts)
pg.types.setTypeParser(pg.types.builtins.INT8, toId);
pg.types.setTypeParser(pg.types.builtins.JSON, parseJson);
pg.types.setTypeParser(pg.types.builtins.JSONB, parseJson);
const int8Array: number = 1016; // pg_type.oid, not in pg's constants; pg parses the elements as texts
const textsOf = pg.types.getTypeParser(int8Array) as (text: string) => (string | null)[];
pg.types.setTypeParser(int8Array, (text) => textsOf(text).map((one) => (one === null ? null : toId(one))));

/** For requests and commands: they end with an error after this time beside another session's open transaction. */
export const requestLockMs = 5_000;

/**
 * A pool of at most `max` connections. A broken idle connection is dropped without an error. A query without an answer within
 * `queryMs` fails and closes its connection, because it may be half-open. A statement fails that waits for `lockMs` for a lock of
 * another session's open transaction.
 */
export function openPool(
  config: DatabaseConfig,
  name: string,
  max = 8,
  queryMs = 30_000,
  lockMs = requestLockMs,
): Database {
  return poolOf(config, connectionSettings(config, name, [`lock_timeout=${lockMs}ms`]), max, queryMs);
}

/**
 * A pool for the work on rooms. A statement that needs a row of another session's open transaction fails after half a second, below
 * PostgreSQL's `deadlock_timeout`, instead of occupying its connection until that transaction ends; it is run again later
 * (`patiently` in sync/store/failing.ts).
 */
export function openWorkPool(config: DatabaseConfig, name: string, max: number, queryMs: number): Database {
  return poolOf(config, connectionSettings(config, name, ['lock_timeout=500ms']), max, queryMs);
}

/**
 * A pool for plans. The server ends sessions that are idle for two minutes and so releases their room leases, because their
 * holder is not in the list of daemons. Locks are waited for as in `openPool`.
 */
export function openPlanPool(config: DatabaseConfig, name: string, max: number): Database {
  const settings = ['idle_session_timeout=120s', `lock_timeout=${requestLockMs}ms`];
  return poolOf(config, connectionSettings(config, name, settings), max, 30_000);
}

function poolOf(config: DatabaseConfig, settings: pg.ClientConfig, max: number, queryMs: number): Database {
  const pool = new pg.Pool({
    ...settings,
    Client: class extends DirectClient {
      constructor(own = settings) {
        super(config, own);
      }
    },
    query_timeout: queryMs,
    max,
    idleTimeoutMillis: 30_000,
  });
  // the pool has already removed the broken client; if the server is away, the next query fails
  pool.on('error', () => undefined);
  return pool;
}

/** A single session. */
export interface OwnSession {
  readonly session: Session;
  /** Aborts when the connection is lost. */
  readonly lost: AbortSignal;
  /** Ends the session, cleanly if the server answers within a second. Never rejects. */
  close(): Promise<void>;
}

/** Connects a session. After a query without an answer within `queryMs`, which fails, the session is unusable. */
export async function openSession(
  config: DatabaseConfig,
  name: string,
  queryMs = 30_000,
): Promise<OwnSession> {
  const session = new DirectClient(config, { ...connectionSettings(config, name), query_timeout: queryMs });
  const lost = new AbortController();
  session
    .on('error', (error) => lost.abort(error))
    .on('end', () => lost.abort(new Error('the connection has ended')));
  const close = async () => {
    // end() never resolves on a half-open connection
    await Promise.race([session.end(), pause(1_000, undefined, { ref: false })]).catch(() => undefined);
    session.socket.destroy();
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
 * Runs `work` on one connection of the pool. The connection is closed afterwards if it broke or if `work` called `discard`. The
 * pool handles errors of idle connections only; without a listener here, a broken connection would end the process.
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
  } catch (error) {
    // a session keeps default_transaction_read_only even after the server accepts writes again
    if (sqlState(error) === readOnly) discard(error as Error);
    throw error;
  } finally {
    client.off('error', discard);
    client.release(broken);
  }
}

/**
 * Runs one statement and gives its first row to `first` as soon as it is made, while the server completes the statement and commits.
 * Resolves after the commit; rejects if the statement failed: nothing is stored then, although `first` may have been called.
 */
export async function queryEarly<Row>(
  session: Queryable,
  config: pg.QueryConfig,
  first: (row: Row) => void,
): Promise<void> {
  const query = new EarlyQuery(config);
  query.once('row', first);
  await session.query(query); // pg gives the query back; a wrapper of it, a promise
  await query.ended;
}

/**
 * Asks for the first row, to be sent at once, and in the same packet for the others
 * (https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-EXT-QUERY).
 */
export class EarlyQuery extends pg.Query {
  readonly ended: Promise<void>;
  declare private readonly portal: string;
  constructor(config: pg.QueryConfig) {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    super(config, (error: Error | null | undefined) => (error == null ? resolve() : reject(error)));
    this.ended = promise;
  }
  /** Called by pg after the values were sent. */
  _getRows(connection: Pick<pg.Connection, 'flush' | 'sync'> & { execute(of: object): void }): void {
    connection.execute({ portal: this.portal, rows: 1 });
    connection.flush();
    connection.execute({ portal: this.portal });
    connection.sync();
  }
  /** Called by pg after the first row: the others are asked for already. */
  handlePortalSuspended(): void {}
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
// 3D000: the database does not exist, for example during a restore
/** read_only_sql_transaction: a standby, or default_transaction_read_only. */
const readOnly = '25006';
const lockNotAvailable = '55P03';
const endIt = ': commit it or roll it back, and try again. pg_stat_activity shows it by its xact_start.';

/** The remedy after waiting for a lock. The context of the error names a row, or the function that takes a lock of ours. */
function lockedHint({ message, where = '' }: pg.DatabaseError): string {
  if (/\bbridge_lock_\w+/.test(where))
    return 'A daemon or another request works on the same items: try again in a moment. Nothing was lost.';
  return /\btuple \(|\bon row\b/.test(`${message} ${where}`)
    ? `Another session's open transaction has locked a row that this needs${endIt}`
    : `Another session's open transaction holds a lock that this needs, for example of LOCK TABLE or ALTER TABLE${endIt}`;
}
const retryableStates = /^(08|53|57P0|3D000|25006|BR001)/;
/** The remedy for a server that answers and refuses everything: a host and a port that are right are not to be checked. */
const serverHints: Readonly<Record<string, string>> = {
  '3D000': 'Check DB_NAME (or DATABASE_URL): PostgreSQL has no database of this name.',
  '53100': 'The disk of the database server is full: free some space. The daemon continues by itself.',
  '53300':
    'PostgreSQL has no free connection for the bridge: raise max_connections, or the CONNECTION LIMIT of its role or the database.',
  '57P03':
    'PostgreSQL runs and accepts no connections now, for example while it starts or recovers. The daemon connects when it does.',
  [readOnly]:
    'PostgreSQL refuses writes: connect to the primary, and reset default_transaction_read_only of the role and the database.',
};
/** serialization_failure, deadlock_detected, lock_not_available, query_canceled */
const contendedStates = /^(40001|40P01|55P03|57014)$/;
const lostConnection =
  /ECONN|EPIPE|ETIMEDOUT|ENOTFOUND|EAI_AGAIN|terminated|timeout|not queryable|Connection/i;

/** Codes of OpenSSL and Node for a handshake that fails, and what pg says of a server without TLS. */
const tlsCodes = /^(CERT_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|ERR_TLS_|ERR_SSL_|HOSTNAME_MISMATCH)/;
const withoutTls = /server does not support SSL/;
export const tlsHint =
  "Check DB_SSL and DB_SSL_CA (the PEM file of the CA that signed the server's certificate), whether the certificate is still valid, and whether it names DB_HOST.";

/** Whether the server was reached and the TLS connection to it failed, for example because its certificate has expired. */
export const isTlsFailure = (error: unknown): error is Error =>
  error instanceof Error &&
  (withoutTls.test(error.message) || ('code' in error && tlsCodes.test(String(error.code))));

/** The SQLSTATE of an error of the server, or null. */
export function sqlState(error: unknown): string | null {
  return error instanceof pg.DatabaseError ? (error.code ?? null) : null;
}

/**
 * Whether an object of the bridge is missing: a table, view or function with its prefix (undefined_table, undefined_function),
 * or a column of our own query (undefined_column without a context, so not from a function of an adapter).
 */
function isMissing(error: unknown): boolean {
  const state = sqlState(error) ?? '';
  if (/^(42P01|42883)$/.test(state)) return /\bbridge_\w/.test(messageOf(error));
  return state === '42703' && (error as pg.DatabaseError).where === undefined;
}

/** Whether a statement failed because of concurrent writes to the same rows, not because the database is unavailable. */
export const isContended = (error: unknown): boolean => contendedStates.test(sqlState(error) ?? '');

/** Whether a statement was refused because the lease of its room was lost (BR001 of bridge_need_leases). */
export const isFenced = (error: unknown): boolean => sqlState(error) === 'BR001';

/**
 * Whether an error of the server concerns the rows that were read or written, and not the database, the installation or other
 * transactions: `bridge_concerns_rows` in database/functions/24_read_item.sql.
 */
export const concernsRows = (error: unknown): boolean => {
  const state = sqlState(error);
  return (
    state !== null &&
    !/^(08|25|28|40|53|55|57|58|BR)/.test(state) &&
    !['0A000', '42501', '42P01', '42703', '42883'].includes(state)
  );
};

/** Whether the database as a whole is unavailable, or unusable until a person intervenes. The work loop reports it once. */
export const isOutage = (failure: Error): boolean =>
  failure instanceof Retryable || (failure instanceof Permanent && failure.reach === 'side');

/**
 * Converts an error of PostgreSQL into a Retryable, Permanent or NotInstalled; other errors are returned unchanged. The only
 * place that decides by SQLSTATE. `task`: begins the message.
 */
export function databaseFailure(error: unknown, task: string): Error {
  // the patterns for messages below must not match our own errors
  if (error instanceof Failure) return error;
  const state = sqlState(error);
  const pooler = poolerFailure(error);
  if (pooler !== null) return pooler;
  const message = `${task}: ${messageOf(error)}`;
  if (isMissing(error))
    return new NotInstalled(
      `the bridge is detached, not installed, or of another version: ${messageOf(error)}`,
      {
        reach: 'side',
        hint: `Run: ${migrateCommand}`,
        cause: error,
      },
    );
  // a view was recreated with other types; a retry on another connection plans again
  if (state === '0A000' && (error as pg.DatabaseError).routine === 'RevalidateCachedQuery')
    return new Retryable(message, { reach: 'item', cause: error });
  if (isTlsFailure(error)) return new Retryable(message, { reach: 'side', hint: tlsHint, cause: error });
  if (state === null)
    return error instanceof Error &&
      lostConnection.test(`${error.message} ${'code' in error ? String(error.code) : ''}`)
      ? new Retryable(message, { reach: 'side', cause: error })
      : (error as Error);
  if (state === lockNotAvailable)
    return new Retryable(message, {
      reach: 'item',
      hint: lockedHint(error as pg.DatabaseError),
      cause: error,
    });
  if (contendedStates.test(state)) return new Retryable(message, { reach: 'item', cause: error });
  if (retryableStates.test(state)) {
    const hint = serverHints[state];
    return new Retryable(message, { reach: 'side', cause: error, ...(hint !== undefined && { hint }) });
  }
  if (/^28/.test(state))
    return new Permanent(message, {
      reach: 'side',
      hint: 'PostgreSQL refuses the login: check DB_USER, DB_PASS (or DATABASE_URL) and pg_hba.conf.',
      cause: error,
    });
  if (state === '42501')
    return new Permanent(message, {
      reach: 'side',
      hint: "Grant the privilege to the bridge's role; `migrate` and `doctor` print the statement.",
      cause: error,
    });
  if (/^(22|23|P0)/.test(state)) return new Permanent(message, { hint: messageOf(error), cause: error });
  return error as Error;
}
