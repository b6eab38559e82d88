import { describe, expect, test } from 'vitest';
import { Conflict, Permanent, Retryable } from '../../../src/errors.ts';
import { failed } from '../outlook-in-memory.ts';
import { itemsAtATime } from '../../../src/sync/worker/drain.ts';
import { openRooms } from '../bench-of-rooms.ts';
import { at, day } from '../../support/dates.ts';

const room = 'room101@example.org';

describe('a reservation', () => {
  test('appears in the room with its times as instants', async () => {
    await using w = await openRooms();
    await w.desk.book(101, { title: 'Choir', from: day(2, '18:00'), to: day(2, '20:00') });
    await w.settle();
    expect(w.outlook.in(room).map((e) => e.item)).toMatchObject([
      { title: 'Choir', startsAt: at(2, '18:00'), endsAt: at(2, '20:00') },
    ]);
  });

  test('moves with one write that carries nothing but the times', async () => {
    await using w = await openRooms();
    const choir = await w.desk.book(101, { title: 'Choir', from: w.day(3, '18:00'), to: w.day(3, '20:00') });
    await w.settle();
    w.outlook.writes.length = 0;
    await w.desk.move(choir, w.day(4, '18:00'), w.day(4, '20:00'));
    await w.settle();
    expect(
      w.outlook.writes.map(({ write }) => write.do === 'change' && Object.keys(write.change).sort()),
    ).toEqual([['endsAt', 'startsAt']]);
  });

  test('is gone from the room when it is cancelled, and back as a fresh event when it is re-enabled', async () => {
    await using w = await openRooms();
    const choir = await w.desk.book(101, { title: 'Choir', from: w.day(3, '18:00'), to: w.day(3, '20:00') });
    await w.settle();
    const [first] = w.outlook.in(room);
    await w.desk.cancel(choir);
    await w.settle();
    expect(w.outlook.in(room)).toEqual([]);
    expect(await w.mapping(choir)).toMatchObject({ sync_status: 'cancelled', outlook_event_id: first!.id });
    await w.desk.reenable(choir);
    await w.settle();
    expect(w.outlook.titles(room)).toEqual(['Choir']);
    expect(w.outlook.in(room)[0]!.id).not.toBe(first!.id);
    expect(await w.mapping(choir)).toMatchObject({ sync_status: 'synced' });
  });

  test('goes when its rows are deleted', async () => {
    await using w = await openRooms();
    const choir = await w.desk.book(101, { from: w.day(3, '18:00'), to: w.day(3, '20:00') });
    await w.settle();
    await w.desk.erase(choir);
    await w.settle();
    expect(w.outlook.in(room)).toEqual([]);
  });

  test('moves to another room: gone here, there in the other', async () => {
    await using w = await openRooms({ 101: room, 102: 'room102@example.org' });
    const choir = await w.desk.book(101, { title: 'Choir', from: w.day(3, '18:00'), to: w.day(3, '20:00') });
    await w.settle();
    await w.desk.moveTo(choir, 102);
    await w.settle();
    expect(w.outlook.titles(room)).toEqual([]);
    expect(w.outlook.titles('room102@example.org')).toEqual(['Choir']);
  });

  test('that ends before it starts is shown without length, and keeps no other from being shown', async () => {
    await using w = await openRooms();
    await w.desk.allocate(101, { from: w.day(3, '20:00'), to: w.day(3, '18:00') });
    await w.desk.bookGroup(101, { from: w.day(3, '17:00'), to: w.day(3, '21:00'), of: 3 });
    await w.settle();
    expect(w.outlook.titles(room)).toEqual(['Kammerkoret', 'Fjellsiden Idrettslag']);
  });

  test('in several rooms has an event in each', async () => {
    await using w = await openRooms({ 101: room, 102: 'room102@example.org' });
    const choir = await w.desk.book([101, 102], {
      title: 'Choir',
      from: w.day(3, '18:00'),
      to: w.day(3, '20:00'),
    });
    await w.settle();
    await w.desk.retitle(choir, 'Choir and band');
    await w.settle();
    expect([w.outlook.titles(room), w.outlook.titles('room102@example.org')]).toEqual([
      ['Choir and band'],
      ['Choir and band'],
    ]);
  });

  test('outside the window is left alone until the window reaches it', async () => {
    await using w = await openRooms();
    await w.desk.book(101, { from: w.day(500, '18:00'), to: w.day(500, '20:00') });
    await w.settle();
    expect(w.outlook.in(room)).toEqual([]);
  });

  test('that changes ten times before anybody looks is written once', async () => {
    await using w = await openRooms();
    const choir = await w.desk.book(101, { title: '0', from: w.day(3, '18:00'), to: w.day(3, '20:00') });
    await w.settle();
    w.outlook.writes.length = 0;
    for (let n = 1; n <= 10; n += 1) await w.desk.retitle(choir, String(n));
    await w.settle();
    expect(w.outlook.writes.length).toBe(1);
    expect(w.outlook.titles(room)).toEqual(['10']);
  });

  test('that changes while it is being written is written again', async () => {
    await using w = await openRooms();
    const choir = await w.desk.book(101, { title: 'Choir', from: w.day(3, '18:00'), to: w.day(3, '20:00') });
    const taken = await w.take();
    await w.desk.retitle(choir, 'Choir!');
    expect(await w.fold()).toBe(1);
    for (const leased of taken.rooms) await w.drainOne(leased);
    await w.settle();
    expect(w.outlook.titles(room)).toEqual(['Choir!']);
  });
});

