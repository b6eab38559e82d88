import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Agent, type Dispatcher } from 'undici';
import { expect, test } from 'vitest';
import type { Fact } from '../../src/facts.ts';
import { createAlertWebhook, type AlertWebhookOptions, type Posted } from '../../src/ops/alert-webhook.ts';
import { createDispatcher } from '../../src/outlook/http.ts';
import { openReceiver } from './receiver.ts';

const alert = (id: number): Posted => ({
  id,
  type: 'stuck',
  severity: 'critical',
  room: null,
  resource_id: null,
  mailbox: null,
  message: `number ${id}`,
  hint: 'Look.',
  detail: {},
  created_at: new Date(0),
  closed_at: null,
});

async function openWebhook(options: Partial<AlertWebhookOptions> = {}) {
  const opened = new AsyncDisposableStack();
  const receiver = opened.use(await openReceiver());
  const undelivered: Fact[] = [];
  const gaveUp = Promise.withResolvers<void>();
  const dispatcher: Dispatcher = options.dispatcher ?? new Agent({ connections: 1 });
  opened.defer(() => dispatcher.destroy());
  const webhook = opened.use(
    createAlertWebhook({
      url: receiver.url,
      dispatcher,
      tell: (fact) => {
        undelivered.push(fact);
        gaveUp.resolve();
      },
      timeoutMs: 5_000,
      tries: 4,
      restMs: () => 1,
      ...options,
    }),
  );
  return {
    ...webhook,
    receiver,
    undelivered,
    gaveUp: gaveUp.promise,
    ids: () => receiver.taken.map((message) => message.alert.id),
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}

test.each([
  ['b%C3%A5t:s%3Acret', 'båt:s:cret'],
  ['bridge:100%secret', 'bridge:100%secret'],
])(
  'the login %s in the address is sent as a header, and not as a part of the address',
  async (given, login) => {
    await using receiver = await openReceiver();
    const dispatcher = new Agent({ connections: 1 });
    const url = receiver.url.replace('//', `//${given}@`);
    const told: Fact[] = [];
    {
      await using webhook = createAlertWebhook({
        url,
        dispatcher,
        tell: (fact) => void told.push(fact),
        restMs: () => 5,
      });
      webhook.post('opened', alert(1));
      await receiver.until(() => receiver.taken.length === 1);
      receiver.answers.push(404);
      webhook.post('opened', alert(2));
      await receiver.until(() => receiver.requests() === 2);
    }
    await dispatcher.close();
    expect(receiver.logins).toEqual(Array(2).fill(`Basic ${Buffer.from(login).toString('base64')}`));
    expect(JSON.stringify(told)).not.toContain('cret');
  },
);

test('messages arrive in the order in which they were posted', async () => {
  await using webhook = await openWebhook();
  for (let id = 1; id <= 20; id += 1) webhook.post('opened', alert(id));
  await webhook.receiver.until(() => webhook.ids().length === 20);
  expect(webhook.ids()).toEqual(Array.from({ length: 20 }, (_, n) => n + 1));
});

test.each([500, 503, 429, 408])(
  'one that is answered %d is tried again, and keeps its place',
  async (status) => {
    await using webhook = await openWebhook();
    webhook.receiver.answers.push(status, status);
    webhook.post('opened', alert(1));
    webhook.post('closed', alert(2));
    await webhook.receiver.until(() => webhook.ids().length === 2);
    expect(webhook.ids()).toEqual([1, 2]);
    expect(webhook.receiver.requests()).toBe(4);
    expect(webhook.undelivered).toEqual([]);
  },
);

test('one that hangs is cut off and tried again', async () => {
  await using webhook = await openWebhook({ timeoutMs: 50 });
  webhook.receiver.answers.push('hang');
  webhook.post('opened', alert(1));
  await webhook.receiver.until(() => webhook.ids().length === 1);
  expect(webhook.receiver.requests()).toBe(2);
});

test('one that is refused for good is told, and does not keep the next from going', async () => {
  await using webhook = await openWebhook();
  webhook.receiver.answers.push(404);
  webhook.post('opened', alert(1));
  webhook.post('opened', alert(2));
  await webhook.receiver.until(() => webhook.ids().length === 1);
  expect(webhook.ids()).toEqual([2]);
  expect(webhook.undelivered).toEqual([
    { fact: 'alert-undelivered', type: 'stuck', error: 'it answered 404' },
  ]);
});

test('after so many tries it is given up, and told', async () => {
  await using webhook = await openWebhook();
  webhook.receiver.answers.push(500, 500, 500, 500);
  webhook.post('opened', alert(1));
  await webhook.gaveUp;
  expect(webhook.receiver.requests()).toBe(4);
  expect(webhook.undelivered).toMatchObject([{ error: 'it answered 500' }]);
});

test('what waits is bounded: the oldest are given up, and told', async () => {
  await using webhook = await openWebhook();
  for (let id = 1; id <= 250; id += 1) webhook.post('opened', alert(id));
  await webhook.receiver.until(() => webhook.ids().at(-1) === 250);
  // the first is on its way already, 200 wait
  expect(webhook.ids().length).toBe(201);
  expect(webhook.undelivered.length).toBe(49);
});

test('without an address nothing is sent', async () => {
  await using webhook = await openWebhook({ url: null });
  webhook.post('opened', alert(1));
  expect(webhook.receiver.requests()).toBe(0);
});

test('what waits when the daemon stops still goes out', async () => {
  await using webhook = await openWebhook();
  for (let id = 1; id <= 5; id += 1) webhook.post('opened', alert(id));
  await webhook[Symbol.asyncDispose]();
  expect(webhook.ids()).toEqual([1, 2, 3, 4, 5]);
});

test('an https address is reached through HTTPS_PROXY', async () => {
  const asked = Promise.withResolvers<string>();
  const proxy = createServer().on('connect', (request, socket) => {
    asked.resolve(request.url ?? '');
    socket.end('HTTP/1.1 403 Forbidden\r\n\r\n');
  });
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  const url = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
  await using webhook = await openWebhook({
    url: 'https://chat.example.org/hooks/abc',
    dispatcher: createDispatcher({ url, except: '' }, 1),
    tries: 1,
  });
  webhook.post('opened', alert(1));
  expect(await asked.promise).toBe('chat.example.org:443');
  await webhook.gaveUp;
  proxy.close();
});
