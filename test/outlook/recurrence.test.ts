import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { patternOf } from '../../src/outlook/recurrence.ts';
import { readRecurrence, slotDays } from '../../src/sandbox/tenant/recurrence.ts';

const dayMs = 86_400_000;
const dateOf = (ms: number) => new Date(ms).toISOString().slice(0, 10);
const weekdays = ['sunday', 'monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday'] as const;
const weekdayOf = (date: string) => weekdays[new Date(date).getUTCDay()];

interface Series {
  readonly pattern: object;
  readonly range: object;
  readonly isAllDay?: boolean;
}
const master = ({ pattern, range, isAllDay = false }: Series) => ({
  isAllDay,
  recurrence: {
    pattern: { interval: 1, firstDayOfWeek: 'sunday', ...pattern },
    range: { type: 'noEnd', startDate: '2027-01-01', recurrenceTimeZone: 'UTC', ...range },
  },
});

/** The dates from the first of 2027 on that a series has, of so many days. */
function dates(series: Series, days = 366): string[] {
  const asked = Array.from({ length: days }, (_, n) => dateOf(Date.UTC(2027, 0, 1) + n * dayMs));
  const without = patternOf(master(series))!.without(asked.map((date) => `${date}T12:00:00Z`));
  return asked.filter((date) => !without.has(`${date}T12:00:00Z`));
}

describe('a series has its dates', () => {
  test('on the second Tuesday of each month', () => {
    const found = dates({
      pattern: { type: 'relativeMonthly', daysOfWeek: ['tuesday'], index: 'second' },
      range: {},
    });
    expect(found.slice(0, 3)).toEqual(['2027-01-12', '2027-02-09', '2027-03-09']);
    expect(found).toHaveLength(12);
  });

  test('on the last working day of each second month', () => {
    const working = weekdays.slice(1, 6);
    const found = dates({
      pattern: { type: 'relativeMonthly', interval: 2, daysOfWeek: working, index: 'last' },
      range: {},
    });
    expect(found.slice(0, 3)).toEqual(['2027-01-29', '2027-03-31', '2027-05-31']);
  });

  test('once a year, by day or by weekday', () => {
    const pattern = { month: 5, dayOfMonth: 17 };
    expect(dates({ pattern: { type: 'absoluteYearly', ...pattern }, range: {} })).toEqual(['2027-05-17']);
    const thursday = { type: 'relativeYearly', month: 9, daysOfWeek: ['thursday'], index: 'first' };
    expect(dates({ pattern: thursday, range: {} })).toEqual(['2027-09-02']);
  });

  test('as the simulated tenant reckons, which does it in another way', () => {
    const pattern = fc.oneof(
      fc.constant({ type: 'daily' }),
      fc.record({
        type: fc.constant('weekly'),
        daysOfWeek: fc.uniqueArray(fc.constantFrom(...weekdays), { minLength: 1 }),
        firstDayOfWeek: fc.constantFrom(...weekdays),
      }),
      fc.record({ type: fc.constant('absoluteMonthly'), dayOfMonth: fc.integer({ min: 1, max: 31 }) }),
    );
    const range = fc.oneof(
      fc.constant({ type: 'noEnd' }),
      fc.record({
        type: fc.constant('numbered'),
        numberOfOccurrences: fc.integer({ min: 1, max: 40 }),
      }),
      fc.record({
        type: fc.constant('endDate'),
        endDate: fc.integer({ min: 0, max: 300 }).map((days) => dateOf(Date.UTC(2027, 0, 1) + days * dayMs)),
      }),
    );
    fc.assert(
      fc.property(pattern, range, fc.integer({ min: 1, max: 4 }), (of, until, interval) => {
        const { recurrence } = master({ pattern: { ...of, interval }, range: until });
        const first = Date.UTC(2027, 0, 1) / dayMs;
        const reckoned = slotDays(readRecurrence(recurrence, first, 'UTC')).upTo(first + 365);
        expect(dates({ pattern: { ...of, interval }, range: until })).toEqual(
          reckoned.filter((day) => day < first + 366).map((day) => dateOf(day * dayMs)),
        );
      }),
      { numRuns: 300 },
    );
  });
});

test('an instant is looked up on its date in the zone of the series', () => {
  const late = master({
    pattern: { type: 'weekly', daysOfWeek: [weekdayOf('2027-01-02')] },
    range: { recurrenceTimeZone: 'W. Europe Standard Time' },
  });
  const pattern = patternOf(late)!;
  expect(pattern.without(['2027-01-01T23:30:00Z', '2027-01-02T23:30:00Z'])).toEqual(
    new Set(['2027-01-02T23:30:00Z']),
  );
});

test('where the zone of the series is unknown that of its start counts', () => {
  const { recurrence } = master({
    pattern: { type: 'daily', interval: 2 },
    range: { recurrenceTimeZone: 'tzone://Microsoft/Custom' },
  });
  const pattern = patternOf({ recurrence, originalStartTimeZone: 'W. Europe Standard Time' })!;
  expect(pattern.without(['2027-01-01T23:30:00Z', '2027-01-02T23:30:00Z'])).toEqual(
    new Set(['2027-01-01T23:30:00Z']),
  );
});

test('a date of whole days is there whether midnight is that of the zone or of UTC', () => {
  const days = master({
    pattern: { type: 'weekly', daysOfWeek: [weekdayOf('2027-01-02')] },
    range: { recurrenceTimeZone: 'Tokyo Standard Time' },
    isAllDay: true,
  });
  expect(patternOf(days)!.without(['2027-01-01T15:00:00Z', '2027-01-02T00:00:00Z'])).toEqual(new Set());
});

test.each([
  ['no recurrence', { isAllDay: false, recurrence: null }],
  ['an unknown pattern', master({ pattern: { type: 'lunar' }, range: {} })],
  ['an unknown range', master({ pattern: { type: 'daily' }, range: { type: 'sometimes' } })],
  ['no interval', master({ pattern: { type: 'daily', interval: 0 }, range: {} })],
  ['weeks without days', master({ pattern: { type: 'weekly', daysOfWeek: [] }, range: {} })],
  ['a day that is none', master({ pattern: { type: 'absoluteMonthly', dayOfMonth: 32 }, range: {} })],
  ['a start of 1601', master({ pattern: { type: 'daily' }, range: { startDate: '1601-01-01' } })],
  [
    'an unknown zone',
    master({ pattern: { type: 'daily' }, range: { recurrenceTimeZone: 'tzone://Microsoft/Custom' } }),
  ],
])('%s is not understood', (_, odd) => {
  expect(patternOf(odd)).toBeNull();
});
