/** An event that is there and cannot simply be followed: it has no answer, it is shown as free, it cannot be read. */
import { describe, expect, test } from 'vitest';
import type { OutlookEvent } from '../../../src/event.ts';
import type { Item } from '../../../src/item.ts';
import {
  at,
  conflicts,
  dinner,
  heard,
  imported,
  invited,
  open,
  resolve,
  room,
  shown,
  wholeDays,
  type Rooms,
} from '../two-way-world.ts';

const undecided = (item: Item): OutlookEvent['shows'] => ({ is: 'undecided', item });
const free = (item: Item): OutlookEvent['shows'] => ({ is: 'free', item });
const later = { startsAt: at(4, '10:00'), endsAt: at(4, '12:00') };

const waiting = (w: Rooms) =>
  w.db.query(
    `SELECT sync_status AS status, waits_for AS for, hint IS NOT NULL AS told FROM bridge_mappings WHERE waits_for IS NOT NULL`,
  );
const logged = (w: Rooms) =>
  w.db.query('SELECT action FROM bridge_log ORDER BY id').then((rows) => rows.map(({ action }) => action));

describe('a meeting that its organiser changes', () => {
  for (const [what, change] of [
    ['its time', later],
    ['nothing but its text', { description: 'For thirty' }],
    ['its title', { title: 'Banquet' }],
  ] as const) {
    test(`(${what}) keeps its reservation as it was until the room has answered, and then changes it`, async () => {
      await using w = await open();
      const { event, reservation } = await invited(w);
      w.outlook.alter(event.id, { shows: undecided(dinner(change)) });
      await heard(w);
      await heard(w);
      expect(await w.reserved()).toEqual([reservation]);
      expect(await waiting(w)).toEqual([{ status: 'pending', for: 'answer', told: true }]);
      w.outlook.alter(event.id, { item: dinner(change) });
      await heard(w);
      expect(await w.reserved()).toMatchObject([
        { type: reservation.type, id: reservation.id, active: true, item: dinner(change) },
      ]);
      expect(await waiting(w)).toEqual([]);
      expect(await w.mapping(reservation)).toMatchObject({ sync_status: 'synced' });
      expect(await logged(w)).not.toContain('booking-cancelled');
    });

    test(`(${what}) keeps its reservation when the whole room is compared meanwhile`, async () => {
      await using w = await open();
      const { event, reservation } = await invited(w);
      w.outlook.alter(event.id, { shows: undecided(dinner(change)) });
      await w.db.query(
        'UPDATE bridge_room_state SET baselined_at = NULL, delta_links = NULL, push_due_at = now()',
      );
      await w.settle();
      expect(await w.reserved()).toEqual([reservation]);
      expect(await waiting(w)).toEqual([{ status: 'pending', for: 'answer', told: true }]);
    });
  }

  test('(one date of a series) keeps all of its reservations, and moves that one once the room has answered', async () => {
    await using w = await open();
    const [first, second] = [3, 10].map((days) => {
      const item = dinner({ startsAt: at(days, '15:00'), endsAt: at(days, '17:00') });
      const series = { type: 'occurrence', seriesMasterId: 'master', originalStart: item.startsAt } as const;
      return w.outlook.invite(room, item, series);
    });
    await heard(w);
    const before = await w.reserved();
    const moved = dinner(later);
    w.outlook.alter(first!.id, { type: 'exception', shows: undecided(moved) });
    await heard(w);
    expect(await w.reserved()).toEqual(before);
    expect(await waiting(w)).toEqual([{ status: 'pending', for: 'answer', told: true }]);
    w.outlook.alter(first!.id, { item: moved });
    await heard(w);
    expect(await w.reserved()).toMatchObject([
      { id: before[0]!.id, active: true, item: moved },
      { id: before[1]!.id, active: true, item: second!.item },
    ]);
  });

  test('and that the room then accepts as it was is in step again', async () => {
    await using w = await open();
    const { event, reservation } = await invited(w);
    w.outlook.alter(event.id, { shows: undecided(dinner(later)) });
    await heard(w);
    w.outlook.alter(event.id, { item: dinner() });
    await heard(w);
    expect(await w.reserved()).toEqual([reservation]);
    expect(await waiting(w)).toEqual([]);
    expect(await w.mapping(reservation)).toMatchObject({ sync_status: 'synced' });
  });

  test('and that the room then declines gives its reservation up', async () => {
    await using w = await open();
    const { event } = await invited(w);
    w.outlook.alter(event.id, { shows: undecided(dinner(later)) });
    await heard(w);
    w.outlook.alter(event.id, { shows: { is: 'released' } });
    await heard(w);
    expect(await w.reserved()).toMatchObject([{ active: false }]);
    expect(await waiting(w)).toEqual([]);
  });

  test('is declined when its reservation is cancelled while the room has not answered', async () => {
    await using w = await open();
    const { event, reservation } = await invited(w);
    w.outlook.alter(event.id, { shows: undecided(dinner(later)) });
    await heard(w);
    await w.desk.cancel(reservation);
    await w.settle();
    expect(w.outlook.answers).toMatchObject([{ id: event.id, answer: 'decline' }]);
  });

  test('still waits after a person asked for it to be synced by hand', async () => {
    await using w = await open();
    const { event, reservation } = await invited(w);
    w.outlook.alter(event.id, { shows: undecided(dinner(later)) });
    await heard(w);
    await w.db.query("UPDATE bridge_mappings SET sync_status = 'pending'");
    await w.settle();
    expect(await w.reserved()).toEqual([reservation]);
    expect(await waiting(w)).toEqual([{ status: 'pending', for: 'answer', told: true }]);
  });
});

