/** Events and reservations that lost each other find each other again, and nothing else is taken for them. */
import { describe, expect, test } from 'vitest';
import { Retryable } from '../../../src/errors.ts';
import type { Item } from '../../../src/item.ts';
import { createMappingReports } from '../../../src/sync/report/mapping-reports.ts';
import { openRooms } from '../bench-of-rooms.ts';
import { spoilColumn } from '../failing-row.ts';
import { failed } from '../outlook-in-memory.ts';
import {
  active,
  at,
  both,
  dinner,
  heard,
  imported,
  invited,
  open,
  other,
  resolve,
  room,
  shown,
  type Rooms,
} from '../two-way-world.ts';

const statuses = (w: Rooms) =>
  w.db.query(
    `SELECT sync_status, conflict ->> 'kind' AS kind FROM bridge_mappings WHERE sync_status IN ('conflict', 'error')`,
  );

describe('removals come before imports', () => {
  test('an event that takes the place of a removed one in the same page becomes its own reservation', async () => {
    await using w = await open();
    const { event, reservation } = await imported(w);
    w.outlook.remove(event.id);
    w.outlook.put(room, dinner({ title: 'Wedding' }), null);
    await heard(w);
    const [row] = await active(w);
    expect(row).toEqual([expect.not.stringMatching(String(reservation.id)), 'Wedding', dinner().startsAt]);
    expect(await active(w)).toHaveLength(1);
    expect(await statuses(w)).toEqual([]);
  });

  test.each(['moved away', 'called off'])('so does one in the place of an event that is %s', async (how) => {
    await using w = await open();
    const { event } = await imported(w);
    w.outlook.put(room, dinner({ title: 'Wedding' }), null);
    if (how === 'called off') w.outlook.alter(event.id, { shows: { is: 'released' } });
    else w.outlook.edit(event.id, { startsAt: at(9, '15:00'), endsAt: at(9, '17:00') });
    await heard(w);
    expect((await active(w)).map(([, title]) => title)).toEqual(
      how === 'called off' ? ['Wedding'] : ['Wedding', 'Dinner'],
    );
    expect(await statuses(w)).toEqual([]);
  });

  test.each(['cancelled', 'moved away'])(
    'an import that was refused is tried again when the reservation in its place is %s',
    async (how) => {
      await using w = await open();
      const { reservation } = await shown(w);
      w.outlook.put(
        room,
        dinner({ title: 'Wedding', startsAt: at(3, '18:30'), endsAt: at(3, '19:30') }),
        null,
      );
      await heard(w);
      expect(await statuses(w)).toEqual([{ sync_status: 'conflict', kind: 'overlap' }]);
      if (how === 'cancelled') await w.desk.cancel(reservation);
      else await w.desk.move(reservation, w.day(8, '18:00'), w.day(8, '20:00'));
      await w.settle();
      expect((await active(w)).map(([, title]) => title)).toContain('Wedding');
      expect(await statuses(w)).toEqual([]);
    },
  );
});

describe('the same meeting under another id is the same reservation', () => {
  const later = { startsAt: at(8, '10:00'), endsAt: at(8, '11:00'), title: 'Moved and renamed' };

  test.each([
    ['an event', false],
    ['a meeting of another organiser', true],
  ])('(%s) whatever its new time and title', async (_, isMeeting) => {
    await using w = await open();
    const { event, reservation } = isMeeting ? await invited(w) : await imported(w);
    w.outlook.remove(event.id);
    const again = w.outlook.put(room, dinner(later), null);
    w.outlook.alter(again.id, { iCalUId: event.iCalUId, isOrganizer: !isMeeting });
    await heard(w);
    expect(await active(w)).toEqual([[reservation.id, later.title, later.startsAt]]);
    expect(await w.mapping(reservation)).toMatchObject({ sync_status: 'synced', outlook_event_id: again.id });
  });

  test('though it is told of before the old one is reported as removed', async () => {
    await using w = await open();
    const { event, reservation } = await imported(w);
    w.outlook.vanish(event.id);
    const again = w.outlook.put(room, dinner(later), null);
    w.outlook.alter(again.id, { iCalUId: event.iCalUId });
    await heard(w);
    expect(await active(w)).toEqual([[reservation.id, later.title, later.startsAt]]);
  });

  test('though nothing tells of it before the old one is verified as gone', async () => {
    await using w = await open();
    const { event, reservation } = await imported(w);
    w.outlook.remove(event.id);
    w.outlook.meanwhileRead(async () => {
      const again = w.outlook.put(room, dinner(later), null);
      w.outlook.alter(again.id, { iCalUId: event.iCalUId });
    });
    await heard(w);
    expect(await active(w)).toEqual([[reservation.id, later.title, later.startsAt]]);
    await heard(w);
    expect(await active(w)).toEqual([[reservation.id, later.title, later.startsAt]]);
  });

  /** The same meeting is made again while its old event is still listed. */
  async function twin() {
    const w = await open();
    const { event, reservation } = await imported(w);
    const again = w.outlook.put(room, dinner(later), null);
    w.outlook.alter(again.id, { iCalUId: event.iCalUId });
    await heard(w);
    return { w, event, again, reservation };
  }
  /** Five seconds later, as far as what is due then can tell. */
  const later5s = async (w: Rooms) => {
    await w.db.query(
      'UPDATE bridge_mappings SET due_at = now(), revision = revision + 1 WHERE due_at > now()',
    );
    await w.db.query('UPDATE bridge_room_state SET push_due_at = now()');
    await w.settle();
  };

  test.each(['at once', 'after it was flagged'])(
    'though it is read while the old one is still there, which goes %s',
    async (when) => {
      const { w, event, again, reservation } = await twin();
      await using _ = w;
      expect(await active(w)).toEqual([[reservation.id, 'Dinner', dinner().startsAt]]);
      expect(await statuses(w)).toEqual([]);
      if (when !== 'at once') {
        await later5s(w);
        expect(await statuses(w)).toEqual([{ sync_status: 'conflict', kind: 'overlap' }]);
      }
      w.outlook.remove(event.id);
      await heard(w);
      expect(await active(w)).toEqual([[reservation.id, later.title, later.startsAt]]);
      expect(await w.mapping(reservation)).toMatchObject({
        sync_status: 'synced',
        outlook_event_id: again.id,
      });
      expect(await statuses(w)).toEqual([]);
    },
  );

  test('and never two reservations by itself: while both are there a person chooses', async () => {
    const { w } = await twin();
    await using _ = w;
    await later5s(w);
    expect(await active(w)).toHaveLength(1);
    await resolve(w, 'outlook');
    expect(await active(w)).toHaveLength(2);
    expect(await statuses(w)).toEqual([]);
  });
});

