import { expect, test, vi } from 'vitest';
import type { Item } from '../../src/item.ts';
import { createUndo } from '../../src/sync/manual/undo.ts';
import { openApi, type Answer, type Api } from './api.ts';

const mailbox = 'formannskapssalen@bergen.example';
const json = (body: object) => ({
  headers: { 'Content-Type': 'application/json' },
  body: JSON.stringify(body),
});
const since = () => new Date(Date.now() - 3_600_000).toISOString();
const undo = (api: Api, more: object = {}) => api.call('POST', '/undo', json({ since: since(), ...more }));
const meeting = (api: Api): Item => ({
  startsAt: `${api.day(3, '10:00').replace(' ', 'T')}:00Z`,
  endsAt: `${api.day(3, '11:00').replace(' ', 'T')}:00Z`,
  allDay: false,
  title: 'Kor',
  description: '',
  isPrivate: false,
});
const booked = async (api: Api, title: string, days = 1) => {
  const event = await api.desk.book(101, { title, from: api.day(days, '10:00'), to: api.day(days, '11:00') });
  await api.settle();
  return event;
};
const stored = async (api: Api, title: string) =>
  (await api.db.query('SELECT active, description FROM bb_event WHERE name = $1', [title]))[0];
const deletedInOutlook = async (api: Api, title: string) => {
  api.outlook.vanish(api.outlook.in(mailbox).find((event) => event.item?.title === title)!.id);
  await api.call('POST', '/polling/detect-missing-events');
  // the answer does not wait for what the booking system's triggers say of the cancellation
  await api.settle();
};
/** An event that a person made in Outlook, with its reservation. */
const imported = async (api: Api) => {
  await api.settle();
  api.outlook.put(mailbox, meeting(api), null);
  await api.call('POST', '/polling/poll-changes');
  await api.settle();
};
const titlesIn = ({ body }: Answer) => (body['items'] as { title: string }[]).map(({ title }) => title);
/** Runs it while the clock of this process, and no timer of it, is so many milliseconds off. */
async function withClock<T>(ms: number, work: () => Promise<T>): Promise<T> {
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + ms });
  try {
    return await work();
  } finally {
    vi.useRealTimers();
  }
}
const titles = (api: Api) => api.outlook.in(mailbox).map((event) => event.item?.title);

test('a reservation cancelled from Outlook is active again and gets an event anew, and that is undone too', async () => {
  await using api = await openApi();
  await booked(api, 'Kurs');
  const before = await stored(api, 'Kurs');
  await deletedInOutlook(api, 'Kurs');
  expect(await stored(api, 'Kurs')).toMatchObject({ active: 0 });
  const plan = await api.call('GET', `/undo/plan?since=${since()}`);
  expect(plan.body).toMatchObject({
    dry_run: true,
    count: 1,
    items: [{ what: 'cancelled', step: 're-enable', refused: null }],
  });
  expect((await undo(api, { dry_run: true })).body).toMatchObject({ dry_run: true, count: 1 });
  expect(await stored(api, 'Kurs')).toMatchObject({ active: 0 });
  expect((await undo(api)).body).toMatchObject({ dry_run: false, count: 1, refused: 0 });
  await api.settle();
  expect(await stored(api, 'Kurs')).toEqual({ ...before, description: before!['description'] ?? '' });
  expect(titles(api)).toEqual(['Kurs']);
  expect((await undo(api)).body).toMatchObject({ count: 0 });
  expect((await undo(api, { what: 'undone' })).body).toMatchObject({ count: 1, items: [{ step: 'cancel' }] });
  await api.settle();
  expect(await stored(api, 'Kurs')).toMatchObject({ active: 0 });
  expect(titles(api)).toEqual([]);
});

test('an import is taken back and the event stays, and is imported no second time', async () => {
  await using api = await openApi();
  await imported(api);
  expect((await undo(api, { what: 'imported' })).body).toMatchObject({
    count: 1,
    items: [{ step: 'take-back' }],
  });
  await api.settle();
  await api.call('POST', '/polling/poll-changes');
  await api.call('POST', '/rooms/101/resync');
  await api.settle();
  expect(await stored(api, 'Kor')).toMatchObject({ active: 0 });
  expect(titles(api)).toEqual(['Kor']);
  expect(await api.db.query("SELECT count(*) AS n FROM bb_event WHERE name = 'Kor'")).toEqual([{ n: 1 }]);
  expect((await undo(api, { what: 'undone' })).body).toMatchObject({
    count: 1,
    items: [{ step: 're-enable' }],
  });
  await api.settle();
  expect(await stored(api, 'Kor')).toMatchObject({ active: 1 });
  expect(titles(api)).toEqual(['Kor']);
  // the event is a meeting of its organiser: it stays however often something is undone
  expect((await undo(api, { what: 'undone' })).body).toMatchObject({
    count: 1,
    items: [{ step: 'take-back' }],
  });
  await api.settle();
  expect(await stored(api, 'Kor')).toMatchObject({ active: 0 });
  expect(titles(api)).toEqual(['Kor']);
});

test('what was deleted for a cancellation of the booking system comes back, unless its time is taken', async () => {
  await using api = await openApi();
  const [first, second] = [await booked(api, 'Bunad'), await booked(api, 'Dans', 2)];
  for (const { id } of [first, second])
    await api.db.query('UPDATE bb_event SET active = 0 WHERE id = $1', [id]);
  await api.settle();
  const other = await booked(api, 'Ny', 2);
  const { body } = await undo(api, { what: 'deleted', resource_id: 101 });
  expect(body).toMatchObject({ count: 1, refused: 1 });
  expect(body['items']).toMatchObject([
    { title: 'Dans', refused: `its time is taken by event/${other.id}` },
    { title: 'Bunad', refused: null },
  ]);
  await api.settle();
  expect(titles(api).toSorted()).toEqual(['Bunad', 'Ny']);
});

