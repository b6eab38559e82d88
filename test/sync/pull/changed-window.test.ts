/** A changed SYNC_PAST_DAYS or SYNC_FUTURE_DAYS. */
import { expect, test } from 'vitest';
import { heard, open } from '../two-way-world.ts';

for (const [which, column] of [
  ['future', 'window_to'],
  ['past', 'window_from'],
] as const)
  test(`a room gets a full scan at its next round after the ${which} days of its window were changed`, async () => {
    await using w = await open();
    const stored = () => w.db.query('SELECT window_from, window_to FROM bridge_room_state ORDER BY 1');
    const before = await stored();
    await w.db.query(`UPDATE bridge_room_state SET ${column} = ${column} - interval '30 days'`);
    await heard(w);
    expect(await stored()).toEqual(before);
  });
