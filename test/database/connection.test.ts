/** Connections of the pool that break while they are in use, and statements that are given up. */
import { expect, test } from 'vitest';
import { databaseFailure, inTransaction, onConnection, openPlanPool, openPool } from '../../src/database.ts';
import { Retryable } from '../../src/errors.ts';
import { underFoldLock } from '../../src/sync/manual/requests.ts';
import { openTestDatabase, type TestDatabase } from '../support/database.ts';
import { openProxy } from '../support/proxy.ts';
import { untilTrue } from '../support/until.ts';

/** Ends the backend of another connection, as a restart of the server does. */
const kill = (db: TestDatabase, pid: number) => db.query('SELECT pg_terminate_backend($1, 5000)', [pid]);

test('a connection that breaks between two statements of a transaction fails that transaction and nothing else', async () => {
  await using db = await openTestDatabase({ schema: 'portico' });
  const pids: number[] = [];
  const cut = inTransaction(db.pool, async (client) => {
    const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
    pids.push(rows[0]!.pid);
    await kill(db, rows[0]!.pid);
    await client.query('SELECT 1');
  });
  await expect(cut).rejects.toThrow(/terminat|not queryable/i);
  const again = await db.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
  expect(pids).not.toContain(again[0]!.pid);
});

test('a connection that breaks while it is idle is thrown away', async () => {
  await using db = await openTestDatabase({ schema: 'portico' });
  const pid = await onConnection(db.pool, async (client) => {
    const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
    const ended = new Promise((resolve) => client.once('end', resolve));
    await kill(db, rows[0]!.pid);
    await ended;
    return rows[0]!.pid;
  });
  const pids = await Promise.all(
    Array.from({ length: 5 }, () => db.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')),
  );
  expect(pids.flat().map((row) => row.pid)).not.toContain(pid);
});

test('a pool that began while the database took no writes takes them again once the default is lifted', async () => {
  await using db = await openTestDatabase({ schema: 'portico' });
  const alter = (change: string) =>
    db.query(
      `DO $$ BEGIN SET transaction_read_only = off; EXECUTE format('ALTER DATABASE %I ${change}', current_database()); END $$`,
    );
  await alter('SET default_transaction_read_only = on');
  const pool = openPool(db.config, 'a test', 1);
  const write = () => inTransaction(pool, (client) => client.query('UPDATE bb_resource SET sort = sort'));
  await expect(write()).rejects.toMatchObject({ code: '25006' });
  await alter('RESET default_transaction_read_only');
  await write();
  await pool.end();
});

test('a connection that breaks as it is made fails what waits for it, and never ends the process', async () => {
  await using db = await openTestDatabase({ schema: 'empty' });
  await using proxy = await openProxy(db.url);
  const pool = openPool({ ...db.config, url: proxy.through(db.url) }, 'a test', 1);
  const thrown: unknown[] = [];
  const note = (error: unknown) => void thrown.push(error);
  // the first question on each new connection
  proxy.fromClient = (chunk) => {
    if (chunk.includes('pg_backend_pid')) throw new Error('it is reset');
    return chunk;
  };
  process.on('uncaughtException', note);
  try {
    await expect(pool.query('SELECT 1')).rejects.toThrow(/ECONNRESET|terminated/);
    proxy.fromClient = (chunk) => chunk;
    expect((await pool.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
  } finally {
    process.off('uncaughtException', note);
    await pool.end();
  }
  expect(thrown).toEqual([]);
});

test('a statement that is given up while it waits for a lock keeps nothing locked', async () => {
  await using db = await openTestDatabase({ schema: 'portico' });
  const pool = openPool(db.config, 'a test', 1, 300);
  const lock = (resource: number) => `SELECT FROM bb_resource WHERE id = ${resource} FOR UPDATE`;
  await inTransaction(db.pool, async (other) => {
    await other.query(lock(101));
    const waiting = inTransaction(pool, async (client) => {
      await client.query(lock(102));
      await client.query(lock(101));
    });
    await expect(waiting).rejects.toThrow('Query read timeout');
    // 101 is taken as before: the statement would wait for as long as this transaction lasts
    await db.query(lock(102));
  });
  await pool.end();
});

test('a statement that is given up while it works is left to its end', async () => {
  await using db = await openTestDatabase({ schema: 'portico' });
  const pool = openPool(db.config, 'a test', 1, 300);
  const slow = pool.query('UPDATE bb_resource SET sort = 77 FROM pg_sleep(2) WHERE id = 101');
  await expect(slow).rejects.toThrow('Query read timeout');
  await untilTrue(db, 'EXISTS (SELECT FROM bb_resource WHERE id = 101 AND sort = 77)');
  await pool.end();
});

test.each([
  [
    'a row',
    'SELECT FROM bridge_settings FOR UPDATE',
    'UPDATE bridge_settings SET value = value',
    'has locked a row',
  ],
  ['a table', 'LOCK TABLE bridge_settings', 'SELECT FROM bridge_settings', 'for example of LOCK TABLE'],
  ['the lock of the fold', 'SELECT bridge_lock_for_fold()', null, 'works on the same items'],
])('a wait for %s that is too long is answered with its cause', async (_, theirs, ours, cause) => {
  await using db = await openTestDatabase({ schema: 'bridge' });
  const pool = openPool(db.config, 'a test', 1, 30_000, 20);
  const failure = await inTransaction(db.pool, async (client) => {
    await client.query(theirs);
    const waiting = ours === null ? underFoldLock(pool, () => Promise.resolve()) : pool.query(ours);
    return await waiting.then(null, (error: unknown) => databaseFailure(error, 'a test'));
  });
  expect(failure).toMatchObject({ name: 'Retryable', hint: expect.stringContaining(cause) });
  await pool.end();
});

test('the sessions of requests, commands and plans wait for locks as long as each other', async () => {
  await using db = await openTestDatabase({ schema: 'empty' });
  for (const pool of [openPool(db.config, 'a test', 1), openPlanPool(db.config, 'a plan', 1)]) {
    expect((await pool.query('SHOW lock_timeout')).rows).toEqual([{ lock_timeout: '5s' }]);
    await pool.end();
  }
});

test.each([
  ['certificate has expired', 'CERT_HAS_EXPIRED'],
  ['unable to verify the first certificate', 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'],
  ['self-signed certificate', 'DEPTH_ZERO_SELF_SIGNED_CERT'],
  ["Hostname/IP does not match certificate's altnames", 'ERR_TLS_CERT_ALTNAME_INVALID'],
  ['The server does not support SSL connections', undefined],
])('%s: an outage that names the settings of TLS, and no bug', (message, code) => {
  const failure = databaseFailure(
    Object.assign(new Error(message), code === undefined ? {} : { code }),
    'start',
  );
  expect(failure).toBeInstanceOf(Retryable);
  expect(failure).toMatchObject({ reach: 'side', hint: expect.stringContaining('DB_SSL_CA') });
});
