/** `adopt`: what a predecessor left behind, in its older and its newer form. */
import { expect, test } from 'vitest';
import { createDaemon } from '../../src/daemon/core.ts';
import { toConfig } from '../../src/config.ts';
import { openProxy } from '../support/proxy.ts';
import { bridgeGrants, openRole } from '../support/roles.ts';
import { until, untilTrue } from '../support/until.ts';
import { cli, openOffice, rooms } from './command-line.ts';

type Office = Awaited<ReturnType<typeof openOffice>>;

/** The predecessor's older form: one table of rooms, one of events, under names that are not ours. */
const older = `
  CREATE TABLE room_calendars (id serial PRIMARY KEY, resource_id integer, outlook_item_id varchar(255), outlook_item_name varchar(255), active integer);
  CREATE TABLE outlook_calendar_mapping (id serial PRIMARY KEY, reservation_type varchar(20), reservation_id integer,
    resource_id integer, outlook_item_id varchar(255), outlook_event_id varchar(255) UNIQUE, sync_status varchar(20), sync_direction varchar(20));
  INSERT INTO room_calendars (resource_id, outlook_item_id, outlook_item_name, active)
  VALUES (101, '${rooms[101]!.upn}', 'Formannskapssalen', 1), (102, '${rooms[102]!.upn}', 'Bystyresalen', 0)`;

/** Its newer form, with tables, indexes and a sequence under our names, and a view upon them. */
const newer = `
  CREATE TABLE bridge_mappings (id SERIAL PRIMARY KEY, source_bridge varchar(50) NOT NULL, target_bridge varchar(50) NOT NULL);
  CREATE INDEX bridge_mappings_status ON bridge_mappings (source_bridge);
  CREATE TABLE bridge_subscriptions (id SERIAL PRIMARY KEY, bridge_type varchar(50), subscription_id varchar(255) UNIQUE);
  CREATE TABLE bridge_resource_mappings (id SERIAL PRIMARY KEY, bridge_from varchar(50), bridge_to varchar(50),
    source_calendar_id varchar(255), target_calendar_id varchar(255), source_calendar_name varchar(255),
    target_calendar_name varchar(255), is_active boolean DEFAULT true);
  CREATE VIEW v_active AS SELECT * FROM bridge_resource_mappings WHERE is_active;
  INSERT INTO bridge_mappings (source_bridge, target_bridge) VALUES ('booking_system', 'outlook');
  INSERT INTO bridge_resource_mappings (bridge_from, bridge_to, source_calendar_id, target_calendar_id, target_calendar_name)
  VALUES ('booking_system', 'outlook', '101', '${rooms[101]!.upn}', 'Formannskapssalen'),
         ('outlook', 'booking_system', '${rooms[101]!.upn}', '101', NULL),
         ('outlook', 'booking_system', '${rooms[102]!.upn}', '102', NULL),
         ('booking_system', 'outlook', 'not-a-number', 'x@bergen.example', NULL)`;

async function book(office: Office, title: string): Promise<number> {
  const [row] = await office.db.query<{ id: number }>(
    `WITH e AS (INSERT INTO bb_event (activity_id, name, from_, to_, building_name, contact_name, contact_email, contact_phone, secret)
       VALUES (1, $1, date_trunc('day', now()) + interval '34 hours', date_trunc('day', now()) + interval '35 hours', 'b', 'c', 'e', 'p', 's')
       RETURNING id, from_, to_),
     d AS (INSERT INTO bb_event_date (event_id, from_, to_) SELECT id, from_, to_ FROM e)
     INSERT INTO bb_event_resource (event_id, resource_id) SELECT id, 101 FROM e RETURNING event_id AS id`,
    [title],
  );
  return row!.id;
}

const pairs = (office: Office) =>
  office.db.query(
    `SELECT resource_id AS resource, outlook_item_id AS mailbox, outlook_item_name AS name, active
     FROM bridge_resource_mappings ORDER BY 1`,
  );

test('tables with our names are renamed, the bridge is installed, the rooms are taken over', async () => {
  await using office = await openOffice('portico');
  await office.db.query(newer);
  const said = await cli(office.env, 'adopt');
  expect(said.err).toBe('');
  expect(said.code).toBe(0);
  expect(said.out).toContain('Renamed bridge_mappings to predecessor_bridge_mappings.');
  expect(await office.db.query('SELECT source_bridge FROM predecessor_bridge_mappings')).toHaveLength(1);
  expect(await office.db.query('SELECT FROM v_active')).toHaveLength(4);
  expect(await pairs(office)).toEqual([
    { resource: 101, mailbox: rooms[101]!.upn, name: 'Formannskapssalen', active: 1 },
    { resource: 102, mailbox: rooms[102]!.upn, name: null, active: 1 },
  ]);
  const doctor = (await office.run('doctor', '--json')).json() as { problems: number };
  expect(doctor.problems).toBe(0);
});

