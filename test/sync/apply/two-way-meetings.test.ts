/** Meetings that a person invited the room to: they are not ours to move, and their organiser hears of what is done. */
import { describe, expect, test } from 'vitest';
import { room, at, dinner, open, heard, invited, resolve, titles, conflicts } from '../two-way-world.ts';

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
      { isOrganizer: true, item: { title: 'Dinner' }, properties: { type: 'event' } },
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
    // a daemon that finds that event gone shall not take it for a person's deletion
    expect(await w.mapping(reservation)).toMatchObject({ event_intent: 'remove' });
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

  describe('in a room that takes changes from Outlook only', () => {
    async function turned() {
      const { w, ...rest } = await moved();
      await w.db.query(`UPDATE bridge_resource_mappings SET sync_direction = 'outlook_to_booking'`);
      await w.settle();
      w.outlook.writes.length = 0;
      return { w, ...rest };
    }

    /** Both sides as before, and the meeting waits for a person. */
    async function expectUntouched(w: Awaited<ReturnType<typeof open>>, event: { readonly id: string }) {
      expect(w.outlook.writes).toEqual([]);
      expect(w.outlook.answers).toEqual([]);
      expect(w.outlook.in(room)).toMatchObject([{ id: event.id }, { isOrganizer: true }]);
      expect(await conflicts(w)).toMatchObject([{ kind: 'moved' }]);
    }

    test('and is cancelled, it leaves the meeting to a person', async () => {
      const { w, event, reservation } = await turned();
      await using _ = w;
      await w.desk.cancel(reservation);
      await w.settle();
      await heard(w);
      await expectUntouched(w, event);
    });

    test('and is cancelled, it becomes a reservation again when a person keeps Outlook', async () => {
      const { w, event, reservation } = await turned();
      await using _ = w;
      await w.desk.cancel(reservation);
      await w.settle();
      await resolve(w, 'outlook');
      await heard(w);
      expect(w.outlook.answers).toEqual([]);
      expect(w.outlook.in(room)).toMatchObject([{ id: event.id }, { isOrganizer: true }]);
      expect(await conflicts(w)).toEqual([]);
      expect((await w.reserved()).filter(({ active }) => active)).toMatchObject([{ item: dinner() }]);
    });

    test('and is cancelled, it leaves the meeting once the room is shown both ways', async () => {
      const { w, event, reservation } = await turned();
      await using _ = w;
      await w.desk.cancel(reservation);
      await w.settle();
      await w.db.query(`UPDATE bridge_resource_mappings SET sync_direction = 'both'`);
      await w.settle();
      await heard(w);
      expect(w.outlook.answers).toMatchObject([{ id: event.id, answer: 'decline' }]);
      expect(w.outlook.in(room)).toEqual([]);
      expect(await conflicts(w)).toEqual([]);
    });

    test('and is moved back, its own event is kept until a person decides', async () => {
      const { w, event, reservation } = await turned();
      await using _ = w;
      await w.db.query(
        `UPDATE bb_event SET from_ = $2::timestamptz AT TIME ZONE 'Europe/Oslo', to_ = $3::timestamptz AT TIME ZONE 'Europe/Oslo' WHERE id = $1`,
        [reservation.id, dinner().startsAt, dinner().endsAt],
      );
      await w.settle();
      await w.db.query(
        `UPDATE bridge_mappings SET due_at = now(), revision = revision + 1 WHERE sync_status = 'conflict'`,
      );
      await w.db.query('UPDATE bridge_room_state SET push_due_at = now(), push_lane = 0');
      await w.settle();
      await expectUntouched(w, event);
      await resolve(w, 'outlook');
      await heard(w);
      expect(w.outlook.in(room)).toMatchObject([{ id: event.id }]);
      expect(await conflicts(w)).toEqual([]);
    });
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
    expect(await conflicts(w)).toEqual([{ kind: 'rejected', fields: [] }]);
    expect(w.outlook.in(room)).toHaveLength(1);
  });
});
