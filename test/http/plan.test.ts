/** GET /plan and POST /plan/confirm as a caller meets them. */
import { expect, test } from 'vitest';
import { openPlanPool } from '../../src/database.ts';
import { createCalls } from '../../src/sync/manual/call.ts';
import { createPlanner } from '../../src/sync/plan/plan.ts';
import { createStart } from '../../src/sync/worker/start-mode.ts';
import { window } from '../sync/bench-of-rooms.ts';
import { waitHints } from '../../src/sync/store/waits.ts';
import { at } from '../support/dates.ts';
import { openApi, type Api } from './api.ts';

const book = (api: Api, title: string, on: number) =>
  api.desk.book(101, { title, from: api.day(on, '10:00'), to: api.day(on, '12:00') });

test('every room with what would be done in it, the soonest first', async () => {
  await using api = await openApi();
  await book(api, 'Late', 9);
  await book(api, 'Soon', 2);
  const { status, body } = await api.call('GET', '/plan');
  expect(status).toBe(200);
  expect(body).toMatchObject({
    success: true,
    start: { mode: 'sync', writes: true, confirmed_at: null },
    complete: true,
    differs: true,
    count: 2,
    counts: { create: 2, import: 0 },
    rooms: [
      {
        resource_id: 101,
        state: 'planned',
        items: [
          { action: 'create', title: 'Soon', why: 'it is not in Outlook yet', held: false },
          { action: 'create', title: 'Late' },
        ],
      },
      { resource_id: 102, items: [] },
    ],
  });
  expect(api.outlook.writes).toEqual([]);
});

test('limit bounds what is listed, not what is counted', async () => {
  await using api = await openApi();
  for (const on of [2, 3, 4]) await book(api, `B${on}`, on);
  const { body } = await api.call('GET', '/plan?resource_id=101&limit=1');
  expect(body).toMatchObject({ counts: { create: 3 }, rooms: [{ items: [{ title: 'B2' }] }] });
});

test('a resource without a room is 404, what is no number 400', async () => {
  await using api = await openApi();
  expect(await api.call('GET', '/plan?resource_id=999')).toMatchObject({
    status: 404,
    body: { hint: 'GET /rooms lists the mapped resources.' },
  });
  expect(await api.call('GET', '/plan?resource_id=x')).toMatchObject({
    status: 400,
    body: { field: 'resource_id' },
  });
});

test('a room that a daemon works on is busy, and the others are planned', async () => {
  await using api = await openApi();
  const client = await api.db.pool.connect();
  try {
    await client.query(
      'SELECT pg_advisory_lock(7230911, id) FROM bridge_resource_mappings WHERE resource_id = 101',
    );
    expect((await api.call('GET', '/plan')).body).toMatchObject({
      complete: false,
      rooms: [{ state: 'busy', error: 'A daemon works on this room.' }, { state: 'planned' }],
    });
  } finally {
    client.release(true);
  }
});

test('a session that is lost while Outlook is read fails the plan of its room, and nothing else', async () => {
  await using api = await openApi();
  await using stack = new AsyncDisposableStack();
  const db = openPlanPool(api.db.config, 'a lost plan', 3);
  stack.defer(() => db.end());
  const side = api.outlook.side;
  const planner = createPlanner({
    db,
    outlook: () => ({
      ...side,
      async *list(...asked) {
        await api.db.query(
          "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'a lost plan'",
        );
        yield* side.list(...asked);
      },
    }),
    window,
    policy: { conflict: 'booking', overlap: 'flag', importMode: 'auto' },
    brake: { max: 10, share: 0.2 },
    roomsAtATime: 1,
  });
  const wish = { resourceId: 101, itemsMost: 10, withinMs: null };
  const plan = await planner.plan(wish, new AbortController().signal);
  expect(plan?.rooms).toMatchObject([{ state: 'failed' }]);
  expect((await api.call('GET', '/plan?resource_id=101')).body).toMatchObject({ complete: true });
});

test('with START_MODE=sync there is nothing to confirm', async () => {
  await using api = await openApi();
  expect(await api.call('POST', '/plan/confirm')).toMatchObject({
    status: 409,
    body: { error: 'There is nothing to confirm: START_MODE is sync.' },
  });
});

test('a confirmation is kept, and the second one is told so', async () => {
  await using api = await openApi({ change: {} });
  const start = createStart({ db: api.db.pool, mode: 'plan' });
  expect(await start.read()).toMatchObject({ mode: 'plan', writes: false, confirmedAt: null, hold: null });
  const first = await start.confirm();
  expect(first.before).toBe(false);
  expect(await start.confirm()).toEqual({ at: first.at, before: true });
  expect(await start.read()).toMatchObject({ mode: 'plan', writes: true, confirmedAt: first.at, hold: null });
});

test('a manual call is refused at once while nothing may be written', async () => {
  await using api = await openApi();
  const { needWrites } = createStart({ db: api.db.pool, mode: 'plan' });
  const begin = createCalls({ db: api.db.pool, window, ring: () => undefined, needWrites });
  await expect(begin(new AbortController().signal)).rejects.toMatchObject({
    name: 'Conflict',
    hint: expect.stringContaining('POST /plan/confirm'),
  });
});

test('an event without an answer, or one that is shown as free, is listed with the reason', async () => {
  await using api = await openApi();
  const room = 'formannskapssalen@bergen.example';
  const item = (title: string, on: number) => ({
    startsAt: at(on, '10:00'),
    endsAt: at(on, '12:00'),
    allDay: false,
    title,
    description: '',
    isPrivate: false,
  });
  const asked = item('Asked', 3);
  const free = item('Free', 4);
  api.outlook.invite(room, asked, { shows: { is: 'undecided', item: asked } });
  api.outlook.invite(room, free, { isOrganizer: true, shows: { is: 'free', item: free } });
  const { body } = await api.call('GET', '/plan?resource_id=101');
  expect(body).toMatchObject({
    counts: { import: 0, waiting: 2 },
    rooms: [
      {
        items: [
          { action: 'waiting', title: 'Asked', why: waitHints.answer },
          { action: 'waiting', title: 'Free', why: waitHints.free },
        ],
      },
    ],
  });
});
