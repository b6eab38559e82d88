/** Where Microsoft Graph calls us, over real HTTP and on a real database. */
import { once } from 'node:events';
import { request, type IncomingMessage } from 'node:http';
import { gzipSync } from 'node:zlib';
import { describe, expect, test, vi } from 'vitest';
import { createNotifications } from '../../src/sync/webhooks/notifications.ts';
import {
  mailboxOf,
  notificationFor,
  openSubscribed,
  post,
  type Subscribed,
} from '../sync/webhooks/subscribed.ts';
import { at } from '../support/dates.ts';
import { until } from '../support/until.ts';
import { openApi } from './api.ts';

const path = '/webhook/outlook-notifications';

/** A world whose rooms are subscribed and at rest. */
async function openListening(resources: readonly number[] = [101, 102]) {
  const world = await openSubscribed(resources);
  await world.keep();
  await world.pulled();
  return world;
}

const rejected = (world: Subscribed) => world.notifications.counts().rejected;

/** One request as bytes: the token is sent just as written. */
async function send(world: Subscribed, method: string, query: string) {
  const asked = request(`${world.served.url}${path}`, { method, path: `${path}${query}` }).end();
  const [answer] = (await once(asked, 'response')) as [IncomingMessage];
  const body = Buffer.concat((await answer.toArray()) as Buffer[]);
  return { status: answer.statusCode, headers: answer.headers, body };
}

describe('the handshake', () => {
  const ascii = Array.from({ length: 127 }, (_, n) => String.fromCharCode(n + 1)).join('');
  test.for([
    ['plain text', 'token', 'token'],
    [
      'blanks as +, which is how Graph writes them',
      'Validation%3a+Testing+client',
      'Validation: Testing client',
    ],
    ['a plus sign', 'a%2Bb%2bc', 'a+b+c'],
    ['a percent sign', '100%25%2525', '100%%25'],
    ['reserved characters', encodeURIComponent('a&b=c?d#e/f;g'), 'a&b=c?d#e/f;g'],
    ['letters of all kinds', encodeURIComponent('blåbær 会議 🙂'), 'blåbær 会議 🙂'],
    ['HTML', encodeURIComponent('<script>alert("x")</script>'), '<script>alert("x")</script>'],
    ['every ASCII character', encodeURIComponent(ascii), ascii],
    ['a lone percent sign', '50%', '50%'],
    ['a line break at its end', 'x%0d%0a', 'x\r\n'],
    ['nothing', '', ''],
  ] as const)('echoes %s, decoded', async ([, encoded, decoded]) => {
    await using world = await openSubscribed([]);
    for (const method of ['POST', 'GET']) {
      const answer = await send(world, method, `?validationToken=${encoded}`);
      expect([answer.status, answer.headers['content-type']]).toEqual([200, 'text/plain; charset=utf-8']);
      expect(answer.body.toString()).toBe(decoded);
    }
  });

  test('echoes bytes that are no text as they are', async () => {
    await using world = await openSubscribed([]);
    const { body } = await send(world, 'POST', '?validationToken=%ff%00%c3');
    expect([...body]).toEqual([0xff, 0x00, 0xc3]);
  });

  test('finds the token beside other parameters', async () => {
    await using world = await openSubscribed([]);
    const { body } = await send(world, 'POST', '?lifecycle=00&myvalidationToken=no&validationToken=yes&x=1');
    expect(body.toString()).toBe('yes');
  });

  test('without a token says that this is the place', async () => {
    await using world = await openSubscribed([]);
    const { status, body } = await send(world, 'GET', '');
    expect([status, JSON.parse(body.toString())]).toMatchObject([200, { success: true }]);
  });
});

describe('who may call', () => {
  const far = { Host: 'sync.example.org', 'X-Forwarded-For': '203.0.113.9', 'X-Forwarded-Proto': 'https' };
  test.for([
    ['with an API key set', { apiKey: 'secret' }],
    ['without one', {}],
  ] as const)('anybody, %s, also through a proxy', async ([, options]) => {
    await using api = await openApi(options);
    const { status } = await api.raw(path, far);
    expect(status).toBe(200);
    const posted = await fetch(api.served.url + path, {
      method: 'POST',
      headers: { 'X-Forwarded-For': '203.0.113.9', 'content-type': 'application/json' },
      body: '{"value": []}',
    });
    expect(posted.status).toBe(202);
  });

  test('what is beside it asks for the key', async () => {
    await using api = await openApi({ apiKey: 'secret' });
    expect((await api.call('GET', '/webhook/subscriptions')).status).toBe(401);
    expect((await api.call('PUT', path)).status).not.toBe(202);
  });
});

