/** How long `migrate` waits for tables that others use. */
import pg from 'pg';
import { afterEach, expect, test, vi } from 'vitest';
import { untilUnlocked } from '../../src/booking/install.ts';
import type { Queryable } from '../../src/database.ts';
import { Retryable } from '../../src/errors.ts';

afterEach(() => vi.restoreAllMocks());

test('many statements that each wait a little are bounded together, and the error says how long it was in all', async () => {
  let now = Date.now();
  vi.spyOn(Date, 'now').mockImplementation(() => now);
  let busy = true;
  const db = {
    async query() {
      if (!busy) return { rows: [] };
      busy = false;
      now += 50_000;
      throw Object.assign(new pg.DatabaseError('canceling statement due to lock timeout', 1, 'error'), {
        code: '55P03',
      });
    },
  } as unknown as Queryable;
  const never = new AbortController().signal;
  const results: string[] = [];
  for (let statement = 1; statement <= 8; statement += 1) {
    busy = true;
    results.push(
      await untilUnlocked(db, `CREATE TRIGGER t${statement}`, () => undefined, never).then(
        () => 'done',
        (error: unknown) => (error instanceof Retryable ? error.message : String(error)),
      ),
    );
  }
  expect(results.slice(0, 6)).toEqual(Array.from({ length: 6 }, () => 'done'));
  expect(results[6]).toBe(
    'CREATE TRIGGER t7: 350 s in all were spent waiting for transactions that use the tables',
  );
});
