/** What the page says of a day in which only a backfill happened. */
import { expect, test } from 'vitest';
// @ts-expect-error -- the page's JavaScript is checked by a tsconfig of its own
import { emptyWords } from '../../src/http/dashboard/chart-words.js';

const day = (out: number, back: number) => ({
  directions: { booking_to_outlook: { backfilled: out }, outlook_to_booking: { backfilled: back } },
});

test.each([
  [5_350, 0, /^Only a backfill in the last 24 hours: 5,350 reservations\./],
  [0, 1, /^Only a backfill in the last 24 hours: 1 reservation\./],
  [0, 0, /^No change in the last 24 hours\.$/],
])('after a backfill of %i and %i', (out, back, expected) => {
  const words = String(emptyWords(day(out, back)));
  expect(words).toMatch(expected);
  if (out + back > 0) expect(words).not.toContain('No change');
});