describe('a notification', () => {
  test('marks its room, and only that, before it is answered', async () => {
    await using world = await openListening();
    const answer = await post(world, [await notificationFor(world, 101)]);
    expect([answer.status, await answer.text(), await world.due()]).toEqual([202, '', [101]]);
  });

  test('of the tenant itself, for a real change, marks the room', async () => {
    await using world = await openListening();
    world.tenant.people.book(mailboxOf(102), {
      subject: 'Møte',
      start: at(3, '09:00'),
      end: at(3, '10:00'),
    });
    expect(await until(world.due, (due) => due.length > 0)).toEqual([102]);
    expect(rejected(world)).toBe(0);
  });

  test('that names its event is stored as a hint, once however often it comes, and one round makes sure', async () => {
    await using world = await openListening();
    const [one, two] = [
      await notificationFor(world, 101, { resourceData: { id: 'AAMk=1', '@odata.etag': 'W/"1"' } }),
      await notificationFor(world, 101, { changeType: 'deleted', resourceData: { id: 'AAMk=2' } }),
    ];
    await post(world, [one, two, one]);
    const sure = () =>
      world.db.query(
        'SELECT sure_at > now() AS later, sure_at, pull_due_at FROM bridge_room_state WHERE sure_at IS NOT NULL',
      );
    const [first] = await sure();
    expect(first).toMatchObject({ later: true, pull_due_at: null });
    await post(world, [two]);
    expect(await sure()).toEqual([first]);
    expect(await world.db.query('SELECT event_id, deleted, etag FROM bridge_hints ORDER BY 1')).toEqual([
      { event_id: 'AAMk=1', deleted: false, etag: 'W/"1"' },
      { event_id: 'AAMk=2', deleted: true, etag: null },
    ]);
  });

  test('whose event cannot be named asks for a round', async () => {
    await using world = await openListening();
    for (const resourceData of [undefined, null, {}, { id: 7 }, { id: 'a\u0000b' }, { id: 'x'.repeat(600) }])
      await post(world, [await notificationFor(world, 101, { resourceData })]);
    expect(await world.db.query('SELECT FROM bridge_hints')).toEqual([]);
    expect(await world.due()).toEqual([101]);
  });

  test('rings the daemons', async () => {
    await using world = await openListening();
    const client = await world.db.pool.connect();
    try {
      // as a daemon does: no other is notified
      await client.query('LISTEN bridge_changes; SELECT pg_advisory_lock_shared(7230912, 6)');
      const woken = once(client, 'notification');
      await post(world, [await notificationFor(world, 101)]);
      await woken;
    } finally {
      client.release(true);
    }
  });

  test('of a room that is due already is answered, and changes nothing', async () => {
    await using world = await openListening();
    await post(world, [await notificationFor(world, 101)]);
    const state = () =>
      world.db.query('SELECT xmin::text, pull_due_at, hinted_at FROM bridge_room_state ORDER BY 1');
    const before = await state();
    const answer = await post(world, [await notificationFor(world, 101)]);
    expect([answer.status, await state()]).toEqual([202, before]);
  });

  test('of a room that is told of again and again is stored as a hint that waits a little, and rings then', async () => {
    await using world = await openListening();
    const told = await notificationFor(world, 101);
    for (let n = 0; n < 40; n += 1) await post(world, [told]);
    // a round that ended just now took their mark
    await world.db.query(
      'UPDATE bridge_room_state SET pulled_at = now(), hinted_at = NULL; DELETE FROM bridge_hints',
    );
    const client = await world.db.pool.connect();
    try {
      // as a daemon does: no other is notified
      await client.query('LISTEN bridge_changes; SELECT pg_advisory_lock_shared(7230912, 6)');
      const woken = once(client, 'notification');
      expect((await post(world, [told])).status).toBe(202);
      const [marked] = await world.db.query(
        `SELECT round(extract(epoch FROM s.hinted_at - h.hinted_at)::float8) AS s
         FROM bridge_room_state s JOIN bridge_hints h USING (resource_mapping_id)`,
      );
      expect(marked).toEqual({ s: 1 });
      await woken;
      expect(await world.due()).toEqual([101]);
    } finally {
      client.release(true);
    }
  });

  test('that comes together with a lifecycle notification of its room keeps its hint', async () => {
    await using world = await openListening();
    const told = await notificationFor(world, 101);
    const missed = { lifecycleEvent: 'missed', changeType: undefined, resourceData: undefined };
    await post(world, [told, await notificationFor(world, 101, missed)]);
    expect(await world.db.query('SELECT FROM bridge_hints')).toHaveLength(1);
    expect(await world.db.query('SELECT FROM bridge_room_state WHERE pull_due_at <= now()')).toHaveLength(1);
  });

  test('of a room that was switched off meanwhile changes nothing', async () => {
    await using world = await openListening();
    const late = await notificationFor(world, 101);
    await world.db.query('UPDATE bridge_resource_mappings SET active = 0 WHERE resource_id = 101');
    await world.pulled();
    expect((await post(world, [late])).status).toBe(202);
    expect(await world.due()).toEqual([]);
  });

  test('in a batch is checked by itself: one forged element spoils none', async () => {
    await using world = await openListening([101, 102, 103]);
    const [first, second, third] = [
      await notificationFor(world, 101),
      await notificationFor(world, 102, { clientState: 'forged' }),
      await notificationFor(world, 103),
    ];
    expect((await post(world, [first, second, third])).status).toBe(202);
    expect([await world.due(), rejected(world)]).toEqual([[101, 103], 1]);
  });

  test('of a subscription that was made a moment ago is known', async () => {
    await using world = await openListening([101]);
    await post(world, [await notificationFor(world, 101)]);
    await world.map(102);
    await world.keep();
    await world.pulled();
    await post(world, [await notificationFor(world, 102)]);
    expect([await world.due(), rejected(world)]).toEqual([[102], 0]);
  });

  test('in a thousand at once is answered as quickly as alone', async () => {
    const resources = Array.from({ length: 50 }, (_, n) => 200 + n);
    await using world = await openListening(resources);
    const all = await Promise.all(resources.map((resource) => notificationFor(world, resource)));
    const batch = Array.from({ length: 1_000 }, (_, n) => all[n % all.length]);
    expect((await post(world, batch)).status).toBe(202);
    expect([await world.due(), world.notifications.counts().changes]).toEqual([resources, 1_000]);
  });
});