describe('a meeting without an answer', () => {
  test('is not imported, and listed as waiting; once the room accepts, it is', async () => {
    await using w = await open();
    const event = w.outlook.invite(room, dinner(), { shows: undecided(dinner()) });
    await heard(w);
    expect(await w.reserved()).toEqual([]);
    expect(await waiting(w)).toEqual([{ status: 'imported', for: 'answer', told: true }]);
    expect(w.outlook.reads).toEqual([]);
    w.outlook.alter(event.id, { item: dinner() });
    await heard(w);
    expect(await w.reserved()).toMatchObject([{ active: true, item: dinner() }]);
    expect(await waiting(w)).toEqual([]);
  });

  test('is forgotten once its organiser calls it off', async () => {
    await using w = await open();
    const event = w.outlook.invite(room, dinner(), { shows: undecided(dinner()) });
    await heard(w);
    w.outlook.remove(event.id);
    await heard(w);
    expect(await w.db.query('SELECT 1 FROM bridge_mappings')).toEqual([]);
  });
});

describe("the room's own event that a person shows as free", () => {
  test('is shown as busy again, and its reservation stays', async () => {
    await using w = await open();
    const { event, reservation } = await imported(w);
    w.outlook.alter(event.id, { shows: free(dinner()) });
    await heard(w);
    expect(w.outlook.in(room)).toMatchObject([{ id: event.id, shows: { is: 'occupied', item: dinner() } }]);
    expect(await w.reserved()).toEqual([reservation]);
    expect(w.outlook.writes).toMatchObject([{ write: { do: 'change', change: {}, showAs: true } }]);
    expect(await w.mapping(reservation)).toMatchObject({ sync_status: 'synced', due_at: null });
  });

  test("by Outlook's box for a whole day takes the whole day in the booking system, too", async () => {
    await using w = await open();
    const { event, reservation } = await imported(w);
    const day = dinner({ ...wholeDays(3) });
    w.outlook.alter(event.id, { shows: free(day) });
    await heard(w);
    expect(w.outlook.in(room)).toMatchObject([{ id: event.id, shows: { is: 'occupied', item: day } }]);
    expect(await w.reserved()).toMatchObject([{ id: reservation.id, active: true, item: day }]);
    expect(await logged(w)).not.toContain('booking-cancelled');
  });

  test('was born in the booking system and stays a reservation of it', async () => {
    await using w = await open();
    const { event } = await shown(w);
    w.outlook.alter(event.id, { shows: free(event.item!) });
    await heard(w);
    expect(await w.reserved()).toMatchObject([{ active: true }]);
    expect(w.outlook.in(room)).toMatchObject([{ id: event.id, shows: { is: 'occupied' } }]);
  });

  test('goes when its reservation is cancelled', async () => {
    await using w = await open();
    const { event, reservation } = await shown(w);
    w.outlook.alter(event.id, { shows: free(event.item!) });
    await w.desk.cancel(reservation);
    await heard(w);
    expect(w.outlook.in(room)).toEqual([]);
  });

  test('is recognised after our tables were lost, rather than made a second time', async () => {
    await using w = await open();
    const { event } = await shown(w);
    w.outlook.alter(event.id, { shows: free(event.item!) });
    await w.db.query('TRUNCATE bridge_mappings CASCADE');
    await w.db.query(
      'UPDATE bridge_room_state SET baselined_at = NULL, reconciled_at = NULL, delta_links = NULL, push_due_at = now()',
    );
    await w.settle();
    expect(w.outlook.in(room)).toMatchObject([{ id: event.id, shows: { is: 'occupied' } }]);
    expect(await w.reserved()).toMatchObject([{ active: true }]);
  });
});

