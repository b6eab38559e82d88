/** Reports and lists give the other items if one row of the booking view fails, and name that reservation. */
import { expect, onTestFinished, test } from 'vitest';
import { createCancellationReports } from '../../../src/sync/report/cancellation-reports.ts';
import { linksOf } from '../../../src/sync/report/booking-links.ts';
import { createMappingReports } from '../../../src/sync/report/mapping-reports.ts';
import { createReports } from '../../../src/sync/report/reports.ts';
import { createRoomCalendar } from '../../../src/sync/report/room-calendar.ts';
import { createSearch } from '../../../src/sync/report/search.ts';
import { readConflicts } from '../../../src/sync/manual/conflicts.ts';
import pg from 'pg';
import { concernsRows, type Queryable } from '../../../src/database.ts';
import { itemsOf, queryItems } from '../../../src/sync/store/readable-items.ts';
import { createUndo } from '../../../src/sync/manual/undo.ts';
import { spoil } from '../failing-row.ts';
import { at, both, dinner, heard, open, room } from '../two-way-world.ts';

const failing = 'the booking system cannot show this reservation: division by zero (SQLSTATE 22012)';
const window = { pastDays: 7, futureDays: 365 };

/** Two synced reservations in one room; the row of the second one fails from now on. */
async function withFailingRow() {
  const w = await open();
  onTestFinished(() => w[Symbol.asyncDispose]());
  const good = await w.desk.book(101, { title: 'Choir', from: w.day(3, '10:00'), to: w.day(3, '11:00') });
  const bad = await w.desk.book(101, { title: 'Bridge', from: w.day(3, '12:00'), to: w.day(3, '13:00') });
  await w.settle();
  await spoil(w, undefined, `'https://example.org/' || reservation_id AS url`);
  await w.db.query(`ALTER TABLE bb_event DISABLE TRIGGER USER`);
  await w.db.query(`UPDATE bb_event SET name = 'bad' WHERE id = $1`, [bad.id]);
  return { w, good, bad, db: w.db.pool };
}

const mappingOf = async (w: Awaited<ReturnType<typeof open>>, id: unknown) =>
  (await w.db.query<{ id: number }>('SELECT id FROM bridge_mappings WHERE reservation_id = $1', [id]))[0]!.id;

test('the history of a mapping names the row that fails', async () => {
  const { w, good, bad, db } = await withFailingRow();
  const { explain } = createMappingReports(db);
  expect(await explain(await mappingOf(w, bad.id), 10)).toMatchObject({
    mapping: { title: 'Bridge', error_message: failing, hint: expect.stringContaining('bridge_items') },
    standing: { booking: null, outlook: { title: 'Bridge' } },
  });
  expect(await explain(await mappingOf(w, good.id), 10)).toMatchObject({
    mapping: { error_message: null },
    standing: { booking: { title: 'Choir' }, url: `https://example.org/${good.id}` },
  });
});

test('the list of pending items has a new reservation whose row fails', async () => {
  const { w, db } = await withFailingRow();
  await w.db.query(
    `UPDATE bridge_mappings SET sync_status = 'pending', booking_seen = NULL, revision = revision + 1`,
  );
  const { items } = await createReports(db).pending(10, null);
  expect(items.map(({ title, error_message: error }) => [title, error])).toEqual([
    ['Choir', null],
    [null, failing],
  ]);
});

test('the list of pending items reads only new reservations, and only those that it lists', async () => {
  const { w } = await withFailingRow();
  await w.desk.book(101, { title: 'Late', from: w.day(4, '10:00'), to: w.day(4, '11:00') });
  await w.settle();
  await w.db.query(`UPDATE bridge_mappings SET sync_status = 'pending', revision = revision + 1`);
  const reads = async () => {
    const client = await w.db.pool.connect();
    try {
      await client.query(`BEGIN; SET LOCAL track_functions = 'pl'`);
      const { total } = await createReports(client as never).pending(1, null);
      const { rows } = await client.query<{ calls: number }>(
        `SELECT coalesce(sum(calls), 0)::integer AS calls FROM pg_stat_xact_user_functions WHERE funcname = 'bridge_items_of'`,
      );
      return { total, calls: rows[0]!.calls };
    } finally {
      await client.query('ROLLBACK');
      client.release();
    }
  };
  expect(await reads()).toEqual({ total: 3, calls: 0 });
  await w.db.query(`UPDATE bridge_mappings SET booking_seen = NULL, revision = revision + 1`);
  expect(await reads()).toEqual({ total: 3, calls: 1 });
});

