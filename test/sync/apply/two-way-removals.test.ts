/** What is deleted in Outlook or cancelled in the booking system is gone on both sides, once. */
import { describe, expect, test } from 'vitest';
import { Permanent, Retryable } from '../../../src/errors.ts';
import { failed } from '../outlook-in-memory.ts';
import {
  room,
  at,
  conflicts,
  dinner,
  open,
  heard,
  imported,
  isActive,
  shown,
  invited,
} from '../two-way-world.ts';

const note = /Cancelled from Outlook/g;
const notes = (text: string) => text.match(note)?.length ?? 0;

describe('an event deleted in Outlook', () => {
  for (const own of [true, false])
    test(`(${own ? 'ours' : 'an imported one'}) cancels its reservation and says so once`, async () => {
      await using w = await open();
      const { event, reservation } = own ? await shown(w) : await imported(w);
      w.outlook.remove(event.id);
      await heard(w);
      const [row] = await w.reserved();
      expect(row!.active).toBe(false);
      expect(notes(row!.item.description)).toBe(1);
      await heard(w);
      await w.db.query(
        'UPDATE bridge_room_state SET reconciled_at = NULL, baselined_at = NULL, push_due_at = now()',
      );
      await w.settle();
      expect(notes((await w.reserved())[0]!.item.description)).toBe(1);
      expect(await w.mapping(reservation)).toMatchObject({
        sync_status: 'cancelled',
        outlook_event_id: event.id,
      });
      expect(w.outlook.writes).toEqual([]);
    });

  test('is verified first: a row that says removed cancels nothing while the event is there', async () => {
    await using w = await open();
    const { event, reservation } = await imported(w);
    w.outlook.reportRemoved(event.id);
    await heard(w);
    expect(await w.reserved()).toMatchObject([{ active: true, item: dinner() }]);
    expect(await w.mapping(reservation)).toMatchObject({ sync_status: 'synced', outlook_news: null });
  });

  for (const reported of ['removed', 'changed'] as const)
    test(`is there as long as the calendar shows it, though it is reported as ${reported} and cannot be read by its id`, async () => {
      await using w = await open();
      const { event, reservation } = await imported(w);
      w.outlook.deny(event.id);
      if (reported === 'removed') await heard(w);
      else {
        await w.db.query(`UPDATE bridge_mappings SET outlook_news = 'look', due_at = now();
          UPDATE bridge_room_state SET push_due_at = now()`);
        await w.settle();
      }
      expect(await isActive(w)).toEqual([true]);
      expect(await w.mapping(reservation)).toMatchObject({
        sync_status: 'pending',
        error_message: 'Outlook reports the event as not found, but its calendar shows it',
      });
      w.outlook.deny(event.id, false);
      await w.db.query('UPDATE bridge_mappings SET due_at = now()');
      await heard(w);
      expect(await w.reserved()).toMatchObject([{ active: true, item: dinner() }]);
      expect(await w.mapping(reservation)).toMatchObject({ sync_status: 'synced', error_message: null });
    });

  test('that returns was not removed: a removal that the booking system refused does not count for a later loss', async () => {
    await using w = await open({ conflict: 'ask' });
    const { event } = await shown(w);
    await w.db
      .query(`CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'Not now.'; END $$;
      CREATE TRIGGER refuse BEFORE UPDATE ON bb_event FOR EACH ROW WHEN (NEW.active = 0) EXECUTE FUNCTION refuse()`);
    w.outlook.remove(event.id);
    await heard(w);
    expect(await conflicts(w)).toMatchObject([{ kind: 'refused' }]);
    const removals = () => w.db.query('SELECT applied_at IS NOT NULL AS applied FROM bridge_removals');
    expect(await removals()).toEqual([{ applied: true }]);
    // made again, and changed on both sides: it is not settled as synced
    w.outlook.put(room, { ...event.item!, title: 'Orchestra' }, event.properties);
    await w.db.query(`UPDATE bb_event SET name = 'Band'`);
    await heard(w);
    expect(await conflicts(w)).toMatchObject([{ kind: 'fields' }]);
    expect(await removals()).toEqual([]);
  });

  test('is there, too, when it was moved to another day just before', async () => {
    await using w = await open();
    const { event } = await imported(w);
    const later = { startsAt: at(9, '15:00'), endsAt: at(9, '17:00') };
    w.outlook.edit(event.id, later);
    w.outlook.deny(event.id);
    await heard(w);
    expect(await w.reserved()).toMatchObject([{ active: true, item: dinner() }]);
    w.outlook.deny(event.id, false);
    await w.db.query('UPDATE bridge_mappings SET due_at = now()');
    await heard(w);
    expect(await w.reserved()).toMatchObject([{ active: true, item: dinner(later) }]);
  });

  test('that was cut and pasted to another day is where it was pasted, and nothing puts it back', async () => {
    await using w = await open();
    const { event } = await shown(w);
    const later = { startsAt: at(9, '15:00'), endsAt: at(9, '17:00') };
    w.outlook.remove(event.id);
    w.outlook.put(room, { ...event.item!, ...later }, event.properties);
    await heard(w);
    await heard(w);
    expect(w.outlook.in(room)).toMatchObject([{ item: later }]);
    expect((await w.reserved()).filter(({ active }) => active)).toMatchObject([{ item: later }]);
  });

  test('is not gone while the mailbox refuses its calendar, too; when it gives it again, it is', async () => {
    await using w = await open();
    const { event } = await imported(w);
    w.outlook.remove(event.id);
    w.outlook.failList(new Permanent('The mailbox is not there.', { reach: 'room', hint: 'Ask Microsoft.' }));
    await heard(w);
    expect(await isActive(w)).toEqual([true]);
    expect(await w.db.query("SELECT error_message FROM bridge_room_state WHERE health = 'refused'")).toEqual([
      { error_message: 'The mailbox is not there.' },
    ]);
    w.outlook.failList(null);
    await w.db.query('UPDATE bridge_room_state SET retry_at = NULL');
    await heard(w);
    expect(await isActive(w)).toEqual([false]);
  });

  for (const isOrganizer of [true, false])
    test(`in effect (cancelled or declined, organiser: ${isOrganizer ? 'the room' : 'somebody else'}) cancels its reservation`, async () => {
      await using w = await open();
      const event = isOrganizer ? w.outlook.put(room, dinner(), null) : w.outlook.invite(room, dinner());
      await heard(w);
      w.outlook.alter(event.id, { shows: { is: 'released' } });
      await heard(w);
      expect(await w.reserved()).toMatchObject([{ active: false }]);
      expect(w.outlook.writes).toEqual([]);
    });

  test('cancels nothing that has ended', async () => {
    await using w = await open();
    const { event } = await imported(w, dinner({ startsAt: at(-2, '10:00'), endsAt: at(-2, '11:00') }));
    w.outlook.remove(event.id);
    await heard(w);
    expect(await w.reserved()).toMatchObject([{ active: true }]);
  });

  test('that is brought back has its reservation again', async () => {
    await using w = await open();
    const { event, reservation } = await imported(w);
    w.outlook.alter(event.id, { shows: { is: 'released' } });
    await heard(w);
    w.outlook.alter(event.id, { item: dinner() });
    await heard(w);
    expect(await w.reserved()).toMatchObject([{ id: reservation.id, active: true, item: dinner() }]);
    expect(await w.mapping(reservation)).toMatchObject({ sync_status: 'synced', outlook_event_id: event.id });
  });
});

