/** Deletions that the brake holds, and rounds of changes whose cursor is lost or that never end. */
import { describe, expect, test } from 'vitest';
import type { DeltaAnswer } from '../../../src/event.ts';
import { createHeldRemovals } from '../../../src/sync/manual/held-removals.ts';
import { openRooms } from '../bench-of-rooms.ts';
import { room, type Rooms, at, dinner, open, heard } from '../two-way-world.ts';

describe('the brake', () => {
  /** Four reservations that both sides show. */
  async function four(w: Rooms) {
    for (let n = 1; n <= 4; n += 1)
      await w.desk.book(101, { title: `Meeting ${n}`, from: w.day(n, '10:00'), to: w.day(n, '11:00') });
    await w.settle();
    return w.outlook.in(room);
  }
  const active = async (w: Rooms) => (await w.reserved()).filter((one) => one.active).length;
  const held = (w: Rooms) => createHeldRemovals(w.db.pool, async () => ({ settled: w.settle }) as never);
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

  test('tells how many it holds, without those carried out before', async () => {
    await using w = await open({ brake: { max: 1, share: 0.2 } });
    const events = await four(w);
    w.outlook.remove(events[0]!.id);
    await heard(w);
    expect(await active(w)).toBe(3);
    w.outlook.remove(events[1]!.id);
    w.outlook.remove(events[2]!.id);
    await heard(w);
    expect(await active(w)).toBe(3);
    expect(w.facts.filter(({ fact }) => fact === 'brake-held').at(-1)).toMatchObject({ held: 2, wanted: 3 });
  });

  test('lists one, too, that it had let through and that could not be cancelled then', async () => {
    await using w = await open({ brake: { max: 1, share: 0.2 } });
    const events = await four(w);
    const clerk = await w.db.pool.connect();
    await clerk.query('BEGIN');
    await clerk.query('SELECT FROM bb_event WHERE id = $1 FOR UPDATE', [events[0]!.properties!.id]);
    w.outlook.remove(events[0]!.id);
    await heard(w);
    w.outlook.remove(events[1]!.id);
    await heard(w);
    await clerk.query('ROLLBACK');
    clerk.release();
    await w.db.query(`UPDATE bridge_mappings SET due_at = now() WHERE due_at IS NOT NULL;
      UPDATE bridge_room_state SET push_due_at = now()`);
    await w.settle();
    expect(await active(w)).toBe(4);
    expect(await held(w).list(101)).toHaveLength(2);
    await held(w).release({ resourceId: 101, mappings: null }, never);
    expect(await active(w)).toBe(2);
  });

  test('released cancels what is still gone, and only that', async () => {
    await using w = await open();
    const events = await four(w);
    for (const { id } of events) w.outlook.remove(id);
    await heard(w);
    w.outlook.restore(events[0]!);
    await held(w).release({ resourceId: 101, mappings: null }, never);
    const kept = (await w.reserved()).filter((one) => one.active);
    expect(kept.map(({ type, id }) => ({ type, id }))).toEqual([events[0]!.properties]);
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
    await using w = await open();
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

describe('a round of changes', () => {
  const nextPollIn = async (w: Rooms) =>
    (
      await w.db.query<{ s: number }>(
        'SELECT extract(epoch FROM next_poll_at - now())::float8 AS s FROM bridge_room_state',
      )
    )[0]!.s;

  test('that was asked for is followed by another one soon, for what shows up late; that one by none', async () => {
    await using w = await open();
    w.outlook.put(room, dinner(), null);
    await heard(w);
    expect(await nextPollIn(w)).toBeLessThanOrEqual(10);
    await w.db.query('UPDATE bridge_room_state SET next_poll_at = now()');
    await w.settle();
    expect(await nextPollIn(w)).toBeGreaterThan(10);
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
      event: { ...shown, properties: null },
    });
    w.outlook.trouble((start) =>
      'link' in start
        ? {
            answer: 'page',
            rows: [row({ ...old, shows: { is: 'occupied', item: dinner({ title: 'Banquet' }) } }), row(old)],
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
