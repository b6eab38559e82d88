import { expect, test } from 'vitest';
import { event, openTenant, ROOM, type TenantWorld } from './tenant-client.ts';

const json = { 'Content-Type': 'application/json' };
const list = (id: string, more: object = {}) => ({
  id,
  method: 'GET',
  url: `/users/${ROOM}/events`,
  ...more,
});
const write = (id: string, subject: string, more: object = {}) => ({
  id,
  method: 'POST',
  url: `/users/${ROOM}/events`,
  headers: json,
  body: event({ subject }),
  ...more,
});
const batch = (world: TenantWorld, requests: readonly object[]) => world.ask('POST', '/$batch', { requests });
const statuses = (responses: readonly { id: string; status: number }[]) =>
  Object.fromEntries(responses.map(({ id, status }) => [id, status]));

test('a batch answers each request by its id', async () => {
  await using world = await openTenant();
  const { body } = await batch(world, [write('a', 'One'), list('b', { url: `/users/${ROOM}/events/42` })]);
  expect(statuses(body.responses)).toEqual({ a: 201, b: 400 });
});

test('answers come in any order', async () => {
  await using world = await openTenant();
  const ids = Array.from({ length: 20 }, (_, index) => `${index}`);
  const { body } = await batch(
    world,
    ids.map((id) => list(id)),
  );
  expect(body.responses.map((one: { id: string }) => one.id)).not.toEqual(ids);
});

test('inner requests carry their own Prefer header', async () => {
  await using world = await openTenant();
  const { id } = await world.create();
  const { body } = await batch(world, [
    list('a', { headers: { Prefer: 'IdType="ImmutableId"' } }),
    list('b'),
  ]);
  const ids = Object.fromEntries(
    body.responses.map((one: { id: string; body: { value: { id: string }[] } }) => [
      one.id,
      one.body.value[0]?.id,
    ]),
  );
  expect([ids.a === id, ids.b === id]).toEqual([true, false]);
});

test.for([
  ['more than 20 requests', Array.from({ length: 21 }, (_, index) => list(`${index}`))],
  ['no request', []],
  ['ids that differ in letter case alone', [list('a'), list('A')]],
  ['a body without a Content-Type', [write('a', 'One', { headers: {} })]],
  ['an absolute url', [list('a', { url: 'https://graph.microsoft.com/v1.0/users' })]],
  ['a batch within', [write('a', 'One', { url: '/$batch' })]],
  ['a dependency on a request that is not there', [list('a', { dependsOn: ['b'] })]],
  ['a circle of dependencies', [list('a', { dependsOn: ['b'] }), list('b', { dependsOn: ['a'] })]],
] as const)('a batch with %s is refused as a whole', async ([, requests]) => {
  await using world = await openTenant();
  expect((await batch(world, requests)).status).toBe(400);
});

test('what depends on a failure fails with it', async () => {
  await using world = await openTenant();
  const { body } = await batch(world, [
    list('b', { dependsOn: ['a'] }),
    list('a', { url: `/users/${ROOM}/events/42` }),
    list('c'),
  ]);
  expect(statuses(body.responses)).toEqual({ a: 400, b: 424, c: 200 });
});

test('a batch is noted after its parts, without their bodies', async () => {
  await using world = await openTenant();
  await batch(world, [write('a', 'One'), list('b')]);
  const noted = world.tenant.journal
    .slice(-3)
    .map(({ path, batch: part, body }) => [path, part !== null, body !== null]);
  expect(noted.at(-1)).toEqual(['/$batch', false, false]);
  expect(noted.filter(([, part]) => part)).toHaveLength(2);
});

test('a batch can be refused as a whole by a fault', async () => {
  await using world = await openTenant();
  world.tenant.faults.add({
    match: { path: '^/\\$batch' },
    action: { do: 'refuse', as: 'serviceUnavailable' },
  });
  const { status } = await batch(world, [write('a', 'One')]);
  expect([status, world.tenant.eventsIn(ROOM)]).toEqual([503, []]);
});

