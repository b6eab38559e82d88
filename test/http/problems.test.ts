import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { openPool } from '../../src/database.ts';
import { Conflict, Permanent, Retryable } from '../../src/errors.ts';
import { openApi } from './api.ts';

const failing = (error: Error) => ({
  change: {
    manual: {
      syncPending: () => Promise.reject(error),
      syncItem: () => Promise.reject(error),
      populate: () => Promise.reject(error),
      cleanUp: () => Promise.reject(error),
    },
  },
});

test('an address that does not exist is answered with the nearest that does', async () => {
  await using api = await openApi();
  const answer = await api.call('GET', '/sync/pending-item');
  expect(answer.status).toBe(404);
  expect(answer.body).toEqual({
    success: false,
    error: 'There is no /sync/pending-item.',
    hint: 'The nearest endpoint is GET /sync/pending-items; all are in /openapi.json.',
  });
  expect((await api.call('POST', '/sync/items/event/1/101')).body['hint']).toContain(
    'POST /sync/item/{type}/{id}/{resource}',
  );
  expect((await api.call('GET', '/sync/status/')).status).toBe(200);
  expect((await api.call('GET', '/nope')).body['hint'], 'what is like nothing has no nearest').toBe(
    'All endpoints are in /openapi.json; /docs shows them.',
  );
});

test('the wrong method is 405 and names the right one', async () => {
  await using api = await openApi();
  const answer = await api.call('GET', '/sync/to-outlook');
  expect(answer.status).toBe(405);
  expect(answer.headers.get('allow')).toBe('POST');
  expect(answer.body).toMatchObject({ success: false, hint: 'Use POST.' });
  expect((await api.call('POST', '/sync/cleanup-orphaned')).status).toBe(405);
});

test('an empty body is fine on every POST, whatever its content type says', async () => {
  await using api = await openApi();
  for (const type of ['application/json', 'application/x-www-form-urlencoded', 'text/plain', 'nonsense'])
    for (const path of ['/sync/to-outlook', '/rooms/101/brake/release', '/rooms/101/brake/refuse'])
      for (const body of [{ body: '' }, {}]) {
        const answer = await api.call('POST', path, { headers: { 'Content-Type': type }, ...body });
        expect(answer.status, `${path} as ${type}`).toBe(200);
      }
});

test('a body that is no JSON, or too large, is refused', async () => {
  await using api = await openApi();
  const post = (type: string, body: string) =>
    api.call('POST', '/rooms/101/brake/release', { headers: { 'Content-Type': type }, body });
  expect((await post('application/json', '{"mappings":')).body).toMatchObject({ field: 'body' });
  expect((await post('application/x-www-form-urlencoded', 'mappings=1')).status).toBe(415);
  const tooLarge = await post('application/json', `"${'x'.repeat(1_000_001)}"`);
  expect([tooLarge.status, tooLarge.headers.get('connection')]).toEqual([413, 'close']);
});

test('what is wrong in a request is named, to the place in a list', async () => {
  await using api = await openApi();
  const json = (body: unknown) => ({
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(body),
  });
  const named = [
    ['GET', '/sync/outlook-events?from_date=2027-02-30', {}, 'from_date'],
    ['GET', '/sync/outlook-events?to_date=0000-01-01', {}, 'to_date'],
    ['POST', '/cancel/outlook/AAMk%00', {}, 'event'],
    ['POST', '/webhook/renew/%00', {}, 'id'],
    ['POST', '/webhook/create', json({}), 'calendar_id'],
    ['POST', '/webhook/create', json({ calendar_id: 'room\0@company.com' }), 'calendar_id'],
    [
      'POST',
      '/cancel/bulk',
      json({ reservations: [{ reservation_type: 'event', reservation_id: 1.5, resource_id: 101 }] }),
      'reservations[0].reservation_id',
    ],
  ] as const;
  for (const [method, path, request, field] of named) {
    const answer = await api.call(method, path, request);
    expect(answer, path).toMatchObject({ status: 400, body: { field } });
    expect(answer.body['error'], path).toContain(`${field}: `);
  }
});

