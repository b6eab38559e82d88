import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { changedFields, itemFields, type Item } from '../../../src/item.ts';
import { merge, type Changes } from '../../../src/sync/decide/merge.ts';
import { anyItem, isTime } from './any-item.ts';

const base: Item = {
  startsAt: '2026-12-01T10:00:00Z',
  endsAt: '2026-12-01T12:00:00Z',
  allDay: false,
  title: 'Choir',
  description: '',
  isPrivate: false,
};
const edits = (
  booking: Partial<Item>,
  outlook: Partial<Item>,
  prefer: Changes['prefer'] = 'booking',
): Changes => ({
  booking,
  outlook,
  wanted: { ...base, ...booking },
  shown: { ...base, ...outlook },
  prefer,
});

describe('times', () => {
  test('of both sides mix when the mixture is a time', () =>
    expect(merge(edits({ startsAt: '2026-12-01T09:00:00Z' }, { endsAt: '2026-12-01T13:00:00Z' }))).toEqual({
      toOutlook: { startsAt: '2026-12-01T09:00:00Z' },
      toBooking: { endsAt: '2026-12-01T13:00:00Z' },
      open: [],
      overruled: [],
    }));

  // the booking system begins later than Outlook ends
  const crossed = [{ startsAt: '2026-12-01T11:30:00Z' }, { endsAt: '2026-12-01T11:00:00Z' }] as const;
  test('that would end before they start are those of who is preferred', () => {
    expect(merge(edits(...crossed, 'booking'))).toEqual({
      toOutlook: { startsAt: '2026-12-01T11:30:00Z', endsAt: '2026-12-01T12:00:00Z' },
      toBooking: {},
      open: [],
      overruled: ['startsAt', 'endsAt'],
    });
    expect(merge(edits(...crossed, 'outlook'))).toEqual({
      toOutlook: {},
      toBooking: { startsAt: '2026-12-01T10:00:00Z', endsAt: '2026-12-01T11:00:00Z' },
      open: [],
      overruled: ['startsAt', 'endsAt'],
    });
  });
  test('that would end before they start wait for a person when neither side is preferred', () =>
    expect(merge(edits(...crossed, null))).toEqual({
      toOutlook: {},
      toBooking: {},
      open: ['startsAt', 'endsAt'],
      overruled: [],
    }));
  test('of a whole day that would begin at noon are those of who is preferred', () =>
    expect(
      merge(
        edits(
          { endsAt: '2026-12-01T13:00:00Z' },
          { startsAt: '2026-11-30T23:00:00Z', endsAt: '2026-12-01T23:00:00Z', allDay: true },
          'booking',
        ),
      ),
    ).toEqual({
      toOutlook: { startsAt: base.startsAt, endsAt: '2026-12-01T13:00:00Z', allDay: false },
      toBooking: {},
      open: [],
      overruled: ['startsAt', 'endsAt', 'allDay'],
    }));
  test('wait together: a side that is open in one of them is not given another one', () =>
    expect(
      merge(
        edits(
          { startsAt: '2026-12-01T09:00:00Z', endsAt: '2026-12-01T13:00:00Z' },
          { startsAt: '2026-12-01T11:00:00Z' },
          null,
        ),
      ),
    ).toEqual({ toOutlook: {}, toBooking: {}, open: ['startsAt', 'endsAt'], overruled: [] }));
});

describe('texts', () => {
  test('of both sides mix', () =>
    expect(merge(edits({ title: 'Brass band' }, { description: 'Bring chairs' }))).toEqual({
      toOutlook: { title: 'Brass band' },
      toBooking: { description: 'Bring chairs' },
      open: [],
      overruled: [],
    }));
  test('that both sides changed to the same need nothing', () =>
    expect(merge(edits({ title: 'Brass band' }, { title: ' Brass  band ' }))).toEqual({
      toOutlook: {},
      toBooking: {},
      open: [],
      overruled: [],
    }));
});

/** Both sides begin with the same item and edit it. */
const anyEdits = fc
  .tuple(anyItem, anyItem, anyItem, fc.constantFrom('booking', 'outlook', null))
  .map(([before, wanted, shown, prefer]): Changes => ({
    booking: changedFields(before, wanted),
    outlook: changedFields(before, shown),
    wanted,
    shown,
    prefer,
  }));

describe('whatever both sides changed', () => {
  test('it makes no difference which side is called which', () => {
    fc.assert(
      fc.property(anyEdits, (changes) => {
        const swapped = merge({
          booking: changes.outlook,
          outlook: changes.booking,
          wanted: changes.shown,
          shown: changes.wanted,
          prefer: changes.prefer === null ? null : changes.prefer === 'booking' ? 'outlook' : 'booking',
        });
        const merged = merge(changes);
        expect(swapped).toEqual({
          ...merged,
          toOutlook: merged.toBooking,
          toBooking: merged.toOutlook,
        });
      }),
    );
  });

  test('each edit goes to the other side, was overruled, or is open', () => {
    fc.assert(
      fc.property(anyEdits, (changes) => {
        const { toOutlook, toBooking, open, overruled } = merge(changes);
        const differing = Object.keys(changedFields(changes.shown, changes.wanted));
        for (const field of itemFields.filter((one) => differing.includes(one)))
          expect(
            [field in toOutlook, field in toBooking].filter(Boolean).length + Number(open.includes(field)),
            field,
          ).toBe(1);
        for (const field of overruled) expect(field in toOutlook || field in toBooking).toBe(true);
      }),
    );
  });

  test('what each side is given beside what it shows has times that make sense', () => {
    fc.assert(
      fc.property(anyEdits, (changes) => {
        const { toOutlook, toBooking } = merge(changes);
        const sides = [
          [changes.wanted, toBooking],
          [changes.shown, toOutlook],
        ] as const;
        for (const [side, given] of sides)
          if (Object.keys(given).some((field) => ['startsAt', 'endsAt', 'allDay'].includes(field)))
            expect(isTime({ ...side, ...given }), JSON.stringify({ side, given })).toBe(true);
      }),
      { numRuns: 2_000 },
    );
  });
});
