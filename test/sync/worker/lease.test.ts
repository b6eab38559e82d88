import { expect, test } from 'vitest';
import { toConfig } from '../../../src/config.ts';
import { openLease } from '../../../src/daemon/lease-session.ts';
import { openSession } from '../../../src/database.ts';
import { underLease } from '../../../src/sync/worker/lease.ts';
import { openTestDatabase } from '../../support/database.ts';
import { openProxy, otherProcessId } from '../../support/proxy.ts';

/** The rooms' leases of this database; pg_locks shows those of the whole server. */
const heldHere = `SELECT FROM pg_locks WHERE locktype = 'advisory' AND classid = 7230911
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`;

test('behind a pooler no daemon gets a session, so none takes a lease that would belong to the next client', async () => {
  await using db = await openTestDatabase({ schema: 'bridge' });
  await using proxy = await openProxy(db.url);
  proxy.fromServer = otherProcessId;
  const url = proxy.through(db.url);
  await expect(openSession({ url, ssl: false }, 'a command')).rejects.toThrow('pooler');
  const config = toConfig({
    DATABASE_URL: url,
    GRAPH_TENANT_ID: 'example.org',
    GRAPH_CLIENT_ID: 'a',
    GRAPH_CLIENT_SECRET: 'b',
  });
  await expect(openLease(config, 'a daemon')).rejects.toMatchObject({
    message: expect.stringContaining('pooler'),
    hint: expect.stringContaining('DB_HOST'),
  });
});

test('on a direct connection the work is done, and the lease given back', async () => {
  await using db = await openTestDatabase({ schema: 'bridge' });
  const own = await openSession(db.config, 'a command');
  const held = () => db.query(heldHere);
  const locks = await underLease(own.session, 1, new AbortController().signal, held);
  expect(locks).toHaveLength(1);
  expect(await held()).toEqual([]);
  await own.close();
});