describe('an event that is there again after its reservation was cancelled', () => {
  const later = { startsAt: at(8, '10:00'), endsAt: at(8, '11:00'), title: 'Moved and renamed' };
  /** One meeting in two rooms. */
  function inBoth(w: Rooms) {
    const { iCalUId } = w.outlook.invite(room, dinner());
    w.outlook.invite(other, dinner(), { iCalUId });
    return { event: w.outlook.in(room)[0]!, copy: w.outlook.in(other)[0]! };
  }
  const all = async (w: Rooms, resource = 101) =>
    (await w.reserved(resource)).map(({ id, active: is }) => [id, is]);

  test.each([
    ['made again', 'an imported event'],
    ['restored from the bin', 'an imported event'],
    ['made again', 'a meeting'],
    ['restored from the bin', 'a meeting'],
    ['restored from the bin', 'an event of ours'],
  ])('%s (%s) has the same reservation', async (how, what) => {
    await using w = await open();
    const make = what === 'a meeting' ? invited : what === 'an imported event' ? imported : shown;
    const { reservation } = await make(w);
    const [event] = w.outlook.in(room) as [ReturnType<Rooms['outlook']['put']>];
    w.outlook.remove(event.id);
    await heard(w);
    expect(await all(w)).toEqual([[reservation.id, false]]);
    if (how === 'made again') {
      const again = w.outlook.put(room, dinner(later), null);
      w.outlook.alter(again.id, { iCalUId: event.iCalUId, isOrganizer: what !== 'a meeting' });
    } else w.outlook.restore(event);
    await heard(w);
    expect(await all(w)).toEqual([[reservation.id, true]]);
    const [is] = await w.reserved();
    expect(is!.item).toMatchObject(
      how === 'made again' ? later : { startsAt: event.item!.startsAt, description: event.item!.description },
    );
    expect(await w.mapping(reservation)).toMatchObject({ sync_status: 'synced', due_at: null });
    expect(w.outlook.in(room)).toHaveLength(1);
    // and once more
    for (const { id } of w.outlook.in(room)) w.outlook.remove(id);
    await heard(w);
    expect(await all(w)).toEqual([[reservation.id, false]]);
    expect(w.outlook.in(room)).toEqual([]);
  });

  test('has the same reservation when it is restored under another id with the idempotency key of its create', async () => {
    await using w = await open();
    const { event, reservation } = await shown(w);
    w.outlook.remove(event.id);
    await heard(w);
    expect(await all(w)).toEqual([[reservation.id, false]]);
    const again = w.outlook.put(room, event.item!, event.properties);
    w.outlook.alter(again.id, { iCalUId: event.iCalUId, transactionId: event.transactionId });
    await heard(w);
    expect(await all(w)).toEqual([[reservation.id, true]]);
    expect(await w.mapping(reservation)).toMatchObject({ sync_status: 'synced', outlook_event_id: again.id });
    expect(w.outlook.in(room).map(({ id }) => id)).toEqual([again.id]);
  });

  test('waits where its time was booked meanwhile, and has the same reservation when that goes', async () => {
    await using w = await open();
    const { event, reservation } = await imported(w);
    w.outlook.remove(event.id);
    await heard(w);
    const choir = await w.desk.book(101, { title: 'Choir', from: w.day(3, '00:30'), to: w.day(3, '23:30') });
    await w.settle();
    w.outlook.restore(event);
    await heard(w);
    expect((await active(w)).map(([, title]) => title)).toEqual(['Choir']);
    expect(await statuses(w)).toEqual([{ sync_status: 'conflict', kind: 'overlap' }]);
    await w.desk.cancel(choir);
    await w.settle();
    expect(await active(w)).toEqual([[reservation.id, 'Dinner', dinner().startsAt]]);
  });

  test('has a reservation of its own where the clerk had cancelled that one', async () => {
    await using w = await open();
    const { event, reservation } = await imported(w);
    await w.desk.cancel(reservation);
    await w.settle();
    w.outlook.restore(event);
    await heard(w);
    expect(await active(w)).toEqual([
      [expect.not.stringMatching(`^${reservation.id}$`), 'Dinner', dinner().startsAt],
    ]);
  });

  test('has a new one where the adapter cannot enable what is cancelled', async () => {
    await using w = await open();
    await w.db.query('DROP FUNCTION bridge_reenable_item(text, bigint, text)');
    const { event, reservation } = await imported(w);
    w.outlook.remove(event.id);
    await heard(w);
    w.outlook.restore(event);
    await heard(w);
    expect(await active(w)).toHaveLength(1);
    expect((await active(w))[0]![0]).not.toBe(reservation.id);
  });

  test('gets the room back that its reservation gave up', async () => {
    await using w = await open({}, both);
    const { copy } = inBoth(w);
    await heard(w, 101, 102);
    const [reservation] = await w.reserved();
    w.outlook.remove(copy.id);
    await heard(w, 101, 102);
    expect(await w.reserved(102)).toEqual([]);
    w.outlook.restore(copy);
    await heard(w, 101, 102);
    expect(await w.reserved(102)).toMatchObject([{ id: reservation!.id, active: true }]);
    expect(await w.reserved(101)).toHaveLength(1);
  });

  test('brings back one room only where both were given up', async () => {
    await using w = await open({}, both);
    const { event, copy } = inBoth(w);
    await heard(w, 101, 102);
    const [reservation] = await w.reserved();
    w.outlook.remove(event.id);
    w.outlook.remove(copy.id);
    await heard(w, 101, 102);
    expect([...(await all(w)), ...(await all(w, 102))]).toEqual([[reservation!.id, false]]);
    w.outlook.restore(copy);
    await heard(w, 101, 102);
    expect((await active(w, 102)).map(([id]) => id)).toEqual([reservation!.id]);
    expect(await active(w)).toEqual([]);
    expect(w.outlook.in(room)).toEqual([]);
    w.outlook.restore(event);
    await heard(w, 101, 102);
    expect((await active(w)).map(([id]) => id)).toEqual([reservation!.id]);
    expect(w.outlook.in(room)).toHaveLength(1);
  });
});

