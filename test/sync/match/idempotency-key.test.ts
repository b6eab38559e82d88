/** By what an event is known as one that a create of ours made. */
import { describe, expect, test } from 'vitest';
import { idempotencyKey, ownCreateOf } from '../../../src/sync/match/idempotency-key.ts';

const installation = '6ba7b810-9dad-11d1-80b4-00c04fd430c8';
const reservation = { type: 'event', id: 7 };
const create = { reservation, resourceId: 101, generation: 3 };
const since = '2030-01-01T10:00:00Z';
const made = (change: object = {}) => ({
  transactionId: idempotencyKey(create, installation),
  createdAt: '2030-01-01T10:00:01Z',
  isOrganizer: true,
  properties: reservation,
  seriesMasterId: null,
  ...change,
});
const createOf = (event: ReturnType<typeof made>, generations = [3]) =>
  ownCreateOf(event, { reservation, resourceId: 101, generations, since }, installation);

test('an event with the key of a create is its event', () => expect(createOf(made())).toBe(3));
test('so is one that was on its way before the generation was raised', () =>
  expect(createOf(made(), [2, 3, 5])).toBe(3));
test('a copy of an event that is on record is not', () => expect(createOf(made(), [2, 5])).toBeNull());

describe('it is not its event', () => {
  test.each([
    [
      'of another reservation',
      made({ transactionId: idempotencyKey({ ...create, resourceId: 102 }, installation) }),
    ],
    [
      'of a generation that was not sent yet',
      made({ transactionId: idempotencyKey({ ...create, generation: 4 }, installation) }),
    ],
    [
      'of another installation',
      made({ transactionId: idempotencyKey(create, '00000000-0000-4000-8000-000000000000') }),
    ],
    ['older than the mapping, as after a database was set back', made({ createdAt: '2030-01-01T09:00:00Z' })],
    ['handed to the reservation that replaced its own', made({ properties: { type: 'event', id: 8 } })],
    ['without our extended properties', made({ properties: null })],
    ['of another organiser', made({ isOrganizer: false })],
    ['without a key', made({ transactionId: null })],
    ['a date of a series that was made of it', made({ seriesMasterId: 'the event' })],
  ])('%s', (_, event) => expect(createOf(event)).toBeNull());
});
