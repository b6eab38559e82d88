import { expect, test } from 'vitest';
import { createPace } from '../../src/sync/subscribe/pace.ts';

function openPace() {
  let clock = 0;
  const pace = createPace(() => clock);
  /** The gaps of a room that is told of so often, so far apart. */
  const gaps = (times: number, apartMs: number, room = 1) =>
    Array.from({ length: times }, () => {
      clock += apartMs;
      return pace.gapMs(room);
    });
  return { gaps };
}

test('a room that is told of now and then never rests', () => {
  expect(new Set(openPace().gaps(50, 1_001))).toEqual(new Set([0]));
});

test('one that is told of again and again rests longer and longer, and the others do not', () => {
  const { gaps } = openPace();
  expect(gaps(11, 20)).toEqual([0, 0, 0, 0, 0, 100, 200, 400, 500, 500, 500]);
  expect(gaps(1, 0, 2)).toEqual([0]);
});

test('after a second of quiet it begins afresh', () => {
  const { gaps } = openPace();
  gaps(100, 20);
  expect(gaps(1, 1_001)).toEqual([0]);
});