test('an idempotency key that a database which was set back uses again takes no event', async () => {
  await using w = await open();
  const { event, reservation } = await shown(w);
  w.outlook.alter(event.id, { createdAt: new Date(Date.now() - 3_600_000).toISOString() });
  // the tables of a moment before know neither: the number is given to another reservation
  await w.db.query('DELETE FROM bridge_mappings');
  await w.db.query('DELETE FROM bridge_log');
  await w.desk.move(reservation, w.day(9, '10:00'), w.day(9, '12:00'));
  await w.desk.retitle(reservation, 'Chess');
  await w.settle();
  await heard(w);
  const events = w.outlook.in(room);
  expect(events.find(({ id }) => id === event.id)?.item).toEqual(event.item);
  expect(events.map(({ item }) => item!.title).toSorted()).toEqual(['Chess', 'Choir']);
});

describe('a create that a daemon sent and, killed, did not write down', () => {
  /** A reservation whose create is on its way; `arrive`: Outlook carries it out. */
  async function sent(w: Rooms, isSecond = false) {
    let arrive = () => {};
    const book = () => w.desk.book(101, { title: 'Choir', from: w.day(3, '18:00'), to: w.day(3, '20:00') });
    const former = isSecond ? await book() : null;
    await w.settle();
    if (former !== null) await w.desk.cancel(former);
    await w.settle();
    w.outlook.fail((write, apply) => {
      if (write.do !== 'create') return null;
      arrive = apply;
      return failed(new Retryable('the daemon was killed', { reach: 'side' }));
    });
    if (former !== null) await w.desk.reenable(former);
    const reservation = former ?? (await book());
    await w.db.query("UPDATE bb_event SET description = 'Bring notes'");
    const before = former === null ? null : (await w.mapping(former))!['outlook_event_id'];
    for (const one of (await w.take()).rooms) await w.drainOne(one);
    w.outlook.fail(null);
    // a cancelled mapping keeps the id of its event until the next one is stored
    if (former !== null)
      await w.db.query("UPDATE bridge_mappings SET sync_status = 'cancelled', outlook_event_id = $1", [
        before,
      ]);
    return { reservation, arrive: () => arrive() };
  }
  const ring = (w: Rooms) => w.db.query('UPDATE bridge_room_state SET push_due_at = now(), retry_at = NULL');
  async function edited(w: Rooms, reservation: Awaited<ReturnType<typeof sent>>['reservation']) {
    await w.desk.retitle(reservation, 'Orchestra');
    await w.desk.move(reservation, w.day(9, '10:00'), w.day(9, '12:00'));
  }
  async function sides(w: Rooms) {
    await heard(w);
    await ring(w);
    await w.settle();
    const conflicted = await statuses(w);
    return {
      booking: (await active(w)).map(([, title]) => title),
      outlook: w.outlook.titles(room),
      conflicted,
    };
  }

  test('is known by its key when it is sent again, though the reservation was edited meanwhile', async () => {
    await using w = await open();
    const { reservation, arrive } = await sent(w);
    arrive();
    await edited(w, reservation);
    await ring(w);
    await w.settle();
    expect(await sides(w)).toEqual({ booking: ['Orchestra'], outlook: ['Orchestra'], conflicted: [] });
  });

  test.each([
    ['moved', { startsAt: at(3, '20:00'), endsAt: at(3, '21:00') }, 5_000],
    ['moved and renamed at once', { startsAt: at(3, '20:00'), endsAt: at(3, '21:00'), title: 'Band' }, 0],
    ['renamed', { title: 'Choir and band' }, 5_000],
    ['renamed at once', { title: 'Band' }, 0],
  ] as const)(
    'and that a person %s before it is sent again: the edit is followed',
    async (_, edit, laterMs) => {
      const { title, startsAt: start } = { title: 'Choir', startsAt: at(3, '18:00'), ...edit };
      await using w = await open();
      const { arrive } = await sent(w);
      arrive();
      const [event] = w.outlook.in(room);
      w.outlook.edit(event!.id, edit);
      w.outlook.alter(event!.id, { lastModifiedAt: new Date(Date.now() + laterMs).toISOString() });
      await ring(w);
      await w.settle();
      expect(await sides(w)).toEqual({ booking: [title], outlook: [title], conflicted: [] });
      expect((await active(w)).map(([, , at]) => at)).toEqual([start]);
    },
  );

  test('and whose text a person replaced at once: the edit is followed', async () => {
    await using w = await open();
    const { arrive } = await sent(w);
    arrive();
    const [event] = w.outlook.in(room);
    w.outlook.edit(event!.id, { description: 'Bring stands' });
    w.outlook.alter(event!.id, { lastModifiedAt: event!.createdAt! });
    await ring(w);
    await w.settle();
    await heard(w);
    expect((await w.reserved()).map(({ item }) => item.description)).toEqual(['Bring stands']);
  });

  test('and whose title a person completed at once keeps that in Outlook, and it is followed with the next edit', async () => {
    await using w = await open();
    const { reservation, arrive } = await sent(w);
    arrive();
    const [event] = w.outlook.in(room);
    w.outlook.edit(event!.id, { title: 'Choir and band' });
    w.outlook.alter(event!.id, { lastModifiedAt: event!.createdAt! });
    await ring(w);
    await w.settle();
    await w.desk.move(reservation, w.day(9, '10:00'), w.day(9, '12:00'));
    expect(await sides(w)).toEqual({ booking: ['Choir'], outlook: ['Choir and band'], conflicted: [] });
    w.outlook.edit(event!.id, { title: 'Choir and big band' });
    expect(await sides(w)).toMatchObject({
      booking: ['Choir and big band'],
      outlook: ['Choir and big band'],
    });
  });

  test('is known by its key when Outlook tells of it first', async () => {
    await using w = await open();
    const { reservation, arrive } = await sent(w);
    arrive();
    await edited(w, reservation);
    await w.fold();
    await w.db.query(`UPDATE bridge_mappings SET due_at = now() + interval '1 hour'`);
    await heard(w);
    await w.db.query(`UPDATE bridge_mappings SET due_at = now() WHERE due_at IS NOT NULL`);
    expect(await sides(w)).toEqual({ booking: ['Orchestra'], outlook: ['Orchestra'], conflicted: [] });
  });

  test('waits for a person when it arrives after its reservation was edited, cancelled and forgotten', async () => {
    await using w = await open();
    const { reservation, arrive } = await sent(w);
    await edited(w, reservation);
    await w.desk.cancel(reservation);
    await ring(w);
    await w.settle();
    arrive();
    expect(await sides(w)).toEqual({
      booking: [],
      outlook: ['Choir'],
      conflicted: [{ sync_status: 'conflict', kind: 'orphan' }],
    });
  });

  describe('and whose reservation was moved, renamed and', () => {
    const ends = {
      cancelled: (w: Rooms, { id }: { readonly id: number | string }) =>
        w.db.query('UPDATE bb_event SET active = 0 WHERE id = $1', [id]),
      deleted: (w: Rooms, { id }: { readonly id: number | string }) =>
        w.db.query(
          `DELETE FROM bb_event_resource WHERE event_id = ${id}; DELETE FROM bb_event_date WHERE event_id = ${id};
           DELETE FROM bb_event WHERE id = ${id}`,
        ),
    };
    /** The next daemon takes the room over after the end of the reservation. */
    async function over(w: Rooms, how: keyof typeof ends) {
      const { reservation, arrive } = await sent(w);
      await edited(w, reservation);
      await ends[how](w, reservation);
      await w.db.query('UPDATE bridge_room_state SET lease_owner = gen_random_uuid()');
      await ring(w);
      return () => {
        arrive();
        const [{ id, createdAt }] = w.outlook.in(room) as [ReturnType<Rooms['outlook']['put']>];
        w.outlook.alter(id, { lastModifiedAt: createdAt });
      };
    }
    const gone = { booking: [], outlook: [], conflicted: [] };
    const waits = {
      booking: [],
      outlook: ['Choir'],
      conflicted: [{ sync_status: 'conflict', kind: 'orphan' }],
    };

    test.each(['cancelled', 'deleted'] as const)('%s is removed', async (how) => {
      await using w = await open();
      const arrive = await over(w, how);
      arrive();
      await w.settle();
      expect(await sides(w)).toEqual(gone);
    });

    test.each(['cancelled', 'deleted'] as const)('%s is removed when it arrives later', async (how) => {
      await using w = await open();
      const arrive = await over(w, how);
      await w.settle();
      arrive();
      expect(await sides(w)).toEqual(gone);
    });

    /** It is edited in Outlook long after its creation. */
    function editedInOutlook(w: Rooms) {
      const [event] = w.outlook.in(room);
      w.outlook.edit(event!.id, { description: 'Bring stands' });
      w.outlook.alter(event!.id, { lastModifiedAt: new Date(Date.now() + 5_000).toISOString() });
    }

    test.each(['at once', 'later'])(
      'cancelled is removed if it was edited in Outlook since (it arrives %s)',
      async (when) => {
        await using w = await open();
        const arrive = await over(w, 'cancelled');
        if (when === 'later') await w.settle();
        arrive();
        editedInOutlook(w);
        await w.settle();
        expect(await sides(w)).toEqual(gone);
      },
    );

    test('deleted waits for a person if it was edited in Outlook since', async () => {
      await using w = await open();
      const arrive = await over(w, 'deleted');
      arrive();
      editedInOutlook(w);
      await w.settle();
      expect(await sides(w)).toEqual(waits);
      await resolve(w, 'booking');
      expect(await sides(w)).toEqual(gone);
    });

    test('deleted becomes a reservation of its own if a person who edited it keeps it', async () => {
      await using w = await open();
      const arrive = await over(w, 'deleted');
      arrive();
      editedInOutlook(w);
      await w.settle();
      await resolve(w, 'outlook');
      expect(await sides(w)).toEqual({ booking: ['Choir'], outlook: ['Choir'], conflicted: [] });
    });

    test.each([
      ['after', 'a create', 'before'],
      ['after', 'a create', 'after'],
      ['before', 'a second create', 'before'],
      ['before', 'a second create', 'after'],
      ['after', 'a second create', 'before'],
      ['after', 'a second create', 'after'],
    ])('cancelled %s the takeover is removed (%s that arrives %s that)', async (end, which, arrival) => {
      await using w = await open();
      const { reservation, arrive } = await sent(w, which === 'a second create');
      const ended = async () => {
        await edited(w, reservation);
        await ends.cancelled(w, reservation);
      };
      if (end === 'before') await ended();
      await w.db.query('UPDATE bridge_room_state SET lease_owner = gen_random_uuid()');
      // the next daemon takes the room over, and Outlook fails
      w.outlook.fail(() => failed(new Retryable('Outlook is down', { reach: 'side' })));
      await ring(w);
      for (const one of (await w.take()).rooms) await w.drainOne(one);
      w.outlook.fail(null);
      if (arrival === 'before') arrive();
      if (end === 'after') await ended();
      await ring(w);
      await w.settle();
      if (arrival === 'after') arrive();
      expect(await sides(w)).toEqual(gone);
    });

    test.each(['cancelled', 'deleted'] as const)(
      '%s stays if another installation has created it, or its database was set back',
      async (how) => {
        for (const change of [
          { transactionId: 'b1a0a4c2-0000-5000-8000-000000000000' },
          { createdAt: new Date(Date.now() - 3_600_000).toISOString() },
        ]) {
          await using w = await open();
          const arrive = await over(w, how);
          arrive();
          w.outlook.alter(w.outlook.in(room)[0]!.id, change);
          await w.settle();
          expect(await sides(w)).toEqual(waits);
        }
      },
    );
  });

  test.each(['deleted', 'deleted after a lost answer'] as const)(
    'and whose reservation was %s with many others is counted by the brake',
    async (how) => {
      for (const late of [false, true]) {
        await using w = await open({ brake: { max: 2, share: 0.2 } });
        const arrivals: (() => void)[] = [];
        w.outlook.fail((write, apply) => {
          if (write.do !== 'create') return null;
          arrivals.push(() => apply());
          const ambiguous = how !== 'deleted';
          return failed(new Retryable('cut', { reach: 'side', ambiguous }));
        });
        for (const hour of ['10', '12', '14', '16'])
          await w.desk.book(101, { title: hour, from: w.day(3, `${hour}:00`), to: w.day(3, `${hour}:30`) });
        for (const one of (await w.take()).rooms) await w.drainOne(one);
        w.outlook.fail(null);
        const arrive = () => {
          for (const one of arrivals) one();
          for (const { id, createdAt } of w.outlook.in(room))
            w.outlook.alter(id, { lastModifiedAt: createdAt });
        };
        if (!late) arrive();
        await w.db.query(
          'DELETE FROM bb_event_resource; DELETE FROM bb_event_date; DELETE FROM bb_event_agegroup; DELETE FROM bb_event_targetaudience; DELETE FROM bb_event',
        );
        await w.db.query('UPDATE bridge_room_state SET lease_owner = gen_random_uuid()');
        await ring(w);
        await w.settle();
        if (late) arrive();
        await sides(w);
        expect(w.outlook.titles(room).toSorted()).toEqual(['10', '12', '14', '16']);
        expect(await statuses(w)).toEqual(Array(4).fill({ sync_status: 'conflict', kind: null }));
      }
    },
  );

  test.each(['cancelled', 'moved'] as const)(
    'and whose reservation was %s is not confused with a copy of its event',
    async (how) => {
      await using w = await open();
      const { reservation, arrive } = await sent(w);
      arrive();
      const [event] = w.outlook.in(room);
      // listed after its copy
      w.outlook.remove(event!.id);
      const copied = dinner({ title: 'Choir', startsAt: at(2, '10:00'), endsAt: at(2, '11:00') });
      const copy = w.outlook.put(room, copied, event!.properties);
      w.outlook.alter(copy.id, { createdAt: new Date(Date.now() + 60_000).toISOString() });
      w.outlook.restore({ ...event!, lastModifiedAt: event!.createdAt });
      await w.desk.move(reservation, w.day(9, '10:00'), w.day(9, '12:00'));
      if (how === 'cancelled') await w.desk.cancel(reservation);
      await w.db.query('UPDATE bridge_room_state SET lease_owner = gen_random_uuid()');
      await sides(w);
      expect(w.outlook.in(room).find(({ id }) => id === copy.id)?.item).toEqual(copied);
      expect(w.outlook.in(room)).toHaveLength(how === 'cancelled' ? 1 : 2);
    },
  );

  test('goes when it arrives after its reservation got another event', async () => {
    await using w = await open();
    const { reservation, arrive } = await sent(w);
    await w.desk.cancel(reservation);
    await w.db.query('UPDATE bridge_room_state SET lease_owner = gen_random_uuid()');
    await ring(w);
    await w.settle();
    await edited(w, reservation);
    await w.desk.reenable(reservation);
    await w.settle();
    arrive();
    const { id } = w.outlook.in(room).find(({ item }) => item!.title === 'Choir')!;
    expect(await sides(w)).toEqual({ booking: ['Orchestra'], outlook: ['Orchestra'], conflicted: [] });
    const mapping = await w.mapping(reservation);
    const explained = await createMappingReports(w.db.pool).explain(Number(mapping!.id), 20);
    expect(explained!.lines).toContainEqual(
      expect.objectContaining({
        action: 'deleted',
        outlook_event_id: id,
        reason: expect.stringContaining('a create without an answer had made it'),
      }),
    );
  });

  describe('and that has to go', () => {
    /** Each makes an event that is deleted in a room that is written to; returns its arrival. */
    const superfluous = {
      'because its reservation is cancelled': async (w: Rooms) => {
        const { reservation, arrive } = await sent(w);
        await w.desk.cancel(reservation);
        await w.db.query('UPDATE bridge_room_state SET lease_owner = gen_random_uuid()');
        await ring(w);
        await w.settle();
        return arrive;
      },
      'because its reservation has another event': async (w: Rooms) => {
        const { reservation, arrive } = await sent(w);
        await w.desk.cancel(reservation);
        await w.db.query('UPDATE bridge_room_state SET lease_owner = gen_random_uuid()');
        await ring(w);
        await w.settle();
        await edited(w, reservation);
        await w.desk.reenable(reservation);
        await w.settle();
        return arrive;
      },
      'because it is a date of a series that the event of a cancelled reservation became': async (
        w: Rooms,
      ) => {
        const { reservation, event } = await shown(w);
        await w.desk.cancel(reservation);
        await w.settle();
        return () => {
          const date = w.outlook.put(room, event.item!, null);
          w.outlook.alter(date.id, { type: 'occurrence', seriesMasterId: event.id });
        };
      },
    };

    describe.each(Object.keys(superfluous) as (keyof typeof superfluous)[])('%s', (why) => {
      /** The room is written to when the event is made, and not any more when it arrives. */
      async function arrived(w: Rooms, direction: string) {
        const arrive = await superfluous[why](w);
        const before = await sides(w);
        await w.db.query('UPDATE bridge_resource_mappings SET sync_direction = $1', [direction]);
        arrive();
        return { before, after: await sides(w) };
      }

      test('is deleted', async () => {
        await using w = await open();
        const { before, after } = await arrived(w, 'both');
        expect(after).toEqual(before);
      });

      test.each(['booking', 'outlook'] as const)(
        'waits for a person in a room that only takes changes from Outlook, who chooses %s',
        async (keep) => {
          await using w = await open();
          const { before, after } = await arrived(w, 'outlook_to_booking');
          expect(after).toEqual({
            booking: before.booking,
            outlook: expect.arrayContaining([...before.outlook, 'Choir']),
            conflicted: [{ sync_status: 'conflict', kind: 'orphan' }],
          });
          await resolve(w, keep);
          const kept = keep === 'booking' ? [] : ['Choir'];
          expect(await sides(w)).toEqual({
            booking: expect.arrayContaining([...before.booking, ...kept]),
            outlook: expect.arrayContaining([...before.outlook, ...kept]),
            conflicted: [],
          });
          expect(w.outlook.titles(room)).toHaveLength(before.outlook.length + kept.length);
          expect(await active(w)).toHaveLength(before.booking.length + kept.length);
        },
      );
    });
  });
});

