/** What was read a moment ago is used once, and never for what we changed since. */
import { expect, test } from 'vitest';
import { dinner, heard, open, room, shown, titles, type Rooms } from './two-way-world.ts';

test('an event that was read before our own change of it is not taken for an edit in Outlook', async () => {
  await using w = await open();
  const { event } = await shown(w);
  // Graph tells of our own write, with a version that the mailbox has raised since
  await hinted(w, event.id);
  await w.db.query(`UPDATE bb_event SET name = 'Orchestra'`);
  await w.settle();
  // a person asks for it, which reads the event
  await w.db.query(`UPDATE bridge_mappings SET sync_status = 'pending'`);
  await w.settle();
  expect(await titles(w)).toEqual({ booking: ['Orchestra'], outlook: ['Orchestra'] });
});

test('an answer of the room that only a round of changes reports is not overlooked for the read before it', async () => {
  await using w = await open();
  const { id } = w.outlook.invite(room, dinner(), { shows: { is: 'undecided', item: dinner() } });
  await hinted(w, id);
  expect(await w.reserved()).toEqual([]);
  w.outlook.alter(id, { item: dinner() });
  await heard(w);
  expect(await titles(w)).toEqual({ booking: ['Dinner'], outlook: ['Dinner'] });
});

test('an edit that only a full scan reports is not overlooked for the read before it', async () => {
  await using w = await open();
  const { id } = w.outlook.invite(room, dinner(), { shows: { is: 'undecided', item: dinner() } });
  await hinted(w, id);
  w.outlook.alter(id, { item: dinner() });
  await w.db.query('UPDATE bridge_room_state SET compare_at = now(), pull_due_at = now()');
  await w.settle();
  expect(await titles(w)).toEqual({ booking: ['Dinner'], outlook: ['Dinner'] });
});

/** Graph names the event, in a version that is not known here. */
async function hinted(w: Rooms, id: string): Promise<void> {
  await w.db.query(
    `INSERT INTO bridge_hints (resource_mapping_id, event_id, etag) SELECT id, $1, 'W/"2"' FROM bridge_resource_mappings`,
    [id],
  );
  await w.db.query('UPDATE bridge_room_state SET hinted_at = now()');
  await w.settle();
}
