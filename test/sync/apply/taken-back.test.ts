/** A change from Outlook was written into the booking system, where a user takes it back. */
import { expect, test } from 'vitest';
import { both, dinner, heard, open, other, room, shown, titles } from '../two-way-world.ts';

test('the user wins by being the newest, also over an edit in Outlook before that', async () => {
  await using w = await open({ conflict: 'newest' });
  const { event } = await shown(w);
  w.outlook.edit(event.id, { title: 'Orchestra' });
  await heard(w);
  expect(await titles(w)).toEqual({ booking: ['Orchestra'], outlook: ['Orchestra'] });
  w.outlook.edit(event.id, { title: 'Band' });
  await w.db.query(`UPDATE bb_event SET name = 'Choir'`);
  await heard(w);
  expect(await titles(w)).toEqual({ booking: ['Choir'], outlook: ['Choir'] });
});

test('before the change is folded, it is a change of the booking system in each room of the meeting', async () => {
  await using w = await open({}, both);
  const first = w.outlook.invite(room, dinner());
  const second = w.outlook.invite(other, dinner(), { iCalUId: first.iCalUId });
  await heard(w, 101, 102);
  for (const { id } of [first, second]) w.outlook.edit(id, { title: 'Supper' });
  await w.notify(101);
  for (const taken of (await w.take()).rooms) await w.drainOne(taken);
  expect((await titles(w)).booking).toEqual(['Supper']);
  await w.db.query(`UPDATE bridge_mappings SET last_modified_booking = NULL, revision = revision + 1`);
  await w.db.query(`UPDATE bb_event SET name = 'Dinner'`);
  await w.fold();
  expect(
    await w.db.query(
      `SELECT resource_id AS room, last_modified_booking IS NOT NULL AS "isChanged" FROM bridge_mappings ORDER BY 1`,
    ),
  ).toEqual([
    { room: 101, isChanged: true },
    { room: 102, isChanged: true },
  ]);
});
