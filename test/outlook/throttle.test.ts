import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Retryable } from '../../src/errors.ts';
import { createThrottle, type Lane, type Throttle } from '../../src/outlook/throttle.ts';
import { always } from './world.ts';

/** Calls that enter now, or note their name when they may. */
function openDoor(throttle: Throttle) {
  const entered: string[] = [];
  return {
    entered,
    enter(name: string, mailbox = 'hall', places = 1, lane: Lane = 'quick', signal = always): Promise<void> {
      const waiting = throttle.enter(mailbox, places, lane, signal);
      if (waiting === undefined) entered.push(name);
      return Promise.resolve(waiting).then(() => {
        if (waiting !== undefined) entered.push(name);
      });
    },
    /** Lets those that may enter do so. */
    settle: () => new Promise((resolve) => setImmediate(resolve)),
  };
}

describe('a mailbox', () => {
  test('has four places; the fifth call waits for one', async () => {
    const throttle = createThrottle(64);
    const door = openDoor(throttle);
    for (const name of ['a', 'b', 'c', 'd', 'e', 'f']) void door.enter(name);
    expect(door.entered).toEqual(['a', 'b', 'c', 'd']);
    throttle.leave('hall', 1);
    await door.settle();
    expect(door.entered).toEqual(['a', 'b', 'c', 'd', 'e']);
    expect([throttle.inFlight, throttle.waiting]).toEqual([4, 1]);
  });

  test('is the same however its address is written', () => {
    const throttle = createThrottle(64);
    const door = openDoor(throttle);
    for (const name of ['Hall@x', 'hall@X', 'HALL@x', 'hall@x', 'hall@x']) void door.enter(name, name);
    expect(door.entered.length).toBe(4);
  });

  test('does not make others wait', () => {
    const throttle = createThrottle(64);
    const door = openDoor(throttle);
    for (let call = 0; call < 10; call += 1) void door.enter('x');
    void door.enter('other', 'library');
    expect(door.entered).toContain('other');
  });

  test('a batch waits until it has all four, and what came later waits behind it', async () => {
    const throttle = createThrottle(64);
    const door = openDoor(throttle);
    void door.enter('single');
    void door.enter('batch', 'hall', 4);
    void door.enter('later');
    expect(door.entered).toEqual(['single']);
    throttle.leave('hall', 1);
    await door.settle();
    expect(door.entered).toEqual(['single', 'batch']);
    throttle.leave('hall', 4);
    await door.settle();
    expect(door.entered).toEqual(['single', 'batch', 'later']);
  });

  test('lets quick calls pass bulk ones, but not for ever', async () => {
    const throttle = createThrottle(64);
    const door = openDoor(throttle);
    void door.enter('first', 'hall', 4);
    void door.enter('bulk', 'hall', 4, 'bulk');
    for (let call = 0; call < 20; call += 1) void door.enter('quick', 'hall', 4);
    while (throttle.waiting > 0) {
      throttle.leave('hall', 4);
      await door.settle();
    }
    expect(door.entered.indexOf('bulk')).toBe(9);
  });

  test('refuses calls when far too many wait', async () => {
    const throttle = createThrottle(64);
    const door = openDoor(throttle);
    const all = Array.from({ length: 2_005 }, () => door.enter('x'));
    await expect(all.at(-1)).rejects.toBeInstanceOf(Retryable);
    for (const one of all) one.catch(() => undefined);
  });
});

