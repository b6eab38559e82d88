/** PorticoEstate's own rules, beyond what test/contract/seam.test.ts asks of every adapter. */
import assert from 'node:assert/strict';
import { describe, test } from 'vitest';
import { sqlState } from '../../src/database.ts';
import { openTestDatabase, type TestDatabase } from '../support/database.ts';

const open = () => openTestDatabase({ schema: 'bridge' });

const event = (
  id: number,
  more: { readonly from?: string; readonly to?: string; readonly set?: string } = {},
) => `
  INSERT INTO bb_event (id, activity_id, name, from_, to_, building_name, contact_name, contact_email, contact_phone, secret)
  VALUES (${id}, 1, 'Choir', '${more.from ?? '2027-05-03 10:00'}', '${more.to ?? '2027-05-03 11:00'}', 'b', 'Kari', 'kari@x.no', 'p', 's');
  INSERT INTO bb_event_date (event_id, from_, to_) SELECT id, from_, to_ FROM bb_event WHERE id = ${id};
  INSERT INTO bb_event_resource (event_id, resource_id) VALUES (${id}, 101);
  ${more.set === undefined ? '' : `UPDATE bb_event SET ${more.set} WHERE id = ${id};`}`;

const item = async (db: TestDatabase, type: string, id: number) =>
  (
    await db.query('SELECT * FROM bridge_items WHERE reservation_type = $1 AND reservation_id = $2', [
      type,
      id,
    ])
  )[0]!;

const change = async (db: TestDatabase, type: string, id: number, what: object) =>
  (
    await db.query<{ keys: string[] }>('SELECT bridge_change_item($1, $2, $3) AS keys', [
      type,
      id,
      JSON.stringify(what),
    ])
  )[0]!.keys;

const cancel = async (db: TestDatabase, type: string, id: number, note = 'Cancelled from Outlook') =>
  (await db.query<{ was: boolean }>('SELECT bridge_cancel_item($1, $2, $3) AS was', [type, id, note]))[0]!
    .was;

const meeting = {
  starts_at: '2027-05-03T08:00:00Z',
  ends_at: '2027-05-03T09:00:00Z',
  title: 'Budget',
  description: 'Figures',
  organizer_name: 'Ada',
  organizer_email: 'ada@x.no',
  is_private: false,
  resource_ids: [101, 102],
};

const imported = async (db: TestDatabase, more: object = {}) =>
  (
    await db.query<{ id: number }>('SELECT reservation_id AS id FROM bridge_import_item($1)', [
      JSON.stringify({ ...meeting, ...more }),
    ])
  )[0]!.id;

describe('titles', () => {
  test.each([
    [`name = 'Concert', organizer = 'Band'`, 'Concert'],
    [`name = NULL, organizer = 'Band', customer_organization_name = 'Town'`, 'Band'],
    [`name = '  ', organizer = '', customer_organization_name = 'Town'`, 'Town'],
    [`name = NULL`, 'Event 7'],
  ])('an event with %s is called %s', async (set, title) => {
    await using db = await open();
    await db.query(event(7, { set }));
    assert.equal((await item(db, 'event', 7))['title'], title);
  });

  test('a booking is called after its group, an allocation after its organisation', async () => {
    await using db = await open();
    await db.query(`INSERT INTO bb_booking (id, group_id, season_id, activity_id, from_, to_, secret)
        VALUES (1, 3, 1, 1, '2027-05-03 10:00', '2027-05-03 11:00', 's'); INSERT INTO bb_booking_resource VALUES (1, 101);
      INSERT INTO bb_allocation (id, organization_id, season_id, from_, to_) VALUES (2, 1, 1, '2027-05-03 10:00', '2027-05-03 11:00');
      INSERT INTO bb_allocation_resource VALUES (2, 101)`);
    const [booking, allocation] = [await item(db, 'booking', 1), await item(db, 'allocation', 2)];
    assert.deepEqual([booking['title'], booking['priority_level']], ['Kammerkoret', 2]);
    assert.deepEqual([allocation['title'], allocation['priority_level']], ['Fjellsiden Idrettslag', 3]);
  });

  test('what is not public is private', async () => {
    await using db = await open();
    await db.query(event(1, { set: 'is_public = 0' }) + event(2));
    assert.equal((await item(db, 'event', 1))['is_private'], true);
    assert.equal((await item(db, 'event', 2))['is_private'], false);
  });
});

