/** What was read a moment ago is used once, and never for what we changed since. */
import { expect, test } from 'vitest';
import { open, shown, titles } from './two-way-world.ts';

test('an event that was read before our own change of it is not taken for an edit in Outlook', async () => {
  await using w = await open();
  const { event } = await shown(w);
  // Graph tells of our own write, with a version that the mailbox has raised since
  await w.db.query(
    `INSERT INTO bridge_hints (resource_mapping_id, event_id, etag) SELECT id, $1, 'W/"2"' FROM bridge_resource_mappings`,
    [event.id],
  );
  await w.db.query('UPDATE bridge_room_state SET hinted_at = now()');
  await w.settle();
  await w.db.query(`UPDATE bb_event SET name = 'Orchestra'`);
  await w.settle();
  // somebody asks for it by hand, which reads the event
  await w.db.query(`UPDATE bridge_mappings SET sync_status = 'pending'`);
  await w.settle();
  expect(await titles(w)).toEqual({ booking: ['Orchestra'], outlook: ['Orchestra'] });
});
