/**
 * One connection to the booking system's PostgreSQL. Every session is named after the daemon, speaks UTC, depends on none
 * of the defaults that a DBA may set for a role or a database, and tells the server to notice soon when we are gone, so
 * that our locks are freed. A connection that does not lead to PostgreSQL itself is refused.
 */
import { readFileSync } from 'node:fs';
import { Socket } from 'node:net';
import pg from 'pg';
import type { DatabaseConfig } from './config.ts';
import { Permanent } from './errors.ts';
import { watchConnections } from './half-open.ts';
import { escapeTexts } from './narrow-encoding.ts';

// Settable without superuser rights. Half-open connections end after about 20 s on the server's side. What a DBA sets to
// keep writers out (default_transaction_read_only) is not among them.
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
  // serializable or repeatable read, ours and the clerks' transactions would fail each other
  'default_transaction_isolation=read\\ committed',
  'default_transaction_deferrable=off',
  'statement_timeout=0',
  'lock_timeout=0',
  'idle_session_timeout=0',
  'idle_in_transaction_session_timeout=30s',
  // our statements are short; up to 17 a plan under enable_seqscan=off may cost 1e10 on paper, which asks for compiling
  'jit=off',
  'tcp_keepalives_idle=10',
  'tcp_keepalives_interval=3',
  'tcp_keepalives_count=3',
  'tcp_user_timeout=15s',
];

/** Connection settings for `pg`. `name` shows in pg_stat_activity; `more`: settings of the session, each 'name=value'. */
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

/** The watch over all connections that were made with these settings. */
export function watchOf(config: DatabaseConfig): Watch {
  const known = watches.get(config);
  if (known !== undefined) return known;
  const watch = watchConnections((pids) => askActive(config, pids));
  watches.set(config, watch);
  return watch;
}

const probeMs = 2_000;

/** Of the backends `pids` those that are at work. */
const askActive = (config: DatabaseConfig, pids: readonly number[]): Promise<readonly number[]> =>
  onProbe(config, async (probe) => {
    const { rows } = await probe.query<{ pid: number }>(
      `SELECT pid FROM pg_stat_activity WHERE pid = ANY ($1::integer[]) AND coalesce(state, '') NOT LIKE 'idle%'`,
      [pids],
    );
    return rows.map(({ pid }) => pid);
  });

/**
 * Ends the backend of a connection that was closed in the middle of a statement, should it wait for a lock: it would not notice
 * before it had the lock, and keep until then what it has locked itself. One that works is left to its end. Never rejects.
 */
async function endWaiting(config: DatabaseConfig, pid: number, name: string): Promise<void> {
  await onProbe(config, (probe) =>
    probe.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
       WHERE pid = $1 AND application_name = $2 AND usename = current_user AND wait_event_type = 'Lock'`,
      [pid, name],
    ),
  ).catch(() => undefined); // the server is away, and the backend with it
}

/** Runs `work` on a fresh connection that waits for nothing long. Throws when it does not get through. */
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
    probe.end().catch(() => undefined); // it has said what it had to say
  }
}

/** A client that connects to PostgreSQL itself, and whose connection does not stay half-open for long. */
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
    // a pool listens only once the connection is made: until then a reset would end the process
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
      // missing in the types of pg: the server has answered everything it was asked
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

/** As pg calls back: without a client when there is an error. */
type Connected = (error: Error | null, client?: pg.Client) => void;

/**
 * The process id of the session's backend, and the encoding of its database. Throws Permanent where it is not what the server called itself when the session
 * began: a pooler hands out process ids of its own, and through one that pools transactions LISTEN, advisory locks and
 * prepared statements succeed and are lost, or stay with the client that is served next
 * (https://www.pgbouncer.org/features.html, "SQL feature map for pooling modes").
 */
async function readBackend(client: pg.Client): Promise<Backend> {
  // transaction_timeout: since 17, and an error in the settings of a session before
  const { rows } = await client.query<Backend>(
    `SELECT pg_backend_pid() AS pid, current_setting('server_encoding') AS encoding, CASE WHEN current_setting('transaction_timeout', true) <> '0'
       THEN set_config('transaction_timeout', '0', false) END`,
  );
  const backend = rows[0]!;
  // missing in the types of pg
  if ((client as unknown as { processID: number | null }).processID !== backend.pid) throw new BehindPooler();
  return backend;
}

interface Backend {
  readonly pid: number;
  readonly encoding: string;
}

/**
 * The failure as one of our kinds if a pooler is its reason, else null. PgBouncer refuses the settings of our sessions as it
 * comes; told to ignore them, it is known by its process ids.
 */
export const poolerFailure = (error: unknown): Permanent | null =>
  error instanceof BehindPooler
    ? error
    : error instanceof Error && error.message.startsWith('unsupported startup parameter')
      ? new BehindPooler(` (it says: ${error.message})`)
      : null;

class BehindPooler extends Permanent {
  constructor(said = '') {
    super(
      `a connection pooler (PgBouncer) stands between us and PostgreSQL, and LISTEN and our locks do not pass it${said}`,
      {
        reach: 'side',
        hint: "Set DB_HOST and DB_PORT (or DATABASE_URL) to PostgreSQL's own address and port, usually 5432.",
      },
    );
  }
}
