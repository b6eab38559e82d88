/**
 * What sql/README.md promises of every adapter, asked of every adapter; with ADAPTER=/path/to/folder of that one. It
 * brings its tables and its desk (how its own people book) in `test/`, and nothing else.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, test } from 'vitest';
import { checkAdapter } from '../../src/cli/adapter-check.ts';
import { missingRights } from '../../src/booking/install.ts';
import { sqlState } from '../../src/database.ts';
import type { Id } from '../../src/id.ts';
import { folderOfAdapter } from '../support/adapters.ts';
import { catalogue, runFile } from '../support/catalogue.ts';
import { openTestDatabase, type TestDatabase } from '../support/database.ts';
import { day } from '../support/dates.ts';
import { desks } from '../support/desks.ts';
import { openRole } from '../support/roles.ts';
import { install, bookingConfig } from '../support/settings.ts';

const meeting = (room: number, more: object = {}) =>
  JSON.stringify({
    starts_at: '2027-05-03T08:00:00Z',
    ends_at: '2027-05-03T09:30:00Z',
    all_day: false,
    title: 'Budget',
    description: 'Bring the figures',
    organizer_name: 'Ada',
    organizer_email: 'ada@example.org',
    is_private: false,
    resource_ids: [room],
    ...more,
  });

interface Key {
  readonly type: string;
  readonly id: Id;
}

async function imported(db: TestDatabase, item: string): Promise<Key> {
  const [key] = await db.query<{ type: string; id: Id }>(
    'SELECT reservation_type AS type, reservation_id AS id FROM bridge_import($1)',
    [item],
  );
  return key!;
}

async function itemsOf(db: TestDatabase, { type, id }: Key) {
  // as the fold does, before it reads
  await db.query('SELECT bridge_number_keys(NULL)');
  return db.query(
    'SELECT * FROM bridge_items WHERE reservation_type = $1 AND reservation_id = $2 ORDER BY resource_id',
    [type, id],
  );
}

async function change(db: TestDatabase, { type, id }: Key, what: object): Promise<string[]> {
  const [row] = await db.query<{ keys: string[] }>('SELECT bridge_change_item($1, $2::bigint, $3) AS keys', [
    type,
    id,
    JSON.stringify(what),
  ]);
  return row!.keys.toSorted();
}

/** The time is taken, and the message, which is logged, has no title in it. */
const isTaken = (error: Error) =>
  sqlState(error) === '23P01' && !/choir|budget|bring the figures|ada/i.test(error.message);

/** What the adapter says that its booking system cannot do (sql/README.md). */
const abilities = async (db: TestDatabase) =>
  (
    await db.query<{ words: string[] }>(
      `SELECT string_to_array(value, ' ') AS words FROM bridge_settings WHERE name = 'abilities'`,
    )
  ).flatMap(({ words }) => words);

const noted = async (db: TestDatabase) =>
  (await db.query(
    `DELETE FROM bridge_changes RETURNING reservation_type AS type,
       coalesce(reservation_id, bridge_key_id(reservation_type, reservation_key)) AS id`,
  )) as unknown as Key[];

/** Maps the rooms, and has all that is in them settled as it is. */
async function atRest(db: TestDatabase, rooms: readonly number[]): Promise<void> {
  await db.query(
    `INSERT INTO bridge_resource_mappings (resource_id, outlook_item_id) SELECT r, 'room-' || r FROM unnest($1::integer[]) r`,
    [rooms],
  );
  await db.query(`
    INSERT INTO bridge_mappings (reservation_type, reservation_id, resource_id, outlook_item_id, outlook_event_id, sync_status, priority_level,
      present, starts_at, ends_at, booking_seen)
    SELECT i.reservation_type, i.reservation_id, i.resource_id, 'room-' || i.resource_id, 'event-' || row_number() OVER (), 'synced',
      i.priority_level, i.active, i.starts_at, i.ends_at,
      bridge_item_state(i.starts_at, i.ends_at, i.all_day, i.title, i.description, i.is_private)
        || coalesce(bridge_appearance(to_jsonb(i), bridge_style(i.resource_id)), '{}')
    FROM bridge_items i WHERE i.active AND i.resource_id IN (SELECT resource_id FROM bridge_resource_mappings)`);
}

