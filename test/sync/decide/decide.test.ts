/** The table of decisions in words, row by row; what holds for every row is in decide-properties.test.ts. */
import { describe, expect, test } from 'vitest';
import type { Shown } from '../../../src/event.ts';
import type { Item } from '../../../src/item.ts';
import { decide as decideSides } from '../../../src/sync/decide/decide.ts';
import { sidesOf, type Row } from './row.ts';

const choir: Item = {
  startsAt: '2026-12-01T17:00:00Z',
  endsAt: '2026-12-01T19:00:00Z',
  allDay: false,
  title: 'Choir',
  description: '',
  isPrivate: false,
};
const decide = (row: Row) => decideSides(sidesOf(row));
const shown = (item: Item): Shown => ({ is: 'occupied', item });
const fresh: Row = {
  agreed: null,
  wanted: choir,
  outlookBase: null,
  outlook: null,
  hasEvent: false,
  isOrganizer: true,
  intent: null,
  inWindow: true,
  ended: false,
  covered: false,
  coverConfirmed: false,
  cancelled: false,
  direction: 'both',
  prefer: 'booking',
};
const synced: Row = { ...fresh, agreed: choir, outlookBase: choir, hasEvent: true };
const meeting: Row = { ...synced, isOrganizer: false };
const moved: Item = { ...choir, startsAt: '2026-12-01T18:00:00Z', endsAt: '2026-12-01T20:00:00Z' };
const movedTimes = { startsAt: moved.startsAt, endsAt: moved.endsAt };
const renamed: Item = { ...choir, title: 'Brass band' };

const change = (item: Item, rest: object) => ({
  do: 'change',
  item,
  change: {},
  toBooking: {},
  open: [],
  overruled: [],
  ...rest,
});
const settle = (as: string) => ({ do: 'settle', as });

describe('a reservation without an event', () => {
  test('gets one', () => expect(decide(fresh)).toEqual({ do: 'create', item: choir }));
  test('gets a fresh one when it is re-enabled', () =>
    expect(decide({ ...synced, cancelled: true })).toEqual({ do: 'create', item: choir }));
  test('gets none outside the window', () =>
    expect(decide({ ...fresh, inWindow: false })).toEqual(settle('forget')));
  test('stays cancelled when it is re-enabled outside the window', () =>
    expect(decide({ ...synced, cancelled: true, inWindow: false })).toEqual(settle('cancelled')));
  test('gets none while a more important item takes its whole time', () =>
    expect(decide({ ...fresh, covered: true })).toEqual(settle('shadowed')));
  test('gets none in a room that only takes what Outlook gives', () =>
    expect(decide({ ...fresh, direction: 'outlook_to_booking' })).toEqual(settle('forget')));
  test('is forgotten when it is cancelled before it was ever shown', () =>
    expect(decide({ ...fresh, wanted: null })).toEqual(settle('forget')));
});

describe('a reservation that Outlook shows', () => {
  test('is left alone while nothing changes', () => expect(decide(synced)).toEqual(settle('synced')));
  test('is left alone when Outlook says again what it said', () =>
    expect(decide({ ...synced, outlook: shown(choir) })).toEqual(settle('synced')));
  test('is moved with nothing but its new times', () =>
    expect(decide({ ...synced, wanted: moved })).toEqual(change(moved, { change: movedTimes })));
  test('is moved even out of the window, once', () => {
    const far = { ...choir, startsAt: '2036-12-01T18:00:00Z', endsAt: '2036-12-01T20:00:00Z' };
    expect(decide({ ...synced, wanted: far, inWindow: false })).toMatchObject({ do: 'change' });
  });
  test('is deleted when the reservation is cancelled or gone', () =>
    expect(decide({ ...synced, wanted: null })).toEqual({ do: 'remove', as: 'cancelled' }));
  test('is deleted when the reservation is cancelled, although a person shows it as free', () =>
    expect(decide({ ...synced, wanted: null, outlook: { is: 'released' } })).toEqual({
      do: 'remove',
      as: 'cancelled',
    }));
  test('is not deleted a second time', () =>
    expect(decide({ ...synced, wanted: null, cancelled: true })).toEqual(settle('cancelled')));
  test('is cancelled without a call when both sides lost it', () =>
    expect(decide({ ...synced, wanted: null, outlook: { is: 'absent' } })).toEqual(settle('cancelled')));
  test('waits under new cover until that is seen in Outlook', () =>
    expect(decide({ ...synced, covered: true })).toEqual({ do: 'wait' }));
  test('and its own changes go out meanwhile', () =>
    expect(decide({ ...synced, wanted: moved, covered: true })).toEqual(
      change(moved, { change: movedTimes }),
    ));
  test('and what Outlook says is heard before it goes', () =>
    expect(decide({ ...synced, outlook: shown(moved), covered: true, coverConfirmed: true })).toMatchObject({
      do: 'change',
      toBooking: movedTimes,
    }));
  test('goes once its cover is seen', () =>
    expect(decide({ ...synced, covered: true, coverConfirmed: true })).toEqual({
      do: 'remove',
      as: 'shadowed',
    }));
  test('is corrected, and only where it differs, when its event was found rather than written', () => {
    const found = { ...choir, title: 'Choir (old)' };
    expect(decide({ ...synced, agreed: null, outlook: shown(found) })).toEqual(
      change(choir, { change: { title: 'Choir' } }),
    );
  });
  test('is written again where it is not known whether the last write arrived', () => {
    const { title: _unknown, ...known } = choir;
    expect(decide({ ...synced, agreed: known })).toEqual(change(choir, { change: { title: 'Choir' } }));
  });
  test('keeps its event in a room that only takes what Outlook gives, though it is cancelled', () =>
    expect(decide({ ...synced, wanted: null, direction: 'outlook_to_booking' })).toEqual(settle('synced')));
  test('is not changed in Outlook by a room that only takes what Outlook gives', () =>
    expect(decide({ ...synced, wanted: moved, direction: 'outlook_to_booking' })).toEqual(settle('synced')));
});

