/** Rows of the view without a priority. */
import { expect, test } from 'vitest';
import { at, open, room, type Rooms } from '../two-way-world.ts';

/** From now on reservations have no priority. */
async function takePrioritiesAway(w: Rooms): Promise<void> {
  const [{ view }] = (await w.db.query<{ view: string }>(
    `SELECT rtrim(pg_get_viewdef('bridge_items'), ';') AS view`,
  )) as [{ view: string }];
  await w.db.query(`CREATE OR REPLACE VIEW bridge_items AS
    SELECT reservation_type, reservation_id, resource_id, NULL::smallint AS priority_level, active, starts_at, ends_at, all_day,
      title, description, organizer_name, organizer_email, is_private
    FROM (${view}) items`);
}

const book = (w: Rooms, title: string, hour: number) =>
  w.desk.book(101, { title, from: w.day(3, `${hour}:00`), to: w.day(3, `${hour + 1}:00`) });
const priorities = async (w: Rooms) =>
  (await w.db.query('SELECT priority_level AS priority FROM bridge_mappings ORDER BY id')).map(
    ({ priority }) => priority,
  );

/** Compares the room; returns the facts of that. */
async function compare(w: Rooms): Promise<readonly string[]> {
  w.facts.length = 0;
  await w.db.query('UPDATE bridge_room_state SET reconciled_at = NULL, push_due_at = now()');
  await w.settle();
  return w.facts.map(({ fact }) => fact);
}

test('a reservation that a trigger reports gets the highest', async () => {
  await using w = await open();
  await takePrioritiesAway(w);
  await book(w, 'Choir', 10);
  await book(w, 'Band', 12);
  await w.settle();
  expect(w.outlook.titles(room)).toEqual(['Choir', 'Band']);
  expect(await priorities(w)).toEqual([1, 1]);
  expect(await w.db.query('SELECT FROM bridge_unfolded')).toEqual([]);
});

test('a reservation that a comparison finds gets the highest', async () => {
  await using w = await open();
  await takePrioritiesAway(w);
  await book(w, 'Choir', 10);
  await w.db.query('DELETE FROM bridge_changes');
  await compare(w);
  expect(w.outlook.titles(room)).toEqual(['Choir']);
  expect(await priorities(w)).toEqual([1]);
});

test.each([
  [
    'alone',
    1,
    `SELECT (answer ->> 'folded')::integer AS taken
     FROM bridge_lease_one(gen_random_uuid(), ARRAY(SELECT id FROM bridge_resource_mappings), 1, 12, 7, 365, 300, true, false, true)`,
  ],
  ['beside another one', 2, 'SELECT bridge_fold(7, 365, 100) AS taken'],
])('one that had a priority keeps it when it is changed %s', async (_beside, count, fold) => {
  await using w = await open();
  const slots = [3, 4].slice(0, count);
  const all = [];
  for (const day of slots)
    all.push(await w.desk.allocate(101, { from: w.day(day, '10:00'), to: w.day(day, '12:00'), of: 2 }));
  await w.settle();
  const before = await priorities(w);
  expect(before).not.toContain(1);
  await takePrioritiesAway(w);
  for (const [n, one] of all.entries())
    await w.desk.move(one, w.day(slots[n]!, '10:00'), w.day(slots[n]!, '11:00'));
  expect(await w.db.query(fold)).toEqual([{ taken: count }]);
  await w.db.query('UPDATE bridge_room_state SET push_due_at = now()');
  await w.settle();
  expect(w.outlook.in(room).map(({ item }) => item?.endsAt)).toEqual(slots.map((day) => at(day, '11:00')));
  expect(await priorities(w)).toEqual(before);
});

test('one that had a priority keeps it when a comparison finds it changed', async () => {
  await using w = await open();
  const one = await w.desk.allocate(101, { from: w.day(3, '10:00'), to: w.day(3, '12:00'), of: 2 });
  await w.settle();
  const before = await priorities(w);
  await takePrioritiesAway(w);
  await w.db.query('ALTER TABLE bb_allocation DISABLE TRIGGER USER');
  await w.desk.move(one, w.day(3, '10:00'), w.day(3, '13:00'));
  await compare(w);
  expect(w.outlook.in(room)).toMatchObject([{ item: { endsAt: at(3, '13:00') } }]);
  expect(await priorities(w)).toEqual(before);
});

test('one that had a priority is equal to itself, however often it is compared', async () => {
  await using w = await open();
  await w.desk.allocate(101, { from: w.day(3, '10:00'), to: w.day(3, '12:00'), of: 2 });
  await w.settle();
  await takePrioritiesAway(w);
  expect(await compare(w)).toEqual([]);
});
