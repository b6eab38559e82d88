import { expect, test } from 'vitest';
import { hours, MARCH, openTenant, ROOM, type TenantWorld } from './tenant-client.ts';

const daily = {
  pattern: { type: 'daily', interval: 1 },
  range: { type: 'numbered', numberOfOccurrences: 3 },
};
const at = (day: string) => ({ start: `${day}T09:00:00Z`, end: `${day}T10:00:00Z` });
const book = (world: TenantWorld, day: string, subject = 'Choir') =>
  world.tenant.people.book(ROOM, { subject, ...at(day) });

interface Round {
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  readonly rows: any[];
  readonly pages: number;
  readonly link: string;
}

/** Walks a round to its deltaLink. */
async function walk(world: TenantWorld, from?: string, pageSize = 50): Promise<Round> {
  const rows: unknown[] = [];
  let next = from ?? `/users/${world.room}/calendarView/delta?${MARCH}`;
  for (let pages = 1; pages < 50; pages++) {
    const { status, body } = await world.ask('GET', next, undefined, {
      prefer: `odata.maxpagesize=${pageSize}, IdType="ImmutableId"`,
    });
    if (status !== 200) throw new Error(`${status} ${body.error.code}`);
    rows.push(...body.value);
    if (body['@odata.deltaLink']) return { rows, pages, link: body['@odata.deltaLink'] };
    next = body['@odata.nextLink'];
  }
  throw new Error('pages without end');
}

test('a first round lists the window', async () => {
  await using world = await openTenant();
  const { id } = book(world, '2026-03-02');
  book(world, '2026-05-02');
  expect((await walk(world)).rows.map((row) => row.id)).toEqual([id]);
});

test('a round with nothing new is empty', async () => {
  await using world = await openTenant();
  book(world, '2026-03-02');
  expect((await walk(world, (await walk(world)).link)).rows).toEqual([]);
});

test('pages are as long as asked for', async () => {
  await using world = await openTenant();
  for (const day of ['02', '03', '04', '05', '06']) book(world, `2026-03-${day}`);
  expect((await walk(world, undefined, 2)).pages).toBe(3);
});

test('a change comes once, with the state of now', async () => {
  await using world = await openTenant();
  const { id } = book(world, '2026-03-02');
  const { link } = await walk(world);
  world.tenant.people.retitle(ROOM, id, 'One');
  world.tenant.people.retitle(ROOM, id, 'Two');
  expect((await walk(world, link)).rows.map((row) => row.subject)).toEqual(['Two']);
});

test('a deleted event is a removed row', async () => {
  await using world = await openTenant();
  const { id } = book(world, '2026-03-02');
  const { link } = await walk(world);
  world.tenant.people.remove(ROOM, id);
  expect((await walk(world, link)).rows).toEqual([
    { '@odata.type': '#microsoft.graph.event', id, '@removed': { reason: 'deleted' } },
  ]);
});

test('an event moved out of the window looks deleted', async () => {
  await using world = await openTenant();
  const { id } = book(world, '2026-03-02');
  const { link } = await walk(world);
  world.tenant.people.move(ROOM, id, at('2026-06-02'));
  expect((await walk(world, link)).rows[0]).toHaveProperty('@removed');
});

test('a new event outside the window looks deleted', async () => {
  await using world = await openTenant();
  const { link } = await walk(world);
  const { id } = book(world, '2027-03-02');
  expect((await walk(world, link)).rows).toMatchObject([{ id, '@removed': { reason: 'deleted' } }]);
});

test('rows carry no extended properties', async () => {
  await using world = await openTenant();
  const extendedProperties = { 'String {66f5a359-4659-4830-9070-00047ec6ac6f} Name X': '1' };
  world.tenant.people.book(ROOM, { subject: 'A', ...at('2026-03-02'), extendedProperties });
  expect((await walk(world)).rows[0]).not.toHaveProperty('singleValueExtendedProperties');
});

test('a series is its master in full and its occurrences bare', async () => {
  await using world = await openTenant();
  world.tenant.people.bookSeries(ROOM, { subject: 'Yoga', ...at('2026-03-02'), ...daily });
  const [master, first] = (await walk(world)).rows;
  expect([master.type, master.subject, Object.keys(first)]).toEqual([
    'seriesMaster',
    'Yoga',
    ['@odata.type', '@odata.etag', 'id', 'seriesMasterId', 'type', 'start', 'end'],
  ]);
});

test('the master carries the time of its first occurrence, years back', async () => {
  await using world = await openTenant();
  const range = { type: 'noEnd' };
  world.tenant.people.bookSeries(ROOM, {
    subject: 'Yoga',
    ...at('2020-01-06'),
    pattern: daily.pattern,
    range,
  });
  expect((await walk(world)).rows[0].start.dateTime).toBe('2020-01-06T09:00:00.0000000');
});

test('a deleted occurrence has no row, its series comes again', async () => {
  await using world = await openTenant();
  const { id } = world.tenant.people.bookSeries(ROOM, { subject: 'Yoga', ...at('2026-03-02'), ...daily });
  const { link } = await walk(world);
  world.tenant.people.deleteOccurrence(ROOM, id, '2026-03-03');
  const { rows } = await walk(world, link);
  expect(rows.map((row) => [row.type, row['@removed']])).toEqual([
    ['seriesMaster', undefined],
    ['occurrence', undefined],
    ['occurrence', undefined],
  ]);
});

