/** The door without the house: who gets in, with which key, session and page, on an app of its own. */
import { OpenAPIHono } from '@hono/zod-openapi';
import { expect, test } from 'vitest';
import { createAuth } from '../../src/http/auth.ts';
import { safeHeaders } from '../../src/http/headers.ts';
import { loginRoutes } from '../../src/http/login.ts';
import { answerProblem } from '../../src/http/problem.ts';
import { createSessions } from '../../src/http/session.ts';
import { keyOf } from './api.ts';

const key = 'nøkkel of a municipality';
const json = { 'Content-Type': 'application/json' };
const form = { 'Content-Type': 'application/x-www-form-urlencoded' };
const navigation = { Accept: 'text/html,application/xhtml+xml,*/*;q=0.8' };
const from = (address: string) => ({ incoming: { socket: { remoteAddress: address } } });

function openDoor(apiKey: string | null = key) {
  let now = 0;
  const { door, guard } = createAuth({ keys: apiKey === null ? [] : [keyOf(apiKey)], now: () => now });
  const app = new OpenAPIHono();
  app.onError((error, c) => answerProblem(error, c, () => undefined));
  app.use(safeHeaders, guard).route('/', loginRoutes(door));
  app.get('/', (c) => c.html('the dashboard')).get('/dashboard', (c) => c.html('the dashboard'));
  app.get('/rooms', (c) => c.json([])).post('/change', (c) => c.json('changed'));
  const call = (method: string, path: string, headers: object = {}, body?: string, address = '192.0.2.1') =>
    app.request(
      `http://localhost${path}`,
      {
        method,
        headers: { Host: 'localhost', ...headers },
        ...(body === undefined ? {} : { body }),
      },
      from(address),
    );
  const login = async (headers: object = {}) => {
    const answer = await call('POST', '/login', { ...json, ...headers }, JSON.stringify({ key }));
    return { answer, cookie: answer.headers.get('set-cookie')!.split(';')[0]! };
  };
  return { call, login, wait: (ms: number) => (now += ms) };
}

test('the key as JSON begins a session that lasts twelve hours and no page can read', async () => {
  const { answer } = await openDoor().login();
  expect(answer.status).toBe(200);
  const body = (await answer.json()) as { expires_at: string };
  expect(body).toEqual({ success: true, message: 'Logged in', expires_at: expect.any(String) });
  const cookie = answer.headers.get('set-cookie')!;
  expect(cookie).toMatch(/; HttpOnly(;|$)/);
  expect(cookie).toMatch(/; SameSite=Strict(;|$)/);
  expect(cookie).toMatch(/; Max-Age=43200(;|$)/);
  expect(cookie).toMatch(/; Path=\/(;|$)/);
  expect(cookie).not.toContain('Secure');
});

test.each([
  [{ 'X-Forwarded-Proto': 'https' }],
  [{ 'X-Forwarded-Proto': 'https, http' }],
  [{ Forwarded: 'for=192.0.2.60;proto=https;by=203.0.113.43' }],
  [{ Origin: 'https://localhost' }],
])('behind TLS (%j) the cookie is Secure and the browser is told to stay with https', async (headers) => {
  const { answer } = await openDoor().login(headers);
  expect(answer.headers.get('set-cookie')).toMatch(/; Secure(;|$)/);
  expect(answer.headers.get('strict-transport-security')).toBe('max-age=15552000');
});

test('a form is answered with the way to the page that was asked for', async () => {
  const { call } = openDoor();
  const answer = await call(
    'POST',
    '/login',
    form,
    new URLSearchParams({ key, next: '/dashboard?room=1#x' }).toString(),
  );
  expect(answer.status).toBe(303);
  expect(answer.headers.get('location')).toBe('/dashboard?room=1#x');
  expect(answer.headers.get('set-cookie')).toContain('bridge_session=');
});

test.each([
  'https://evil.example/',
  '//evil.example',
  '/\\evil.example',
  '/\t/evil.example',
  'javascript:alert(1)',
  '/.//evil.example',
])('nobody is sent on to %s', async (next) => {
  const { call } = openDoor();
  const answer = await call('POST', '/login', form, new URLSearchParams({ key, next }).toString());
  expect(answer.status).toBe(303);
  expect(answer.headers.get('location')).toBe('/');
});

test('a wrong key in the form shows the page again, with the reason in words that are read out', async () => {
  const { call } = openDoor();
  const answer = await call('POST', '/login', form, 'key=wrong&next=%22%3E%3Cscript%3E');
  expect(answer.status).toBe(401);
  expect(answer.headers.get('set-cookie')).toBeNull();
  const page = await answer.text();
  expect(page).toContain('role="alert"');
  expect(page).not.toContain('<script>');
});

