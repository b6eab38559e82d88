/** A deletion is undone in Outlook after the reservation got another event: it stays one reservation with one event. */
import { describe, expect, test } from 'vitest';
import { Permanent, Retryable } from '../../../src/errors.ts';
import type { WriteAnswer } from '../../../src/event.ts';
import { markRooms } from '../../../src/sync/webhooks/subscription-store.ts';
import { lostAnswer, tryAgain } from '../lost-answers.ts';
import { failed } from '../outlook-in-memory.ts';
import {
  active,
  at,
  both,
  conflicts,
  dinner,
  heard,
  imported,
  open,
  other,
  resolve,
  room,
  shown,
  type Rooms,
} from '../two-way-world.ts';

const events = (w: Rooms) => w.outlook.in(room).map(({ id, item }) => [id, item!.title, item!.startsAt]);
const later = { startsAt: at(9, '10:00'), endsAt: at(9, '11:00') };

/** The desk's change while the event is deleted. */
const changes = {
  time: (w: Rooms, one: Parameters<Rooms['desk']['move']>[0]) =>
    w.desk.move(one, w.day(9, '10:00'), w.day(9, '11:00')),
  title: (w: Rooms, one: Parameters<Rooms['desk']['move']>[0]) => w.desk.retitle(one, 'Orchestra'),
};

/** Its event is deleted in Outlook and the desk changes the reservation, which gets another event. */
async function replacedEvent(
  w: Rooms,
  what: keyof typeof changes = 'time',
  by: 'booking' | 'outlook' = 'booking',
) {
  const { reservation } = by === 'booking' ? await shown(w) : await imported(w);
  const [event] = w.outlook.in(room);
  w.outlook.remove(event!.id);
  await changes[what](w, reservation);
  await heard(w);
  const [second] = w.outlook.in(room);
  expect(second!.id).not.toBe(event!.id);
  return { reservation, event: event!, second: second! };
}

