/** Both sides want something of the same item or the same time: policies, meetings of others, and what a person decides. */
import { describe, expect, test } from 'vitest';
import type { Item } from '../../src/item.ts';
import { openRooms } from './bench-of-rooms.ts';

const room = 'room101@example.org';
type Rooms = Awaited<ReturnType<typeof openRooms>>;
type Change = Parameters<typeof openRooms>[1];

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

async function open(change: Change = {}): Promise<Rooms> {
  const w = await openRooms(undefined, change);
  await w.settle();
  return w;
}

async function heard(w: Rooms): Promise<void> {
  await w.notify();
  await w.settle();
}

/** A reservation whose event both sides show. */
async function shown(w: Rooms) {
  const reservation = await w.desk.book(101, {
    title: 'Choir',
    from: w.day(3, '18:00'),
    to: w.day(3, '20:00'),
  });
  await w.settle();
  return { reservation, event: w.outlook.in(room)[0]! };
}

/** A meeting that somebody invited the room to, and its reservation. */
async function invited(w: Rooms) {
  const event = w.outlook.invite(room, dinner());
  await heard(w);
  const [reservation] = await w.reserved();
  return { event, reservation: reservation! };
}

/** As the endpoint does it: which side a person keeps. */
async function resolve(w: Rooms, keep: 'booking' | 'outlook'): Promise<void> {
  await w.db.query(
    `UPDATE bridge_mappings SET resolution = $1, due_at = now(), revision = revision + 1 WHERE sync_status = 'conflict'`,
    [keep],
  );
  await w.db.query('UPDATE bridge_room_state SET push_due_at = now(), push_lane = 0');
  await w.settle();
}

const conflicts = (w: Rooms) =>
  w.db.query<{ kind: string; fields: string[] | null }>(
    `SELECT conflict ->> 'kind' AS kind, conflict -> 'fields' AS fields FROM bridge_mappings
     WHERE sync_status = 'conflict' ORDER BY id`,
  );
const titles = async (w: Rooms) => ({
  booking: (await w.reserved()).map(({ item }) => item.title),
  outlook: w.outlook.titles(room),
});
const isActive = async (w: Rooms) => (await w.reserved()).map(({ active }) => active);

describe('both sides changed different fields', () => {
  test('each side gets what the other changed', async () => {
    await using w = await open();
    const { reservation, event } = await shown(w);
    await w.desk.retitle(reservation, 'Brass band');
    w.outlook.edit(event.id, { endsAt: at(3, '21:00') });
    await heard(w);
    const both = { ...event.item!, title: 'Brass band', endsAt: at(3, '21:00') };
    expect(await w.reserved()).toMatchObject([{ item: both }]);
    expect(w.outlook.in(room)).toMatchObject([{ item: both }]);
    expect(await w.mapping(reservation)).toMatchObject({ sync_status: 'synced', due_at: null });
  });
});

