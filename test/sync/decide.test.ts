import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Item } from '../../src/item.ts';
import { sameItem } from '../../src/item.ts';
import { decide, type Action, type Sides } from '../../src/sync/decide.ts';

const choir: Item = {
  startsAt: '2026-12-01T17:00:00Z',
  endsAt: '2026-12-01T19:00:00Z',
  allDay: false,
  title: 'Choir',
  description: '',
  isPrivate: false,
};
const fresh: Sides = {
  agreed: null,
  wanted: choir,
  outlook: null,
  hasEvent: false,
  inWindow: true,
  covered: false,
  coverConfirmed: false,
  cancelled: false,
};
const synced: Sides = { ...fresh, agreed: choir, outlook: choir, hasEvent: true };

describe('a reservation that Outlook does not show', () => {
  test('gets an event', () => expect(decide(fresh)).toEqual({ do: 'create', item: choir }));
  test('gets a fresh event when it is re-enabled', () =>
    expect(decide({ ...synced, cancelled: true })).toEqual({ do: 'create', item: choir }));
  test('gets none outside the window', () =>
    expect(decide({ ...fresh, inWindow: false })).toEqual({ do: 'settle', as: 'forget' }));
  test('gets none while something more important takes its whole time', () =>
    expect(decide({ ...fresh, covered: true })).toEqual({ do: 'settle', as: 'shadowed' }));
  test('is forgotten when it is cancelled before it was ever shown', () =>
    expect(decide({ ...fresh, wanted: null })).toEqual({ do: 'settle', as: 'forget' }));
});

describe('a reservation that Outlook shows', () => {
  test('is left alone while nothing changes', () =>
    expect(decide(synced)).toEqual({ do: 'settle', as: 'synced' }));
  test('is moved with nothing but its new times', () => {
    const moved = { ...choir, startsAt: '2026-12-01T18:00:00Z', endsAt: '2026-12-01T20:00:00Z' };
    const change = { startsAt: moved.startsAt, endsAt: moved.endsAt };
    expect(decide({ ...synced, wanted: moved })).toEqual({ do: 'change', item: moved, change });
  });
  test('is moved even out of the window, once', () => {
    const moved = { ...choir, startsAt: '2036-12-01T18:00:00Z' };
    expect(decide({ ...synced, wanted: moved, inWindow: false })).toMatchObject({ do: 'change' });
  });
  test('is deleted when the reservation is cancelled or gone', () =>
    expect(decide({ ...synced, wanted: null })).toEqual({ do: 'remove', as: 'cancelled' }));
  test('is not deleted a second time', () =>
    expect(decide({ ...synced, wanted: null, cancelled: true })).toEqual({ do: 'settle', as: 'cancelled' }));
  test('waits under new cover until that is seen in Outlook', () =>
    expect(decide({ ...synced, covered: true })).toEqual({ do: 'wait' }));
  test('goes once its cover is seen', () =>
    expect(decide({ ...synced, covered: true, coverConfirmed: true })).toEqual({
      do: 'remove',
      as: 'shadowed',
    }));
  test('is corrected, and only where it differs, when its event was found rather than written', () => {
    const found = { ...choir, title: 'Choir (old)' };
    expect(decide({ ...synced, agreed: null, outlook: found })).toEqual({
      do: 'change',
      item: choir,
      change: { title: 'Choir' },
    });
  });
});

const anyItem: fc.Arbitrary<Item> = fc.record({
  startsAt: fc.constantFrom('2026-12-01T17:00:00Z', '2026-12-01T18:00:00Z'),
  endsAt: fc.constantFrom('2026-12-01T19:00:00Z', '2026-12-01T20:00:00Z'),
  allDay: fc.boolean(),
  title: fc.constantFrom('Choir', 'Brass band', ' Choir '),
  description: fc.constantFrom('', 'bring chairs', 'bring  chairs\r\n'),
  isPrivate: fc.boolean(),
});
const anySides: fc.Arbitrary<Sides> = fc.record({
  agreed: fc.option(anyItem),
  wanted: fc.option(anyItem),
  outlook: fc.option(anyItem),
  hasEvent: fc.boolean(),
  inWindow: fc.boolean(),
  covered: fc.boolean(),
  coverConfirmed: fc.boolean(),
  cancelled: fc.boolean(),
});

/** The mapping after an action was carried out without trouble. */
function after(sides: Sides, action: Action): Sides {
  switch (action.do) {
    case 'create':
    case 'change':
      return { ...sides, agreed: sides.wanted, outlook: sides.wanted, hasEvent: true, cancelled: false };
    case 'remove':
      return {
        ...sides,
        outlook: null,
        hasEvent: action.as === 'cancelled',
        cancelled: action.as === 'cancelled',
      };
    case 'settle':
      return {
        ...sides,
        agreed: action.as === 'synced' ? sides.wanted : sides.agreed,
        hasEvent: sides.hasEvent && action.as !== 'shadowed',
        cancelled: action.as === 'cancelled',
      };
    case 'wait':
      return sides;
  }
}

describe('whatever the two sides look like', () => {
  test('one step is enough: the second decision sends nothing', () => {
    fc.assert(
      fc.property(anySides, (sides) => {
        const next = decide(after(sides, decide(sides)));
        expect(['settle', 'wait']).toContain(next.do);
      }),
    );
  });
  test('afterwards Outlook shows what is wanted, or nothing when nothing is wanted', () => {
    fc.assert(
      fc.property(anySides, (sides) => {
        const action = decide(sides);
        if (action.do === 'wait' || (action.do === 'settle' && action.as !== 'synced')) return;
        if (action.do === 'settle') expect(sameItem(sides.agreed ?? sides.outlook, sides.wanted)).toBe(true);
        else if (action.do === 'remove') expect(sides.wanted === null || sides.covered).toBe(true);
        else expect(action.item).toEqual(sides.wanted);
      }),
    );
  });
  test('an event is deleted only for a reservation that is not there or is shown by its cover', () => {
    fc.assert(
      fc.property(anySides, (sides) => {
        if (decide(sides).do === 'remove')
          expect(sides.wanted === null || (sides.covered && sides.coverConfirmed)).toBe(true);
      }),
    );
  });
  test('no second event is made while one is there', () => {
    fc.assert(
      fc.property(anySides, (sides) => {
        if (decide(sides).do === 'create') expect(!sides.hasEvent || sides.cancelled).toBe(true);
      }),
    );
  });
});
