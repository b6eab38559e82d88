import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Agent } from 'undici';
import { expect, test } from 'vitest';
import { request } from '../../src/outlook/request.ts';

const always = new AbortController().signal;
const longMs = 60_000;

/** A server, and requests to it over one connection. */
async function openServer(answer: RequestListener) {
  const server = createServer(answer).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const agent = new Agent({ connections: 1, pipelining: 1 });
  return {
    get: (path: string, signal = always, wholeMs = longMs) =>
      request(agent, { origin, path, method: 'GET' }, signal, wholeMs),
    async [Symbol.asyncDispose]() {
      await agent.destroy();
      server.closeAllConnections();
      server.close();
    },
  };
}

test('an answer is read to its end, whatever its parts, without a byte order mark', async () => {
  const text = Buffer.from('\ufeff{"title":"Kammerkoret øver"}');
  const middle = text.indexOf('ø') + 1;
  await using server = await openServer((_, response) => {
    response.writeEarlyHints({ link: '</style.css>; rel=preload' });
    response.writeHead(201, { 'Request-Id': 'r1' });
    response.write(text.subarray(0, middle), () => response.end(text.subarray(middle)));
  });
  for (const path of ['/first', '/again'])
    expect(await server.get(path)).toMatchObject({
      status: 201,
      headers: { 'request-id': 'r1' },
      text: '{"title":"Kammerkoret øver"}',
    });
});

test('an empty answer is an empty text', async () => {
  await using server = await openServer((_, response) => void response.writeHead(204).end());
  expect(await server.get('/')).toMatchObject({ status: 204, text: '' });
});

test('an answer whose end does not arrive in time is an error', async () => {
  await using server = await openServer((_, response) => void response.write('{'));
  await expect(server.get('/', always, 1)).rejects.toMatchObject({ code: 'ANSWER_TIMEOUT' });
});

test('a request given up while it waits for a connection ends at once, and is not sent later', async () => {
  const arrived: (string | undefined)[] = [];
  const [held, here] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  await using server = await openServer(({ url }, response) => {
    arrived.push(url);
    here.resolve();
    void held.promise.then(() => response.end());
  });
  const first = server.get('/first');
  await here.promise;
  const stop = new AbortController();
  const second = server.get('/second', stop.signal);
  stop.abort(new Error('we are stopping'));
  await expect(second).rejects.toThrow('we are stopping');
  held.resolve();
  await first;
  await server.get('/third');
  expect(arrived).toEqual(['/first', '/third']);
});

test('a request given up in the turn in which it was made is not sent', async () => {
  const arrived: (string | undefined)[] = [];
  await using server = await openServer(({ url }, response) => {
    arrived.push(url);
    response.end();
  });
  for (const path of ['/on a new connection', '/on an idle one']) {
    const stop = new AbortController();
    const given = server.get(encodeURI(path), stop.signal);
    stop.abort(new Error('we are stopping'));
    await expect(given).rejects.toThrow('we are stopping');
    await server.get('/');
  }
  expect(arrived).toEqual(['/', '/']);
});

test('a request to a dispatcher that is closed is an error', async () => {
  const agent = new Agent();
  await agent.close();
  const options = { origin: 'http://127.0.0.1:9', path: '/', method: 'GET' } as const;
  await expect(request(agent, options, always, longMs)).rejects.toMatchObject({ code: 'UND_ERR_DESTROYED' });
});
