/** The first row of a statement is answered before the statement is complete (`queryEarly`). */
import { expect, test } from 'vitest';
import { queryEarly } from '../../src/database.ts';
import { openTestDatabase } from '../support/database.ts';

const twoRows = (second: string) => `SELECT 'first' AS row UNION ALL SELECT ${second}`;

test('the first row is there while the second one waits, and the end is the commit', async () => {
  await using db = await openTestDatabase({ schema: 'portico' });
  await db.query('CREATE TABLE stored (at integer)');
  await db.query(`CREATE FUNCTION store() RETURNS text LANGUAGE plpgsql AS
    $$ BEGIN PERFORM pg_advisory_xact_lock(4711); INSERT INTO stored VALUES (1); RETURN 'second'; END $$`);
  const [holder, session] = [await db.pool.connect(), await db.pool.connect()];
  try {
    await holder.query('SELECT pg_advisory_lock(4711)');
    const rows: string[] = [];
    const first = Promise.withResolvers<void>();
    const ended = queryEarly<{ row: string }>(
      session,
      { name: 'two', text: twoRows('store()') },
      ({ row }) => {
        rows.push(row);
        first.resolve();
      },
    );
    await first.promise;
    await holder.query('SELECT pg_advisory_unlock(4711)');
    await ended;
    expect([rows, await db.query('SELECT * FROM stored')]).toEqual([['first'], [{ at: 1 }]]);
  } finally {
    holder.release(true);
    session.release(true);
  }
});

test('it rejects if the statement fails after its first row, and the session goes on', async () => {
  await using db = await openTestDatabase({ schema: 'portico' });
  const session = await db.pool.connect();
  try {
    const rows: string[] = [];
    const failing = { name: 'failing', text: twoRows(`(1 / (random() * 0)::integer)::text`), values: [] };
    const ended = queryEarly<{ row: string }>(session, failing, ({ row }) => void rows.push(row));
    await expect(ended).rejects.toMatchObject({ code: '22012' });
    expect(rows).toEqual(['first']);
    expect((await session.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
  } finally {
    session.release(true);
  }
});

test('it rejects if the statement fails at once', async () => {
  await using db = await openTestDatabase({ schema: 'portico' });
  const session = await db.pool.connect();
  try {
    const missing = { name: 'missing', text: 'SELECT * FROM missing', values: [] };
    await expect(queryEarly(session, missing, () => undefined)).rejects.toMatchObject({ code: '42P01' });
  } finally {
    session.release(true);
  }
});