describe('an existing stock', () => {
  test('is brought to Outlook when a room is added', async () => {
    await using w = await openRooms({});
    for (let n = 0; n < 30; n += 1)
      await w.desk.book(101, {
        title: `Meeting ${n}`,
        from: w.day(n + 1, '10:00'),
        to: w.day(n + 1, '11:00'),
      });
    await w.db.query(
      `INSERT INTO bridge_resource_mappings (resource_id, outlook_item_id) VALUES (101, '${room}')`,
    );
    await w.settle();
    expect(w.outlook.in(room).length).toBe(30);
  });

  test('is adopted, not doubled, when the mappings were lost', async () => {
    await using w = await openRooms();
    for (let n = 0; n < 5; n += 1)
      await w.desk.book(101, {
        title: `Meeting ${n}`,
        from: w.day(n + 1, '10:00'),
        to: w.day(n + 1, '11:00'),
      });
    await w.settle();
    const before = w.outlook.in(room).map((event) => event.id);
    await w.db.query('DELETE FROM bridge_mappings');
    await w.db.query(
      'UPDATE bridge_room_state SET baselined_at = NULL, reconciled_at = NULL, push_due_at = now()',
    );
    await w.settle();
    expect(w.outlook.in(room).map((event) => event.id)).toEqual(before);
  });

  test("survives the guide's reset statement without a duplicate", async () => {
    await using w = await openRooms();
    for (let n = 0; n < 5; n += 1)
      await w.desk.book(101, {
        title: `Meeting ${n}`,
        from: w.day(n + 1, '10:00'),
        to: w.day(n + 1, '11:00'),
      });
    await w.settle();
    const before = w.outlook.in(room).map((event) => event.id);
    await w.db.query(
      `UPDATE bridge_mappings SET sync_status = 'pending', outlook_event_id = NULL, reservation_id = NULL WHERE sync_status != 'cancelled'`,
    );
    await w.settle();
    expect(w.outlook.in(room).map((event) => event.id)).toEqual(before);
    const [{ n }] = (await w.db.query(
      `SELECT count(*) AS n FROM bridge_mappings WHERE sync_status = 'synced'`,
    )) as [{ n: number }];
    expect(n).toBe(5);
  });

  test('goes behind a booking made now', async () => {
    await using w = await openRooms({});
    for (let n = 0; n < 30; n += 1)
      await w.desk.book(101, { title: `Old ${n}`, from: w.day(n + 1, '10:00'), to: w.day(n + 1, '11:00') });
    await w.settle();
    await w.db.query(
      `INSERT INTO bridge_resource_mappings (resource_id, outlook_item_id) VALUES (101, '${room}')`,
    );
    w.outlook.meanwhile(async () => {
      await w.desk.book(101, { title: 'New', from: w.day(40, '10:00'), to: w.day(40, '11:00') });
      await w.fold();
    });
    await w.settle();
    const order = w.outlook.writes.map(({ write }) => (write.do === 'create' ? write.item.title : ''));
    // the batch under way, then the new one
    expect(order.indexOf('New')).toBe(itemsAtATime);
    expect(order.length).toBe(31);
    const now = w.outlook.writes.filter(({ write }) => write.isBackfill !== true);
    expect(now.map(({ write }) => write.do === 'create' && write.item.title)).toEqual(['New']);
  });

  test('is worked on in rounds while other rooms wait, and those come first', async () => {
    await using w = await openRooms({ 101: room, 102: 'room102@example.org' });
    await w.settle();
    for (let n = 0; n < 2 * itemsAtATime + 1; n += 1)
      await w.desk.book(101, { from: w.day(2 + n, '18:00'), to: w.day(2 + n, '20:00') });
    const [long] = (await w.take()).rooms;
    await w.desk.book(102, { from: w.day(3, '18:00'), to: w.day(3, '20:00') });
    await w.fold();
    await w.drainOne(long!, true);
    expect(w.outlook.in(room)).toHaveLength(itemsAtATime);

    const next = await w.take([], 1);
    expect(next.rooms.map(({ resourceId }) => resourceId)).toEqual([102]);
    await w.drainOne(next.rooms[0]!);
    await w.settle();
    expect(w.outlook.in(room)).toHaveLength(2 * itemsAtATime + 1);
  });

  test.each([
    { due: 3, first: 3 },
    { due: 4, first: 4 },
    { due: 7, first: 4 },
    { due: 11, first: 8 },
    { due: 12, first: 12 },
  ])('of $due items writes $first while other rooms wait, and then the rest', async ({ due, first }) => {
    await using w = await openRooms();
    await w.settle();
    for (let n = 0; n < due; n += 1)
      await w.desk.book(101, { from: w.day(2 + n, '18:00'), to: w.day(2 + n, '20:00') });
    await w.drainOne((await w.take()).rooms[0]!, true);
    expect(w.outlook.in(room)).toHaveLength(first);
    await w.settle();
    expect(w.outlook.in(room)).toHaveLength(due);
  });
});