describe('both sides changed the same field', () => {
  async function both(conflict: NonNullable<Change>['conflict'], outlookFirst = false) {
    const w = await open({ conflict: conflict! });
    const { reservation, event } = await shown(w);
    const ours = () => w.desk.retitle(reservation, 'Brass band');
    const theirs = () => w.outlook.edit(event.id, { title: 'Orchestra' });
    if (outlookFirst) theirs();
    await ours();
    if (!outlookFirst) {
      await new Promise((resolve) => setTimeout(resolve, 20)); // the two clocks are compared in milliseconds
      theirs();
    }
    await heard(w);
    return { w, reservation };
  }

  for (const [policy, kept] of [
    ['booking', 'Brass band'],
    ['outlook', 'Orchestra'],
  ] as const)
    test(`${policy} wins where the policy says so`, async () => {
      const { w, reservation } = await both(policy);
      await using _ = w;
      expect(await titles(w)).toEqual({ booking: [kept], outlook: [kept] });
      expect(await w.mapping(reservation)).toMatchObject({ sync_status: 'synced', due_at: null });
    });

  test('the later edit wins where the policy is the newest', async () => {
    const { w } = await both('newest');
    await using _ = w;
    expect(await titles(w)).toEqual({ booking: ['Orchestra'], outlook: ['Orchestra'] });
  });

  test('the later edit wins where the policy is the newest, also in the booking system', async () => {
    const { w } = await both('newest', true);
    await using _ = w;
    expect(await titles(w)).toEqual({ booking: ['Brass band'], outlook: ['Brass band'] });
  });

  test('the loser is named in the log', async () => {
    const { w } = await both('outlook');
    await using _ = w;
    expect(await w.db.query(`SELECT reason FROM bridge_log WHERE action = 'booking-updated'`)).toEqual([
      { reason: 'title (both sides changed title: Outlook was followed)' },
    ]);
  });

  for (const keep of ['booking', 'outlook'] as const)
    test(`a person is asked where the policy says so, and keeps ${keep}`, async () => {
      const { w, reservation } = await both('ask');
      await using _ = w;
      expect(await conflicts(w)).toEqual([{ kind: 'fields', fields: ['title'] }]);
      expect(await titles(w)).toEqual({ booking: ['Brass band'], outlook: ['Orchestra'] });
      await resolve(w, keep);
      const kept = keep === 'booking' ? 'Brass band' : 'Orchestra';
      expect(await titles(w)).toEqual({ booking: [kept], outlook: [kept] });
      expect(await w.mapping(reservation)).toMatchObject({
        sync_status: 'synced',
        due_at: null,
        conflict: null,
      });
    });

  test('what a person has not decided yet stays open, and other fields go on', async () => {
    const { w, reservation } = await both('ask');
    await using _ = w;
    await w.desk.describe(reservation, 'Bring chairs');
    await w.settle();
    await heard(w);
    expect(w.outlook.in(room)[0]!.item).toMatchObject({ title: 'Orchestra', description: 'Bring chairs' });
    expect(await conflicts(w)).toEqual([{ kind: 'fields', fields: ['title'] }]);
    await resolve(w, 'outlook');
    expect(await titles(w)).toEqual({ booking: ['Orchestra'], outlook: ['Orchestra'] });
  });
});

describe('deleted in Outlook while the booking system changed it', () => {
  async function both(conflict: NonNullable<Change>['conflict']) {
    const w = await open({ conflict: conflict! });
    const { reservation, event } = await shown(w);
    await w.desk.retitle(reservation, 'Brass band');
    w.outlook.remove(event.id);
    await heard(w);
    return { w, reservation };
  }

  for (const policy of ['booking', 'newest'] as const)
    test(`it gets a fresh event (policy ${policy})`, async () => {
      const { w } = await both(policy);
      await using _ = w;
      expect(await isActive(w)).toEqual([true]);
      expect(w.outlook.titles(room)).toEqual(['Brass band']);
    });
  test('it is cancelled (policy outlook)', async () => {
    const { w } = await both('outlook');
    await using _ = w;
    expect(await isActive(w)).toEqual([false]);
    expect(w.outlook.in(room)).toEqual([]);
  });
  for (const keep of ['booking', 'outlook'] as const)
    test(`a person is asked (policy ask) and keeps ${keep}`, async () => {
      const { w } = await both('ask');
      await using _ = w;
      expect(await conflicts(w)).toEqual([{ kind: 'deleted', fields: null }]);
      expect(await isActive(w)).toEqual([true]);
      await heard(w);
      expect(await conflicts(w)).toEqual([{ kind: 'deleted', fields: null }]);
      await resolve(w, keep);
      expect(await isActive(w)).toEqual([keep === 'booking']);
      expect(w.outlook.titles(room)).toEqual(keep === 'booking' ? ['Brass band'] : []);
    });
});

