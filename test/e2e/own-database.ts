/** A database on a PostgreSQL of its own, for tests that take the server away. */
import type pg from 'pg';
import { openPool } from '../../src/database.ts';
import type { PostgresServer } from '../../src/sandbox/postgres.ts';
import { startTestServer } from '../support/server.ts';
import type { TestDatabase } from '../support/database.ts';
import { fillDatabase } from '../support/templates.ts';

export interface OwnDatabase extends TestDatabase {
  readonly server: PostgresServer;
}

/** Starts the server. A query during an outage fails; the pool is good again afterwards. */
export async function openOwnDatabase(): Promise<OwnDatabase> {
  await using opened = new AsyncDisposableStack();
  // what was committed is there after a crash
  const server = opened.use(await startTestServer({ settings: { synchronous_commit: 'on' } }));
  const { url } = server;
  await fillDatabase('bridge', url);
  const config = { url, ssl: false } as const;
  const pool = openPool(config, 'test', 20);
  opened.defer(() => pool.end());
  const owned = opened.move();
  return {
    server,
    url,
    config,
    pool,
    query: async <Row extends pg.QueryResultRow = pg.QueryResultRow>(
      text: string,
      values: readonly unknown[] = [],
    ) => (await pool.query<Row>(text, [...values])).rows,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
