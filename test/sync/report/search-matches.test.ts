import { expect, test } from 'vitest';
import { createMatches } from '../../../src/sync/report/search-matches.ts';
import { day } from '../../support/dates.ts';
import { openRooms } from '../bench-of-rooms.ts';

test('among very many titles everything else has its turn after a thousand words that were compared', async () => {
  await using rooms = await openRooms();
  await rooms.db.query(`
    INSERT INTO bridge_mappings (reservation_type, reservation_id, resource_id, outlook_item_id, sync_status, starts_at, ends_at,
      agreement, booking_base, booking_seen, outlook_base)
    SELECT 'event', 10000 + n, 101, 'room101@example.org', 'synced', now(), now(), 'agreed', s, s, s
    FROM generate_series(1, 3000) n, LATERAL (SELECT jsonb_build_object('title', 'Title ' || n) AS s) i`);
  const inTurn: number[] = [0];
  let next = setImmediate(function turn() {
    inTurn.push(0);
    next = setImmediate(turn);
  });
  const words = 2;
  await createMatches(rooms.db.pool)(
    words,
    (text) => {
      inTurn[inTurn.length - 1]! += words;
      return [text === 'Title 7' ? 1 : 0, 0];
    },
    10,
  ).finally(() => clearImmediate(next));
  expect(inTurn.reduce((most, compared) => Math.max(most, compared))).toBe(1_000);
});

test('a person is compared where a mapping knows the reservation, and nowhere else', async () => {
  await using rooms = await openRooms();
  const book = async (resource: number, organizer: string) => {
    const { id } = await rooms.desk.book(resource, {
      title: 'Kor',
      from: day(1, '10:00'),
      to: day(1, '11:00'),
    });
    await rooms.db.query('UPDATE bb_event SET organizer = $2 WHERE id = $1', [id, organizer]);
  };
  await book(101, 'Kari');
  await book(102, 'Ola');
  await rooms.settle();
  const compared: string[] = [];
  const find = createMatches(rooms.db.pool);
  const { total } = await find(1, (text) => [compared.push(text) > 0 && text === 'Kari' ? 1 : 0], 10);
  expect(total).toBe(1);
  expect(compared).toContain('Kari');
  expect(compared).not.toContain('Ola');
});
