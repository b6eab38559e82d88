import { expect, test } from 'vitest';
import { createSentMemory } from '../../../src/sync/store/sent.ts';

const sent = (id: number, title: string) => ({
  id,
  eventId: `event-${id}`,
  state: { startsAt: '', endsAt: '', allDay: false, title, description: '', isPrivate: false },
});

test('what was sent in a room is known until its settlement is on disk', () => {
  const memory = createSentMemory(60_000);
  memory.sending(1, [sent(10, 'A'), sent(11, 'B')]);
  memory.sending(2, [sent(20, 'C')]);
  memory.sending(1, [sent(10, 'D')]);
  memory.settled([10, 99]);
  expect(memory.in([1])).toEqual([sent(11, 'B'), sent(10, 'A'), sent(10, 'D')]);
  expect(memory.in([3])).toEqual([]);
});

test('what is settled and on disk is forgotten', () => {
  const memory = createSentMemory(-1);
  memory.sending(1, [sent(10, 'A'), sent(11, 'B')]);
  memory.settled([10]);
  expect(memory.in([1])).toEqual([sent(11, 'B')]);
});
