/**
 * A database per test. It is copied from a template of the run; a test that follows another one gets that one's database,
 * restored (pristine.ts), with its sessions: to plan the program's statements anew costs more than most tests do.
 */
import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { inject } from 'vitest';
import type { DatabaseConfig } from '../../src/config.ts';
import { openPool, openSession, type Database, type OwnSession, type Queryable } from '../../src/database.ts';
import type { Template } from './cluster.ts';
import { freshSession, restorePristine } from './pristine.ts';
import { isInstalled, type Schema } from './templates.ts';
import { drawnTransitions, testsOwn } from './transitions.ts';

export type { Schema } from './templates.ts';

const drawn = drawnTransitions();

/** To create and drop databases. A worker keeps it for all its files: a connection costs a third of a database. */
let keptServer: pg.Pool | undefined;
function serverAt(url: string): pg.Pool {
  // its connections are cut when the last test has ended and the server is gone
  keptServer ??= new pg.Pool({
    connectionString: url,
    max: 2,
    idleTimeoutMillis: 0,
    allowExitOnIdle: true,
  }).on('error', () => undefined);
  return keptServer;
}

export interface TestDatabase extends AsyncDisposable {
  /** Of a superuser. */
  readonly url: string;
  readonly config: DatabaseConfig;
  /** For the program. */
  readonly pool: Database;
  /** The rows of one statement of the test's own. */
  query<Row extends pg.QueryResultRow = pg.QueryResultRow>(
    text: string,
    values?: readonly unknown[],
  ): Promise<Row[]>;
}

interface CopiedDatabase extends TestDatabase {
  /** A session of the program beside the pool, for advisory locks: always the same one. */
  session(): Promise<OwnSession['session']>;
}

/** Opens a database that holds what its template does: `await using db = await openTestDatabase({ schema: 'bridge' })`. */
export async function openTestDatabase({ schema }: { readonly schema: Schema }): Promise<CopiedDatabase> {
  const spare = spares.get(schema) ?? (await copyOf(schema));
  spares.delete(schema);
  const { url, byHand } = spare;
  const config: DatabaseConfig = { url, ssl: false };
  // a copy of a template is an installation of its own
  if (isInstalled(schema))
    await spare.pool.query(
      `UPDATE bridge_settings SET value = bridge_this_database() WHERE name = 'database'`,
    );
  const lent = { isOver: false };
  const pool = borrowed(spare.pool, lent);
  const ownHand = borrowed(byHand, lent);
  const opened = async () => {
    if (spare.beside?.lost.aborted ?? true) spare.beside = await openSession(config, 'test leases');
    return borrowedSession(spare.beside!.session, lent);
  };
  return {
    url,
    config,
    pool,
    session: opened,
    query: async <Row extends pg.QueryResultRow>(text: string, values: readonly unknown[] = []) =>
      (await ownHand.query<Row>(text, [...values])).rows,
    async [Symbol.asyncDispose]() {
      lent.isOver = true;
      const wasEnded = spare.pool.ended;
      const seen = await transitionsIn(byHand, config);
      const restored = isInstalled(schema) && !wasEnded && !spares.has(schema) && (await isRestored(spare));
      if (restored) spares.set(schema, spare);
      else await remove(spare);
      await report(seen);
    },
  };
}

/** A database of a schema and the test process's own connections to it. */
interface Copy {
  readonly url: string;
  readonly name: string;
  readonly server: pg.Pool;
  readonly pool: Database;
  readonly byHand: Database;
  beside: OwnSession | null;
  /** How often it was restored. */
  restored: number;
}

/** Restored ones, for the next test that asks for their schema. */
const spares = new Map<Schema, Copy>();

/** What is deleted stays in the files until it is vacuumed, so a database is not used forever. */
const restoresMost = 50;

async function copyOf(schema: Schema): Promise<Copy> {
  const { serverUrl, template, copying } = await askFor(schema);
  const name = `${template}_${randomBytes(4).toString('hex')}`;
  const server = serverAt(serverUrl);
  await server.query(`CREATE DATABASE ${name} TEMPLATE ${template} ${copying}`);
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  const config: DatabaseConfig = { url: url.href, ssl: false };
  return {
    url: url.href,
    name,
    server,
    pool: openPool(config, 'test', 20, 30_000, 0),
    byHand: openPool(config, testsOwn, 4),
    beside: null,
    restored: 0,
  };
}

