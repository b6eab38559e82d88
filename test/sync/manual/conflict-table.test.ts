/**
 * Every kind of conflict against what may happen to it: what it is about ends on either side, both sides come to show the
 * same, a person keeps one of them. What is done is what was said beforehand.
 */
import { describe, expect, test } from 'vitest';
import { Permanent, Retryable } from '../../../src/errors.ts';
import { itemOf, type OutlookEvent } from '../../../src/event.ts';
import type { Call } from '../../../src/sync/manual/call.ts';
import { createConflicts } from '../../../src/sync/manual/conflicts.ts';
import { effectsOf } from '../../../src/sync/manual/conflict-effects.ts';
import { createHeldRemovals } from '../../../src/sync/manual/held-removals.ts';
import type { Reservation } from '../../../src/sandbox/desk.ts';
import { failed } from '../outlook-in-memory.ts';
import {
  at,
  both,
  conflicts,
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

interface Case {
  readonly w: Rooms;
  /** What the conflict is about on each side; null: it was made without one. */
  readonly reservation: Reservation | null;
  readonly event: OutlookEvent;
}

const crossing = () =>
  failed(new Permanent('change an event: Graph says 400 ErrorOccurrenceCrossingBoundary', { reach: 'item' }));
const refuse = (w: Rooms, what: 'change' | 'remove') =>
  w.outlook.fail((write) => (write.do === what ? crossing() : null));

/** Makes one conflict of each kind; the name says which. */
const kinds = {
  async fields() {
    const w = await open({ conflict: 'ask' });
    const { reservation, event } = await shown(w);
    await w.desk.retitle(reservation, 'Brass band');
    w.outlook.edit(event.id, { title: 'Orchestra' });
    await heard(w);
    return { w, reservation, event };
  },
  async deleted() {
    const w = await open({ conflict: 'ask' });
    const { reservation, event } = await shown(w);
    await w.desk.retitle(reservation, 'Brass band');
    w.outlook.remove(event.id);
    await heard(w);
    return { w, reservation, event };
  },
  async overlap() {
    const w = await open();
    await shown(w);
    const event = w.outlook.put(room, dinner({ startsAt: at(3, '17:30'), endsAt: at(3, '18:30') }), null);
    await heard(w);
    return { w, reservation: null, event };
  },
  async 'overlap, invited'() {
    const w = await open();
    await shown(w);
    const times = { startsAt: at(3, '17:30'), endsAt: at(3, '18:30') };
    const event = w.outlook.invite(room, dinner(times));
    await heard(w);
    return { w, reservation: null, event };
  },
  async moved() {
    const w = await open();
    const { event, reservation } = await invited(w);
    await w.desk.move(reservation, w.day(5, '10:00'), w.day(5, '11:00'));
    await w.settle();
    return { w, reservation, event };
  },
  async refused() {
    const w = await open();
    await shown(w);
    const { event, reservation } = await imported(w);
    w.outlook.edit(event.id, { startsAt: at(3, '17:30'), endsAt: at(3, '18:30') });
    await heard(w);
    return { w, reservation, event };
  },
  async 'refused, invited'() {
    const w = await open();
    await shown(w);
    const { event, reservation } = await invited(w);
    w.outlook.edit(event.id, { startsAt: at(3, '17:30'), endsAt: at(3, '18:30') });
    await heard(w);
    return { w, reservation, event };
  },
  async 'refused to cancel'() {
    const w = await open();
    const { event, reservation } = await imported(w);
    await w.db.query(`CREATE FUNCTION keep_it() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      RAISE EXCEPTION 'The period is closed.' USING ERRCODE = 'P0001'; END $$`);
    await w.db.query(`CREATE TRIGGER keep_it BEFORE UPDATE ON bb_event FOR EACH ROW
      WHEN (NEW.active = 0 AND NEW.description LIKE '%Cancelled from Outlook%') EXECUTE FUNCTION keep_it()`);
    w.outlook.remove(event.id);
    await heard(w);
    return { w, reservation, event };
  },
  async rejected() {
    const w = await open();
    const { event, reservation } = await imported(w);
    refuse(w, 'change');
    await w.desk.move(reservation, w.day(5, '10:00'), w.day(5, '11:00'));
    await w.settle();
    return { w, reservation, event };
  },
  async 'rejected deletion'() {
    const w = await open();
    const { event, reservation } = await imported(w);
    refuse(w, 'remove');
    await w.desk.cancel(reservation);
    await w.settle();
    return { w, reservation, event };
  },
  async 'rejected decline'() {
    const w = await open();
    const { event, reservation } = await invited(w);
    w.outlook.refuseAnswers(true);
    await w.desk.cancel(reservation);
    await w.settle();
    return { w, reservation, event };
  },
  async free() {
    const w = await open();
    const { event, reservation } = await invited(w);
    w.outlook.alter(event.id, { shows: { is: 'free', item: dinner() } });
    await heard(w);
    return { w, reservation, event };
  },
  async orphan() {
    const w = await open();
    const event = w.outlook.put(room, dinner(), { type: 'event', id: 4711 });
    await heard(w);
    return { w, reservation: null, event };
  },
} satisfies Record<string, () => Promise<Case>>;
type Kind = keyof typeof kinds;

/** What both sides show: of the booking system what is active, by start. */
async function world({ w, event }: Case) {
  const times = ({ startsAt }: { startsAt: string }) =>
    new Date(startsAt).toLocaleTimeString('sv', { timeZone: 'Europe/Oslo', timeStyle: 'short' });
  return {
    reserved: (await w.reserved())
      .filter(({ active }) => active)
      .map(({ item }) => `${item.title} ${times(item)}`)
      .sort(),
    outlook: w.outlook
      .in(room)
      .map(({ id, shows }) => ({ id, item: itemOf(shows)! }))
      .map(({ id, item }) => `${item.title} ${times(item)}${id === event.id ? '' : ' (new)'}`)
      .sort(),
    declined: w.outlook.answers.length,
    open: (await conflicts(w)).map(({ kind }) => kind),
  };
}
const choir = { reserved: 'Choir 18:00', outlook: 'Choir 18:00 (new)' };
/** What a row of the table expects of the world. */
interface Expected {
  readonly reserved?: readonly string[];
  readonly outlook?: readonly string[];
  readonly declined?: number;
  readonly open?: readonly string[];
}
interface Row {
  /** Its reservation is cancelled; null: it has none. */
  readonly cancelled: Expected | null;
  /** Its event is deleted, or the meeting withdrawn; null: it is gone already. */
  readonly withdrawn: Expected | null;
  readonly booking: Expected & { readonly says: string };
  readonly outlook: Expected & { readonly says: string };
  /** Its trouble is over before a person keeps a side. */
  readonly lift?: boolean;
}

const nothing = { reserved: [], outlook: [], declined: 0, open: [] } as const;
const onlyChoir = { ...nothing, reserved: [choir.reserved], outlook: [choir.outlook] };
const asDinner = { ...nothing, reserved: ['Dinner 15:00'], outlook: ['Dinner 15:00'] };

const table: Readonly<Record<Kind, Row>> = {
  fields: {
    cancelled: nothing,
    withdrawn: { reserved: ['Brass band 18:00'], outlook: [], open: ['deleted'] },
    booking: { says: 'The event in Outlook is changed to this.', reserved: ['Brass band 18:00'], open: [] },
    outlook: { says: 'The reservation is changed to this.', reserved: ['Orchestra 18:00'], open: [] },
  },
  deleted: {
    cancelled: nothing,
    withdrawn: null,
    booking: { says: 'A new event is created in Outlook.', reserved: ['Brass band 18:00'], open: [] },
    outlook: { says: 'The reservation is cancelled in this room.', ...nothing },
  },
  overlap: {
    cancelled: null,
    withdrawn: onlyChoir,
    booking: { says: 'The event is deleted in Outlook.', ...onlyChoir },
    outlook: {
      says: 'It becomes another reservation, if the booking system allows two at the same time.',
      reserved: [choir.reserved, 'Dinner 17:30'],
      outlook: [choir.outlook, 'Dinner 17:30'],
      open: [],
    },
  },
  'overlap, invited': {
    cancelled: null,
    withdrawn: onlyChoir,
    booking: {
      says: 'The room declines the meeting, and its organiser is notified.',
      ...onlyChoir,
      declined: 1,
    },
    outlook: {
      says: 'It becomes another reservation, if the booking system allows two at the same time.',
      reserved: [choir.reserved, 'Dinner 17:30'],
      declined: 0,
      open: [],
    },
  },
  moved: {
    cancelled: { ...nothing, declined: 1 },
    withdrawn: { reserved: ['Dinner 10:00'], outlook: ['Dinner 10:00 (new)'], declined: 0, open: [] },
    booking: {
      says: 'The room declines the meeting, and its organiser is notified.',
      reserved: ['Dinner 10:00'],
      outlook: ['Dinner 10:00 (new)'],
      declined: 1,
      open: [],
    },
    outlook: { says: 'The reservation moves back to the time of the meeting.', ...asDinner },
  },
  refused: {
    cancelled: onlyChoir,
    withdrawn: onlyChoir,
    booking: {
      says: 'The event in Outlook is changed back to this.',
      reserved: [choir.reserved, 'Dinner 15:00'],
      outlook: [choir.outlook, 'Dinner 15:00'],
      open: [],
    },
    outlook: {
      says: 'The booking system is asked once more to take it.',
      reserved: [choir.reserved, 'Dinner 17:30'],
      outlook: [choir.outlook, 'Dinner 17:30'],
      open: [],
    },
  },
  'refused, invited': {
    cancelled: { ...onlyChoir, declined: 1 },
    withdrawn: onlyChoir,
    booking: {
      says: 'A new event shows this in Outlook, and the room declines the meeting, and its organiser is notified.',
      reserved: [choir.reserved, 'Dinner 15:00'],
      outlook: [choir.outlook, 'Dinner 15:00 (new)'],
      declined: 1,
      open: [],
    },
    outlook: {
      says: 'The booking system is asked once more to take it.',
      reserved: [choir.reserved, 'Dinner 17:30'],
      outlook: [choir.outlook, 'Dinner 17:30'],
      declined: 0,
      open: [],
    },
  },
  'refused to cancel': {
    cancelled: nothing,
    withdrawn: null,
    booking: {
      says: 'A new event is created in Outlook.',
      reserved: ['Dinner 15:00'],
      outlook: ['Dinner 15:00 (new)'],
      open: [],
    },
    outlook: { says: 'The booking system is asked once more to cancel the reservation.', ...nothing },
    lift: true,
  },
  rejected: {
    cancelled: nothing,
    withdrawn: { reserved: ['Dinner 10:00'], outlook: ['Dinner 10:00 (new)'], open: [] },
    booking: {
      says: 'Outlook is asked once more; if it still refuses, a new event takes the place of this one.',
      reserved: ['Dinner 10:00'],
      outlook: ['Dinner 10:00 (new)'],
      open: [],
    },
    outlook: { says: 'The reservation is changed back to this.', ...asDinner },
  },
  'rejected deletion': {
    cancelled: null,
    withdrawn: nothing,
    booking: { says: 'Outlook is asked once more to delete the event.', ...nothing },
    outlook: { says: 'The event stays and becomes a new reservation.', ...asDinner },
    lift: true,
  },
  'rejected decline': {
    cancelled: null,
    withdrawn: nothing,
    booking: { says: 'The room declines once more.', ...nothing, declined: 1 },
    outlook: { says: 'The event stays and becomes a new reservation.', ...asDinner },
    lift: true,
  },
  free: {
    cancelled: { ...nothing, declined: 1 },
    withdrawn: nothing,
    booking: { says: 'The meeting is shown as busy again in the room.', ...asDinner },
    outlook: {
      says: 'The reservation is cancelled in this room.',
      ...nothing,
      outlook: ['Dinner 15:00'],
    },
  },
  orphan: {
    cancelled: null,
    withdrawn: nothing,
    booking: { says: 'The event is deleted in Outlook.', ...nothing },
    outlook: { says: 'It becomes a new reservation.', ...asDinner },
  },
};

async function lift({ w }: Case): Promise<void> {
  w.outlook.fail(null);
  w.outlook.refuseAnswers(false);
  await w.db.query('DROP TRIGGER IF EXISTS keep_it ON bb_event');
}

const endpoint = (w: Rooms) =>
  createConflicts(w.db.pool, async () => {
    const call: Pick<Call, 'foldAll' | 'settled'> = {
      foldAll: async () => void (await w.fold()),
      settled: async (chosen) => {
        await w.settle();
        const outcome = { action: 'unchanged', eventId: null, title: null, error: null, hint: null } as const;
        return chosen.map((one) => ({ ...one, ...outcome }));
      },
    };
    return call as Call;
  });
const never = new AbortController().signal;

describe.each(Object.keys(kinds) as Kind[])('a conflict: %s', (kind) => {
  const { cancelled, withdrawn, booking, outlook, lift: lifts = false } = table[kind];
  const make = async (): Promise<Case> => {
    const made = await kinds[kind]();
    expect((await conflicts(made.w)).map((one) => one.kind)).toEqual([/^\w+/.exec(kind)![0]]);
    return made;
  };

  test.skipIf(cancelled === null)('ends when its reservation is cancelled', async () => {
    const made = await make();
    await using w = made.w;
    await lift(made);
    await w.desk.cancel(made.reservation!);
    await w.settle();
    await heard(w);
    expect(await world(made)).toMatchObject(cancelled!);
  });

  test.skipIf(withdrawn === null)('ends when its event is withdrawn', async () => {
    const made = await make();
    await using w = made.w;
    await lift(made);
    w.outlook.remove(made.event.id);
    await heard(w);
    expect(await world(made)).toMatchObject(withdrawn!);
  });

  test.each([
    ['booking', booking],
    ['outlook', outlook],
  ] as const)('does what it says when a person keeps %s', async (keep, { says, ...expected }) => {
    const made = await make();
    await using w = made.w;
    const { list, resolve: choose } = endpoint(w);
    const [listed] = await list(10);
    expect(effectsOf(listed!)[keep]).toBe(says);
    if (lifts) await lift(made);
    expect(await choose([listed!], keep, never)).toMatchObject([{ conflict: { id: listed!.id } }]);
    await heard(w);
    expect(await world(made)).toMatchObject(expected);
  });

  test('is not listed any more when its room is taken away, and is there again with the room', async () => {
    const made = await make();
    await using w = made.w;
    const before = await world(made);
    await w.db.query('UPDATE bridge_resource_mappings SET active = 0');
    expect(await endpoint(w).list(10)).toEqual([]);
    await w.db.query('UPDATE bridge_resource_mappings SET active = 1');
    await w.settle();
    expect(await world(made)).toEqual(before);
    expect(await endpoint(w).list(10)).toHaveLength(1);
  });

  test('keeps the choice of a person through an outage of Outlook', async () => {
    const made = await make();
    await using w = made.w;
    const away = failed(new Retryable('no answer', { reach: 'item', afterMs: 0 }));
    let fails = 2;
    w.outlook.fail((write) =>
      fails-- > 0 ? away : kind === 'rejected' && write.do === 'change' ? crossing() : null,
    );
    w.outlook.refuseAnswers(false);
    await resolve(w, 'booking');
    await heard(w);
    const { says: _says, ...expected } = booking;
    expect(await world(made)).toMatchObject(expected);
  });
});

describe('a choice', () => {
  test('is not carried out when the reservation of a meeting was cancelled meanwhile', async () => {
    const { w, reservation, ...made } = await kinds.moved();
    await using _ = w;
    const { list, resolve: choose } = endpoint(w);
    const [listed] = await list(10);
    await w.desk.cancel(reservation);
    expect(await choose([listed!], 'outlook', never)).toMatchObject([{ state: 'changed' }]);
    await w.settle();
    expect(await world({ w, reservation, ...made })).toEqual({ ...nothing, declined: 1 });
  });

  test('is not carried out on an event that was moved to a free time meanwhile', async () => {
    const { w, event } = await kinds.overlap();
    await using _ = w;
    w.outlook.edit(event.id, { startsAt: at(4, '09:00'), endsAt: at(4, '10:00') });
    await resolve(w, 'booking');
    await heard(w);
    expect(w.outlook.in(room).map(({ id }) => id)).toContain(event.id);
    expect(await conflicts(w)).toEqual([]);
    expect(await w.reserved()).toHaveLength(2);
  });

  test('between two titles cancels nothing when the event is deleted meanwhile', async () => {
    const { w, event } = await kinds.fields();
    await using _ = w;
    w.outlook.remove(event.id);
    await w.notify();
    await resolve(w, 'outlook');
    expect((await w.reserved()).map(({ active }) => active)).toEqual([true]);
    expect((await conflicts(w)).map(({ kind }) => kind)).toEqual(['deleted']);
  });

  test('is refused when it is about what a page showed before', async () => {
    const { w } = await kinds.fields();
    await using _ = w;
    const { list, resolve: choose } = endpoint(w);
    const [listed] = await list(10);
    await w.db.query(`UPDATE bb_event SET name = 'Quartet'`);
    await w.settle();
    expect(await choose([listed!], 'booking', never)).toMatchObject([{ state: 'changed' }]);
    expect(await choose([{ id: listed!.id, version: null }], 'booking', never)).toMatchObject([
      { conflict: { kind: 'fields' } },
    ]);
  });
});

describe('a meeting that the booking system moved away from', () => {
  test('is taken back at once when the reservation goes back to its time', async () => {
    const made = await kinds.moved();
    await using w = made.w;
    const { startsAt, endsAt } = dinner();
    await w.db.query(
      `WITH d AS (UPDATE bb_event_date SET from_ = $1::timestamptz AT TIME ZONE 'Europe/Oslo', to_ = $2::timestamptz AT TIME ZONE 'Europe/Oslo')
       UPDATE bb_event SET from_ = $1::timestamptz AT TIME ZONE 'Europe/Oslo', to_ = $2::timestamptz AT TIME ZONE 'Europe/Oslo'`,
      [startsAt, endsAt],
    );
    await w.settle();
    expect(await world(made)).toEqual(asDinner);
  });

  test('is declined when its reservation leaves the room, as without a conflict', async () => {
    const w = await open({}, both);
    await using _ = w;
    const { event, reservation } = await invited(w);
    await w.desk.move(reservation as Reservation, w.day(5, '10:00'), w.day(5, '11:00'));
    await w.settle();
    expect((await conflicts(w)).map(({ kind }) => kind)).toEqual(['moved']);
    await w.desk.moveTo(reservation as Reservation, 102);
    await w.settle();
    expect(await conflicts(w)).toEqual([]);
    expect(w.outlook.answers).toMatchObject([{ id: event.id, answer: 'decline' }]);
    expect(w.outlook.in(room)).toEqual([]);
    expect(w.outlook.titles(other)).toEqual(['Dinner']);
    expect((await w.reserved(102)).map(({ active }) => active)).toEqual([true]);
  });

  test('in two rooms is declined in the one that its reservation leaves, and waits in the other', async () => {
    const w = await open({}, both);
    await using _ = w;
    const first = w.outlook.invite(room, dinner(), { iCalUId: 'one meeting' });
    const second = w.outlook.invite(other, dinner(), { iCalUId: 'one meeting' });
    await heard(w, 101, 102);
    const [reservation] = await w.reserved();
    await w.desk.move(reservation as Reservation, w.day(5, '10:00'), w.day(5, '11:00'));
    await w.settle();
    await w.desk.moveTo(reservation as Reservation, 102);
    await w.settle();
    expect((await conflicts(w)).map(({ kind }) => kind)).toEqual(['moved']);
    expect(w.outlook.answers).toMatchObject([{ id: first.id, answer: 'decline' }]);
    expect(w.outlook.in(other).map(({ id }) => id)).toContain(second.id);
  });

  test('waits on while the room has to answer it again', async () => {
    const { w, event } = await kinds.moved();
    await using _ = w;
    w.outlook.alter(event.id, { shows: { is: 'undecided', item: dinner({ endsAt: at(3, '18:00') }) } });
    await heard(w);
    expect((await conflicts(w)).map(({ kind }) => kind)).toEqual(['moved']);
  });

  test('is not declined while the brake holds the loss of its reservation', async () => {
    const w = await open({ brake: { max: 1, share: 0.01 } });
    await using _ = w;
    for (const day of [6, 7, 8])
      await w.desk.book(101, { from: w.day(day, '10:00'), to: w.day(day, '11:00') });
    await w.settle();
    const { event, reservation } = await invited(w);
    await w.desk.move(reservation as Reservation, w.day(5, '10:00'), w.day(5, '11:00'));
    await w.settle();
    await w.db.query('TRUNCATE bb_event CASCADE');
    await w.settle();
    await heard(w);
    expect(w.outlook.answers).toEqual([]);
    expect(w.outlook.in(room).map(({ id }) => id)).toContain(event.id);
  });
});

describe('a reservation that Outlook refuses to move', () => {
  test('says so with both versions, and is moved when the clerk chooses a time that Outlook takes', async () => {
    const made = await kinds.rejected();
    await using w = made.w;
    const [listed] = await endpoint(w).list(10);
    expect(listed).toMatchObject({
      kind: 'rejected',
      message: expect.stringContaining('ErrorOccurrenceCrossingBoundary'),
      booking: { title: 'Dinner' },
      outlook: dinner(),
    });
    await lift(made);
    await w.desk.move(made.reservation as Reservation, w.day(4, '10:00'), w.day(4, '11:00'));
    await w.settle();
    expect(await world(made)).toEqual({
      ...nothing,
      reserved: ['Dinner 10:00'],
      outlook: ['Dinner 10:00'],
    });
  });

  test('has one new event, and the old one goes, though the answer to its create is lost', async () => {
    const made = await kinds.rejected();
    await using w = made.w;
    let lost = false;
    w.outlook.fail((write, apply) => {
      if (write.do === 'change') return crossing();
      if (write.do !== 'create' || lost) return null;
      lost = true;
      apply();
      return failed(new Retryable('no answer', { ambiguous: true, reach: 'item', afterMs: 0 }));
    });
    await resolve(w, 'booking');
    await heard(w);
    expect(await world(made)).toEqual({
      ...nothing,
      reserved: ['Dinner 10:00'],
      outlook: ['Dinner 10:00 (new)'],
    });
  });

  test('loses nothing when its new event is refused, too', async () => {
    const made = await kinds.rejected();
    await using w = made.w;
    w.outlook.fail(() => crossing());
    await resolve(w, 'booking');
    await heard(w);
    expect(await world(made)).toEqual({
      reserved: ['Dinner 10:00'],
      outlook: ['Dinner 15:00'],
      declined: 0,
      open: ['rejected'],
    });
  });
});

describe('a conflict: gone', () => {
  /** Two events of three are deleted, which is more than the brake lets go. */
  async function held() {
    const w = await open({ brake: { max: 1, share: 0.01 } });
    const events = [3, 4, 5].map((day) =>
      w.outlook.put(
        room,
        dinner({ title: `Dinner ${day}`, startsAt: at(day, '15:00'), endsAt: at(day, '17:00') }),
        null,
      ),
    );
    await heard(w);
    const reservations = await w.reserved();
    for (const { id } of events.slice(0, 2)) w.outlook.remove(id);
    await heard(w);
    const sides = async () => ({
      reserved: (await w.reserved())
        .filter(({ active }) => active)
        .map(({ item }) => item.title)
        .toSorted(),
      outlook: w.outlook.titles(room).toSorted(),
      open: (await conflicts(w)).map(({ kind }) => kind),
    });
    const all = ['Dinner 3', 'Dinner 4', 'Dinner 5'];
    expect(await sides()).toEqual({ reserved: all, outlook: ['Dinner 5'], open: ['gone', 'gone'] });
    return { w, events, reservations, sides, all };
  }
  const answer = ({ w }: Awaited<ReturnType<typeof held>>) =>
    createHeldRemovals(w.db.pool, async () => ({ settled: w.settle }) as never);

  test('ends when its reservation is cancelled, and the others stay', async () => {
    const made = await held();
    await using w = made.w;
    await w.desk.cancel(made.reservations[0]!);
    await w.settle();
    expect(await made.sides()).toEqual({
      reserved: ['Dinner 4', 'Dinner 5'],
      outlook: ['Dinner 5'],
      open: ['gone'],
    });
  });

  test('ends when its event has returned, and the others stay', async () => {
    const made = await held();
    await using w = made.w;
    w.outlook.restore(made.events[0]!);
    await heard(w);
    expect(await made.sides()).toEqual({
      reserved: made.all,
      outlook: ['Dinner 3', 'Dinner 5'],
      open: ['gone'],
    });
  });

  test.each([
    ['release', 'is cancelled', { reserved: ['Dinner 5'], outlook: ['Dinner 5'], open: [] }],
    [
      'refuse',
      'gets a fresh event',
      {
        reserved: ['Dinner 3', 'Dinner 4', 'Dinner 5'],
        outlook: ['Dinner 3', 'Dinner 4', 'Dinner 5'],
        open: [],
      },
    ],
  ] as const)('does what it says when a person says %s: the reservation %s', async (what, _, expected) => {
    const made = await held();
    await using w = made.w;
    await answer(made)[what]({ resourceId: 101, mappings: null }, never);
    await w.settle();
    await heard(w);
    expect(await made.sides()).toEqual(expected);
  });

  test('is not chosen in as other conflicts are', async () => {
    const made = await held();
    await using w = made.w;
    expect(await endpoint(w).list(10)).toEqual([]);
  });

  test('stays when its room is taken away and comes back', async () => {
    const made = await held();
    await using w = made.w;
    const before = await made.sides();
    await w.db.query('UPDATE bridge_resource_mappings SET active = 0');
    await w.db.query('UPDATE bridge_resource_mappings SET active = 1');
    await w.settle();
    expect(await made.sides()).toEqual(before);
  });
});
