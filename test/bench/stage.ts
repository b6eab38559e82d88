/** What the measurements stand on: a PostgreSQL with a real disk's manners, an accepting Graph, daemons as processes. */
import { fork, type ChildProcess, type Serializable } from 'node:child_process';
import { once } from 'node:events';
import pg from 'pg';
import { request } from 'undici';
import type { Environment } from '../../src/settings.ts';
import { openPool, type Database, type Queryable } from '../../src/database.ts';
import { startPostgres } from '../../src/sandbox/postgres.ts';
import { fillDatabase } from '../support/templates.ts';
import type { Accepted, Count } from './accepting-server.child.ts';

/** Ids of the rooms that `openBridge` maps: 1001, 1002, … */
export const firstRoom = 1_001;

export interface AcceptingServer extends AsyncDisposable {
  readonly origin: string;
  /** Called for each numbered subject. */
  onAccepted: (accepted: Accepted) => void;
  count(): Promise<Count>;
  /** Begins counting requests anew. */
  reset(): Promise<void>;
  /** This mailbox, and no other, is throttled from now on; '': none. */
  throttle(mailbox: string): Promise<void>;
}

/** Starts `accepting-server.child.ts`. */
export async function startAcceptingServer(env: Environment = {}): Promise<AcceptingServer> {
  const { child, first } = await forkChild('accepting-server.child.ts', env);
  const { origin } = first as { origin: string };
  const post = async (path: string) =>
    void (await (await request(origin + path, { method: 'POST' })).body.dump());
  const started: AcceptingServer = {
    origin,
    onAccepted: () => undefined,
    count: async () => (await (await request(`${origin}/_count`)).body.json()) as Count,
    reset: () => post('/_count'),
    throttle: (mailbox) => post(`/_throttle/${encodeURIComponent(mailbox)}`),
    [Symbol.asyncDispose]: () => end(child),
  };
  child.on('message', (accepted) => started.onAccepted(accepted as Accepted));
  return started;
}

export interface Bridge extends AsyncDisposable {
  readonly url: string;
  readonly pool: Database;
  readonly serverUrl: string;
}

/** A PostgreSQL server with these settings. */
export const startServer = (settings: Readonly<Record<string, string>>) => startPostgres({ settings });

