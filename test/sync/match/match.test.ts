import { describe, expect, test } from 'vitest';
import type { Item } from '../../../src/item.ts';
import { match } from '../../../src/sync/match/match.ts';
import {
  openMappingOf,
  type MappingState,
  type UnmatchedEvent,
} from '../../../src/sync/match/open-mapping.ts';
import type { SeriesEvidence } from '../../../src/sync/match/series.ts';

const choir: Item = {
  allDay: false,
  description: '',
  isPrivate: false,
  title: 'Choir',
  startsAt: '2026-05-01T16:00:00Z',
  endsAt: '2026-05-01T18:00:00Z',
};
const mapping = (change: Partial<MappingState> = {}): MappingState => ({
  id: 1,
  reservationType: 'event',
  reservationId: 7,
  eventId: null,
  status: 'pending',
  news: null,
  intent: null,
  due: true,
  present: true,
  iCalUId: null,
  originalStart: null,
  seriesMasterId: null,
  booking: choir,
  outlookBase: null,
  outlookSeen: null,
  ...change,
});
const event = (item: Partial<Item> = {}, change: Partial<UnmatchedEvent> = {}): UnmatchedEvent => ({
  id: 'a',
  iCalUId: '',
  originalStart: null,
  seriesMasterId: null,
  properties: null,
  isOrganizer: true,
  shows: { is: 'occupied', item: { ...choir, ...item } },
  ...change,
});
const found = (
  mappings: readonly MappingState[],
  events: readonly UnmatchedEvent[],
  evidence: Partial<SeriesEvidence> | null = null,
) =>
  match(
    mappings.flatMap((one) => openMappingOf(one, (item) => item) ?? []),
    events,
    evidence === null
      ? null
      : {
          kept: [],
          former: [],
          inPattern: new Map(),
          span: { from: '2026-04-01T00:00:00Z', to: '2027-04-01T00:00:00Z' },
          ...evidence,
        },
  ).map(({ mapping: { id: of }, event: { id }, by }) => [of, id, by]);

const elsewhere = { startsAt: '2026-06-01T08:00:00Z', endsAt: '2026-06-01T09:00:00Z' };
const ours = { properties: { type: 'event', id: 7 } };

describe('an event is that of a mapping without one', () => {
  test('by its record, whatever it shows', () =>
    expect(
      found([mapping()], [event({ ...elsewhere, title: 'X' }, { remembered: { type: 'event', id: 7 } })]),
    ).toEqual([[1, 'a', 'record']]));
  test('by its extended properties and its times', () =>
    expect(found([mapping()], [event({ title: 'X' }, ours)])).toEqual([[1, 'a', 'properties']]));
  test('by its extended properties and its title', () =>
    expect(found([mapping()], [event(elsewhere, ours)])).toEqual([[1, 'a', 'properties']]));
  test('by its time and title', () =>
    expect(found([mapping()], [event({ title: ' choir ' })])).toEqual([[1, 'a', 'place']]));
  test('the one at its time before the one with its title', () =>
    expect(found([mapping()], [event(elsewhere, { ...ours, id: 'b' }), event({ title: 'X' }, ours)])).toEqual(
      [[1, 'a', 'properties']],
    ));
});

describe('an event belongs to no mapping', () => {
  test('by its extended properties alone', () =>
    expect(found([mapping()], [event({ ...elsewhere, title: 'X' }, ours)])).toEqual([]));
  test('by the title that hides all private events alike', () =>
    expect(found([mapping({ booking: { ...choir, isPrivate: true } })], [event(elsewhere, ours)])).toEqual(
      [],
    ));
  test('by the properties of a meeting of another organiser', () =>
    expect(found([mapping()], [event({ ...elsewhere }, { ...ours, isOrganizer: false })])).toEqual([]));
  test('by its title alone, if its reservation is enabled again', () =>
    expect(found([mapping({ status: 'cancelled', eventId: 'old' })], [event(elsewhere, ours)])).toEqual([]));
  test('by its time and title, if it is shown as free', () =>
    expect(found([mapping()], [event({}, { shows: { is: 'free', item: choir } })])).toEqual([]));
  test('if the mapping has one', () =>
    expect(found([mapping({ eventId: 'old' })], [event({}, ours)])).toEqual([]));
  test('if we took its event away ourselves', () =>
    expect(
      found([mapping({ eventId: 'old', news: 'gone', intent: 'remove', outlookBase: choir })], [event()]),
    ).toEqual([]));
});

describe('an event takes the place of one that is gone', () => {
  const lost = (change: Partial<MappingState> = {}) =>
    mapping({ eventId: 'old', news: 'gone', outlookBase: choir, ...change });
  test('by its meeting, before any that shows the same', () =>
    expect(
      found(
        [lost({ iCalUId: 'uid' })],
        [event({}, { id: 'b' }), event({ ...elsewhere, title: 'X' }, { iCalUId: 'uid' })],
      ),
    ).toEqual([[1, 'a', 'meeting']]));
});

