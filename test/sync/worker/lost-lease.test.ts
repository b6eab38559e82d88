/** A room whose lease ends during a drain, because a person changes its row, is given up: nothing goes round and round. */
import { expect, test } from 'vitest';
import { open, room, imported, shown, type Rooms } from '../two-way-world.ts';

/** The rows of a room are changed during the next read of an event; after many further reads the drain is taken for endless. */
function changeDuringRead(w: Rooms, sql: string): void {
  let reads = 0;
  const read = async () => {
    reads += 1;
    if (reads === 1) await w.db.query(sql);
    if (reads > 30) throw new Error('the drain does not end');
    w.outlook.meanwhileRead(read);
  };
  w.outlook.meanwhileRead(read);
}

const direction = `UPDATE bridge_resource_mappings SET sync_direction = 'outlook_to_booking' WHERE resource_id = 101`;

test('while a removal in Outlook is verified', async () => {
  await using w = await open();
  const { event } = await imported(w);
  w.outlook.remove(event.id);
  await w.notify();
  changeDuringRead(w, direction);
  const [leased] = (await w.take()).rooms;
  await expect(w.drainOne(leased!)).rejects.toMatchObject({ code: 'BR001' });
});

test('while an event is to be removed', async () => {
  await using w = await open();
  const { reservation } = await shown(w);
  await w.desk.cancel(reservation);
  changeDuringRead(w, direction);
  const [leased] = (await w.take()).rooms;
  await expect(w.drainOne(leased!)).rejects.toMatchObject({ code: 'BR001' });
  expect(w.outlook.titles(room)).toEqual(['Choir']);
});
