/** What people lose, ask for twice, or drag out of the past: nothing is doubled, nothing is taken away. */
import { describe, expect, test, vi } from 'vitest';
import { sqlState } from '../../../src/database.ts';
import { Retryable } from '../../../src/errors.ts';
import { mendRooms } from '../../../src/sync/worker/sweep.ts';
import { openRooms } from '../bench-of-rooms.ts';
import { date } from '../../support/dates.ts';
import { at, dinner, room } from '../two-way-world.ts';

/** A room with three imported events and one of ours. */
async function openFull() {
  const w = await openRooms();
  await w.settle();
  for (const day of [3, 4, 5])
    w.outlook.put(
      room,
      dinner({ startsAt: at(day, '15:00'), endsAt: at(day, '17:00'), title: `Dinner ${day}` }),
      null,
    );
  await w.notify(101);
  await w.desk.book(101, { title: 'Bunad', from: w.day(6, '10:00'), to: w.day(6, '11:00') });
  await w.settle();
  return w;
}
const shown = (w: Awaited<ReturnType<typeof openRooms>>) => w.outlook.titles(room).sort();
const all = ['Bunad', 'Dinner 3', 'Dinner 4', 'Dinner 5'];

describe('lost mappings cause no duplicates', () => {
  test.each([
    ['all of them, by TRUNCATE', 'TRUNCATE bridge_mappings CASCADE'],
    ['all of them, by DELETE', 'DELETE FROM bridge_mappings'],
    ['some of them', 'DELETE FROM bridge_mappings WHERE id % 2 = 0'],
    [
      'by the reset of the guide',
      "UPDATE bridge_mappings SET sync_status = 'pending', outlook_event_id = NULL, reservation_id = NULL WHERE sync_status != 'cancelled'",
    ],
  ])('%s', async (_, loss) => {
    await using w = await openFull();
    expect(shown(w)).toEqual(all);
    await w.db.query(loss);
    await w.db.query('UPDATE bridge_room_state SET reconciled_at = NULL, push_due_at = now()');
    await w.settle();
    await w.notify(101);
    await w.settle();
    expect(shown(w)).toEqual(all);
    expect(await w.db.query('SELECT name FROM bb_event WHERE active = 1 ORDER BY name')).toHaveLength(4);
    expect(await w.db.query("SELECT 1 FROM bridge_mappings WHERE sync_status = 'conflict'")).toEqual([]);
  });

  test('not even of a meeting with another title in the booking system', async () => {
    await using w = await openRooms();
    await w.settle();
    const meeting = w.outlook.put(room, dinner({ title: 'Kari Nordmann' }), null);
    w.outlook.alter(meeting.id, { isOrganizer: false });
    await w.notify(101);
    await w.settle();
    await w.db.query("UPDATE bb_event SET name = 'Our name'");
    await w.settle();
    await w.db.query('DELETE FROM bridge_mappings');
    await w.settle();
    expect(shown(w)).toEqual(['Kari Nordmann']);
    expect(await w.db.query('SELECT name FROM bb_event WHERE active = 1')).toEqual([{ name: 'Our name' }]);
  });
});

/** Sessions that wait for a lock. */
const waiting = `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`;

describe('mappings that are deleted during a full scan cause no duplicates', () => {
  test.each(['before', 'after'])('committed %s the scan has read the mappings', async (when) => {
    await using w = await openFull();
    await w.db.query('UPDATE bridge_room_state SET baselined_at = NULL, push_due_at = now()');
    const person = await w.db.pool.connect();
    try {
      w.outlook.whenListed(async () => {
        await person.query('BEGIN');
        await person.query('DELETE FROM bridge_mappings');
        if (when === 'before') await person.query('COMMIT');
      });
      const scan = w.settle().catch((error: unknown) => expect(sqlState(error)).toBe('55P03'));
      const waits = vi.waitFor(async () => expect(await w.db.query(waiting)).toHaveLength(1), 20_000);
      // the end of the scan waits for the person's transaction, if not for ever
      await Promise.race([scan, waits]);
      await person.query('COMMIT');
      await scan;
    } finally {
      person.release(true);
    }
    await w.die();
    await w.db.query('UPDATE bridge_room_state SET push_due_at = now()');
    await w.settle();
    expect(await w.db.query('SELECT sync_status AS status FROM bridge_mappings')).toEqual(
      all.map(() => ({ status: 'synced' })),
    );
    await w.db.query('UPDATE bridge_room_state SET reconciled_at = NULL, push_due_at = now()');
    await w.settle();
    expect(shown(w)).toEqual(all);
    expect(await w.db.query('SELECT name FROM bb_event WHERE active = 1 ORDER BY name')).toHaveLength(4);
  });
});

