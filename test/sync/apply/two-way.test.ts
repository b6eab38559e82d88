/** What people make and edit in Outlook reaches the booking system, and nothing more is written. */
import { describe, expect, test } from 'vitest';
import { createFormat } from '../../../src/outlook/format.ts';
import { openRooms } from '../bench-of-rooms.ts';
import type { Item } from '../../../src/item.ts';
import { room, type Rooms, at, dinner, open, heard, imported, shown, wholeDays } from '../two-way-world.ts';

describe('a new event in Outlook', () => {
  test('becomes a reservation in all its tables, and its mapping names it', async () => {
    await using w = await open();
    const { event, reservation } = await imported(w);
    expect(reservation).toMatchObject({ type: 'event', active: true, item: dinner() });
    expect(
      await w.db.query(
        `SELECT (SELECT count(*)::int FROM bb_event_date WHERE event_id = $1) AS dates,
           (SELECT count(*)::int FROM bb_event_resource WHERE event_id = $1) AS rooms,
           (SELECT count(*)::int FROM bb_event_agegroup WHERE event_id = $1) AS agegroups,
           (SELECT count(*)::int FROM bb_event_targetaudience WHERE event_id = $1) AS audiences`,
        [reservation.id],
      ),
    ).toEqual([{ dates: 1, rooms: 1, agegroups: 1, audiences: 1 }]);
    expect(await w.mapping(reservation)).toMatchObject({
      sync_status: 'synced',
      sync_direction: 'outlook_to_booking',
      outlook_event_id: event.id,
      due_at: null,
    });
    expect(w.outlook.writes).toEqual([]);
  });

  test('leaves nothing behind when one of the tables refuses it', async () => {
    await using w = await open();
    await w.db.query('ALTER TABLE bb_event_targetaudience ADD CHECK (event_id < 0) NOT VALID');
    w.outlook.put(room, dinner(), null);
    await heard(w);
    expect(await w.db.query('SELECT id FROM bb_event')).toEqual([]);
    expect(await w.db.query('SELECT sync_status, reservation_id FROM bridge_mappings')).toEqual([
      { sync_status: 'error', reservation_id: null },
    ]);
  });

  test('is imported with whom invited the room', async () => {
    await using w = await open();
    w.outlook.invite(room, dinner());
    await heard(w);
    expect(await w.reserved()).toMatchObject([{ organizer_email: 'ola@example.org' }]);
  });

  for (const [what, change] of [
    ['a whole day', wholeDays(40)],
    ['private', { isPrivate: true }],
  ] as const)
    test(`that is ${what} is imported as such`, async () => {
      await using w = await open();
      const { reservation } = await imported(w, dinner(change));
      expect(reservation.item).toEqual(dinner(change));
    });

  test('that is cancelled or declined is not imported', async () => {
    await using w = await open();
    w.outlook.alter(w.outlook.put(room, dinner(), null).id, { shows: { is: 'released' } });
    await heard(w);
    expect(await w.reserved()).toEqual([]);
    expect(await w.db.query('SELECT id FROM bridge_mappings')).toEqual([]);
  });

  test('outside the window is not imported', async () => {
    await using w = await open();
    w.outlook.put(room, dinner({ startsAt: at(800, '10:00'), endsAt: at(800, '11:00') }), null);
    await heard(w);
    expect(await w.reserved()).toEqual([]);
  });

  test('on the first day after the window is not imported, though rounds of changes show it', async () => {
    await using w = await open();
    const [day] = await w.db.query<{ from: Date; to: Date }>(
      `SELECT closes + interval '10 hours' AS "from", closes + interval '11 hours' AS "to" FROM bridge_window(7, 365)`,
    );
    const instant = (date: Date) => date.toISOString().replace('.000Z', 'Z');
    w.outlook.put(room, dinner({ startsAt: instant(day!.from), endsAt: instant(day!.to) }), null);
    await heard(w);
    expect(await w.reserved()).toEqual([]);
  });

  test('in the past of the window is imported all the same', async () => {
    await using w = await open();
    await imported(w, dinner({ startsAt: at(-2, '10:00'), endsAt: at(-2, '11:00') }));
    expect(await w.reserved()).toMatchObject([{ active: true }]);
  });

  test('that no notification told of is found when the room is compared', async () => {
    await using w = await openRooms();
    w.outlook.put(room, dinner(), null);
    await w.settle();
    expect(await w.reserved()).toMatchObject([{ item: dinner() }]);
  });
});

