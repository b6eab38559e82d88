import { expect, test } from 'vitest';
import { createDaily } from '../../../src/sync/report/daily.ts';
import { openTestDatabase } from '../../support/database.ts';

test('the report of the day counts what was done in 24 hours, how fast, and how everything stands', async () => {
  await using db = await openTestDatabase({ schema: 'bridge' });
  await db.query(
    `INSERT INTO bridge_resource_mappings (resource_id, outlook_item_id) VALUES (101, 'a@bergen.example')`,
  );
  await db.query(`INSERT INTO bridge_mappings (reservation_type, reservation_id, resource_id, outlook_item_id, sync_status)
    VALUES ('event', 1, 101, 'a@bergen.example', 'synced'), ('event', 2, 101, 'a@bergen.example', 'error')`);
  await db.query(`INSERT INTO bridge_log (at, resource_id, action, latency_ms) VALUES
    (now() - interval '1 hour', 101, 'created', 40), (now() - interval '2 hours', 101, 'created', 60),
    (now() - interval '3 hours', 101, 'imported', 200), (now() - interval '25 hours', 101, 'deleted', 9000)`);
  await db.query(`INSERT INTO bridge_alerts (type, severity, message) VALUES ('bug', 'critical', 'm')`);
  expect(await createDaily(db.pool).read()).toMatchObject({
    hours: 24,
    mappings: { synced: 1, error: 1, pending: 0 },
    actions: { created: 2, imported: 1 },
    booking_to_outlook: { count: 2, p50_ms: 50 },
    outlook_to_booking: { count: 1, p50_ms: 200 },
    rooms: { ok: 1 },
    due: 0,
    open_alerts: 1,
  });
});
