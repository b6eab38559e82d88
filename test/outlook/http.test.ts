import { createServer } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { createServer as createSecureServer } from 'node:https';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Agent, EnvHttpProxyAgent } from 'undici';
import { describe, expect, test } from 'vitest';
import { Conflict, Permanent, Retryable } from '../../src/errors.ts';
import { retryAfterMs } from '../../src/outlook/failure.ts';
import { createOutlook } from '../../src/outlook/events.ts';
import { createDispatcher } from '../../src/outlook/http.ts';
import { aToken, always, create, hall, library, openTold, openWorld, refusal, type Told } from './world.ts';
import { answeredEvent } from './exchange.ts';

const event = (): Told => ({ status: 200, body: answeredEvent({}) });

describe('a request', () => {
  test('carries one Prefer header with all we prefer, a fresh correlation id, and the token', async () => {
    await using told = await openTold(() => event());
    await told.outlook.read(hall, 'AAMk', always);
    await told.outlook.read(hall, 'AAMk', always);
    const [first, second] = told.asked;
    expect(first?.headers.prefer).toBe(
      'IdType="ImmutableId", outlook.timezone="UTC", outlook.body-content-type="text"',
    );
    expect(first?.headers.authorization).toMatch(/^Bearer token-/);
    expect(first?.headers['client-request-id']).not.toBe(second?.headers['client-request-id']);
  });

  test('to a mailbox with an apostrophe, and for an id with slashes, is encoded', async () => {
    await using told = await openTold(() => event());
    await told.outlook.read({ mailbox: "o'brien@x.example" }, 'AA/Mk+=_-', always);
    expect(told.asked[0]?.path).toMatch(/^\/v1\.0\/users\/o%27brien%40x\.example\/events\/AA%2FMk%2B%3D_-\?/);
  });

  test('whose token is refused is sent once more with a new one, and once only', async () => {
    await using told = await openTold((_, number) =>
      number === 1 ? refusal(401, 'InvalidAuthenticationToken') : event(),
    );
    expect(await told.outlook.read(hall, 'AAMk', always)).not.toBeNull();
    expect(told.tokenAsked.length).toBe(2);
    await using deaf = await openTold(() => refusal(401, 'InvalidAuthenticationToken'));
    await expect(deaf.outlook.read(hall, 'AAMk', always)).rejects.toBeInstanceOf(Retryable);
    expect(deaf.asked.length).toBe(2);
  });

  test.each([429, 503])(
    'to a mailbox that asked for rest with a %i is not sent until that is over',
    async (status) => {
      await using told = await openTold((asked) =>
        asked.path.includes('hall') ? refusal(status, 'Busy', { 'retry-after': '30' }) : event(),
      );
      const { mailbox } = hall;
      expect(mailbox).toContain('hall');
      await expect(told.outlook.read(hall, 'AAMk', always)).rejects.toMatchObject({ afterMs: 30_000 });
      await expect(told.outlook.read(hall, 'AAMk', always)).rejects.toMatchObject({ reach: 'room' });
      expect(await told.outlook.read(library, 'AAMk', always)).not.toBeNull();
      expect(told.asked.filter((one) => one.path.includes('hall')).length).toBe(1);
    },
  );

  test('revoked tokens cost one new token for all that are under way', async () => {
    await using world = await openWorld();
    const writes = [1, 2, 3, 4].map((id) => create(id));
    await world.outlook.write(hall, writes, always);
    world.tenant.revokeTokens();
    const [here, there] = await Promise.all([
      world.outlook.write(
        hall,
        [5, 6, 7, 8].map((id) => create(id)),
        always,
      ),
      world.outlook.write(
        library,
        [9, 10, 11, 12].map((id) => create(id)),
        always,
      ),
    ]);
    expect([...here, ...there].every(({ outcome }) => outcome === 'written')).toBe(true);
    expect(world.tenant.journal.filter(({ path }) => path.includes('/oauth2/')).length).toBe(2);
  });

  test('is told about, with its status and time', async () => {
    const made: unknown[] = [];
    await using told = await openTold(() => event(), undefined, { onCall: (call) => made.push(call) });
    await told.outlook.read(hall, 'AAMk', always);
    expect(made).toEqual([
      { what: 'read an event', mailbox: hall.mailbox, status: 200, ms: expect.any(Number) as number },
    ]);
  });

  test('to a mailbox is not sent when the lease on it is gone', async () => {
    const gone = new Retryable('the lease is lost', { reach: 'room' });
    await using told = await openTold(() => event(), undefined, {
      beforeSend: () => {
        throw gone;
      },
    });
    await expect(told.outlook.read(hall, 'AAMk', always)).rejects.toBe(gone);
    expect(await told.outlook.write(hall, [create(1)], always)).toMatchObject([
      { outcome: 'failed', error: gone },
    ]);
    expect(told.asked).toEqual([]);
  });

  test('that the caller gives up ends at once, with the caller’s reason', async () => {
    const arrived = Promise.withResolvers<void>();
    await using told = await openTold(() => {
      arrived.resolve();
      return 'hang';
    });
    const stop = new AbortController();
    const writing = told.outlook.write(hall, [create(1)], stop.signal);
    await arrived.promise;
    stop.abort(new Error('we are stopping'));
    await expect(writing).rejects.toThrow('we are stopping');
    const later = new AbortController();
    const reading = told.outlook.read(hall, 'AAMk', later.signal);
    setImmediate(() => later.abort(new Error('later')));
    await reading.catch((error: unknown) => expect(error).toBe(later.signal.reason));
    expect(told.outlook.load()).toEqual({ inFlight: 0, waiting: 0 });
    await expect(told.outlook.write(hall, [create(1)], stop.signal)).rejects.toThrow('we are stopping');
  });
});

