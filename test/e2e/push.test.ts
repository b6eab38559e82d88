import { describe, expect, test } from 'vitest';
import { isContended } from '../../src/database.ts';
import { openWorld, rooms } from './world.ts';
import { at, clockChange, date, day } from '../support/dates.ts';

const spring = clockChange('forward');
const autumn = clockChange('back');
/** An instant as the tenant prints it. */
const shown = (instant: string) => instant.replace('Z', '.0000000Z');

/** Starts the daemon and waits until its rooms were compared with Outlook. */
async function openRunning(options: Parameters<typeof openWorld>[0] = {}) {
  const world = await openWorld(options);
  const running = await world.start();
  await world.settled();
  return Object.assign(world, { running });
}

describe('a commit in the booking system', () => {
  test('is an event in the room calendar, with our extended properties, and no mail to anyone', async () => {
    await using world = await openRunning();
    const choir = await world.desk.book(101, {
      title: 'Kammerkoret øver',
      description: 'Noter: <b>ikke</b> HTML & 😀',
      from: day(2, '18:00'),
      to: day(2, '20:00'),
    });
    await world.settled();
    const [event] = world.events(101);
    expect(event).toMatchObject({
      subject: 'Kammerkoret øver',
      start: shown(at(2, '18:00')),
      end: shown(at(2, '20:00')),
      showAs: 'busy',
      attendees: [],
      isReminderOn: false,
    });
    expect(Object.values(event!.extendedProperties).sort()).toEqual([String(choir.id), 'event']);
    expect(world.tenant.mails).toEqual([]);
    expect(world.tenant.violations).toEqual([]);
  });

  test('costs one call to Graph, and a cancellation two', async () => {
    await using world = await openRunning();
    const before = world.tenant.journal.length;
    const choir = await world.desk.book(101, { from: world.day(2, '18:00'), to: world.day(2, '20:00') });
    await world.settled();
    await world.desk.move(choir, world.day(2, '19:00'), world.day(2, '21:00'));
    await world.settled();
    await world.desk.cancel(choir);
    await world.settled();
    const calls = world.tenant.journal.slice(before).map((entry) => entry.method);
    // its event is read before: it may be a series by now
    expect(calls).toEqual(['POST', 'PATCH', 'GET', 'DELETE']);
  });

  test('is written down with its latency, from the change to the acceptance', async () => {
    await using world = await openRunning();
    const choir = await world.desk.book(101, { from: world.day(2, '18:00'), to: world.day(2, '20:00') });
    await world.settled();
    const [line] = await world.db.query<{ action: string; latency_ms: number; call_ms: number }>(
      `SELECT action, latency_ms, call_ms FROM bridge_log WHERE reservation_type = 'event' AND reservation_id = $1`,
      [choir.id],
    );
    expect(line!.action).toBe('created');
    expect(line!.latency_ms).toBeGreaterThanOrEqual(line!.call_ms);
  });

  test('that is rolled back leaves nothing, a savepoint included', async () => {
    await using world = await openRunning();
    const client = await world.db.pool.connect();
    await client.query('BEGIN');
    const insert = `WITH e AS (INSERT INTO bb_event (activity_id, name, from_, to_, building_name, contact_name, contact_email, contact_phone, secret)
      VALUES (1, $1, $2, $3, 'x', 'x', 'x', 'x', 'x') RETURNING id)
      INSERT INTO bb_event_resource (event_id, resource_id) SELECT id, 101 FROM e`;
    await client.query('SAVEPOINT a');
    await client.query(insert, ['taken back', world.day(2, '10:00'), world.day(2, '11:00')]);
    await client.query('ROLLBACK TO SAVEPOINT a');
    await client.query(insert, ['kept', world.day(2, '12:00'), world.day(2, '13:00')]);
    await client.query('COMMIT');
    await client.query('BEGIN');
    await client.query(insert, ['rolled back', world.day(2, '14:00'), world.day(2, '15:00')]);
    await client.query('ROLLBACK');
    client.release();
    await world.settled();
    expect(world.titles(101)).toEqual(['kept']);
  });
});

test('a mailbox that asks for rest gets it, from every call that was on its way', async () => {
  await using world = await openRunning();
  world.tenant.faults.add({
    match: { method: 'POST' },
    times: 1,
    action: { do: 'refuse', as: 'throttled', retryAfter: '1' },
  });
  for (let n = 0; n < 30; n += 1)
    await world.desk.book(101, { from: world.day(n + 1, '10:00'), to: world.day(n + 1, '11:00') });
  await world.settled();
  expect(world.events(101).length).toBe(30);
  expect(world.tenant.violations).toEqual([]);
});

