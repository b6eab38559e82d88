/** What is read of a room's mappings when its calendar is listed. */
import { expect, test } from 'vitest';
import { mappingsOf } from '../../../src/sync/store/mappings.ts';
import type { LeasedRoom } from '../../../src/sync/store/work-list.ts';
import { openTestDatabase } from '../../support/database.ts';

test('a full scan reads what its window and its list concern, and none of the history', async () => {
  await using db = await openTestDatabase({ schema: 'bridge' });
  await db.query(`INSERT INTO bridge_resource_mappings (resource_id, outlook_item_id) VALUES (101, 'a@x');
    INSERT INTO bridge_mappings (reservation_type, reservation_id, resource_id, outlook_item_id, outlook_event_id, sync_status, starts_at, ends_at,
      due_at, outlook_news)
    SELECT 'event', v.id, 101, 'a@x', v.event, v.status, now() + v.days * interval '1 day', now() + v.days * interval '1 day' + interval '1 hour',
      CASE WHEN v.due THEN now() END, v.news
    FROM (VALUES (1, 'in the window', 'synced', 1, false, NULL), (2, 'history', 'synced', -60, false, NULL),
      (3, NULL, 'cancelled', -60, false, NULL), (4, 'beyond', 'synced', 60, false, NULL), (5, 'listed', 'synced', -60, false, NULL),
      (6, NULL, 'shadowed', -60, false, NULL), (7, 'due', 'pending', -60, true, NULL), (8, 'gone', 'synced', -60, false, 'gone'),
      (9, 'without times', 'synced', NULL, false, NULL)) AS v (id, event, status, days, due, news)`);
  const instant = (days: number) => new Date(Date.now() + days * 86_400_000).toISOString();
  const room = { resourceId: 101, outlookItemId: 'a@x' } as LeasedRoom;
  const read = await mappingsOf(db.pool, room, { from: instant(-7), to: instant(30) }, ['listed', 'unknown']);
  expect(read.map(({ reservationId }) => Number(reservationId)).toSorted((a, b) => a - b)).toEqual([
    1, 5, 6, 7, 8, 9,
  ]);
});
