/** What a booking system cannot do, as its adapter declares it, is never asked of it and never read as an edit. */
import { describe, expect, test } from 'vitest';
import { openTestDatabase } from '../support/database.ts';
import { at } from '../support/dates.ts';
import { openCampus, room } from './campus-world.ts';
import { openWorld, rooms, type WorldOptions } from './world.ts';

const [chamber, committee] = [rooms[101]!.upn, rooms[102]!.upn];
const ada = 'ada@bergen.example';

/** MRBS with two rooms, and the daemon before it. */
async function openMrbs(abilities: string | null = null, options: WorldOptions = {}) {
  const database = await openTestDatabase({ schema: 'installed mrbs' });
  if (abilities !== null)
    await database.query(`UPDATE bridge_settings SET value = $1 WHERE name = 'abilities'`, [abilities]);
  const world = await openWorld({
    ...options,
    mapped: [],
    database,
    env: { BOOKING_ADAPTER: 'mrbs', ...options.env },
  });
  world.tenant.addPerson({ upn: ada, name: 'Ada' });
  for (const [id, upn] of [
    [11, chamber],
    [12, committee],
  ])
    await world.db.query(
      'INSERT INTO bridge_resource_mappings (resource_id, outlook_item_id) VALUES ($1, $2)',
      [id, upn],
    );
  const daemon = await world.start();
  await world.settled();
  const pullAll = () => {
    world.tenant.advance(10_000);
    return world.pullAll(daemon);
  };
  return {
    ...world,
    pullAll,
    entries: () =>
      world.db.query<{ room: number; name: string; start: string }>(
        `SELECT room_id AS room, name, to_char(to_timestamp(start_time) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS start FROM mrbs_entry ORDER BY room_id, start_time`,
      ),
    [Symbol.asyncDispose]: () => world[Symbol.asyncDispose](),
  };
}

describe('one room', () => {
  test('an invitation of two rooms becomes one reservation for each, which move together and go one by one', async () => {
    await using world = await openMrbs();
    const meeting = world.tenant.people.invite(ada, [chamber, committee], {
      subject: 'Budget',
      start: at(3, '10:00'),
      end: at(3, '11:00'),
    });
    await world.pullAll();
    expect((await world.entries()).map(({ room: id, start }) => [id, start])).toEqual([
      [11, at(3, '10:00')],
      [12, at(3, '10:00')],
    ]);
    expect(
      await world.db.query(
        `SELECT count(*) AS n FROM bridge_mappings WHERE sync_status IN ('conflict', 'error')`,
      ),
    ).toEqual([{ n: 0 }]);
    world.tenant.people.move(ada, meeting.id, { start: at(3, '13:00'), end: at(3, '14:00') });
    await world.pullAll();
    await world.pullAll();
    expect((await world.entries()).map(({ start }) => start)).toEqual([at(3, '13:00'), at(3, '13:00')]);
  });

  test('the second room of a meeting is flagged alone where its time is taken', async () => {
    await using world = await openMrbs();
    // its room would decline by itself what it shows as taken
    await world.db.query('ALTER TABLE mrbs_entry DISABLE TRIGGER USER');
    await world.db.query(
      `INSERT INTO mrbs_entry (room_id, start_time, end_time, name, create_by, modified_by)
       VALUES (12, extract(epoch FROM $1::timestamptz), extract(epoch FROM $2::timestamptz), 'Choir', 'x', 'x')`,
      [at(3, '10:00'), at(3, '11:00')],
    );
    await world.settled();
    world.tenant.people.invite(ada, [chamber, committee], {
      subject: 'Budget',
      start: at(3, '10:00'),
      end: at(3, '11:00'),
    });
    await world.pullAll();
    expect((await world.entries()).map(({ room: id, name }) => [id, name])).toMatchObject([
      [11, expect.any(String)],
      [12, 'Choir'],
    ]);
    expect(
      await world.db.query(
        `SELECT resource_id AS room, conflict ->> 'kind' AS kind FROM bridge_mappings WHERE sync_status = 'conflict'`,
      ),
    ).toEqual([{ room: 12, kind: 'overlap' }]);
  });
});