test('the calendar of the room shows both', async () => {
  const { db } = await withFailingRow();
  const { items } = await createRoomCalendar(db).read(101, 'day', at(3, '12:00').slice(0, 10));
  expect(items).toMatchObject([
    { state: 'equal', booking: { title: 'Choir' }, message: null },
    { state: 'failed', booking: null, outlook: { title: 'Bridge' }, message: failing },
  ]);
});

test('the calendar shows one without a mapping, which may be of that day', async () => {
  const { w, bad, db } = await withFailingRow();
  await w.db.query('DELETE FROM bridge_mappings WHERE reservation_id = $1', [bad.id]);
  const { items } = await createRoomCalendar(db).read(101, 'day', at(3, '12:00').slice(0, 10));
  expect(items.map(({ reservation_id: id, message }) => [id, message])).toContainEqual([bad.id, failing]);
  expect(items).toHaveLength(2);
});

test.each(['Choir', 'Bridge', 'organiser'])('search finds «%s»', async (words) => {
  const { w, good, bad, db } = await withFailingRow();
  await w.db.query(`UPDATE bb_event SET contact_name = 'The organiser'`);
  const { results } = await createSearch(db).search(words, 10);
  expect(results.map(({ reservation_id: id }) => id)).toContain(words === 'Bridge' ? bad.id : good.id);
});

test('search by number finds one without a mapping', async () => {
  const { w, bad, db } = await withFailingRow();
  await w.db.query('DELETE FROM bridge_mappings WHERE reservation_id = $1', [bad.id]);
  const { results } = await createSearch(db).search(`event/${bad.id}`, 10);
  expect(results).toMatchObject([{ reservation_id: bad.id, resource_id: 101, title: null, status: 'error' }]);
});

test('addresses in the booking system are read one by one', async () => {
  const { good, bad, db } = await withFailingRow();
  const links = await linksOf(
    db,
    [bad, good].map(({ id }) => ({ reservation_type: 'event', reservation_id: id })),
  );
  expect([...links.keys()]).toEqual([`event/${good.id}`]);
});

test('cancellations are counted and checked', async () => {
  const { w, good, bad, db } = await withFailingRow();
  await w.db.query('UPDATE bb_event SET active = 0 WHERE id = $1', [good.id]);
  const { check, detection } = createCancellationReports(db, window);
  expect(await detection()).toMatchObject({ cancelled: 1, reenabled: 0 });
  expect(await check('event', bad.id)).toMatchObject({ exists: true, active: null, title: 'Bridge' });
});

test('a reservation whose row fails does not count as cancelled', async () => {
  await using w = await open();
  const [choir, bridge, chess] = await Promise.all(
    ['10', '12', '14'].map((hour) =>
      w.desk.book(101, { title: hour, from: w.day(3, `${hour}:00`), to: w.day(3, `${hour}:30`) }),
    ),
  );
  await w.settle();
  await spoil(w);
  await w.db.query('ALTER TABLE bb_event DISABLE TRIGGER USER');
  await w.db.query(`UPDATE bb_event SET name = 'bad' WHERE id = ANY ($1)`, [[bridge!.id, chess!.id]]);
  // the list reads the titles of cancelled ones
  await w.db.query('UPDATE bb_event SET active = 0 WHERE id = ANY ($1)', [[choir!.id, chess!.id]]);
  expect(await createCancellationReports(w.db.pool, window).detection()).toMatchObject({ cancelled: 1 });
});

test('the plan of an undo refuses only the reservation whose row fails', async () => {
  const { w, bad, db } = await withFailingRow();
  await w.db.query(
    `INSERT INTO bridge_log (reservation_type, reservation_id, resource_id, action)
     SELECT reservation_type, reservation_id, resource_id, 'deleted' FROM bridge_mappings ORDER BY id`,
  );
  const choice = { since: new Date(0), until: null, resourceId: null, what: ['deleted'] as const };
  const items = await createUndo(db).plan(choice);
  expect(items.map(({ reservation_id: id, refused }) => [id, refused])).toEqual([
    [bad.id, failing],
    [expect.anything(), 'it is active again already'],
  ]);
});

