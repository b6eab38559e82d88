import { expect, test } from 'vitest';
import type { Settlement } from '../../../src/sync/store/settle.ts';
import { createSentMemory } from '../../../src/sync/store/sent.ts';

const sent = (id: number, title: string) => ({
  id,
  eventId: `event-${id}`,
  state: { startsAt: '', endsAt: '', allDay: false, title, description: '', isPrivate: false },
});

const settled = (id: number, action: Settlement['action']) => ({ id, action });

test('what was sent in a room is known until its settlement is on disk', () => {
  const memory = createSentMemory(60_000);
  memory.sending(1, [sent(10, 'A'), sent(11, 'B')]);
  memory.sending(2, [sent(20, 'C')]);
  memory.sending(1, [sent(10, 'D')]);
  memory.settled([settled(10, 'delayed'), settled(99, 'updated')]);
  expect(memory.in([1])).toEqual(
    [sent(11, 'B'), sent(10, 'A'), sent(10, 'D')].map((one) => ({ ...one, room: 1 })),
  );
  expect(memory.in([3])).toEqual([]);
});

test('what is settled and on disk is forgotten', () => {
  const memory = createSentMemory(-1);
  memory.sending(1, [sent(10, 'A'), sent(11, 'B')]);
  memory.settled([settled(10, 'updated')]);
  expect(memory.in([1])).toEqual([{ ...sent(11, 'B'), room: 1 }]);
});

test('when Outlook has answered, only the last state is known as sent: it shows a former one after an edit', () => {
  const memory = createSentMemory(60_000);
  memory.sending(1, [sent(10, 'A'), sent(11, 'A')]);
  memory.settled([settled(10, 'updated'), settled(11, 'delayed')]);
  memory.sending(1, [sent(10, 'B'), sent(11, 'B')]);
  memory.settled([settled(10, 'updated'), settled(11, 'delayed')]);
  expect(memory.in([1])).toEqual(
    [sent(10, 'B'), sent(11, 'A'), sent(11, 'B')].map((one) => ({ ...one, room: 1 })),
  );
});
