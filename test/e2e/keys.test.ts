/** A booking system whose reservations have uuids and whose rooms have codes. */
import { describe, expect, test } from 'vitest';
import type { Id } from '../../src/id.ts';
import { cli } from '../cli/command-line.ts';
import { openApi } from '../http/api.ts';
import { campus } from '../support/adapters.ts';
import { openTestDatabase } from '../support/database.ts';
import { at } from '../support/dates.ts';
import { keyId } from '../../src/keys.ts';
import { untilTrue } from '../support/until.ts';
import { openCampus, room } from './campus-world.ts';
import { environmentOf } from '../support/settings.ts';

type Campus = Awaited<ReturnType<typeof openCampus>>;

const eventsOf = (world: Campus) =>
  world.events('plain').map(({ id, subject, extendedProperties }) => ({
    id,
    subject,
    key: Object.values(extendedProperties).find((value) => value !== 'booking'),
  }));

test('edits reach each its own side, both ways, and an event carries the key', async () => {
  await using world = await openCampus();
  const key = await world.book('plain', 'Seminar', '10:00', '11:00');
  expect(eventsOf(world)).toMatchObject([{ subject: 'Seminar', key }]);
  await world.set(key, `title = 'Workshop'`);
  expect(eventsOf(world)).toMatchObject([{ subject: 'Workshop', key }]);
  world.tenant.people.retitle(room.plain.upn, eventsOf(world)[0]!.id, 'From Outlook');
  world.tenant.people.book(room.plain.upn, { subject: 'New', start: at(3, '14:00'), end: at(3, '15:00') });
  await world.pullAll();
  expect(await world.bookings()).toMatchObject([
    { key, title: 'From Outlook', deleted: false },
    { title: 'New', from: '14:00', deleted: false },
  ]);
  for (const { id } of eventsOf(world)) world.tenant.people.remove(room.plain.upn, id);
  await world.pullAll();
  expect(await world.bookings()).toMatchObject([{ deleted: true }, { deleted: true }]);
});

test('an event carries the key also if the number of the key is stored late', async () => {
  await using world = await openCampus();
  const { db } = world;
  const other = await db.pool.connect();
  try {
    await other.query('SELECT pg_advisory_lock(4711)');
    await db.query(`
      CREATE FUNCTION wait_for_test() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN PERFORM pg_advisory_xact_lock(4711); RETURN NULL; END $$;
      CREATE CONSTRAINT TRIGGER wait_for_test AFTER INSERT ON bridge_key DEFERRABLE INITIALLY DEFERRED
      FOR EACH ROW EXECUTE FUNCTION wait_for_test()`);
    const booked = world.book('plain', 'Seminar', '10:00', '11:00');
    await untilTrue(
      db,
      `EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND objid = 4711 AND NOT granted)`,
    );
    await other.query('SELECT pg_advisory_unlock(4711)');
    const key = await booked;
    expect(eventsOf(world)).toMatchObject([{ subject: 'Seminar', key }]);
  } finally {
    other.release();
  }
});

