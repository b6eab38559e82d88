import { Client } from 'undici';
import { expect, test } from 'vitest';
import { event, login, openTenant, ROOM, type TenantWorld } from './tenant-client.ts';

const EVENTS = `/users/${ROOM}/events`;

test('an answer can be lost after the write was applied', async () => {
  await using world = await openTenant();
  world.tenant.faults.add({ match: { method: 'POST' }, times: 1, action: { do: 'dropAnswer' } });
  await expect(world.ask('POST', EVENTS, event())).rejects.toThrow();
  expect([world.tenant.eventsIn(ROOM).length, world.tenant.journal.at(-1)?.lost]).toEqual([1, true]);
});

test('a connection can break before anything is applied', async () => {
  await using world = await openTenant();
  world.tenant.faults.add({ times: 1, action: { do: 'drop' } });
  await expect(world.ask('POST', EVENTS, event())).rejects.toThrow();
  expect(world.tenant.eventsIn(ROOM)).toEqual([]);
});

test('a lost answer within a batch loses the whole batch', async () => {
  await using world = await openTenant();
  world.tenant.faults.add({
    match: { method: 'POST', path: '/events' },
    times: 1,
    action: { do: 'dropAnswer' },
  });
  const headers = { 'Content-Type': 'application/json' };
  const requests = ['a', 'b'].map((id) => ({ id, method: 'POST', url: EVENTS, headers, body: event() }));
  await expect(world.ask('POST', '/$batch', { requests })).rejects.toThrow();
  expect(world.tenant.eventsIn(ROOM)).toHaveLength(2);
});

test('an answer can be late though the write is there at once', async () => {
  await using world = await openTenant();
  world.tenant.faults.add({ times: 1, action: { do: 'delayAnswer', ms: 50 } });
  const started = performance.now();
  await world.ask('POST', EVENTS, event());
  expect(performance.now() - started).toBeGreaterThan(45);
});

test('a request can hang until the client gives up', async () => {
  await using world = await openTenant();
  world.tenant.faults.add({ times: 1, action: { do: 'hang' } });
  const gone = new AbortController();
  const hanging = fetch(`${world.tenant.graphBaseUrl}${EVENTS}`, {
    headers: { authorization: await bearer(world) },
    signal: gone.signal,
  });
  await world.tenant.until((entry) => entry.lost);
  gone.abort();
  await expect(hanging).rejects.toThrow();
});

const bearer = async (world: TenantWorld) => `Bearer ${(await login(world.tenant)).body.access_token}`;

test('a client that gave up holds no place', async () => {
  await using world = await openTenant();
  world.tenant.faults.add({ times: 4, action: { do: 'hang' } });
  const authorization = await bearer(world);
  for (let n = 0; n < 4; n++) {
    const gone = new AbortController();
    const seen = world.tenant.journal.length;
    const hanging = fetch(world.tenant.graphBaseUrl + EVENTS, {
      headers: { authorization },
      signal: gone.signal,
    });
    await world.tenant.until((entry) => entry.lost && entry.seq > seen);
    gone.abort();
    await expect(hanging).rejects.toThrow();
  }
  let status = 429;
  while (status === 429) ({ status } = await world.ask('GET', EVENTS));
  expect(status).toBe(200);
});

test.for([
  ['throttled', 429, 'ApplicationThrottled'],
  ['internalError', 500, 'InternalServerError'],
  ['serviceUnavailable', 503, 'ServiceUnavailable'],
  ['gatewayTimeout', 504, 'UnknownError'],
  ['accessDenied', 403, 'ErrorAccessDenied'],
  ['noMailbox', 404, 'MailboxNotEnabledForRESTAPI'],
  ['irresolvableConflict', 412, 'ErrorIrresolvableConflict'],
  ['unauthenticated', 401, 'InvalidAuthenticationToken'],
] as const)('a mailbox can be %s', async ([as, status, code]) => {
  await using world = await openTenant();
  world.tenant.faults.add({ match: { mailbox: ROOM }, action: { do: 'refuse', as } });
  const answer = await world.ask('GET', EVENTS);
  expect([answer.status, answer.body.error.code]).toEqual([status, code]);
});