test('an event deleted before its create, whose answer was lost, is repeated is created again; a second deletion is followed', async () => {
  await using w = await open();
  w.outlook.fail((write, apply) => {
    if (write.do !== 'create') return null;
    apply();
    return failed(new Retryable('no answer', { reach: 'item', ambiguous: true, afterMs: 60_000 }));
  });
  await w.desk.book(101, { title: 'Choir', from: w.day(3, '18:00'), to: w.day(3, '20:00') });
  await w.fold();
  for (const taken of (await w.take()).rooms) await w.drainOne(taken);
  w.outlook.fail(null);
  const made = w.outlook.in(room);
  expect(made).toHaveLength(1);
  w.outlook.remove(made[0]!.id);
  await w.db.query(
    `UPDATE bridge_mappings SET due_at = now(); UPDATE bridge_room_state SET push_due_at = now()`,
  );
  await heard(w);
  expect(w.outlook.titles(room)).toEqual(['Choir']);
  expect(await isActive(w)).toEqual([true]);
  w.outlook.remove(w.outlook.in(room)[0]!.id);
  await heard(w);
  expect(w.outlook.in(room)).toEqual([]);
  expect(await isActive(w)).toEqual([false]);
});

describe('an event deleted in Outlook while its reservation was changed', () => {
  /** The daemon died after Outlook had taken the event that replaces it, and before it wrote that down. */
  async function replaced() {
    const w = await open({ overlap: 'import' });
    const { event, reservation } = await imported(w);
    w.outlook.remove(event.id);
    await w.desk.retitle(reservation, 'Concert');
    w.outlook.fail((write, apply) => {
      if (write.do !== 'create' || apply() === null) return null;
      throw new Error('killed');
    });
    await expect(heard(w)).rejects.toThrow('killed');
    w.outlook.fail(null);
    await w.die();
    return { w, reservation };
  }

  test('gets one event in its place, though the daemon dies before it knows of it', async () => {
    const { w, reservation } = await replaced();
    await using _ = w;
    await heard(w);
    expect(w.outlook.titles(room)).toEqual(['Concert']);
    expect((await w.reserved()).map(({ id, active }) => [id, active])).toEqual([[reservation.id, true]]);
    expect(await w.mapping(reservation)).toMatchObject({
      sync_status: 'synced',
      outlook_event_id: w.outlook.in(room)[0]!.id,
      due_at: null,
    });
  });
});

