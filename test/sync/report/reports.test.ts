import { expect, test } from 'vitest';
import { createActivity } from '../../../src/sync/report/activity.ts';
import { createMappingReports } from '../../../src/sync/report/mapping-reports.ts';
import { createReports } from '../../../src/sync/report/reports.ts';
import { createRoomReports } from '../../../src/sync/report/room-reports.ts';
import { openRooms } from '../bench-of-rooms.ts';

test('an empty installation has reports too', async () => {
  await using rooms = await openRooms({});
  const reports = createReports(rooms.db.pool);
  expect(await reports.pending(50, null)).toEqual({ total: 0, items: [] });
  expect((await reports.statistics()).total_mappings).toBe(0);
  expect(await reports.latency()).toEqual({
    count: 0,
    backfilled: 0,
    p50_ms: null,
    p95_ms: null,
    p99_ms: null,
  });
  expect(await reports.queue()).toEqual({
    outbox_rows: 0,
    due: 0,
    unfolded: 0,
    oldest_ms: null,
    rooms: { ok: 0, waiting: 0, refused: 0, held: 0 },
    backfill: { total: 0, done: 0 },
    conflicts: 0,
    held: 0,
    replicas: 0,
    alerts: { critical: 0, warning: 0 },
  });
  expect(await createRoomReports(rooms.db.pool).list()).toEqual([]);
});

test('the latency is that of the last hour, backfills left out', async () => {
  await using rooms = await openRooms();
  await rooms.db.query(`INSERT INTO bridge_log (action, latency_ms, at)
    SELECT 'created', n, now() FROM generate_series(1, 100) n
    UNION ALL SELECT 'created', NULL, now() UNION ALL SELECT 'created', 99999, now() - interval '61 minutes'`);
  expect(await createReports(rooms.db.pool).latency()).toEqual({
    count: 100,
    backfilled: 1,
    p50_ms: 50.5,
    p95_ms: 95.1,
    p99_ms: 99,
  });
});

test('the queue tells the age of the oldest change, in the outbox or folded, and how far a backfill is', async () => {
  await using rooms = await openRooms();
  await rooms.db.query('ALTER TABLE bb_event_resource DISABLE TRIGGER USER');
  for (let day = 1; day <= 20; day += 1)
    await rooms.desk.book(101, { from: rooms.day(day, '10:00'), to: rooms.day(day, '11:00') });
  await rooms.db.query('TRUNCATE bridge_changes');
  const [taken] = (await rooms.take()).rooms;
  await rooms.db.query('SELECT bridge_reconcile($1, $2, 7, 365)', [taken!.id, taken!.epoch]);
  await rooms.db.query(`UPDATE bridge_mappings SET due_at = NULL WHERE id <= 5`);
  await rooms.db.query(`INSERT INTO bridge_changes (reservation_type, reservation_id, changed_at)
    VALUES ('event', 1000, now() - interval '5 seconds')`);
  const queue = await createReports(rooms.db.pool).queue();
  expect(queue).toMatchObject({ outbox_rows: 1, due: 15, backfill: { total: 20, done: 5 } });
  expect(queue.oldest_ms).toBeGreaterThanOrEqual(5_000);
  expect(queue.oldest_ms).toBeLessThan(60_000);
  expect(await createRoomReports(rooms.db.pool).find(101)).toMatchObject({
    due: 15,
    working: true,
    backfill: { total: 20, done: 5 },
  });
});

test('of a resource with several rows the active one is found', async () => {
  await using rooms = await openRooms();
  await rooms.db.query('UPDATE bridge_resource_mappings SET active = 0');
  await rooms.db.query(
    `INSERT INTO bridge_resource_mappings (resource_id, outlook_item_id) VALUES (101, 'new@example.org')`,
  );
  await rooms.db.query(
    `INSERT INTO bridge_resource_mappings (resource_id, outlook_item_id, active) VALUES (101, 'old@example.org', 0)`,
  );
  const reports = createRoomReports(rooms.db.pool);
  expect(await reports.find(101)).toMatchObject({ outlook_item_id: 'new@example.org', active: 1 });
  expect((await reports.list()).map((room) => room.active)).toEqual([1, 0, 0]);
  expect(await reports.find(7)).toBeNull();
});

