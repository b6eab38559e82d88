/** With 100,000 rows the view's filters reach the indexes, however the query is written. */
import assert from 'node:assert/strict';
import { afterAll, beforeAll, test } from 'vitest';
import { openTestDatabase, type TestDatabase } from '../support/database.ts';

let db: TestDatabase;

beforeAll(async () => {
  db = await openTestDatabase({ schema: 'bridge' });
  // bulk data without a word to the outbox
  const client = await db.pool.connect();
  try {
    await client.query(`SET session_replication_role = replica;
      INSERT INTO bb_resource (id, name, activity_id) SELECT 2000 + i, 'r' || i, 1 FROM generate_series(1, 200) i;
      CREATE TEMP TABLE slot AS SELECT 10000 + i AS id, '2027-01-01'::timestamp + (i / 200) * interval '1 hour' AS t
        FROM generate_series(1, 100000) i;
      INSERT INTO bb_event (id, activity_id, name, from_, to_, building_name, contact_name, contact_email, contact_phone, secret)
        SELECT id, 1, 'E', t, t + interval '1 hour', 'b', 'c', 'e', 'p', 's' FROM slot;
      INSERT INTO bb_event_resource SELECT id, 2001 + id % 200 FROM slot;
      INSERT INTO bb_booking (id, group_id, season_id, activity_id, from_, to_, secret)
        SELECT id, 1 + id % 3, 1, 1, t, t + interval '1 hour', 's' FROM slot;
      INSERT INTO bb_booking_resource SELECT id, 2001 + id % 200 FROM slot;
      INSERT INTO bb_allocation (id, organization_id, season_id, from_, to_)
        SELECT id, 1 + id % 2, 1, t, t + interval '1 hour' FROM slot;
      INSERT INTO bb_allocation_resource SELECT id, 2001 + id % 200 FROM slot;
      INSERT INTO bridge_mappings (reservation_type, reservation_id, resource_id, outlook_item_id)
        SELECT 'event', id, 2001 + id % 200, 'x' FROM slot;
      RESET session_replication_role`);
  } finally {
    client.release();
  }
  await db.query('ANALYZE');
});
afterAll(() => db[Symbol.asyncDispose]());

/** Tables of the booking system that the plan reads from end to end. */
async function readsWhole(query: string, ...before: readonly string[]): Promise<string[]> {
  const client = await db.pool.connect();
  try {
    for (const statement of before) await client.query(statement);
    const { rows } = await client.query<{ 'QUERY PLAN': string }>(`EXPLAIN ${query}`);
    const plan = rows.map((row) => row['QUERY PLAN']).join('\n');
    assert.match(plan, /Index (Only )?Scan|Bitmap Index Scan|Index Cond/, plan);
    const big = /(?:Seq Scan) on (?:public\.)?(bb_(?:event|booking|allocation)(?:_resource)?)\b/g;
    return [...plan.matchAll(big)].map((match) => match[1]!);
  } finally {
    client.release(true);
  }
}

const byId = `SELECT * FROM bridge_items WHERE reservation_type = $1 AND reservation_id = $2`;
const prepare = `PREPARE by_id (text, bigint) AS ${byId}`;
const byRoom = 'PREPARE by_room (integer) AS SELECT * FROM bridge_items WHERE resource_id = $1';

test('one reservation, by value', async () => {
  for (const type of ['event', 'booking', 'allocation'])
    assert.deepEqual(
      await readsWhole(
        `SELECT * FROM bridge_items WHERE reservation_type = '${type}' AND reservation_id = 20000`,
      ),
      [],
    );
});

test.each(['force_custom_plan', 'force_generic_plan'])(
  'one reservation or one room, by parameter: %s',
  async (mode) => {
    const set = `SET plan_cache_mode = ${mode}`;
    assert.deepEqual(await readsWhole(`EXECUTE by_id ('booking', 20000)`, set, prepare), []);
    assert.deepEqual(await readsWhole('EXECUTE by_room (2050)', set, byRoom), []);
  },
);

test('the reservations of many mappings, each by its own look-up', async () => {
  assert.deepEqual(
    await readsWhole(`SELECT * FROM (SELECT * FROM bridge_mappings WHERE resource_id = 2050 ORDER BY id LIMIT 50) m
      CROSS JOIN LATERAL (SELECT * FROM bridge_items i WHERE i.reservation_type = m.reservation_type
        AND i.reservation_id = m.reservation_id AND i.resource_id = m.resource_id OFFSET 0) i`),
    [],
  );
});

test('a room is found without the optional indexes too, by reading no more than the primary keys', async () => {
  await db.query(
    'DROP INDEX bridge_bb_event_resource_resource_id, bridge_bb_booking_resource_resource_id, bridge_bb_allocation_resource_resource_id',
  );
  const whole = await readsWhole('SELECT * FROM bridge_items WHERE resource_id = 2050');
  assert.deepEqual(
    whole.filter((table) => !table.endsWith('_resource')),
    [],
  );
});

test('the zone is looked up once per query, not once per row', async () => {
  const client = await db.pool.connect();
  try {
    const { rows } = await client.query<{ 'QUERY PLAN': string }>(
      'EXPLAIN (ANALYZE, TIMING OFF) SELECT * FROM bridge_items WHERE resource_id = 2050',
    );
    const plan = rows.map((row) => row['QUERY PLAN']).join('\n');
    const loops = [...plan.matchAll(/bridge_settings.*loops=(\d+)/g)].map((match) => Number(match[1]));
    // one per worker of a parallel plan at most, where a correlated one would have 500
    assert.ok(loops.length > 0 && loops.every((n) => n <= 5), plan);
  } finally {
    client.release();
  }
});
