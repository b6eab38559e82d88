/** Meetings in several rooms, copies and lost tables, the brake, cursors that are lost, and rooms of one direction. */
import { describe, expect, test } from 'vitest';
import { Retryable } from '../../src/errors.ts';
import type { DeltaAnswer } from '../../src/event.ts';
import type { Item } from '../../src/item.ts';
import { createHeld } from '../../src/sync/ask/held.ts';
import { openRooms } from './bench-of-rooms.ts';

const room = 'room101@example.org';
const other = 'room102@example.org';
const both = { 101: room, 102: other };
type Rooms = Awaited<ReturnType<typeof openRooms>>;

const at = (days: number, time: string) =>
  `${new Date(Date.now() + days * 86_400_000).toISOString().slice(0, 10)}T${time}:00Z`;
const dinner = (change: Partial<Item> = {}): Item => ({
  startsAt: at(3, '15:00'),
  endsAt: at(3, '17:00'),
  allDay: false,
  title: 'Dinner',
  description: '',
  isPrivate: false,
  ...change,
});

async function open(rooms: Readonly<Record<number, string>> = { 101: room }): Promise<Rooms> {
  const w = await openRooms(rooms);
  await w.settle();
  return w;
}

async function heard(w: Rooms, ...resources: readonly number[]): Promise<void> {
  for (const resource of resources.length === 0 ? [101] : resources) await w.notify(resource);
  await w.settle();
}

const resources = async (w: Rooms) =>
  (
    await w.db.query<{ resource_id: number }>(
      'SELECT resource_id FROM bridge_items WHERE active ORDER BY reservation_id, resource_id',
    )
  ).map(({ resource_id }) => resource_id);

describe('a meeting that invited two rooms', () => {
  async function invited(w: Rooms) {
    const first = w.outlook.invite(room, dinner(), { iCalUId: 'one meeting' });
    const second = w.outlook.invite(other, dinner(), { iCalUId: 'one meeting' });
    await heard(w, 101, 102);
    const [reservation] = await w.reserved();
    return { first, second, reservation: reservation! };
  }

  test('is one reservation with both', async () => {
    await using w = await open(both);
    const { reservation } = await invited(w);
    expect(await w.db.query('SELECT id FROM bb_event')).toEqual([{ id: reservation.id }]);
    expect(await resources(w)).toEqual([101, 102]);
    expect(await w.mapping(reservation, 101)).toMatchObject({ sync_status: 'synced', due_at: null });
    expect(await w.mapping(reservation, 102)).toMatchObject({ sync_status: 'synced', due_at: null });
    expect([...(await w.done(101)), ...(await w.done(102))].sort()).toEqual(['imported', 'joined']);
    expect(w.outlook.writes).toEqual([]);
  });

  test('is moved in both rooms once, whichever hears of it first', async () => {
    await using w = await open(both);
    const { first, second } = await invited(w);
    const later = { startsAt: at(4, '15:00'), endsAt: at(4, '17:00') };
    w.outlook.edit(first.id, later);
    w.outlook.edit(second.id, later);
    await heard(w, 101);
    await heard(w, 102);
    expect((await w.reserved(102))[0]!.item).toMatchObject(later);
    expect(
      await w.db.query(`SELECT id FROM bridge_mappings WHERE sync_status <> 'synced' OR due_at IS NOT NULL`),
    ).toEqual([]);
    expect(w.outlook.writes).toEqual([]);
  });

  test('is moved in one room and leaves the other, though that one cannot be read while the first is moved', async () => {
    await using w = await open(both);
    const { first, second } = await invited(w);
    const later = { startsAt: at(4, '15:00'), endsAt: at(4, '17:00') };
    w.outlook.edit(second.id, later);
    await w.notify(102);
    w.outlook.meanwhileRead(async () => {
      w.outlook.remove(second.id);
      w.outlook.edit(first.id, later);
      await w.notify(101);
      const { rooms } = await w.take();
      for (const leased of rooms.filter(({ resourceId }) => resourceId === 101)) await w.drainOne(leased);
      throw new Retryable('it does not answer', { reach: 'item', afterMs: 0 });
    });
    await w.settle();
    await heard(w, 101, 102);
    expect(await resources(w)).toEqual([101]);
    expect((await w.reserved())[0]!.item).toMatchObject(later);
    expect(w.outlook.in(other)).toEqual([]);
    expect(w.outlook.writes).toEqual([]);
  });

  test('keeps the reservation in the other room when it loses one', async () => {
    await using w = await open(both);
    const { first, reservation } = await invited(w);
    w.outlook.remove(first.id);
    await heard(w);
    await heard(w, 101, 102);
    expect(await resources(w)).toEqual([102]);
    expect(w.outlook.in(other)).toHaveLength(1);
    expect(await w.mapping(reservation, 101)).toMatchObject({ sync_status: 'cancelled' });
    expect(w.outlook.writes).toEqual([]);
  });

  test('cancels the reservation when it loses both', async () => {
    await using w = await open(both);
    const { first, second } = await invited(w);
    w.outlook.remove(first.id);
    w.outlook.remove(second.id);
    await heard(w, 101, 102);
    expect(await resources(w)).toEqual([]);
    expect(await w.db.query('SELECT active FROM bb_event')).toEqual([{ active: 0 }]);
  });

  test('is declined in both when the reservation is cancelled', async () => {
    await using w = await open(both);
    const { first, second, reservation } = await invited(w);
    await w.desk.cancel(reservation);
    await w.settle();
    expect(w.outlook.answers.map(({ id }) => id).sort()).toEqual([first.id, second.id].sort());
  });
});

