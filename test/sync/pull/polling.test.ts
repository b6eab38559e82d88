/** When rooms are polled that Outlook does not call us for. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { spacingFor } from '../../../src/sync/pull/poll-spacing.ts';
import { openRooms } from '../bench-of-rooms.ts';
import { dinner } from '../two-way-world.ts';

describe('the spacing of polls', () => {
  test('keeps the rate over all rooms, whatever part of them is active', () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1, noNaN: true }), (share) => {
        const { active, quiet } = spacingFor(share);
        expect(share / active + (1 - share) / quiet).toBeCloseTo(1, 6);
        expect(active).toBeGreaterThanOrEqual(0.25);
        expect(active).toBeLessThanOrEqual(1);
        expect(quiet).toBeGreaterThanOrEqual(1);
        expect(quiet).toBeLessThanOrEqual(1.5);
      }),
    );
  });

  test.each([
    ['nothing is active', 0, 1],
    ['everything is active', 1, 1],
  ])('is even where %s', (_, share, times) => {
    const spacing = spacingFor(share);
    expect(share === 0 ? spacing.quiet : spacing.active).toBeCloseTo(times);
  });
});

/** Ten rooms that were compared and are polled once a minute. */
async function openTen() {
  const mailboxes = Object.fromEntries(
    Array.from({ length: 10 }, (_, n) => [101 + n, `room${101 + n}@example.org`] as const),
  );
  const w = await openRooms(mailboxes);
  await w.settle();
  return {
    ...w,
    /** Lets the time of each room's poll come. */
    poll: async () => {
      await w.db.query('UPDATE bridge_room_state SET next_poll_at = now()');
      await w.settle();
    },
    /** Seconds from the last round of each room to its next poll. */
    nextPolls: async () =>
      new Map(
        (
          await w.db.query<{ resource: number; seconds: number }>(
            `SELECT r.resource_id AS resource, round(extract(epoch FROM s.next_poll_at - coalesce(s.active_at, s.updated_at)))::integer AS seconds
             FROM bridge_room_state s JOIN bridge_resource_mappings r ON r.id = s.resource_mapping_id`,
          )
        ).map(({ resource, seconds }) => [resource, seconds]),
      ),
    [Symbol.asyncDispose]: () => w[Symbol.asyncDispose](),
  };
}

test('a room in which Outlook changed something is polled sooner than the others', async () => {
  await using w = await openTen();
  w.outlook.put('room103@example.org', dinner(), null);
  await w.poll();
  const next = await w.nextPolls();
  // a quarter of a minute, and a minute, with a deviation of a tenth
  expect(next.get(103)).toBeLessThan(18);
  next.delete(103);
  expect(Math.min(...next.values())).toBeGreaterThan(52);
});

test('a room in which only we changed something is not', async () => {
  await using w = await openTen();
  await w.desk.book(103, { title: 'Choir', from: w.day(3, '18:00'), to: w.day(3, '20:00') });
  await w.settle();
  await w.poll();
  expect(await w.db.query('SELECT FROM bridge_room_state WHERE active_at IS NOT NULL')).toEqual([]);
});

test.each([
  ['active', `active_at = now() - interval '1 minute'`, 15],
  ['quiet', `active_at = NULL`, 80],
  ['quiet again', `active_at = now() - interval '11 minutes'`, 80],
])(
  'a round that brings nothing puts the next poll of a room that is %s by its spacing',
  async (_, state, seconds) => {
    await using w = await openTen();
    await w.db.query(`UPDATE bridge_room_state SET ${state}, lease_epoch = 7 WHERE resource_mapping_id = 1`);
    await w.db.query('SELECT bridge_begin_pull(1, 7, 900000, 60000, 0.25, 80.0 / 60)');
    const [stored] = await w.db.query<{ seconds: number }>(
      `SELECT round(extract(epoch FROM next_poll_at - updated_at))::integer AS seconds FROM bridge_room_state WHERE resource_mapping_id = 1`,
    );
    expect(stored!.seconds).toBe(seconds);
  },
);