describe('a refusal', () => {
  const read = async (told: Told) => {
    await using graph = await openTold(() => told);
    return await graph.outlook.read(hall, 'AAMk', always).catch((error: unknown) => error);
  };
  const write = async (told: Told) => {
    await using graph = await openTold(() => told);
    const [written] = await graph.outlook.write(hall, [create(1)], always);
    return written?.outcome === 'failed' ? written.error : written;
  };

  test.each([
    [400, 'ErrorInvalidRequest', Permanent, 'item'],
    [403, 'ErrorAccessDenied', Permanent, 'room'],
    [404, 'MailboxNotEnabledForRESTAPI', Permanent, 'room'],
    [404, 'ErrorInvalidUser', Permanent, 'room'],
    [404, 'SomethingNew', Permanent, 'room'],
    [405, 'ErrorInvalidRequest', Permanent, 'item'],
    [408, 'Timeout', Retryable, 'item'],
    [412, 'ErrorIrresolvableConflict', Retryable, 'item'],
    [409, 'ErrorIrresolvableConflict', Retryable, 'item'],
    [413, 'RequestEntityTooLarge', Permanent, 'item'],
    [423, 'Locked', Retryable, 'item'],
    [429, 'ApplicationThrottled', Retryable, 'room'],
    [500, 'InternalServerError', Retryable, 'item'],
    [501, 'NotImplemented', Permanent, 'item'],
    [502, 'BadGateway', Retryable, 'room'],
    [503, 'MailboxInfoStale', Retryable, 'room'],
    [504, 'UnknownError', Retryable, 'room'],
    [509, 'BandwidthExceeded', Retryable, 'item'],
  ])('%i %s is a matter of its kind and reach', async (status, code, kind, reach) => {
    const error = await read(refusal(status, code, { 'request-id': 'r-1' }));
    expect(error).toBeInstanceOf(kind);
    expect(error).toMatchObject({
      reach,
      requestId: 'r-1',
      message: expect.stringContaining(code) as unknown,
    });
  });

  test.each([
    ['after which it is not known whether it was carried out', [500, 502, 504], true],
    ['that says it was not', [429, 503, 408], false],
  ])('of a write %s', async (_, statuses, ambiguous) => {
    for (const status of statuses)
      expect(await write(refusal(status, 'Trouble'))).toMatchObject({ ambiguous });
    for (const status of statuses)
      expect(await read(refusal(status, 'Trouble'))).toMatchObject({ ambiguous: false });
  });

  test('of a write that met another one is a conflict', async () => {
    expect(await write(refusal(412, 'ErrorIrresolvableConflict'))).toBeInstanceOf(Conflict);
    expect(await write(refusal(409, 'ErrorIrresolvableConflict'))).toBeInstanceOf(Conflict);
  });

  test('for a missing permission says what to grant', async () => {
    expect(await read(refusal(403, 'ErrorAccessDenied'))).toMatchObject({
      hint: expect.stringContaining('Calendars.ReadWrite') as unknown,
    });
  });

  test('in three mailboxes with no success in between is an outage of Graph', async () => {
    let well = false;
    await using told = await openTold(() => (well ? event() : refusal(503, 'ServiceUnavailable')));
    const reach = async (mailbox: string) =>
      told.outlook.read({ mailbox }, 'AAMk', always).then(
        () => 'well',
        (error: unknown) => (error as Retryable).reach,
      );
    expect([await reach('a'), await reach('a'), await reach('b'), await reach('c')]).toEqual([
      'room',
      'room',
      'room',
      'side',
    ]);
    well = true;
    expect(await reach('d')).toBe('well');
    well = false;
    expect(await reach('a')).toBe('room');
  });

  test.each([
    ['seconds', '7', 7_000],
    ['fractional, as in Microsoft’s own samples', '2.128', 2_128],
    ['a date, compared with the clock of the answer', 'Sat, 21 Nov 2026 10:00:30 GMT', 30_000],
    ['in the past', 'Sat, 21 Nov 2026 09:00:30 GMT', 0],
    ['nothing', '0', 0],
    ['absurd', '999999999', 3_600_000],
    ['unreadable', 'soon', undefined],
    ['negative', '-5', undefined],
    ['missing', undefined, undefined],
  ])('asks to wait: %s', (_, value, ms) => {
    const headers = { date: 'Sat, 21 Nov 2026 10:00:00 GMT', 'retry-after': value };
    expect(retryAfterMs(headers)).toBe(ms);
  });
});