describe('an event edited in Outlook', () => {
  test('changes the reservation, and only what was edited', () =>
    expect(decide({ ...synced, outlook: shown(moved) })).toEqual(change(choir, { toBooking: movedTimes })));
  test('changes nothing once it has ended', () =>
    expect(decide({ ...synced, outlook: shown(moved), ended: true })).toEqual(settle('synced')));
  test('changes nothing in a room that Outlook is only shown', () =>
    expect(decide({ ...synced, outlook: shown(moved), direction: 'booking_to_outlook' })).toEqual(
      settle('synced'),
    ));
  test('changes the reservation in a room that only takes what Outlook gives', () =>
    expect(decide({ ...synced, outlook: shown(moved), direction: 'outlook_to_booking' })).toEqual(
      change(choir, { toBooking: movedTimes }),
    ));
  test('merges with what the booking system changed of other fields', () =>
    expect(decide({ ...synced, wanted: renamed, outlook: shown(moved) })).toEqual(
      change(renamed, { change: { title: renamed.title }, toBooking: movedTimes }),
    ));
  test('needs nothing when the booking system made the same edit', () =>
    expect(decide({ ...synced, wanted: moved, outlook: shown(moved) })).toEqual(settle('synced')));
  test('gives way where the booking system changed the same and is preferred', () =>
    expect(decide({ ...synced, wanted: renamed, outlook: shown({ ...choir, title: 'Orchestra' }) })).toEqual(
      change(renamed, { change: { title: renamed.title }, overruled: ['title'] }),
    ));
  test('prevails where the booking system changed the same and Outlook is preferred', () =>
    expect(
      decide({
        ...synced,
        wanted: renamed,
        outlook: shown({ ...choir, title: 'Orchestra' }),
        prefer: 'outlook',
      }),
    ).toEqual(change(renamed, { toBooking: { title: 'Orchestra' }, overruled: ['title'] })));
  test('waits for a person where both changed the same and neither side is preferred', () =>
    expect(
      decide({ ...synced, wanted: renamed, outlook: shown({ ...choir, title: 'Orchestra' }), prefer: null }),
    ).toEqual(change(renamed, { open: ['title'] })));
});

describe('an event deleted in Outlook', () => {
  for (const is of ['absent', 'released'] as const) {
    const lost: Row = { ...synced, outlook: { is } };
    test(`(${is}) cancels the reservation that both sides agreed on`, () =>
      expect(decide(lost)).toEqual({ do: 'cancel-booking' }));
    test(`(${is}) cancels nothing that has ended`, () =>
      expect(decide({ ...lost, ended: true })).toEqual(settle('synced')));
    for (const coverConfirmed of [false, true]) {
      const covered: Row = { ...lost, covered: true, coverConfirmed };
      test(`(${is}) cancels the reservation, covered or not (${coverConfirmed})`, () =>
        expect(decide(covered)).toEqual({ do: 'cancel-booking' }));
      test(`(${is}) cancels nothing that is covered if we deleted it (${coverConfirmed})`, () =>
        expect(decide({ ...covered, intent: 'remove' })).toEqual(settle('shadowed')));
      test(`(${is}) stays hidden where the booking system changed it and is preferred (${coverConfirmed})`, () =>
        expect(decide({ ...covered, wanted: renamed })).toEqual(settle('shadowed')));
    }
    test(`(${is}) comes back when the booking system changed it and is preferred`, () =>
      expect(decide({ ...lost, wanted: renamed })).toEqual({ do: 'create', item: renamed }));
    test.each(['booking', 'outlook', null] as const)(
      `(${is}) cancels what only edits in Outlook in other rooms changed (%s is preferred)`,
      (prefer) => {
        expect(decide({ ...lost, wanted: renamed, followed: renamed, prefer })).toEqual({
          do: 'cancel-booking',
        });
      },
    );
    test(`(${is}) comes back when the booking system changed it besides`, () =>
      expect(decide({ ...lost, wanted: moved, followed: renamed })).toEqual({ do: 'create', item: moved }));
    test(`(${is}) cancels what the booking system changed when Outlook is preferred`, () =>
      expect(decide({ ...lost, wanted: renamed, prefer: 'outlook' })).toEqual({ do: 'cancel-booking' }));
    test(`(${is}) waits for a person when the booking system changed it and neither side is preferred`, () =>
      expect(decide({ ...lost, wanted: renamed, prefer: null })).toEqual({ do: 'ask', about: 'deleted' }));
    test(`(${is}) comes back when it is not known what both agreed on`, () => {
      expect(decide({ ...lost, agreed: null, prefer: 'outlook' })).toEqual({ do: 'create', item: choir });
      expect(decide({ ...lost, agreed: {}, prefer: 'outlook' })).toEqual({ do: 'create', item: choir });
    });
    test(`(${is}) comes back when it was we who were deleting it`, () =>
      expect(decide({ ...lost, intent: 'remove' })).toEqual({ do: 'create', item: choir }));
    test(`(${is}) comes back in a room that Outlook is only shown`, () =>
      expect(decide({ ...lost, direction: 'booking_to_outlook' })).toEqual({ do: 'create', item: choir }));
    test(`(${is}) is forgotten rather than made again outside the window`, () =>
      expect(decide({ ...lost, wanted: renamed, inWindow: false })).toEqual(settle('forget')));
  }
});

