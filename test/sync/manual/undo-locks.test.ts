/** An undo beside a clerk who writes the same reservation. */
import { expect, test } from 'vitest';
import { createUndo } from '../../../src/sync/manual/undo.ts';
import { heard, open, room, shown } from '../two-way-world.ts';

test('it does not wait for the clerk, because all rooms would wait with it', async () => {
  await using w = await open();
  const { event } = await shown(w);
  w.outlook.remove(event.id);
  await heard(w);
  const undo = createUndo(w.db.pool);
  const choice = { since: new Date(0), resourceId: null, what: ['cancelled' as const] };
  const clerk = await w.db.pool.connect();
  try {
    await clerk.query('BEGIN; SELECT FROM bb_event FOR UPDATE');
    expect(await undo.apply(choice, 'test')).toMatchObject([
      { refused: expect.stringContaining('try again') },
    ]);
    await clerk.query('ROLLBACK');
  } finally {
    clerk.release(true);
  }
  expect(await undo.apply(choice, 'test')).toMatchObject([{ refused: null }]);
  await w.settle();
  expect(w.outlook.titles(room)).toEqual(['Choir']);
});