test.for([
  ['whole seconds', { retryAfter: 2 }, /^2$/],
  ['fractions', { retryAfter: '2.128' }, /^2\.128$/],
  ['a date', { retryAfterDateMs: 5_000 }, / GMT$/],
  ['nothing', {}, /^$/],
] as const)('Retry-After can be %s', async ([, retry, shape]) => {
  await using world = await openTenant();
  world.tenant.faults.add({ action: { do: 'refuse', as: 'throttled', ...retry } });
  expect((await world.ask('GET', EVENTS)).headers.get('retry-after') ?? '').toMatch(shape);
});

test('a request before its Retry-After has elapsed is noted, if its client had read that when it was sent', async () => {
  await using world = await openTenant();
  const { access_token: token } = (await login(world.tenant)).body as { access_token: string };
  const headers = { authorization: `Bearer ${token}` };
  const path = `/v1.0${EVENTS}`;
  const [one, other] = [0, 1].map(() => new Client(world.tenant.authority)) as [Client, Client];
  const ask = async (on: Client, count: number) => {
    await (await on.request({ method: 'GET', path, headers })).body.dump();
    expect(world.tenant.violations.map(({ rule }) => rule)).toEqual(Array(count).fill('early-retry'));
  };
  world.tenant.faults.add({ times: 1, action: { do: 'refuse', as: 'throttled', retryAfter: 60 } });
  await ask(one, 0);
  // it may have been sent before, however late it comes
  await ask(other, 0);
  // the answer was read: the connection is used again
  await ask(one, 1);
  await ask(other, 2);
  await Promise.all([one.close(), other.close()]);
});

test('a mailbox can be stale by address and well by id', async () => {
  await using world = await openTenant();
  world.tenant.faults.add({
    match: { addressedBy: 'upn' },
    action: { do: 'refuse', as: 'mailboxInfoStale' },
  });
  const answers = [await world.ask('GET', EVENTS), await world.ask('GET', `/users/${world.room}/events`)];
  expect(answers.map(({ status }) => status)).toEqual([503, 200]);
});

test('a fault ends after so many requests', async () => {
  await using world = await openTenant();
  world.tenant.faults.add({ times: 2, action: { do: 'refuse', as: 'serviceUnavailable' } });
  const statuses = [];
  for (let n = 0; n < 3; n++) statuses.push((await world.ask('GET', EVENTS)).status);
  expect(statuses).toEqual([503, 503, 200]);
});

test('a fault can strike by chance', async () => {
  await using world = await openTenant();
  world.tenant.faults.add({ probability: 0.5, action: { do: 'refuse', as: 'serviceUnavailable' } });
  const statuses = new Set<number>();
  for (let n = 0; n < 20; n++) statuses.add((await world.ask('GET', EVENTS)).status);
  expect(statuses).toEqual(new Set([200, 503]));
});

test('a fault spares other methods', async () => {
  await using world = await openTenant();
  world.tenant.faults.add({ match: { method: 'POST' }, action: { do: 'refuse', as: 'internalError' } });
  expect((await world.ask('GET', EVENTS)).status).toBe(200);
});

test('clearing ends all faults and switches', async () => {
  await using world = await openTenant();
  world.tenant.faults.add({ action: { do: 'refuse', as: 'internalError' } });
  world.tenant.faults.set({ concurrency: 0 });
  world.tenant.faults.clear();
  expect((await world.ask('GET', EVENTS)).status).toBe(200);
});

test('a switch of one mailbox spares the others', async () => {
  await using world = await openTenant();
  const other = world.tenant.addRoom({ upn: 'attic@sandbox.example', name: 'Attic' });
  world.tenant.faults.set({ mayReadUsers: false }, ROOM);
  const answers = [
    await world.ask('GET', `/users/${ROOM}?$select=id`),
    await world.ask('GET', `/users/${other}?$select=id`),
  ];
  expect(answers.map(({ status }) => status)).toEqual([403, 200]);
});

test('a misspelt switch is refused', async () => {
  await using world = await openTenant();
  expect(() => world.tenant.faults.set({ latency: 5 } as object)).toThrow('no switch');
});