describe('an event that cannot simply be followed', () => {
  const free: Shown = { is: 'free', item: moved };
  const undecided: Shown = { is: 'undecided', item: moved };

  for (const outlook of [undecided, { is: 'unreadable', why: 'no end' }] as const)
    test(`(${outlook.is}) changes nothing, and what the booking system says goes on`, () => {
      expect(decide({ ...synced, outlook })).toEqual(settle('synced'));
      expect(decide({ ...meeting, outlook })).toEqual(settle('synced'));
      expect(decide({ ...meeting, wanted: null, outlook })).toEqual({ do: 'decline' });
      expect(decide({ ...synced, wanted: renamed, outlook })).toEqual(
        change(renamed, { change: { title: renamed.title } }),
      );
    });
  test("(free) is shown as busy again where it is the room's own, and its edit followed", () =>
    expect(decide({ ...synced, outlook: free })).toEqual(
      change(choir, { showAs: true, toBooking: movedTimes }),
    ));
  test("(free) is for a person to choose where it is somebody else's meeting, whatever the policy", () => {
    expect(decide({ ...meeting, outlook: free, prefer: 'outlook' })).toEqual({ do: 'ask', about: 'free' });
    expect(decide({ ...meeting, outlook: free, prefer: 'outlook', chosen: true })).toEqual({
      do: 'cancel-booking',
    });
    expect(decide({ ...meeting, outlook: free, chosen: true })).toEqual(change(choir, { showAs: true }));
  });
  test('(free) goes when its reservation is cancelled', () =>
    expect(decide({ ...synced, wanted: null, outlook: free })).toEqual({
      do: 'remove',
      as: 'cancelled',
      discarded: Object.keys(movedTimes),
    }));
});

describe("somebody else's meeting", () => {
  test('is declined when its reservation is cancelled', () =>
    expect(decide({ ...meeting, wanted: null })).toEqual({ do: 'decline' }));
  test('cancels the reservation when its organiser cancels it', () =>
    expect(decide({ ...meeting, outlook: { is: 'released' } })).toEqual({ do: 'cancel-booking' }));
  test('is nothing to decline any more when its organiser cancelled it, too', () =>
    expect(decide({ ...meeting, wanted: null, outlook: { is: 'released' } })).toEqual(settle('cancelled')));
  test('is detached when the booking system moves the reservation', () =>
    expect(decide({ ...meeting, wanted: moved })).toEqual({ do: 'detach' }));
  test('is not detached when its organiser moved it to the same time', () =>
    expect(decide({ ...meeting, wanted: moved, outlook: shown(moved) })).toEqual(settle('synced')));
  test('moves the reservation when its organiser moves it', () =>
    expect(decide({ ...meeting, outlook: shown(moved) })).toEqual(change(choir, { toBooking: movedTimes })));
  test('keeps its title when the booking system changes the one of the reservation', () =>
    expect(decide({ ...meeting, wanted: renamed })).toEqual(settle('synced')));
  test('gives the reservation its title when the organiser changes that', () =>
    expect(decide({ ...meeting, wanted: renamed, outlook: shown({ ...choir, title: 'Orchestra' }) })).toEqual(
      change(renamed, { toBooking: { title: 'Orchestra' } }),
    ));
  test('stays under cover: its place is not ours to free', () =>
    expect(decide({ ...meeting, covered: true, coverConfirmed: true })).toEqual(settle('synced')));
});
