/**
 * What an adapter's function fails with concerns the one item it was called for: that is parked with function, line and
 * SQLSTATE, and the room goes on.
 */
import { expect, test } from 'vitest';
import { spoilColumn } from '../failing-row.ts';
import { dinner, heard, open, room, shown, type Rooms } from '../two-way-world.ts';

const importing = (body: string, declare = '') =>
  `CREATE OR REPLACE FUNCTION bridge_import_item(item jsonb, OUT reservation_type text, OUT reservation_id bigint)
   LANGUAGE plpgsql AS $$ DECLARE one integer; ${declare} BEGIN ${body} END $$`;

/** At the desk, beside what fails: it must reach Outlook all the same. */
async function booksChoir(w: Rooms): Promise<void> {
  await w.desk.book(101, { title: 'Choir', from: w.day(5, '18:00'), to: w.day(5, '20:00') });
}

test.each([
  ['42702', 'bridge_import_item, line 1', importing('SELECT id INTO one FROM bb_event, bb_building;')],
  ['42703', 'bridge_import_item, line 2', importing('\nUPDATE bb_event SET titel = 1;')],
  ['42P01', 'bridge_import_item, line 1', importing('INSERT INTO bb_evnt(name) VALUES (1);')],
  ['42601', 'bridge_import_item, line 1', importing(`EXECUTE 'SELEC wrong(1) FROM x(2)';`)],
  ['21000', 'bridge_import_item, line 1', importing('one := (SELECT id FROM bb_resource);')],
  ['P0002', 'bridge_import_item, line 1', importing('SELECT id INTO STRICT one FROM bb_event WHERE id < 0;')],
  ['P0004', 'bridge_import_item, line 1', importing('ASSERT false;')],
  ['XX000', 'bridge_import_item, line 1', importing(`RAISE 'broken' USING ERRCODE = 'XX000';`)],
  ['0A000', 'bridge_import_item, line 1', importing(`RAISE 'not here' USING ERRCODE = '0A000';`)],
  ['23502', 'bridge_import_item, line 1', importing('INSERT INTO bb_building (name) VALUES (NULL);')],
  ['22012', 'bridge_import_item, line 1', importing('one := 1 / 0;')],
  ['54001', 'bridge_import_item, line 1', importing('PERFORM bridge_import_item(item);')],
  ['42883', '', 'DROP FUNCTION bridge_import_item(jsonb)'],
  [
    'P0001',
    'bookings_are_closed, line 1',
    `CREATE FUNCTION bookings_are_closed() RETURNS trigger LANGUAGE plpgsql AS
       $$ BEGIN RAISE EXCEPTION 'The books are closed.'; END $$;
     CREATE TRIGGER closed BEFORE INSERT ON bb_event FOR EACH ROW WHEN (NEW.name = 'Dinner')
       EXECUTE FUNCTION bookings_are_closed()`,
  ],
  [
    'PB001',
    'bookings_are_closed, line 1',
    `CREATE FUNCTION bookings_are_closed() RETURNS trigger LANGUAGE plpgsql AS
       $$ BEGIN RAISE EXCEPTION 'The books are closed.' USING ERRCODE = 'PB001'; END $$;
     CREATE TRIGGER closed BEFORE INSERT ON bb_event FOR EACH ROW WHEN (NEW.name = 'Dinner')
       EXECUTE FUNCTION bookings_are_closed()`,
  ],
  ['45000', 'bridge_import_item, line 1', importing(`RAISE 'not on Sundays' USING ERRCODE = '45000';`)],
])('SQLSTATE %s of an import parks it alone (%s)', async (state, place, sabotage) => {
  await using w = await open();
  await w.db.query(sabotage);
  w.outlook.put(room, dinner(), null);
  await booksChoir(w);
  await heard(w);
  expect(w.outlook.titles(room)).toEqual(expect.arrayContaining(['Dinner', 'Choir']));
  const [parked, ...others] = await w.db.query<{
    sync_status: string;
    error_message: string;
    due_at: Date | null;
  }>(`SELECT sync_status, error_message, due_at FROM bridge_mappings WHERE reservation_id IS NULL`);
  expect(others).toEqual([]);
  expect(parked).toMatchObject({ sync_status: 'error' });
  // a rule that this item breaks is not tried again by itself
  expect(parked!.due_at === null).toBe(['23502', 'P0001', 'PB001', '45000'].includes(state));
  expect(parked!.error_message).toContain(place);
  expect(parked!.error_message).toContain(`SQLSTATE ${state})`);
  expect(w.facts.filter(({ fact }) => fact === 'bug')).toEqual([]);
});