test('the journal has what was asked and answered', async () => {
  await using world = await openTenant();
  await world.ask('POST', EVENTS, event({ subject: 'Choir' }), { 'client-request-id': 'one' });
  expect(world.tenant.journal.at(-1)).toMatchObject({
    method: 'POST',
    path: EVENTS,
    mailbox: world.room,
    status: 201,
    correlation: 'one',
    inFlight: 1,
    body: { subject: 'Choir' },
  });
});

test('the journal holds no credentials', async () => {
  await using world = await openTenant();
  expect(JSON.stringify(world.tenant.journal)).not.toContain(world.tenant.clientSecret);
});

test('the journal keeps no more than its size', async () => {
  await using world = await openTenant({ journalSize: 10 });
  for (let n = 0; n < 30; n++) await world.ask('GET', EVENTS);
  expect(world.tenant.journal.length).toBeLessThanOrEqual(12);
});

test('one can wait for a request that is still to come', async () => {
  await using world = await openTenant();
  const written = world.tenant.until((entry) => entry.method === 'POST' && entry.status === 201);
  await world.create();
  expect((await written).path).toBe(`/users/${world.room}/events`);
});

test('waiting ends with its signal', async () => {
  await using world = await openTenant();
  const stop = new AbortController();
  const waiting = world.tenant.until(() => false, stop.signal);
  stop.abort(new Error('enough'));
  await expect(waiting).rejects.toThrow('enough');
});

test('rooms are listed with their addresses', async () => {
  await using world = await openTenant();
  const { body } = await world.ask('GET', '/places/microsoft.graph.room');
  expect(body.value.map((one: { emailAddress: string }) => one.emailAddress)).toEqual([ROOM]);
});

test('a directory that refuses says so', async () => {
  await using world = await openTenant();
  world.tenant.faults.set({ mayReadPlaces: false });
  expect((await world.ask('GET', '/places/microsoft.graph.roomList')).body.error.code).toBe(
    'Authorization_RequestDenied',
  );
});

test('getSchedule shows when a room is busy, without ids', async () => {
  await using world = await openTenant();
  await world.create();
  const { body } = await world.ask('POST', `/users/${ROOM}/calendar/getSchedule`, {
    schedules: [ROOM, 'nobody@sandbox.example'],
    startTime: { dateTime: '2026-03-02T08:00:00', timeZone: 'UTC' },
    endTime: { dateTime: '2026-03-02T11:00:00', timeZone: 'UTC' },
    availabilityViewInterval: 60,
  });
  expect([body.value[0].availabilityView, body.value[1].error.responseCode]).toEqual(['020', '5016']);
});

test('getSchedule spans at most 62 days', async () => {
  await using world = await openTenant();
  const { body } = await world.ask('POST', `/users/${ROOM}/calendar/getSchedule`, {
    schedules: [ROOM],
    startTime: { dateTime: '2026-01-01T00:00:00', timeZone: 'UTC' },
    endTime: { dateTime: '2026-04-01T00:00:00', timeZone: 'UTC' },
  });
  expect(body.error.code).toBe('ErrorTimeIntervalTooBig');
});

test('ids translate from one kind to the other', async () => {
  await using world = await openTenant();
  const { id } = await world.create();
  const { defaultId } = world.tenant.eventsIn(ROOM)[0]!;
  const { body } = await world.ask('POST', `/users/${ROOM}/translateExchangeIds`, {
    inputIds: [defaultId],
    sourceIdType: 'restId',
    targetIdType: 'restImmutableEntryId',
  });
  expect(body.value).toEqual([{ sourceId: defaultId, targetId: id }]);
});

test('the documented IANA zones do not include Oslo', async () => {
  await using world = await openTenant();
  const path = `/users/${ROOM}/outlook/supportedTimeZones(TimeZoneStandard=microsoft.graph.timeZoneStandard'Iana')`;
  const { body } = await world.ask('GET', path);
  const names = body.value.map((one: { alias: string }) => one.alias);
  expect([names.includes('Europe/Berlin'), names.includes('Europe/Oslo')]).toEqual([true, false]);
});