describe('our own event', () => {
  async function shown(w: Rooms) {
    const reservation = await w.desk.book(101, {
      title: 'Choir',
      from: w.day(3, '18:00'),
      to: w.day(3, '20:00'),
    });
    await w.settle();
    return { reservation, event: w.outlook.in(room)[0]! };
  }

  test('copied to another time is a reservation of its own', async () => {
    await using w = await open();
    const { reservation, event } = await shown(w);
    w.outlook.put(
      room,
      { ...event.item!, startsAt: at(6, '10:00'), endsAt: at(6, '11:00') },
      {
        type: reservation.type,
        id: reservation.id,
      },
    );
    await heard(w);
    expect(await w.reserved()).toMatchObject([
      { id: reservation.id, active: true },
      { active: true, item: { startsAt: at(6, '10:00'), title: 'Choir' } },
    ]);
    expect(w.outlook.in(room)).toHaveLength(2);
  });

  test('whose copy is deleted again loses only the copy', async () => {
    await using w = await open();
    const { reservation, event } = await shown(w);
    const copy = w.outlook.put(
      room,
      { ...event.item!, startsAt: at(6, '10:00'), endsAt: at(6, '11:00') },
      event.marks,
    );
    await heard(w);
    w.outlook.remove(copy.id);
    await heard(w);
    expect((await w.reserved()).map(({ id, active }) => [id === reservation.id, active])).toEqual([
      [true, true],
      [false, false],
    ]);
  });

  test('re-enabled after it was copied to another time gets a fresh event, and the copy stays where it is', async () => {
    await using w = await open();
    const { reservation, event } = await shown(w);
    await w.desk.cancel(reservation);
    await w.settle();
    const elsewhere = { ...event.item!, startsAt: at(6, '10:00'), endsAt: at(6, '11:00') };
    const copy = w.outlook.put(room, elsewhere, event.marks);
    await w.desk.reenable(reservation);
    await w.fold();
    await w.db.query('UPDATE bridge_room_state SET baselined_at = NULL, push_due_at = now()');
    await w.settle();
    await heard(w);
    expect(w.outlook.in(room)).toMatchObject([
      { item: { startsAt: event.item!.startsAt } },
      { id: copy.id, item: elsewhere },
    ]);
    expect(w.outlook.writes.filter(({ write }) => write.do === 'change')).toEqual([]);
  });

  test('is adopted when its mapping lost it', async () => {
    await using w = await open();
    const { reservation, event } = await shown(w);
    w.outlook.writes.length = 0;
    await w.db.query(`UPDATE bridge_mappings SET outlook_event_id = NULL, sync_status = 'pending'`);
    await w.settle();
    await heard(w);
    expect(await w.mapping(reservation)).toMatchObject({ sync_status: 'synced', outlook_event_id: event.id });
    expect(w.outlook.in(room)).toHaveLength(1);
    expect(w.outlook.writes).toEqual([]);
  });

  test('and those imported from Outlook are found again, not doubled, when all our tables are lost', async () => {
    await using w = await open();
    await shown(w);
    w.outlook.put(room, dinner(), null);
    await heard(w);
    w.outlook.writes.length = 0;
    await w.db.query('DELETE FROM bridge_mappings; DELETE FROM bridge_meetings');
    await w.db.query(
      'UPDATE bridge_room_state SET baselined_at = NULL, reconciled_at = NULL, delta_links = NULL, push_due_at = now()',
    );
    await w.settle();
    await heard(w);
    expect(await w.reserved()).toHaveLength(2);
    expect(w.outlook.in(room)).toHaveLength(2);
    expect(w.outlook.writes).toEqual([]);
  });

  test('that a cancelled reservation left behind is deleted, not imported', async () => {
    await using w = await open();
    const reservation = await w.desk.book(101, {
      title: 'Choir',
      from: w.day(3, '18:00'),
      to: w.day(3, '20:00'),
    });
    await w.desk.cancel(reservation);
    await w.settle();
    w.outlook.put(room, dinner({ title: 'Choir' }), { type: reservation.type, id: reservation.id });
    await heard(w);
    expect(w.outlook.in(room)).toEqual([]);
    expect(await w.reserved()).toHaveLength(1);
  });

  test('of a reservation nobody knows waits for a person', async () => {
    await using w = await open();
    w.outlook.put(room, dinner(), { type: 'event', id: 999_999 });
    await heard(w);
    expect(
      await w.db.query(
        `SELECT conflict ->> 'kind' AS kind FROM bridge_mappings WHERE sync_status = 'conflict'`,
      ),
    ).toEqual([{ kind: 'orphan' }]);
    expect(w.outlook.in(room)).toHaveLength(1);
  });
});

