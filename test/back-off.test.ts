import { assert, test } from 'vitest';
import fc from 'fast-check';
import { backOffMs, slowBackOffMs } from '../src/back-off.ts';

const attempt = fc.nat({ max: 100_000 });
const random = fc.double({ min: 0, max: 1, noNaN: true });

test('the first try comes after less than a second', () => {
  fc.assert(fc.property(random, (r) => backOffMs(0, r) > 0 && backOffMs(0, r) < 1_000));
});

test('a try is never more than 5 s away during the first two minutes, and never more than 30 s', () => {
  fc.assert(
    fc.property(random, attempt, (r, n) => {
      let waited = 0;
      for (let i = 0; waited < 120_000; i += 1) {
        // the try that ends the two minutes may begin within them
        if (waited < 100_000) assert.isAtMost(backOffMs(i, r), 5_000);
        waited += backOffMs(i, r);
      }
      assert.isAtMost(backOffMs(n, r), 30_000);
    }),
  );
});

test('waits grow from try to try, whatever the dice say about the next', () => {
  fc.assert(fc.property(attempt, random, (n, r) => backOffMs(n + 1, r) >= backOffMs(n, r)));
});

test('two daemons that fail together do not come back together', () => {
  fc.assert(
    fc.property(attempt, random, random, (n, r1, r2) => {
      fc.pre(Math.abs(r1 - r2) > 0.01);
      return Math.abs(backOffMs(n, r1) - backOffMs(n, r2)) >= 1;
    }),
  );
});

test('a slow try is never more than ten minutes away', () => {
  fc.assert(
    fc.property(attempt, random, (n, r) => slowBackOffMs(n, r) >= 30_000 && slowBackOffMs(n, r) <= 600_000),
  );
});