describe('no event is made twice when', () => {
  test.for([
    ['the mappings are lost', 'bridge_mappings, bridge_log'],
    ['the numbers of the keys are lost', 'bridge_key'],
    ['both are lost', 'bridge_mappings, bridge_key, bridge_log'],
  ])('%s', async ([, tables]) => {
    await using world = await openCampus();
    const keys = [
      await world.book('plain', 'Same', '10:00', '11:00'),
      await world.book('plain', 'Same', '12:00', '13:00'),
    ];
    // made anew, so that no idempotency key leads to them
    for (const state of ['deleted_at = now()', 'deleted_at = NULL'])
      for (const key of keys) await world.set(key, state);
    const before = eventsOf(world);
    await world.daemon.stop();
    await world.db.query(`TRUNCATE ${tables} CASCADE`);
    // meanwhile they change places: their keys alone say whose event is whose
    await world.db.query(`UPDATE campus_booking SET deleted_at = now()`);
    await world.db.query(
      `UPDATE campus_booking SET during = CASE WHEN id = $1 THEN tstzrange($2, $3) ELSE tstzrange($3, $4) END, deleted_at = NULL`,
      [keys[0], at(3, '14:00'), at(3, '15:00'), at(3, '16:00')],
    );
    await world.db.query(
      'UPDATE bridge_room_state SET reconciled_at = NULL, baselined_at = NULL, push_due_at = now()',
    );
    await world.start();
    await world.settled();
    expect(eventsOf(world)).toEqual(before);
    expect(world.events('plain').map(({ start }) => start)).toEqual([at(3, '14:00'), at(3, '15:00')]);
    expect(await world.bookings()).toHaveLength(2);
  });

  test('all tables of the bridge are emptied and its rooms are mapped again by their codes', async () => {
    await using world = await openCampus();
    await world.book('plain', 'Seminar', '10:00', '11:00');
    const before = eventsOf(world);
    const rooms = await world.db.query(
      'SELECT resource_id, resource_key FROM bridge_resource_mappings ORDER BY resource_key',
    );
    await world.daemon.stop();
    await world.db.query(
      'TRUNCATE bridge_mappings, bridge_key, bridge_resource_mappings, bridge_log CASCADE',
    );
    for (const { code, upn } of Object.values(room))
      await world.db.query(
        'INSERT INTO bridge_resource_mappings (resource_key, outlook_item_id) VALUES ($1, $2)',
        [code, upn],
      );
    expect(
      await world.db.query(
        'SELECT resource_id, resource_key FROM bridge_resource_mappings ORDER BY resource_key',
      ),
    ).toEqual(rooms);
    await world.start();
    await world.settled();
    expect(eventsOf(world)).toEqual(before);
    expect(await world.bookings()).toHaveLength(1);
  });
});

test('what a trigger missed has its number by the next comparison', async () => {
  await using world = await openCampus();
  await world.db.query('ALTER TABLE campus_booking DISABLE TRIGGER USER');
  const key = await world.book('plain', 'Seminar', '10:00', '11:00');
  expect(eventsOf(world)).toEqual([]);
  await world.db.query('UPDATE bridge_room_state SET reconciled_at = NULL, push_due_at = now()');
  await world.settled();
  expect(eventsOf(world)).toMatchObject([{ key }]);
});

test('the database and the program give a key the same number', async () => {
  await using db = await openTestDatabase({ schema: 'bridge' });
  const keys = [
    '0b0e7b3c-54de-4b2f-9df1-6c1f3c2a1d00',
    'A-101',
    'M\u00f8terom 1',
    '12345',
    '9007199254740993',
    '9223372036854775807',
    '9223372036854775808',
    '007',
    '0',
    '-5',
  ];
  const rows = await db.query<{ key: string; id: Id }>(
    `SELECT key, bridge_key_id('booking', key) AS id FROM unnest($1::text[]) key`,
    [keys],
  );
  expect(rows).toEqual(keys.map((key) => ({ key, id: keyId('booking', key) })));
});

