/** `pause`, `resume`, `resync`, `explain` and `report`, by way of the database only. */
import { expect, test } from 'vitest';
import { until } from '../support/until.ts';
import { spoil } from '../sync/failing-row.ts';
import { cli, openOffice, rooms } from './command-line.ts';
import { day } from '../support/dates.ts';

type Office = Awaited<ReturnType<typeof openOffice>>;
const state = async (office: Office) =>
  (
    await office.db.query(
      `SELECT r.active, s.baselined_at IS NOT NULL AS baselined, s.reconciled_at IS NOT NULL AS reconciled,
              s.push_due_at IS NOT NULL AS due
       FROM bridge_resource_mappings r JOIN bridge_room_state s ON s.resource_mapping_id = r.id`,
    )
  )[0];
const compared = (office: Office) =>
  office.db.query(
    'UPDATE bridge_room_state SET baselined_at = now(), reconciled_at = now(), push_due_at = NULL',
  );

test('a paused room is off, and compared first when it is resumed', async () => {
  await using office = await openOffice();
  await office.map(101);
  await compared(office);
  expect((await cli(office.env, 'pause', '101')).out).toContain(
    'Formannskapssalen (resource 101) is paused.',
  );
  expect(await state(office)).toMatchObject({ active: 0 });
  expect((await office.run('pause', '101', '--json')).json()).toMatchObject({
    success: true,
    changed: false,
  });
  expect((await cli(office.env, 'resume', '101', '--json')).json()).toMatchObject({ changed: true });
  expect(await state(office)).toEqual({ active: 1, baselined: false, reconciled: false, due: true });
});

test('a room whose mailbox serves another one meanwhile is not resumed', async () => {
  await using office = await openOffice();
  await office.map(101);
  await office.run('pause', '101');
  await office.db.query(
    'INSERT INTO bridge_resource_mappings (resource_id, outlook_item_id) VALUES (102, $1)',
    [rooms[101]!.upn],
  );
  const said = await office.run('resume', '101');
  expect(said.code).toBe(1);
  expect(said.err).toContain('serves another active room');
});

test.each(['pause', 'resume', 'resync'])('%s of a resource without a room is an error', async (command) => {
  await using office = await openOffice();
  const said = await office.run(command, '101');
  expect(said.code).toBe(64);
  expect(said.err).toContain('mappings list');
});

test('resync compares a room anew and wakes the daemon', async () => {
  await using office = await openOffice();
  await office.map(101);
  await compared(office);
  const listener = await office.db.pool.connect();
  try {
    await listener.query('LISTEN bridge_changes; SELECT pg_advisory_lock_shared(7230912, 6)');
    const woken = new Promise((resolve) => listener.once('notification', resolve));
    expect((await cli(office.env, 'resync', '101')).code).toBe(0);
    await woken;
  } finally {
    listener.release(true);
  }
  expect(await state(office)).toMatchObject({ baselined: false, reconciled: false, due: true });
});

test('--wait ends when the room is compared', async () => {
  await using office = await openOffice();
  await office.map(101);
  await compared(office);
  const waiting = office.run('resync', '--all', '--wait');
  await until(
    () => state(office),
    (room) => room?.['due'] === true,
  );
  await compared(office); // as a daemon would
  expect(await waiting).toMatchObject({
    code: 0,
    out: '1 room was compared on both sides again. The comparison is complete, and no work is left.\n',
  });
});

test('resume --wait says when the room is compared', async () => {
  await using office = await openOffice();
  await office.map(101);
  await compared(office);
  await office.run('pause', '101');
  const waiting = office.run('resume', '101', '--wait');
  await until(
    () => state(office),
    (room) => room?.['active'] === 1,
  );
  await compared(office);
  expect((await waiting).out).toMatch(
    /is active again.*The comparison is complete, and no work is left\.\n$/s,
  );
});

test('--wait without a daemon ends with a word about it', { timeout: 60_000 }, async () => {
  await using office = await openOffice();
  await office.map(101);
  const said = await cli(office.env, 'resync', '101', '--wait');
  expect(said.code).toBe(75);
  expect(said.err).toContain('no daemon works');
});

