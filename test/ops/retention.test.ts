import { expect, test } from 'vitest';
import { forgetLog } from '../../src/ops/retention.ts';
import { openTestDatabase } from '../support/database.ts';

const never = new AbortController().signal;

async function openLog(old: number, young: number) {
  const db = await openTestDatabase({ schema: 'bridge' });
  await db.query(
    `INSERT INTO bridge_log (at, action) SELECT now() - interval '91 days', 'created' FROM generate_series(1, $1)`,
    [old],
  );
  await db.query(
    `INSERT INTO bridge_log (at, action) SELECT now() - interval '89 days', 'updated' FROM generate_series(1, $1)`,
    [young],
  );
  return db;
}
const lines = async (db: Awaited<ReturnType<typeof openLog>>) =>
  (
    await db.query<{ action: string; n: number }>(
      'SELECT action, count(*) AS n FROM bridge_log GROUP BY action ORDER BY action',
    )
  ).map(({ action, n }) => `${n} ${action}`);

test('what is older than its days is forgotten, in batches, and nothing else', async () => {
  await using db = await openLog(12_001, 7);
  expect(await forgetLog(db.pool, 90, never)).toBe(12_001);
  expect(await lines(db)).toEqual(['7 updated']);
});

test('with 0 days nothing is forgotten', async () => {
  await using db = await openLog(5, 5);
  expect(await forgetLog(db.pool, 0, never)).toBe(0);
  expect(await lines(db)).toEqual(['5 created', '5 updated']);
});

test('a daemon that stops leaves the rest for the next time', async () => {
  await using db = await openLog(12_001, 0);
  const stopping = new AbortController();
  const cut = {
    query: async (...args: unknown[]) => (
      stopping.abort(),
      Reflect.apply(db.pool.query, db.pool, args) as unknown
    ),
  };
  expect(await forgetLog(cut as unknown as typeof db.pool, 90, stopping.signal)).toBe(5_000);
  expect(await forgetLog(db.pool, 90, never)).toBe(7_001);
});