describe("a reservation that the booking system moves away from somebody's meeting", () => {
  async function moved() {
    const w = await open();
    const { event, reservation } = await invited(w);
    await w.desk.move(reservation, w.day(5, '10:00'), w.day(5, '11:00'));
    await w.settle();
    await heard(w);
    return { w, event, reservation };
  }

  test('gets an event of its own at once, and the meeting waits for a person', async () => {
    const { w, event } = await moved();
    await using _ = w;
    expect(w.outlook.in(room)).toMatchObject([
      { id: event.id, isOrganizer: false, item: dinner() },
      { isOrganizer: true, item: { title: 'Dinner' }, marks: { type: 'event' } },
    ]);
    expect(await conflicts(w)).toEqual([{ kind: 'moved', fields: ['startsAt', 'endsAt'] }]);
    expect(await w.reserved()).toHaveLength(1);
  });

  test('leaves the meeting for good when a person keeps the booking', async () => {
    const { w, event, reservation } = await moved();
    await using _ = w;
    await resolve(w, 'booking');
    await heard(w);
    expect(w.outlook.answers).toMatchObject([{ id: event.id, answer: 'decline' }]);
    expect(w.outlook.in(room)).toMatchObject([{ isOrganizer: true }]);
    expect(await conflicts(w)).toEqual([]);
    expect(await w.mapping(reservation)).toMatchObject({ sync_status: 'synced', due_at: null });
  });

  test('goes back to the meeting when a person keeps Outlook', async () => {
    const { w, event, reservation } = await moved();
    await using _ = w;
    await resolve(w, 'outlook');
    await heard(w);
    expect(w.outlook.in(room)).toMatchObject([{ id: event.id, item: dinner() }]);
    expect(await w.reserved()).toMatchObject([{ active: true, item: dinner() }]);
    expect(await conflicts(w)).toEqual([]);
    expect(await w.mapping(reservation)).toMatchObject({
      sync_status: 'synced',
      outlook_event_id: event.id,
      is_organizer: false,
    });
  });

  test('loses nothing when the daemon dies between giving up its own event and taking the meeting back', async () => {
    const { w, event, reservation } = await moved();
    await using _ = w;
    let ends = true;
    w.outlook.fail((write, apply) => {
      if (write.do !== 'remove' || !ends) return null;
      ends = false;
      apply();
      throw new Error('killed');
    });
    await expect(resolve(w, 'outlook')).rejects.toThrow('killed');
    await w.die();
    // whoever finds that event gone shall not take it for a person's deletion
    expect(await w.mapping(reservation)).toMatchObject({ removing: true });
    await heard(w);
    expect(w.outlook.in(room)).toMatchObject([{ id: event.id, item: dinner() }]);
    expect(await w.reserved()).toMatchObject([{ active: true, item: dinner() }]);
    expect(await w.mapping(reservation)).toMatchObject({ sync_status: 'synced', outlook_event_id: event.id });
  });

  test('keeps its own event when it is moved on while the meeting is taken back', async () => {
    const { w, event, reservation } = await moved();
    await using _ = w;
    w.outlook.meanwhile(async () => {
      await w.desk.move(reservation, w.day(6, '10:00'), w.day(6, '11:00'));
      await w.fold();
    });
    await resolve(w, 'outlook');
    await heard(w);
    expect((await w.reserved()).map(({ active }) => active)).toEqual([true]);
    expect(w.outlook.in(room)).toMatchObject([{ id: event.id }]);
    expect(await w.reserved()).toMatchObject([{ item: dinner() }]);
  });

  test('goes back by itself when the booking system moves it back', async () => {
    const { w, event, reservation } = await moved();
    await using _ = w;
    await w.db.query(
      `UPDATE bb_event SET from_ = $2::timestamptz AT TIME ZONE 'Europe/Oslo', to_ = $3::timestamptz AT TIME ZONE 'Europe/Oslo' WHERE id = $1`,
      [reservation.id, dinner().startsAt, dinner().endsAt],
    );
    await w.settle();
    await w.db.query('UPDATE bridge_room_state SET baselined_at = NULL, push_due_at = now()');
    await w.settle();
    await heard(w);
    expect(w.outlook.in(room)).toMatchObject([{ id: event.id }]);
    expect(await conflicts(w)).toEqual([]);
  });
});

describe("somebody's meeting", () => {
  test('is followed when its organiser moves it', async () => {
    await using w = await open();
    const { event } = await invited(w);
    w.outlook.edit(event.id, { startsAt: at(4, '09:00'), endsAt: at(4, '10:00') });
    await heard(w);
    expect((await w.reserved())[0]!.item).toMatchObject({ startsAt: at(4, '09:00'), endsAt: at(4, '10:00') });
    expect(w.outlook.writes).toEqual([]);
  });

  test('keeps its title though the booking system changes the one of its reservation', async () => {
    await using w = await open();
    const { reservation } = await invited(w);
    await w.desk.retitle(reservation, 'Banquet');
    await w.settle();
    await heard(w);
    expect(await titles(w)).toEqual({ booking: ['Banquet'], outlook: ['Dinner'] });
    expect(w.outlook.writes).toEqual([]);
  });

  test('that cannot be declined is flagged', async () => {
    await using w = await open();
    const { reservation } = await invited(w);
    w.outlook.refuseAnswers(true);
    await w.desk.cancel(reservation);
    await w.settle();
    expect(await w.mapping(reservation)).toMatchObject({ sync_status: 'error' });
    expect(w.outlook.in(room)).toHaveLength(1);
  });
});