describe('what Outlook shows', () => {
  test('of a private reservation is that the room is taken, and nothing else', async () => {
    await using world = await openRunning();
    await world.desk.book(101, {
      title: 'Personalsak NN',
      description: 'fortrolig',
      isPublic: false,
      from: world.day(2, '10:00'),
      to: world.day(2, '11:00'),
    });
    await world.settled();
    const [event] = world.events(101);
    expect(event).toMatchObject({ subject: 'Private', sensitivity: 'private' });
    const sent = JSON.stringify(world.tenant.journal);
    expect(sent).not.toMatch(/Personalsak|fortrolig/);
  });

  test('of a reservation made private takes title and text away, and gives them back', async () => {
    await using world = await openRunning();
    const event = await world.desk.book(101, {
      title: 'Åpent møte',
      description: 'velkommen',
      from: world.day(2, '10:00'),
      to: world.day(2, '11:00'),
    });
    await world.settled();
    await world.db.query('UPDATE bb_event SET is_public = 0 WHERE id = $1', [event.id]);
    await world.settled();
    expect(world.events(101)[0]).toMatchObject({ subject: 'Private', sensitivity: 'private' });
    expect(world.events(101)[0]!.bodyHtml).not.toContain('velkommen');
    await world.db.query('UPDATE bb_event SET is_public = 1 WHERE id = $1', [event.id]);
    await world.settled();
    expect(world.events(101)[0]).toMatchObject({ subject: 'Åpent møte', sensitivity: 'normal' });
    expect(world.events(101)[0]!.bodyHtml).toContain('velkommen');
  });

  test('of a group or an organisation follows when that is renamed', async () => {
    await using world = await openRunning();
    await world.desk.bookGroup(101, { from: world.day(2, '10:00'), to: world.day(2, '11:00'), of: 3 });
    await world.desk.allocate(102, { from: world.day(2, '10:00'), to: world.day(2, '11:00'), of: 2 });
    await world.settled();
    await world.db.query(`UPDATE bb_group SET name = 'Domkoret' WHERE id = 3`);
    await world.db.query(`UPDATE bb_organization SET name = 'Bergen Kor' WHERE id = 2`);
    await world.settled();
    expect([world.titles(101), world.titles(102)]).toEqual([['Domkoret'], ['Bergen Kor']]);
  });

  test.each([
    ['before', spring - 1, '17:00'],
    ['after', spring, '16:00'],
  ])('is the same hour on the clock %s the spring change', async (_when, days, utc) => {
    await using world = await openRunning();
    await world.desk.book(101, { from: day(days, '18:00'), to: day(days, '20:00') });
    await world.settled();
    expect(world.events(101)[0]!.start).toBe(shown(`${date(days)}T${utc}:00Z`));
  });

  test.each([
    ['that ends in the repeated hour', day(autumn, '01:30'), day(autumn, '02:30')],
    ['across it', day(autumn - 1, '22:00'), day(autumn, '06:00')],
    ['across the missing hour', day(spring - 1, '22:00'), day(spring, '06:00')],
  ])('of a night %s has the instants that PostgreSQL reads', async (_which, from, to) => {
    await using world = await openRunning();
    await world.desk.book(101, { from, to });
    await world.settled();
    const [item] = await world.db.query<{ starts_at: Date; ends_at: Date }>(
      'SELECT starts_at, ends_at FROM bridge_items',
    );
    const [event] = world.events(101);
    expect([Date.parse(event!.start), Date.parse(event!.end)]).toEqual([
      item!.starts_at.getTime(),
      item!.ends_at.getTime(),
    ]);
  });

  test('of whole days is an all-day event of those dates', async () => {
    await using world = await openRunning();
    await world.desk.book(101, {
      title: 'Basar',
      from: day(spring - 1, '00:00'),
      to: day(spring + 1, '00:00'),
    });
    await world.settled();
    expect(world.events(101)[0]).toMatchObject({
      isAllDay: true,
      start: shown(`${date(spring - 1)}T00:00:00Z`),
      end: shown(`${date(spring + 1)}T00:00:00Z`),
    });
  });

  test('of a text of 100 kB with anything in it is that text, and it comes to rest', async () => {
    await using world = await openRunning();
    const text = '<p>ikke & HTML</p> 👩‍👩‍👧‍👦 \u202Ertl\u202C e\u0301\r\n\t'.repeat(2_500);
    const event = await world.desk.book(101, {
      description: text,
      from: world.day(2, '10:00'),
      to: world.day(2, '11:00'),
    });
    await world.settled();
    const before = world.tenant.journal.length;
    await world.db.query('UPDATE bridge_room_state SET reconciled_at = NULL, push_due_at = now()');
    await world.desk.retitle(event, 'Ny tittel');
    await world.settled();
    expect(world.tenant.journal.slice(before).map((entry) => Object.keys(entry.body as object))).toEqual([
      ['subject'],
    ]);
    expect(world.events(101)[0]!.bodyHtml.length).toBeGreaterThan(100_000);
  });
});