async function remove({ name, server, pool, byHand, beside }: Copy): Promise<void> {
  await beside?.close();
  await Promise.all([pool, byHand].map((one) => (one.ended ? undefined : one.end())));
  await server.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
}

/** What the test leaves running cannot reach the database of the next one through what it was lent. */
interface Loan {
  isOver: boolean;
}

const over = () => new Error('the test is over, and its database is gone');

function borrowed(pool: Database, loan: Loan): Database {
  const own = Object.create(pool) as Database;
  const connect = pool.connect.bind(pool) as (answer?: (error: Error) => void) => unknown;
  own.connect = ((answer?: (error: Error) => void) => {
    if (!loan.isOver) return connect(answer);
    return answer === undefined ? Promise.reject(over()) : answer(over());
  }) as Database['connect'];
  // on `own` it would count other clients than the pool does
  own.end = pool.end.bind(pool) as Database['end'];
  return own;
}

type Session = OwnSession['session'];

function borrowedSession(session: Session, loan: Loan): Session {
  const own = Object.create(session) as Session;
  const query = session.query.bind(session) as (...asked: unknown[]) => unknown;
  own.query = ((...asked: unknown[]) =>
    loan.isOver ? Promise.reject(over()) : query(...asked)) as Session['query'];
  return own;
}

/** Makes it as it was, if the test left it so that this is possible. */
async function isRestored(copy: Copy): Promise<boolean> {
  copy.restored += 1;
  if (copy.restored > restoresMost) return false;
  try {
    const pids = [...(await freshened(copy.pool)), ...(await freshened(copy.byHand))];
    if (copy.beside !== null) {
      await copy.beside.session.query(freshSession);
      pids.push(processId(copy.beside.session));
    }
    const { rows } = await copy.byHand.query<{ restored: boolean }>(restorePristine, [pids]);
    return rows[0]!.restored;
  } catch {
    // the test broke it
    return false;
  }
}

/** Closes all connections but the last used ones, which become like new. Returns their process ids on the server. */
async function freshened(pool: Database): Promise<number[]> {
  if (pool.idleCount < pool.totalCount) throw new Error('the test kept a connection');
  const clients = await Promise.all(Array.from({ length: pool.totalCount }, () => pool.connect()));
  const kept = clients.splice(0, 3);
  for (const client of clients) client.release(true);
  return await Promise.all(
    kept.map(async (client) => {
      try {
        await client.query(freshSession);
      } catch (error) {
        client.release(true); // the pool's end waits for each client
        throw error;
      }
      client.release();
      return processId(client);
    }),
  );
}

const processId = (client: pg.ClientBase) => (client as unknown as { readonly processID: number }).processID;

const asked = new Map<Schema, Promise<Template>>();

function askFor(schema: Schema): Promise<Template> {
  let template = asked.get(schema);
  if (template === undefined) asked.set(schema, (template = askOnce(schema)));
  return template;
}

async function askOnce(schema: Schema): Promise<Template> {
  const answer = await fetch(`${inject('cluster')}/${encodeURIComponent(schema)}`);
  const text = await answer.text();
  if (!answer.ok) throw new Error(`The template database '${schema}' could not be made: ${text}`);
  return JSON.parse(text) as Template;
}

/** Nothing where the bridge is not installed, or not any more. Where the test broke its session, on one that no default can break. */
async function transitionsIn(byHand: Database, config: DatabaseConfig): Promise<readonly string[]> {
  try {
    return await readTransitions(byHand);
  } catch {
    const { session, close } = await openSession(config, testsOwn);
    try {
      return await readTransitions(session);
    } finally {
      await close();
    }
  }
}

async function readTransitions(session: Pick<Queryable, 'query'>): Promise<readonly string[]> {
  const { rows } = await session.query<{ there: boolean }>(
    "SELECT to_regclass('transitions.seen') IS NOT NULL AS there",
  );
  if (rows[0]?.there !== true) return [];
  const seen = await session.query<{ transition: string }>('SELECT transition FROM transitions.seen');
  return seen.rows.map(({ transition }) => transition);
}

/** A transition that is not drawn fails the test that made it. */
async function report(seen: readonly string[]): Promise<void> {
  if (seen.length === 0) return;
  await fetch(`${inject('cluster')}/transitions`, { method: 'POST', body: JSON.stringify(seen) });
  const undrawn = seen.filter((transition) => !drawn.has(transition));
  if (undrawn.length > 0) throw new Error(`docs/states.md does not draw ${undrawn.join(', ')}`);
}