test.each([
  ['GET', '/mappings?status=done', undefined, 'status: is none of pending, synced'],
  ['GET', '/alerts?status=done', undefined, 'status: is none of open, closed, all'],
  ['POST', '/cancel/bulk', [], 'body: is not of type object'],
  ['POST', '/cancel/bulk', { reservations: [{}] }, 'reservations[0].reservation_type: is missing'],
  [
    'POST',
    '/cancel/bulk',
    { reservations: [{ reservation_type: 'event' }] },
    'reservations[0].reservation_id: is missing',
  ],
  ['PATCH', '/resource-mapping/1', { actve: 0 }, 'body: it has no field to change'],
])('%s %s with %j is refused in words of ours', async (method, path, body, words) => {
  await using api = await openApi();
  const json = { headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) };
  const answer = await api.call(method, path, body === undefined ? {} : json);
  expect(answer.status).toBe(400);
  expect(answer.body['error']).toContain(words);
});

test('of parameters that an endpoint does not know the one that was meant is named, if one was', async () => {
  await using api = await openApi();
  const hint = async (query: string) => (await api.call('GET', `/mappings?${query}`)).body['hint'];
  expect(await hint('limt=1')).toMatch(/^Did you mean limit\? Its parameters are /);
  expect(await hint('room=1')).toMatch(/^Its parameters are /);
});

test('a bug is told with its stack and answered without it', async () => {
  await using api = await openApi(failing(new Error('secret detail of line 7')));
  const answer = await api.call('POST', '/sync/to-outlook');
  expect(answer.status).toBe(500);
  expect(answer.text).not.toMatch(/secret|at .*\.ts|stack/);
  expect(api.facts.filter(({ fact }) => fact === 'bug')).toMatchObject([{ where: 'POST /sync/to-outlook' }]);
});

test.each([
  [new Retryable('the lease is lost', { afterMs: 4_200 }), 503, 'the lease is lost'],
  [new Permanent('Graph refuses', { hint: 'Run doctor.' }), 422, 'Graph refuses'],
  [new Conflict('somebody else changed it'), 409, 'somebody else changed it'],
])('%s is answered with %i', async (error, status, words) => {
  await using api = await openApi(failing(error));
  const answer = await api.call('POST', '/sync/item/event/1/101');
  expect(answer.status).toBe(status);
  expect(answer.body).toMatchObject({ success: false, error: words, hint: expect.any(String) });
  if (status === 503) expect(answer.headers.get('retry-after')).toBe('5');
});

test('while the database is away everything but /health is 503 with Retry-After, and /ready does not wait for it', async () => {
  // it takes connections and says nothing, which is worse than refusing them
  const silent = createServer(() => undefined).listen(0, '127.0.0.1');
  await once(silent, 'listening');
  const { port } = silent.address() as AddressInfo;
  const away = openPool({ url: `postgresql://nobody@127.0.0.1:${port}/none`, ssl: false }, 'test');
  await using api = await openApi({ db: away });
  api.tell({ fact: 'listening', heard: true, reason: '' });
  const ready = await api.call('GET', '/ready');
  expect(ready.status).toBe(503);
  expect(ready.body).toMatchObject({ checks: { database: { ok: false }, listening: { ok: true } } });
  expect((await api.call('GET', '/health')).status).toBe(200);
  const scraped = await api.call('GET', '/metrics');
  expect(scraped.status).toBe(200);
  expect(scraped.text).not.toMatch(/^bridge_due_items \d/m);
  const status = await api.call('GET', '/sync/status');
  expect(status.status).toBe(503);
  expect(status.headers.get('retry-after')).toBe('2');
  expect(status.body['error']).toBe('The booking database is unreachable.');
  silent.close();
  await away.end();
});

test('words of a caller in an error are not taken for a lost connection', async () => {
  await using api = await openApi();
  expect((await api.call('POST', '/rooms/Connection%20timeout/pause')).status).toBe(400);
});

test('every answer says nosniff, also what is refused before it is understood', async () => {
  await using api = await openApi();
  for (const path of [
    '/health',
    '/ready',
    '/stats',
    '/metrics',
    '/nothing',
    '/sync/to-outlook',
    '/rooms/103',
  ])
    expect((await api.call('GET', path)).headers.get('x-content-type-options'), path).toBe('nosniff');
});
