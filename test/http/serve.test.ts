import { connect } from 'node:net';
import { Hono } from 'hono';
import { expect, test } from 'vitest';
import { Permanent } from '../../src/errors.ts';
import { serveApp } from '../../src/http/serve.ts';

const here = { host: '127.0.0.1', port: 0 };

/** What the server says to these bytes. */
async function say(port: number, bytes: string): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  socket.end(bytes);
  return (await socket.toArray()).map(String).join('');
}

test.each([
  ['nonsense', 'HELO mail.example\r\n\r\n', '400'],
  ['a broken request line', 'GET /health HTTP/9.9\r\nHost: localhost\r\n\r\n', '400'],
  ['a broken host', 'GET /health HTTP/1.1\r\nHost: a b@c\r\nConnection: close\r\n\r\n', '400'],
  ['headers without end', `GET / HTTP/1.1\r\nHost: localhost\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`, '431'],
])('%s is refused with the header that every answer carries', async (_what, bytes, status) => {
  await using served = await serveApp(new Hono(), here);
  const answer = await say(served.port, bytes);
  expect(answer).toContain(`HTTP/1.1 ${status}`);
  expect(answer.toLowerCase()).toContain('x-content-type-options: nosniff');
});

test.each([
  ['in lower case', 'GET http://evil.example:81/stats?a=1'],
  ['in upper case', 'GET HTTP://evil.example:81/stats?a=1'],
])('the host of a request target in absolute form, %s, replaces the header', async (_what, line) => {
  const app = new Hono().get('/stats', (c) => c.text(`${c.req.header('host')} ${c.req.url}`));
  await using served = await serveApp(app, here);
  const answer = await say(served.port, `${line} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`);
  expect(answer).toContain('evil.example:81 http://evil.example:81/stats?a=1');
});

test.each([
  ['none in HTTP/1.1', 'GET / HTTP/1.1\r\nConnection: close\r\n\r\n', '400'],
  ['none in absolute form', 'GET http://localhost/ HTTP/1.1\r\nConnection: close\r\n\r\n', '400'],
  ['two', 'GET / HTTP/1.1\r\nHost: localhost\r\nhost: other\r\nConnection: close\r\n\r\n', '400'],
  ['none in HTTP/1.0', 'GET / HTTP/1.0\r\n\r\n', '200'],
])('of the header Host there is one: %s', async (_what, bytes, status) => {
  await using served = await serveApp(
    new Hono().get('/', (c) => c.text('served')),
    here,
  );
  const answer = await say(served.port, bytes);
  expect(answer).toContain(`HTTP/1.1 ${status}`);
  if (status === '400') expect(answer).toContain('"success":false');
});

test('it closes within two seconds although a request is under way and never answered', async () => {
  const reached = Promise.withResolvers<void>();
  const app = new Hono().get('/slow', () => {
    reached.resolve();
    return new Promise<Response>(() => undefined);
  });
  const served = await serveApp(app, here);
  const asked = fetch(`${served.url}/slow`).catch((error: Error) => error);
  await reached.promise;
  await served[Symbol.asyncDispose]();
  expect(await asked).toBeInstanceOf(Error);
});

test('an address that is taken is a problem with a hint, not a crash', async () => {
  await using served = await serveApp(new Hono(), here);
  const again = serveApp(new Hono(), { host: '127.0.0.1', port: served.port });
  await expect(again).rejects.toThrow(Permanent);
  await expect(again).rejects.toMatchObject({ hint: expect.stringContaining('PORT') });
});

test.each([
  ['headers', 'GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: '],
  ['a body', 'POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n12345'],
])('who sends %s slowly is sent away, and the others are served meanwhile', async (_what, bytes) => {
  const app = new Hono()
    .onError((_error, c) => c.text('gone'))
    .post('/', async (c) => c.text(await c.req.text()))
    .get('/', (c) => c.text('served'));
  const patience = { headersMs: 300, requestMs: 400, checkMs: 50 };
  await using served = await serveApp(app, { ...here, patience });
  const slow = connect(served.port, '127.0.0.1');
  slow.write(bytes);
  expect(await (await fetch(served.url)).text()).toBe('served');
  expect((await slow.toArray()).map(String).join('')).toContain('408 Request Timeout');
});

test('a slow client that keeps its side of the connection open is cut off after the answer', async () => {
  const patience = { headersMs: 300, requestMs: 400, checkMs: 50 };
  await using served = await serveApp(new Hono(), { ...here, patience });
  const slow = connect({ port: served.port, host: '127.0.0.1', allowHalfOpen: true });
  const isCut = new Promise((resolve) => slow.once('error', resolve));
  const pieces = setInterval(() => slow.write('a'), 50);
  slow.write('GET / HTTP/1.1\r\nHost: localhost\r\nX: ');
  slow.resume();
  // writing to a connection that the other side has destroyed fails
  expect(await isCut).toMatchObject({ code: expect.stringMatching(/ECONNRESET|EPIPE/) });
  clearInterval(pieces);
});