describe('an event in Outlook on a time that is taken', () => {
  async function overlapping(overlap: NonNullable<Change>['overlap'], invite = false) {
    const w = await open({ overlap: overlap! });
    await w.desk.book(101, { title: 'Choir', from: w.day(3, '00:30'), to: w.day(3, '23:30') });
    await w.settle();
    w.outlook.writes.length = 0;
    const event = invite ? w.outlook.invite(room, dinner()) : w.outlook.put(room, dinner(), null);
    await heard(w);
    return { w, event };
  }
  const names = async (w: Rooms) => (await w.reserved()).map(({ item }) => item.title).sort();

  test('is flagged and not imported (policy flag)', async () => {
    const { w } = await overlapping('flag');
    await using _ = w;
    expect(await names(w)).toEqual(['Choir']);
    expect(await conflicts(w)).toMatchObject([{ kind: 'overlap' }]);
    expect(w.outlook.in(room)).toHaveLength(2);
  });
  test('is imported all the same (policy import)', async () => {
    const { w } = await overlapping('import');
    await using _ = w;
    expect(await names(w)).toEqual(['Choir', 'Dinner']);
  });
  test('is declined if the room was invited (policy decline)', async () => {
    const { w, event } = await overlapping('decline', true);
    await using _ = w;
    expect(await names(w)).toEqual(['Choir']);
    expect(w.outlook.answers).toMatchObject([{ id: event.id, answer: 'decline' }]);
    await heard(w);
    expect(await conflicts(w)).toEqual([]);
  });
  test('is told and remembered when it was declined (policy decline)', async () => {
    const { w, event } = await overlapping('decline', true);
    await using _ = w;
    expect(w.facts).toContainEqual(expect.objectContaining({ fact: 'pulled', action: 'declined' }));
    expect(
      await w.db.query("SELECT outlook_event_id, reason FROM bridge_log WHERE action = 'declined'"),
    ).toEqual([{ outlook_event_id: event.id, reason: expect.stringMatching(/^The room is taken: /) }]);
  });
  test("is flagged if it is the room's own (policy decline)", async () => {
    const { w } = await overlapping('decline');
    await using _ = w;
    expect(await conflicts(w)).toMatchObject([{ kind: 'overlap' }]);
  });
  test('is imported when a person keeps Outlook', async () => {
    const { w } = await overlapping('flag');
    await using _ = w;
    await resolve(w, 'outlook');
    expect(await names(w)).toEqual(['Choir', 'Dinner']);
    expect(await conflicts(w)).toEqual([]);
  });
  test('is removed when a person keeps the booking', async () => {
    const { w } = await overlapping('flag');
    await using _ = w;
    await resolve(w, 'booking');
    expect(w.outlook.titles(room)).toEqual(['Choir']);
    expect(await conflicts(w)).toEqual([]);
    expect((await w.done()).at(-1)).toBe('deleted');
  });
  test('is imported once the time is free', async () => {
    const { w } = await overlapping('flag');
    await using _ = w;
    await w.db.query('UPDATE bb_event SET active = 0');
    await w.settle();
    await w.db.query('UPDATE bridge_room_state SET reconciled_at = NULL, push_due_at = now()');
    await w.settle();
    expect((await w.reserved()).filter(({ active }) => active)).toMatchObject([
      { item: { title: 'Dinner' } },
    ]);
  });
  test('is forgotten when it is deleted in Outlook', async () => {
    const { w, event } = await overlapping('flag');
    await using _ = w;
    w.outlook.remove(event.id);
    await heard(w);
    expect(await conflicts(w)).toEqual([]);
  });

  describe('because somebody moved it there', () => {
    async function movedOnto(overlap: NonNullable<Change>['overlap']) {
      const w = await open({ overlap: overlap! });
      await w.desk.book(101, { title: 'Choir', from: w.day(3, '18:00'), to: w.day(3, '20:00') });
      await w.settle();
      const event = w.outlook.put(room, dinner({ startsAt: at(5, '15:00'), endsAt: at(5, '17:00') }), null);
      await heard(w);
      const { startsAt, endsAt } = w.outlook.in(room).find(({ item }) => item?.title === 'Choir')!.item!;
      w.outlook.edit(event.id, { startsAt, endsAt });
      await heard(w);
      return { w, event, taken: { startsAt, endsAt } };
    }
    const dinnerOf = async (w: Rooms) =>
      (await w.reserved()).find(({ item }) => item.title === 'Dinner')!.item;

    test('waits for a person, who keeps the booking', async () => {
      const { w, event } = await movedOnto('flag');
      await using _ = w;
      expect(await conflicts(w)).toMatchObject([{ kind: 'refused' }]);
      expect(await dinnerOf(w)).toMatchObject({ startsAt: at(5, '15:00') });
      await resolve(w, 'booking');
      expect(w.outlook.in(room).find(({ id }) => id === event.id)!.item).toMatchObject({
        startsAt: at(5, '15:00'),
      });
      expect(await conflicts(w)).toEqual([]);
    });
    test('waits for a person, who keeps Outlook', async () => {
      const { w, taken } = await movedOnto('flag');
      await using _ = w;
      await resolve(w, 'outlook');
      expect(await dinnerOf(w)).toMatchObject(taken);
      expect(await conflicts(w)).toEqual([]);
    });
    test('is followed when it lay on that reservation before', async () => {
      await using w = await open();
      await w.desk.allocate(101, { from: w.day(3, '08:00'), to: w.day(3, '20:00') });
      await shown(w);
      const event = w.outlook.in(room).find(({ item }) => item?.title === 'Choir')!;
      w.outlook.edit(event.id, { endsAt: at(3, '21:00') });
      await heard(w);
      expect((await w.reserved()).find(({ type }) => type === 'event')!.item).toMatchObject({
        endsAt: at(3, '21:00'),
      });
      expect(await conflicts(w)).toEqual([]);
    });
    test("(somebody's meeting) is declined when a person keeps the booking, which gets an event of its own", async () => {
      await using w = await open();
      await w.desk.book(101, { title: 'Choir', from: w.day(5, '00:30'), to: w.day(5, '23:30') });
      await w.settle();
      const { event, reservation } = await invited(w);
      w.outlook.edit(event.id, { startsAt: at(5, '15:00'), endsAt: at(5, '17:00') });
      await heard(w);
      expect(await conflicts(w)).toMatchObject([{ kind: 'refused' }]);
      await resolve(w, 'booking');
      await heard(w);
      expect(w.outlook.answers).toMatchObject([{ id: event.id, answer: 'decline' }]);
      expect(w.outlook.in(room)).toMatchObject([
        { isOrganizer: true, item: dinner() },
        { item: { title: 'Choir' } },
      ]);
      expect(await w.mapping(reservation)).toMatchObject({ sync_status: 'synced', due_at: null });
      expect(await conflicts(w)).toEqual([]);
    });
    test('is followed where overlaps are imported', async () => {
      const { w, taken } = await movedOnto('import');
      await using _ = w;
      expect(await dinnerOf(w)).toMatchObject(taken);
    });
  });
});