describe('a create whose answer was lost, of a reservation that is then cancelled,', () => {
  async function lost(w: Rooms) {
    let isLost = false;
    w.outlook.fail((write, apply) => {
      if (write.do !== 'create' || isLost) return null;
      isLost = apply() !== null;
      return failed(new Retryable('reset', { reach: 'item', ambiguous: true, afterMs: 60_000 }));
    });
    const reservation = await w.desk.book(101, {
      title: 'Choir',
      from: w.day(3, '18:00'),
      to: w.day(3, '20:00'),
    });
    await w.settle();
    const [event] = w.outlook.in(room);
    return { reservation, event: event! };
  }
  const edit = { title: 'Band', startsAt: at(8, '10:00'), endsAt: at(8, '11:00') };

  test('is deleted although a person moved and renamed it, and the log names the edit', async () => {
    await using w = await open();
    const { reservation, event } = await lost(w);
    w.outlook.edit(event.id, edit);
    w.outlook.alter(event.id, { lastModifiedAt: new Date(Date.now() + 5_000).toISOString() });
    await w.desk.cancel(reservation);
    await w.settle();
    await heard(w);
    expect(w.outlook.in(room)).toEqual([]);
    expect(await statuses(w)).toEqual([]);
    expect(await w.db.query("SELECT reason FROM bridge_log WHERE action = 'deleted'")).toEqual([
      { reason: 'its event was edited in Outlook before: time, title' },
    ]);
  });

  test('is deleted, and its copy becomes a reservation of its own', async () => {
    await using w = await open();
    const { reservation, event } = await lost(w);
    const copy = w.outlook.put(room, dinner(edit), event.properties);
    w.outlook.alter(copy.id, { transactionId: event.transactionId });
    w.outlook.alter(copy.id, { createdAt: new Date(Date.now() + 60_000).toISOString() });
    await w.desk.cancel(reservation);
    await w.settle();
    await heard(w);
    expect(w.outlook.in(room)).toMatchObject([{ id: copy.id, item: edit }]);
    expect((await active(w)).map(([, title]) => title)).toEqual(['Band']);
    expect(await statuses(w)).toEqual([]);
  });
});