describe('an event that returns after its reservation got another one', () => {
  test.each([
    ['booking', 'booking', 'time'],
    ['booking', 'booking', 'title'],
    ['booking', 'outlook', 'time'],
    ['booking', 'outlook', 'title'],
    ['newest', 'booking', 'time'],
    ['newest', 'booking', 'title'],
    ['newest', 'outlook', 'time'],
    ['newest', 'outlook', 'title'],
  ] as const)(
    'takes its place and shows what the desk changed (%s, made in %s, %s changed)',
    async (conflict, by, what) => {
      await using w = await open({ conflict });
      const { reservation, event } = await replacedEvent(w, what, by);
      w.outlook.restore(event);
      await heard(w);
      const [is] = await active(w);
      expect(await active(w)).toEqual([
        what === 'time'
          ? [reservation.id, event.item!.title, later.startsAt]
          : [reservation.id, 'Orchestra', event.item!.startsAt],
      ]);
      expect(events(w)).toEqual([[event.id, is![1], is![2]]]);
      expect(await conflicts(w)).toEqual([]);
      expect(await w.mapping(reservation)).toMatchObject({
        sync_status: 'synced',
        outlook_event_id: event.id,
        due_at: null,
      });
      // it is deleted as any other
      w.outlook.remove(event.id);
      await heard(w);
      expect([await active(w), events(w)]).toEqual([[], []]);
    },
  );

  test.each(['outlook', 'ask'] as const)('never had another one with the policy %s', async (conflict) => {
    await using w = await open({ conflict });
    const { reservation, event } = await shown(w);
    w.outlook.remove(event.id);
    await changes.time(w, reservation);
    await heard(w);
    expect(events(w)).toEqual([]);
    w.outlook.restore(event);
    await heard(w);
    const start = conflict === 'outlook' ? event.item!.startsAt : later.startsAt;
    expect(await active(w)).toEqual([[reservation.id, 'Choir', start]]);
    expect(events(w)).toEqual([[event.id, 'Choir', start]]);
    expect(await conflicts(w)).toEqual([]);
  });

  test('takes its place though its id is another one in Outlook by now', async () => {
    await using w = await open();
    const { reservation, event } = await replacedEvent(w);
    const again = w.outlook.put(room, event.item!, event.properties);
    w.outlook.alter(again.id, { iCalUId: event.iCalUId, transactionId: event.transactionId });
    await heard(w);
    expect(await active(w)).toEqual([[reservation.id, 'Choir', later.startsAt]]);
    expect(events(w)).toEqual([[again.id, 'Choir', later.startsAt]]);
  });

  test('takes its place after the history was deleted', async () => {
    await using w = await open();
    const { reservation, event, second } = await replacedEvent(w);
    await w.db.query(`DELETE FROM bridge_log WHERE outlook_event_id <> '${second.id}'`);
    w.outlook.restore(event);
    await heard(w);
    expect(await active(w)).toEqual([[reservation.id, 'Choir', later.startsAt]]);
    expect(events(w)).toEqual([[event.id, 'Choir', later.startsAt]]);
  });

  test('takes its place when a full scan finds it', async () => {
    await using w = await open();
    const { reservation, event } = await replacedEvent(w);
    w.outlook.restore(event);
    await w.db.query('UPDATE bridge_room_state SET baselined_at = NULL, push_due_at = now()');
    await w.settle();
    expect(await active(w)).toEqual([[reservation.id, 'Choir', later.startsAt]]);
    expect(events(w)).toEqual([[event.id, 'Choir', later.startsAt]]);
  });

  test('takes its place in a room that shows the bookings only', async () => {
    await using w = await open();
    const { reservation, event } = await replacedEvent(w);
    await w.db.query(`UPDATE bridge_resource_mappings SET sync_direction = 'booking_to_outlook'`);
    w.outlook.restore(event);
    await w.db.query('UPDATE bridge_room_state SET baselined_at = NULL, push_due_at = now()');
    await w.settle();
    expect(await active(w)).toEqual([[reservation.id, 'Choir', later.startsAt]]);
    expect(events(w)).toEqual([[event.id, 'Choir', later.startsAt]]);
  });

  test('brings its edits along, which are merged with those of the desk', async () => {
    await using w = await open();
    const { reservation, event } = await replacedEvent(w);
    w.outlook.restore(event);
    w.outlook.edit(event.id, { title: 'Band' });
    await heard(w);
    expect(await active(w)).toEqual([[reservation.id, 'Band', later.startsAt]]);
    expect(events(w)).toEqual([[event.id, 'Band', later.startsAt]]);
  });

  test('loses no edit of the other event', async () => {
    await using w = await open();
    const { reservation, event, second } = await replacedEvent(w);
    // reported of the first one only
    w.outlook.restore(event);
    w.outlook.trouble(() => ({ answer: 'page', rows: [], removed: [], nextLink: null, deltaLink: '0' }));
    w.outlook.edit(second.id, { title: 'Band' });
    await markRooms(w.db.pool, [
      { id: 1, gapMs: 0, events: [{ eventId: event.id, deleted: false, etag: null }] },
    ]);
    for (const one of (await w.take()).rooms) await w.drainOne(one);
    expect(events(w)).toHaveLength(2);
    expect(await active(w)).toHaveLength(1);
    await markRooms(w.db.pool, [
      { id: 1, gapMs: 0, events: [{ eventId: second.id, deleted: false, etag: null }] },
    ]);
    await w.settle();
    await w.db.query('UPDATE bridge_mappings SET due_at = now() WHERE due_at IS NOT NULL');
    await w.db.query('UPDATE bridge_room_state SET push_due_at = now()');
    await w.settle();
    expect(await active(w)).toEqual([[reservation.id, 'Band', later.startsAt]]);
    expect(events(w)).toEqual([[event.id, 'Band', later.startsAt]]);
  });

  test('and the event that gave way returns, too: it is removed once more, or waits for a person if it was edited', async () => {
    await using w = await open();
    const { reservation, event, second } = await replacedEvent(w);
    w.outlook.restore(event);
    await heard(w);
    w.outlook.restore(second);
    await heard(w);
    expect(await active(w)).toEqual([[reservation.id, 'Choir', later.startsAt]]);
    expect(events(w)).toEqual([[event.id, 'Choir', later.startsAt]]);
    w.outlook.restore(second);
    w.outlook.edit(second.id, { title: 'Band' });
    await heard(w);
    expect(await active(w)).toHaveLength(1);
    expect(events(w)).toHaveLength(2);
    expect(await conflicts(w)).toMatchObject([{ kind: 'moved' }]);
  });

  test('several times has the reservation each time', async () => {
    await using w = await open();
    const { reservation, event } = await replacedEvent(w);
    for (const day of [10, 11, 12]) {
      w.outlook.restore(w.outlook.in(room).find(({ id }) => id === event.id) ?? event);
      await heard(w);
      expect(events(w).map(([id]) => id)).toEqual([event.id]);
      w.outlook.remove(event.id);
      await w.desk.move(reservation, w.day(day, '10:00'), w.day(day, '11:00'));
      await heard(w);
      expect(events(w)).toHaveLength(1);
      expect(await active(w)).toHaveLength(1);
    }
    w.outlook.restore(event);
    await heard(w);
    expect(events(w)).toEqual([[event.id, 'Choir', at(12, '10:00')]]);
    expect(await active(w)).toEqual([[reservation.id, 'Choir', at(12, '10:00')]]);
  });

  describe('though the deletion of the other event is interrupted', () => {
    const removing = (how: (apply: () => unknown) => WriteAnswer) => (w: Rooms) =>
      w.outlook.fail((write, apply) => (write.do === 'remove' ? how(apply) : null));
    const killed = (): WriteAnswer => {
      throw new Error('killed');
    };
    const cuts = {
      'killed before Graph applied it': removing(killed),
      'killed after Graph applied it': removing((apply) => (apply(), killed())),
      'its answer is lost': removing((apply) => (apply(), lostAnswer())),
      'it is refused for now': removing(() => failed(new Retryable('busy', { reach: 'item' }))),
    };

    /** The restored event is reported, and the bridge gets as far as the deletion of the other one. */
    async function interrupted(w: Rooms, cut: keyof typeof cuts) {
      cuts[cut](w);
      if (cut.startsWith('killed')) {
        await expect(heard(w)).rejects.toThrow('killed');
        await w.die();
      } else await heard(w);
      w.outlook.fail(null);
    }
    const goesOn = async (w: Rooms) => {
      await heard(w);
      await tryAgain(w);
    };

    describe.each(Object.keys(cuts) as (keyof typeof cuts)[])('(%s)', (cut) => {
      test.each(['time', 'title'] as const)('it takes its place (%s changed)', async (what) => {
        await using w = await open();
        const { reservation, event } = await replacedEvent(w, what);
        w.outlook.restore(event);
        await interrupted(w, cut);
        await goesOn(w);
        const start = what === 'time' ? later.startsAt : event.item!.startsAt;
        const title = what === 'title' ? 'Orchestra' : 'Choir';
        expect(await active(w)).toEqual([[reservation.id, title, start]]);
        expect(events(w)).toEqual([[event.id, title, start]]);
        expect(await conflicts(w)).toEqual([]);
      });

      test('it brings its edits along', async () => {
        await using w = await open();
        const { reservation, event } = await replacedEvent(w);
        w.outlook.restore(event);
        w.outlook.edit(event.id, { title: 'Band' });
        await interrupted(w, cut);
        await goesOn(w);
        expect(await active(w)).toEqual([[reservation.id, 'Band', later.startsAt]]);
        expect(events(w)).toEqual([[event.id, 'Band', later.startsAt]]);
      });

      test('the next change of the desk is not lost', async () => {
        await using w = await open();
        const { reservation, event } = await replacedEvent(w);
        w.outlook.restore(event);
        await interrupted(w, cut);
        await changes.title(w, reservation);
        await goesOn(w);
        expect(await active(w)).toEqual([[reservation.id, 'Orchestra', later.startsAt]]);
        expect(events(w)).toEqual([[event.id, 'Orchestra', later.startsAt]]);
      });
    });

    // if only the answer is lost, the restored event has taken its place by then
    const unsettled = (Object.keys(cuts) as (keyof typeof cuts)[]).filter(
      (cut) => cut !== 'its answer is lost',
    );
    describe.each(unsettled)('(%s)', (cut) => {
      test('the reservation is cancelled then: the restored event waits for a person', async () => {
        await using w = await open();
        const { reservation, event } = await replacedEvent(w);
        w.outlook.restore(event);
        await interrupted(w, cut);
        await w.desk.cancel(reservation);
        await goesOn(w);
        expect(await active(w)).toEqual([]);
        expect(await conflicts(w)).toMatchObject([{ kind: 'orphan' }]);
        expect(events(w).map(([id]) => id)).toEqual([event.id]);
      });

      test('the restored event is deleted once more: the reservation keeps or gets an event', async () => {
        await using w = await open();
        const { reservation, event } = await replacedEvent(w);
        w.outlook.restore(event);
        await interrupted(w, cut);
        w.outlook.remove(event.id);
        await goesOn(w);
        expect(await active(w)).toEqual([[reservation.id, 'Choir', later.startsAt]]);
        expect(events(w).map(([, ...is]) => is)).toEqual([['Choir', later.startsAt]]);
      });
    });

    test.each(['takes its place', 'is deleted'])(
      '(it is refused for good) the restored event %s when a person deletes the other one',
      async (then) => {
        await using w = await open();
        const { reservation, event, second } = await replacedEvent(w);
        w.outlook.restore(event);
        removing(() => failed(new Permanent('not allowed', { reach: 'item' })))(w);
        await heard(w);
        w.outlook.fail(null);
        expect(events(w)).toHaveLength(2);
        if (then === 'is deleted') {
          w.outlook.remove(event.id);
          await heard(w);
        }
        w.outlook.remove(second.id);
        await goesOn(w);
        const left = then === 'is deleted' ? [] : [[reservation.id, 'Choir']];
        expect((await active(w)).map(([id, title]) => [id, title])).toEqual(left);
        expect(events(w).map(([id]) => id)).toEqual(then === 'is deleted' ? [] : [event.id]);
        expect(await conflicts(w)).toEqual([]);
      },
    );

    test('by a change of the desk: that is not lost', async () => {
      await using w = await open();
      const { reservation, event } = await replacedEvent(w);
      w.outlook.restore(event);
      w.outlook.meanwhile(async () => {
        await changes.title(w, reservation);
        await w.fold();
      });
      await goesOn(w);
      expect(await active(w)).toEqual([[reservation.id, 'Orchestra', later.startsAt]]);
      expect(events(w)).toEqual([[event.id, 'Orchestra', later.startsAt]]);
      expect(await conflicts(w)).toEqual([]);
    });
  });

  describe('waits for a person', () => {
    /** What both showed at the last agreement is not known: it was replaced before an upgrade. */
    async function unknown(w: Rooms) {
      const made = await replacedEvent(w);
      await w.db.query('UPDATE bridge_mappings SET former_events = NULL, revision = revision + 1');
      w.outlook.restore(made.event);
      await heard(w);
      expect(await active(w)).toHaveLength(1);
      expect(events(w)).toHaveLength(2);
      expect(await conflicts(w)).toMatchObject([{ kind: 'moved' }]);
      return made;
    }

    test('if the last agreement is unknown, who chooses the booking system', async () => {
      await using w = await open();
      const { reservation, second } = await unknown(w);
      await resolve(w, 'booking');
      expect(await active(w)).toEqual([[reservation.id, 'Choir', later.startsAt]]);
      expect(events(w)).toEqual([[second.id, 'Choir', later.startsAt]]);
      expect(await conflicts(w)).toEqual([]);
    });

    test('or the event', async () => {
      await using w = await open();
      const { reservation, event } = await unknown(w);
      await resolve(w, 'outlook');
      expect(await active(w)).toEqual([[reservation.id, 'Choir', event.item!.startsAt]]);
      expect(events(w)).toEqual([[event.id, 'Choir', event.item!.startsAt]]);
      expect(await conflicts(w)).toEqual([]);
    });

    test('until its reservation is cancelled, which wins', async () => {
      await using w = await open();
      const { reservation } = await unknown(w);
      await w.desk.cancel(reservation);
      await w.settle();
      expect([await active(w), events(w), await conflicts(w)]).toEqual([[], [], []]);
    });

    test('if the room only takes changes from Outlook', async () => {
      await using w = await open();
      const { event } = await replacedEvent(w);
      await w.db.query(`UPDATE bridge_resource_mappings SET sync_direction = 'outlook_to_booking'`);
      w.outlook.restore(event);
      await heard(w);
      expect(await active(w)).toHaveLength(1);
      expect(events(w)).toHaveLength(2);
      expect(await conflicts(w)).toMatchObject([{ kind: 'moved' }]);
    });

    test('if a person made the event that its reservation has now', async () => {
      await using w = await open();
      const { reservation, event } = await shown(w);
      w.outlook.remove(event.id);
      const pasted = w.outlook.put(room, { ...event.item!, ...later }, event.properties);
      await heard(w);
      expect(await w.mapping(reservation)).toMatchObject({ outlook_event_id: pasted.id });
      w.outlook.restore(event);
      await heard(w);
      expect(await active(w)).toHaveLength(1);
      expect(events(w)).toHaveLength(2);
      expect(await conflicts(w)).toMatchObject([{ kind: 'moved' }]);
    });
  });
});