describe('the brake', () => {
  /** Four reservations that both sides show. */
  async function four(w: Rooms) {
    for (let n = 1; n <= 4; n += 1)
      await w.desk.book(101, { title: `Meeting ${n}`, from: w.day(n, '10:00'), to: w.day(n, '11:00') });
    await w.settle();
    return w.outlook.in(room);
  }
  const active = async (w: Rooms) => (await w.reserved()).filter((one) => one.active).length;
  const held = (w: Rooms) =>
    createHeld(w.db.pool, {
      begin: async () => ({ id: 0, at: new Date() }) as never,
      settled: async () => {
        await w.settle();
        return [];
      },
    });
  const never = new AbortController().signal;

  test('cancels nothing when a calendar is empty all at once', async () => {
    await using w = await open();
    for (const { id } of await four(w)) w.outlook.remove(id);
    await heard(w);
    await heard(w);
    expect(await active(w)).toBe(4);
    expect(await held(w).list(101)).toHaveLength(4);
    expect(w.facts).toContainEqual(expect.objectContaining({ fact: 'brake-held', resourceId: 101 }));
  });

  test('released cancels what is still gone, and only that', async () => {
    await using w = await open();
    const events = await four(w);
    for (const { id } of events) w.outlook.remove(id);
    await heard(w);
    w.outlook.restore(events[0]!);
    await held(w).release({ resourceId: 101, mappings: null }, never);
    const kept = (await w.reserved()).filter((one) => one.active);
    expect(kept.map(({ type, id }) => ({ type, id }))).toEqual([events[0]!.marks]);
    expect(w.outlook.in(room)).toMatchObject([{ id: events[0]!.id }]);
  });

  test('refused makes fresh events', async () => {
    await using w = await open();
    for (const { id } of await four(w)) w.outlook.remove(id);
    await heard(w);
    expect(await held(w).refuse({ resourceId: 101, mappings: null })).toBe(4);
    await w.settle();
    await heard(w);
    expect(await active(w)).toBe(4);
    expect(w.outlook.in(room)).toHaveLength(4);
    expect(await held(w).list(101)).toEqual([]);
  });

  test('refused keeps the events of reservations whose rows are gone, and they are taken again when those are back', async () => {
    await using w = await open();
    for (const day of [5, 6])
      w.outlook.put(room, dinner({ startsAt: at(day, '15:00'), endsAt: at(day, '17:00') }), null);
    await heard(w);
    await four(w);
    const before = w.outlook.in(room);
    w.outlook.writes.length = 0;
    await w.db.query('CREATE TABLE lost AS SELECT * FROM bb_event_resource');
    await w.db.query('DELETE FROM bb_event_resource');
    await w.settle();
    expect(await held(w).refuse({ resourceId: 101, mappings: null })).toBe(6);
    await w.db.query('INSERT INTO bb_event_resource SELECT * FROM lost');
    await w.settle();
    await heard(w);
    expect(w.outlook.in(room)).toEqual(before);
    expect(w.outlook.writes).toEqual([]);
    expect(await w.db.query('SELECT DISTINCT sync_status FROM bridge_mappings')).toEqual([
      { sync_status: 'synced' },
    ]);
  });

  test('lets events that are deleted one after the other through', async () => {
    await using w = await open();
    const events = await four(w);
    for (const { id } of events.slice(0, 3)) {
      w.outlook.remove(id);
      await heard(w);
    }
    expect(await active(w)).toBe(1);
  });

  test('counts several large deletions of one hour', async () => {
    await using w = await open({ 101: room });
    for (let n = 1; n <= 40; n += 1)
      await w.desk.book(101, { from: w.day(n, '10:00'), to: w.day(n, '11:00') });
    await w.settle();
    for (let batch = 0; batch < 4; batch += 1) {
      for (const { id } of w.outlook.in(room).slice(0, 4)) w.outlook.remove(id);
      await heard(w);
    }
    expect(await active(w)).toBe(32);
  });
});