describe('a forged notification', () => {
  const uuid = '6ba7b810-9dad-11d1-80b4-00c04fd430c8';
  test.for([
    ['a wrong secret', { clientState: 'x'.repeat(64) }],
    ['a secret of other length', { clientState: 'x' }],
    ['a secret of letters that are longer than they look', { clientState: 'å'.repeat(64) }],
    ['no secret', { clientState: undefined }],
    ['null as its secret', { clientState: null }],
    ['a list as its secret', { clientState: ['x'] }],
    ['an unknown subscription', { subscriptionId: uuid }],
    ['no subscription', { subscriptionId: undefined }],
    ['a subscription that no database can look up', { subscriptionId: 'a\u0000b' }],
    ['a subscription without end', { subscriptionId: 'a'.repeat(100_000) }],
    ['a subscription that is a word of JavaScript', { subscriptionId: '__proto__' }],
  ] as const)('with %s is answered alike, changes nothing and is counted', async ([, change]) => {
    await using world = await openListening();
    const answer = await post(world, [await notificationFor(world, 101, change)]);
    expect([answer.status, await answer.text()]).toEqual([202, '']);
    expect([await world.due(), rejected(world)]).toEqual([[], 1]);
    expect(world.facts).toContainEqual({ fact: 'notifications-rejected', count: 1 });
  });

  test('with the secret of another room is forged', async () => {
    await using world = await openListening();
    const { clientState } = await notificationFor(world, 102);
    await post(world, [await notificationFor(world, 101, { clientState })]);
    expect([await world.due(), rejected(world)]).toEqual([[], 1]);
  });

  test('of the tenant is counted', async () => {
    await using world = await openListening();
    world.tenant.webhooks.forge(mailboxOf(101));
    await until(() => rejected(world) > 0);
    expect(await world.due()).toEqual([]);
  });

  test('is told once a second at most, with how many there were', async () => {
    await using world = await openListening();
    const forged = Array.from({ length: 200 }, () => ({ subscriptionId: uuid, clientState: 'x' }));
    await Promise.all(Array.from({ length: 10 }, () => post(world, forged)));
    const told = world.facts.filter(({ fact }) => fact === 'notifications-rejected');
    expect(rejected(world)).toBe(2_000);
    expect(told.length).toBeLessThan(10);
  });

  test('by the thousand asks the database a few times only', async () => {
    await using world = await openListening();
    let reads = 0;
    const { pool } = world.db;
    const counting = new Proxy(pool, {
      get: (target, name) =>
        name === 'query'
          ? (...args: Parameters<typeof pool.query>) => (reads++, target.query(...args))
          : (Reflect.get(target, name) as unknown),
    });
    const notifications = createNotifications({
      db: counting,
      tell: () => undefined,
      readEveryMs: 60_000,
    });
    await notifications.receive([await notificationFor(world, 101)]);
    await world.pulled();
    const forge = (n: number) => notifications.receive([{ subscriptionId: `${uuid}${n}`, clientState: 'x' }]);
    // they wait for the next look, which comes a minute after this test and its database are gone
    void Promise.allSettled(Array.from({ length: 5_000 }, (_, n) => forge(n + 1)));
    await notifications.receive([await notificationFor(world, 101)]); // a known one does not
    expect([reads, await world.due()]).toEqual([3, [101]]);
  });
});