describe('wall-clock times', () => {
  test.each([
    [
      'in winter',
      '2027-01-11 10:00',
      '2027-01-11 11:00',
      '2027-01-11T09:00:00.000Z',
      '2027-01-11T10:00:00.000Z',
    ],
    [
      'in summer',
      '2027-07-01 10:00',
      '2027-07-01 11:00',
      '2027-07-01T08:00:00.000Z',
      '2027-07-01T09:00:00.000Z',
    ],
    [
      'over the spring change',
      '2027-03-28 01:00',
      '2027-03-28 04:00',
      '2027-03-28T00:00:00.000Z',
      '2027-03-28T02:00:00.000Z',
    ],
    [
      'in the hour that spring skips',
      '2027-03-28 02:15',
      '2027-03-28 02:45',
      '2027-03-28T01:15:00.000Z',
      '2027-03-28T01:45:00.000Z',
    ],
    [
      'out of that hour: an item of no length',
      '2027-03-28 02:30',
      '2027-03-28 03:00',
      '2027-03-28T01:30:00.000Z',
      '2027-03-28T01:30:00.000Z',
    ],
    [
      'in the hour that autumn repeats: the second',
      '2027-10-31 02:15',
      '2027-10-31 02:45',
      '2027-10-31T01:15:00.000Z',
      '2027-10-31T01:45:00.000Z',
    ],
    [
      'over the autumn change',
      '2027-10-31 01:30',
      '2027-10-31 03:30',
      '2027-10-30T23:30:00.000Z',
      '2027-10-31T02:30:00.000Z',
    ],
    [
      'with an end before the start',
      '2027-05-03 11:00',
      '2027-05-03 10:00',
      '2027-05-03T09:00:00.000Z',
      '2027-05-03T09:00:00.000Z',
    ],
  ])('%s', async (_when, from, to, starts, ends) => {
    await using db = await open();
    await db.query(event(1, { from, to }));
    const shown = await item(db, 'event', 1);
    assert.deepEqual([shown['starts_at'].toISOString(), shown['ends_at'].toISOString()], [starts, ends]);
  });

  test('an instant that the wall clock cannot say is not among the stored keys', async () => {
    await using db = await open();
    await db.query(event(1, { from: '2027-10-31 01:00', to: '2027-10-31 05:00' }));
    // 02:30 summer time: the first of the two 02:30, which reads back as the second
    const first = { starts_at: '2027-10-31T00:30:00Z', ends_at: '2027-10-31T00:45:00Z' };
    assert.deepEqual(await change(db, 'event', 1, { ...first, title: 'New' }), ['title']);
  });

  test.each([
    ['of no length', '2027-10-31T00:30:00Z', '2027-10-31T01:30:00Z'],
    ['shorter', '2027-10-31T00:30:00Z', '2027-10-31T02:30:00Z'],
  ])('times that would be %s on the wall clock are refused', async (_, starts, ends) => {
    await using db = await open();
    const isRefused = (error: unknown) =>
      sqlState(error) === '22023' && /The clock is put back/.test((error as Error).message);
    await assert.rejects(imported(db, { starts_at: starts, ends_at: ends }), isRefused);
    await db.query(event(1, { from: '2027-10-31 01:00', to: '2027-10-31 05:00' }));
    await assert.rejects(change(db, 'event', 1, { starts_at: starts, ends_at: ends }), isRefused);
    await assert.rejects(change(db, 'event', 1, { starts_at: starts }), isRefused);
  });
});

describe('times that the wall clock, which is put back between them, has in another order', () => {
  const [from, to] = ['2027-10-31T00:30:00Z', '2027-10-31T01:15:00Z'];
  const isNamed = (error: unknown) =>
    sqlState(error) === '22023' &&
    /The clock is put back.* start at 02:30 and end at 02:15, and be shorter\./.test(
      (error as Error).message,
    );

  test('are refused with the reason in an import', async () => {
    await using db = await open();
    await assert.rejects(imported(db, { starts_at: from, ends_at: to }), isNamed);
  });

  test('are refused with the reason in a change, also of one of them', async () => {
    await using db = await open();
    await db.query(event(1, { from: '2027-10-31 01:00', to: '2027-10-31 02:15' }));
    await assert.rejects(change(db, 'event', 1, { starts_at: from, ends_at: to }), isNamed);
    await assert.rejects(change(db, 'event', 1, { starts_at: from }), isNamed);
  });
});