describe('a room whose imports wait to be asked for', () => {
  test('lists the event and imports it once a person asks', async () => {
    await using w = await open({ importMode: 'manual' });
    w.outlook.put(room, dinner(), null);
    await heard(w);
    expect(await w.reserved()).toEqual([]);
    expect(await w.db.query('SELECT sync_status, due_at FROM bridge_mappings')).toEqual([
      { sync_status: 'imported', due_at: null },
    ]);
    await w.db.query(
      `UPDATE bridge_mappings SET import_asked_at = now(), due_at = now(), revision = revision + 1`,
    );
    await w.db.query('UPDATE bridge_room_state SET push_due_at = now()');
    await w.settle();
    expect(await w.reserved()).toMatchObject([{ active: true, item: dinner() }]);
  });

  test('imports nothing that was deleted while it waited', async () => {
    await using w = await open({ importMode: 'manual' });
    const event = w.outlook.put(room, dinner(), null);
    await heard(w);
    w.outlook.remove(event.id);
    await heard(w);
    expect(await w.db.query('SELECT id FROM bridge_mappings')).toEqual([]);
  });

  test('follows edits of what was imported without being asked', async () => {
    await using w = await open({ importMode: 'manual' });
    const { event } = await shown(w);
    w.outlook.edit(event.id, { title: 'Banquet' });
    await heard(w);
    expect(await titles(w)).toEqual({ booking: ['Banquet'], outlook: ['Banquet'] });
  });
});