describe('mappings that are deleted during the full scan of a delta round cause no duplicates', () => {
  test.each(['is lost', 'is refused for now'])('because its cursor %s', async (how) => {
    await using w = await openFull();
    w.outlook.trouble((start) =>
      !('link' in start)
        ? null
        : how === 'is lost'
          ? { answer: 'lost', reason: 'Graph says 410' }
          : { answer: 'refused', error: new Retryable('Graph says 503', { reach: 'item' }) },
    );
    const person = await w.db.pool.connect();
    try {
      w.outlook.whenListed(async () => {
        await person.query('BEGIN');
        await person.query('DELETE FROM bridge_mappings');
        await person.query("UPDATE bb_event SET description = 'Changed meanwhile'");
        // they get new mappings, which are due
        await person.query('SELECT bridge_fold(7, 365, 500)');
      });
      await w.notify(101);
      const [leased] = (await w.take()).rooms;
      const drained = w.drainOne(leased!);
      await vi.waitFor(async () => expect(await w.db.query(waiting)).toHaveLength(1), 20_000);
      await person.query('COMMIT');
      await drained;
    } finally {
      person.release(true);
    }
    expect(shown(w)).toEqual(all);
    await w.settle();
    expect(shown(w)).toEqual(all);
    expect(await w.db.query('SELECT name FROM bb_event WHERE active = 1 ORDER BY name')).toHaveLength(4);
    expect(await w.db.query('SELECT sync_status AS status FROM bridge_mappings')).toEqual(
      all.map(() => ({ status: 'synced' })),
    );
  });
});

test('a room whose state was lost begins anew', async () => {
  await using w = await openFull();
  await w.db.query('TRUNCATE bridge_room_state');
  expect(await mendRooms(w.db.pool)).toBe(1);
  await w.settle();
  await w.desk.book(101, { title: 'Choir', from: w.day(7, '10:00'), to: w.day(7, '11:00') });
  await w.settle();
  expect(shown(w)).toEqual(['Bunad', 'Choir', 'Dinner 3', 'Dinner 4', 'Dinner 5']);
});

test('a private event from Outlook keeps its title and text when its mapping becomes pending or is lost', async () => {
  await using w = await openRooms();
  await w.settle();
  const event = w.outlook.put(
    room,
    dinner({ title: 'Interview', description: 'Bring the letter', isPrivate: true }),
    null,
  );
  await w.notify(101);
  await w.settle();
  w.outlook.writes.length = 0;
  await w.db.query("UPDATE bridge_mappings SET sync_status = 'pending'");
  await w.settle();
  expect(w.outlook.writes).toEqual([]);
  await w.db.query('TRUNCATE bridge_mappings CASCADE');
  await w.settle();
  expect(w.outlook.in(room).map(({ id, item }) => [id, item!.title, item!.description])).toEqual([
    [event.id, 'Interview', 'Bring the letter'],
  ]);
});