describe.each(desks)('the adapter $name', (desk) => {
  const open = () => openTestDatabase({ schema: desk.installed });

  test('is found right by `adapter check`, with what its desk books', async () => {
    await using db = await open();
    const rooms = await desk.rooms(db);
    await desk.book(db, rooms[0], '2027-07-01 10:00', '2027-07-01 11:00', 'Choir');
    await desk.book(db, rooms[1], '2027-03-28 00:00', '2027-03-29 00:00', 'Market');
    const problems: string[] = [];
    await checkAdapter(
      bookingConfig(db, desk.adapter),
      (state, check, message) => void (state === 'problem' && problems.push(`${check}: ${message}`)),
      new AbortController().signal,
    );
    assert.deepEqual(problems, []);
  });

  test('shows a booking made at the desk at the instant of its wall clock, in summer and in winter', async () => {
    await using db = await open();
    const rooms = await desk.rooms(db);
    const summer = await desk.book(db, rooms[0], '2027-07-01 10:00', '2027-07-01 11:00', 'Choir');
    const winter = await desk.book(db, rooms[0], '2027-01-11 10:00', '2027-01-11 11:00', 'Choir');
    const [first] = await itemsOf(db, summer);
    const [second] = await itemsOf(db, winter);
    assert.equal(first?.['starts_at'].toISOString(), '2027-07-01T08:00:00.000Z');
    assert.equal(second?.['starts_at'].toISOString(), '2027-01-11T09:00:00.000Z');
    assert.equal(first?.['resource_id'], rooms[0]);
    assert.equal(first?.['active'], true);
    assert.equal(first?.['all_day'], false);
  });

  test('shows whole local days as all-day, also when the clock changes in them', async (context) => {
    await using db = await open();
    // a date with two times of day
    context.skip((await desk.lacks(db)).includes('all_day'));
    const rooms = await desk.rooms(db);
    const whole = await desk.book(db, rooms[0], '2027-03-28 00:00', '2027-03-29 00:00', 'Market');
    const noon = await desk.book(db, rooms[0], '2027-03-30 00:00', '2027-03-30 12:00', 'Market');
    assert.deepEqual(
      (await itemsOf(db, whole)).map((item) => item['all_day']),
      [true],
    );
    assert.deepEqual(
      (await itemsOf(db, noon)).map((item) => item['all_day']),
      [false],
    );
  });

  test('shows a booking that ends before it starts without a length, and remarks on it', async (context) => {
    await using db = await open();
    const remarks = () =>
      db.query('SELECT reservation_type AS type, reservation_id AS id, remark FROM bridge_remarks');
    const [view] = await db.query<{ name: string | null }>(`SELECT to_regclass('bridge_remarks') AS name`);
    // the view is optional; the adapters in sql/ have it
    context.skip(view!.name === null && desk.adapter.includes('/'));
    const rooms = await desk.rooms(db);
    await desk.book(db, rooms[0], day(7, '18:00'), day(7, '19:00'), 'Choir');
    assert.deepEqual(await remarks(), []);
    const wrong = await desk.book(db, rooms[0], day(8, '15:00'), day(8, '14:00'), 'Choir');
    const [item] = await itemsOf(db, wrong);
    assert.deepEqual(item?.['ends_at'], item?.['starts_at']);
    assert.deepEqual(await remarks(), [
      {
        ...wrong,
        remark: `it ends at ${day(8, '14:00')}, before it starts; Outlook shows it without a length at ${day(8, '15:00')}: correct its times`,
      },
    ]);
  });

  test('imports a meeting and shows it as it was asked for', async () => {
    await using db = await open();
    const rooms = await desk.rooms(db);
    const key = await imported(db, meeting(rooms[0], { is_private: true }));
    const [item] = await itemsOf(db, key);
    assert.equal(item?.['starts_at'].toISOString(), '2027-05-03T08:00:00.000Z');
    assert.equal(item?.['ends_at'].toISOString(), '2027-05-03T09:30:00.000Z');
    assert.equal(item?.['title'], 'Budget');
    const lacks = await desk.lacks(db);
    assert.equal(item?.['description'], lacks.includes('description') ? null : 'Bring the figures');
    assert.equal(item?.['is_private'], !lacks.includes('is_private'));
    assert.equal(item?.['active'], true);
  });

  test('refuses an import onto a taken slot with 23P01 and writes nothing, and obeys when overlap is allowed', async () => {
    await using db = await open();
    const rooms = await desk.rooms(db);
    await desk.book(db, rooms[0], '2027-05-03 10:30', '2027-05-03 12:00', 'Choir'); // 08:30Z to 10:00Z
    const before = await db.query('SELECT count(*) FROM bridge_items');
    await assert.rejects(imported(db, meeting(rooms[0])), isTaken);
    assert.deepEqual(await db.query('SELECT count(*) FROM bridge_items'), before);
    const noOverlap = (await abilities(db)).includes('no-overlap');
    const onTop = imported(db, meeting(rooms[0], { overlap: 'allow' }));
    if (noOverlap) await assert.rejects(onTop, isTaken);
    else await onTop;
    await imported(db, meeting(rooms[1]));
  });

  test('imports back to back: an end is not part of the slot', async () => {
    await using db = await open();
    const rooms = await desk.rooms(db);
    await desk.book(db, rooms[0], '2027-05-03 09:00', '2027-05-03 10:00', 'Choir'); // to 08:00Z
    await imported(db, meeting(rooms[0]));
  });

  test('refuses what cannot be with a permanent error: no room, a room that is none, an end before the start', async () => {
    await using db = await open();
    const rooms = await desk.rooms(db);
    for (const wrong of [
      { resource_ids: [] },
      { resource_ids: [987_654] },
      { ends_at: '2027-05-03T07:00:00Z' },
      { starts_at: 'soon' },
      { starts_at: null },
    ])
      await assert.rejects(imported(db, meeting(rooms[0], wrong)), (error) =>
        /^(22|23|P0001)/.test(sqlState(error) ?? ''),
      );
    assert.deepEqual(await noted(db), []);
  });

  test('changes an imported meeting and returns the keys it stored', async () => {
    await using db = await open();
    const rooms = await desk.rooms(db);
    const key = await imported(db, meeting(rooms[0]));
    const what = {
      starts_at: '2027-05-03T08:15:00Z',
      title: 'Budget II',
      description: 'New text',
      is_private: true,
    };
    const lacks = await desk.lacks(db);
    const stored = Object.keys(what).filter((name) => !lacks.includes(name));
    assert.deepEqual(await change(db, key, what), stored.toSorted());
    const [item] = await itemsOf(db, key);
    assert.equal(item?.['starts_at'].toISOString(), '2027-05-03T08:15:00.000Z');
    assert.equal(
      item?.['ends_at'].toISOString(),
      '2027-05-03T09:30:00.000Z',
      'an absent key means unchanged',
    );
    assert.equal(item?.['title'], 'Budget II');
  });

  test('does not return a key it could store in part only', async () => {
    await using db = await open();
    const rooms = await desk.rooms(db);
    const key = await imported(db, meeting(rooms[0]));
    const title = 'x'.repeat(20_000);
    const stored = await change(db, key, { title, description: 'kept' });
    const [item] = await itemsOf(db, key);
    const kept = (await desk.lacks(db)).includes('description') ? [] : ['description'];
    assert.deepEqual(stored, item?.['title'] === title ? [...kept, 'title'] : kept);
  });

  test('moves a meeting to another room', async () => {
    await using db = await open();
    const rooms = await desk.rooms(db);
    const key = await imported(db, meeting(rooms[0]));
    assert.deepEqual(await change(db, key, { resource_ids: [rooms[1]] }), ['resource_ids']);
    assert.deepEqual(
      (await itemsOf(db, key)).map((item) => item['resource_id']),
      [rooms[1]],
    );
  });

  test('refuses a change onto a taken slot when asked to, and takes nothing of it', async () => {
    await using db = await open();
    const rooms = await desk.rooms(db);
    await desk.book(db, rooms[0], '2027-05-04 10:00', '2027-05-04 12:00', 'Choir');
    const key = await imported(db, meeting(rooms[0]));
    const noOverlap = (await abilities(db)).includes('no-overlap');
    const onto = { starts_at: '2027-05-04T08:30:00Z', ends_at: '2027-05-04T09:00:00Z' };
    await assert.rejects(change(db, key, { ...onto, overlap: 'refuse' }), isTaken);
    assert.equal((await itemsOf(db, key))[0]?.['starts_at'].toISOString(), '2027-05-03T08:00:00.000Z');
    if (noOverlap) await assert.rejects(change(db, key, onto), isTaken);
    else assert.deepEqual(await change(db, key, onto), ['ends_at', 'starts_at']);
  });

  test('has one room for each reservation where it says so, and several else', async () => {
    await using db = await open();
    const both = meeting(0, { resource_ids: await desk.rooms(db) });
    if ((await abilities(db)).includes('one-room'))
      await assert.rejects(imported(db, both), (error) => sqlState(error) === '22023');
    else assert.equal((await itemsOf(db, await imported(db, both))).length, 2);
  });

  test('refuses to leave a reservation without a room', async () => {
    await using db = await open();
    const rooms = await desk.rooms(db);
    const key = await imported(db, meeting(rooms[0]));
    await assert.rejects(change(db, key, { resource_ids: [] }), (error) => sqlState(error) === '22023');
  });

  test('cancels a meeting so that its slot is free', async () => {
    await using db = await open();
    const rooms = await desk.rooms(db);
    const key = await imported(db, meeting(rooms[0]));
    await db.query('SELECT bridge_cancel_item($1, $2::bigint, $3)', [
      key.type,
      key.id,
      'Cancelled from Outlook',
    ]);
    assert.deepEqual(
      (await itemsOf(db, key)).filter((item) => item['active']),
      [],
    );
    await imported(db, meeting(rooms[0]));
  });

  test('enables a cancelled meeting again, once, unless another one has its time by now', async (context) => {
    await using db = await open();
    const [there] = await db.query<{ there: boolean }>(
      `SELECT to_regprocedure('bridge_reenable_item(text, bigint, text)') IS NOT NULL AS there`,
    );
    if (!there!.there) context.skip('the function is optional');
    const rooms = await desk.rooms(db);
    const note = 'Cancelled from Outlook';
    const key = await imported(db, meeting(rooms[0]));
    const values = [key.type, key.id, note];
    const reenable = async () =>
      (
        await db.query<{ done: boolean }>('SELECT bridge_reenable_item($1, $2::bigint, $3) AS done', values)
      )[0]!.done;
    assert.equal(await reenable(), false, 'it is active');
    await db.query('SELECT bridge_cancel_item($1, $2::bigint, $3)', values);
    assert.equal(await reenable(), true);
    const [item] = await itemsOf(db, key);
    assert.equal(item?.['active'], true);
    const hasPlace = !(await desk.lacks(db)).includes('description');
    assert.equal(item?.['description'], hasPlace ? 'Bring the figures' : null);
    await db.query('SELECT bridge_cancel_item($1, $2::bigint, $3)', values);
    await imported(db, meeting(rooms[0]));
    await assert.rejects(reenable(), isTaken);
    assert.equal((await itemsOf(db, key))[0]?.['active'], false);
  });

  test('locks a reservation by a change of nothing, and writes nothing', async () => {
    await using db = await open();
    const rooms = await desk.rooms(db);
    const key = await desk.book(db, rooms[0], '2027-06-01 10:00', '2027-06-01 11:00', 'Choir');
    await itemsOf(db, key);
    const before = await desk.everything(db);
    assert.deepEqual(await change(db, key, {}), []);
    assert.deepEqual(await desk.everything(db), before);
    const holder = await db.pool.connect();
    await holder.query('BEGIN');
    await holder.query(`SELECT bridge_change_item($1, $2::bigint, '{}')`, [key.type, key.id]);
    const { rows } = await holder.query<{ n: number }>(
      `SELECT count(*)::integer AS n FROM pg_locks WHERE pid = pg_backend_pid() AND mode = 'RowShareLock' AND granted
         AND relation::regclass::text NOT LIKE 'bridge%'`,
    );
    await holder.query('ROLLBACK');
    holder.release();
    assert.ok(rows[0]!.n > 0);
  });

  test('never approves: what was cancelled and is enabled again waits for approval as an import does', async (context) => {
    await using db = await open();
    if (!(await desk.askForApproval(db))) context.skip('the system has no approval');
    const rooms = await desk.rooms(db);
    const stateOf = async (key: Key) =>
      (await itemsOf(db, key)).map(({ active, state }) => ({ active, state }));
    const key = await imported(db, meeting(rooms[0]));
    assert.deepEqual(await stateOf(key), [{ active: false, state: 'awaiting' }]);
    const [there] = await db.query<{ there: boolean }>(
      `SELECT to_regprocedure('bridge_reenable_item(text, bigint, text)') IS NOT NULL AS there`,
    );
    if (!there!.there) return;
    const values = [key.type, key.id, 'Cancelled from Outlook'];
    await db.query('SELECT bridge_cancel_item($1, $2::bigint, $3)', values);
    await db.query('SELECT bridge_reenable_item($1, $2::bigint, $3)', values);
    assert.deepEqual(await stateOf(key), [{ active: false, state: 'awaiting' }]);
  });

  test('works with no more rights than 00_rights.sql asks for, and a DBA who grants them is asked for no more', async () => {
    await using db = await openTestDatabase({ schema: desk.bare });
    await using ours = await openRole(db, ['GRANT USAGE, CREATE ON SCHEMA public TO role']);
    const { client } = await ours.session();
    const lacking = async () =>
      (await missingRights(client, folderOfAdapter(desk.adapter))).flatMap(({ repair }) => repair ?? []);
    // the next round names what could not be seen without the first
    for (let round = 0; round < 3; round += 1) for (const grant of await lacking()) await db.query(grant);
    assert.deepEqual(await lacking(), []);
    await install(ours, desk.adapter);
    const rooms = await desk.rooms(db);
    await desk.book(db, rooms[0], '2027-06-01 10:00', '2027-06-01 11:00', 'Choir');
    const ask = async (text: string, values: readonly unknown[]) =>
      (await client.query<Record<string, unknown>>(text, [...values])).rows[0]!;
    const { type, id } = await ask(
      'SELECT reservation_type AS type, reservation_id AS id FROM bridge_import($1)',
      [meeting(rooms[0])],
    );
    const what = {
      starts_at: '2027-05-03T08:15:00Z',
      title: 'II',
      description: 'x',
      resource_ids: [rooms[1]],
    };
    const { keys } = await ask('SELECT bridge_change_item($1, $2::bigint, $3) AS keys', [
      type,
      id,
      JSON.stringify(what),
    ]);
    assert.ok((keys as string[]).includes('starts_at'));
    const { done } = await ask('SELECT bridge_cancel_item($1, $2::bigint, $3) AS done', [type, id, 'note']);
    assert.equal(done, true);
    await client.query('SELECT * FROM bridge_items');
    await client.query('SELECT * FROM bridge_resources');
  });

  test('answers P0002 for a reservation or a type that is not there', async () => {
    await using db = await open();
    const rooms = await desk.rooms(db);
    const key = await imported(db, meeting(rooms[0]));
    const gone = (error: unknown) => sqlState(error) === 'P0002';
    for (const none of [
      { type: key.type, id: 987_654 },
      { type: 'picnic', id: key.id },
    ]) {
      await assert.rejects(change(db, none, { title: 'x' }), gone);
      await assert.rejects(
        db.query('SELECT bridge_cancel_item($1, $2::bigint, $3)', [none.type, none.id, 'x']),
        gone,
      );
    }
  });

  test('notes every kind of change of what it shows, and nothing when that stays the same', async () => {
    await using db = await open();
    const rooms = await desk.rooms(db);
    const key = await desk.book(db, rooms[0], '2027-06-01 10:00', '2027-06-01 11:00', 'Choir');
    assert.ok(
      (await noted(db)).some((row) => row.id === key.id && row.type === key.type),
      'a new booking',
    );
    await desk.move(db, key, '2027-06-01 12:00', '2027-06-01 13:00');
    assert.deepEqual([...new Set((await noted(db)).map((row) => row.id))], [key.id], 'a moved one');
    await atRest(db, rooms);
    await desk.touch(db, key);
    await db.query('SELECT bridge_fold(36500, 36500, 1000)');
    assert.deepEqual(
      await db.query('SELECT * FROM bridge_mappings WHERE due_at IS NOT NULL'),
      [],
      'one in which nothing of this was changed',
    );
    await desk.cancel(db, key);
    assert.deepEqual([...new Set((await noted(db)).map((row) => row.id))], [key.id], 'a cancelled one');
  });

  test('lets bookings through when it cannot note them', async () => {
    await using db = await open();
    const rooms = await desk.rooms(db);
    await db.query('ALTER TABLE bridge_changes RENAME TO elsewhere');
    const key = await desk.book(db, rooms[0], '2027-06-01 10:00', '2027-06-01 11:00', 'Choir');
    await desk.move(db, key, '2027-06-01 12:00', '2027-06-01 13:00');
    await desk.cancel(db, key);
    const [row] = await db.query<{ times: number }>('SELECT last_value AS times FROM bridge_missed_seq');
    assert.ok(row!.times >= 3, 'the daemon is told that it has to compare');
  });

  test('has trigger functions with rights of their own, out of reach of the session, that wait for no lock', async () => {
    await using db = await open();
    const rows = await db.query<{
      name: string;
      settings: string[] | null;
      made: boolean;
      definer: boolean;
      open: boolean;
    }>(
      `SELECT DISTINCT p.proname AS name, p.proconfig AS settings, p.prosecdef AS definer,
              EXISTS (SELECT FROM bridge_watched w WHERE w.calls = 'public.' || quote_ident(p.proname) AND w.reservations IS NOT NULL) AS made,
              p.proacl IS NULL OR EXISTS (SELECT FROM aclexplode(p.proacl) a WHERE a.grantee = 0) AS open
       FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid JOIN pg_class c ON c.oid = t.tgrelid
       WHERE NOT t.tgisinternal AND p.proname LIKE 'bridge\\_%' AND c.relname NOT LIKE 'bridge\\_%'`,
    );
    assert.notDeepEqual(rows, [], 'there are some');
    for (const { name, settings, made, definer, open: callable } of rows) {
      assert.ok(definer, `${name} is SECURITY DEFINER`);
      assert.ok(!callable, `${name} may not be called by PUBLIC`);
      assert.ok(
        // the template names everything with its schema: test/booking/watched.test.ts sets traps for it
        made || settings?.some((one) => /^search_path=.*pg_temp$/.test(one)),
        `${name} has a search_path`,
      );
      assert.ok(
        settings?.some((one) => one.startsWith('lock_timeout=')),
        `${name} has a lock_timeout`,
      );
    }
  });

  test('is installed twice as once, and gone without a trace but our own tables when uninstalled', async () => {
    await using db = await openTestDatabase({ schema: desk.bare });
    const rooms = await desk.rooms(db);
    const before = await catalogue(db, 'not ours');
    await install(db, desk.adapter);
    const once = await catalogue(db, 'not ours');
    await install(db, desk.adapter);
    assert.deepEqual(await catalogue(db, 'not ours'), once);
    await desk.book(db, rooms[0], '2027-06-01 10:00', '2027-06-01 11:00', 'Choir');
    const data = await desk.everything(db);
    await runFile(db, join(folderOfAdapter(desk.adapter), '90_uninstall.sql'));
    assert.deepEqual(await desk.everything(db), data);
    assert.deepEqual(await catalogue(db, 'not ours'), before);
    await desk.book(db, rooms[0], '2027-06-02 10:00', '2027-06-02 11:00', 'Choir');
  });

  test('refuses a database that is not the one it was written for, and changes nothing', async () => {
    await using db = await openTestDatabase({ schema: 'empty' });
    await assert.rejects(
      install(db, desk.adapter),
      /lacks privileges in this database, or tables are missing/,
    );
    assert.deepEqual(await db.query(`SELECT relname FROM pg_class WHERE relname LIKE 'bridge%'`), []);
  });
});
