/** Hints while Outlook cannot be reached. */
import { expect, test } from 'vitest';
import { Retryable } from '../../../src/errors.ts';
import { open, shown } from '../two-way-world.ts';

test('one whose event cannot be read in an outage remains: its room goes behind the others', async () => {
  await using w = await open();
  const { event } = await shown(w);
  await w.db.query(
    `INSERT INTO bridge_hints (resource_mapping_id, event_id) SELECT id, $1 FROM bridge_resource_mappings`,
    [event.id],
  );
  await w.db.query(`UPDATE bridge_room_state SET hinted_at = now() - interval '1 hour'`);
  w.outlook.meanwhileRead(() => Promise.reject(new Retryable('Graph says 502', { reach: 'side' })));
  const [room] = (await w.take()).rooms;
  const drained = await w.drainOne(room!);
  expect(drained.outage?.message).toBe('Graph says 502');
  expect(
    await w.db.query(
      `SELECT h.event_id AS event, s.hinted_at > now() - interval '1 minute' AS "isPutOff" FROM bridge_hints h
       JOIN bridge_room_state s USING (resource_mapping_id)`,
    ),
  ).toEqual([{ event: event.id, isPutOff: true }]);
});
