/**
 * Connections to the booking system's PostgreSQL. Sessions use UTC, override the defaults that a DBA may have set for the role
 * or the database, and make the server detect lost clients early, which frees our locks. Connections through a pooler are
 * refused.
 */
import { readFileSync } from 'node:fs';
import { Socket } from 'node:net';
import pg from 'pg';
import type { DatabaseConfig } from './config.ts';
import { Permanent } from './errors.ts';
import { watchConnections } from './half-open.ts';
import { escapeTexts } from './narrow-encoding.ts';
import { queryColumn, queryRow } from './query.ts';

// Settable without superuser rights. The server ends half-open connections after about 20 s. default_transaction_read_only is
// not overridden, because a DBA sets it to prevent writes.
const sessionSettings = [
  'TimeZone=UTC',
  'DateStyle=ISO',
  'IntervalStyle=iso_8601',
  'extra_float_digits=1',
  'bytea_output=hex',
  'standard_conforming_strings=on',
  'transform_null_equals=off',
  'quote_all_identifiers=off',
  'search_path=public,pg_catalog',
  'synchronous_commit=on',
  // with a stricter level, our transactions and those of bookings would fail with serialization errors
  'default_transaction_isolation=read\\ committed',
  'default_transaction_deferrable=off',
  'statement_timeout=0',
  'lock_timeout=0',
  'idle_session_timeout=0',
  'idle_in_transaction_session_timeout=30s',
  // our statements are short; up to version 17, enable_seqscan=off adds 1e10 to the estimated cost, which triggers JIT
  'jit=off',
  'tcp_keepalives_idle=10',
  'tcp_keepalives_interval=3',
  'tcp_keepalives_count=3',
  'tcp_user_timeout=15s',
];

/** Connection settings for `pg`. `name`: application_name; `more`: session settings, each 'name=value'. */
export function connectionSettings(
  config: DatabaseConfig,
  name: string,
  more: readonly string[] = [],
): pg.ClientConfig {
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
    options: [...sessionSettings, ...more].map((setting) => `-c ${setting}`).join(' '),
    connectionTimeoutMillis: 5_000,
    query_timeout: 30_000,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
  };
}

type Watch = ReturnType<typeof watchConnections>;
const watches = new WeakMap<DatabaseConfig, Watch>();

/** The half-open detection shared by all connections with these settings. */
export function watchOf(config: DatabaseConfig): Watch {
  const known = watches.get(config);
  if (known !== undefined) return known;
  const watch = watchConnections((pids) => readActive(config, pids));
  watches.set(config, watch);
  return watch;
}

const probeMs = 2_000;

/** Those of the backends `pids` that are not idle. */
const readActive = (config: DatabaseConfig, pids: readonly number[]): Promise<readonly number[]> =>
  onProbe(config, async (probe) => {
    return await queryColumn<number>(
      probe,
      `SELECT pid FROM pg_stat_activity WHERE pid = ANY ($1::integer[]) AND coalesce(state, '') NOT LIKE 'idle%'`,
      [pids],
    );
  });

/**
 * Terminates the backend of a connection that was closed during a statement if it waits for a lock: otherwise it would keep its
 * own locks until it got that lock and noticed the lost client. A running backend is not terminated. Never rejects.
 */