test('the conflicts of the room are listed', async () => {
  const { w, bad, db } = await withFailingRow();
  w.outlook.put(room, dinner({ startsAt: at(3, '09:00'), endsAt: at(3, '09:30'), title: 'Early' }), null);
  await w.db.query('ALTER TABLE bb_event ENABLE TRIGGER USER');
  await heard(w);
  await w.db.query(
    `UPDATE bridge_mappings SET sync_status = 'conflict', conflict = '{"kind": "fields", "fields": ["title"]}' WHERE reservation_id IS NOT NULL`,
  );
  const list = await readConflicts(db, 10, null);
  expect(
    list.map(({ reservation_id: id, booking, message }) => [id, booking?.title, message]),
  ).toContainEqual([bad.id, undefined, failing]);
  expect(list.some(({ booking }) => booking?.title === 'Choir')).toBe(true);
});

test('a failing column that is only a link or a text for people is left out, and the rest of the row is shown', async () => {
  await using w = await open();
  const bad = await w.desk.book(101, { title: 'bad', from: w.day(3, '10:00'), to: w.day(3, '11:00') });
  await w.settle();
  await spoil(w, 'title', `(1 / (length(title) - 3))::text AS url`);
  const { explain } = createMappingReports(w.db.pool);
  expect(await explain(await mappingOf(w, bad.id), 10)).toMatchObject({
    mapping: { error_message: null },
    standing: { booking: { title: 'bad' }, url: null },
  });
  const { items } = await createRoomCalendar(w.db.pool).read(101, 'day', at(3, '12:00').slice(0, 10));
  expect(items).toMatchObject([{ state: 'equal', booking: { title: 'bad' }, message: null }]);
  const { check } = createCancellationReports(w.db.pool, window);
  expect(await check('event', bad.id)).toMatchObject({ exists: true, active: true });
});

test('of a reservation in two rooms, the room whose row can be read is shown', async () => {
  await using w = await open({}, both);
  const choir = await w.desk.book(101, { title: 'Choir', from: w.day(3, '10:00'), to: w.day(3, '11:00') });
  await w.db.query('INSERT INTO bb_event_resource (event_id, resource_id) VALUES ($1, 102)', [choir.id]);
  await w.settle();
  await spoil(w, undefined, `(1 / (resource_id - 102))::text AS state`);
  const read = await w.db.query<{ resource_id: number; unreadable: string | null }>(
    `SELECT i.resource_id, i.unreadable FROM ${itemsOf('i', `'event'`, '$1::bigint', 'NULL')} ORDER BY 1`,
    [choir.id],
  );
  expect(read).toEqual([
    { resource_id: 101, unreadable: null },
    { resource_id: 102, unreadable: 'division by zero (SQLSTATE 22012)' },
  ]);
});

/** A database that refuses every statement. */
function refusing(state: string) {
  const texts: string[] = [];
  const query = (statement: { text: string }) => {
    texts.push(statement.text);
    return Promise.reject(Object.assign(new pg.DatabaseError('refused', 0, 'error'), { code: state }));
  };
  return { texts, db: { query } as unknown as Queryable };
}

test.each([
  ['22012', 2],
  ['23514', 2],
  ['P0001', 2],
  ['57014', 1],
  ['42501', 1],
  ['55P03', 1],
  ['57P01', 1],
  ['42883', 1],
])('after SQLSTATE %s the items are read %s times', async (state, times) => {
  const { texts, db } = refusing(state);
  await expect(queryItems(db, [], ({ all }) => `SELECT FROM ${all}`)).rejects.toMatchObject({ code: state });
  expect(texts).toHaveLength(times);
});

test('the errors of rows are the same ones in TypeScript and in SQL', async () => {
  await using w = await open();
  const states = [
    '08006',
    '0A000',
    '22012',
    '22P02',
    '23505',
    '25006',
    '28000',
    '40001',
    '42501',
    '42601',
    '42703',
    '42883',
  ];
  states.push('42P01', '53300', '55P03', '57014', '57P01', '58000', 'BR001', 'P0001', 'P0002', 'XX000');
  const rows = await w.db.query<{ state: string; concerns: boolean }>(
    'SELECT state, bridge_concerns_rows(state) AS concerns FROM unnest($1::text[]) AS state',
    [states],
  );
  const ours = states.map((state) => ({
    state,
    concerns: concernsRows(Object.assign(new pg.DatabaseError('m', 0, 'error'), { code: state })),
  }));
  expect(ours).toEqual(rows);
});