test.each([
  [
    'change',
    `CREATE OR REPLACE FUNCTION bridge_change_item(type text, id bigint, change jsonb) RETURNS text[] LANGUAGE sql AS
       $$ SELECT ARRAY[(SELECT name::text FROM bb_building)] $$`,
    'bridge_change_item, line 1, SQLSTATE 21000',
    'error',
  ],
  [
    'change',
    `CREATE OR REPLACE FUNCTION bridge_change_item(type text, id bigint, change jsonb) RETURNS text[] LANGUAGE plpgsql AS
       $$ BEGIN RAISE no_data_found; END $$`,
    'bridge_change_item, line 1, SQLSTATE P0002',
    'conflict',
  ],
  [
    'change',
    `CREATE FUNCTION titles_are_fixed() RETURNS trigger LANGUAGE plpgsql AS
       $$ BEGIN RAISE 'The title is printed.' USING ERRCODE = 'PB001'; END $$;
     CREATE TRIGGER fixed BEFORE UPDATE OF name ON bb_event FOR EACH ROW EXECUTE FUNCTION titles_are_fixed()`,
    'titles_are_fixed, line 1, SQLSTATE PB001',
    'conflict',
  ],
  [
    'cancellation',
    `CREATE OR REPLACE FUNCTION bridge_cancel_item(type text, id bigint, note text) RETURNS boolean LANGUAGE plpgsql AS
       $$ BEGIN\nUPDATE bb_event SET activ = 0; RETURN true; END $$`,
    'bridge_cancel_item, line 2, SQLSTATE 42703',
    'error',
  ],
  ['cancellation', 'DROP FUNCTION bridge_cancel_item(text, bigint, text)', 'SQLSTATE 42883', 'error'],
])(
  'a %s that the adapter cannot write is a failure to be repaired, or a decision if a function refused it',
  async (what, sabotage, place, status) => {
    await using w = await open();
    const { event } = await shown(w);
    await w.db.query(sabotage);
    if (what === 'change') w.outlook.edit(event.id, { title: 'Orchestra' });
    else w.outlook.remove(event.id);
    await booksChoir(w);
    await heard(w);
    expect(w.outlook.titles(room)).toContain('Choir');
    expect(
      await w.db.query(
        `SELECT sync_status, error_message, due_at IS NOT NULL AS waits FROM bridge_mappings WHERE sync_status <> 'synced'`,
      ),
    ).toEqual([
      { sync_status: status, error_message: expect.stringContaining(place), waits: status === 'error' },
    ]);
    expect(w.facts.filter(({ fact }) => fact === 'conflict')).toHaveLength(status === 'conflict' ? 1 : 0);
    expect(w.facts.filter(({ fact }) => fact === 'bug')).toEqual([]);
  },
);

/** One work item that is due later is due now. */
const makeDue = async (w: Rooms) => {
  await w.db.query('UPDATE bridge_mappings SET due_at = now() WHERE due_at IS NOT NULL');
  await w.db.query('UPDATE bridge_room_state SET push_due_at = now() WHERE push_due_at IS NOT NULL');
};

test('an import that a failing row of the booking view prevented is tried again until it succeeds', async () => {
  await using w = await open();
  // the overlap test of the adapter reads the times of the room's other reservations
  await w.desk.book(101, { title: 'bad', from: w.day(4, '18:00'), to: w.day(4, '20:00') });
  await w.settle();
  const repair = await spoilColumn(w, 'starts_at');
  w.outlook.put(room, dinner(), null);
  await heard(w);
  const state = () =>
    w.db.query<{ attempt: number; ms: number }>(
      `SELECT sync_status, attempt, hint, extract(epoch FROM due_at - now()) * 1000 AS ms FROM bridge_mappings WHERE reservation_id IS NULL`,
    );
  expect(await state()).toMatchObject([
    { sync_status: 'error', attempt: 1, hint: expect.stringContaining('tried again') },
  ]);
  expect(w.facts.filter(({ fact }) => fact === 'item-parked')).toHaveLength(1);

  await makeDue(w);
  await w.settle();
  const [again] = await state();
  expect(again).toMatchObject({ sync_status: 'error', attempt: 2 });
  expect(Number(again!.ms)).toBeGreaterThan(30_000);
  expect(Number(again!.ms)).toBeLessThan(600_000);
  // reported once
  expect(w.facts.filter(({ fact }) => fact === 'item-parked')).toHaveLength(1);

  await repair();
  await makeDue(w);
  await w.settle();
  expect(
    await w.db.query(
      `SELECT sync_status, due_at FROM bridge_mappings WHERE sync_direction = 'outlook_to_booking'`,
    ),
  ).toEqual([{ sync_status: 'synced', due_at: null }]);
});

