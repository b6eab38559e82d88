/** A create whose idempotency key is taken by an event that cannot be read. */
import { expect, test } from 'vitest';
import { Retryable } from '../../../src/errors.ts';
import type { Decision } from '../../../src/sync/apply/decision.ts';
import { keyUnread } from '../../../src/sync/apply/settlement/failed.ts';
import { open, room } from '../two-way-world.ts';

test('it is decided again at once a few times, then with back-off', () => {
  const waits = [0, 2, 3, 8].map((attempt) => {
    const decision = { mapped: { attempt }, action: { do: 'create' }, adopted: null, seen: null };
    return keyUnread(decision as Decision, new Retryable('Graph says 500')).dueInMs!;
  });
  expect(waits.slice(0, 2)).toEqual([0, 0]);
  expect(waits[2]).toBeGreaterThan(0);
  expect(waits[3]).toBeGreaterThan(waits[2]!);
});

test('nothing is made a second time, and the other reservations of its room are shown meanwhile', async () => {
  await using w = await open();
  const book = (title: string, hour: number) =>
    w.desk.book(101, { title, from: w.day(3, `${hour}:00`), to: w.day(3, `${hour + 1}:00`) });
  const choir = await book('Choir', 10);
  await book('Band', 12);
  // an earlier create of it was carried out, and its answer was lost
  let isFirst = true;
  w.outlook.fail((write, apply) => {
    if (!isFirst || write.do !== 'create' || write.item.title !== 'Choir') return null;
    isFirst = false;
    return { acceptedAt: 0, callMs: 1, outcome: 'taken', existingId: apply()!.id };
  });
  w.outlook.meanwhileRead(() => Promise.reject(new Retryable('Graph says 500')));

  const [leased] = (await w.take()).rooms;
  expect(await w.drainOne(leased!)).toMatchObject({ rest: null });
  expect(w.outlook.reads).toHaveLength(1);
  await w.settle();
  expect(w.outlook.titles(room)).toEqual(['Choir', 'Band']);
  expect(await w.mapping(choir)).toMatchObject({ sync_status: 'synced', error_message: null });
});
