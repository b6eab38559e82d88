/** Connections that die without a word: which of them are given up, and which are not. */
import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { watchConnections } from '../../src/half-open.ts';

let active: readonly number[] | Error = [];
let asked: (readonly number[])[] = [];
let watch: ReturnType<typeof watchConnections>;

beforeEach(() => {
  vi.useFakeTimers();
  active = [];
  asked = [];
  watch = watchConnections((pids) => {
    asked.push(pids);
    return active instanceof Error ? Promise.reject(active) : Promise.resolve(active);
  });
});
afterEach(() => void vi.useRealTimers());

/** A connection; `waiting`: something was asked on it. `hears` makes bytes arrive. */
function connect(pid: number | null, waiting = false) {
  const socket = Object.assign(new EventEmitter(), { bytesRead: 100 });
  const one = {
    waiting,
    dead: '',
    hears: () => (socket.bytesRead += 10),
    closes: () => socket.emit('close'),
  };
  watch.add({
    socket: socket as unknown as Socket,
    pid,
    isWaiting: () => one.waiting,
    destroy: (error) => {
      one.dead = error.message;
      socket.emit('close');
    },
  });
  return one;
}

test('one that is dead condemns all that have heard nothing since, idle ones and those that ask nothing too', async () => {
  const [asking, idle, listening] = [connect(1, true), connect(2), connect(null)];
  await vi.advanceTimersByTimeAsync(2_000);
  for (const one of [asking, idle, listening]) expect(one.dead).toContain('half-open');
  expect(vi.getTimerCount()).toBe(0);
});

test('one that has heard since is spared, whichever is dead', async () => {
  const [asking, live] = [connect(1, true), connect(2)];
  await vi.advanceTimersByTimeAsync(500);
  live.hears();
  await vi.advanceTimersByTimeAsync(1_500);
  expect([asking.dead, live.dead]).toEqual([expect.stringContaining('half-open'), '']);
});

test('one whose backend is at work waits for its answer, and ends no connection', async () => {
  active = [1];
  const [long, idle] = [connect(1, true), connect(2)];
  await vi.advanceTimersByTimeAsync(60_000);
  expect([long.dead, idle.dead]).toEqual(['', '']);
  expect(asked.length).toBeLessThan(15);
});

test('while none gets an answer none is given up: it may be the server that is busy', async () => {
  active = new Error('timeout');
  const asking = connect(1, true);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(asking.dead).toBe('');
  active = [];
  await vi.advanceTimersByTimeAsync(6_000);
  expect(asking.dead).toContain('half-open');
});

test('those that are answered, idle or closed cost no fresh connection', async () => {
  connect(1);
  const [talking, closed] = [connect(2, true), connect(3, true)];
  closed.closes();
  for (let n = 0; n < 50; n += 1) {
    talking.hears();
    await vi.advanceTimersByTimeAsync(150);
  }
  expect(asked).toEqual([]);
});

test('a process that stood still reads what arrived before it judges', async () => {
  const asking = connect(1, true);
  await vi.advanceTimersByTimeAsync(400);
  vi.setSystemTime(Date.now() + 10_000);
  const realNow = performance.now.bind(performance);
  vi.spyOn(performance, 'now').mockImplementation(() => realNow() + 10_000);
  await vi.advanceTimersByTimeAsync(400);
  expect(asked).toEqual([]);
  asking.hears();
  await vi.advanceTimersByTimeAsync(200);
  expect(asking.dead).toBe('');
  vi.restoreAllMocks();
});