describe('items stacked on one slot', () => {
  const from = '17:00';
  const to = '19:00';

  test('are shown once, by the most important of them', async () => {
    await using w = await openRooms();
    await w.desk.allocate(101, { from: w.day(3, from), to: w.day(3, to) });
    await w.desk.bookGroup(101, { from: w.day(3, from), to: w.day(3, to), of: 3 });
    await w.settle();
    expect(w.outlook.titles(room)).toEqual(['Kammerkoret']);
  });

  test('are shown again when the cover goes', async () => {
    await using w = await openRooms();
    const allocation = await w.desk.allocate(101, { from: w.day(3, from), to: w.day(3, to) });
    const concert = await w.desk.book(101, {
      title: 'Concert',
      from: w.day(3, '16:00'),
      to: w.day(3, '20:00'),
    });
    await w.settle();
    expect(w.outlook.titles(room)).toEqual(['Concert']);
    await w.desk.cancel(concert);
    await w.settle();
    expect(w.outlook.titles(room)).toEqual(['Fjellsiden Idrettslag']);
    expect(await w.mapping(allocation)).toMatchObject({ sync_status: 'synced' });
  });

  test('disappear under cover that arrives, after the cover is in Outlook', async () => {
    await using w = await openRooms();
    await w.desk.allocate(101, { from: w.day(3, from), to: w.day(3, to) });
    await w.settle();
    await w.desk.book(101, { title: 'Concert', from: w.day(3, from), to: w.day(3, to) });
    await w.settle();
    expect(w.outlook.titles(room)).toEqual(['Concert']);
    expect(w.outlook.writes.map(({ write }) => write.do)).toEqual(['create', 'create', 'remove']);
  });

  test('stay when two that cover them leave a gap', async () => {
    await using w = await openRooms();
    await w.desk.allocate(101, { from: w.day(3, '17:00'), to: w.day(3, '21:00') });
    await w.desk.book(101, { title: 'A', from: w.day(3, '17:00'), to: w.day(3, '18:30') });
    await w.desk.book(101, { title: 'B', from: w.day(3, '19:00'), to: w.day(3, '21:00') });
    await w.settle();
    expect(w.outlook.in(room).length).toBe(3);
  });

  test('vanish under two that cover them together', async () => {
    await using w = await openRooms();
    await w.desk.allocate(101, { from: w.day(3, '17:00'), to: w.day(3, '21:00') });
    await w.desk.book(101, { title: 'A', from: w.day(3, '17:00'), to: w.day(3, '19:00') });
    await w.desk.book(101, { title: 'B', from: w.day(3, '19:00'), to: w.day(3, '21:00') });
    await w.settle();
    expect(w.outlook.titles(room)).toEqual(['A', 'B']);
  });
});