test('a dry run says the same and changes nothing', async () => {
  await using office = await openOffice('portico');
  await office.db.query(newer);
  const said = await office.run('adopt', '--dry-run', '--json');
  expect(said.json()).toMatchObject({
    dry_run: true,
    rooms: [{ resourceId: 101 }, { resourceId: 102 }],
  });
  expect(await office.db.query('SELECT source_bridge FROM bridge_mappings')).toHaveLength(1);
  expect(await office.db.query(`SELECT FROM pg_class WHERE relname LIKE 'predecessor%'`)).toEqual([]);
});

test('an event that the predecessor knew is known by the id that stays, and a vanished one is not', async () => {
  await using office = await openOffice('portico');
  await office.db.query(older);
  const [kept, lost] = [await book(office, 'Choir'), await book(office, 'Dance')];
  const day = new Date(Date.now() + 86_400_000).toISOString().slice(0, 10);
  const event = office.tenant.people.book(rooms[101]!.upn, {
    subject: 'Choir',
    start: `${day}T10:00:00`,
    end: `${day}T11:00:00`,
  });
  await office.db.query(
    `INSERT INTO outlook_calendar_mapping (reservation_type, reservation_id, resource_id, outlook_item_id, outlook_event_id, sync_status)
     VALUES ('event', $1, 101, $3, $4, 'synced'), ('event', $2, 101, $3, 'AAMkGone', 'synced'), ('event', 424242, 101, $3, NULL, 'pending')`,
    [kept, lost, rooms[101]!.upn, event.defaultId],
  );
  const said = await office.run('adopt', '--json');
  expect(said.json()).toMatchObject({ success: true, rooms: 2, events: 1, gone: 1 });
  expect(
    await office.db.query('SELECT reservation_id AS id, outlook_event_id AS event FROM bridge_mappings'),
  ).toEqual([{ id: kept, event: event.id }]);
  expect(await pairs(office)).toMatchObject([{ active: 1 }, { active: 0 }]);
  expect(office.tenant.journal.filter(({ method, path }) => method !== 'GET' && /users/.test(path))).toEqual(
    [],
  );
});

test('after it a daemon doubles nothing', { timeout: 90_000 }, async () => {
  await using office = await openOffice('portico');
  await office.db.query(older);
  const id = await book(office, 'Choir');
  const day = new Date(Date.now() + 86_400_000).toISOString().slice(0, 10);
  // as a person typed it, without any mark of ours: only the predecessor's table knows what it is
  const event = office.tenant.people.book(rooms[101]!.upn, {
    subject: 'An old title',
    start: `${day}T10:00:00`,
    end: `${day}T11:00:00`,
    timeZone: 'W. Europe Standard Time',
  });
  await office.db.query(
    `INSERT INTO outlook_calendar_mapping (reservation_type, reservation_id, resource_id, outlook_item_id, outlook_event_id, sync_status)
     VALUES ('event', $1, 101, $2, $3, 'synced')`,
    [id, rooms[101]!.upn, event.defaultId],
  );
  expect((await office.run('adopt')).code).toBe(0);
  const stop = new AbortController();
  await using daemon = await createDaemon(toConfig(office.env), () => undefined);
  const running = daemon.run(stop.signal);
  try {
    await untilTrue(
      office.db,
      `EXISTS (SELECT FROM bridge_mappings m, bridge_room_state s
        WHERE m.sync_status = 'synced' AND s.baselined_at IS NOT NULL AND s.reconciled_at IS NOT NULL AND s.lease_owner IS NULL)`,
    );
    // and once more, with all that Outlook shows of the room
    expect(await office.run('resync', '--all', '--wait')).toMatchObject({ code: 0 });
    expect(office.tenant.eventsIn(rooms[101]!.upn).map(({ id: own }) => own)).toEqual([event.id]);
    expect(await office.db.query('SELECT FROM bb_event')).toHaveLength(1);
  } finally {
    stop.abort();
    await running;
  }
});

test('running it again changes nothing', async () => {
  await using office = await openOffice('portico');
  await office.db.query(newer);
  await office.run('adopt');
  const before = await pairs(office);
  const again = await office.run('adopt', '--json');
  expect(again.code).toBe(0);
  expect(again.json()).toMatchObject({ moved: [], rooms: 0, events: 0 });
  expect(await pairs(office)).toEqual(before);
});