describe('what is no notification', () => {
  test.for([
    ['broken JSON', '{"value": [', 400],
    ['another JSON', '{"values": []}', 400],
    ['a list', '[]', 400],
    ['null', 'null', 400],
    ['nothing', '', 202],
    ['an empty batch', '{"value": []}', 202],
    ['one with a byte order mark', '\ufeff{"value": []}', 202],
    ['a batch of nonsense', '{"value": [1, null, "x", [], {}]}', 202],
    ['more than anybody sends', `{"value": ["${'x'.repeat(4_100_000)}"]}`, 413],
  ] as const)('%s gets its answer', async ([, body, status]) => {
    await using world = await openSubscribed([]);
    const headers = { 'content-type': 'application/json' };
    const answer = await fetch(world.served.url + path, { method: 'POST', headers, body });
    expect(answer.status).toBe(status);
  });
});

test.each([
  ['compressed', gzipSync('{"value": []}'), { 'content-encoding': 'gzip' }],
  ['UTF-16', Buffer.from('{"value": []}', 'utf16le'), { 'content-type': 'application/json; charset=utf-16' }],
])('a body that is sent as %s is refused with the reason', async (_, body, headers) => {
  await using world = await openSubscribed([]);
  const answer = await fetch(world.served.url + path, { method: 'POST', headers, body });
  expect(answer.status).toBe(415);
  expect(await answer.json()).toMatchObject({ success: false, hint: expect.stringContaining('UTF-8') });
});

test('known and unknown subscriptions in one body, with all kinds of lifecycle events, are told apart', async () => {
  await using world = await openListening();
  const known = await notificationFor(world, 101);
  const value = [
    ...Array.from({ length: 500 }, (_, n) => ({ ...known, resourceData: { id: `event-${n}` } })),
    ...Array.from({ length: 497 }, (_, n) => ({ ...known, subscriptionId: `unknown-${n}` })),
    ...['missed', 'subscriptionRemoved', 'reauthorizationRequired'].map((lifecycleEvent) => ({
      ...known,
      lifecycleEvent,
    })),
  ];
  expect((await post(world, value)).status).toBe(202);
  expect(world.notifications.counts()).toMatchObject({ changes: 500, lifecycle: 3, rejected: 497 });
  expect(await world.db.query('SELECT FROM bridge_hints')).toHaveLength(500);
  expect(
    await world.db.query(
      'SELECT outlook_item_id AS mailbox FROM bridge_subscriptions WHERE subscription_id IS NULL AND due_at <= now()',
    ),
  ).toEqual([{ mailbox: mailboxOf(101) }]);
});