describe('an import', () => {
  test('writes the event with all its rows, and nothing that reminds or bills anybody', async () => {
    await using db = await open();
    const id = await imported(db);
    const [row] = await db.query('SELECT * FROM bb_event WHERE id = $1', [id]);
    assert.deepEqual(
      {
        active: row?.['active'],
        id_string: row?.['id_string'],
        activity_id: row?.['activity_id'],
        name: row?.['name'],
        organizer: row?.['organizer'],
        building_id: row?.['building_id'],
        building_name: row?.['building_name'],
        contact: [row?.['contact_name'], row?.['contact_email'], row?.['contact_phone']],
        reminder: row?.['reminder'],
        is_public: row?.['is_public'],
        cost: row?.['cost'],
        ssn: row?.['customer_ssn'],
      },
      {
        active: 1,
        id_string: String(id),
        activity_id: 1,
        name: 'Budget',
        organizer: 'Ada',
        building_id: 10,
        building_name: 'Rådhuset',
        contact: ['Ada', 'ada@x.no', ''],
        reminder: 0,
        is_public: 1,
        cost: '0.00',
        ssn: null,
      },
    );
    assert.match(row?.['secret'], /^[0-9a-f]{32}$/);
    const one = async (text: string) => (await db.query(text)) as unknown;
    assert.deepEqual(await one('SELECT resource_id AS r FROM bb_event_resource ORDER BY 1'), [
      { r: 101 },
      { r: 102 },
    ]);
    assert.deepEqual(await one(`SELECT from_::text, to_::text FROM bb_event_date`), [
      { from_: '2027-05-03 10:00:00', to_: '2027-05-03 11:00:00' },
    ]);
    assert.deepEqual(await one('SELECT agegroup_id AS a FROM bb_event_agegroup'), [{ a: 1 }]);
    assert.deepEqual(await one('SELECT targetaudience_id AS t FROM bb_event_targetaudience'), [{ t: 1 }]);
  });

  test('that fails half-way leaves nothing', async () => {
    await using db = await open();
    await db.query('ALTER TABLE bb_event_targetaudience ADD CHECK (targetaudience_id <> 1)');
    await assert.rejects(imported(db), (error) => sqlState(error) === '23514');
    assert.deepEqual(await db.query('SELECT FROM bb_event'), []);
  });

  test('follows the defaults of bridge_settings', async () => {
    await using db = await open();
    await db.query(`INSERT INTO bridge_settings (name, value) VALUES ('default_contact_name', 'Servicetorget'),
        ('default_contact_email', 'post@x.no'), ('default_contact_phone', '55 00 00 00');
      UPDATE bridge_settings SET value = '3' WHERE name IN ('default_activity_id', 'default_agegroup_id')`);
    await imported(db, { organizer_name: null, organizer_email: null });
    assert.deepEqual(
      await db.query(
        'SELECT activity_id, organizer, contact_name, contact_email, contact_phone FROM bb_event',
      ),
      [
        {
          activity_id: 3,
          organizer: null,
          contact_name: 'Servicetorget',
          contact_email: 'post@x.no',
          contact_phone: '55 00 00 00',
        },
      ],
    );
    assert.deepEqual(await db.query('SELECT agegroup_id AS a FROM bb_event_agegroup'), [{ a: 3 }]);
  });

  test('is refused when any of its rooms is taken, by any kind of reservation', async () => {
    await using db = await open();
    await db.query(`INSERT INTO bb_allocation (id, organization_id, season_id, from_, to_) VALUES (2, 1, 1, '2027-05-03 10:59', '2027-05-03 12:00');
      INSERT INTO bb_allocation_resource VALUES (2, 102)`);
    await assert.rejects(imported(db), (error) => sqlState(error) === '23P01');
    await db.query('UPDATE bb_allocation SET active = 0');
    await imported(db);
  });

  test('of a text that is longer than its column is cut', async () => {
    await using db = await open();
    const id = await imported(db, { title: 'é'.repeat(300), organizer_name: 'x'.repeat(300) });
    const [row] = await db.query(
      'SELECT length(name) AS n, length(contact_name) AS c FROM bb_event WHERE id = $1',
      [id],
    );
    assert.deepEqual(row, { n: 255, c: 150 });
  });
});

