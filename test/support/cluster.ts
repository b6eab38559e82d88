/**
 * PostgreSQL for a test run: TEST_DATABASE_URL if set, else a container if a Docker engine answers, else the
 * embedded binaries. Nothing starts before the first test asks for a database, so a run without one costs nothing.
 * The template databases are made here, once per run, because only one process may make them.
 */
import { globSync } from 'node:fs';
import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { randomBytes } from 'node:crypto';
import { json } from 'node:stream/consumers';
import pg from 'pg';
import type { TestProject } from 'vitest/node';
import { startTestServer } from './server.ts';
import { keepPristine } from './pristine.ts';
import { fillDatabase, isInstalled, runScripts, type Schema } from './templates.ts';
import { drawnTransitions } from './transitions.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** Where `openTestDatabase` asks for a template: an address of this machine. */
    readonly cluster: string;
  }
}

export interface Template {
  /** Of the server, with the rights to create databases. */
  readonly serverUrl: string;
  readonly template: string;
  /** Ends the CREATE DATABASE that copies it. */
  readonly copying: string;
}

/** Called by vitest before the first test file; what it returns runs after the last. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const run = `bridge_test_${randomBytes(3).toString('hex')}`;
  const opened = new AsyncDisposableStack();
  let server: Promise<string> | undefined;
  let copying: Promise<string> | undefined;
  const templates = new Map<string, Promise<string>>();

  async function template(schema: Schema): Promise<Template> {
    server ??= startServer(opened);
    const serverUrl = await server;
    copying ??= fastestCopy(serverUrl);
    let made = templates.get(schema);
    if (made === undefined)
      templates.set(schema, (made = buildTemplate(serverUrl, `${run}_${templates.size}`, schema)));
    return { serverUrl, template: await made, copying: await copying };
  }

  const seen = new Set<string>();
  const http = createHttpServer((request, response) => {
    // files ask seconds apart: a connection kept between them may be closing when the next one takes it
    response.setHeader('connection', 'close');
    if (request.method === 'POST') {
      void json(request).then((transitions) => {
        for (const transition of transitions as string[]) seen.add(transition);
        response.end();
      });
      return;
    }
    template(decodeURIComponent((request.url ?? '').slice(1)) as Schema).then(
      (answer) => response.end(JSON.stringify(answer)),
      (error: unknown) => {
        response.statusCode = 500;
        response.end(error instanceof Error ? (error.stack ?? error.message) : String(error));
      },
    );
  }).listen(0, '127.0.0.1');
  await once(http, 'listening');
  project.provide('cluster', `http://127.0.0.1:${(http.address() as AddressInfo).port}`);

  return async () => {
    http.close();
    http.closeAllConnections();
    if (server !== undefined) await dropDatabases(await server, run);
    await opened.disposeAsync();
    if (isWhole(project)) reportUnseen(seen);
  };
}

/** Every test ran. */
const isWhole = (project: TestProject): boolean =>
  project.vitest.state.getFiles().length === globSync('test/**/*.test.ts').length &&
  project.vitest.config.testNamePattern === undefined;

/** Some are a matter of timing, so one that is missed fails no run. */
function reportUnseen(seen: ReadonlySet<string>): void {
  const missed = [...drawnTransitions()].filter((transition) => !seen.has(transition));
  if (missed.length > 0)
    process.stderr.write(`docs/states.md draws what no test made this time: ${missed.join(', ')}\n`);
}

async function startServer(opened: AsyncDisposableStack): Promise<string> {
  const given = process.env['TEST_DATABASE_URL'];
  if (given !== undefined && given !== '') return given;
  return (await dockerServer(opened)) ?? opened.use(await startTestServer()).url;
}

async function dockerServer(opened: AsyncDisposableStack): Promise<string | null> {
  if (process.env['DOCKER_HOST'] === undefined && !(await answers('/var/run/docker.sock'))) return null;
  try {
    const { PostgreSqlContainer } = await import('@testcontainers/postgresql');
    const container = await new PostgreSqlContainer('postgres:18')
      .withCommand(['postgres', '-c', 'fsync=off', '-c', 'max_connections=200'])
      // the package's own asks four times a second for as long as the tests run
      .withHealthCheck({
        test: ['CMD', 'pg_isready', '-h', '127.0.0.1', '-U', 'test'],
        interval: 2_000,
        timeout: 2_000,
        retries: 60,
      })
      .start();
    opened.defer(async () => void (await container.stop()));
    return container.getConnectionUri();
  } catch {
    // an engine without the image and without a way to get it: the embedded server does
    return null;
  }
}

async function answers(socketPath: string): Promise<boolean> {
  const socket = connect(socketPath);
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    // nothing listens there
    return false;
  } finally {
    socket.destroy();
  }
}

async function buildTemplate(serverUrl: string, name: string, schema: Schema): Promise<string> {
  await onServer(serverUrl, (client) => client.query(`CREATE DATABASE ${name} TEMPLATE template0`));
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  await fillDatabase(schema, url.href);
  if (isInstalled(schema)) await runScripts(url.href, [keepPristine]);
  // the first session after a change of the tables writes down the catalogs for the later ones, and each copy gets that file
  await runScripts(url.href, []);
  return name;
}

/**
 * Where nothing waits for the disk, copying files costs a fifth of writing every page to the log
 * (https://www.postgresql.org/docs/current/sql-createdatabase.html: STRATEGY, since PostgreSQL 15).
 */
async function fastestCopy(serverUrl: string): Promise<string> {
  return await onServer(serverUrl, async (client) => {
    const { rows } = await client.query<{ fast: boolean }>(`
      SELECT current_setting('server_version_num')::int >= 150000 AND current_setting('fsync') = 'off' AS fast`);
    return rows[0]!.fast ? 'STRATEGY file_copy' : '';
  });
}

async function dropDatabases(serverUrl: string, run: string): Promise<void> {
  await onServer(serverUrl, async (client) => {
    const { rows } = await client.query<{ datname: string }>(
      'SELECT datname FROM pg_database WHERE starts_with(datname, $1)',
      [run],
    );
    for (const { datname } of rows) await client.query(`DROP DATABASE IF EXISTS ${datname} WITH (FORCE)`);
  });
}

/** Runs `work` on a connection of its own to the server. */
export async function onServer<T>(serverUrl: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: serverUrl });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}