const edits: readonly (readonly [string, Partial<Item>])[] = [
  ['title', { title: 'Banquet' }],
  ['times', { startsAt: at(4, '09:00'), endsAt: at(4, '10:30') }],
  ['end', { endsAt: at(3, '21:30') }],
  ['description', { description: 'For thirty' }],
  ['privacy', { isPrivate: true }],
  ['times to a whole day', wholeDays(40)],
];

describe('an edit in Outlook', () => {
  for (const [what, change] of edits) {
    test(`of the ${what} of an imported event changes its reservation, and nothing is written back`, async () => {
      await using w = await open();
      const { event, reservation } = await imported(w);
      w.outlook.edit(event.id, change);
      await heard(w);
      expect((await w.reserved())[0]!.item).toEqual({ ...dinner(), ...change });
      expect(await w.mapping(reservation)).toMatchObject({ sync_status: 'synced', due_at: null });
      expect(w.outlook.writes).toEqual([]);
    });

    test(`of the ${what} of our own event changes its reservation, and nothing is written back`, async () => {
      await using w = await open();
      const { event, reservation } = await shown(w);
      w.outlook.edit(event.id, change);
      await heard(w);
      expect((await w.reserved())[0]!.item).toEqual({ ...event.item, ...change });
      expect(await w.mapping(reservation)).toMatchObject({ sync_status: 'synced', due_at: null });
      expect(w.outlook.writes).toEqual([]);
    });
  }

  for (const own of [true, false])
    test(`of ${own ? 'our own' : 'an imported'} event is read once, and written down once`, async () => {
      await using w = await open();
      const { event, reservation } = own ? await shown(w) : await imported(w);
      w.outlook.reads.length = 0;
      w.outlook.edit(event.id, { startsAt: at(3, '16:00'), endsAt: at(3, '18:00') });
      await heard(w);
      expect(w.outlook.reads).toEqual([event.id]);
      expect(await w.mapping(reservation)).toMatchObject({ touched_at: null, event_intent: null });
    });

  test('keeps the date of the reservation in step with its times', async () => {
    await using w = await open();
    const { event } = await shown(w);
    w.outlook.edit(event.id, { startsAt: at(4, '09:00'), endsAt: at(4, '10:00') });
    await heard(w);
    expect(
      await w.db.query(
        'SELECT (d.from_, d.to_) = (e.from_, e.to_) AS same FROM bb_event e JOIN bb_event_date d ON d.event_id = e.id',
      ),
    ).toEqual([{ same: true }]);
  });

  test('of what has ended changes nothing', async () => {
    await using w = await open();
    const past = dinner({ startsAt: at(-2, '10:00'), endsAt: at(-2, '11:00') });
    const { event } = await imported(w, past);
    w.outlook.edit(event.id, { title: 'Banquet' });
    await heard(w);
    expect(await w.reserved()).toMatchObject([{ active: true, item: past }]);
  });

  test('that moves it out of the window is followed once', async () => {
    await using w = await open();
    const { event, reservation } = await imported(w);
    const far = { startsAt: at(500, '15:00'), endsAt: at(500, '17:00') };
    w.outlook.edit(event.id, far);
    w.outlook.reportRemoved(event.id);
    await heard(w);
    expect(await w.reserved()).toMatchObject([{ active: true, item: far }]);
    w.outlook.edit(event.id, { title: 'Banquet' });
    await heard(w);
    expect(await w.mapping(reservation)).toMatchObject({ sync_status: 'synced', due_at: null });
  });

  test('is the reason in the log of what was done', async () => {
    await using w = await open();
    const { event } = await shown(w);
    w.outlook.edit(event.id, { title: 'Banquet' });
    await heard(w);
    expect(
      await w.db.query(
        `SELECT reason, latency_ms IS NOT NULL AS timed FROM bridge_log WHERE action = 'booking-updated'`,
      ),
    ).toEqual([{ reason: 'title', timed: true }]);
  });

  test('that makes a private item public shows what it is', async () => {
    await using w = await open();
    w.outlook.shows(createFormat({ timezone: 'Europe/Oslo' }).show);
    await w.desk.book(101, {
      title: 'Choir',
      from: w.day(3, '18:00'),
      to: w.day(3, '20:00'),
      isPublic: false,
    });
    await w.settle();
    expect(w.outlook.titles(room)).toEqual(['Private']);
    w.outlook.edit(w.outlook.in(room)[0]!.id, { isPrivate: false });
    await heard(w);
    await heard(w);
    expect(w.outlook.titles(room)).toEqual(['Choir']);
    expect((await w.reserved())[0]!.item).toMatchObject({ title: 'Choir', isPrivate: false });
  });

  test('that makes an imported private item public writes nothing to Outlook, which shows its text already', async () => {
    await using w = await open();
    const { event, reservation } = await imported(w, dinner({ isPrivate: true }));
    w.outlook.edit(event.id, { isPrivate: false });
    await heard(w);
    await heard(w);
    expect((await w.reserved())[0]!.item).toEqual(dinner());
    expect(await w.mapping(reservation)).toMatchObject({
      sync_status: 'synced',
      due_at: null,
      agreement: 'agreed',
    });
    expect(w.outlook.writes).toEqual([]);
  });

  test('of a title that its type cannot store is taken back in Outlook and noted', async () => {
    await using w = await open();
    const training = await w.desk.bookGroup(101, { from: w.day(3, '18:00'), to: w.day(3, '20:00'), of: 3 });
    await w.settle();
    w.outlook.edit(w.outlook.in(room)[0]!.id, { title: 'Rehearsal' });
    await heard(w);
    expect(w.outlook.titles(room)).toEqual(['Kammerkoret']);
    expect(await w.db.query(`SELECT reason FROM bridge_log WHERE action = 'booking-updated'`)).toEqual([
      { reason: 'title; not possible here: title' },
    ]);
    expect(await w.mapping(training)).toMatchObject({ sync_status: 'synced', due_at: null });
  });

  test('of an event with several dates waits for a person', async () => {
    await using w = await open();
    const { event, reservation } = await shown(w);
    await w.db.query(`INSERT INTO bb_event_date (event_id, from_, to_) VALUES ($1, $2, $3)`, [
      reservation.id,
      w.day(60, '10:00'),
      w.day(60, '11:00'),
    ]);
    w.outlook.edit(event.id, { title: 'Banquet' });
    await heard(w);
    expect(await w.mapping(reservation)).toMatchObject({
      sync_status: 'conflict',
      conflict: { kind: 'refused', fields: ['title'] },
    });
    expect((await w.reserved())[0]!.item.title).toBe('Choir');
  });
});