describe('a restored mailbox, in which every event has another id', () => {
  const restore = (w: Awaited<ReturnType<typeof openRooms>>, events: ReturnType<typeof w.outlook.in>) => {
    for (const { item, properties } of events) w.outlook.put(room, item!, properties);
  };
  async function expectAsBefore(w: Awaited<ReturnType<typeof openRooms>>) {
    expect(shown(w)).toEqual(all);
    expect(await w.db.query('SELECT active FROM bb_event')).toEqual(all.map(() => ({ active: 1 })));
    expect(await w.db.query('SELECT DISTINCT sync_status, due_at, conflict FROM bridge_mappings')).toEqual([
      { sync_status: 'synced', due_at: null, conflict: null },
    ]);
    expect(await w.db.query('SELECT outlook_event_id FROM bridge_mappings ORDER BY 1')).toEqual(
      w.outlook
        .in(room)
        .map(({ id }) => ({ outlook_event_id: id }))
        .sort((a, b) => (a.outlook_event_id < b.outlook_event_id ? -1 : 1)),
    );
    expect(await w.db.query('SELECT 1 FROM bridge_removals')).toEqual([]);
  }

  test.each(['by a round of changes', 'by the comparison with its calendar'])(
    'is matched to its reservations, reported %s',
    async (how) => {
      await using w = await openFull();
      w.outlook.writes.length = 0;
      const before = w.outlook.in(room);
      for (const { id } of before) w.outlook.remove(id);
      restore(w, before);
      if (how.startsWith('by the comparison'))
        await w.db.query('UPDATE bridge_room_state SET baselined_at = NULL');
      await w.notify(101);
      await w.settle();
      await expectAsBefore(w);
      expect(w.outlook.writes).toEqual([]);
    },
  );

  test('is matched to its reservations although it was empty for a while and the brake held it', async () => {
    await using w = await openFull();
    const before = w.outlook.in(room);
    for (const { id } of before) w.outlook.remove(id);
    await w.notify(101);
    await w.settle();
    expect(await w.db.query('SELECT DISTINCT sync_status FROM bridge_mappings')).toEqual([
      { sync_status: 'conflict' },
    ]);
    restore(w, before);
    await w.notify(101);
    await w.settle();
    await expectAsBefore(w);
  });

  test('loses the reservations whose events are missing', async () => {
    await using w = await openFull();
    const [gone, ...rest] = w.outlook.in(room);
    for (const { id } of [gone!, ...rest]) w.outlook.remove(id);
    restore(w, rest);
    await w.notify(101);
    await w.settle();
    expect(shown(w)).toEqual(rest.map(({ item }) => item!.title).sort());
    expect(await w.db.query('SELECT name FROM bb_event WHERE active = 0')).toEqual([
      { name: gone!.item!.title },
    ]);
  });
});

describe('an event that has ended and is moved ahead in Outlook', () => {
  async function openEnded() {
    const w = await openRooms();
    await w.settle();
    const event = w.outlook.put(room, dinner({ startsAt: at(-2, '15:00'), endsAt: at(-2, '17:00') }), null);
    await w.notify(101);
    await w.settle();
    w.outlook.edit(event.id, { startsAt: at(4, '15:00'), endsAt: at(4, '17:00') });
    await w.notify(101);
    await w.settle();
    return w;
  }
  const reserved = async (w: Awaited<ReturnType<typeof openRooms>>) =>
    (await w.db.query<{ at: Date }>('SELECT starts_at AS at FROM bridge_items')).map((row) =>
      row.at.toISOString().slice(0, 10),
    );

  test('is a conflict, and nothing is changed', async () => {
    await using w = await openEnded();
    expect(await reserved(w)).toEqual([date(-2)]);
    expect(await w.db.query('SELECT sync_status, error_message FROM bridge_mappings')).toEqual([
      {
        sync_status: 'conflict',
        error_message: 'It has ended, and its event was moved into the future.',
      },
    ]);
  });

  test('goes back in Outlook when a person keeps the booking', async () => {
    await using w = await openEnded();
    await w.db.query(
      "UPDATE bridge_mappings SET resolution = 'booking', due_at = now(), revision = revision + 1",
    );
    await w.db.query('UPDATE bridge_room_state SET push_due_at = now()');
    await w.settle();
    expect(await reserved(w)).toEqual([date(-2)]);
    expect(w.outlook.in(room)).toMatchObject([{ shows: { item: { startsAt: at(-2, '15:00') } } }]);
  });

  test('is followed when a person chooses Outlook', async () => {
    await using w = await openEnded();
    await w.db.query(
      "UPDATE bridge_mappings SET resolution = 'outlook', due_at = now(), revision = revision + 1",
    );
    await w.db.query('UPDATE bridge_room_state SET push_due_at = now()');
    await w.settle();
    expect(await reserved(w)).toEqual([date(4)]);
  });
});