describe('a copy of our event on another day with another subject is an event of its own', () => {
  const wedding = (): Item =>
    dinner({ title: 'Wedding', startsAt: at(20, '10:00'), endsAt: at(20, '14:00') });
  /** It is in Outlook as a person typed it, as a reservation of its own, and the other one is shown once. */
  async function expectBoth(w: Rooms, copy: string, mailbox = room) {
    await heard(w, 101, 102);
    await heard(w, 101, 102);
    const events = w.outlook.in(mailbox);
    expect(events.map(({ item }) => item!.title).toSorted()).toEqual(['Choir', 'Wedding']);
    expect(events.find(({ id }) => id === copy)?.item).toEqual(wedding());
    expect(await statuses(w)).toEqual([]);
    expect((await active(w, mailbox === room ? 101 : 102)).map(([, title]) => title).toSorted()).toEqual([
      'Choir',
      'Wedding',
    ]);
  }

  test('though it has the idempotency key of its original', async () => {
    await using w = await open({}, both);
    const { event } = await shown(w);
    const copy = w.outlook.put(room, wedding(), event.properties);
    w.outlook.alter(copy.id, { transactionId: event.transactionId });
    await expectBoth(w, copy.id);
  });

  test('though it has that of an event of its reservation from before its cancellation', async () => {
    await using w = await open({}, both);
    const { reservation, event } = await shown(w);
    await w.desk.cancel(reservation);
    await w.settle();
    await w.desk.reenable(reservation);
    await w.settle();
    const copy = w.outlook.put(room, wedding(), event.properties);
    w.outlook.alter(copy.id, { transactionId: event.transactionId });
    await expectBoth(w, copy.id);
  });

  test('while its reservation is cancelled and enabled again', async () => {
    await using w = await open({}, both);
    const { reservation, event } = await shown(w);
    await w.desk.cancel(reservation);
    await w.settle();
    const copy = w.outlook.put(room, wedding(), event.properties);
    await w.desk.reenable(reservation);
    await w.settle();
    await expectBoth(w, copy.id);
  });

  test('while its reservation moves between rooms', async () => {
    await using w = await open({}, both);
    const { reservation, event } = await shown(w);
    const copy = w.outlook.put(other, wedding(), event.properties);
    await w.desk.moveTo(reservation, 102);
    await w.db.query('UPDATE bridge_room_state SET baselined_at = NULL');
    await w.settle();
    await expectBoth(w, copy.id, other);
  });

  test('while its reservation was covered', async () => {
    await using w = await open({}, both);
    const times = { from: w.day(3, '18:00'), to: w.day(3, '20:00') };
    const choir = await w.desk.allocate(101, times);
    await w.settle();
    const event = w.outlook.in(room)[0]!;
    const cover = await w.desk.book(101, { title: 'Cover', ...times });
    await w.settle();
    const copy = w.outlook.put(room, wedding(), event.properties);
    await w.desk.cancel(cover);
    await w.db.query('UPDATE bridge_room_state SET baselined_at = NULL');
    await w.settle();
    await heard(w);
    expect(w.outlook.in(room).find(({ id }) => id === copy.id)?.item).toEqual(wedding());
    expect(await w.mapping(choir)).toMatchObject({ sync_status: 'synced' });
    expect((await w.mapping(choir))!.outlook_event_id).not.toBe(copy.id);
  });

  test('while the answer to its create is lost', async () => {
    await using w = await open({}, both);
    let copy: string | null = null;
    w.outlook.fail((write) => {
      if (write.do !== 'create' || copy !== null) return null;
      copy = w.outlook.put(room, wedding(), write.properties).id;
      return failed(new Retryable('reset', { reach: 'item', ambiguous: true, afterMs: 0 }));
    });
    await w.desk.book(101, { title: 'Choir', from: w.day(3, '18:00'), to: w.day(3, '20:00') });
    await w.settle();
    await expectBoth(w, copy!);
  });

  test('a create whose answer was lost is found, although the clerk moved and renamed it before', async () => {
    await using w = await open();
    let lost = false;
    w.outlook.fail((write, apply) => {
      if (write.do !== 'create' || lost) return null;
      lost = apply() !== null;
      return failed(new Retryable('reset', { reach: 'item', ambiguous: true, afterMs: 60_000 }));
    });
    const choir = await w.desk.book(101, { title: 'Choir', from: w.day(3, '18:00'), to: w.day(3, '20:00') });
    await w.settle();
    await w.desk.retitle(choir, 'Orchestra');
    await w.desk.move(choir, w.day(9, '18:00'), w.day(9, '20:00'));
    await w.settle();
    await heard(w);
    expect(w.outlook.titles(room)).toEqual(['Orchestra']);
    expect(await active(w)).toHaveLength(1);
  });
});

