/** The endpoints of subscriptions, with a keeper at work behind them and a simulated tenant behind that. */
import { expect, test } from 'vitest';
import { every } from '../../src/ops/schedule.ts';
import { always, mailboxOf, openSubscribed } from '../sync/webhooks/subscribed.ts';
import { openApi, type Answer, type ApiOptions } from './api.ts';

/** `kept`: whether a keeper comes along all the time. */
async function openDesk(options: ApiOptions & { readonly kept?: boolean } = {}) {
  await using opened = new AsyncDisposableStack();
  const world = opened.use(await openSubscribed([101, 102]));
  const { kept = true, ...more } = options;
  const change = { webhookBaseUrl: world.served.url, ...more.change };
  const api = opened.use(await openApi({ db: world.db.pool, ...more, change }));
  if (kept)
    opened.use(
      every(
        5,
        () => undefined,
        'the keeper',
        () => world.keeper.keepAll(always),
      ),
    );
  const owned = opened.move();
  return {
    ...world,
    call: api.call,
    post: (path: string, body?: object): Promise<Answer> =>
      api.call('POST', path, {
        headers: { 'content-type': 'application/json' },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      }),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

type Row = Readonly<Record<string, unknown>>;
const rowsIn = (answer: Answer) => answer.body['subscriptions'] as Row[];
const rowIn = (answer: Answer) => answer.body['subscription'] as Row;

test('a subscription is made for one room, by its mailbox', async () => {
  await using desk = await openDesk();
  const answer = await desk.post('/webhook/create', { calendar_id: mailboxOf(101) });
  expect(answer.status).toBe(200);
  expect(rowIn(answer)).toMatchObject({
    calendar_id: mailboxOf(101),
    resource_id: 101,
    status: 'active',
    subscription_id: desk.tenant.webhooks
      .subscriptions()
      .find(({ id }) => id === rowIn(answer)['subscription_id'])?.id,
  });
});

test('making one that is there already answers with it, however the mailbox is written', async () => {
  await using desk = await openDesk();
  const first = rowIn(await desk.post('/webhook/create', { calendar_id: mailboxOf(101) }));
  const object = await desk.outlook.resolveMailbox(mailboxOf(101), always);
  await desk.db.query('UPDATE bridge_resource_mappings SET outlook_object_id = $1 WHERE resource_id = 101', [
    object,
  ]);
  for (const name of [mailboxOf(101), ` ${mailboxOf(101).toUpperCase()}`, object, '101']) {
    const again = await desk.post('/webhook/create', { calendar_id: name });
    expect([again.status, rowIn(again)['subscription_id']]).toEqual([200, first['subscription_id']]);
  }
  expect(desk.subscribed()).toEqual([101, 102]);
});

test('all rooms are subscribed, twice as well as once', async () => {
  await using desk = await openDesk();
  const first = await desk.post('/webhook/create-subscriptions');
  const second = await desk.post('/webhook/create-subscriptions');
  expect([first.status, first.body['results']]).toEqual([
    200,
    { total: 2, active: 2, pending: 0, errors: 0 },
  ]);
  expect(second.body).toMatchObject({ count: 2, existing: 2, created: 0 });
  expect(desk.subscribed()).toEqual([101, 102]);
});

test('subscriptions are listed without their secrets', async () => {
  await using desk = await openDesk();
  await desk.post('/webhook/create-subscriptions');
  const answer = await desk.call('GET', '/webhook/subscriptions');
  expect(answer.body['count']).toBe(2);
  for (const { client_state: secret } of await desk.rows()) expect(answer.text).not.toContain(secret);
});

test('one that is deleted stays away until it is asked for', async () => {
  await using desk = await openDesk();
  const { subscription_id: id } = rowIn(await desk.post('/webhook/create', { calendar_id: mailboxOf(101) }));
  await desk.post('/webhook/create-subscriptions');
  const deleted = await desk.call('DELETE', `/webhook/delete/${String(id)}`);
  expect([deleted.status, desk.subscribed()]).toEqual([200, [102]]);
  expect(rowsIn(await desk.call('GET', '/webhook/subscriptions')).map((row) => row['resource_id'])).toEqual([
    102,
  ]);
  await desk.keep();
  expect(desk.subscribed()).toEqual([102]);
  await desk.post('/webhook/create', { calendar_id: mailboxOf(101) });
  expect(desk.subscribed()).toEqual([101, 102]);
});

test('one is renewed by hand, and so are all', async () => {
  await using desk = await openDesk();
  await desk.post('/webhook/create-subscriptions');
  const [first] = rowsIn(await desk.call('GET', '/webhook/subscriptions'));
  const one = await desk.post(`/webhook/renew/${String(first!['subscription_id'])}`);
  expect([one.status, one.body['message']]).toEqual([200, 'Subscription renewed']);
  // the number that the list gives it names it, too, as for its deletion
  const numbered = await desk.post(`/webhook/renew/${String(first!['id'])}`);
  expect([numbered.status, numbered.body['message']]).toEqual([200, 'Subscription renewed']);
  const all = await desk.post('/webhook/renew-subscriptions');
  expect(all.body).toMatchObject({ renewed: 2, results: { total: 2, active: 2, errors: 0 } });
  const renewals = desk.tenant.journal.filter(({ method }) => method === 'PATCH');
  expect(renewals).toHaveLength(4);
});

test('renewing one that Graph has forgotten answers with the new one', async () => {
  await using desk = await openDesk();
  const { subscription_id: id } = rowIn(await desk.post('/webhook/create', { calendar_id: mailboxOf(101) }));
  desk.tenant.webhooks.vanish(mailboxOf(101));
  const answer = await desk.post(`/webhook/renew/${String(id)}`);
  expect(answer.status).toBe(200);
  expect(rowIn(answer)['status']).toBe('active');
  expect(rowIn(answer)['subscription_id']).not.toBe(id);
});

test('the statistics say how many rooms should have one, and what came', async () => {
  await using desk = await openDesk();
  await desk.post('/webhook/create-subscriptions');
  const { body } = await desk.call('GET', '/webhook/stats');
  expect(body['statistics']).toMatchObject({
    mode: 'webhooks',
    subscriptions: {
      rooms: 2,
      by_status: { active: 2, pending: 0, failing: 0, expired: 0, ending: 0, off: 0 },
    },
    notifications: { changes: 0, lifecycle: 0, rejected: 0, last_at: null },
  });
});

test('an unknown calendar is answered with the nearest one', async () => {
  await using desk = await openDesk({ kept: false });
  const answer = await desk.post('/webhook/create', { calendar_id: 'romo101@bergen.example' });
  expect(answer.status).toBe(404);
  expect(answer.body['hint']).toContain(mailboxOf(101));
});

test.for([
  ['a body without it', {}],
  ['a number', { calendar_id: 7 }],
  ['a blank', { calendar_id: ' ' }],
])('%s names the field that is missing', async ([, body]) => {
  await using desk = await openDesk({ kept: false });
  const answer = await desk.post('/webhook/create', body as object);
  expect([answer.status, answer.body['field']]).toEqual([400, 'calendar_id']);
});

test('an empty body says what is missing', async () => {
  await using desk = await openDesk({ kept: false });
  expect((await desk.post('/webhook/create')).status).toBe(400);
});

test.for([
  ['is switched off', 'active = 0', 'active'],
  ['takes nothing from Outlook', "sync_direction = 'booking_to_outlook'", 'sync_direction'],
] as const)('a room that %s is refused with what to change', async ([, change, word]) => {
  await using desk = await openDesk({ kept: false });
  await desk.db.query(`UPDATE bridge_resource_mappings SET ${change} WHERE resource_id = 101`);
  const answer = await desk.post('/webhook/create', { calendar_id: mailboxOf(101) });
  expect([answer.status, String(answer.body['hint']).includes(word)]).toEqual([422, true]);
});

test.for([
  '/webhook/create',
  '/webhook/create-subscriptions',
  '/webhook/renew/x',
  '/webhook/renew-subscriptions',
])('without WEBHOOK_BASE_URL, POST %s says so', async (path) => {
  await using desk = await openDesk({ kept: false, change: { webhookBaseUrl: null } });
  const answer = await desk.post(path, { calendar_id: mailboxOf(101) });
  expect([answer.status, String(answer.body['hint']).includes('WEBHOOK_BASE_URL')]).toEqual([409, true]);
  expect((await desk.call('GET', '/webhook/stats')).body['statistics']).toMatchObject({ mode: 'polling' });
});

test.for([
  ['POST', '/webhook/renew/nobody'],
  ['DELETE', '/webhook/delete/nobody'],
])('%s %s: there is no such', async ([method, path]) => {
  await using desk = await openDesk({ kept: false });
  expect((await desk.call(method!, path!)).status).toBe(404);
});

test('what Graph refuses is told to who asked, with what to do', async () => {
  await using desk = await openDesk();
  desk.tenant.faults.add({
    match: { method: 'POST', path: '^/subscriptions' },
    action: { do: 'refuse', status: 403, code: 'Forbidden', message: 'Not allowed.' },
  });
  const answer = await desk.post('/webhook/create', { calendar_id: mailboxOf(101) });
  expect(answer.status).toBe(422);
  expect(answer.body).toMatchObject({
    error: expect.stringContaining('Not allowed.') as string,
    hint: expect.stringContaining('Calendars.Read') as string,
  });
});

test('no call waits longer than it has to when no daemon comes', async () => {
  await using desk = await openDesk({ kept: false, waitMs: 50 });
  const answer = await desk.post('/webhook/create', { calendar_id: mailboxOf(101) });
  expect([answer.status, answer.headers.has('retry-after')]).toEqual([503, true]);
  expect((await desk.post('/webhook/create-subscriptions')).body['results']).toEqual({
    total: 2,
    active: 0,
    pending: 2,
    errors: 0,
  });
});