describe('no answer', () => {
  test('because nothing listens concerns the whole side, and nothing was carried out', async () => {
    const told = await openTold(() => event());
    const { outlook, graph } = told;
    await outlook.read(hall, 'AAMk', always);
    await told[Symbol.asyncDispose]();
    await using later = await openTold(() => event());
    const dispatcher = new Agent();
    const lost = createOutlook({
      graph: { ...later.graph, baseUrl: graph.baseUrl },
      timezone: 'Europe/Oslo',
      dispatcher,
    });
    const [written] = await lost.write(hall, [create(1)], always);
    expect(written).toMatchObject({
      outcome: 'failed',
      error: {
        name: 'Retryable',
        reach: 'side',
        ambiguous: false,
        hint: expect.stringContaining('GRAPH_BASE_URL') as unknown,
      },
    });
    await dispatcher.destroy();
  });

  test('because the connection broke: whether a write was carried out is not known', async () => {
    await using told = await openTold(() => 'drop');
    expect(await told.outlook.write(hall, [create(1)], always)).toMatchObject([
      { outcome: 'failed', error: { name: 'Retryable', reach: 'item', ambiguous: true } },
    ]);
    await expect(told.outlook.read(hall, 'AAMk', always)).rejects.toMatchObject({
      name: 'Retryable',
      ambiguous: false,
    });
  });

  test('to several calls, nor to a plain one, concerns the whole side, although one room had them', async () => {
    let drops = true;
    const paths: string[] = [];
    await using told = await openTold(({ path }) => {
      paths.push(path);
      return drops ? 'drop' : event();
    });
    const reach = () =>
      told.outlook.read(hall, 'AAMk', always).then(
        () => 'well',
        (error: unknown) => (error as Retryable).reach,
      );
    expect([await reach(), await reach(), await reach(), await reach()]).toEqual([
      'item',
      'item',
      'side',
      'side',
    ]);
    expect(paths.filter((path) => path.endsWith('/v1.0/'))).toHaveLength(1);
    drops = false;
    expect(await reach()).toBe('well');
    drops = true;
    expect(await reach()).toBe('item');
  });

  test('to several calls concerns their item while Graph answers others', async () => {
    await using told = await openTold(({ path }) => (path.endsWith('/v1.0/') ? event() : 'drop'));
    for (let n = 0; n < 4; n += 1)
      await expect(told.outlook.read(hall, 'AAMk', always)).rejects.toMatchObject({ reach: 'item' });
  });

  test('in time: the mailbox hangs', async () => {
    const dispatcher = new Agent({ headersTimeout: 50 });
    await using told = await openTold(() => 'hang', undefined, { dispatcher });
    expect(await told.outlook.write(hall, [create(1)], always)).toMatchObject([
      { outcome: 'failed', error: { name: 'Retryable', reach: 'room', ambiguous: true } },
    ]);
    await dispatcher.destroy();
  });

  test('that can be read: what a write did to the event is not known', async () => {
    await using told = await openTold(() => ({ status: 201, body: '<html>hello</html>' }));
    expect(await told.outlook.write(hall, [create(1)], always)).toMatchObject([
      { outcome: 'failed', error: { name: 'Retryable', ambiguous: true } },
    ]);
  });
});