test('a reservation in several rooms is undone by any of them', async () => {
  await using api = await openApi();
  const { id } = await booked(api, 'Kurs');
  await api.db.query('INSERT INTO bb_event_resource (event_id, resource_id) VALUES ($1, 102)', [id]);
  await api.settle();
  await api.db.query('UPDATE bb_event SET active = 0 WHERE id = $1', [id]);
  await api.settle();
  for (const resource of [101, 102])
    expect(
      (await api.call('GET', `/undo/plan?since=${since()}&what=deleted&resource_id=${resource}`)).body,
      String(resource),
    ).toMatchObject({ count: 1 });
  expect((await undo(api, { what: 'deleted', resource_id: 103 })).body).toMatchObject({ count: 0 });
});

test('a cancellation of the booking system is not taken for one from Outlook, because of a room or a cancellation before', async () => {
  await using api = await openApi();
  const { id } = await booked(api, 'To rom');
  await api.db.query('INSERT INTO bb_event_resource (event_id, resource_id) VALUES ($1, 102)', [id]);
  const again = await booked(api, 'På nytt', 2);
  await deletedInOutlook(api, 'To rom');
  expect(await api.db.query('SELECT resource_id FROM bb_event_resource WHERE event_id = $1', [id])).toEqual([
    { resource_id: 102 },
  ]);
  // a reservation that lost one of its rooms was not cancelled
  expect((await api.call('GET', `/undo/plan?since=${since()}`)).body).toMatchObject({ items: [] });
  await deletedInOutlook(api, 'På nytt');
  await api.db.query('UPDATE bb_event SET active = 1 WHERE id = $1', [again.id]);
  await api.settle();
  for (const each of [id, again.id])
    await api.db.query('UPDATE bb_event SET active = 0 WHERE id = $1', [each]);
  await api.settle();
  expect((await undo(api, { what: 'cancelled' })).body).toMatchObject({ count: 0, items: [] });
  expect((await undo(api, { what: 'deleted' })).body).toMatchObject({ count: 2, refused: 0 });
});

test('what there is no time for is left and said, and another undo goes on with it', async () => {
  await using api = await openApi();
  await booked(api, 'Kurs');
  await deletedInOutlook(api, 'Kurs');
  const choice = { since: new Date(since()), resourceId: null, what: ['cancelled'] } as const;
  expect(await createUndo(api.db.pool, { waitMs: 0 }).apply(choice, 'anna')).toMatchObject([
    { refused: expect.stringContaining('no time left') },
  ]);
  expect(await stored(api, 'Kurs')).toMatchObject({ active: 0 });
  expect((await undo(api)).body).toMatchObject({ count: 1, pending: 0 });
});

test('what was done after the plan was read is left alone', async () => {
  await using api = await openApi();
  await booked(api, 'Kurs');
  await booked(api, 'Kor', 2);
  await deletedInOutlook(api, 'Kurs');
  const plan = await api.call('GET', `/undo/plan?since=${since()}`);
  expect(plan.body).toMatchObject({ count: 1 });
  await deletedInOutlook(api, 'Kor');
  expect((await undo(api, { until: plan.body['as_of'] })).body).toMatchObject({
    count: 1,
    items: [{ title: 'Kurs' }],
  });
  expect(await stored(api, 'Kor')).toMatchObject({ active: 0 });
});

test.each([
  ['behind', -7_200_000],
  ['ahead', 7_200_000],
])(
  'with a clock %s the one of the database, what a plan showed is undone and nothing else',
  async (_, ms) => {
    await using api = await openApi();
    await booked(api, 'Kurs');
    await booked(api, 'Kor', 2);
    await deletedInOutlook(api, 'Kurs');
    const from = since();
    const plan = await withClock(ms, () => api.call('GET', `/undo/plan?since=${from}`));
    await deletedInOutlook(api, 'Kor');
    const done = await undo(api, { since: from, until: plan.body['as_of'] });
    expect([plan, done].map(titlesIn)).toEqual([['Kurs'], ['Kurs']]);
  },
);

test('a plan shows nothing that is dated after the moment it says', async () => {
  await using api = await openApi();
  await booked(api, 'Kurs');
  await deletedInOutlook(api, 'Kurs');
  await api.db.query(`UPDATE bridge_log SET at = at + interval '1 hour'`);
  const plan = await api.call('GET', `/undo/plan?since=${since()}`);
  const dry = await undo(api, { dry_run: true });
  expect([plan, dry].map(titlesIn)).toEqual([[], []]);
});

test('a plan up to an earlier moment says that moment', async () => {
  await using api = await openApi();
  const until = new Date(Date.now() - 60_000).toISOString();
  const plan = await api.call('GET', `/undo/plan?since=${since()}&until=${until}`);
  expect(plan.body).toMatchObject({ as_of: until });
});

test('what changed since is not undone', async () => {
  await using api = await openApi();
  await imported(api);
  await api.db.query("UPDATE bb_event SET description = 'Med kake' WHERE name = 'Kor'");
  await api.settle();
  expect((await undo(api)).body).toMatchObject({
    count: 0,
    items: [{ refused: expect.stringContaining('changed since') }],
  });
  expect(await stored(api, 'Kor')).toMatchObject({ active: 1 });
});

test.each([
  [{}, 'since'],
  [{ since: 'yesterday' }, 'since'],
  [{ since: '2031-05-04', what: 'everything' }, 'what'],
])('%j is refused and %s is named', async (body, field) => {
  await using api = await openApi();
  const answer = await api.call('POST', '/undo', json(body));
  expect(answer.status).toBe(400);
  expect(answer.body).toMatchObject({ field });
});