describe('a room', () => {
  test('is addressed by its object id once the directory has told it, and by its address where it refuses', async () => {
    await using world = await openWorld();
    world.tenant.faults.set({ mayReadUsers: false }, rooms[102]!.upn);
    await world.start();
    await world.settled();
    const ids = await world.db.query<{ outlook_object_id: string | null }>(
      'SELECT outlook_object_id FROM bridge_resource_mappings ORDER BY resource_id',
    );
    expect(ids.map((row) => row.outlook_object_id)).toEqual([expect.stringMatching(/^[0-9a-f-]{36}$/), null]);
  });

  test('that gets another mailbox is shown there, and the old one is left as it is', async () => {
    await using world = await openRunning();
    await world.desk.book(101, { title: 'Møte', from: world.day(2, '10:00'), to: world.day(2, '11:00') });
    await world.settled();
    await world.db.query('UPDATE bridge_resource_mappings SET outlook_item_id = $1 WHERE resource_id = 101', [
      rooms[103]!.upn,
    ]);
    await world.settled();
    expect([world.titles(101), world.titles(103)]).toEqual([['Møte'], ['Møte']]);
  });

  test('that is added is filled with what is booked in it already', async () => {
    await using world = await openRunning({ mapped: [] });
    for (let n = 0; n < 40; n += 1)
      await world.desk.book(103, {
        title: `Møte ${n}`,
        from: world.day(n + 1, '10:00'),
        to: world.day(n + 1, '11:00'),
      });
    await world.map(103);
    await world.settled();
    expect(world.events(103).length).toBe(40);
    expect(world.tenant.violations).toEqual([]);
  });

  test('that is switched off gets nothing more and keeps its events', async () => {
    await using world = await openRunning();
    const event = await world.desk.book(101, {
      title: 'Før',
      from: world.day(2, '10:00'),
      to: world.day(2, '11:00'),
    });
    await world.settled();
    await world.db.query('UPDATE bridge_resource_mappings SET active = 0 WHERE resource_id = 101');
    const before = world.tenant.journal.length;
    await world.desk.retitle(event, 'Etter');
    await world.desk.book(102, {
      title: 'Annet rom',
      from: world.day(2, '10:00'),
      to: world.day(2, '11:00'),
    });
    await world.settled();
    const ids = await world.db.query<{ outlook_object_id: string }>(
      'SELECT outlook_object_id FROM bridge_resource_mappings WHERE resource_id = 102',
    );
    expect(
      world.tenant.journal.slice(before).map((entry) => entry.path.includes(ids[0]!.outlook_object_id)),
    ).toEqual([true]);
    expect(world.titles(101)).toEqual(['Før']);
  });

  test('that is switched on again is brought up to date, and nothing is doubled', async () => {
    await using world = await openRunning();
    const event = await world.desk.book(101, {
      title: 'Før',
      from: world.day(2, '10:00'),
      to: world.day(2, '11:00'),
    });
    await world.settled();
    await world.db.query('UPDATE bridge_resource_mappings SET active = 0 WHERE resource_id = 101');
    await world.desk.retitle(event, 'Etter');
    await world.db.query('UPDATE bridge_resource_mappings SET active = 1 WHERE resource_id = 101');
    await world.settled();
    expect(world.titles(101)).toEqual(['Etter']);
  });

  test('that is switched to take only what Outlook gives keeps its events, and catches up when it is switched back', async () => {
    await using world = await openRunning();
    const event = await world.desk.book(101, {
      title: 'Før',
      from: world.day(2, '10:00'),
      to: world.day(2, '11:00'),
    });
    await world.settled();
    await world.db.query(
      `UPDATE bridge_resource_mappings SET sync_direction = 'outlook_to_booking' WHERE resource_id = 101`,
    );
    await world.desk.retitle(event, 'Etter');
    await world.settled();
    expect(world.titles(101)).toEqual(['Før']);
    await world.db.query(
      `UPDATE bridge_resource_mappings SET sync_direction = 'both' WHERE resource_id = 101`,
    );
    await world.settled();
    expect(world.titles(101)).toEqual(['Etter']);
  });

  test('that takes only what Outlook gives is never written to', async () => {
    await using world = await openRunning({ mapped: [] });
    await world.db.query(
      `INSERT INTO bridge_resource_mappings (resource_id, outlook_item_id, sync_direction) VALUES (101, $1, 'outlook_to_booking')`,
      [rooms[101]!.upn],
    );
    await world.desk.book(101, { from: world.day(2, '10:00'), to: world.day(2, '11:00') });
    await world.settled();
    expect(world.tenant.journal.filter((entry) => entry.method !== 'GET' && entry.mailbox !== null)).toEqual(
      [],
    );
  });
});

test('a statement of the daemon that needs a row of an open transaction fails soon, and does not look like an outage', async () => {
  await using world = await openWorld({ mapped: [101] });
  const { daemon } = await world.start();
  await world.settled();
  const person = await world.db.pool.connect();
  try {
    await person.query(`BEGIN; UPDATE bridge_room_state SET hint = 'mine'`);
    const failed = daemon.db.query('UPDATE bridge_room_state SET updated_at = now()');
    await expect(failed).rejects.toSatisfy(isContended);
  } finally {
    person.release(true);
  }
});