describe('an event with our properties that shows neither time nor title of its reservation', () => {
  test.each(['booking', 'outlook'] as const)(
    'in a database that does not know it waits for a person, who keeps %s',
    async (keep) => {
      await using w = await openRooms();
      const choir = await w.desk.book(101, {
        title: 'Choir',
        from: w.day(3, '18:00'),
        to: w.day(3, '20:00'),
      });
      const old = dinner({ title: 'Of another time', startsAt: at(20, '10:00'), endsAt: at(20, '14:00') });
      w.outlook.put(room, old, { type: choir.type, id: choir.id });
      // a backfill, not a change made now
      await w.db.query('TRUNCATE bridge_changes');
      await w.settle();
      expect(await statuses(w)).toEqual([{ sync_status: 'conflict', kind: 'orphan' }]);
      expect(w.outlook.titles(room)).toEqual(['Choir', 'Of another time']);
      await w.db.query(
        `UPDATE bridge_mappings SET resolution = $1, due_at = now(), revision = revision + 1 WHERE sync_status = 'conflict'`,
        [keep],
      );
      await w.db.query('UPDATE bridge_room_state SET push_due_at = now()');
      await w.settle();
      expect(w.outlook.titles(room)).toEqual(keep === 'booking' ? ['Choir'] : ['Choir', 'Of another time']);
      expect(await active(w)).toHaveLength(keep === 'booking' ? 1 : 2);
    },
  );
});