describe('through a proxy', () => {
  const pem = readFileSync(join(import.meta.dirname, '../fixtures/graph/localhost.pem'), 'utf8');

  /** A Graph and token endpoint in https, and a proxy that can connect to it. */
  async function openProxied() {
    const connected: string[] = [];
    const server = createSecureServer({ key: pem, cert: pem }, (request, response) => {
      request.resume();
      const said = (request.url?.includes('/token') === true ? aToken() : event()) as { body: unknown };
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify(said.body));
    });
    const proxy = createServer().on('connect', (request, socket) => {
      connected.push(request.url ?? '');
      const [host, port] = (request.url ?? '').split(':');
      const onward = connect(Number(port), host === 'localhost' ? '127.0.0.1' : host, () => {
        socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
        socket.pipe(onward).pipe(socket);
      });
      onward.on('error', () => socket.destroy());
      socket.on('error', () => onward.destroy());
    });
    for (const one of [server, proxy])
      await new Promise<void>((resolve) => one.listen(0, '127.0.0.1', resolve));
    const port = (one: { address(): unknown }) => (one.address() as AddressInfo).port;
    const origin = `https://localhost:${port(server)}`;
    const graph = {
      tenantId: 'aaaaaaaa-0000-4000-8000-000000000001',
      clientId: 'aaaaaaaa-0000-4000-8000-000000000002',
      credential: { secret: 'secret' },
      baseUrl: `${origin}/v1.0`,
      authority: origin,
    };
    return {
      connected,
      graph,
      proxyUrl: `http://127.0.0.1:${port(proxy)}`,
      async [Symbol.asyncDispose]() {
        server.closeAllConnections();
        proxy.closeAllConnections();
        for (const one of [server, proxy]) await new Promise((resolve) => one.close(resolve));
      },
    };
  }

  test.each([
    ['both Graph and the login go through it', '', 1],
    ['but not for hosts that are excepted', 'localhost', 0],
  ])('%s', async (_, except, least) => {
    await using proxied = await openProxied();
    const { graph, proxyUrl } = proxied;
    const ca = { connect: { ca: pem }, requestTls: { ca: pem } };
    const dispatcher = new EnvHttpProxyAgent({ ...ca, httpProxy: '', httpsProxy: proxyUrl, noProxy: except });
    const outlook = createOutlook({ graph: { ...graph, proxy: null }, timezone: 'Europe/Oslo', dispatcher });
    expect(await outlook.read(hall, 'AAMk', always)).not.toBeNull();
    expect(proxied.connected.length > 0 ? 1 : 0).toBe(least);
    await dispatcher.destroy();
  });

  test('that refuses to connect, the hint names the variable', async () => {
    const proxy = createServer().on('connect', (_, socket) =>
      socket.end('HTTP/1.1 407 Proxy Authentication Required\r\n\r\n'),
    );
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
    const dispatcher = createDispatcher(
      { url: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`, except: '127.0.0.1' },
      4,
    );
    await using told = await openTold(() => event(), undefined, { dispatcher });
    const graph = { ...told.graph, baseUrl: 'https://graph.example/v1.0' };
    const outlook = createOutlook({ graph, timezone: 'Europe/Oslo', dispatcher });
    const [written] = await outlook.write(hall, [create(1)], always);
    expect(written).toMatchObject({
      outcome: 'failed',
      error: {
        name: 'Retryable',
        reach: 'side',
        ambiguous: false,
        hint: expect.stringContaining('HTTPS_PROXY') as unknown,
      },
    });
    await dispatcher.destroy();
    proxy.closeAllConnections();
    await new Promise((resolve) => proxy.close(resolve));
  });
});

test('a link that leads away from Graph is not followed, nor is our token sent there', async () => {
  const stolen: unknown[] = [];
  const thief = createServer((request, response) => {
    stolen.push(request.headers.authorization);
    response.end('{}');
  });
  await new Promise<void>((resolve) => thief.listen(0, '127.0.0.1', resolve));
  const link = `http://127.0.0.1:${(thief.address() as AddressInfo).port}/v1.0/users/x/calendarView?$skip=1`;
  await using told = await openTold(() => ({ status: 200, body: { value: [], '@odata.nextLink': link } }));
  const listing = told.outlook.list(hall, '2026-01-01T00:00:00Z', '2026-02-01T00:00:00Z', always);
  await expect(Array.fromAsync(listing)).rejects.toBeInstanceOf(Permanent);
  expect(stolen).toEqual([]);
  await new Promise((resolve) => thief.close(resolve));
});