describe('a write that fails', () => {
  test('whose answer was lost makes no second event', async () => {
    await using w = await openRooms();
    let lost = 0;
    w.outlook.fail((write, apply) => {
      if (write.do !== 'create' || lost++ > 0) return null;
      apply();
      return failed(new Retryable('no answer', { ambiguous: true, afterMs: 0 }));
    });
    await w.desk.book(101, { title: 'Choir', from: w.day(3, '18:00'), to: w.day(3, '20:00') });
    await w.settle();
    expect(w.outlook.titles(room)).toEqual(['Choir']);
    expect(w.outlook.writes.filter(({ write }) => write.do === 'create').length).toBe(1);
  });

  test.each([
    ['cancelled', 'throttled', new Retryable('429', { reach: 'room', afterMs: 1 })],
    ['cancelled', 'lost', new Retryable('no answer', { afterMs: 0 })],
    ['moved', 'throttled', new Retryable('429', { reach: 'room', afterMs: 1 })],
  ])(
    'whose answer was lost, %s before the look for it was %s, leaves nothing behind',
    async (what, _how, error) => {
      await using w = await openRooms({ 101: room, 102: 'room102@example.org' });
      let lost = 0;
      w.outlook.fail((write, apply) => {
        if (write.do !== 'create' || lost++ > 0) return null;
        apply();
        w.outlook.blindOnce(error);
        return failed(new Retryable('no answer', { ambiguous: true, afterMs: 60_000 }));
      });
      const choir = await w.desk.book(101, {
        title: 'Choir',
        from: w.day(3, '18:00'),
        to: w.day(3, '20:00'),
      });
      await w.settle();
      if (what === 'cancelled') await w.desk.cancel(choir);
      else await w.desk.moveTo(choir, 102);
      for (let round = 0; round < 5; round += 1) {
        await w.settle();
        await w.db.query(
          'UPDATE bridge_room_state SET throttled_until = NULL, retry_at = NULL, push_due_at = now()',
        );
        await w.db.query(
          'UPDATE bridge_mappings SET due_at = now(), revision = revision + 1 WHERE due_at IS NOT NULL',
        );
      }
      expect(w.outlook.titles(room)).toEqual([]);
    },
  );

  test('for good is parked with its hint and tried again when the booking changes', async () => {
    await using w = await openRooms();
    w.outlook.fail(() => failed(new Permanent('refused', { hint: 'shorten it' })));
    const choir = await w.desk.book(101, { title: 'Choir', from: w.day(3, '18:00'), to: w.day(3, '20:00') });
    await w.settle();
    expect(await w.mapping(choir)).toMatchObject({
      sync_status: 'error',
      error_message: 'refused',
      hint: 'shorten it',
      due_at: null,
    });
    w.outlook.fail(null);
    await w.desk.retitle(choir, 'C');
    await w.settle();
    expect(w.outlook.titles(room)).toEqual(['C']);
  });

  test('because Graph asks us to wait rests the room, and only that room', async () => {
    await using w = await openRooms({ 101: room, 102: 'room102@example.org' });
    await w.settle();
    w.outlook.fail((write) =>
      write.do === 'create' && write.item.title === 'Busy'
        ? failed(new Retryable('429', { reach: 'room', afterMs: 60_000 }))
        : null,
    );
    await w.desk.book(101, { title: 'Busy', from: w.day(3, '18:00'), to: w.day(3, '20:00') });
    await w.desk.book(102, { title: 'Free', from: w.day(3, '18:00'), to: w.day(3, '20:00') });
    await w.settle();
    expect(w.outlook.titles('room102@example.org')).toEqual(['Free']);
    const [state] = await w.db.query(
      `SELECT health, throttled_until > now() + interval '50 s' AS waits FROM bridge_room_state WHERE throttled_until IS NOT NULL`,
    );
    expect(state).toEqual({ health: 'waiting', waits: true });
  });

  test('because the mailbox refuses us marks the room and not each of its items', async () => {
    await using w = await openRooms();
    await w.settle();
    w.outlook.fail(() => failed(new Permanent('403', { reach: 'room', hint: 'grant access' })));
    const choir = await w.desk.book(101, { from: w.day(3, '18:00'), to: w.day(3, '20:00') });
    await w.settle();
    expect(await w.db.query('SELECT health, hint FROM bridge_room_state')).toEqual([
      { health: 'refused', hint: 'grant access' },
    ]);
    expect(await w.mapping(choir)).toMatchObject({ sync_status: 'pending' });
  });

  test('because another write was there first is decided again at once', async () => {
    await using w = await openRooms();
    let times = 0;
    w.outlook.fail(() =>
      times++ < 2 ? { acceptedAt: 0, callMs: 1, outcome: 'failed', error: new Conflict('412') } : null,
    );
    await w.desk.book(101, { title: 'Choir', from: w.day(3, '18:00'), to: w.day(3, '20:00') });
    await w.settle();
    expect(w.outlook.titles(room)).toEqual(['Choir']);
  });

  test('because its event was deleted in Outlook makes a fresh one for the booking that stands', async () => {
    await using w = await openRooms();
    const choir = await w.desk.book(101, { title: 'Choir', from: w.day(3, '18:00'), to: w.day(3, '20:00') });
    await w.settle();
    w.outlook.remove(w.outlook.in(room)[0]!.id);
    await w.desk.retitle(choir, 'Choir at eight');
    await w.settle();
    expect(w.outlook.titles(room)).toEqual(['Choir at eight']);
  });

  test('because its idempotency key was used up gets the next one', async () => {
    await using w = await openRooms();
    const choir = await w.desk.book(101, { title: 'Choir', from: w.day(3, '18:00'), to: w.day(3, '20:00') });
    await w.settle();
    w.outlook.remove(w.outlook.in(room)[0]!.id);
    await w.db.query(
      `UPDATE bridge_mappings SET outlook_event_id = NULL, booking_base = NULL, generation = 0, sync_status = 'pending'`,
    );
    await w.settle();
    expect(w.outlook.titles(room)).toEqual(['Choir']);
    expect(await w.mapping(choir)).toMatchObject({ sync_status: 'synced', generation: 1 });
  });
});