test('a deleted occurrence can leave nothing at all', async () => {
  await using world = await openTenant();
  const { id } = world.tenant.people.bookSeries(ROOM, { subject: 'Yoga', ...at('2026-03-02'), ...daily });
  world.tenant.faults.set({ deltaSilentOccurrences: true });
  const { link } = await walk(world);
  world.tenant.people.deleteOccurrence(ROOM, id, '2026-03-03');
  expect((await walk(world, link)).rows).toEqual([]);
});

test('a moved occurrence is an exception in full', async () => {
  await using world = await openTenant();
  const { id } = world.tenant.people.bookSeries(ROOM, { subject: 'Yoga', ...at('2026-03-02'), ...daily });
  const { link } = await walk(world);
  const to = { start: '2026-03-03T15:00Z', end: '2026-03-03T16:00Z' };
  world.tenant.people.moveOccurrence(ROOM, id, '2026-03-03', to);
  const exception = (await walk(world, link)).rows.find((row) => row.type === 'exception');
  expect([exception.subject, exception.originalStart]).toEqual(['Yoga', '2026-03-03T09:00:00.0000000Z']);
});

test('an item moved to another folder is removed', async () => {
  await using world = await openTenant();
  const { id } = book(world, '2026-03-02');
  const { link } = await walk(world);
  world.tenant.people.moveToFolder(ROOM, id, 'other');
  expect((await walk(world, link)).rows[0]).toHaveProperty('@removed');
});

test('only the last four tokens of a mailbox live', async () => {
  await using world = await openTenant();
  const { link } = await walk(world);
  for (let round = 0; round < 4; round++) await walk(world);
  const { status, body, headers } = await world.ask('GET', link);
  expect([status, body.error.code, headers.has('location')]).toEqual([410, 'SyncStateNotFound', true]);
});

test('tokens can be forgotten', async () => {
  await using world = await openTenant();
  const { link } = await walk(world);
  world.tenant.forgetDeltaTokens(ROOM);
  expect((await world.ask('GET', link)).status).toBe(410);
});

test('a token is good for its own mailbox only', async () => {
  await using world = await openTenant();
  const other = world.tenant.addRoom({ upn: 'attic@sandbox.example', name: 'Attic' });
  const { link } = await walk(world);
  const { body } = await world.ask('GET', link.replace(world.room, other));
  expect(body.error.message).toBe('Badly formed token.');
});

test.for([
  ['no window', '', 400, 'ErrorInvalidParameter'],
  ['$select', `${MARCH}&$select=id`, 400, 'ErrorInvalidUrlQuery'],
  ['$expand', `${MARCH}&$expand=singleValueExtendedProperties`, 500, 'InternalServerError'],
  ['a token it never gave out', '$deltatoken=latest', 400, 'BadRequest'],
] as const)('delta with %s is refused', async ([, query, status, code]) => {
  await using world = await openTenant();
  const answer = await world.ask('GET', `/users/${world.room}/calendarView/delta?${query}`);
  expect([answer.status, answer.body.error.code]).toEqual([status, code]);
});

test('there is no delta of events in v1.0', async () => {
  await using world = await openTenant();
  expect((await world.ask('GET', `/users/${world.room}/events/delta`)).status).toBe(400);
});

test('the first page can be empty and yet lead on', async () => {
  await using world = await openTenant();
  world.tenant.faults.set({ deltaEmptyFirstPage: true });
  const { id } = book(world, '2026-03-02');
  const { pages, rows } = await walk(world);
  expect([pages, rows.map((row) => row.id)]).toEqual([2, [id]]);
});

test('rows can come twice', async () => {
  await using world = await openTenant();
  world.tenant.faults.set({ deltaRepeats: true });
  const { id } = book(world, '2026-03-02');
  expect((await walk(world)).rows.map((row) => row.id)).toEqual([id, id]);
});

test('changes can turn up late', async () => {
  await using world = await openTenant();
  world.tenant.faults.set({ deltaLagMs: 60_000 });
  const { link } = await walk(world);
  const { id } = book(world, '2026-03-02');
  const early = await walk(world, link);
  world.tenant.advance(60_000);
  const late = await walk(world, early.link);
  expect([early.rows, late.rows.map((row) => row.id)]).toEqual([[], [id]]);
});

test('pages can go on without end', async () => {
  await using world = await openTenant();
  world.tenant.faults.set({ deltaEndless: true });
  book(world, '2026-03-02');
  await expect(walk(world)).rejects.toThrow('pages without end');
});

test('delta can call everything deleted though nothing is', async () => {
  await using world = await openTenant();
  const { id } = book(world, '2026-03-02');
  world.tenant.faults.set({ deltaLies: 'removed' }, ROOM);
  const { rows } = await walk(world);
  expect([rows[0], world.tenant.eventsIn(ROOM)]).toMatchObject([{ id, '@removed': {} }, [{ id }]]);
});

test('delta can hide everything for a while', async () => {
  await using world = await openTenant();
  const { link } = await walk(world);
  world.tenant.faults.set({ deltaLies: 'empty' });
  book(world, '2026-03-02');
  const hidden = await walk(world, link);
  world.tenant.faults.set({ deltaLies: null });
  expect([hidden.rows.length, (await walk(world, hidden.link)).rows.length]).toEqual([0, 1]);
});

test('an event created over HTTP shows in delta as well', async () => {
  await using world = await openTenant();
  const { link } = await walk(world);
  const { id } = await world.create(hours('2026-03-02', 9, 10));
  expect((await walk(world, link)).rows.map((row) => row.id)).toEqual([id]);
});
