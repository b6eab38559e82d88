/** What holds for every endpoint that is described: the key, the headers, the words of a failure, the query. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Database } from '../../src/database.ts';
import { Retryable } from '../../src/errors.ts';
import type { Parts } from '../../src/http/app.ts';
import { createLog } from '../../src/log.ts';
import { describedBy, openApi, type Api } from './api.ts';

const key = 'correct horse battery staple';
const withKey = { headers: { 'X-API-Key': key } };

let api: Api;
const lines: Record<string, unknown>[] = [];
beforeAll(async () => {
  const log = createLog('debug', { write: (line) => void lines.push(JSON.parse(line)) });
  api = await openApi({ apiKey: key, worked: false, waitMs: 10, change: { log } });
});
afterAll(() => api[Symbol.asyncDispose]());

interface Operation {
  readonly method: string;
  readonly path: string;
  /** The path with something in place of its parameters. */
  readonly filled: string;
  readonly isOpen: boolean;
  readonly streams: boolean;
}

async function operations(): Promise<readonly Operation[]> {
  const { paths } = await describedBy(api.app);
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      method: method.toUpperCase(),
      path,
      filled: path.replaceAll('{type}', 'event').replaceAll(/\{\w+\}/g, '101'),
      isOpen: 'security' in operation && JSON.stringify(operation.security) === '[]',
      streams: operation.responses['200']?.content?.['text/event-stream'] !== undefined,
    })),
  );
}

test('without the key every endpoint is 401 but those that are described as open', async () => {
  const all = await operations();
  expect(all.length).toBeGreaterThan(15);
  for (const { method, path, filled, isOpen } of all) {
    const answer = await fetch(api.served.url + filled, { method, redirect: 'manual' });
    if (isOpen) expect(answer.status, `${method} ${path}`).not.toBe(401);
    else {
      expect(answer.status, `${method} ${path}`).toBe(401);
      expect(await answer.json()).toMatchObject({ success: false, hint: expect.any(String) });
    }
  }
});

test('what is open is what the documentation of the security says', async () => {
  const open = (await operations())
    .filter(({ isOpen }) => isOpen)
    .map(({ method, path }) => `${method} ${path}`)
    .filter((operation) => !operation.includes('/webhook/'));
  expect(open.sort()).toEqual([
    'GET /health',
    'GET /login',
    'GET /login/style.css',
    'GET /ready',
    'POST /login',
    'POST /logout',
  ]);
});

test('nothing else gets in without the key: other spellings, other methods, other paths', async () => {
  for (const path of [
    '/HEALTH',
    '//health',
    '/health/../stats',
    '/health%2f..%2fstats',
    '/login/../rooms',
    '/stats/',
    '/webhook/outlook-notifications/../../rooms',
  ])
    expect((await api.raw(path, {})).status, path).not.toBe(200);
  for (const method of ['HEAD', 'OPTIONS', 'PUT', 'PATCH'])
    expect((await fetch(`${api.served.url}/stats`, { method })).status, method).toBe(401);
});

test('every answer has the headers that keep a browser from harm', async () => {
  for (const path of [
    '/health',
    '/stats',
    '/rooms',
    '/login',
    '/docs',
    '/docs/start.js',
    '/no/such/thing',
    '/rooms/x',
    '/',
  ]) {
    const { headers } = await fetch(api.served.url + path, { ...withKey, redirect: 'manual' });
    expect(headers.get('x-content-type-options'), path).toBe('nosniff');
    expect(headers.get('referrer-policy'), path).toBe('same-origin');
    expect(headers.get('x-frame-options'), path).toBe('DENY');
    expect(headers.get('content-security-policy'), path).toContain("frame-ancestors 'none'");
    expect(headers.get('strict-transport-security'), path).toBeNull();
    expect(headers.get('x-powered-by'), path).toBeNull();
    expect(headers.get('access-control-allow-origin'), path).toBeNull();
  }
});