/** Reservations at different times, each with its event. */
async function shownEach(w: Rooms, titles: readonly string[]) {
  for (const [n, title] of titles.entries())
    await w.desk.book(101, { title, from: w.day(4 + n, '10:00'), to: w.day(4 + n, '11:00') });
  await w.settle();
  return titles.map((title) => w.outlook.in(room).find((event) => event.item?.title === title)!.id);
}

const byTitle = (w: Rooms) =>
  w.db.query(`SELECT sync_status, due_at FROM bridge_mappings ORDER BY starts_at`);
const cancelItem = `SELECT pg_get_functiondef('bridge_cancel_item(text, bigint, text)'::regprocedure) AS sql`;

test('when one of the changes succeeds that a missing function prevented, the others follow at once', async () => {
  await using w = await open();
  const [one, two] = await shownEach(w, ['One', 'Two']);
  const [{ sql }] = (await w.db.query<{ sql: string }>(cancelItem)) as [{ sql: string }];
  await w.db.query('DROP FUNCTION bridge_cancel_item(text, bigint, text)');
  w.outlook.remove(one!);
  w.outlook.remove(two!);
  await heard(w);
  expect(await byTitle(w)).toEqual([
    { sync_status: 'error', due_at: expect.any(Date) },
    { sync_status: 'error', due_at: expect.any(Date) },
  ]);

  await w.db.query(sql);
  // the time of the first has come
  await w.db.query(
    `UPDATE bridge_mappings SET due_at = now() WHERE id = (SELECT min(id) FROM bridge_mappings)`,
  );
  await w.db.query('UPDATE bridge_room_state SET push_due_at = now() WHERE push_due_at IS NOT NULL');
  await w.settle();
  expect(await byTitle(w)).toEqual([
    { sync_status: 'cancelled', due_at: null },
    { sync_status: 'cancelled', due_at: null },
  ]);
});

test('a change from Outlook that succeeds makes a test of those that a missing function prevented', async () => {
  await using w = await open();
  const [one, two, three] = await shownEach(w, ['One', 'Two', 'Three']);
  const [{ sql }] = (await w.db.query<{ sql: string }>(cancelItem)) as [{ sql: string }];
  await w.db.query('DROP FUNCTION bridge_cancel_item(text, bigint, text)');
  w.outlook.remove(one!);
  w.outlook.remove(two!);
  await heard(w);
  await w.db.query(sql);
  w.outlook.edit(three!, { title: 'Orchestra' });
  await heard(w);
  await w.settle();
  expect(await byTitle(w)).toMatchObject([
    { sync_status: 'cancelled', due_at: null },
    { sync_status: 'cancelled', due_at: null },
    { sync_status: 'synced', due_at: null },
  ]);
});

test('an edit of a reservation whose row fails is tried again until the view is repaired', async () => {
  await using w = await open();
  const [bad] = await shownEach(w, ['bad']);
  const repair = await spoilColumn(w, 'starts_at');
  w.outlook.edit(bad!, { description: 'by the lake' });
  await heard(w);
  const state = () => w.db.query(`SELECT sync_status, attempt, due_at FROM bridge_mappings`);
  expect(await state()).toEqual([{ sync_status: 'error', attempt: 1, due_at: expect.any(Date) }]);
  await makeDue(w);
  await w.settle();
  expect(await state()).toEqual([{ sync_status: 'error', attempt: 2, due_at: expect.any(Date) }]);
  expect(w.facts.filter(({ fact }) => fact === 'item-parked')).toHaveLength(1);
  await repair();
  await makeDue(w);
  await w.settle();
  expect(await state()).toEqual([{ sync_status: 'synced', attempt: 0, due_at: null }]);
  expect(await w.db.query(`SELECT description FROM bridge_items WHERE title = 'bad'`)).toEqual([
    { description: 'by the lake' },
  ]);
});

test('an import that failed and then meets a lock is an unmapped event again', async () => {
  await using w = await open();
  const [{ sql }] = (await w.db.query<{ sql: string }>(
    `SELECT pg_get_functiondef('bridge_import_item(jsonb)'::regprocedure) AS sql`,
  )) as [{ sql: string }];
  await w.db.query(importing('one := 1 / 0;'));
  w.outlook.put(room, dinner(), null);
  await heard(w);
  const state = () =>
    w.db.query(`SELECT sync_status FROM bridge_mappings WHERE sync_direction = 'outlook_to_booking'`);
  expect(await state()).toEqual([{ sync_status: 'error' }]);
  await w.db.query(importing(`RAISE 'locked' USING ERRCODE = '55P03';`));
  await makeDue(w);
  await w.settle();
  expect(await state()).toEqual([{ sync_status: 'imported' }]);
  await w.db.query(sql);
  await makeDue(w);
  await w.settle();
  expect(await state()).toEqual([{ sync_status: 'synced' }]);
});
