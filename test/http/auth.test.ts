import { expect, test } from 'vitest';
import { openApi } from './api.ts';

const key = 'correct horse battery staple';
const withKey = (value: string) => ({ headers: { 'X-API-Key': value } });

test('with a key set, every endpoint but the probes asks for it', async () => {
  await using api = await openApi({ apiKey: key });
  for (const path of ['/stats', '/sync/status', '/rooms', '/metrics', '/openapi.json', '/no/such/thing']) {
    const answer = await api.call('GET', path);
    expect(answer.status, path).toBe(401);
    expect(answer.body).toMatchObject({ success: false, hint: expect.stringContaining('X-API-Key') });
    expect(answer.headers.get('www-authenticate')).toBe('Bearer');
  }
  expect((await api.call('GET', '/health')).status).toBe(200);
  expect((await api.call('GET', '/ready')).status).toBe(503);
});

test('the key is taken from X-API-Key or as a bearer token', async () => {
  await using api = await openApi({ apiKey: key });
  expect((await api.call('GET', '/sync/status', withKey(key))).status).toBe(200);
  const bearer = { headers: { Authorization: `Bearer ${key}` } };
  expect((await api.call('GET', '/sync/status', bearer)).status).toBe(200);
  expect((await api.call('GET', '/sync/status', { headers: { Authorization: `Basic ${key}` } })).status).toBe(
    401,
  );
  expect((await api.call('GET', `/sync/status?api_key=${key}`)).status).toBe(401);
});

test('after thirty wrong keys in a minute an address has to wait, but never with the right key', async () => {
  await using api = await openApi({ apiKey: key });
  for (let n = 0; n < 40; n += 1) expect((await api.call('GET', '/rooms')).status).toBe(401);
  for (let n = 0; n < 30; n += 1)
    expect((await api.call('GET', '/rooms', withKey(`guess ${n}`))).status).toBe(401);
  const refused = await api.call('GET', '/rooms', withKey('one more'));
  expect(refused.status).toBe(429);
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(50);
  expect((await api.call('GET', '/rooms', withKey(key))).status).toBe(200);
  expect((await api.call('GET', '/rooms')).status).toBe(401);
});

test('without a key, a request that came through a proxy is refused', async () => {
  await using api = await openApi();
  for (const [name, value] of [
    ['X-Forwarded-For', '203.0.113.7'],
    ['Forwarded', 'for=203.0.113.7'],
    ['X-Real-IP', '203.0.113.7'],
    ['X-Forwarded-Proto', 'https'],
    ['Via', '1.1 nginx'],
    ['X-Original-Forwarded-For', '203.0.113.7'],
    ['X-Cluster-Client-IP', '203.0.113.7'],
    ['Fly-Client-IP', '203.0.113.7'],
    ['X-Envoy-External-Address', '203.0.113.7'],
  ] as const) {
    const answer = await api.call('GET', '/sync/status', { headers: { [name]: value } });
    expect(answer.status, name).toBe(401);
    expect(answer.body['hint']).toContain('API_KEY');
    expect((await api.call('GET', '/health', { headers: { [name]: value } })).status).toBe(200);
  }
});

test('with a key, a page of another site changes nothing, though a proxy adds the key to what its browser sends', async () => {
  await using api = await openApi({ apiKey: key });
  const post = (headers: Record<string, string>) =>
    api.call('POST', '/sync/to-outlook', { headers: { 'X-API-Key': key, ...headers } });
  expect((await post({ Origin: 'https://evil.example' })).status).toBe(403);
  expect((await post({ 'Sec-Fetch-Site': 'cross-site' })).status).toBe(403);
  expect((await post({ Origin: api.served.url })).status).toBe(200);
  expect((await post({})).status).toBe(200);
});

test('with a key, a proxy in front is no matter', async () => {
  await using api = await openApi({ apiKey: key });
  const headers = { 'X-API-Key': key, 'X-Forwarded-For': '203.0.113.7' };
  expect((await api.call('GET', '/sync/status', { headers })).status).toBe(200);
});

test('without a key, only the names and addresses of this machine are answered', async () => {
  await using api = await openApi();
  for (const host of [
    'localhost',
    'localhost:8082',
    '127.0.0.1:8082',
    '127.9.9.9',
    '[::1]:8082',
    'LOCALHOST',
  ])
    expect((await api.raw('/sync/status', { host })).status, host).toBe(200);
  for (const host of [
    'rebind.example',
    '192.168.1.7:8082',
    'localhost.evil.example',
    '127.0.0.1.evil.example',
    '[::2]',
  ]) {
    const answer = await api.raw('/sync/status', { host });
    expect(answer.status, host).toBe(401);
    expect(answer.body['hint']).toContain('API_KEY');
  }
  expect((await api.raw('/health', { host: 'sync.example.org' })).status).toBe(200);
});

test('without a key, a page of another site cannot make a browser of this machine call us', async () => {
  await using api = await openApi();
  const post = (headers: Record<string, string>) => api.call('POST', '/sync/to-outlook', { headers });
  expect((await post({ Origin: 'https://evil.example' })).status).toBe(401);
  expect((await post({ 'Sec-Fetch-Site': 'cross-site' })).status).toBe(401);
  expect((await post({ Origin: 'null' })).status).toBe(401);
  expect((await post({ Origin: api.served.url })).status).toBe(200);
});
