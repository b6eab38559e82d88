import { expect, test } from 'vitest';
import { openReceiver, openTenant, ROOM, type Receiver, type TenantWorld } from './tenant-client.ts';

const MINUTE = 60_000;
const inMinutes = (minutes: number) => new Date(Date.now() + minutes * MINUTE).toISOString();

const wanted = (world: TenantWorld, receiver: Receiver, changes: object = {}) => ({
  changeType: 'created,updated,deleted',
  notificationUrl: receiver.url,
  lifecycleNotificationUrl: receiver.url,
  resource: `/users/${world.room}/events`,
  expirationDateTime: inMinutes(1_000),
  clientState: 'secret',
  ...changes,
});
const subscribe = (world: TenantWorld, receiver: Receiver, changes: object = {}) =>
  world.ask('POST', '/subscriptions', wanted(world, receiver, changes));

test('an endpoint that echoes its token is subscribed', async () => {
  await using world = await openTenant();
  await using receiver = await openReceiver();
  const { status, body } = await subscribe(world, receiver);
  expect([status, body.resource, body.applicationId]).toEqual([
    201,
    `users/${world.room}/events`,
    world.tenant.clientId,
  ]);
});

test.for([
  ['an encoded token', { echo: encodeURIComponent }],
  ['a token with a line break', { echo: (token: string) => `${token}\n` }],
  ['HTML', { contentType: 'text/html' }],
])('an endpoint that echoes %s is refused', async ([, manners]) => {
  await using world = await openTenant();
  await using receiver = await openReceiver();
  receiver.behave(manners as object);
  expect((await subscribe(world, receiver)).status).toBe(400);
});

test('an endpoint that is not there is refused', async () => {
  await using world = await openTenant();
  await using receiver = await openReceiver();
  expect(
    (await subscribe(world, receiver, { notificationUrl: 'http://127.0.0.1:1/x' })).body.error.code,
  ).toBe('ValidationError');
});

test('the lifecycle endpoint is validated too', async () => {
  await using world = await openTenant();
  await using receiver = await openReceiver();
  expect(
    (await subscribe(world, receiver, { lifecycleNotificationUrl: 'http://127.0.0.1:1/x' })).status,
  ).toBe(400);
});

test.for([
  ['an unknown member', { colour: 'red' }],
  ['a foreign resource', { resource: '/me/messages' }],
  ['an unknown change type', { changeType: 'created,renamed' }],
  ['a clientState over 128 characters', { clientState: 'x'.repeat(129) }],
  ['no expiration', { expirationDateTime: undefined }],
  ['an expiration in the past', { expirationDateTime: '2020-01-01T00:00:00Z' }],
  ['http beyond this machine', { notificationUrl: 'http://example.org/notify' }],
] as const)('%s is refused', async ([, changes]) => {
  await using world = await openTenant();
  await using receiver = await openReceiver();
  expect((await subscribe(world, receiver, changes)).status).toBe(400);
});

test('http is refused altogether when so switched', async () => {
  await using world = await openTenant();
  await using receiver = await openReceiver();
  world.tenant.faults.set({ allowHttpWebhooks: false });
  expect((await subscribe(world, receiver)).status).toBe(400);
});

test('a second subscription for the same is a conflict that names the first', async () => {
  await using world = await openTenant();
  await using receiver = await openReceiver();
  const first = await subscribe(world, receiver);
  const { status, body } = await subscribe(world, receiver, { changeType: 'deleted,updated,created' });
  expect([status, body.error.message]).toEqual([
    409,
    `Subscription Id ${first.body.id} already exists for the requested combination`,
  ]);
});

test.for([
  ['under 45 minutes', 5, 45],
  ['over seven days', 20_000, 10_080],
])('an expiration %s is clamped', async ([, asked, given]) => {
  await using world = await openTenant();
  await using receiver = await openReceiver();
  const { body } = await subscribe(world, receiver, { expirationDateTime: inMinutes(Number(asked)) });
  expect(Math.round((Date.parse(body.expirationDateTime) - Date.now()) / MINUTE)).toBe(given);
});

