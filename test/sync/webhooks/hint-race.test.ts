/** A hint that comes while the earlier ones of its room are dealt with. */
import { expect, test } from 'vitest';
import { markRooms } from '../../../src/sync/webhooks/subscription-store.ts';
import { open, untilWaiting } from '../../database/work-list-world.ts';

const told = (eventId: string) => [{ id: 1, gapMs: 0, events: [{ eventId, deleted: false, etag: null }] }];

test('it is told to its room, whatever becomes of the others in that moment', async () => {
  await using db = await open();
  await db.query('UPDATE bridge_room_state SET lease_epoch = 7 WHERE resource_mapping_id = 1');
  await markRooms(db.pool, told('first'));
  const [hint] = await db.query<{ at: string }>('SELECT hinted_at::text AS at FROM bridge_hints');
  const reader = await db.pool.connect();
  try {
    const { rows } = await reader.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
    await reader.query('BEGIN');
    await reader.query(`SELECT bridge_hinted(1, 7, now(), '[]', '[]', $1)`, [
      JSON.stringify([{ eventId: 'first', hintedAt: hint!.at }]),
    ]);
    const marking = markRooms(db.pool, told('second'));
    await untilWaiting(db, rows[0]!.pid);
    await reader.query('COMMIT');
    await marking;
  } finally {
    reader.release(true);
  }
  expect(
    await db.query(`SELECT h.event_id AS event, s.hinted_at IS NOT NULL AS "isTold" FROM bridge_hints h
      JOIN bridge_room_state s USING (resource_mapping_id)`),
  ).toEqual([{ event: 'second', isTold: true }]);
});