describe('no private mark', () => {
  /** MRBS whose private entries are shown as public ones, as by an adapter that has no place for the mark. */
  async function openPublic() {
    const world = await openMrbs('one-room no-private');
    const [view] = await world.db.query<{ text: string }>(
      `SELECT pg_get_viewdef('bridge_items'::regclass) AS text`,
    );
    await world.db.query(
      `CREATE OR REPLACE VIEW bridge_items AS ${view!.text.replace(/\S.* AS is_private/, 'false AS is_private')}`,
    );
    expect(
      await world.db.query(
        `SELECT pg_get_viewdef('bridge_items'::regclass) LIKE '%false AS is_private%' AS public`,
      ),
    ).toEqual([{ public: true }]);
    return world;
  }
  const sensitivity = (world: Awaited<ReturnType<typeof openMrbs>>) =>
    world.events(101).map((event) => event.sensitivity);

  test('what is marked private in Outlook stays so, whatever is edited on either side', async () => {
    await using world = await openPublic();
    const made = world.tenant.people.book(chamber, {
      subject: 'Talk',
      start: at(3, '10:00'),
      end: at(3, '11:00'),
    });
    await world.pullAll();
    world.tenant.people.edit(chamber, made.id, { sensitivity: 'private' });
    await world.pullAll();
    await world.pullAll();
    expect(sensitivity(world)).toEqual(['private']);
    await world.db.query(
      `UPDATE mrbs_entry SET name = 'Moved talk', start_time = start_time + 3600, end_time = end_time + 3600`,
    );
    await world.settled();
    expect(world.events(101)).toMatchObject([
      { start: expect.stringContaining(at(3, '11:00').slice(0, 16)) as string, sensitivity: 'private' },
    ]);
  });

  test('and also when the mappings were lost', async () => {
    await using world = await openPublic();
    world.tenant.people.book(chamber, {
      subject: 'Talk',
      start: at(3, '10:00'),
      end: at(3, '11:00'),
      sensitivity: 'private',
    });
    await world.pullAll();
    await world.db.query('TRUNCATE bridge_mappings, bridge_log CASCADE');
    await world.settled();
    await world.pullAll();
    expect(sensitivity(world)).toEqual(['private']);
    expect(await world.entries()).toHaveLength(1);
  });
});

test('no text: a title edited in Outlook is not asked of the booking system, and comes back from it', async () => {
  await using world = await openMrbs('one-room no-text');
  const made = world.tenant.people.book(chamber, {
    subject: 'Talk',
    start: at(3, '10:00'),
    end: at(3, '11:00'),
  });
  await world.pullAll();
  world.tenant.people.retitle(chamber, made.id, 'Another');
  await world.pullAll();
  await world.pullAll();
  expect(await world.entries()).toMatchObject([{ name: 'Talk' }]);
  expect(world.titles(101)).toEqual(['Talk']);
});

describe('one way', () => {
  test('rooms are of that direction, and nothing is asked of Outlook or written back', async () => {
    await using world = await openMrbs('one-way');
    for (const name of ['bridge_import_item', 'bridge_change_item', 'bridge_cancel_item'])
      await world.db.query(`DROP FUNCTION ${name}`);
    expect(
      await world.db.query('SELECT DISTINCT sync_direction AS way FROM bridge_resource_mappings'),
    ).toEqual([{ way: 'booking_to_outlook' }]);
    world.tenant.people.book(chamber, { subject: 'Talk', start: at(3, '10:00'), end: at(3, '11:00') });
    await world.db.query(
      `INSERT INTO mrbs_entry (room_id, start_time, end_time, name, create_by, modified_by)
       VALUES (11, extract(epoch FROM $1::timestamptz), extract(epoch FROM $2::timestamptz), 'Choir', 'x', 'x')`,
      [at(4, '10:00'), at(4, '11:00')],
    );
    await world.settled();
    expect(world.titles(101).toSorted()).toEqual(['Choir', 'Talk']);
    expect(await world.entries()).toHaveLength(1);
    expect(world.tenant.journal.filter(({ path }) => path.includes('/delta'))).toEqual([]);
  });

  test('rooms that were there before the adapter said so are turned', async () => {
    await using world = await openMrbs();
    await world.db.query(`UPDATE bridge_settings SET value = 'one-way' WHERE name = 'abilities'`);
    expect(
      await world.db.query('SELECT DISTINCT sync_direction AS way FROM bridge_resource_mappings'),
    ).toEqual([{ way: 'booking_to_outlook' }]);
  });
});

test('a constraint of the booking system that refuses is told in words, with what has the time', async () => {
  await using world = await openCampus({ env: { OVERLAP_POLICY: 'import' } });
  await world.book('plain', 'Seminar', '10:00', '11:00');
  world.tenant.people.book(room.plain.upn, { subject: 'Talk', start: at(3, '10:30'), end: at(3, '11:30') });
  await world.pullAll();
  expect(
    await world.db.query(
      `SELECT conflict ->> 'kind' AS kind, error_message AS why FROM bridge_mappings WHERE sync_status = 'conflict'`,
    ),
  ).toEqual([
    { kind: 'overlap', why: expect.stringMatching(/^The time is taken in room .+ by booking\/\S+\.$/) },
  ]);
});