test('subscriptions are listed without their secret', async () => {
  await using world = await openTenant();
  await using receiver = await openReceiver();
  const { body } = await subscribe(world, receiver);
  const list = (await world.ask('GET', '/subscriptions')).body.value;
  expect(list.map((one: { id: string; clientState: unknown }) => [one.id, one.clientState])).toEqual([
    [body.id, null],
  ]);
});

test('a patch renews', async () => {
  await using world = await openTenant();
  await using receiver = await openReceiver();
  const { id } = (await subscribe(world, receiver)).body;
  const expirationDateTime = inMinutes(2_000);
  const { body } = await world.ask('PATCH', `/subscriptions/${id}`, { expirationDateTime });
  expect(body.expirationDateTime).toBe(expirationDateTime);
});

test('a lifecycle URL cannot be patched in', async () => {
  await using world = await openTenant();
  await using receiver = await openReceiver();
  const { id } = (await subscribe(world, receiver)).body;
  const { status } = await world.ask('PATCH', `/subscriptions/${id}`, {
    lifecycleNotificationUrl: receiver.url,
  });
  expect(status).toBe(400);
});

test('renewing and reauthorizing within ten minutes is noted', async () => {
  await using world = await openTenant();
  await using receiver = await openReceiver();
  const { id } = (await subscribe(world, receiver)).body;
  await world.ask('PATCH', `/subscriptions/${id}`, { expirationDateTime: inMinutes(2_000) });
  const { status } = await world.ask('POST', `/subscriptions/${id}/reauthorize`);
  expect([status, world.tenant.violations[0]?.rule]).toEqual([204, 'renew-and-reauthorize']);
});

test('an expired subscription is gone', async () => {
  await using world = await openTenant();
  await using receiver = await openReceiver();
  const { id } = (await subscribe(world, receiver, { expirationDateTime: inMinutes(50) })).body;
  world.tenant.faults.token({ expiresIn: 100_000 });
  world.tenant.advance(51 * MINUTE);
  expect((await world.ask('GET', `/subscriptions/${id}`)).status).toBe(404);
});

test('a deleted subscription is gone', async () => {
  await using world = await openTenant();
  await using receiver = await openReceiver();
  const { id } = (await subscribe(world, receiver)).body;
  const statuses = [
    await world.ask('DELETE', `/subscriptions/${id}`),
    await world.ask('DELETE', `/subscriptions/${id}`),
  ];
  expect(statuses.map(({ status }) => status)).toEqual([204, 404]);
});

test('each change is notified, with the secret and the immutable id', async () => {
  await using world = await openTenant();
  await using receiver = await openReceiver();
  const subscription = (await subscribe(world, receiver)).body;
  const { id } = await world.create();
  const [item] = await receiver.count(1);
  expect(item).toMatchObject({
    subscriptionId: subscription.id,
    clientState: 'secret',
    changeType: 'created',
    tenantId: world.tenant.tenantId,
    resource: `Users/${world.room}/Events/${id}`,
    resourceData: { id, '@odata.type': '#Microsoft.Graph.Event' },
  });
});

test('notifications carry the other kind of id when the subscription was made without the Prefer header', async () => {
  await using world = await openTenant();
  await using receiver = await openReceiver();
  await world.ask('POST', '/subscriptions', wanted(world, receiver), { prefer: 'x=1' });
  await world.create();
  const [item] = await receiver.count(1);
  expect((item?.resourceData as { id: string }).id).toBe(world.tenant.eventsIn(ROOM)[0]?.defaultId);
});

test('only the wanted changes are notified', async () => {
  await using world = await openTenant();
  await using receiver = await openReceiver();
  await subscribe(world, receiver, { changeType: 'deleted' });
  const { id } = await world.create();
  world.tenant.people.remove(ROOM, id);
  expect((await receiver.count(1)).map((item) => item.changeType)).toEqual(['deleted']);
});

