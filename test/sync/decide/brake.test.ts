import fc from 'fast-check';
import { expect, test } from 'vitest';
import { brakes } from '../../../src/sync/decide/brake.ts';

const policy = { max: 10, share: 0.2 };
const quiet = { removing: 0, synced: 1_000 };
const few = { removing: 1, of: 1_000 };

test('a few removals pass', () =>
  expect(brakes({ removing: 3, synced: 200 }, quiet, few, policy)).toBe(false));
test('many removals of very many pass', () =>
  expect(brakes({ removing: 30, synced: 200 }, quiet, few, policy)).toBe(false));
test('a large part of few passes', () =>
  expect(brakes({ removing: 5, synced: 8 }, quiet, few, policy)).toBe(false));
test('many that are a large part are held', () =>
  expect(brakes({ removing: 50, synced: 200 }, quiet, few, policy)).toBe(true));
test('many over all rooms are held although each room loses few', () =>
  expect(brakes({ removing: 2, synced: 10 }, { removing: 400, synced: 1_000 }, few, policy)).toBe(true));
test('a round that would empty a room of three is held', () =>
  expect(brakes({ removing: 3, synced: 3 }, quiet, { removing: 3, of: 3 }, policy)).toBe(true));
test('removing the last one of three, one after the other, passes', () =>
  expect(brakes({ removing: 3, synced: 3 }, quiet, { removing: 1, of: 1 }, policy)).toBe(false));
test('a maximum of 0 switches the brake off', () =>
  expect(brakes({ removing: 900, synced: 1_000 }, quiet, few, { max: 0, share: 0 })).toBe(false));

test('no history gets past the brake with everything that three or more rooms items held', () => {
  const count = fc.nat(500);
  fc.assert(
    fc.property(fc.integer({ min: 11, max: 500 }), count, (synced, others) => {
      const all = { removing: synced, synced: synced + others };
      expect(brakes({ removing: synced, synced }, all, { removing: synced, of: synced }, policy)).toBe(true);
    }),
  );
});
