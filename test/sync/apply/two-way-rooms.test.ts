/** Meetings in several rooms, copies and lost tables, and rooms of one direction. */
import { describe, expect, test } from 'vitest';
import { Retryable } from '../../../src/errors.ts';
import { markRooms } from '../../../src/sync/webhooks/subscription-store.ts';
import {
  room,
  other,
  both,
  type Rooms,
  at,
  conflicts,
  dinner,
  open,
  heard,
  resolve,
} from '../two-way-world.ts';

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
    await using w = await open({}, both);
    const { reservation } = await invited(w);
    expect(await w.db.query('SELECT id FROM bb_event')).toEqual([{ id: reservation.id }]);
    expect(await resources(w)).toEqual([101, 102]);
    expect(await w.mapping(reservation, 101)).toMatchObject({ sync_status: 'synced', due_at: null });
    expect(await w.mapping(reservation, 102)).toMatchObject({ sync_status: 'synced', due_at: null });
    expect([...(await w.done(101)), ...(await w.done(102))].sort()).toEqual(['imported', 'joined']);
    expect(w.outlook.writes).toEqual([]);
  });

  test('that is cancelled at the desk before the second room joins is a reservation of that room alone', async () => {
    await using w = await open({}, both);
    const first = w.outlook.invite(room, dinner(), { iCalUId: 'one meeting' });
    await heard(w, 101);
    const [reservation] = await w.reserved();
    await w.desk.cancel(reservation!);
    w.outlook.invite(other, dinner(), { iCalUId: 'one meeting' });
    await heard(w, 101, 102);
    expect(w.outlook.answers.map(({ id }) => id)).toEqual([first.id]);
    expect(await resources(w)).toEqual([102]);
    expect(await w.reserved()).toMatchObject([{ id: reservation!.id, active: false }]);
  });

  test('takes the place of the event that a room had of it before it was invited', async () => {
    await using w = await open({}, both);
    const first = w.outlook.invite(room, dinner(), { iCalUId: 'one meeting' });
    await heard(w, 101);
    const [reservation] = await w.reserved();
    await w.db.query('INSERT INTO bb_event_resource (event_id, resource_id) VALUES ($1, 102)', [
      reservation!.id,
    ]);
    await w.settle();
    expect(w.outlook.in(other)).toMatchObject([{ isOrganizer: true }]);
    const second = w.outlook.invite(other, dinner(), { iCalUId: 'one meeting' });
    await heard(w, 102);
    expect(w.outlook.in(other)).toMatchObject([{ id: second.id }]);
    expect(await resources(w)).toEqual([101, 102]);
    expect(await w.db.query('SELECT sync_status FROM bridge_mappings')).toEqual([
      { sync_status: 'synced' },
      { sync_status: 'synced' },
    ]);
    await w.desk.cancel(reservation!);
    await heard(w, 101, 102);
    expect(w.outlook.answers.map(({ id }) => id).sort()).toEqual([first.id, second.id].sort());
  });

  test('leaves that event to a person in a room that takes changes from Outlook only', async () => {
    await using w = await open({}, both);
    w.outlook.invite(room, dinner(), { iCalUId: 'one meeting' });
    await heard(w, 101);
    const [reservation] = await w.reserved();
    await w.db.query('INSERT INTO bb_event_resource (event_id, resource_id) VALUES ($1, 102)', [
      reservation!.id,
    ]);
    await w.settle();
    await w.db.query(
      `UPDATE bridge_resource_mappings SET sync_direction = 'outlook_to_booking' WHERE resource_id = 102`,
    );
    await w.settle();
    w.outlook.writes.length = 0;
    const second = w.outlook.invite(other, dinner(), { iCalUId: 'one meeting' });
    await heard(w, 102);
    expect(w.outlook.writes).toEqual([]);
    expect(
      await w.db.query(
        `SELECT conflict ->> 'kind' AS kind, error_message AS why FROM bridge_mappings WHERE sync_status = 'conflict'`,
      ),
    ).toEqual([{ kind: 'moved', why: 'The reservation of this meeting has another event in this room.' }]);
    await resolve(w, 'outlook');
    await heard(w, 102);
    expect(w.outlook.in(other)).toMatchObject([{ id: second.id }]);
    expect(await resources(w)).toEqual([101, 102]);
  });

  test('takes that place, too, when it was moved and the first room hears of it later', async () => {
    await using w = await open({}, both);
    const first = w.outlook.invite(room, dinner(), { iCalUId: 'one meeting' });
    await heard(w, 101);
    const [reservation] = await w.reserved();
    await w.db.query('INSERT INTO bb_event_resource (event_id, resource_id) VALUES ($1, 102)', [
      reservation!.id,
    ]);
    await w.settle();
    const later = { startsAt: at(4, '15:00'), endsAt: at(4, '17:00') };
    w.outlook.edit(first.id, later);
    const second = w.outlook.invite(other, dinner(later), { iCalUId: 'one meeting' });
    await heard(w, 102);
    await heard(w, 101);
    await w.db.query(
      `UPDATE bridge_mappings SET due_at = now() WHERE due_at IS NOT NULL; UPDATE bridge_room_state SET push_due_at = now()`,
    );
    await w.settle();
    expect(w.outlook.in(other)).toMatchObject([{ id: second.id, item: later }]);
    expect(await w.db.query('SELECT id FROM bb_event')).toHaveLength(1);
    expect(
      await w.db.query(`SELECT id FROM bridge_mappings WHERE sync_status <> 'synced' OR due_at IS NOT NULL`),
    ).toEqual([]);
    expect(w.outlook.answers).toEqual([]);
  });

  describe('at another time than the event that a room had of it before, because the reservation cannot follow,', () => {
    const later = { startsAt: at(4, '15:00'), endsAt: at(4, '17:00') };
    const goOn = async (w: Rooms) => {
      await w.db.query(
        `UPDATE bridge_mappings SET due_at = now() WHERE due_at IS NOT NULL; UPDATE bridge_room_state SET push_due_at = now()`,
      );
      await w.settle();
    };
    const open102 = (w: Rooms) =>
      w.db.query(
        `SELECT conflict ->> 'kind' AS kind, error_message AS why FROM bridge_mappings
         WHERE sync_status = 'conflict' AND resource_id = 102`,
      );
    /** The new time is taken in the first room. */
    async function kept(w: Rooms) {
      const first = w.outlook.invite(room, dinner(), { iCalUId: 'one meeting' });
      await heard(w, 101);
      const [reservation] = await w.reserved();
      await w.db.query('INSERT INTO bb_event_resource (event_id, resource_id) VALUES ($1, 102)', [
        reservation!.id,
      ]);
      const choir = await w.desk.book(101, {
        title: 'Choir',
        from: w.day(4, '15:30'),
        to: w.day(4, '16:30'),
      });
      await w.settle();
      w.outlook.edit(first.id, later);
      await heard(w, 101);
      const second = w.outlook.invite(other, dinner(later), { iCalUId: 'one meeting' });
      await heard(w, 102);
      expect(await open102(w)).toEqual([]);
      for (let tries = 0; tries < 6; tries += 1) await goOn(w);
      expect(await open102(w)).toEqual([
        { kind: 'moved', why: 'The reservation of this meeting is in this room at another time.' },
      ]);
      return { choir, reservation: reservation!, second };
    }

    test('waits for a person, who keeps the reservation there', async () => {
      await using w = await open({}, both);
      const { second } = await kept(w);
      await goOn(w);
      await w.db.query(
        `UPDATE bridge_mappings SET resolution = 'booking', due_at = now(), revision = revision + 1
         WHERE sync_status = 'conflict' AND resource_id = 102`,
      );
      await goOn(w);
      expect(w.outlook.answers.map(({ id, answer }) => [id, answer])).toEqual([[second.id, 'decline']]);
      expect(w.outlook.in(other)).toMatchObject([{ isOrganizer: true, item: dinner() }]);
      expect(await open102(w)).toEqual([]);
    });

    test('takes its place when the reservation follows after all', async () => {
      await using w = await open({}, both);
      const { choir, reservation, second } = await kept(w);
      await w.desk.cancel(choir);
      await w.desk.move(reservation, w.day(4, '15:00'), w.day(4, '17:00'));
      await w.settle();
      await heard(w, 101, 102);
      await goOn(w);
      expect(w.outlook.in(other)).toMatchObject([{ id: second.id, item: later }]);
      expect(
        await w.db.query(`SELECT id FROM bridge_mappings WHERE sync_status NOT IN ('synced', 'cancelled')`),
      ).toEqual([]);
      expect(w.outlook.answers).toEqual([]);
    });
  });

  test('is moved in both rooms once, whichever hears of it first', async () => {
    await using w = await open({}, both);
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
    await using w = await open({}, both);
    const { first, second } = await invited(w);
    const later = { startsAt: at(4, '15:00'), endsAt: at(4, '17:00') };
    w.outlook.edit(second.id, later);
    await w.notify(102);
    w.outlook.meanwhileRead(async () => {
      w.outlook.remove(second.id);
      w.outlook.edit(first.id, later);
      await w.notify(101);
      const held = await w.db.query<{ id: number }>(
        'SELECT id FROM bridge_resource_mappings WHERE resource_id = 102',
      );
      const { rooms } = await w.take(held.map(({ id }) => id));
      for (const leased of rooms) await w.drainOne(leased);
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
    await using w = await open({}, both);
    const { first, reservation } = await invited(w);
    w.outlook.remove(first.id);
    await heard(w);
    await heard(w, 101, 102);
    expect(await resources(w)).toEqual([102]);
    expect(w.outlook.in(other)).toHaveLength(1);
    expect(await w.mapping(reservation, 101)).toMatchObject({ sync_status: 'cancelled' });
    expect(w.outlook.writes).toEqual([]);
  });

  test.each([
    ['switched off', 'UPDATE bridge_resource_mappings SET active = 0 WHERE resource_id = 102'],
    ['taken off the list', 'DELETE FROM bridge_resource_mappings WHERE resource_id = 102'],
  ])('keeps the reservation in a room that is %s when it loses the other', async (_what, sql) => {
    await using w = await open({}, both);
    const { first } = await invited(w);
    await w.db.query(sql);
    await w.settle();
    w.outlook.remove(first.id);
    await heard(w, 101);
    expect(await resources(w)).toEqual([102]);
    expect(w.outlook.titles(other)).toEqual(['Dinner']);
    expect(w.outlook.answers).toEqual([]);
  });

  test('keeps the reservation in a room that it was given while that was switched off', async () => {
    await using w = await open({}, both);
    await w.db.query('UPDATE bridge_resource_mappings SET active = 0 WHERE resource_id = 102');
    const choir = await w.desk.book(101, { title: 'Choir', from: w.day(3, '18:00'), to: w.day(3, '20:00') });
    await w.db.query('INSERT INTO bb_event_resource VALUES ($1, 102), ($1, 104)', [choir.id]);
    await w.settle();
    w.outlook.remove(w.outlook.in(room)[0]!.id);
    await heard(w, 101);
    expect(await resources(w)).toEqual([102, 104]);
  });

  test('cancels the reservation with its last room, whatever else it has that is no room of ours', async () => {
    await using w = await open();
    const choir = await w.desk.book(101, { title: 'Choir', from: w.day(3, '18:00'), to: w.day(3, '20:00') });
    await w.db.query('INSERT INTO bb_event_resource VALUES ($1, 104)', [choir.id]);
    await w.settle();
    w.outlook.remove(w.outlook.in(room)[0]!.id);
    await heard(w, 101);
    expect(await w.db.query('SELECT active FROM bb_event')).toEqual([{ active: 0 }]);
  });

  test('cancels the reservation when it loses both', async () => {
    await using w = await open({}, both);
    const { first, second } = await invited(w);
    w.outlook.remove(first.id);
    w.outlook.remove(second.id);
    await heard(w, 101, 102);
    expect(await resources(w)).toEqual([]);
    expect(await w.db.query('SELECT active FROM bb_event')).toEqual([{ active: 0 }]);
  });

  test('is at the time that the room which joins last shows, whatever becomes of the first', async () => {
    await using w = await open({}, both);
    const first = w.outlook.invite(room, dinner(), { iCalUId: 'one meeting' });
    await heard(w, 101);
    // its organiser moves it and invites another room; the first one has not answered yet
    const later = { startsAt: at(4, '15:00'), endsAt: at(4, '17:00') };
    w.outlook.alter(first.id, { shows: { is: 'undecided', item: dinner(later) } });
    w.outlook.invite(other, dinner(later), { iCalUId: 'one meeting' });
    await heard(w, 101, 102);
    expect((await w.reserved(102))[0]!.item).toMatchObject(later);
    w.outlook.alter(first.id, { shows: { is: 'released' } });
    await heard(w, 101, 102);
    expect(await resources(w)).toEqual([102]);
    expect((await w.reserved(102))[0]!.item).toMatchObject(later);
    expect(w.outlook.writes).toEqual([]);
  });

  test('is declined in both when the reservation is cancelled', async () => {
    await using w = await open({}, both);
    const { first, second, reservation } = await invited(w);
    await w.desk.cancel(reservation);
    await w.settle();
    expect(w.outlook.answers.map(({ id }) => id).sort()).toEqual([first.id, second.id].sort());
  });
});