test('a missing key is named, and costs no try', async () => {
  const { call } = openDoor();
  for (let n = 0; n < 40; n += 1) {
    const answer = await call('POST', '/login', json, '{}');
    expect(answer.status).toBe(400);
    expect(await answer.json()).toMatchObject({ success: false, field: 'key' });
  }
  expect((await call('POST', '/login', form, 'key=wrong')).status).toBe(401);
});

test('a session opens what the key opens, and the login page leads on', async () => {
  const { call, login } = openDoor();
  const { cookie } = await login();
  expect((await call('GET', '/rooms', { Cookie: cookie })).status).toBe(200);
  const page = await call('GET', '/login?next=/dashboard', { Cookie: cookie });
  expect([page.status, page.headers.get('location')]).toEqual([303, '/dashboard']);
});

test('a session that was changed, or was begun with another key opens nothing', async () => {
  const { call, login } = openDoor();
  const { cookie } = await login();
  const [, value] = /=(\d+)\./.exec(decodeURIComponent(cookie))!;
  const later = cookie.replace(value!, String(Number(value) + 60));
  const other = (
    await openDoor(`${key}.`).call('POST', '/login', json, JSON.stringify({ key: `${key}.` }))
  ).headers
    .get('set-cookie')!
    .split(';')[0]!;
  for (const wrong of [later, other, `bridge_session=${value}`, 'bridge_session=', `${cookie}x`])
    expect((await call('GET', '/rooms', { Cookie: wrong })).status, wrong).toBe(401);
});

test('a session is over when its time is', async () => {
  let now = 1_000_000;
  const own = keyOf(key);
  const sessions = createSessions([own], () => now);
  const app = new OpenAPIHono();
  app.post('/begin', async (c) => c.json(await sessions.begin(c, own)));
  app.get('/open', async (c) => c.json((await sessions.find(c)) === own));
  const cookie = (await app.request('/begin', { method: 'POST' })).headers.get('set-cookie')!.split(';')[0]!;
  const isOpen = async () => (await app.request('/open', { headers: { Cookie: cookie } })).json();
  now += 12 * 3_600_000 - 1;
  expect(await isOpen()).toBe(true);
  now += 1;
  expect(await isOpen()).toBe(false);
});

test('a session of one replica is one of the other too', async () => {
  const { cookie } = await openDoor().login();
  expect((await openDoor().call('GET', '/rooms', { Cookie: cookie })).status).toBe(200);
});

test.each([
  ['our own page', { Origin: 'http://localhost' }, 200],
  ['our own page behind TLS', { Origin: 'https://localhost', 'X-Forwarded-Proto': 'https' }, 200],
  ['our own page, as the browser says', { 'Sec-Fetch-Site': 'same-origin' }, 200],
  ['a page of another site', { Origin: 'https://evil.example' }, 403],
  ['a page of another port', { Origin: 'http://localhost:3000', 'Sec-Fetch-Site': 'same-site' }, 403],
  ['a page without origin', { Origin: 'null' }, 403],
  ['a page of another site that sends JSON', { ...json, Origin: 'https://evil.example' }, 403],
  ['the same name without TLS', { Origin: 'http://localhost', 'X-Forwarded-Proto': 'https' }, 403],
  ['nobody knows', {}, 403],
])('what a session changes is asked for by %s: %j is %i', async (_who, headers, status) => {
  const { call, login } = openDoor();
  const { cookie } = await login();
  expect((await call('POST', '/change', { Cookie: cookie, ...headers })).status).toBe(status);
});

test('a script with the key is not asked where it comes from', async () => {
  const { call } = openDoor();
  const headers = { 'X-API-Key': Buffer.from(key).toString('latin1') };
  expect((await call('POST', '/change', headers)).status).toBe(200);
  // what says so is a page of another site, and not a script
  expect((await call('POST', '/change', { ...headers, Origin: 'https://intranet.example' })).status).toBe(
    403,
  );
});

test('no user is logged in or out by a page of another site', async () => {
  const { call } = openDoor();
  const evil = { Origin: 'https://evil.example' };
  const login = await call('POST', '/login', { ...json, ...evil }, JSON.stringify({ key }));
  expect(login.status).toBe(403);
  expect(login.headers.get('set-cookie')).toBeNull();
  expect((await call('POST', '/logout', evil)).status).toBe(403);
  // the browser's own word on it counts, whatever a policy makes of the origin
  const own = { ...json, Origin: 'null', 'Sec-Fetch-Site': 'same-origin' };
  expect((await call('POST', '/login', own, JSON.stringify({ key }))).status).toBe(200);
});

test('logging out takes the cookie back', async () => {
  const { call, login } = openDoor();
  const { cookie } = await login();
  const answer = await call('POST', '/logout', { Cookie: cookie, Origin: 'http://localhost' });
  expect(answer.status).toBe(200);
  expect(answer.headers.get('set-cookie')).toMatch(/^bridge_session=; Max-Age=0/);
  const page = await call('POST', '/logout', { ...navigation, Origin: 'http://localhost' });
  expect([page.status, page.headers.get('location')]).toEqual([303, '/login']);
});