describe('the brake', () => {
  test('keeps every event when the rows of a whole room are gone', async () => {
    await using w = await openRooms();
    for (let n = 0; n < 20; n += 1)
      await w.desk.book(101, { from: w.day(n + 1, '10:00'), to: w.day(n + 1, '11:00') });
    await w.settle();
    await w.db.query(
      'TRUNCATE bb_event, bb_event_date, bb_event_resource, bb_event_agegroup, bb_event_targetaudience, bb_event_comment, bb_event_cost',
    );
    await w.settle();
    expect(w.outlook.in(room).length).toBe(20);
    expect(w.facts.some((fact) => fact.fact === 'brake-held')).toBe(true);
  });

  test('keeps every event of many small rooms when the rows of all of them are gone', async () => {
    const rooms = { 101: 'a@x', 102: 'b@x', 103: 'c@x', 104: 'd@x', 201: 'e@x', 202: 'f@x' };
    await using w = await openRooms(rooms);
    for (const resource of Object.keys(rooms).map(Number))
      for (let n = 0; n < 2; n += 1)
        await w.desk.book(resource, { from: w.day(n + 1, '10:00'), to: w.day(n + 1, '11:00') });
    await w.settle();
    await w.db.query('TRUNCATE bb_event_resource');
    await w.settle();
    expect(Object.values(rooms).map((mailbox) => w.outlook.in(mailbox).length)).toEqual([2, 2, 2, 2, 2, 2]);
  });

  test('lets any number of cancellations made in the booking system through', async () => {
    await using w = await openRooms();
    for (let n = 0; n < 20; n += 1)
      await w.desk.book(101, { from: w.day(n + 1, '10:00'), to: w.day(n + 1, '11:00') });
    await w.settle();
    await w.db.query('UPDATE bb_event SET active = 0');
    await w.settle();
    expect(w.outlook.in(room)).toEqual([]);
  });

  test('lets rows that are deleted one after the other through', async () => {
    await using w = await openRooms();
    const three = [];
    for (let n = 0; n < 3; n += 1)
      three.push(await w.desk.book(101, { from: w.day(n + 1, '10:00'), to: w.day(n + 1, '11:00') }));
    await w.settle();
    for (const event of three) {
      await w.desk.erase(event);
      await w.settle();
    }
    expect(w.outlook.in(room)).toEqual([]);
  });
});