describe('after one change nothing more is written', () => {
  const compareAll = async (w: Rooms) => {
    await heard(w);
    await w.db.query(
      'UPDATE bridge_room_state SET reconciled_at = NULL, baselined_at = NULL, push_due_at = now()',
    );
    await w.settle();
  };

  for (const rewrites of [false, true]) {
    const how = rewrites ? ', though Outlook rewrites what it is given' : '';
    const rewritten = (item: Item): Item =>
      rewrites ? { ...item, title: `${item.title} (Ola)`, description: '' } : item;

    test(`on either side, from the booking system${how}`, async () => {
      await using w = await open();
      w.outlook.rewrites(rewritten);
      const choir = await w.desk.book(101, {
        title: 'Choir',
        from: w.day(3, '18:00'),
        to: w.day(3, '20:00'),
      });
      await w.settle();
      await w.desk.retitle(choir, 'Brass band');
      await w.settle();
      w.outlook.writes.length = 0;
      const before = await w.reserved();
      await compareAll(w);
      await compareAll(w);
      expect(w.outlook.writes).toEqual([]);
      expect(await w.reserved()).toEqual(before);
      expect(await w.done()).toEqual(['created', 'updated']);
    });

    test(`on either side, from Outlook${how}`, async () => {
      await using w = await open();
      w.outlook.rewrites(rewritten);
      const { event } = await shown(w);
      w.outlook.edit(event.id, { title: 'Banquet' });
      await heard(w);
      const before = await w.reserved();
      await compareAll(w);
      await compareAll(w);
      expect(w.outlook.writes).toEqual([]);
      expect(await w.reserved()).toEqual(before);
      expect(await w.done()).toEqual(['created', 'booking-updated']);
    });
  }

  test('and what comes back of our own write is not even read', async () => {
    await using w = await open();
    w.outlook.rewrites((item) => ({ ...item, title: `${item.title} (Ola)` }));
    const { reservation } = await shown(w);
    await heard(w);
    await w.desk.retitle(reservation, 'Brass band');
    await w.settle();
    await heard(w);
    expect(w.outlook.reads).toEqual([]);
  });

  test('when only the tag of an event changes', async () => {
    await using w = await open();
    const { event } = await imported(w);
    w.outlook.alter(event.id, { etag: 'W/"2"', lastModifiedAt: new Date().toISOString() });
    await heard(w);
    expect(await w.done()).toEqual(['imported']);
  });
});