describe('a series', () => {
  const week = (n: number, day: number, change: Partial<Item> = {}) =>
    dinner({ startsAt: at(7 * n + day, '15:00'), endsAt: at(7 * n + day, '17:00'), ...change });
  const instance = (w: Rooms, n: number, day: number, series = 'master-1') => {
    const event = w.outlook.put(room, week(n, day), null);
    const item = week(n, day);
    w.outlook.alter(event.id, {
      seriesMasterId: series,
      type: 'occurrence',
      iCalUId: `ical-${series}`,
      originalStart: item.startsAt,
    });
    return event.id;
  };
  const weeks = Array.from({ length: 30 }, (_, n) => n + 1);
  async function openSeries() {
    const w = await open();
    const ids = weeks.map((n) => instance(w, n, 1));
    for (let n = 0; n < 60; n += 1)
      w.outlook.put(
        room,
        dinner({ startsAt: at(n + 1, '06:00'), endsAt: at(n + 1, '07:00'), title: `Yoga ${n}` }),
        null,
      );
    await heard(w);
    expect(await active(w)).toHaveLength(90);
    return { w, ids, before: (await active(w)).filter(([, title]) => title === 'Dinner') };
  }
  const dinners = async (w: Rooms) => (await active(w)).filter(([, title]) => title === 'Dinner');
  const held = async (w: Rooms) => (await statuses(w)).length;

  test('that moves from one weekday to another, with new ids, keeps its reservations, in order', async () => {
    const { w, ids, before } = await openSeries();
    await using _ = w;
    for (const id of ids) w.outlook.remove(id);
    for (const n of weeks) instance(w, n, 2);
    await heard(w);
    expect(await dinners(w)).toEqual(before.map(([id, title], n) => [id, title, week(n + 1, 2).startsAt]));
    expect(await held(w)).toBe(0);
  });

  test('of which fewer are left after it moved keeps the nearest', async () => {
    const { w, ids, before } = await openSeries();
    await using _ = w;
    for (const id of ids) w.outlook.remove(id);
    for (const n of weeks.slice(10)) instance(w, n, 2);
    await heard(w);
    expect(await dinners(w)).toEqual(
      before.slice(10).map(([id, title], n) => [id, title, week(n + 11, 2).startsAt]),
    );
  });

  test.each(['deleted', 'called off'])(
    'that is %s as a whole is one deed: the brake does not hold it',
    async (how) => {
      const { w, ids } = await openSeries();
      await using _ = w;
      for (const id of ids)
        if (how === 'deleted') w.outlook.remove(id);
        else w.outlook.alter(id, { shows: { is: 'released' } });
      await heard(w);
      expect(await held(w)).toBe(0);
      expect(await active(w)).toHaveLength(60);
    },
  );

  test('of which many single dates are deleted is many deeds', async () => {
    const { w, ids } = await openSeries();
    await using _ = w;
    for (const id of ids.slice(0, 25)) w.outlook.remove(id);
    await heard(w);
    expect(await active(w)).toHaveLength(90);
    expect(await held(w)).toBe(25);
  });
});

test('an event whose reservation cannot be read waits for it, and others are imported', async () => {
  await using w = await open({}, both);
  const { reservation, event } = await shown(w);
  await w.desk.retitle(reservation, 'bad');
  await w.settle();
  const mend = await spoilColumn(w, 'active');
  const copy = w.outlook.put(room, dinner({ title: 'A copy' }), event.properties);
  w.outlook.put(other, dinner({ title: 'Beside' }), null);
  await heard(w, 101, 102);
  expect(
    await w.db.query(
      'SELECT sync_status FROM bridge_mappings WHERE outlook_event_id = $1 AND due_at IS NOT NULL',
      [copy.id],
    ),
  ).toEqual([{ sync_status: 'imported' }]);
  await w.db.query('UPDATE bridge_room_state SET push_due_at = now(), retry_at = NULL');
  expect((await w.settle()).map(({ rest }) => rest)).not.toContainEqual(expect.anything());
  await mend();
  await w.db.query('UPDATE bridge_mappings SET due_at = now() WHERE due_at IS NOT NULL');
  await w.db.query('UPDATE bridge_room_state SET push_due_at = now(), retry_at = NULL');
  await w.settle();
  expect((await active(w)).map(([, title]) => title)).toContain('A copy');
});