describe('a change', () => {
  test('shifts the date row of the old times and keeps all rooms', async () => {
    await using db = await open();
    const id = await imported(db);
    await change(db, 'event', id, { starts_at: '2027-05-03T08:30:00Z' });
    assert.deepEqual(await db.query('SELECT from_::text, to_::text FROM bb_event_date'), [
      { from_: '2027-05-03 10:30:00', to_: '2027-05-03 11:00:00' },
    ]);
    assert.equal((await db.query('SELECT FROM bb_event_resource')).length, 2);
  });

  test('leaves a date row that says something else alone', async () => {
    await using db = await open();
    await db.query(event(1) + `UPDATE bb_event_date SET to_ = '2027-05-03 12:00'`);
    await change(db, 'event', 1, { starts_at: '2027-05-03T08:30:00Z' });
    assert.deepEqual(await db.query('SELECT from_::text, to_::text FROM bb_event_date'), [
      { from_: '2027-05-03 10:00:00', to_: '2027-05-03 12:00:00' },
    ]);
  });

  test('of an event with several dates is refused, in words, and so is its cancellation', async () => {
    await using db = await open();
    await db.query(
      event(1) +
        `INSERT INTO bb_event_date (event_id, from_, to_) VALUES (1, '2027-05-04 10:00', '2027-05-04 11:00')`,
    );
    for (const refused of [() => change(db, 'event', 1, { title: 'x' }), () => cancel(db, 'event', 1)])
      await assert.rejects(
        refused(),
        (error: Error) => sqlState(error) === 'P0001' && /several dates/.test(error.message),
      );
    assert.equal((await item(db, 'event', 1))['active'], true);
  });

  test('of a booking or an allocation stores times and rooms and names nothing else as stored', async () => {
    await using db = await open();
    await db.query(`INSERT INTO bb_booking (id, group_id, season_id, activity_id, from_, to_, secret)
        VALUES (1, 3, 1, 1, '2027-05-03 10:00', '2027-05-03 11:00', 's'); INSERT INTO bb_booking_resource VALUES (1, 101);
      INSERT INTO bb_allocation (id, organization_id, season_id, from_, to_) VALUES (1, 1, 1, '2027-05-03 10:00', '2027-05-03 11:00');
      INSERT INTO bb_allocation_resource VALUES (1, 101)`);
    const what = {
      starts_at: '2027-05-03T08:30:00Z',
      title: 'x',
      description: 'y',
      is_private: true,
      resource_ids: [102, 103],
    };
    for (const type of ['booking', 'allocation']) {
      assert.deepEqual((await change(db, type, 1, what)).toSorted(), ['resource_ids', 'starts_at']);
      assert.equal((await item(db, type, 1))['starts_at'].toISOString(), '2027-05-03T08:30:00.000Z');
    }
  });

  test('takes exactly the rooms of the list: some go, some come, some stay', async () => {
    await using db = await open();
    const id = await imported(db);
    assert.deepEqual(await change(db, 'event', id, { resource_ids: [103, 102, 103] }), ['resource_ids']);
    assert.deepEqual(await db.query('SELECT resource_id AS r FROM bb_event_resource ORDER BY 1'), [
      { r: 102 },
      { r: 103 },
    ]);
  });

  test('to a whole day is stored as one', async () => {
    await using db = await open();
    const id = await imported(db);
    const day = { starts_at: '2027-05-03T22:00:00Z', ends_at: '2027-05-04T22:00:00Z', all_day: true };
    assert.deepEqual((await change(db, 'event', id, day)).toSorted(), ['all_day', 'ends_at', 'starts_at']);
  });

  test('that changes nothing stores all of it, and leaves it as it was', async () => {
    await using db = await open();
    const id = await imported(db);
    const before = await item(db, 'event', id);
    const { resource_ids, ...rest } = meeting;
    assert.equal((await change(db, 'event', id, { ...rest, resource_ids })).length, 8);
    assert.deepEqual(await item(db, 'event', id), before);
  });
});

describe('a cancellation', () => {
  test('adds its note once, keeps the text, and a second one changes nothing', async () => {
    await using db = await open();
    const id = await imported(db);
    assert.equal(await cancel(db, 'event', id), true);
    assert.equal((await item(db, 'event', id))['description'], 'Figures\nCancelled from Outlook');
    assert.equal((await item(db, 'event', id))['active'], false);
    assert.equal(await cancel(db, 'event', id), false);
    await db.query('UPDATE bb_event SET active = 1');
    assert.equal(await cancel(db, 'event', id), true);
    assert.equal((await item(db, 'event', id))['description'], 'Figures\nCancelled from Outlook');
  });

  test('of a booking or an allocation sets its flag', async () => {
    await using db = await open();
    await db.query(`INSERT INTO bb_booking (id, group_id, season_id, activity_id, from_, to_, secret)
        VALUES (1, 3, 1, 1, '2027-05-03 10:00', '2027-05-03 11:00', 's');
      INSERT INTO bb_allocation (id, organization_id, season_id, from_, to_) VALUES (1, 1, 1, '2027-05-03 10:00', '2027-05-03 11:00')`);
    assert.deepEqual([await cancel(db, 'booking', 1), await cancel(db, 'allocation', 1)], [true, true]);
    assert.deepEqual(
      await db.query('SELECT active FROM bb_booking UNION ALL SELECT active FROM bb_allocation'),
      [{ active: 0 }, { active: 0 }],
    );
  });
});
