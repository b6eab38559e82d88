/** The results of a drain: when the loop takes again, and what they say of Outlook. */
import { expect, test } from 'vitest';
import { Retryable } from '../../../src/errors.ts';
import type { Drained } from '../../../src/sync/apply/rest.ts';
import type { LeasedRoom, Taken } from '../../../src/sync/store/work-list.ts';
import { createOutage } from '../../../src/sync/worker/outage.ts';
import { createRunningRooms } from '../../../src/sync/worker/running-rooms.ts';

const room: LeasedRoom = {
  id: 1,
  resourceId: 101,
  mailbox: 'a@x',
  outlookItemId: 'a@x',
  name: 'A',
  direction: 'both',
  baselined: true,
  reconciled: true,
  abandoned: false,
  pulls: true,
  hints: [],
  missing: false,
  attempt: 0,
  epoch: 1,
  due: [],
};
const taken: Taken = { folded: 0, rooms: [room], stopped: [], more: false, recorded: Promise.resolve() };
const quiet: Drained = { rest: null, outage: null, answered: true, isQuiet: true };
const rest = { ms: 1, throttled: false, condition: 'waiting', why: 'busy', hint: null } as const;
const away = new Retryable('away', { reach: 'side' });

interface Course {
  readonly drained?: Drained;
  readonly isAll?: boolean;
  /** While the room is drained. */
  readonly meanwhile?: 'take' | 'end';
  readonly isDown?: boolean;
}

/** Whether the loop is asked to take again after such a course of one room, and whether Outlook counts as unavailable. */
async function follow({ drained = quiet, isAll = true, meanwhile, isDown = false }: Course) {
  let takes = 1;
  let finished = 0;
  const ended = new AbortController();
  const outlookDown = createOutage('outlook', () => undefined);
  if (isDown) outlookDown.failed(away);
  const running = createRunningRooms({
    drain: async () => {
      if (meanwhile === 'take') takes += 1;
      if (meanwhile === 'end') ended.abort(new Error('the connection has ended'));
      return drained;
    },
    othersWait: () => false,
    outlookDown,
    retry: (statement) => statement(),
    finished: () => void (finished += 1),
    takes: () => takes,
    tell: () => undefined,
  });
  running.start(
    taken,
    isAll,
    { session: { query: async () => ({ rows: [{}] }) } as never, release: async () => undefined, ended },
    new AbortController().signal,
  );
  await running.ended();
  expect(running.count()).toBe(0);
  return { takesAgain: finished === 1, isDown: outlookDown.isDown() };
}
const takesAgain = async (course: Course) => (await follow(course)).takesAgain;

test('a poll that brought nothing is no reason to take again', async () => {
  expect(await takesAgain({})).toBe(false);
});

test.each<[string, Course]>([
  ['something was due or came of it', { drained: { ...quiet, isQuiet: false } }],
  ['it rests', { drained: { ...quiet, rest } }],
  ['a take began meanwhile, which found it held', { meanwhile: 'take' }],
  ['others were left out for want of places', { isAll: false }],
  ['Outlook was away until now', { isDown: true }],
  ['the lease has ended', { meanwhile: 'end' }],
])('the loop takes again when %s', async (_, course) => {
  expect(await takesAgain(course)).toBe(true);
});

test('an outage that a drain reports is one of Outlook', async () => {
  expect(await follow({ drained: { ...quiet, outage: away } })).toMatchObject({ isDown: true });
});

test('the end of the lease, which cuts off all calls, is no outage of Outlook', async () => {
  expect(await follow({ drained: { ...quiet, outage: away }, meanwhile: 'end' })).toMatchObject({
    isDown: false,
  });
});