describe('a reservation cancelled in the booking system', () => {
  test('that was imported takes its event out of the room', async () => {
    await using w = await open();
    const { reservation } = await imported(w);
    await w.desk.cancel(reservation);
    await w.settle();
    expect(w.outlook.in(room)).toEqual([]);
    await heard(w);
    expect(await w.done()).toEqual(['imported', 'deleted']);
  });

  for (const what of ['event', 'meeting'] as const)
    test(`takes its ${what} out, though Outlook said once that it was not there`, async () => {
      await using w = await open();
      const { event, reservation } = what === 'event' ? await imported(w) : await invited(w);
      w.outlook.deny(event.id);
      w.outlook.fail((write) =>
        write.do === 'remove' ? { acceptedAt: performance.now(), callMs: 1, outcome: 'gone' } : null,
      );
      w.outlook.missAnswers(true);
      await w.desk.cancel(reservation);
      await w.settle();
      expect(w.outlook.in(room)).toHaveLength(1);
      w.outlook.missAnswers(false);
      w.outlook.fail(null);
      w.outlook.deny(event.id, false);
      await heard(w);
      expect(w.outlook.in(room)).toEqual([]);
      expect(await w.reserved()).toMatchObject([{ id: reservation.id, active: false }]);
      expect(await w.mapping(reservation)).toMatchObject({ sync_status: 'cancelled', due_at: null });
    });

  test("declines somebody else's meeting, and what comes back of it is nothing new", async () => {
    await using w = await open();
    w.outlook.invite(room, dinner());
    await heard(w);
    const [reservation] = await w.reserved();
    await w.desk.cancel(reservation!);
    await w.settle();
    await heard(w);
    expect(w.outlook.answers).toMatchObject([{ answer: 'decline' }]);
    expect(w.outlook.writes).toEqual([]);
    expect(await w.done()).toEqual(['imported', 'declined']);
  });

  test('and enabled again gets a fresh event', async () => {
    await using w = await open();
    const { event, reservation } = await imported(w);
    await w.desk.cancel(reservation);
    await w.settle();
    await w.desk.reenable(reservation);
    await w.settle();
    await heard(w);
    expect(w.outlook.titles(room)).toEqual(['Dinner']);
    expect(w.outlook.in(room)[0]!.id).not.toBe(event.id);
    expect(await w.reserved()).toMatchObject([{ active: true }]);
  });

  test('and enabled again after its event was deleted in Outlook gets a fresh event', async () => {
    await using w = await open();
    const { event, reservation } = await imported(w);
    w.outlook.remove(event.id);
    await heard(w);
    await w.desk.reenable(reservation);
    await w.settle();
    await heard(w);
    expect(w.outlook.titles(room)).toEqual(['Dinner']);
    expect(await w.reserved()).toMatchObject([{ active: true }]);
  });

  test('whose daemon died before it wrote down the deletion is not cancelled again when it is enabled', async () => {
    await using w = await open();
    const { event, reservation } = await shown(w);
    await w.desk.cancel(reservation);
    // the removal was noted and carried out, and then the daemon was gone
    const [leased] = (await w.take()).rooms;
    w.outlook.fail((_write, apply) => {
      apply();
      throw new Error('killed');
    });
    await expect(w.drainOne(leased!)).rejects.toThrow('killed');
    w.outlook.fail(null);
    expect(await w.mapping(reservation)).toMatchObject({
      event_intent: 'remove',
      outlook_event_id: event.id,
    });
    await w.session.query('SELECT pg_advisory_unlock_all()');
    await w.desk.reenable(reservation);
    await w.settle();
    await heard(w);
    expect(await w.reserved()).toMatchObject([{ active: true }]);
    expect(w.outlook.titles(room)).toEqual(['Choir']);
  });
});
