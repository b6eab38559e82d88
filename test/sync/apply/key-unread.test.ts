/** A create whose idempotency key is taken by an event that cannot be read. */
import { expect, test } from 'vitest';
import { Retryable } from '../../../src/errors.ts';
import type { Decision } from '../../../src/sync/apply/decision.ts';
import { keyUnread } from '../../../src/sync/apply/settlement/failed.ts';

test('it is decided again at once a few times, then with back-off', () => {
  const waits = [0, 2, 3, 8].map((attempt) => {
    const decision = { mapped: { attempt }, action: { do: 'create' }, adopted: null, seen: null };
    return keyUnread(decision as Decision, new Retryable('Graph says 500'), () => 1).dueInMs;
  });
  expect(waits).toEqual([0, 0, 400, 5_000]);
});