describe('once both sides are equal', () => {
  test('nothing is written any more, however often everything is compared', async () => {
    await using w = await openRooms();
    for (let n = 0; n < 5; n += 1)
      await w.desk.book(101, { from: w.day(n + 1, '10:00'), to: w.day(n + 1, '11:00') });
    await w.settle();
    w.outlook.writes.length = 0;
    await w.db.query('UPDATE bridge_room_state SET reconciled_at = NULL, push_due_at = now()');
    await w.db.query(`UPDATE bb_event SET cost = cost + 1`);
    await w.settle();
    expect(w.outlook.writes).toEqual([]);
  });

  test('a row set to pending by hand whose event is gone from Outlook gets a fresh one', async () => {
    await using w = await openRooms();
    await w.desk.book(101, { title: 'Choir', from: w.day(3, '18:00'), to: w.day(3, '20:00') });
    await w.settle();
    w.outlook.remove(w.outlook.in(room)[0]!.id);
    await w.db.query(`UPDATE bridge_mappings SET sync_status = 'pending'`);
    await w.settle();
    expect(w.outlook.titles(room)).toEqual(['Choir']);
  });

  test('a row set to pending by hand is looked at and left as it is', async () => {
    await using w = await openRooms();
    const choir = await w.desk.book(101, { from: w.day(3, '18:00'), to: w.day(3, '20:00') });
    await w.settle();
    w.outlook.writes.length = 0;
    await w.db.query(`UPDATE bridge_mappings SET sync_status = 'pending'`);
    await w.settle();
    expect(w.outlook.writes).toEqual([]);
    expect(await w.mapping(choir)).toMatchObject({ sync_status: 'synced' });
  });
});
