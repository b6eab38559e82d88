import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import { expect, test } from 'vitest';
import type { Fact } from '../../src/facts.ts';
import { createSignal, until } from '../support/until.ts';
import { openApi, type Api } from './api.ts';

const well = (resourceId: number): Fact => ({ fact: 'room-well', room: 'Hall A', resourceId });

/** A reader of /live; `until` resolves with everything that was read when it matches. */
async function listen(api: Api, headers: Record<string, string> = {}) {
  const asked = get(`${api.served.url}/live`, { headers });
  const [answer] = (await once(asked, 'response')) as [IncomingMessage];
  let text = '';
  const read = createSignal(() => `this was read: ${text}`);
  answer.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
    read.changed();
  });
  answer.on('error', () => {}); // a stream that is cut off is one of the cases here
  const ended = new Promise<void>((resolve) => answer.once('close', resolve));
  return {
    answer,
    ended,
    async until(pattern: RegExp): Promise<string> {
      await read.until(() => pattern.test(text));
      return text;
    },
    pause: () => answer.pause(),
    resume: () => answer.resume(),
    [Symbol.dispose]: () => void asked.destroy(),
  };
}

const idOf = (text: string) => /id: (\S+)/.exec(text)![1]!;

test('a fact arrives as an event with its name, its fields and an id', async () => {
  await using api = await openApi();
  using client = await listen(api);
  await client.until(/retry/);
  api.tell(well(101));
  const text = await client.until(/room-well[^]*id: /);
  expect(text).toContain('event: room-well\ndata: {"fact":"room-well","room":"Hall A","resourceId":101}\n');
  expect(client.answer.headers['content-type']).toMatch(/^text\/event-stream/);
});

test('a client that comes back with the id of the last fact gets what it did not see, and no more', async () => {
  await using api = await openApi();
  using first = await listen(api);
  await first.until(/retry/);
  api.tell(well(1));
  const last = idOf(await first.until(/id: /));
  api.tell(well(2));
  using second = await listen(api, { 'Last-Event-ID': last });
  const text = await second.until(/"resourceId":2/);
  expect(text).not.toContain('"resourceId":1}');
});

test('of a bug only the place is told: its message may quote anything', async () => {
  await using api = await openApi();
  using client = await listen(api);
  await client.until(/retry/);
  api.tell({ fact: 'bug', error: new Error('no mailbox kari@bergen.example'), where: 'a test' });
  const text = await client.until(/bug[^]*id: /);
  expect(text).toContain('{"fact":"bug","where":"a test"}');
});

test('a quiet line is kept open by comments', async () => {
  await using api = await openApi({ live: { beatMs: 5 } });
  using client = await listen(api);
  await client.until(/: still here\n\n: still here/);
});

test('one more client than there is place for is told to come again', async () => {
  await using api = await openApi({ live: { clientsMost: 1 } });
  using first = await listen(api);
  await first.until(/retry/);
  const refused = await api.call('GET', '/live');
  expect(refused).toMatchObject({ status: 503, body: { error: '1 clients are connected already.' } });
  expect(refused.headers.get('retry-after')).toBe('10');
});

test('a client that is gone leaves its place to the next', async () => {
  await using api = await openApi({ live: { clientsMost: 1, beatMs: 5 } });
  const first = await listen(api);
  await first.until(/retry/);
  first[Symbol.dispose]();
  await until(
    async () => {
      using next = await listen(api);
      return next.answer.statusCode;
    },
    (status) => status === 200,
  );
});

test('a client that reads slowly loses the oldest facts and is told how many', async () => {
  await using api = await openApi({ live: { queueMost: 3 } });
  using client = await listen(api);
  await client.until(/retry/);
  for (let at = 1; at <= 10; at += 1) api.tell(well(at));
  const text = await client.until(/"resourceId":10}/);
  expect(text).toContain('event: missed\ndata: {"missed":7}');
  expect(text).not.toContain('"resourceId":7}');
});

test('streams end when the daemon stops, and none begins', async () => {
  await using api = await openApi();
  using client = await listen(api);
  await client.until(/retry/);
  api.stopping.abort();
  await client.ended;
  expect((await api.call('GET', '/live')).status).toBe(503);
});