test('a deleted occurrence is an update of its master', async () => {
  await using world = await openTenant();
  await using receiver = await openReceiver();
  const pattern = { type: 'daily', interval: 1 };
  const range = { type: 'numbered', numberOfOccurrences: 3 };
  const times = { start: '2026-03-02T09:00Z', end: '2026-03-02T10:00Z' };
  const { id } = world.tenant.people.bookSeries(ROOM, { subject: 'Yoga', ...times, pattern, range });
  await subscribe(world, receiver);
  world.tenant.people.deleteOccurrence(ROOM, id, '2026-03-03');
  expect(await receiver.count(1)).toMatchObject([{ changeType: 'updated', resourceData: { id } }]);
});

test('notifications can be lost', async () => {
  await using world = await openTenant();
  await using receiver = await openReceiver();
  await subscribe(world, receiver);
  world.tenant.faults.set({ notifyLose: 1 });
  await world.create();
  world.tenant.faults.set({ notifyLose: 0 });
  await world.create({ subject: 'Second' });
  expect(await receiver.count(1)).toHaveLength(1);
});

test('notifications can come twice', async () => {
  await using world = await openTenant();
  await using receiver = await openReceiver();
  await subscribe(world, receiver);
  world.tenant.faults.set({ notifyDouble: 1 });
  await world.create();
  const [one, other] = await receiver.count(2);
  expect(other).toEqual(one);
});

test('notifications can be late', async () => {
  await using world = await openTenant();
  await using receiver = await openReceiver();
  await subscribe(world, receiver);
  world.tenant.faults.set({ notifyDelayMs: 60_000 });
  await world.create();
  const early = receiver.items.length;
  world.tenant.advance(60_000);
  expect([early, (await receiver.count(1)).length]).toEqual([0, 1]);
});

test('notifications can come in another order', async () => {
  await using world = await openTenant();
  await using receiver = await openReceiver();
  await subscribe(world, receiver);
  world.tenant.faults.set({ notifyShuffle: true });
  const times = { start: '2026-03-02T09:00Z', end: '2026-03-02T10:00Z' };
  const ids = Array.from(
    { length: 20 },
    (_, n) => world.tenant.people.book(ROOM, { subject: `${n}`, ...times }).id,
  );
  const came = (await receiver.count(20)).map((item) => (item.resourceData as { id: string }).id);
  expect(came).not.toEqual(ids);
});

test('a refused notification is tried again', async () => {
  await using world = await openTenant();
  await using receiver = await openReceiver();
  await subscribe(world, receiver);
  receiver.behave({ status: 503 });
  await world.create();
  await receiver.count(1);
  receiver.behave({ status: 202 });
  // The retry is scheduled once the refusal is read, so the clock is moved until it has been.
  while (receiver.items.length < 2) {
    world.tenant.advance(1_000);
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(world.tenant.webhooks.deliveries.map(({ attempt, status }) => [attempt, status])[0]).toEqual([
    1, 503,
  ]);
});

test('a forged notification has another secret', async () => {
  await using world = await openTenant();
  await using receiver = await openReceiver();
  await subscribe(world, receiver);
  world.tenant.webhooks.forge(ROOM);
  expect((await receiver.count(1))[0]?.clientState).toBe('forged');
});

test.for(['missed', 'reauthorizationRequired', 'subscriptionRemoved'] as const)(
  'the lifecycle event %s is sent on demand',
  async (event) => {
    await using world = await openTenant();
    await using receiver = await openReceiver();
    const { id } = (await subscribe(world, receiver)).body;
    world.tenant.webhooks.lifecycle(event);
    const [item] = await receiver.count(1);
    expect(item).toMatchObject({ lifecycleEvent: event, subscriptionId: id, clientState: 'secret' });
    expect(item).not.toHaveProperty('resource');
  },
);

test('a removed subscription is not there any more', async () => {
  await using world = await openTenant();
  await using receiver = await openReceiver();
  await subscribe(world, receiver);
  world.tenant.webhooks.lifecycle('subscriptionRemoved');
  expect(world.tenant.webhooks.subscriptions()).toEqual([]);
});

test('a vanished subscription says nothing', async () => {
  await using world = await openTenant();
  await using receiver = await openReceiver();
  await subscribe(world, receiver);
  world.tenant.webhooks.vanish(ROOM);
  expect((await world.ask('GET', '/subscriptions')).body.value).toEqual([]);
});