describe('the dates of a series whose pattern was moved', () => {
  const at = (day: number, hour = 16) =>
    new Date(Date.UTC(2026, 4, day, hour)).toISOString().replace('.000', '');
  const shown = (day: number, hour = 16): Item => ({
    ...choir,
    startsAt: at(day, hour),
    endsAt: at(day, hour + 2),
  });
  /** The id of a mapping is its day. */
  const lost = (day: number, change: Partial<MappingState> = {}) =>
    mapping({
      id: day,
      reservationId: day,
      eventId: `old ${day}`,
      news: 'gone',
      outlookBase: shown(day),
      booking: shown(day),
      originalStart: at(day),
      seriesMasterId: 'master',
      ...change,
    });
  const now = (day: number, hour = 16, change: Partial<UnmatchedEvent> = {}) =>
    event(
      { ...shown(day, hour), title: 'X' },
      { id: String(day), originalStart: at(day, hour), seriesMasterId: 'master', ...change },
    );
  const other = (day: number) => ({
    id: `old ${day}`,
    iCalUId: '',
    originalStart: at(day),
    seriesMasterId: 'master',
  });
  const pairs = (
    before: readonly number[],
    after: readonly UnmatchedEvent[],
    evidence: Partial<SeriesEvidence> = {},
  ) =>
    Object.fromEntries(
      found(
        before.map((day) => lost(day)),
        after,
        evidence,
      ).map(([id, event]) => [id, Number(event)]),
    );
  const known = (days: Record<number, boolean>) =>
    new Map(Object.entries(days).map(([day, is]) => [Number(day), is]));

  test('move with it', () =>
    expect(
      pairs(
        [3, 10, 17],
        [4, 11, 18].map((n) => now(n)),
      ),
    ).toEqual({ 3: 4, 10: 11, 17: 18 }));
  test('move with it by more than half of its interval', () =>
    expect(
      pairs(
        [3, 10, 17],
        [8, 15, 22].map((n) => now(n)),
      ),
    ).toEqual({ 3: 8, 10: 15, 17: 22 }));
  test('move with it to another time of the day, across the beginning of summer time', () =>
    expect(pairs([3, 10, 17], [now(3, 18), now(10, 17), now(17, 17)])).toEqual({ 3: 3, 10: 10, 17: 17 }));
  test('move with it in order, if they move by different times', () =>
    expect(
      pairs(
        [15, 50, 78],
        [18, 46, 81].map((n) => now(n)),
      ),
    ).toEqual({ 15: 18, 50: 46, 78: 81 }));
  test('move with it, and one that was deleted besides stays lost', () =>
    expect(
      pairs(
        [3, 10, 17, 24],
        [7, 21, 28].map((n) => now(n)),
      ),
    ).toEqual({ 3: 7, 17: 21, 24: 28 }));
  test('move with it past a date that was deleted before and is there again', () =>
    expect(
      pairs(
        [3, 17, 24],
        [8, 15, 22, 29].map((n) => now(n)),
        { former: [other(10)] },
      ),
    ).toEqual({
      3: 8,
      17: 22,
      24: 29,
    }));
  test('move with it beyond the end of the window', () =>
    expect(
      pairs(
        [3, 10, 17, 24],
        [9, 16, 23, 30].map((n) => now(n)),
        { span: { from: at(2), to: at(32) } },
      ),
    ).toEqual({ 10: 9, 17: 16, 24: 23 }));
  test('do not move if several shifts explain them', () =>
    expect(
      pairs(
        [3, 10, 17, 24],
        [7, 14, 21].map((n) => now(n)),
      ),
    ).toEqual({}));
  test('do not move if one of them is still there', () =>
    expect(
      pairs(
        [10, 17],
        [11, 18].map((n) => now(n)),
        { kept: [other(3)] },
      ),
    ).toEqual({}));
  test('do not move if one of them has only another id', () =>
    expect(
      found(
        [lost(3, { iCalUId: 'uid' }), lost(10, { iCalUId: 'uid' })],
        [now(3, 16, { iCalUId: 'uid' }), now(17, 16, { iCalUId: 'uid' })],
        {},
      ),
    ).toEqual([[3, '3', 'meeting']]));
  test('do not move if the pattern still has them', () =>
    expect(
      pairs(
        [3, 10],
        [17, 24].map((n) => now(n)),
        { inPattern: known({ 3: true, 10: true }) },
      ),
    ).toEqual({}));
  test('do not move to later dates if the pattern is unknown', () =>
    expect(
      pairs(
        [3, 10],
        [17, 24].map((n) => now(n)),
      ),
    ).toEqual({}));
  test('do not move without evidence', () =>
    expect(found([lost(3), lost(10)], [now(4), now(11)])).toEqual([]));
  test('do not move to a date that is shown as free', () =>
    expect(
      pairs([3, 10, 17], [now(4), now(11, 16, { shows: { is: 'free', item: shown(11) } }), now(18)]),
    ).toEqual({
      3: 4,
      17: 18,
    }));
  test('move if there is only one, which the pattern no longer has', () =>
    expect(pairs([3], [now(4)], { inPattern: known({ 3: false }) })).toEqual({ 3: 4 }));
  test.each([{}, { inPattern: known({ 3: true }) }])('do not move if there is only one: %o', (evidence) =>
    expect(pairs([3], [now(10)], evidence)).toEqual({}),
  );
  test('move to a series that was made anew, whose meetings carry their day in their ids', () => {
    const uid = (day: number) =>
      `040000008200E00074C5B7101A82E00807EA05${String(day).padStart(2, '0')}00000000000000000000000000000000`;
    expect(
      found(
        [3, 10].map((day) => lost(day, { iCalUId: uid(day) })),
        [4, 11].map((day) => now(day, 16, { iCalUId: uid(day), seriesMasterId: 'anew' })),
        {},
      ),
    ).toEqual([
      [3, '4', 'series'],
      [10, '11', 'series'],
    ]);
  });
});
