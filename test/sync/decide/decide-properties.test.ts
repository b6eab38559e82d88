/** What holds whatever the two sides look like. The model that carries decisions out is two-sides.ts. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { changedFields, itemFields, sameItem, type Item, type ItemChange } from '../../../src/item.ts';
import { decide } from '../../../src/sync/decide/decide.ts';
import { anyItem, isTime } from './any-item.ts';
import { carryOut, sends, settle, sidesOf, type Setup, type World } from './two-sides.ts';

const asGiven = (item: Item) => item;
/** As Exchange does it to texts. */
const rewritten = (item: Item): Item => ({ ...item, title: `${item.title.slice(0, 3)}…`, description: '' });
const anyRewriting = fc.constantFrom(asGiven, rewritten);

const anyIntent = fc.constantFrom('remove' as const, 'renew' as const, null);
const anySetup: fc.Arbitrary<Setup> = fc.record({
  intent: anyIntent,
  inWindow: fc.boolean(),
  ended: fc.boolean(),
  covered: fc.boolean(),
  coverConfirmed: fc.boolean(),
  direction: fc.constantFrom('both', 'booking_to_outlook', 'outlook_to_booking'),
  prefer: fc.constantFrom('booking', 'outlook', null),
});
/** Nothing but the two sides and who is preferred. */
const plain = (prefer: Setup['prefer'] = 'booking', direction: Setup['direction'] = 'both'): Setup => ({
  intent: null,
  inWindow: true,
  ended: false,
  covered: false,
  coverConfirmed: false,
  direction,
  prefer,
});

const synced = (item: Item, rewrite: (item: Item) => Item, isOrganizer = true): World => ({
  booking: item,
  event: rewrite(item),
  agreed: item,
  outlookBase: rewrite(item),
  hasEvent: true,
  isOrganizer,
  cancelled: false,
  intent: null,
  forgotten: false,
});

/** A mapping that was in step once, with whatever both sides did since; or one that never was. */
const anyWorld: fc.Arbitrary<{ readonly world: World; readonly rewrite: (item: Item) => Item }> = fc
  .record({
    before: anyItem,
    rewrite: anyRewriting,
    booking: fc.oneof(fc.constant('as before' as const), fc.option(anyItem)),
    event: fc.oneof(anyItem, fc.constantFrom('as before' as const, 'absent' as const, 'released' as const)),
    isOrganizer: fc.boolean(),
    knowledge: fc.constantFrom('whole', 'partly', 'none', 'new', 'cancelled'),
    sent: fc.subarray([...itemFields]),
    intent: anyIntent,
  })
  .map(({ before, rewrite, knowledge, sent, booking, event, ...now }) => {
    const start = synced(before, rewrite);
    const world: World = {
      ...start,
      ...now,
      booking: booking === 'as before' ? start.booking : booking,
      event: event === 'as before' ? start.event : event,
    };
    if (knowledge === 'partly') return { rewrite, world: { ...world, agreed: leaving(before, sent) } };
    if (knowledge === 'none') return { rewrite, world: { ...world, agreed: null, outlookBase: null } };
    if (knowledge === 'cancelled')
      return { rewrite, world: { ...world, cancelled: true, outlookBase: null, event: 'absent' } };
    if (knowledge === 'new')
      return {
        rewrite,
        world: {
          ...world,
          agreed: null,
          outlookBase: null,
          hasEvent: false,
          isOrganizer: true,
          event: 'absent',
        },
      };
    return { rewrite, world };
  });

const leaving = (item: Item, fields: readonly string[]): ItemChange =>
  Object.fromEntries(Object.entries(item).filter(([field]) => !fields.includes(field)));

const check = <T extends [unknown, ...unknown[]]>(
  arbitraries: { [K in keyof T]: fc.Arbitrary<T[K]> },
  holds: (...values: T) => void,
) => fc.assert(fc.property(...arbitraries, holds), { numRuns: 2_000 });