test('running it again leaves a room paused that was paused since, by a command or by SQL', async () => {
  await using office = await openOffice('portico');
  await office.db.query(newer);
  expect((await office.run('adopt')).code).toBe(0);
  expect((await office.run('pause', '101')).code).toBe(0);
  await office.db.query('UPDATE bridge_resource_mappings SET active = 0 WHERE resource_id = 102');
  const again = await office.run('adopt');
  expect(again.out).toContain(`${rooms[101]!.upn} (resource 101) is paused`);
  expect(await pairs(office)).toMatchObject([{ active: 0 }, { active: 0 }]);
});

test('where there is nothing to adopt it installs the bridge and says so', async () => {
  await using office = await openOffice('portico');
  const said = await office.run('adopt');
  expect(said.out).toContain('No table has to be renamed.');
  expect(said.out).toContain('The predecessor has 0 rooms and 0 events');
  expect(said.code).toBe(0);
});

test('our own tables are never renamed', async () => {
  await using office = await openOffice();
  await office.map(101);
  await office.db.query('DROP TABLE bridge_migrations');
  const said = await office.run('adopt');
  expect(said.code).toBe(1);
  expect(said.err).toContain('CREATE TABLE bridge_migrations');
  expect(await pairs(office)).toHaveLength(1);
});

test('tables of another role come with the statements for their owner', async () => {
  await using office = await openOffice('portico');
  await office.db.query(newer);
  await using role = await openRole(office.db, bridgeGrants);
  const said = await cli({ ...office.env, DATABASE_URL: role.config.url }, 'adopt');
  expect(said.code).toBe(1);
  expect(said.err).toContain('ALTER TABLE public.bridge_mappings RENAME TO predecessor_bridge_mappings;');
  expect(await office.db.query('SELECT source_bridge FROM bridge_mappings')).toHaveLength(1);
});

test('a mailbox that refuses us keeps no other from being taken over, and is named', async () => {
  await using office = await openOffice('portico');
  await office.db.query(`${older};
    INSERT INTO room_calendars (resource_id, outlook_item_id, active) VALUES (103, 'nobody@bergen.example', 1);
    INSERT INTO outlook_calendar_mapping (reservation_type, reservation_id, resource_id, outlook_event_id)
    VALUES ('event', 1, 103, 'AAMkX')`);
  const said = await office.run('adopt');
  expect(said.code).toBe(1);
  expect(said.out).toContain('nobody@bergen.example (resource 103) stays paused');
  expect((await pairs(office)).map(({ resource, active }) => [resource, active])).toEqual([
    [101, 1],
    [102, 0],
    [103, 0],
  ]);
});

test('Graph away: nothing is active yet, and the next run goes on', async () => {
  await using office = await openOffice('portico');
  await office.db.query(older);
  const id = await book(office, 'Choir');
  await office.db.query(
    `INSERT INTO outlook_calendar_mapping (reservation_type, reservation_id, resource_id, outlook_event_id)
     VALUES ('event', $1, 101, 'AAMkGone')`,
    [id],
  );
  const away = await cli({ ...office.env, GRAPH_AUTHORITY: 'http://127.0.0.1:1' }, 'adopt');
  expect(away.code).toBe(75);
  expect((await pairs(office)).filter(({ active }) => active === 1)).toEqual([]);
  expect((await office.run('adopt')).code).toBe(0);
  expect(await pairs(office)).toMatchObject([{ active: 1 }, { active: 0 }]);
});

test('a database that goes away meanwhile is said in words, and the next run goes on', async () => {
  await using office = await openOffice('portico');
  await using proxy = await openProxy(office.db.url);
  await office.db.query(older);
  await office.db.query(
    `INSERT INTO outlook_calendar_mapping (reservation_type, reservation_id, resource_id, outlook_item_id, outlook_event_id)
     VALUES ('event', 1, 101, $1, 'AAA')`,
    [rooms[101]!.upn],
  );
  office.tenant.faults.add({ match: { mailbox: rooms[101]!.upn }, action: { do: 'delay', ms: 1_000 } });
  const adopting = cli({ ...office.env, DATABASE_URL: proxy.through(office.db.url) }, 'adopt', '--json');
  await until(() => office.tenant.faults.active[0]!.hits === 1);
  proxy.reset();
  const said = await adopting;
  expect(said.err).not.toMatch(/\n\s+at /);
  expect(said.code).toBe(75);
  expect((await office.run('adopt', '--json')).json()).toMatchObject({ success: true, rooms: 2 });
});
