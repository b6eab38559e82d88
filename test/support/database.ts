/** A database per test file, copied from a template of the run in about 20 ms and dropped when it is disposed of. */
import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { inject } from 'vitest';
import type { DatabaseConfig } from '../../src/config.ts';
import { openPool, openSession, type Database, type Queryable } from '../../src/database.ts';
import type { Template } from './cluster.ts';
import type { Schema } from './templates.ts';
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

/** Opens a fresh database: `await using db = await openTestDatabase({ schema: 'bridge' })`. */
export async function openTestDatabase({ schema }: { readonly schema: Schema }): Promise<TestDatabase> {
  const { serverUrl, template, copying } = await askFor(schema);
  const name = `${template}_${randomBytes(4).toString('hex')}`;
  const server = serverAt(serverUrl);
  await server.query(`CREATE DATABASE ${name} TEMPLATE ${template} ${copying}`);
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  const config: DatabaseConfig = { url: url.href, ssl: false };
  const pool = openPool(config, 'test', 20, 30_000, 0);
  const byHand = openPool(config, testsOwn, 4);
  // a copy of a template is an installation of its own
  if (schema === 'bridge' || schema.startsWith('installed '))
    await pool.query(`UPDATE bridge_settings SET value = bridge_this_database() WHERE name = 'database'`);
  return {
    url: url.href,
    config,
    pool,
    query: async <Row extends pg.QueryResultRow>(text: string, values: readonly unknown[] = []) =>
      (await byHand.query<Row>(text, [...values])).rows,
    async [Symbol.asyncDispose]() {
      const seen = await transitionsIn(byHand, config);
      await Promise.all([pool.end(), byHand.end()]);
      await server.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
      await report(seen);
    },
  };
}

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