describe('people name a reservation and a room by their keys', () => {
  test('on the command line, and read them there', async () => {
    await using world = await openCampus();
    const key = await world.book('plain', 'Seminar', '10:00', '11:00');
    const run = async (...words: string[]) => {
      const said = await cli({ ...environmentOf(world.db, world.tenant), BOOKING_ADAPTER: campus }, ...words);
      expect(said.err).toBe('');
      return said;
    };
    const id = String(keyId('booking', key));
    for (const named of [key, id]) {
      const explained = (await run('explain', `booking/${named}`, '--json')).json();
      expect(explained).toMatchObject({
        reservation_id: keyId('booking', key),
        reservation_key: key,
        items: [{ title: 'Seminar', resource_key: 'A-101' }],
      });
    }
    expect((await run('search', key)).out).toContain(`booking/${key}`);
    expect((await run('search', `booking/${key}`, '--json')).json()).toMatchObject({
      results: [{ reservation_key: key }],
    });
    expect((await run('mappings', 'list')).out).toContain('A-101');
    expect((await run('mappings', 'remove', 'B-202')).out).toContain('resource B-202');
    expect((await run('mappings', 'add', 'B-202', room.other.upn)).out).toContain('Added: resource B-202');
    expect((await run('pause', 'A-101')).out).toContain('paused');
    const wrong = await cli(
      { ...environmentOf(world.db, world.tenant), BOOKING_ADAPTER: campus },
      'pause',
      'Z-9',
    );
    expect(wrong.err).toContain("no resource 'Z-9'");
  });

  test('in paths, query strings and bodies of HTTP, and read them in its answers', async () => {
    await using world = await openCampus();
    const [key, other] = [
      await world.book('plain', 'Seminar', '10:00', '11:00'),
      await world.book('plain', 'Workshop', '12:00', '13:00'),
    ];
    await using api = await openApi({ db: world.db.pool, waitMs: 100 });
    const id = keyId('booking', key);
    const listed = await api.call(
      'GET',
      `/mappings?reservation_type=booking&reservation_id=${key}&resource_id=A-101`,
    );
    expect(listed.body['mappings']).toMatchObject([
      { reservation_id: id, reservation_key: key, resource_key: 'A-101' },
    ]);
    const checked = await api.call('GET', `/cancel/check/booking/${id}`);
    expect(checked.body).toMatchObject({ reservation_status: { reservation_id: id, reservation_key: key } });
    expect((await api.call('GET', '/rooms/A-101')).body).toMatchObject({ room: { resource_key: 'A-101' } });
    expect((await api.call('GET', '/rooms/Z%2F9')).status).toBe(404);
    expect((await api.call('GET', `/mappings?reservation_id=${key}`)).body).toMatchObject({
      error: expect.stringContaining('reservation_type'),
    });
    await api.call('DELETE', `/cancel/reservation/booking/${key}/A-101`);
    await api.call('POST', '/cancel/bulk', {
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        reservations: [{ reservation_type: 'booking', reservation_id: other, resource_id: 'A-101' }],
      }),
    });
    expect(await world.bookings()).toMatchObject([{ deleted: true }, { deleted: true }]);
    expect(
      await world.db.query(
        `SELECT reservation_id AS id FROM bridge_log WHERE action = 'asked' AND reservation_id IS NOT NULL`,
      ),
    ).toEqual([{ id }]);
  });

  test('a uuid in capitals is the same uuid, unless there is such a key', async () => {
    await using world = await openCampus();
    const key = await world.book('plain', 'Seminar', '10:00', '11:00');
    await using api = await openApi({ db: world.db.pool });
    const found = async (named: string) =>
      (await api.call('GET', `/mappings?reservation_type=booking&reservation_id=${named}`)).body['count'];
    expect(await found(key.toUpperCase())).toBe(1);
    expect((await api.call('GET', `/cancel/check/booking/${key.toUpperCase()}`)).status).toBe(200);
    await world.db.query(`SELECT bridge_key_id('booking', $1)`, [key.toUpperCase()]);
    expect(await found(key.toUpperCase())).toBe(0);
  });

  test('also a room that came later, whose code is made of digits, which are no number then', async () => {
    await using world = await openCampus();
    await world.db.query(`INSERT INTO campus_room (code, name) VALUES ('101', 'Cellar')`);
    await using api = await openApi({ db: world.db.pool });
    const added = await api.call('POST', '/resource-mapping', {
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ resource_id: '101', outlook_item_id: 'cellar@bergen.example' }),
    });
    expect(added.body).toMatchObject({ success: true });
    expect((await api.call('GET', '/rooms/101')).body).toMatchObject({ room: { resource_key: '101' } });
    const env = { ...environmentOf(world.db, world.tenant), BOOKING_ADAPTER: campus };
    expect((await cli(env, 'pause', '101')).out).toContain('paused');
    expect(
      await world.db.query(`SELECT resource_key FROM bridge_resource_mappings WHERE active = 0`),
    ).toEqual([{ resource_key: '101' }]);
  });

  test('but not where there are none', async () => {
    await using api = await openApi();
    for (const path of ['/cancel/check/event/abc', '/rooms/A-101', '/mappings?reservation_id=abc'])
      expect((await api.call('GET', path)).status).toBe(400);
  });
});
