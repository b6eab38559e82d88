/** Events of Outlook on times that are taken, and imports that wait to be asked for. */
import { describe, expect, test } from 'vitest';
import { Permanent } from '../../../src/errors.ts';
import { readReasons } from '../../../src/ops/alert-reasons.ts';
import { readConflicts } from '../../../src/sync/manual/conflicts.ts';
import { failed } from '../outlook-in-memory.ts';
import {
  room,
  type Rooms,
  at,
  dinner,
  open,
  heard,
  shown,
  invited,
  resolve,
  titles,
  conflicts,
} from '../two-way-world.ts';

type Change = NonNullable<Parameters<typeof open>[0]>;

describe('an event in Outlook on a time that is taken', () => {
  async function overlapping(overlap: Change['overlap'], invite = false) {
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
  test('is not deleted for a person who keeps the booking when it was made recurring a moment ago', async () => {
    const { w, event } = await overlapping('flag');
    await using _ = w;
    w.outlook.meanwhileRead(async () =>
      w.outlook.meanwhileRead(async () => w.outlook.alter(event.id, { type: 'seriesMaster' })),
    );
    await resolve(w, 'booking');
    expect(w.outlook.writes).toEqual([]);
    expect(w.outlook.in(room)).toHaveLength(2);
    expect(await w.done()).not.toContain('deleted');
    expect(await conflicts(w)).toEqual([]);
  });
  test('does not count as deleted when it was made recurring and Outlook refuses to delete it', async () => {
    const { w, event } = await overlapping('flag');
    await using _ = w;
    w.outlook.meanwhile(async () => w.outlook.alter(event.id, { type: 'seriesMaster' }));
    w.outlook.fail(() => failed(new Permanent('No.', { reach: 'item' })));
    await resolve(w, 'booking');
    expect(await w.done()).not.toContain('deleted');
    expect(await conflicts(w)).toMatchObject([{ kind: 'overlap' }]);
    // its dates are events of their own
    await heard(w);
    expect(await conflicts(w)).toEqual([]);
  });
  test('is declined if the room was invited (policy decline)', async () => {
    const { w, event } = await overlapping('decline', true);
    await using _ = w;
    expect(await names(w)).toEqual(['Choir']);
    expect(w.outlook.answers).toMatchObject([
      { id: event.id, answer: 'decline', comment: 'The room is taken at this time.' },
    ]);
    await heard(w);
    expect(await conflicts(w)).toEqual([]);
  });
  test('is told and remembered when it was declined (policy decline)', async () => {
    const { w, event } = await overlapping('decline', true);
    await using _ = w;
    expect(w.facts).toContainEqual(expect.objectContaining({ fact: 'pulled', action: 'declined' }));
    expect(
      await w.db.query("SELECT outlook_event_id, reason FROM bridge_log WHERE action = 'declined'"),
    ).toEqual([{ outlook_event_id: event.id, reason: 'The room is taken at this time.' }]);
  });
  test("is flagged if it is the room's own (policy decline)", async () => {
    const { w } = await overlapping('decline');
    await using _ = w;
    expect(await conflicts(w)).toMatchObject([{ kind: 'overlap' }]);
  });
  test('shows no text of a private reservation that has the time, and is not found by it', async () => {
    const { w } = await overlapping('flag');
    await using _ = w;
    await w.db.query(
      `UPDATE bb_event SET is_public = 0, contact_name = 'Kari', description = 'With the mayor'`,
    );
    const [found] = await readConflicts(w.db.pool, 9, null);
    expect(found).toMatchObject({
      organizer: null,
      booking: { startsAt: at(3, '00:30'), title: '', description: '', isPrivate: true },
      outlook: { title: 'Dinner' },
    });
    const matching = (text: string) =>
      readConflicts(w.db.pool, 9, null, { resourceId: null, kind: null, text });
    expect([await matching('choir'), await matching('kari')]).toEqual([[], []]);
    expect(await matching('dinner')).toHaveLength(1);
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

  describe('because a person moved it there', () => {
    async function movedOnto(overlap: Change['overlap']) {
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
    test('is named by its id in what is logged and sent out, and by its title, unless private, where a person chooses', async () => {
      const { w } = await movedOnto('flag');
      await using _ = w;
      const choir = (await w.reserved()).find(({ item }) => item.title === 'Choir')!;
      const { alerts } = await readReasons(w.db.pool, { webhooks: false, sends: true });
      expect(alerts.map(({ message }) => message).join()).toContain(`room 101 by event/${choir.id}`);
      expect(JSON.stringify([alerts, w.facts])).not.toContain('Choir');
      const asked = async () => (await readConflicts(w.db.pool, 9, null)).map((one) => one.taken_by);
      expect(await asked()).toEqual(['Choir']);
      await w.db.query('UPDATE bb_event SET is_public = 0 WHERE id = $1', [choir.id]);
      expect(await asked()).toEqual([null]);
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

test('an event whose time was left after the refusal and before that was stored is imported soon after', async () => {
  await using w = await open();
  const { reservation } = await shown(w);
  const taken = { startsAt: at(3, '18:00'), endsAt: at(3, '20:00') };
  let isLeft = false;
  const { pool } = w.db;
  const query = pool.query.bind(pool) as (...sent: unknown[]) => Promise<unknown>;
  Object.assign(pool, {
    query: async (...sent: unknown[]) => {
      try {
        return await query(...sent);
      } catch (error) {
        if (!isLeft) {
          isLeft = true;
          await w.db.query('UPDATE bb_event SET active = 0 WHERE id = $1', [reservation.id]);
          await w.fold();
        }
        throw error;
      }
    },
  });
  w.outlook.put(room, dinner(taken), null);
  await heard(w);
  expect(isLeft).toBe(true);
  // what is tried again soon is tried now
  await w.db.query(`UPDATE bridge_mappings SET due_at = now() WHERE due_at IS NOT NULL;
    UPDATE bridge_room_state SET push_due_at = now()`);
  await w.settle();
  expect(await conflicts(w)).toEqual([]);
  expect((await w.reserved()).filter(({ active }) => active)).toMatchObject([{ item: dinner(taken) }]);
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
