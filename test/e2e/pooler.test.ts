/** A connection pooler in front of PostgreSQL: every command and /ready say so, and nothing of ours is left in its sessions. */
import { describe, expect, test } from 'vitest';
import { migrate } from '../../src/cli/migrate.ts';
import { toConfig } from '../../src/config.ts';
import { cli } from '../cli/command-line.ts';
import { openTestDatabase } from '../support/database.ts';
import { openPgbouncer, pgbouncerPath, type Pooling } from '../support/pgbouncer.ts';
import { openProxy, otherProcessId, refusingPooler } from '../support/proxy.ts';
import { startService } from '../support/service.ts';

/** As it comes it refuses our settings; told to ignore them, it is known by the process ids it hands out. */
const poolers = {
  'one that refuses settings of sessions': refusingPooler,
  'one that was told to ignore settings of sessions': async (url: string) => {
    const proxy = await openProxy(url);
    proxy.fromServer = otherProcessId;
    return { url: proxy.through(url), [Symbol.asyncDispose]: () => proxy[Symbol.asyncDispose]() };
  },
  'PgBouncer in transaction mode': real({ mode: 'transaction', ignores: true }),
  'PgBouncer in session mode': real({ mode: 'session', ignores: true }),
  'PgBouncer as it comes': real({ mode: 'transaction', ignores: false }),
};

function real(pooling: Pooling) {
  return (url: string) => openPgbouncer(url, pooling);
}

const environment = (url: string) => ({
  DATABASE_URL: url,
  GRAPH_TENANT_ID: 'example.org',
  GRAPH_CLIENT_ID: 'a',
  GRAPH_CLIENT_SECRET: 'b',
  PORT: '0',
});

const heldHere = `SELECT FROM pg_locks WHERE locktype = 'advisory'
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`;

const names = Object.keys(poolers) as (keyof typeof poolers)[];
const isMissing = (name: string) => name.startsWith('PgBouncer') && pgbouncerPath === null;
if (pgbouncerPath === null)
  process.stderr.write(
    'No PgBouncer is found: the tests with the real one are skipped. Debian: apt install pgbouncer.\n',
  );

describe.each(names)('a pooler: %s', (which) => {
  if (isMissing(which)) return void test.skip('needs pgbouncer, which is not installed on this machine');
  test.each([['migrate'], ['doctor'], ['mappings', 'list'], ['plan']])(
    'is named by `%s`, with the repair',
    async (...command) => {
      await using db = await openTestDatabase({ schema: 'bridge' });
      await using pooler = await poolers[which](db.url);
      const said = await cli(environment(pooler.url), ...command);
      expect(said.code).toBe(1);
      const told = said.out + said.err;
      expect(told).toContain('through a connection pooler (PgBouncer)');
      expect(told).toContain("PostgreSQL's own address and port");
      expect(told).not.toMatch(/prepared statement|does not answer|psql -h/);
    },
  );

  test('takes no migrate: nothing is made, and no lock stays in a session of the pool', async () => {
    await using db = await openTestDatabase({ schema: 'portico' });
    await using pooler = await poolers[which](db.url);
    const config = toConfig(environment(pooler.url));
    const never = new AbortController().signal;
    await expect(migrate(config, () => undefined, never)).rejects.toThrow('connection pooler');
    expect(await db.query(heldHere)).toEqual([]);
    expect(await db.query(`SELECT FROM pg_class WHERE relname LIKE 'bridge\\_%'`)).toEqual([]);
  });

  test('is named by /ready, and the daemon takes no lock through it', async () => {
    await using db = await openTestDatabase({ schema: 'bridge' });
    await using pooler = await poolers[which](db.url);
    const config = toConfig(environment(pooler.url));
    await using service = await startService(
      config,
      async (signal) => (await migrate(config, () => undefined, signal)).wake,
    );
    expect(await service.until(({ fact }) => fact === 'outage')).toMatchObject({
      side: 'booking',
      hint: expect.stringContaining('DB_HOST'),
    });
    expect(await service.call('GET', '/ready')).toMatchObject({
      status: 503,
      body: {
        checks: { database: { ok: false, problems: [expect.stringContaining('connection pooler')] } },
        hint: expect.stringContaining("PostgreSQL's own address"),
      },
    });
    expect(await service.call('GET', '/sync/status')).toMatchObject({
      status: 503,
      body: { error: expect.stringContaining('connection pooler') },
    });
    expect(await db.query(heldHere)).toEqual([]);
    await service.end();
    expect(service.facts.filter(({ fact }) => fact === 'bug')).toEqual([]);
  });
});