describe("somebody else's meeting that is shown as free", () => {
  async function asked() {
    const w = await open();
    const { event, reservation } = await invited(w);
    w.outlook.alter(event.id, { shows: free(dinner()) });
    await heard(w);
    return { w, event, reservation };
  }

  test('is a conflict to choose in, and nothing changes until then', async () => {
    const { w, reservation } = await asked();
    await using _ = w;
    await heard(w);
    expect(await conflicts(w)).toMatchObject([{ kind: 'free' }]);
    expect(await w.reserved()).toEqual([reservation]);
    expect(w.outlook.writes).toEqual([]);
  });

  test('is shown as busy again when a person keeps the booking', async () => {
    const { w, event, reservation } = await asked();
    await using _ = w;
    await resolve(w, 'booking');
    expect(w.outlook.in(room)).toMatchObject([{ id: event.id, shows: { is: 'occupied' } }]);
    expect(await w.reserved()).toEqual([reservation]);
    expect(await conflicts(w)).toEqual([]);
  });

  test('cancels its reservation when a person keeps Outlook', async () => {
    const { w } = await asked();
    await using _ = w;
    await resolve(w, 'outlook');
    expect(await w.reserved()).toMatchObject([{ active: false }]);
    expect(w.outlook.answers).toEqual([]);
    await heard(w);
    expect(await conflicts(w)).toEqual([]);
  });

  test('ends the conflict when it is shown as busy again', async () => {
    const { w, event, reservation } = await asked();
    await using _ = w;
    w.outlook.alter(event.id, { item: dinner() });
    await heard(w);
    expect(await conflicts(w)).toEqual([]);
    expect(await w.reserved()).toEqual([reservation]);
  });
});

describe('a free event that is not known', () => {
  test('is not imported, and listed with the reason; once it is busy, it is imported', async () => {
    await using w = await open();
    const event = w.outlook.put(room, dinner(), null);
    w.outlook.alter(event.id, { shows: free(dinner()) });
    await heard(w);
    expect(await w.reserved()).toEqual([]);
    expect(await waiting(w)).toEqual([{ status: 'imported', for: 'free', told: true }]);
    w.outlook.alter(event.id, { item: dinner() });
    await heard(w);
    expect(await w.reserved()).toMatchObject([{ item: dinner() }]);
    expect(await waiting(w)).toEqual([]);
  });

  test('is listed by a comparison of the room, too, without being read one by one', async () => {
    await using w = await open();
    w.outlook.alter(w.outlook.put(room, dinner(), null).id, { shows: free(dinner()) });
    await w.db.query(
      'UPDATE bridge_room_state SET baselined_at = NULL, delta_links = NULL, push_due_at = now()',
    );
    await w.settle();
    expect(await waiting(w)).toEqual([{ status: 'imported', for: 'free', told: true }]);
    expect(w.outlook.reads).toEqual([]);
  });
});

describe('an event that cannot be read', () => {
  const unreadable: OutlookEvent['shows'] = {
    is: 'unreadable',
    why: "Graph answered '' as the time of an event",
  };
  const flagged = (w: Rooms) =>
    w.db.query('SELECT sync_status AS status, error_message AS why FROM bridge_mappings');

  test('keeps its reservation, and is flagged until it can be read again', async () => {
    await using w = await open();
    const { event, reservation } = await imported(w);
    w.outlook.alter(event.id, { shows: unreadable });
    await heard(w);
    expect(await w.reserved()).toEqual([reservation]);
    expect(await flagged(w)).toEqual([{ status: 'error', why: expect.stringContaining('as the time') }]);
    w.outlook.alter(event.id, { item: dinner(later) });
    await heard(w);
    expect(await w.reserved()).toMatchObject([{ id: reservation.id, item: later }]);
    expect(await flagged(w)).toEqual([{ status: 'synced', why: null }]);
  });

  test('and that is not known yet is flagged, and imported once it can be read', async () => {
    await using w = await open();
    const event = w.outlook.put(room, dinner(), null);
    w.outlook.alter(event.id, { shows: unreadable });
    await heard(w);
    expect(await w.reserved()).toEqual([]);
    expect(await flagged(w)).toEqual([{ status: 'error', why: expect.stringContaining('as the time') }]);
    w.outlook.alter(event.id, { item: dinner() });
    await heard(w);
    expect(await w.reserved()).toMatchObject([{ item: dinner() }]);
  });
});