async function endWaiting(config: DatabaseConfig, pid: number, name: string): Promise<void> {
  await onProbe(config, (probe) =>
    probe.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
       WHERE pid = $1 AND application_name = $2 AND usename = current_user AND wait_event_type = 'Lock'`,
      [pid, name],
    ),
  ).catch(() => undefined); // the server is unavailable
}

/** Runs `work` on a new connection with short time-outs. Throws if it cannot be made. */
async function onProbe<T>(config: DatabaseConfig, work: (probe: pg.Client) => Promise<T>): Promise<T> {
  const probe = new pg.Client({
    ...connectionSettings(config, 'bridge probe'),
    connectionTimeoutMillis: probeMs,
    query_timeout: probeMs,
  });
  probe.on('error', () => undefined); // the query under way rejects; that is enough
  try {
    await probe.connect();
    return await work(probe);
  } finally {
    probe.end().catch(() => undefined); // no longer needed
  }
}

/** A client that refuses poolers and detects half-open connections. */
export class DirectClient extends pg.Client {
  readonly socket: Socket;
  readonly #config: DatabaseConfig;
  readonly #name: string;
  readonly #watch: Watch;
  constructor(config: DatabaseConfig, settings: pg.ClientConfig) {
    const socket = new Socket();
    super({ ...settings, stream: () => socket });
    this.socket = socket;
    this.#config = config;
    this.#name = settings.application_name ?? '';
    // a pool adds its listener after connecting; without this one, a reset before would end the process
    this.on('error', () => undefined); // the query under way rejects; that is enough
    this.#watch = watchOf(config);
  }

  override connect(): Promise<pg.Client>;
  override connect(callback: Connected): void;
  override connect(callback?: Connected): Promise<pg.Client> | void {
    const connected = this.#connectDirectly();
    if (callback === undefined) return connected;
    connected.then(
      () => callback(null, this),
      (error: unknown) => callback(error as Error),
    );
  }

  async #connectDirectly(): Promise<pg.Client> {
    await super.connect();
    try {
      const { pid, encoding } = await readBackend(this);
      escapeTexts(this, encoding);
      // missing in the types of pg: the server has answered all queries
      const isWaiting = () => (this as unknown as { readyForQuery: boolean }).readyForQuery === false;
      this.#watch.add({
        socket: this.socket,
        pid,
        isWaiting,
        destroy: (error) => void this.socket.destroy(error),
      });
      this.socket.once('close', () => {
        if (isWaiting()) void endWaiting(this.#config, pid, this.#name);
      });
      return this;
    } catch (error) {
      this.socket.destroy();
      throw error;
    }
  }
}

/** pg's callback: `client` is missing if there is an error. */
type Connected = (error: Error | null, client?: pg.Client) => void;

/**
 * The process id of the session's backend, and the encoding of its database. Throws Permanent if the id differs from the one
 * sent at the start of the session: poolers send ids of their own. Through a transaction pooler LISTEN, advisory locks and
 * prepared statements succeed without effect, or affect other clients (https://www.pgbouncer.org/features.html, "SQL feature
 * map for pooling modes").
 */
async function readBackend(client: pg.Client): Promise<Backend> {
  // transaction_timeout exists since 17; as a start-up setting it would be an error before
  const backend = await queryRow<Backend>(
    client,
    `SELECT pg_backend_pid() AS pid, current_setting('server_encoding') AS encoding, CASE WHEN current_setting('transaction_timeout', true) <> '0'
       THEN set_config('transaction_timeout', '0', false) END`,
  );
  // missing in the types of pg
  if ((client as unknown as { processID: number | null }).processID !== backend.pid) throw new BehindPooler();
  return backend;
}

interface Backend {
  readonly pid: number;
  readonly encoding: string;
}

/**
 * The error as a Permanent if a pooler caused it, else null. By default PgBouncer refuses the settings of our sessions; if
 * configured to ignore them, it is detected by its process ids.
 */
export const poolerFailure = (error: unknown): Permanent | null =>
  error instanceof BehindPooler
    ? error
    : error instanceof Error && error.message.startsWith('unsupported startup parameter')
      ? new BehindPooler(` (its error: ${error.message})`)
      : null;

class BehindPooler extends Permanent {
  constructor(detail = '') {
    super(
      `PostgreSQL is reached through a connection pooler (PgBouncer), which does not support LISTEN and advisory locks${detail}`,
      {
        reach: 'side',
        hint: "Set DB_HOST and DB_PORT (or DATABASE_URL) to PostgreSQL's own address and port, usually 5432.",
      },
    );
  }
}