describe('while the database is away', () => {
  test('Graph is asked to come again, and what it brings then is taken', async () => {
    await using world = await openListening();
    const note = await notificationFor(world, 101);
    await post(world, [note]);
    await world.pulled();
    await world.db.query('ALTER TABLE bridge_room_state RENAME TO away');
    const refused = await post(world, [note]);
    await world.db.query('ALTER TABLE away RENAME TO bridge_room_state');
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([
      503,
      expect.stringMatching(/^\d+$/),
    ]);
    expect((await post(world, [note])).status).toBe(202);
    expect(await world.due()).toEqual([101]);
  });

  test('a statement that never comes back is not waited for', async () => {
    await using world = await openListening();
    const notifications = createNotifications({ db: world.db.pool, tell: () => undefined, waitMs: 500 });
    const note = await notificationFor(world, 101);
    await notifications.receive([note]);
    await world.pulled();
    const client = await world.db.pool.connect();
    try {
      await client.query('BEGIN');
      await client.query('LOCK TABLE bridge_room_state IN ACCESS EXCLUSIVE MODE');
      await expect(notifications.receive([note])).rejects.toMatchObject({ name: 'Retryable', reach: 'side' });
      await client.query('ROLLBACK');
    } finally {
      client.release();
    }
    await notifications.receive([note]);
    expect(await world.due()).toEqual([101]);
  });
});

describe('an event of a subscription itself', () => {
  const told = (world: Subscribed) => world.notifications.counts().lifecycle;
  const counted = (world: Subscribed, count: number) => until(() => told(world) >= count);

  test('missed: the room is looked at', async () => {
    await using world = await openListening();
    world.tenant.webhooks.lifecycle('missed', mailboxOf(101));
    await counted(world, 1);
    expect([await world.due(), rejected(world)]).toEqual([[101], 0]);
  });

  test('subscriptionRemoved: it is made anew, and the room looked at', async () => {
    await using world = await openListening();
    const [before] = world.tenant.webhooks.subscriptions();
    world.tenant.webhooks.lifecycle('subscriptionRemoved');
    await counted(world, 2);
    expect(await world.due()).toEqual([101, 102]);
    await world.keep();
    expect(world.subscribed()).toEqual([101, 102]);
    expect(world.tenant.webhooks.subscriptions().map(({ id }) => id)).not.toContain(before!.id);
  });

  test('subscriptionRemoved of one that is there all the same doubles nothing', async () => {
    await using world = await openListening([101]);
    const [before] = world.tenant.webhooks.subscriptions();
    await post(world, [await notificationFor(world, 101, { lifecycleEvent: 'subscriptionRemoved' })]);
    await world.keep();
    expect(world.tenant.webhooks.subscriptions()).toMatchObject([{ id: before!.id }]);
  });

  test('reauthorizationRequired: it is renewed, which authorizes it too, and never both', async () => {
    await using world = await openListening([101]);
    await world.db.query("UPDATE bridge_subscriptions SET renewed_at = now() - interval '1 hour'");
    for (let n = 1; n <= 3; n += 1) {
      world.tenant.webhooks.lifecycle('reauthorizationRequired');
      await counted(world, n);
      await world.keep();
    }
    const calls = world.tenant.journal.filter(({ path: of }) => of.includes('/subscriptions/'));
    // those that came right after the renewal meant the same
    expect(calls.map(({ method }) => method)).toEqual(['PATCH']);
    expect(world.tenant.violations).toEqual([]);
    expect(await world.due()).toEqual([101]);
  });

  test('that is forged changes nothing', async () => {
    await using world = await openListening([101]);
    for (const lifecycleEvent of ['missed', 'subscriptionRemoved', 'reauthorizationRequired'])
      await post(world, [await notificationFor(world, 101, { clientState: 'forged', lifecycleEvent })]);
    const before = world.tenant.journal.length;
    await world.keep();
    expect([rejected(world), await world.due(), world.tenant.journal.length]).toEqual([3, [], before]);
  });
});

test('bodies that are too much together are refused until some are done, and the others are received', async () => {
  await using api = await openApi({ change: { bodiesMost: 1_000 } });
  const empty = JSON.stringify({ value: [] });
  const short = () => api.call('POST', path, { body: empty });
  const long = request(`${api.served.url}${path}`, { method: 'POST' });
  long.write(empty.padEnd(999));
  const answered = once(long, 'response') as Promise<[IncomingMessage]>;
  // until what was written has arrived
  const refused = await vi.waitFor(async () => {
    const answer = await short();
    expect(answer.status).toBe(503);
    return answer;
  });
  expect(refused.headers.get('retry-after')).toBe('5');
  long.end(' ');
  const [answer] = await answered;
  expect(answer.statusCode).toBe(202);
  answer.resume();
  expect((await short()).status).toBe(202);
  expect((await api.call('POST', path, { body: empty.padEnd(1_001) })).status).toBe(503);
  expect((await short()).status).toBe(202);
});