describe('whatever the two sides look like', () => {
  test('after two rounds nothing is sent any more', () =>
    check([anyWorld, anySetup], ({ world, rewrite }, setup) => {
      const { world: after, actions } = settle(world, setup, rewrite, 2);
      const third = decide(sidesOf(after, setup));
      expect(sends(third), JSON.stringify([...actions, third])).toBe(false);
    }));

  test('what Outlook took and was not written down ends as what was', () =>
    check([anyWorld, anySetup], ({ world, rewrite }, setup) => {
      const action = decide(sidesOf(world, setup));
      const isRemoval = action.do === 'remove' || action.do === 'decline';
      // the booking system's part is written down with it, and of a create the idempotency key sees to that
      if (!isRemoval && (action.do !== 'change' || Object.keys(action.toBooking).length > 0)) return;
      // what Exchange made of the words looks like an edit of a person, and where Outlook is preferred that is taken
      if (!isRemoval && rewrite === rewritten && setup.prefer === 'outlook') return;
      const once = carryOut(world, action, rewrite);
      const unsettled: World = {
        ...world,
        booking: once.booking,
        event: once.event,
        // written down before it is sent
        intent: isRemoval ? 'remove' : world.intent,
      };
      const [settled, again] = [once, unsettled].map((one) => settle(one, setup, rewrite, 3).world);
      expect([again!.booking, again!.event], JSON.stringify(action)).toEqual([
        settled!.booking,
        settled!.event,
      ]);
    }));

  test('an event is deleted or declined only when its reservation is not wanted, or is shown by its cover', () =>
    check([anyWorld, anySetup], ({ world }, setup) => {
      const action = decide(sidesOf(world, setup));
      if (action.do === 'decline') expect(world.booking).toBeNull();
      if (action.do === 'remove')
        expect(world.booking === null || (setup.covered && setup.coverConfirmed)).toBe(true);
      if (action.do === 'remove') expect(world.isOrganizer).toBe(true);
      if (action.do === 'remove' || action.do === 'decline')
        expect(setup.direction).not.toBe('outlook_to_booking');
    }));

  test('a reservation is cancelled only when its event is lost and both had agreed, or Outlook is preferred', () =>
    check([anyWorld, anySetup], ({ world }, setup) => {
      if (decide(sidesOf(world, setup)).do !== 'cancel-booking') return;
      expect(['absent', 'released']).toContain(world.event);
      expect(world.intent !== null || setup.ended || setup.direction === 'booking_to_outlook').toBe(false);
      expect(sameItem(world.agreed, world.booking) || setup.prefer === 'outlook').toBe(true);
      expect(Object.keys(world.agreed ?? {})).not.toEqual([]);
    }));

  test('nothing from Outlook changes what has ended', () =>
    check([anyWorld, anySetup], ({ world, rewrite }, setup) => {
      const after = settle(world, { ...setup, ended: true }, rewrite, 3);
      expect(after.world.booking).toEqual(world.booking);
    }));

  test("somebody else's meeting is never written", () =>
    check([anyWorld, anySetup], ({ world }, setup) => {
      if (world.isOrganizer || !world.hasEvent) return;
      const action = decide(sidesOf(world, setup));
      if (action.do === 'change') expect(action.change).toEqual({});
      expect(action.do).not.toBe('remove');
    }));

  test('a room that is only shown the bookings changes none, one that only takes events changes none', () =>
    check([anyWorld, anySetup], ({ world, rewrite }, setup) => {
      const shown = settle(world, { ...setup, direction: 'booking_to_outlook' }, rewrite, 3);
      expect(shown.world.booking).toEqual(world.booking);
      const taking = settle(world, { ...setup, direction: 'outlook_to_booking' }, rewrite, 3);
      for (const action of taking.actions)
        if (action.do === 'change') expect(action.change).toEqual({});
        else expect(['create', 'remove', 'decline']).not.toContain(action.do);
    }));

  test('the booking system is never given times that make no sense', () =>
    check([anyWorld, anySetup], ({ world, rewrite }, setup) => {
      for (const rounds of [1, 2]) {
        const { booking } = settle(world, setup, rewrite, rounds).world;
        if (booking !== null) expect(isTime(booking), JSON.stringify(booking)).toBe(true);
      }
    }));

  test('no second event is made while one is there', () =>
    check([anyWorld, anySetup], ({ world }, setup) => {
      if (decide(sidesOf(world, setup)).do !== 'create') return;
      expect(!world.hasEvent || world.cancelled || typeof world.event === 'string').toBe(true);
    }));
});

describe('an edit', () => {
  test('made in Outlook alone reaches the booking system, and Outlook keeps it', () =>
    check([anyItem, anyItem, anyRewriting, fc.boolean()], (before, edited, rewrite, isOrganizer) => {
      const start = synced(before, rewrite, isOrganizer);
      const event = { ...rewrite(before), ...changedFields(before, edited) };
      const { world } = settle({ ...start, event }, plain(), rewrite, 2);
      expect(world.event).toEqual(event);
      expect(world.booking).toEqual({ ...before, ...changedFields(start.outlookBase, event) });
    }));

  test('made in the booking system alone reaches Outlook, and the booking system keeps it', () =>
    check([anyItem, anyItem, anyRewriting], (before, edited, rewrite) => {
      const { world } = settle({ ...synced(before, rewrite), booking: edited }, plain(), rewrite, 2);
      expect(world.booking).toEqual(edited);
      const written = changedFields(before, edited);
      expect(world.event).toEqual({
        ...rewrite(before),
        ...pickFrom(rewrite(edited), Object.keys(written)),
      });
    }));

  test('of either side is never lost silently: it is sent, overruled, or open', () =>
    check(
      [anyItem, anyItem, anyItem, anyRewriting, fc.constantFrom('booking', 'outlook', null)],
      (before, booking, event, rewrite, prefer) => {
        const world = { ...synced(before, rewrite), booking, event };
        const action = decide(sidesOf(world, plain(prefer)));
        const byBooking = changedFields(before, booking);
        const byOutlook = changedFields(rewrite(before), event);
        const differing = Object.keys(changedFields(event, booking));
        if (action.do !== 'change') {
          for (const field of differing) expect(field in byBooking || field in byOutlook, field).toBe(false);
          return;
        }
        for (const field of differing.filter((one) => one in byBooking))
          expect(field in action.change || [...action.overruled, ...action.open].includes(field), field).toBe(
            true,
          );
        for (const field of differing.filter((one) => one in byOutlook))
          expect(
            field in action.toBooking || [...action.overruled, ...action.open].includes(field),
            field,
          ).toBe(true);
      },
    ));

  test('of both sides to different fields ends with both showing both', () =>
    check(
      [anyItem, anyItem, fc.subarray(['title', 'description', 'isPrivate'] as const)],
      (before, after, mine) => {
        const booking = { ...before, ...pickFrom(after, mine) };
        const event = {
          ...before,
          ...pickFrom(
            after,
            ['title', 'description', 'isPrivate'].filter((field) => !mine.some((one) => one === field)),
          ),
        };
        const { world } = settle({ ...synced(before, asGiven), booking, event }, plain(null), asGiven, 2);
        expect(world.booking).toEqual(world.event);
      },
    ));
});

const pickFrom = (item: Item, fields: readonly string[]): ItemChange =>
  Object.fromEntries(Object.entries(item).filter(([field]) => fields.includes(field)));
