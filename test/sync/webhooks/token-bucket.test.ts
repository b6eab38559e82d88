import { expect, test } from 'vitest';
import { createTokenBucket } from '../../../src/sync/webhooks/token-bucket.ts';

function openBucket() {
  let clock = 0;
  const bucket = createTokenBucket(() => clock);
  /** Whether there was a token for a room that is told of so often, so far apart. */
  const taken = (times: number, apartMs: number, room = 1) =>
    Array.from({ length: times }, () => {
      clock += apartMs;
      return bucket.take(room);
    });
  return { taken };
}

test('a room that is told of eight times a second always has a token', () => {
  expect(new Set(openBucket().taken(500, 125))).toEqual(new Set([true]));
});

test('one that is told of faster has none after the eighth, and the others do', () => {
  const { taken } = openBucket();
  expect(taken(12, 1).map(Number)).toEqual([1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0]);
  expect(taken(1, 0, 2)).toEqual([true]);
});

test('soon after a flood it has one again', () => {
  const { taken } = openBucket();
  taken(10_000, 1);
  expect(taken(1, 400)).toEqual([false]);
  taken(10_000, 1);
  expect(taken(1, 626)).toEqual([true]);
});