test('what the API says is not kept by browsers and proxies', async () => {
  for (const path of ['/stats', '/rooms', '/openapi.json', '/login', '/no/such/thing'])
    expect((await api.call('GET', path, withKey)).headers.get('cache-control'), path).toBe('no-store');
});

test('no page but /docs allows anything inline, and that only styles', async () => {
  for (const path of ['/', '/dashboard', '/login', '/docs']) {
    const { headers } = await fetch(api.served.url + path, withKey);
    const policy = headers.get('content-security-policy') ?? '';
    expect(policy, path).toContain("script-src 'self';");
    expect(policy, path).not.toContain('unsafe-eval');
    expect(policy.includes('unsafe-inline'), path).toBe(path === '/docs');
  }
});

test('/docs and its files come from our own host', async () => {
  const page = await api.call('GET', '/docs', withKey);
  const links = [...page.text.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, link]) => link!);
  expect(links.length).toBeGreaterThan(3);
  for (const link of links) {
    expect(link).toMatch(/^\/[^/]/);
    expect((await fetch(api.served.url + link, withKey)).status, link).toBe(200);
  }
  expect((await api.call('GET', '/docs/package.json', withKey)).status).toBe(404);
  expect((await api.raw('/docs/..%2fpackage.json', withKey.headers)).status).toBe(404);
});

test('the description says how to be let in, and where', async () => {
  const { body } = await api.call('GET', '/openapi.json', withKey);
  expect(body).toMatchObject({
    info: { title: 'outlook-booking-sync', version: expect.any(String) },
    servers: [{ url: '/' }],
    security: [{ key: [] }, { bearer: [] }, { session: [] }],
    components: {
      securitySchemes: { key: { in: 'header' }, session: { in: 'cookie', name: 'bridge_session' } },
    },
  });
});

test.each([
  ['/sync/pending-items?limt=5', 'limt', 'limit'],
  ['/sync/pending-items?resource=5', 'resource', 'resource_id'],
  ['/stats?verbose=1', 'verbose', 'Leave it out'],
])('a parameter that the endpoint does not know is refused: %s', async (path, field, hint) => {
  const answer = await api.call('GET', path, withKey);
  expect(answer.status).toBe(400);
  expect(answer.body).toMatchObject({ success: false, field, hint: expect.stringContaining(hint) });
});

test('a misspelt parameter does not start what it should have narrowed', async () => {
  const answer = await api.call('POST', '/sync/populate-mapping?resource=101', withKey);
  expect([answer.status, answer.body['field']]).toEqual([400, 'resource']);
});

test('probes may add to an address what they like', async () => {
  expect((await api.call('GET', '/health?cachebuster=1')).status).toBe(200);
});

test('a limit beyond the most counts as the most, and nonsense is refused', async () => {
  const ask = async (limit: string) =>
    (await api.call('GET', `/sync/pending-items?limit=${limit}`, withKey)).status;
  expect(await ask('999999999999')).toBe(200);
  for (const limit of ['0', '-1', '1e3', '5;DROP', '', '%00', '9'.repeat(400)])
    expect(await ask(limit), limit).toBe(400);
});

test('what is asked of the database is never more than the most', async () => {
  let asked = 0;
  const pending = (most: number) => Promise.resolve({ total: 0, items: [], most: (asked = most) });
  const reports = { pending } as unknown as Parts['reports'];
  await using unlocked = await openApi({ worked: false, change: { reports } });
  expect((await unlocked.call('GET', '/sync/pending-items?limit=999999999999')).status).toBe(200);
  expect(asked).toBe(1_000);
});

