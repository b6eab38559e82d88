import { assert, test } from 'vitest';
import { Wake } from '../../src/ops/wake.ts';

const forEver = Number.POSITIVE_INFINITY;
const never = new AbortController().signal;

test('a ring ends every wait', async () => {
  const wake = new Wake();
  const waits = [wake.waitOr(forEver, never), wake.waitOr(forEver, never)];
  wake.ring();
  await Promise.all(waits);
});

test('however often it rang while nothing waited, one wait ends at once and the next one waits', async () => {
  const wake = new Wake();
  wake.ring();
  wake.ring();
  await wake.waitOr(forEver, never);
  let over = false;
  const second = wake.waitOr(forEver, never).then(() => {
    over = true;
  });
  await new Promise(setImmediate);
  assert.isFalse(over);
  wake.ring();
  await second;
});

test('a wait longer than a timer can be does not end at once', async () => {
  const wake = new Wake();
  let over = false;
  const endless = wake.waitOr(forEver, never).then(() => {
    over = true;
  });
  await wake.waitOr(20, never);
  assert.isFalse(over);
  wake.ring();
  await endless;
});

test('a wait ends with its time, with its signal, and at once when that has been given', async () => {
  const wake = new Wake();
  await wake.waitOr(1, never);
  const stop = new AbortController();
  const wait = wake.waitOr(forEver, stop.signal);
  stop.abort();
  await wait;
  await wake.waitOr(forEver, stop.signal);
});

test('a wait that was stopped leaves the ring to the next one', async () => {
  const wake = new Wake();
  wake.ring();
  await wake.waitOr(forEver, AbortSignal.abort());
  await wake.waitOr(forEver, never);
});

test('waiting a hundred thousand times on one signal leaves no listener behind', async () => {
  const { signal } = new AbortController();
  let listeners = 0;
  const counted: AbortSignal = Object.assign(Object.create(signal) as AbortSignal, {
    addEventListener: () => void (listeners += 1),
    removeEventListener: () => void (listeners -= 1),
  });
  Object.defineProperty(counted, 'aborted', { value: false });
  const wake = new Wake();
  for (let i = 0; i < 100_000; i += 1) {
    const wait = wake.waitOr(forEver, counted);
    wake.ring();
    await wait;
  }
  assert.equal(listeners, 0);
});
