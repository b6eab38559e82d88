import { expect, test } from 'vitest';
import type { Settlement } from '../../../src/sync/store/settle.ts';
import { createSentMemory } from '../../../src/sync/store/sent.ts';

const room = (id: number) => ({ id, resourceId: id + 100 });
const sent = (id: number, title: string) => ({
  id,
  reservation: { type: 'event', id },
  eventId: `event-${id}`,
  state: { startsAt: '', endsAt: '', allDay: false, title, description: '', isPrivate: false },
});

const in101 = (...all: readonly ReturnType<typeof sent>[]) =>
  all.map((one) => ({ ...one, room: 1, resourceId: 101 }));

const settled = (id: number, action: Settlement['action']) => ({ id, action });

test('what was sent in a room is known until its settlement is on disk', () => {
  const memory = createSentMemory(60_000);
  memory.sending(room(1), [sent(10, 'A'), sent(11, 'B')]);
  memory.sending(room(2), [sent(20, 'C')]);
  memory.sending(room(1), [sent(10, 'D')]);
  memory.settled([settled(10, 'delayed'), settled(99, 'updated')]);
  expect(memory.in([1])).toEqual(in101(sent(11, 'B'), sent(10, 'A'), sent(10, 'D')));
  expect(memory.in([3])).toEqual([]);
});

test('what is settled and on disk is forgotten', () => {
  const memory = createSentMemory(-1);
  memory.sending(room(1), [sent(10, 'A'), sent(11, 'B')]);
  memory.settled([settled(10, 'updated')]);
  expect(memory.in([1])).toEqual(in101(sent(11, 'B')));
});

test('when Outlook has answered, only the last state is known as sent: it shows a former one after an edit', () => {
  const memory = createSentMemory(60_000);
  memory.sending(room(1), [sent(10, 'A'), sent(11, 'A')]);
  memory.settled([settled(10, 'updated'), settled(11, 'delayed')]);
  memory.sending(room(1), [sent(10, 'B'), sent(11, 'B')]);
  memory.settled([settled(10, 'updated'), settled(11, 'delayed')]);
  expect(memory.in([1])).toEqual(in101(sent(10, 'B'), sent(11, 'A'), sent(11, 'B')));
});
