/** What the brake counts, over rooms that count at the same time, and of what is gone on both sides. */
import { expect, test } from 'vitest';
import { day } from '../support/dates.ts';
import { openTestDatabase, type TestDatabase } from '../support/database.ts';

const rooms = 16;
const perRoom = 3;

/** Rooms 1001 and on, each with reservations that Outlook shows. */
async function openShown() {
  const db = await openTestDatabase({ schema: 'bridge' });
  await db.query(
    `INSERT INTO bb_resource (id, name, activity_id, rescategory_id, sort)
     SELECT 1000 + n, 'Room ' || n, 3, 1, 1 FROM generate_series(1, $1::int) n`,
    [rooms],
  );
  await db.query(
    `INSERT INTO bridge_resource_mappings (resource_id, outlook_item_id, active)
     SELECT 1000 + n, 'room-' || n || '@bergen.example', 1 FROM generate_series(1, $1::int) n`,
    [rooms],
  );
  await db.query(
    `WITH e AS (INSERT INTO bb_event (activity_id, name, from_, to_, building_name, contact_name, contact_email, contact_phone, secret)
       SELECT 1, 'Meeting', $1, $2, 'x', 'x', 'x', 'x', 'x' FROM generate_series(1, $3::int) RETURNING id)
     INSERT INTO bb_event_resource (event_id, resource_id) SELECT id, 1001 + id % $4::int FROM e`,
    [day(2, '08:00'), day(2, '09:00'), rooms * perRoom, rooms],
  );
  await db.query(
    `INSERT INTO bridge_mappings (reservation_type, reservation_id, resource_id, outlook_item_id, outlook_event_id, sync_status,
       starts_at, ends_at, present)
     SELECT i.reservation_type, i.reservation_id, i.resource_id, r.outlook_item_id, 'event-' || i.reservation_id, 'synced',
       i.starts_at, i.ends_at, true FROM bridge_items i JOIN bridge_resource_mappings r USING (resource_id)`,
  );
  return db;
}

const lose = (db: TestDatabase, room: number) =>
  db.query("UPDATE bridge_mappings SET outlook_news = 'gone' WHERE resource_id = $1", [room]);

/** How much all rooms together would remove, as this one is told. */
const countIn = async (db: TestDatabase, room: number) =>
  (
    await db.query<{ removing: number }>('SELECT all_removing AS removing FROM bridge_count_removals($1)', [
      room,
    ])
  )[0]!.removing;

test('of rooms that count at the same time each is told of all that were told before', async () => {
  await using db = await openShown();
  const counts = await Promise.all(
    Array.from({ length: rooms }, async (_, n) => {
      await lose(db, 1001 + n);
      return await countIn(db, 1001 + n);
    }),
  );
  counts.sort((a, b) => a - b);
  expect(counts.filter((count, place) => count < (place + 1) * perRoom)).toEqual([]);
  expect(counts.at(-1)).toBe(rooms * perRoom);
});

test('what is gone on both sides before anybody has looked is no removal', async () => {
  await using db = await openShown();
  await lose(db, 1001);
  await db.query('DELETE FROM bb_event_resource WHERE resource_id = 1001');
  expect(await countIn(db, 1001)).toBe(0);
});

test('a removal that a transaction has locked holds up no count of another room', async () => {
  await using db = await openShown();
  await lose(db, 1001);
  await lose(db, 1002);
  expect(await countIn(db, 1001)).toBe(2 * perRoom);
  const person = await db.pool.connect();
  await person.query('BEGIN');
  await person.query('SELECT FROM bridge_removals WHERE resource_id = 1001 FOR UPDATE');
  expect(await countIn(db, 1002)).toBe(2 * perRoom);
  await person.query('ROLLBACK');
  person.release();
});