describe('over all mailboxes', () => {
  test('there is a bound, and mailboxes take turns', async () => {
    const throttle = createThrottle(4);
    const door = openDoor(throttle);
    for (let call = 0; call < 8; call += 1) void door.enter('hall');
    for (let call = 0; call < 2; call += 1) void door.enter('library', 'library');
    for (let call = 0; call < 4; call += 1) {
      throttle.leave('hall', 1);
      await door.settle();
    }
    expect(door.entered.slice(0, 4)).toEqual(['hall', 'hall', 'hall', 'hall']);
    expect(door.entered.slice(4).filter((name) => name === 'library').length).toBe(2);
  });

  test('quick calls pass the mailboxes that wait with bulk ones, but not for ever', async () => {
    const throttle = createThrottle(4);
    const door = openDoor(throttle);
    void door.enter('first', 'first', 4);
    for (let n = 0; n < 3; n += 1) void door.enter('bulk', `backfilled ${n}`, 4, 'bulk');
    for (let n = 0; n < 12; n += 1) void door.enter('quick', `room ${n}`, 4);
    const holders = ['first', ...Array.from({ length: 12 }, (_, n) => `room ${n}`)];
    // in the order in which they get in
    const order = ['first', ...holders.slice(1, 9), 'backfilled 0', ...holders.slice(9), 'backfilled 1'];
    for (const holder of order) {
      throttle.leave(holder, 4);
      await door.settle();
    }
    expect(door.entered).toEqual([
      'first',
      ...Array.from({ length: 8 }, () => 'quick'),
      'bulk',
      ...Array.from({ length: 4 }, () => 'quick'),
      'bulk',
      'bulk',
    ]);
  });

  test('a batch that needs more than is left waits its turn and is not starved', async () => {
    const throttle = createThrottle(6);
    const door = openDoor(throttle);
    for (let call = 0; call < 4; call += 1) void door.enter('hall', 'hall');
    void door.enter('batch', 'library', 4);
    for (let call = 0; call < 4; call += 1) void door.enter('attic', 'attic');
    // two places are left, but the batch came first
    expect(door.entered).not.toContain('attic');
    throttle.leave('hall', 1);
    throttle.leave('hall', 1);
    throttle.leave('hall', 1);
    throttle.leave('hall', 1);
    await door.settle();
    expect(door.entered).toContain('batch');
  });
});

test('a call that is given up leaves the queue, and who stood behind it moves up', async () => {
  const throttle = createThrottle(64);
  const door = openDoor(throttle);
  const stop = new AbortController();
  void door.enter('single');
  const batch = door.enter('batch', 'hall', 4, 'quick', stop.signal);
  void door.enter('later');
  stop.abort(new Error('stopped'));
  await expect(batch).rejects.toThrow('stopped');
  await door.settle();
  expect(door.entered).toEqual(['single', 'later']);
  expect(throttle.waiting).toBe(0);
});

test('never more than four per mailbox nor than the total are in flight, in any order of requests, and every request gets in', async () => {
  const call = fc.record({
    mailbox: fc.constantFrom('a', 'b', 'c'),
    places: fc.constantFrom(1, 1, 1, 4),
    lane: fc.constantFrom<Lane>('quick', 'bulk'),
    givenUp: fc.boolean(),
    turns: fc.integer({ min: 0, max: 5 }),
  });
  await fc.assert(
    fc.asyncProperty(
      fc.array(call, { maxLength: 60 }),
      fc.integer({ min: 4, max: 9 }),
      async (calls, total) => {
        const throttle = createThrottle(total);
        const taken = new Map<string, number>();
        let inside = 0;
        await Promise.all(
          calls.map(async ({ mailbox, places, lane, givenUp, turns }) => {
            const stop = new AbortController();
            if (givenUp) setImmediate(() => stop.abort(new Error('given up')));
            try {
              await throttle.enter(mailbox, places, lane, stop.signal);
            } catch (error) {
              expect(error).toBe(stop.signal.reason);
              return;
            }
            inside += places;
            taken.set(mailbox, (taken.get(mailbox) ?? 0) + places);
            expect(inside).toBeLessThanOrEqual(total);
            expect(taken.get(mailbox)).toBeLessThanOrEqual(4);
            for (let turn = 0; turn < turns; turn += 1) await new Promise((resolve) => setImmediate(resolve));
            inside -= places;
            taken.set(mailbox, taken.get(mailbox)! - places);
            throttle.leave(mailbox, places);
          }),
        );
        expect([throttle.inFlight, throttle.waiting]).toEqual([0, 0]);
      },
    ),
    { numRuns: 150 },
  );
});