test('pending items of rooms that are off are not listed, and a re-enabled reservation is', async () => {
  await using rooms = await openRooms({ 101: 'a@example.org', 102: 'b@example.org' });
  const event = await rooms.desk.book(101, {
    title: 'Høring',
    from: rooms.day(1, '10:00'),
    to: rooms.day(1, '11:00'),
  });
  await rooms.settle();
  await rooms.desk.cancel(event);
  await rooms.settle();
  await rooms.desk.reenable(event);
  await rooms.desk.book(102, { from: rooms.day(1, '10:00'), to: rooms.day(1, '11:00') });
  await rooms.fold();
  await rooms.db.query('UPDATE bridge_resource_mappings SET active = 0 WHERE resource_id = 102');
  const { items, total } = await createReports(rooms.db.pool).pending(50, null);
  expect(total).toBe(1);
  expect(items).toMatchObject([{ reservation_id: event.id, resource_id: 101, title: 'Høring' }]);
});

test('a conflict is not counted any more when its room is taken away', async () => {
  await using rooms = await openRooms();
  await rooms.db
    .query(`INSERT INTO bridge_mappings (reservation_type, reservation_id, resource_id, outlook_item_id, sync_status, conflict)
    VALUES ('event', 1, 101, 'a', 'conflict', '{"kind": "fields"}'), ('event', 2, 101, 'a', 'error', NULL)`);
  const counts = async () => (await createReports(rooms.db.pool).statistics()).summary;
  expect(await counts()).toMatchObject({ conflict: 1, error: 1 });
  await rooms.db.query('UPDATE bridge_resource_mappings SET active = 0');
  expect(await counts()).toMatchObject({ conflict: 0, error: 1 });
});

test('an event that waits is not listed any more when the days that are kept equal have left it behind', async () => {
  await using rooms = await openRooms();
  await rooms.settle();
  await rooms.db
    .query(`INSERT INTO bridge_mappings (resource_id, outlook_item_id, outlook_event_id, sync_status, waits_for, starts_at, ends_at)
    SELECT r.resource_id, r.outlook_item_id, 'event-' || days, 'imported', 'answer', now() + days * interval '1 day', now() + (days + 0.1) * interval '1 day'
    FROM bridge_resource_mappings r, unnest(ARRAY[-30, 3]) days`);
  await rooms.db.query('UPDATE bridge_room_state SET reconciled_at = NULL, push_due_at = now()');
  await rooms.settle();
  expect(await rooms.db.query('SELECT outlook_event_id AS id FROM bridge_mappings')).toEqual([
    { id: 'event-3' },
  ]);
});

test('a reservation cancelled because of its event is listed with its title, also while the adapter is detached', async () => {
  await using rooms = await openRooms();
  const event = await rooms.desk.book(101, {
    title: 'Høring',
    from: rooms.day(1, '10:00'),
    to: rooms.day(1, '11:00'),
  });
  await rooms.db.query(
    `WITH m AS (INSERT INTO bridge_mappings (reservation_type, reservation_id, resource_id, outlook_item_id, sync_status)
       VALUES ('event', $1, 101, 'a', 'cancelled') RETURNING *)
     INSERT INTO bridge_log (action, mapping_id, reservation_type, reservation_id, resource_id)
     SELECT 'booking-cancelled', id, reservation_type, reservation_id, resource_id FROM m`,
    [event.id],
  );
  const titles = async () => {
    const [line] = await createActivity(rooms.db.pool).newest(1, null);
    const { mappings } = await createMappingReports(rooms.db.pool).list({
      type: null,
      reservationId: null,
      resourceId: 101,
      status: null,
      limit: 1,
    });
    return [line?.title, mappings[0]?.title];
  };
  expect(await titles()).toEqual(['Høring', 'Høring']);
  await rooms.db.query('DROP VIEW bridge_items CASCADE');
  expect(await titles()).toEqual([null, null]);
});
