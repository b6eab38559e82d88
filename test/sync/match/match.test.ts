import { describe, expect, test } from 'vitest';
import type { Item } from '../../../src/item.ts';
import {
  match,
  openMappingOf,
  type UnmatchedEvent,
  type MappingState,
} from '../../../src/sync/match/match.ts';

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
const found = (mappings: readonly MappingState[], events: readonly UnmatchedEvent[]) =>
  match(
    mappings.flatMap((one) => openMappingOf(one, (item) => item) ?? []),
    events,
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
  test('by its meeting and the day it had in its series', () =>
    expect(
      found(
        [lost({ iCalUId: 'uid', originalStart: choir.startsAt })],
        [event(elsewhere, { iCalUId: 'uid', originalStart: elsewhere.startsAt })],
      ),
    ).toEqual([[1, 'a', 'series']]));
  test('of a series that was made anew, whose meetings carry their day in their ids', () => {
    const uid = (day: string) => `040000008200E00074C5B7101A82E008${day}00000000000000000000000000000000`;
    const instance = (day: string, at: string) => ({
      iCalUId: uid(day),
      originalStart: at,
      seriesMasterId: `master of ${day}`,
    });
    expect(
      found(
        [lost(instance('07EA0501', choir.startsAt))],
        [event({ ...elsewhere, title: 'X' }, instance('07EA0601', elsewhere.startsAt))],
      ),
    ).toEqual([[1, 'a', 'series']]);
  });
});
