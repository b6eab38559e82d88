import { expect, test } from 'vitest';
import { createLog } from '../../src/log.ts';
import { keyOf, openApi, type Api } from './api.ts';

const [anna, screen, first] = ['key of anna', 'key of the screen', 'the first key'];
const keys = [keyOf(anna, 'ANNA'), keyOf(screen, 'READ_SCREEN')];
const withKey = (key: string, more: object = {}) => ({ headers: { 'X-API-Key': key, ...more } });
const asked = async (api: Api) => {
  const { body } = await api.call('GET', '/log?asked=true', withKey(anna));
  return body['lines'] as Record<string, unknown>[];
};

test('every key opens, and one that only reads changes nothing', async () => {
  await using api = await openApi({ apiKey: first, keys });
  for (const key of [first, anna, screen])
    expect((await api.call('GET', '/rooms', withKey(key))).status, key).toBe(200);
  for (const [method, path] of [
    ['POST', '/rooms/101/pause'],
    ['POST', '/sync/to-outlook'],
    ['DELETE', '/cancel/reservation/event/1/101'],
    ['PUT', '/resource-mapping/1'],
  ] as const) {
    const refused = await api.call(method, path, withKey(screen));
    expect(refused.status, path).toBe(403);
    expect(refused.body).toMatchObject({ success: false, hint: expect.stringContaining('API_KEY') });
  }
  expect((await api.call('POST', '/rooms/101/pause', withKey(anna))).status).toBe(200);
  expect((await api.call('GET', '/rooms', withKey('READ_SCREEN'))).status).toBe(401);
});

test('the login page takes any of the keys, and a session may do what its key may', async () => {
  await using api = await openApi({ keys });
  const login = async (key: string) => {
    const answer = await api.call('POST', '/login', {
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ key }),
    });
    expect(answer.status).toBe(200);
    return answer.headers.get('set-cookie')!.split(';')[0]!;
  };
  const own = { 'Sec-Fetch-Site': 'same-origin' };
  const [annas, screens] = [await login(anna), await login(screen)];
  expect((await api.call('GET', '/rooms', { headers: { Cookie: screens } })).status).toBe(200);
  const pause = (Cookie: string) => api.call('POST', '/rooms/101/pause', { headers: { Cookie, ...own } });
  expect((await pause(screens)).status).toBe(403);
  // the signature is that of the other key
  expect((await pause(screens.replace('READ_SCREEN', 'ANNA'))).status).toBe(401);
  expect((await pause(annas)).status).toBe(200);
  expect(await asked(api)).toMatchObject([{ who: 'ANNA', action: 'asked', resource_id: 101 }]);
});

test('the user that asked for a change is in the log and in the steps of the booking', async () => {
  await using api = await openApi({ apiKey: first, keys });
  const event = await api.desk.book(101, {
    title: 'Kurs',
    from: api.day(1, '10:00'),
    to: api.day(1, '11:00'),
  });
  await api.settle();
  await api.call('POST', `/sync/item/event/${event.id}/101`, withKey(anna));
  await api.call('POST', '/rooms/101/resync', withKey(first));
  await api.call('POST', '/conflicts/4711/resolve', {
    headers: { 'X-API-Key': anna, 'Content-Type': 'application/json' },
    body: JSON.stringify({ keep: 'outlook' }),
  });
  await api.call('GET', '/rooms', withKey(anna));
  expect(await asked(api)).toMatchObject([
    { who: 'ANNA', reason: 'POST /conflicts/{id}/resolve (refused with 404)' },
    { who: 'API_KEY', reason: 'POST /rooms/{resource}/resync', resource_id: 101, mapping_id: null },
    { who: 'ANNA', reason: 'POST /sync/item/{type}/{id}/{resource}', reservation_id: event.id },
  ]);
  const [{ mapping_id: mapping }] = (await asked(api)).slice(-1) as [{ mapping_id: number }];
  const life = await api.call('GET', `/mappings/${mapping}/explain`, withKey(anna));
  expect((life.body['lines'] as { text: string }[]).map(({ text }) => text)).toContain(
    'Request from ANNA: POST /sync/item/{type}/{id}/{resource}.',
  );
  const { rows } = await api.db.pool.query(
    `SELECT detail FROM bridge_log WHERE action = 'asked' ORDER BY id DESC`,
  );
  expect(rows[0]).toEqual({
    detail: { path: '/conflicts/4711/resolve', body: '{"keep":"outlook"}', status: 404 },
  });
});

test('a proxy names the person beside a key, and the name alone opens nothing', async () => {
  await using api = await openApi({ keys, change: { userHeader: 'x-forwarded-user' } });
  const person = { 'X-Forwarded-User': Buffer.from('Åse Østby').toString('latin1') };
  expect((await api.call('GET', '/rooms', { headers: person })).status).toBe(401);
  expect((await api.call('POST', '/rooms/101/pause', withKey(screen, person))).status).toBe(403);
  expect((await api.call('POST', '/rooms/101/pause', withKey(anna, person))).status).toBe(200);
  // the proxy adds its key to what a page of another site makes a browser send, too
  const forged = await api.call(
    'POST',
    '/rooms/102/pause',
    withKey(anna, { ...person, Origin: 'https://evil.example' }),
  );
  expect(forged.status).toBe(403);
  expect(await asked(api)).toMatchObject([{ who: 'Åse Østby (ANNA)' }]);
});

test('a header that is not trusted names no user', async () => {
  await using api = await openApi({ keys });
  await api.call('POST', '/rooms/101/pause', withKey(anna, { 'X-Forwarded-User': 'mallory' }));
  expect(await asked(api)).toMatchObject([{ who: 'ANNA' }]);
});

test('no key and no person is in the log of requests, only the name of the key', async () => {
  const lines: string[] = [];
  const log = createLog('debug', { write: (line: string) => void lines.push(line) });
  await using api = await openApi({ keys, change: { log, userHeader: 'x-user' } });
  await api.call('POST', '/rooms/101/pause', withKey(anna, { 'X-User': 'a-person' }));
  await api.call('GET', '/rooms', withKey('a wrong key'));
  expect(lines.join()).toContain('"keyName":"ANNA"');
  for (const secret of [anna, screen, 'a-person', 'a wrong key']) expect(lines.join()).not.toContain(secret);
});