test('more than four batches may run, if their mailboxes differ', async () => {
  await using world = await openTenant({ latencyMs: 20 });
  const rooms = Array.from({ length: 6 }, (_, n) =>
    world.tenant.addRoom({ upn: `r${n}@sandbox.example`, name: `R${n}` }),
  );
  const answers = await Promise.all(
    rooms.map((room) => batch(world, [list('a', { url: `/users/${room}/events` })])),
  );
  expect(answers.map(({ body }) => body.responses[0].status)).toEqual([200, 200, 200, 200, 200, 200]);
});

test('a batch to one mailbox keeps four requests in flight', async () => {
  await using world = await openTenant({ latencyMs: 5 });
  await batch(
    world,
    Array.from({ length: 8 }, (_, index) => list(`${index}`)),
  );
  const inner = world.tenant.journal.filter((entry) => entry.batch !== null);
  expect(Math.max(...inner.map((entry) => entry.inFlight))).toBe(4);
});

/** Requests to the room, by any of its names, that are in flight for as long as the tenant is there. */
async function keepInFlight(world: TenantWorld, names: readonly string[]): Promise<void> {
  const hang = world.tenant.faults.add({ action: { do: 'hang' } });
  // the tenant breaks them off when it closes
  for (const name of names) void world.ask('GET', `/users/${name}/events`).catch(() => undefined);
  await world.tenant.until(() => world.tenant.journal.filter((entry) => entry.lost).length === names.length);
  world.tenant.faults.remove(hang);
}

test('a request beside a batch makes one too many', async () => {
  await using world = await openTenant({ latencyMs: 5 });
  await keepInFlight(world, [ROOM]);
  const { body } = await batch(
    world,
    Array.from({ length: 8 }, (_, index) => list(`${index}`)),
  );
  expect(Object.values(statuses(body.responses))).toContain(429);
});

test('the fifth request in flight to a mailbox is throttled and noted', async () => {
  await using world = await openTenant();
  await keepInFlight(world, [ROOM, ROOM, ROOM, ROOM]);
  const fifth = await world.ask('GET', `/users/${ROOM}/events`);
  expect([fifth.body.error.code, fifth.headers.get('retry-after'), world.tenant.violations[0]?.rule]).toEqual(
    ['ApplicationThrottled', '1', 'concurrency'],
  );
});

test('the same mailbox by id and by address is one mailbox', async () => {
  await using world = await openTenant();
  await keepInFlight(world, [ROOM, world.room, ROOM, world.room]);
  expect((await world.ask('GET', `/users/${ROOM.toUpperCase()}/events`)).status).toBe(429);
});

test('other mailboxes are unaffected', async () => {
  await using world = await openTenant();
  const other = world.tenant.addRoom({ upn: 'attic@sandbox.example', name: 'Attic' });
  await keepInFlight(world, [ROOM, ROOM, ROOM, ROOM]);
  expect((await world.ask('GET', `/users/${other}/events`)).status).toBe(200);
});

test('four in a row, as fast as answers come, are never throttled', async () => {
  await using world = await openTenant();
  const line = async () => {
    for (let n = 0; n < 50; n++) await world.create({ subject: `${n}` });
  };
  await Promise.all([line(), line(), line(), line()]);
  expect(world.tenant.violations).toEqual([]);
});

test('a limit per ten minutes can be set', async () => {
  await using world = await openTenant();
  world.tenant.faults.set({ requestsPerTenMinutes: 3 });
  const answers = [];
  for (let n = 0; n < 4; n++) answers.push((await world.ask('GET', `/users/${ROOM}/events`)).status);
  world.tenant.advance(600_000);
  answers.push((await world.ask('GET', `/users/${ROOM}/events`)).status);
  // The first request of all went into the same ten minutes: the client asked for the room's id.
  expect(answers).toEqual([200, 200, 429, 429, 200]);
});