/** A server and a database of PorticoEstate's with the bridge in it and so many mapped rooms. */
export async function openBridge(
  rooms: number,
  settings: Readonly<Record<string, string>> = {},
): Promise<Bridge> {
  await using opened = new AsyncDisposableStack();
  const server = opened.use(await startServer({ ...diskSettings, ...settings }));
  const url = await addDatabase(server.url, 'bridge', 'bridge');
  const pool = openPool({ url, ssl: false }, 'bench', 8);
  opened.defer(() => pool.end());
  await addRooms(pool, rooms);
  const owned = opened.move();
  return { url, pool, serverUrl: server.url, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** A server that keeps what it says it has. */
export const diskSettings = {
  fsync: 'on',
  synchronous_commit: 'on',
  full_page_writes: 'on',
  shared_buffers: '256MB',
  max_wal_size: '4GB',
};

/** From now on each flush of the server's WAL sleeps for so many microseconds: most disks are slower than the one that measures. */
export async function slowDisk(pool: Database, us: number): Promise<void> {
  await pool.query(`ALTER SYSTEM SET commit_siblings = '0'`);
  await pool.query(`ALTER SYSTEM SET commit_delay = '${us}'`);
  await pool.query('SELECT pg_reload_conf()');
  await pause(100); // each backend reads the settings when it is next idle
}

/** Another database on the same server, so that both sides of a ratio share it. */
export async function addDatabase(
  serverUrl: string,
  name: string,
  schema: 'portico' | 'bridge',
): Promise<string> {
  const client = new pg.Client({ connectionString: serverUrl });
  await client.connect();
  await client.query(`CREATE DATABASE ${name}`);
  await client.end();
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  await fillDatabase(schema, url.href, false);
  return url.href;
}

/** Maps so many rooms, and makes `bookEvents` possible. */
export async function addRooms(pool: Database, rooms: number): Promise<void> {
  await pool.query(booking);
  await addResources(pool, rooms);
  await pool.query(
    `INSERT INTO bridge_resource_mappings (resource_id, outlook_item_id, outlook_item_name)
     SELECT $1::int + n, 'room-' || n || '@bench.example', 'Room ' || n FROM generate_series(0, $2::int - 1) n`,
    [firstRoom, rooms],
  );
}

/** Adds so many rooms to PorticoEstate's tables. */
export const addResources = (db: Queryable, rooms: number) =>
  db.query(
    `INSERT INTO bb_resource (id, name, activity_id, rescategory_id, sort)
     SELECT $1::int + n, 'Room ' || n, 3, 1, 1 FROM generate_series(0, $2::int - 1) n`,
    [firstRoom, rooms],
  );

/**
 * Books so many events, one after the other as clerks do (the event, then its room), in one transaction; none lies on
 * top of another. Returns the first id.
 */
export async function bookEvents(pool: Database, count: number, rooms: number): Promise<number> {
  const { rows } = await pool.query<{ id: number }>(`SELECT bench_book($1, $2, $3) AS id`, [
    count,
    rooms,
    firstRoom,
  ]);
  return rows[0]!.id;
}

const booking = `
  CREATE FUNCTION bench_book(many integer, rooms integer, first_room integer) RETURNS integer LANGUAGE plpgsql AS $book$
  DECLARE
    first integer;
    made integer;
    begins timestamp;
  BEGIN
    FOR n IN 1 .. many LOOP
      SELECT now()::date + 2 + made_before / rooms % 300 + made_before / rooms / 300 * interval '30 minutes' INTO begins
      FROM (SELECT coalesce(max(id), 0) AS made_before FROM bb_event) b;
      INSERT INTO bb_event (activity_id, name, from_, to_, building_name, contact_name, contact_email, contact_phone, secret)
      VALUES (1, 'Møte ' || n, begins, begins + interval '20 minutes', 'x', 'x', 'x', 'x', 'x') RETURNING id INTO made;
      INSERT INTO bb_event_resource (event_id, resource_id) VALUES (made, first_room + made % rooms);
      first := coalesce(first, made);
    END LOOP;
    RETURN first;
  END $book$`;

/** The daemon's environment on this stage. `graph`: origin of an accepting server. */
export const environmentOf = (bridge: Pick<Bridge, 'url'>, graph: string): Environment => ({
  DATABASE_URL: bridge.url,
  GRAPH_TENANT_ID: '00000000-0000-0000-0000-000000000000',
  GRAPH_CLIENT_ID: 'bench',
  GRAPH_CLIENT_SECRET: 'secret',
  GRAPH_BASE_URL: `${graph}/v1.0`,
  GRAPH_AUTHORITY: graph,
  PORT: '0',
  LOG_LEVEL: 'silent',
});

export interface BenchDaemon extends AsyncDisposable {
  readonly child: ChildProcess;
  /** As in `lease_owner`. */
  readonly replica: string;
  kill(): Promise<void>;
}

/** As `main.ts` restarts itself. */
const startFlags = ['--max-semi-space-size=2', '--heap-growing-percent=20'];
const startEnvironment = { MALLOC_ARENA_MAX: '1' };

/** Starts `bench-daemon.child.ts` as `npm start` does; resolves when it hears. */
export async function startDaemon(env: Environment): Promise<BenchDaemon> {
  const { child, first } = await forkChild(
    'bench-daemon.child.ts',
    { ...env, ...startEnvironment },
    startFlags,
  );
  return {
    child,
    replica: (first as { replica: string }).replica,
    kill: async () => {
      child.kill('SIGKILL');
      await gone(child);
    },
    [Symbol.asyncDispose]: () => end(child),
  };
}

/** Starts a program of this folder; resolves with its first message. It ends when its channel to us closes. */
export async function forkChild(
  file: string,
  env: Environment,
  execArgv: readonly string[] = [],
): Promise<{ child: ChildProcess; first: Serializable }> {
  const child = fork(new URL(file, import.meta.url), {
    env: { PATH: process.env['PATH'] ?? '', ...env },
    execArgv: [...execArgv],
  });
  const [first] = (await Promise.race([
    once(child, 'message'),
    once(child, 'exit').then(([code]) => {
      throw new Error(`${file} ended with ${code}`);
    }),
  ])) as [Serializable];
  return { child, first };
}

const gone = async (child: ChildProcess) => {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
};

async function end(child: ChildProcess): Promise<void> {
  if (child.connected) child.disconnect();
  await gone(child);
}

/** SQL: a mapping for each reservation in a mapped room, on which both sides agree. */
export const agreeOnAll = `
  INSERT INTO bridge_mappings (reservation_type, reservation_id, resource_id, outlook_item_id, outlook_event_id,
    sync_status, starts_at, ends_at, agreement, booking_base, booking_seen, outlook_base)
  SELECT i.reservation_type, i.reservation_id, i.resource_id, r.outlook_item_id, 'filled-' || i.reservation_id, 'synced',
    i.starts_at, i.ends_at, 'agreed', s.state, s.state, s.state
  FROM bridge_items i JOIN bridge_resource_mappings r USING (resource_id),
    LATERAL (SELECT bridge_item_state(i.starts_at, i.ends_at, i.all_day, i.title, i.description, i.is_private) AS state) s`;

/**
 * Looks until nothing is due and nobody works, `everyMs`: a look takes longer than the work on an item when there are many.
 */
export async function settled(pool: Database, everyMs = 10): Promise<void> {
  for (;;) {
    const { rows } = await pool.query<{ busy: boolean }>(`
      SELECT EXISTS (SELECT FROM bridge_changes) OR EXISTS (SELECT FROM bridge_mappings WHERE due_at IS NOT NULL)
        OR EXISTS (SELECT FROM bridge_room_state WHERE push_due_at IS NOT NULL OR lease_owner IS NOT NULL
                   OR baselined_at IS NULL OR reconciled_at IS NULL) AS busy`);
    if (!rows[0]!.busy) return;
    await pause(everyMs);
  }
}

export const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
