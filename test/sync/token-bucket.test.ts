import { expect, test } from 'vitest';
import { createTokenBucket } from '../../src/sync/webhooks/token-bucket.ts';

function openPace() {
  let clock = 0;
  const pace = createTokenBucket(() => clock);
  /** The gaps of a room that is told of so often, so far apart. */
  const gaps = (times: number, apartMs: number, room = 1) =>
    Array.from({ length: times }, () => {
      clock += apartMs;
      return pace.gapMs(room);
    });
  return { gaps };
}

test('a room that is told of eight times a second never rests', () => {
  expect(new Set(openPace().gaps(500, 125))).toEqual(new Set([0]));
});

test('one that is told of faster rests longer and longer, and the others do not', () => {
  const { gaps } = openPace();
  expect(gaps(14, 1)).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 100, 200, 400, 500, 500, 500]);
  expect(gaps(1, 0, 2)).toEqual([0]);
});

test('soon after a flood it does not rest any more', () => {
  const { gaps } = openPace();
  gaps(10_000, 1);
  expect(gaps(1, 400)).not.toEqual([0]);
  gaps(10_000, 1);
  expect(gaps(1, 626)).toEqual([0]);
});
