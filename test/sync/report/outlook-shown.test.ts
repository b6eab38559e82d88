/** All reports show the same of an event that is known to be gone: nothing. */
import { expect, test } from 'vitest';
import { createMappingReports } from '../../../src/sync/report/mapping-reports.ts';
import { createRoomCalendar } from '../../../src/sync/report/room-calendar.ts';
import { createSearch } from '../../../src/sync/report/search.ts';
import { at, open } from '../two-way-world.ts';

test.each([
  ['is verified to be gone', `outlook_news = 'gone', conflict = '{"kind": "gone", "outlook": null}'`],
  [
    'no longer occupies the room',
    `outlook_news = 'vacated', conflict = '{"kind": "deleted", "outlook": null}'`,
  ],
  ['was deleted while its reservation changed', `conflict = '{"kind": "deleted", "outlook": null}'`],
])('an event that %s is shown nowhere', async (_, state) => {
  await using w = await open();
  const { id } = await w.desk.book(101, { title: 'Choir', from: w.day(3, '10:00'), to: w.day(3, '11:00') });
  await w.settle();
  const shown = async () => {
    const explained = await createMappingReports(w.db.pool).explain(1, 1);
    const { items } = await createRoomCalendar(w.db.pool).read(101, 'day', at(3, '12:00').slice(0, 10));
    const { results } = await createSearch(w.db.pool).search(`event/${id}`, 1);
    return [explained!.standing, items[0], results[0]].map((one) => one!.outlook?.title ?? null);
  };
  expect(await shown()).toEqual(['Choir', 'Choir', 'Choir']);
  await w.db.query(`UPDATE bridge_mappings SET sync_status = 'conflict', ${state}`);
  expect(await shown()).toEqual([null, null, null]);
});
