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
  expect(parked!.due_at === null).toBe(['23502', 'P0001'].includes(state));
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
  ],
  [
    'change',
    `CREATE OR REPLACE FUNCTION bridge_change_item(type text, id bigint, change jsonb) RETURNS text[] LANGUAGE plpgsql AS
       $$ BEGIN RAISE no_data_found; END $$`,
    'bridge_change_item, line 1, SQLSTATE P0002',
  ],
  [
    'cancellation',
    `CREATE OR REPLACE FUNCTION bridge_cancel_item(type text, id bigint, note text) RETURNS boolean LANGUAGE plpgsql AS
       $$ BEGIN\nUPDATE bb_event SET activ = 0; RETURN true; END $$`,
    'bridge_cancel_item, line 2, SQLSTATE 42703',
  ],
])(
  'a %s that the adapter cannot write is left to a person, and the room goes on',
  async (what, sabotage, place) => {
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
        `SELECT sync_status, error_message FROM bridge_mappings WHERE sync_status <> 'synced'`,
      ),
    ).toEqual([{ sync_status: 'conflict', error_message: expect.stringContaining(place) }]);
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