test('explain tells the life of one reservation, and what it is now', async () => {
  await using office = await openOffice();
  await office.map(101);
  const [event] = await office.db.query<{ id: number }>(`
    WITH e AS (INSERT INTO bb_event (activity_id, name, from_, to_, building_name, contact_name, contact_email, contact_phone, secret)
      VALUES (1, 'Choir', '${day(20, '10:00')}', '${day(20, '11:00')}', 'b', 'c', 'e', 'p', 's') RETURNING id)
    INSERT INTO bb_event_resource (event_id, resource_id) SELECT id, 101 FROM e RETURNING event_id AS id`);
  const what = `event/${event!.id}`;
  expect((await office.run('explain', what)).out).toContain('in Outlook: no event');
  await office.db.query(
    `WITH m AS (INSERT INTO bridge_mappings (reservation_type, reservation_id, resource_id, outlook_item_id, outlook_event_id, sync_status)
       VALUES ('event', $1, 101, $2, 'AAA', 'synced') RETURNING *)
     INSERT INTO bridge_log (mapping_id, resource_id, reservation_type, reservation_id, outlook_event_id, action, latency_ms, call_ms)
     SELECT id, resource_id, reservation_type, reservation_id, outlook_event_id, 'created', 83, 60 FROM m`,
    [event!.id, rooms[101]!.upn],
  );
  const { out } = await office.run('explain', what);
  expect(out).toContain('Formannskapssalen');
  expect(out).toContain('Its event was created in Outlook, 83 ms after the change');
  expect(out).toMatch(new RegExp(`time +${day(20, '10:00')}–11:00 +none`));
  // edited in Outlook, and its room paused
  await office.db.query(
    `UPDATE bridge_mappings m SET booking_base = s, outlook_base = s, outlook_seen = s || $1
     FROM (SELECT bridge_item_state(starts_at, ends_at, all_day, title, description, is_private) AS s
           FROM bridge_items WHERE resource_id = 101) i`,
    [
      {
        title: 'Choir \u001b[31mmoved',
        endsAt: new Date(`${day(20, '12:00').replace(' ', 'T')}:00Z`).toISOString(),
      },
    ],
  );
  await office.run('pause', '101');
  const edited = (await office.run('explain', what)).out;
  expect(edited).toContain('(resource 101): synced, but its room is paused');
  expect(edited).toMatch(/≠ +time +\S+ 10:00–11:00 +\S+ 10:00–1\d:00/);
  expect(edited).toMatch(/≠ +title +Choir +Choir ␛\[31mmoved/);
  expect(edited).toMatch(/\n +privacy +public +public/);
  expect((await office.run('explain', what, '--json')).json()).toMatchObject({
    success: true,
    items: [{ title: 'Choir', active: true }],
    mappings: [
      {
        sync_status: 'synced',
        standing: { paused: true, fields: ['ends_at', 'title'] },
        lines: [{ action: 'created' }],
      },
    ],
  });
});

test('explain names a reservation whose row cannot be read, with its history', async () => {
  await using office = await openOffice();
  await office.map(101);
  const [event] = await office.db.query<{ id: number }>(`
    WITH e AS (INSERT INTO bb_event (activity_id, name, from_, to_, building_name, contact_name, contact_email, contact_phone, secret)
      VALUES (1, 'bad', '${day(20, '10:00')}', '${day(20, '11:00')}', 'b', 'c', 'e', 'p', 's') RETURNING id)
    INSERT INTO bb_event_resource (event_id, resource_id) SELECT id, 101 FROM e RETURNING event_id AS id`);
  await office.db.query(
    `INSERT INTO bridge_log (resource_id, reservation_type, reservation_id, action) VALUES (101, 'event', $1, 'created')`,
    [event!.id],
  );
  await spoil(office);
  const what = `event/${event!.id}`;
  const unreadable = 'the booking system cannot show this reservation: division by zero (SQLSTATE 22012)';
  const said = await office.run('explain', what);
  expect([said.code, said.out]).toEqual([0, expect.stringContaining(`resource 101: ${unreadable}`)]);
  expect((await office.run('explain', what, '--json')).json()).toMatchObject({
    success: true,
    items: [{ resource_id: 101, active: null, unreadable }],
  });
});

test('explain of a reservation that is not known, and of what is no reservation', async () => {
  await using office = await openOffice();
  expect((await office.run('explain', 'event/424242')).err).toContain(
    'Neither the booking system nor the bridge',
  );
  expect((await office.run('explain', '424242')).err).toContain('event/78268');
  const { code, err } = await office.run('explain', 'event/1', '--limit', 'all');
  expect([code, err]).toEqual([64, expect.stringContaining("--limit is 'all'")]);
});

test('report shows the numbers of the day, for people and for scripts', async () => {
  await using office = await openOffice();
  await office.map(101);
  await office.db.query(
    `INSERT INTO bridge_log (action, latency_ms) VALUES ('created', 12), ('created', NULL), ('imported', NULL)`,
  );
  const said = await cli(office.env, 'report');
  expect(said.out).toMatch(/TYPE +PENDING +SYNCED/);
  expect(said.out).toContain('last hour 1 change; p50 12 ms, p95 12 ms, p99 12 ms; and 2 of a backfill');
  expect((await office.run('report', '--json')).json()).toMatchObject({
    success: true,
    statistics: { total_mappings: 0 },
    queue: { rooms: { ok: 1 } },
  });
});

test('conflicts are listed with both sides and what becomes of them, and one side is chosen for all that are listed', async () => {
  await using office = await openOffice();
  await office.map(101);
  const shown = (title: string, hour: string) => ({
    startsAt: `2031-05-05T${hour}:00:00.000Z`,
    endsAt: `2031-05-05T${hour}:30:00.000Z`,
    allDay: false,
    title,
    description: '',
    isPrivate: false,
  });
  for (const [title, hour] of [
    ['Kor \u001b[31m', '08'],
    ['Vielse', '10'],
  ] as const)
    await office.db.query(
      `INSERT INTO bridge_mappings (resource_id, outlook_item_id, outlook_event_id, sync_status, starts_at, is_organizer, outlook_seen, conflict)
       VALUES (101, $1, $2, 'conflict', ($3::jsonb ->> 'startsAt')::timestamptz, $4, $3, '{"kind": "orphan"}')`,
      [rooms[101]!.upn, title, JSON.stringify(shown(title, hour)), hour === '08'],
    );
  const { out } = await office.run('conflicts');
  expect(out).toContain('Kor ␛[31m');
  expect(out).toContain('outlook 2031-05-05 10:00–10:30');
  expect(out).toContain(
    'keep it: The room declines the meeting, and its organiser is notified. (mail to the organiser of the meeting)',
  );
  expect((await office.run('conflicts', '--find', 'nothing like it')).out).toContain(
    'No open conflict matches.',
  );
  expect((await office.run('conflicts', '--limit', '1')).out).toContain('More conflicts are open');
  expect((await office.run('conflicts', '--keep', 'both')).code).toBe(64);
  expect((await office.run('conflicts', '--limit', '0')).code).toBe(64);
  const kept = await office.run('conflicts', '--find', 'vielse', '--keep', 'booking');
  expect(kept.out).toContain('1 of 1 chosen: booking is kept');
  expect(
    await office.db.query(
      'SELECT outlook_event_id AS event, resolution FROM bridge_mappings ORDER BY starts_at',
    ),
  ).toEqual([
    { event: expect.stringContaining('Kor'), resolution: null },
    { event: 'Vielse', resolution: 'booking' },
  ]);
  await office.db.query('UPDATE bridge_mappings SET resolution = NULL');
  expect((await office.run('conflicts', '--limit', '1', '--keep', 'outlook')).out).toContain(
    '1 of 1 chosen: outlook is kept. A daemon applies the choices.\nMore conflicts are open',
  );
});