describe('a reservation in two rooms that loses one', () => {
  const inBoth = (w: Rooms) =>
    w.desk.book([101, 102], { title: 'Choir', from: w.day(3, '18:00'), to: w.day(3, '20:00') });

  test('keeps the other, in which the brake holds that its event is gone, too', async () => {
    await using w = await open({}, both);
    await inBoth(w);
    for (const day of [5, 6, 7])
      await w.desk.book(102, { title: 'Band', from: w.day(day, '18:00'), to: w.day(day, '20:00') });
    await w.settle();
    for (const { id } of w.outlook.in(other)) w.outlook.remove(id);
    await heard(w, 102);
    expect(await resources(w)).toEqual([101, 102, 102, 102, 102]);
    w.outlook.remove(w.outlook.in(room)[0]!.id);
    await heard(w, 101);
    expect(await resources(w)).toEqual([102, 102, 102, 102]);
  });

  test('keeps the other, about which a person is to decide', async () => {
    await using w = await open({ conflict: 'ask' }, both);
    const choir = await inBoth(w);
    await w.settle();
    w.outlook.remove(w.outlook.in(other)[0]!.id);
    await w.desk.retitle(choir, 'Band');
    await w.settle();
    await heard(w, 102);
    expect(await w.mapping(choir, 102)).toMatchObject({ conflict: { kind: 'deleted' } });
    w.outlook.remove(w.outlook.in(room)[0]!.id);
    await heard(w, 101);
    expect(await resources(w)).toEqual([102]);
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
      event.properties,
    );
    await heard(w);
    w.outlook.remove(copy.id);
    await heard(w);
    expect((await w.reserved()).map(({ id, active }) => [id === reservation.id, active])).toEqual([
      [true, true],
      [false, false],
    ]);
  });

  test('is not looked for in a copy that is a reservation of its own', async () => {
    await using w = await open();
    const { reservation, event } = await shown(w);
    const elsewhere = { ...event.item!, startsAt: at(6, '10:00'), endsAt: at(6, '11:00') };
    const copy = w.outlook.put(room, elsewhere, event.properties);
    await heard(w);
    w.outlook.vanish(event.id);
    // as after a create whose answer was lost
    await w.db.query(
      `UPDATE bridge_mappings SET outlook_event_id = NULL, outlook_base = NULL, booking_base = '{}', sync_status = 'pending',
         generation = generation + 1, due_at = now(), revision = revision + 1
       WHERE reservation_id = $1`,
      [reservation.id],
    );
    await w.db.query('UPDATE bridge_room_state SET push_due_at = now()');
    await w.settle();
    expect(w.outlook.in(room)).toMatchObject([
      { item: { startsAt: event.item!.startsAt } },
      { id: copy.id, item: elsewhere },
    ]);
    expect(await w.db.query('SELECT DISTINCT sync_status FROM bridge_mappings')).toEqual([
      { sync_status: 'synced' },
    ]);
  });

  test('re-enabled after it was copied to another time gets a fresh event, and the copy stays where it is', async () => {
    await using w = await open();
    const { reservation, event } = await shown(w);
    await w.desk.cancel(reservation);
    await w.settle();
    const elsewhere = { ...event.item!, startsAt: at(6, '10:00'), endsAt: at(6, '11:00') };
    const copy = w.outlook.put(room, elsewhere, event.properties);
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

  for (const [order, first] of [
    ['the deletion', 'old'],
    ['the new event', 'new'],
  ] as const)
    test(`moved to the calendar of another room is a reservation of that room, ${order} read first`, async () => {
      await using w = await open({}, both);
      const { reservation, event } = await shown(w);
      w.outlook.remove(event.id);
      if (first === 'old') await heard(w, 101);
      const moved = w.outlook.put(other, event.item!, event.properties);
      if (first === 'new') await heard(w, 102);
      await heard(w, 101, 102);
      await heard(w, 101, 102);
      expect(w.outlook.in(other)).toMatchObject([{ id: moved.id, item: event.item! }]);
      expect(await resources(w)).toEqual([102]);
      expect(await w.reserved()).toMatchObject([{ id: reservation.id, active: false }]);
    });

  test('of a reservation that is not known waits for a person', async () => {
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

  test('(from Outlook) is equal after a clerk edits what it gave, however often it is compared; shown both ways the edit is sent', async () => {
    await using w = await open();
    await turn(w, 'outlook_to_booking');
    w.outlook.put(room, dinner(), null);
    await heard(w);
    await w.db.query(`UPDATE bb_event SET description = 'By the clerk'`);
    await w.settle();
    const compare = async () => {
      w.facts.length = 0;
      await w.db.query('UPDATE bridge_room_state SET reconciled_at = NULL, push_due_at = now()');
      await w.settle();
      return w.facts.map(({ fact }) => fact);
    };
    const revision = async () =>
      (await w.db.query('SELECT revision FROM bridge_mappings'))[0]!['revision'] as number;
    const before = await revision();
    expect(await compare()).toEqual([]);
    expect(await revision()).toBe(before);
    await turn(w, 'both');
    expect(w.outlook.in(room)[0]!.item).toMatchObject({ description: 'By the clerk' });
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

  test('(to Outlook) is at rest, although an event was just hinted at when its direction was turned', async () => {
    await using w = await open();
    const told = { eventId: 'event-1', deleted: false, etag: null };
    const [row] = await w.db.query<{ id: number }>('SELECT id FROM bridge_resource_mappings');
    await markRooms(w.db.pool, [{ id: row!.id, gapMs: 0, events: [told] }]);
    await w.db.query('UPDATE bridge_room_state SET sure_at = now()');
    await turn(w, 'booking_to_outlook');
    expect(await w.db.query('SELECT hinted_at, sure_at FROM bridge_room_state')).toEqual([
      { hinted_at: null, sure_at: null },
    ]);
    expect(await w.db.query('SELECT event_id FROM bridge_hints')).toEqual([]);
  });
});

describe('a reservation of two rooms, whose event is deleted in one room and edited in the other before either is heard,', () => {
  const later = { startsAt: at(4, '15:00'), endsAt: at(4, '17:00') };
  const edits = { moved: later, renamed: { title: 'Orchestra' } };
  const policies = ['booking', 'newest', 'outlook', 'ask'] as const;
  type Policy = (typeof policies)[number];

  async function deletedAndEdited(conflict: Policy, how: keyof typeof edits) {
    const w = await open({ conflict }, both);
    const reservation = await w.desk.book([101, 102], {
      title: 'Choir',
      from: w.day(3, '18:00'),
      to: w.day(3, '20:00'),
    });
    await w.settle();
    w.outlook.remove(w.outlook.in(room)[0]!.id);
    w.outlook.edit(w.outlook.in(other)[0]!.id, edits[how]);
    return { w, reservation };
  }
  const shownIn = (w: Rooms, mailbox: string) => w.outlook.in(mailbox).map(({ item }) => item);

  describe.each(policies)('with the policy %s', (policy) => {
    test.each([
      ['moved', 'the deletion'],
      ['moved', 'the edit'],
      ['renamed', 'the deletion'],
      ['renamed', 'the edit'],
    ] as const)('leaves that room and is %s in the other, heard of %s first', async (how, first) => {
      const { w } = await deletedAndEdited(policy, how);
      await using _ = w;
      for (const resource of first === 'the edit' ? [102, 101] : [101, 102]) await heard(w, resource);
      expect(await resources(w)).toEqual([102]);
      expect(shownIn(w, room)).toEqual([]);
      expect(shownIn(w, other)).toMatchObject([edits[how]]);
      expect(await w.reserved(102)).toMatchObject([{ active: true, item: edits[how] }]);
      expect(await conflicts(w)).toEqual([]);
    });

    /** The desk's change counts as one of the booking system, whatever Outlook changed. */
    test.each(['before', 'after'])(
      'is decided about by the policy if the desk changes it %s that',
      async (when) => {
        const { w, reservation } = await deletedAndEdited(policy, 'renamed');
        await using _ = w;
        const atDesk = () => w.desk.move(reservation, w.day(8, '10:00'), w.day(8, '11:00'));
        if (when === 'before') await atDesk();
        await w.notify(102);
        for (const taken of (await w.take()).rooms) await w.drainOne(taken);
        if (when === 'after') await atDesk();
        await w.settle();
        await heard(w, 101);
        const keeps = policy !== 'outlook';
        expect(await resources(w)).toEqual(keeps ? [101, 102] : [102]);
        expect(shownIn(w, room)).toHaveLength(policy === 'booking' || policy === 'newest' ? 1 : 0);
        expect(await conflicts(w)).toMatchObject(policy === 'ask' ? [{ kind: 'deleted' }] : []);
      },
    );
  });

  test('leaves that room after several edits in the other', async () => {
    const { w } = await deletedAndEdited('booking', 'renamed');
    await using _ = w;
    await heard(w, 102);
    w.outlook.edit(w.outlook.in(other)[0]!.id, later);
    await heard(w, 102);
    await heard(w, 101);
    expect(await resources(w)).toEqual([102]);
    expect(shownIn(w, other)).toMatchObject([{ title: 'Orchestra', ...later }]);
  });
});

test('an edit in another room that both rooms show is agreed: a later change of the desk to the same counts', async () => {
  await using w = await open({ conflict: 'booking' }, both);
  const reservation = await w.desk.book([101, 102], {
    title: 'Choir',
    from: w.day(3, '18:00'),
    to: w.day(3, '20:00'),
  });
  await w.settle();
  w.outlook.edit(w.outlook.in(other)[0]!.id, { title: 'Orchestra' });
  await heard(w, 102);
  expect(w.outlook.titles(room)).toEqual(['Orchestra']);
  await w.desk.retitle(reservation, 'Choir');
  await w.settle();
  w.outlook.remove(w.outlook.in(room)[0]!.id);
  await w.desk.retitle(reservation, 'Orchestra');
  await heard(w, 101, 102);
  expect(w.outlook.titles(room)).toEqual(['Orchestra']);
  expect(await resources(w)).toEqual([101, 102]);
});