describe('a round of changes that cannot go on', () => {
  const answers: readonly (readonly [string, DeltaAnswer])[] = [
    ['whose cursor is lost', { answer: 'lost', reason: 'SyncStateNotFound' }],
    ['whose pages do not end', { answer: 'endless', reason: 'page 1000' }],
    ['whose window is too wide', { answer: 'too-wide', error: new Error('504') }],
  ];
  for (const [what, answer] of answers)
    test(`(${what}) is replaced by a comparison that misses nothing`, async () => {
      await using w = await open();
      const gone = w.outlook.put(room, dinner({ startsAt: at(5, '10:00'), endsAt: at(5, '11:00') }), null);
      const edited = w.outlook.put(room, dinner(), null);
      await heard(w);
      w.outlook.remove(gone.id);
      w.outlook.edit(edited.id, { title: 'Banquet' });
      w.outlook.put(room, dinner({ startsAt: at(6, '10:00'), endsAt: at(6, '11:00'), title: 'Lunch' }), null);
      let troubles = 0;
      w.outlook.trouble((start) => ('link' in start && troubles++ === 0 ? answer : null));
      await heard(w);
      expect(troubles).toBeGreaterThan(0);
      expect((await w.reserved()).map(({ active, item }) => [active, item.title])).toEqual([
        [true, 'Banquet'],
        [false, 'Dinner'],
        [true, 'Lunch'],
      ]);
    });

  test('and shows an old row after the new one: the new one counts', async () => {
    await using w = await open();
    const event = w.outlook.put(room, dinner(), null);
    await heard(w);
    const old = { ...event };
    w.outlook.edit(event.id, { title: 'Banquet' });
    const row = (shown: typeof old) => ({
      id: event.id,
      type: event.type,
      seriesMasterId: null,
      event: { ...shown, marks: null },
    });
    w.outlook.trouble((start) =>
      'link' in start
        ? {
            answer: 'page',
            rows: [row({ ...old, item: dinner({ title: 'Banquet' }) }), row(old)],
            removed: [],
            nextLink: null,
            deltaLink: start.link,
          }
        : null,
    );
    await heard(w);
    expect(await w.reserved()).toMatchObject([{ item: { title: 'Banquet' } }]);
  });

  test('for ever (pages never end) still hears of everything', async () => {
    await using w = await openRooms();
    w.outlook.trouble(() => ({ answer: 'endless', reason: 'page 1000' }));
    await w.settle();
    const event = w.outlook.put(room, dinner(), null);
    await heard(w);
    expect(await w.reserved()).toMatchObject([{ active: true }]);
    w.outlook.remove(event.id);
    await heard(w);
    expect(await w.reserved()).toMatchObject([{ active: false }]);
  });

  test('over so wide a window is walked in parts', async () => {
    await using w = await openRooms();
    const tooWide = 100 * 86_400_000;
    w.outlook.trouble((start) =>
      'from' in start && Date.parse(start.to) - Date.parse(start.from) > tooWide
        ? { answer: 'too-wide', error: new Error('504') }
        : null,
    );
    await w.settle();
    expect(
      (await w.db.query<{ n: number }>('SELECT cardinality(delta_links) AS n FROM bridge_room_state'))[0]!.n,
    ).toBe(4);
    w.outlook.put(room, dinner(), null);
    await heard(w);
    expect(await w.reserved()).toHaveLength(1);
  });
});

