/** What PostgreSQL refuses of one item leaves the others of the same write alone. */
import { expect, test } from 'vitest';
import { inTransaction } from '../../../src/database.ts';
import { Permanent } from '../../../src/errors.ts';
import { oneByOne } from '../../../src/sync/store/failing.ts';
import { failed } from '../outlook-in-memory.ts';
import { at, dinner, heard, open, room, type Rooms } from '../two-way-world.ts';

const half = '\ud83d';

/** A rule of the operator that PostgreSQL enforces on our table. */
const forbid = (w: Rooms, condition: string) =>
  w.db.query(`ALTER TABLE bridge_mappings ADD CONSTRAINT forbidden CHECK (NOT (${condition})) NOT VALID`);

async function three(w: Rooms) {
  for (const n of [1, 2, 3])
    await w.desk.book(101, { title: `Møte ${n}`, from: w.day(n, '10:00'), to: w.day(n, '11:00') });
  await w.settle();
  return w.outlook.in(room);
}
const statuses = async (w: Rooms) =>
  (
    await w.db.query<{ status: string }>(
      'SELECT sync_status AS status FROM bridge_mappings ORDER BY starts_at, id',
    )
  ).map(({ status }) => status);
const put = (w: Rooms, day: number, title: string) =>
  w.outlook.put(room, dinner({ startsAt: at(day, '15:00'), endsAt: at(day, '16:00'), title }), null);

test('a settlement that carries half a character parks that item with its message', async () => {
  await using w = await open();
  w.outlook.fail((write) =>
    write.do === 'create' && write.item.title === 'Møte 2'
      ? failed(new Permanent(`400 ${half}`, { reach: 'item' }))
      : null,
  );
  await three(w);
  expect(await statuses(w)).toEqual(['synced', 'error', 'synced']);
  expect(await w.db.query("SELECT error_message FROM bridge_mappings WHERE sync_status = 'error'")).toEqual([
    { error_message: expect.stringContaining('cannot be stored') as unknown },
  ]);
  expect(w.facts.filter(({ fact }) => fact === 'bug')).toEqual([]);
  expect(w.facts.filter(({ fact }) => fact === 'item-parked')).toHaveLength(1);
});

test('a settlement that breaks a rule of the table parks that item', async () => {
  await using w = await open();
  await forbid(w, `outlook_base ->> 'title' = 'Møte 3'`);
  await three(w);
  expect(await statuses(w)).toEqual(['synced', 'synced', 'error']);
});

test('an event with half a character in its name, in a page of changes, keeps no other from being imported', async () => {
  await using w = await open();
  put(w, 2, 'Lunch');
  put(w, 3, `Half ${half}`);
  put(w, 4, 'Dinner');
  await heard(w);
  expect((await w.reserved()).map(({ item }) => item.title)).toEqual(['Lunch', 'Dinner']);
  expect((await statuses(w)).filter((status) => status === 'error')).toHaveLength(1);
});

test('the same in the list of a room that is compared', async () => {
  await using w = await open({}, {});
  put(w, 2, 'Lunch');
  put(w, 3, `U+0000 \u0000`);
  put(w, 4, 'Dinner');
  await w.db.query(
    `INSERT INTO bridge_resource_mappings (resource_id, outlook_item_id) VALUES (101, '${room}')`,
  );
  await w.settle();
  expect((await w.reserved()).map(({ item }) => item.title)).toEqual(['Lunch', 'Dinner']);
  expect((await statuses(w)).filter((status) => status === 'error')).toHaveLength(1);
});

test('a verification that breaks a rule of the table keeps no other removal waiting', async () => {
  await using w = await open();
  const events = await three(w);
  const [odd] = await w.db.query<{ id: number }>('SELECT id FROM bridge_mappings ORDER BY starts_at LIMIT 1');
  await forbid(w, `id = ${odd!.id} AND outlook_news = 'gone'`);
  for (const { id } of events.slice(0, 2)) w.outlook.remove(id);
  await heard(w);
  expect((await w.reserved()).map(({ active }) => active)).toEqual([true, false, true]);
});

test.each(['by a notification', 'in a full scan'])(
  'an event that the table refuses even by its id, found %s, is looked for again later',
  async (found) => {
    await using w = await open();
    const { id } = put(w, 2, 'Lunch');
    await forbid(w, `outlook_event_id = '${id}'`);
    if (found === 'in a full scan') await w.db.query('UPDATE bridge_room_state SET compare_at = now()');
    await heard(w);
    expect(await w.reserved()).toEqual([]);
    expect(w.facts.some(({ fact }) => fact === 'bug')).toBe(true);
    const [due] = await w.db.query<{ later: boolean }>(
      'SELECT least(compare_at, pull_due_at) > now() AS later FROM bridge_room_state WHERE compare_at IS NOT NULL',
    );
    expect(due).toEqual({ later: true });
    await w.db.query(`ALTER TABLE bridge_mappings DROP CONSTRAINT forbidden;
      UPDATE bridge_room_state SET compare_at = now(), pull_due_at = pull_due_at - interval '1 hour'`);
    await w.settle();
    expect((await w.reserved()).map(({ item }) => item.title)).toEqual(['Lunch']);
  },
);

test('what is refused for want of a privilege is not tried again item by item', async () => {
  await using w = await open();
  let tries = 0;
  const refused = inTransaction(w.db.pool, async (client) => {
    await client.query('SET LOCAL ROLE pg_monitor'); // a role of every server, without a right on our tables
    return await oneByOne([1, 2, 3], () => {
      tries += 1;
      return client.query('UPDATE bridge_mappings SET hint = hint');
    });
  });
  await expect(refused).rejects.toMatchObject({ code: '42501' });
  expect(tries).toBe(1);
});