test('a browser without a session is shown the way, and a script is told 401', async () => {
  const { call } = openDoor();
  const way = async (path: string) => {
    const answer = await call('GET', path, navigation);
    return [answer.status, answer.headers.get('location')];
  };
  expect(await way('/')).toEqual([302, '/login']);
  expect(await way('/dashboard?room=1')).toEqual([302, '/login?next=%2Fdashboard%3Froom%3D1']);
  expect(await way('/rooms')).toEqual([401, null]);
  expect((await call('GET', '/')).status).toBe(401);
});

test('a user that follows a link from another site goes round once, so that the cookie comes along', async () => {
  const { call } = openDoor();
  const answer = await call('GET', '/dashboard?a="b', { ...navigation, 'Sec-Fetch-Site': 'cross-site' });
  expect(answer.status).toBe(401);
  expect(await answer.text()).toContain('content="0;url=/dashboard?a=%22b"');
});

test.each(['api_key', 'apikey', 'X-API-Key', 'access_token', 'token', 'key'])(
  'the right key in the address (%s) is refused, and called given away',
  async (name) => {
    const { call } = openDoor();
    for (const path of ['/rooms', '/login']) {
      const answer = await call('GET', `${path}?${name}=${encodeURIComponent(key)}`, navigation);
      expect(answer.status).toBe(401);
      expect(await answer.json()).toMatchObject({ hint: expect.stringContaining('replace it') });
    }
  },
);

test('wrong keys count for one address, typed and sent alike, and are forgotten after a minute', async () => {
  const { call, login, wait } = openDoor();
  for (let n = 0; n < 15; n += 1) {
    expect((await call('GET', '/rooms', { 'X-API-Key': 'wrong' })).status).toBe(401);
    expect((await call('POST', '/login', form, 'key=wrong')).status).toBe(401);
  }
  const refused = await call('GET', '/rooms', { 'X-API-Key': 'wrong', 'X-Forwarded-For': '198.51.100.9' });
  expect(refused.status).toBe(429);
  expect(refused.headers.get('retry-after')).toBe('60');
  expect((await call('POST', '/login', form, 'key=wrong')).status).toBe(429);
  expect((await call('GET', '/rooms', { 'X-API-Key': 'wrong' }, undefined, '192.0.2.2')).status).toBe(401);
  const { cookie } = await login();
  expect((await call('GET', '/rooms', { Cookie: cookie, 'X-API-Key': 'wrong' })).status).toBe(200);
  wait(60_000);
  expect((await call('GET', '/rooms', { 'X-API-Key': 'wrong' })).status).toBe(401);
});

test('one network of IPv6 is one address, and an IPv4 one is the same however it is written', async () => {
  const { call } = openDoor();
  const guess = async (address: string) =>
    (await call('GET', '/rooms', { 'X-API-Key': 'wrong' }, undefined, address)).status;
  for (let n = 0; n < 30; n += 1) expect(await guess(`2001:db8:0:1::${n.toString(16)}`)).toBe(401);
  expect(await guess('2001:db8:0:1:ffff:1:2:3')).toBe(429);
  expect(await guess('2001:db8:0:2::1')).toBe(401);
  for (let n = 0; n < 30; n += 1) expect(await guess('192.0.2.7')).toBe(401);
  expect(await guess('::ffff:192.0.2.7')).toBe(429);
});

test('a flood of addresses pushes out the quiet ones, not the one that goes on guessing', async () => {
  const { call } = openDoor();
  const guess = async (address: string) =>
    (await call('GET', '/rooms', { 'X-API-Key': 'wrong' }, undefined, address)).status;
  for (let n = 0; n < 30; n += 1) {
    await guess('192.0.2.7');
    await guess('192.0.2.8');
  }
  for (let n = 0; n < 10_500; n += 1) {
    await guess(`10.${n >> 16}.${(n >> 8) & 255}.${n & 255}`);
    if (n % 5_000 === 0) expect(await guess('192.0.2.7')).toBe(429);
  }
  expect(await guess('192.0.2.7')).toBe(429);
  expect(await guess('192.0.2.8')).toBe(401);
});

test('without a key there is nothing to log in to', async () => {
  const { call } = openDoor(null);
  expect((await call('GET', '/login')).headers.get('location')).toBe('/');
  const answer = await call('POST', '/login', json, '{}');
  expect(answer.status).toBe(200);
  expect(answer.headers.get('set-cookie')).toBeNull();
  expect((await call('GET', '/', navigation)).status).toBe(200);
});

test('without a key a request that names no host is refused', async () => {
  const { call } = openDoor(null);
  expect((await call('GET', '/rooms', { Host: '' })).status).toBe(401);
});
