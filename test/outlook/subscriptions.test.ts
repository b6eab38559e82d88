import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, test } from 'vitest';
import { Permanent, Retryable } from '../../src/errors.ts';
import { wrongWith } from './graph-schema.ts';
import { always, hall, openTold, openWorld, refusal, type Told } from './world.ts';

/** Where Graph calls us; `false`: it does not answer the validation as it should. */
async function openReceiver(valid = true) {
  const server = createServer((request, response) => {
    request.resume();
    const token = new URL(request.url ?? '', 'http://x').searchParams.get('validationToken') ?? '';
    response.setHeader('content-type', 'text/plain; charset=utf-8');
    response.end(valid ? token : 'hello');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    wish: {
      room: hall,
      notificationUrl: `${url}/notify`,
      lifecycleUrl: `${url}/lifecycle`,
      clientState: 'secret',
      minutes: 4_000,
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

const never = () => false;
const subscription = (change: object = {}) => ({
  id: 'subscription-1',
  resource: 'Users/hall@sandbox.example/Events',
  changeType: 'created,updated,deleted',
  notificationUrl: 'https://bridge.example/notify',
  expirationDateTime: '2026-12-01T10:00:00Z',
  ...change,
});
const wish = {
  room: hall,
  notificationUrl: 'https://bridge.example/notify',
  lifecycleUrl: 'https://bridge.example/lifecycle',
  clientState: 'secret',
  minutes: 4_000,
};

describe('a subscription', () => {
  test('is created, renewed, listed and deleted', async () => {
    await using world = await openWorld();
    await using receiver = await openReceiver();
    const { subscriptions } = world.outlook;
    const made = await subscriptions.create(receiver.wish, never, always);
    expect(Math.abs(Date.parse(made.expiresAt) - Date.now() - 4_000 * 60_000)).toBeLessThan(60_000);
    expect(world.tenant.webhooks.subscriptions()).toMatchObject([
      {
        id: made.id,
        clientState: 'secret',
        immutable: true,
        lifecycleNotificationUrl: receiver.wish.lifecycleUrl,
      },
    ]);
    expect(await subscriptions.list(always)).toEqual([made]);

    world.tenant.advance(3_600_000);
    const renewed = await subscriptions.renew(made.id, 5_000, always);
    expect(Date.parse(renewed!.expiresAt)).toBeGreaterThan(Date.parse(made.expiresAt));

    await subscriptions.remove(made.id, always);
    expect(world.tenant.webhooks.subscriptions()).toEqual([]);
    expect(world.tenant.violations).toEqual([]);
  });

  test('that no longer exists is no error', async () => {
    await using world = await openWorld();
    const { subscriptions } = world.outlook;
    const gone = 'aaaaaaaa-0000-4000-8000-000000000003';
    expect(await subscriptions.renew(gone, 100, always)).toBeNull();
    await subscriptions.remove(gone, always);
  });

  test('is requested as Microsoft documents it, for an allowed lifetime by Microsoft’s clock', async () => {
    const anHourFast = new Date(Date.now() + 3_600_000);
    await using told = await openTold(() => ({
      status: 201,
      headers: { date: anHourFast.toUTCString() },
      body: subscription(),
    }));
    const { subscriptions } = told.outlook;
    await subscriptions.create({ ...wish, minutes: 50_000 }, never, always);
    await subscriptions.create({ ...wish, minutes: 1 }, never, always);
    await subscriptions.renew('subscription-1', 50_000, always);
    const bodies = told.asked.map(({ body }) => JSON.parse(body) as { expirationDateTime: string });
    expect(wrongWith('POST', '/subscriptions', bodies[0])).toEqual([]);
    expect(wrongWith('PATCH', '/subscriptions/x', bodies[2])).toEqual([]);
    const minutes = (body: { expirationDateTime: string } | undefined) =>
      Math.round((Date.parse(body!.expirationDateTime) - anHourFast.getTime()) / 60_000);
    expect(minutes(bodies[1])).toBe(45);
    expect(minutes(bodies[2])).toBe(10_070);
    expect(told.asked[0]?.headers.prefer).toBe('IdType="ImmutableId"');
  });

  test('that exists already is adopted if it is ours', async () => {
    await using world = await openWorld();
    await using receiver = await openReceiver();
    const { subscriptions } = world.outlook;
    const first = await subscriptions.create(receiver.wish, never, always);
    const again = await subscriptions.create(receiver.wish, ({ id }) => id === first.id, always);
    expect(again.id).toBe(first.id);
  });

  test('that exists already with an unknown secret is replaced', async () => {
    await using world = await openWorld();
    await using receiver = await openReceiver();
    const { subscriptions } = world.outlook;
    const first = await subscriptions.create(receiver.wish, never, always);
    const again = await subscriptions.create({ ...receiver.wish, clientState: 'new' }, never, always);
    expect(again.id).not.toBe(first.id);
    expect(world.tenant.webhooks.subscriptions()).toMatchObject([{ id: again.id, clientState: 'new' }]);
  });

  test('that exists already but is not listed needs a person', async () => {
    await using told = await openTold(({ method }) =>
      method === 'GET' ? { status: 200, body: { value: [] } } : refusal(409, 'Conflict'),
    );
    await expect(told.outlook.subscriptions.create(wish, never, always)).rejects.toMatchObject({
      name: 'Permanent',
      reach: 'room',
    });
  });

  test('to an address that does not answer Graph is refused with the checks to make', async () => {
    await using world = await openWorld();
    await using receiver = await openReceiver(false);
    const creating = world.outlook.subscriptions.create(receiver.wish, never, always);
    await expect(creating).rejects.toBeInstanceOf(Permanent);
    await expect(creating).rejects.toMatchObject({
      hint: expect.stringContaining('WEBHOOK_BASE_URL') as unknown,
    });
  });

  test.each<[string, Told]>([
    ['unavailable', refusal(503, 'ServiceUnavailable')],
    ['throttled', refusal(429, 'TooManyRequests')],
    ['at odds with itself', refusal(412, 'ErrorIrresolvableConflict')],
  ])('is tried again later when Graph is %s', async (_, told) => {
    await using graph = await openTold(() => told);
    const { subscriptions } = graph.outlook;
    const calls = [
      () => subscriptions.create(wish, never, always),
      () => subscriptions.renew('x', 100, always),
      () => subscriptions.list(always),
      () => subscriptions.remove('x', always),
    ];
    for (const call of calls) await expect(call()).rejects.toBeInstanceOf(Retryable);
  });
});