describe('an event that returns and whose reservation is not in its room any more', () => {
  test.each(['before', 'after'] as const)(
    'waits for a person if it was moved to another one (%s the deletion was followed)',
    async (when) => {
      await using w = await open({}, both);
      const { reservation, event } = await shown(w);
      if (when === 'before') w.outlook.remove(event.id);
      await w.desk.moveTo(reservation, 102);
      await heard(w, 101, 102);
      w.outlook.restore(event);
      await heard(w, 101, 102);
      expect(await active(w)).toEqual([]);
      expect(await active(w, 102)).toHaveLength(1);
      expect(await conflicts(w)).toMatchObject([{ kind: 'orphan' }]);
      expect(w.outlook.titles(other)).toEqual(['Choir']);
      await resolve(w, 'booking');
      expect(events(w)).toEqual([]);
      expect(await conflicts(w)).toEqual([]);
    },
  );

  test.each(['booking', 'outlook'] as const)(
    'waits for a person if the desk changed and cancelled it meanwhile (made in %s)',
    async (by) => {
      await using w = await open();
      const { reservation, event } = await replacedEvent(w, 'time', by);
      await w.desk.cancel(reservation);
      await w.settle();
      w.outlook.restore(event);
      await heard(w);
      expect(await active(w)).toEqual([]);
      expect(await conflicts(w)).toMatchObject([{ kind: 'orphan' }]);
      await resolve(w, 'outlook');
      expect(await active(w)).toHaveLength(1);
      expect(await conflicts(w)).toEqual([]);
    },
  );

  test('waits for a person if the desk cancelled it before the deletion was followed', async () => {
    await using w = await open();
    const { event, reservation } = await imported(w);
    w.outlook.remove(event.id);
    await w.desk.cancel(reservation);
    await heard(w);
    w.outlook.restore(event);
    await heard(w);
    expect(await active(w)).toEqual([]);
    expect(await conflicts(w)).toMatchObject([{ kind: 'orphan' }]);
    expect(events(w)).toHaveLength(1);
  });
});

test('a copy of an event that was replaced is a reservation of its own', async () => {
  await using w = await open();
  const { event } = await replacedEvent(w);
  w.outlook.put(
    room,
    dinner({ title: 'Wedding', startsAt: at(20, '10:00'), endsAt: at(20, '14:00') }),
    event.properties,
  );
  await heard(w);
  expect((await active(w)).map(([, title]) => title)).toEqual(['Choir', 'Wedding']);
  expect(await conflicts(w)).toEqual([]);
});