test('a failure of the database is told in our words on every endpoint', async () => {
  const broken = () => api.db.pool.query('SELEKT secret_column FROM secret_table');
  const db = new Proxy(api.db.pool, {
    get: (pool, name) => (['query', 'connect'].includes(String(name)) ? broken : Reflect.get(pool, name)),
  }) as Database;
  await using failing = await openApi({ db, worked: false, waitMs: 10 });
  let failed = 0;
  for (const { method, filled, streams } of await operations()) {
    if (streams) continue;
    const answer = await failing.call(method, filled, { redirect: 'manual' });
    if (answer.status >= 500) failed += 1;
    if (answer.status >= 400)
      expect(answer.text, `${method} ${filled}`).not.toMatch(
        /SELEKT|secret|select |syntax error|node_modules|\.ts:\d/i,
      );
  }
  expect(failed).toBeGreaterThan(10);
});

test('HTTP/1.0 without a host gets nothing from an API without a key', async () => {
  await using unlocked = await openApi({ worked: false });
  const say = async (request: string) => {
    const socket = connect(unlocked.served.port, '127.0.0.1');
    await once(socket, 'connect');
    socket.write(request);
    return (await socket.toArray()).map(String).join('').split('\r\n')[0];
  };
  expect(await say('GET /stats HTTP/1.0\r\n\r\n')).toContain('401');
  expect(await say('GET /stats HTTP/1.1\r\nConnection: close\r\n\r\n')).toContain('400');
  expect(await say('GET http://127.0.0.1/stats HTTP/1.0\r\n\r\n')).toContain('401');
  expect(await say('GET /stats HTTP/1.0\r\nHost: localhost\r\n\r\n')).toContain('200');
});

test('a request is one line: by its template, with an id that the answer carries, and nothing else of it', async () => {
  lines.length = 0;
  const headers = { ...withKey.headers, 'X-Request-Id': 'from-the-proxy' };
  const answer = await api.call('POST', '/sync/item/event/424242/101', {
    headers,
    body: '{"title":"Kari Nordmann"}',
  });
  expect(answer.headers.get('x-request-id')).toBe('from-the-proxy');
  const [line] = lines.filter(({ msg }) => msg === 'request');
  expect(line).toMatchObject({
    level: 30,
    method: 'POST',
    route: '/sync/item/:type/:id/:resource',
    status: 404,
    ms: expect.any(Number),
    requestId: 'from-the-proxy',
  });
  expect(JSON.stringify(lines)).not.toMatch(/424242|Nordmann|correct horse/);
});

test('reading and probes are not worth a line at level info, refusals are', async () => {
  lines.length = 0;
  await api.call('GET', '/stats', withKey);
  await api.call('GET', '/ready');
  await api.call('GET', '/stats');
  await api.call('GET', '/no/such/thing?title=Kari', withKey);
  const seen = lines.map(({ level, route, status }) => [level, route, status]);
  expect(seen).toEqual([
    [20, '/stats', 200],
    [20, '/ready', 503],
    [30, '/stats', 401],
    [30, 'unknown', 404],
  ]);
});

test('reading while the database is away is not worth a line at level info, a bug is a warning', async () => {
  const log = createLog('debug', { write: (line) => void lines.push(JSON.parse(line)) });
  const away = (error: Error) => ({ pending: () => Promise.reject(error) }) as unknown as Parts['reports'];
  for (const [error, level] of [
    [new Retryable('gone', { reach: 'side' }), 20],
    [new Error('unheard of'), 40],
  ] as const) {
    await using unlocked = await openApi({ worked: false, change: { log, reports: away(error) } });
    lines.length = 0;
    await unlocked.call('GET', '/sync/pending-items');
    expect(lines.map((line) => line['level'])).toEqual([level]);
  }
});

test('a forged request id does not get into the log', async () => {
  const answer = await api.raw('/health', { 'x-request-id': 'a b {"level":60}' });
  expect(answer.headers['x-request-id']).toMatch(/^[\w-]{36}$/);
});

test('the icon that browsers ask for on pages without a link to one is that of the dashboard', async () => {
  const answer = await api.app.request('/favicon.ico', withKey);
  expect(answer.status).toBe(200);
  expect(answer.headers.get('content-type')).toBe('image/svg+xml');
  expect(await answer.text()).toContain('<svg');
});