describe('a room of one direction', () => {
  const turn = async (w: Rooms, direction: string) => {
    await w.db.query('UPDATE bridge_resource_mappings SET sync_direction = $1', [direction]);
    await w.settle();
  };

  test('(from Outlook) imports and follows, and shows Outlook nothing', async () => {
    await using w = await open();
    await turn(w, 'outlook_to_booking');
    const choir = await w.desk.book(101, { title: 'Choir', from: w.day(5, '18:00'), to: w.day(5, '20:00') });
    const event = w.outlook.put(room, dinner(), null);
    await heard(w);
    w.outlook.edit(event.id, { title: 'Banquet' });
    await heard(w);
    expect((await w.reserved()).map(({ item }) => item.title)).toEqual(['Banquet', 'Choir']);
    const [banquet] = await w.reserved();
    await w.desk.retitle(banquet!, 'Feast');
    await w.desk.cancel(choir);
    await w.settle();
    expect(w.outlook.writes).toEqual([]);
    await w.desk.cancel(banquet!);
    await w.settle();
    expect(w.outlook.writes).toEqual([]);
    expect(w.outlook.titles(room)).toEqual(['Banquet']);
  });

  test('(from Outlook) cancels what is deleted in Outlook', async () => {
    await using w = await open();
    await turn(w, 'outlook_to_booking');
    const event = w.outlook.put(room, dinner(), null);
    await heard(w);
    w.outlook.remove(event.id);
    await heard(w);
    expect(await w.reserved()).toMatchObject([{ active: false }]);
  });

  test('(to Outlook) imports nothing, follows nothing and cancels nothing', async () => {
    await using w = await open();
    await turn(w, 'booking_to_outlook');
    const choir = await w.desk.book(101, { title: 'Choir', from: w.day(3, '18:00'), to: w.day(3, '20:00') });
    await w.settle();
    const [event] = w.outlook.in(room);
    w.outlook.put(room, dinner({ startsAt: at(6, '10:00'), endsAt: at(6, '11:00') }), null);
    w.outlook.edit(event!.id, { title: 'Banquet' });
    await heard(w);
    expect((await w.reserved()).map(({ item }) => item.title)).toEqual(['Choir']);
    w.outlook.remove(event!.id);
    await heard(w);
    await w.desk.retitle(choir, 'Brass band');
    await w.settle();
    expect(await w.reserved()).toMatchObject([{ active: true, item: { title: 'Brass band' } }]);
    expect(w.outlook.titles(room)).toContain('Brass band');
  });
});
