/** The keeper of subscriptions, with a simulated tenant that validates, refuses, forgets and calls. */
import type { QueryConfig } from 'pg';
import { describe, expect, test } from 'vitest';
import type { Database } from '../../../src/database.ts';
import {
  createSubscriptionRequests,
  type SubscriptionRequests as Requests,
} from '../../../src/sync/webhooks/subscription-requests.ts';
import { until } from '../../support/until.ts';
import { always, mailboxOf, openSubscribed, type Subscribed } from './subscribed.ts';

const minute = 60_000;
const made = (world: Subscribed, action: string) =>
  world.facts.filter((fact) => fact.fact === 'subscription' && fact.action === action).length;
/** Requests of a method to /subscriptions. */
const asked = (world: Subscribed, method: string) =>
  world.tenant.journal.filter((entry) => entry.method === method && entry.path.includes('/subscriptions'))
    .length;

describe('a room', () => {
  test('that can change in Outlook gets a subscription, and is looked at as soon as it has one', async () => {
    await using world = await openSubscribed([101, 102]);
    await world.pulled();
    await world.keep();
    expect(world.subscribed()).toEqual([101, 102]);
    expect(await world.due()).toEqual([101, 102]);
    expect(made(world, 'created')).toBe(2);
  });

  test('that only takes from the booking system gets none', async () => {
    await using world = await openSubscribed([101, 102]);
    await world.db.query(
      "UPDATE bridge_resource_mappings SET sync_direction = 'booking_to_outlook' WHERE resource_id = 101",
    );
    await world.keep();
    expect(world.subscribed()).toEqual([102]);
  });

  test('that is new gets one without touching the others', async () => {
    await using world = await openSubscribed([101]);
    await world.keep();
    await world.map(102);
    await world.keep();
    expect(world.subscribed()).toEqual([101, 102]);
    expect([asked(world, 'POST'), asked(world, 'PATCH')]).toEqual([2, 0]);
  });

  test.for([
    ['is switched off', 'UPDATE bridge_resource_mappings SET active = 0 WHERE resource_id = 101'],
    ['is deleted', 'DELETE FROM bridge_resource_mappings WHERE resource_id = 101'],
    [
      'takes nothing from Outlook any more',
      "UPDATE bridge_resource_mappings SET sync_direction = 'booking_to_outlook' WHERE resource_id = 101",
    ],
  ] as const)('that %s has none any more', async ([, change]) => {
    await using world = await openSubscribed([101, 102]);
    await world.keep();
    await world.db.query(change);
    await world.keep();
    expect(world.subscribed()).toEqual([102]);
    expect(await world.rows()).toHaveLength(1);
    expect(made(world, 'removed')).toBe(1);
  });

  test('that is switched on again gets another one', async () => {
    await using world = await openSubscribed([101]);
    await world.keep();
    for (const active of [0, 1]) {
      await world.db.query('UPDATE bridge_resource_mappings SET active = $1', [active]);
      await world.keep();
    }
    expect(world.subscribed()).toEqual([101]);
  });

  test('that moves to another mailbox has its subscription there', async () => {
    await using world = await openSubscribed([101]);
    await world.keep();
    await world.db.query('UPDATE bridge_resource_mappings SET outlook_item_id = $1', [mailboxOf(103)]);
    await world.keep();
    expect(world.subscribed()).toEqual([103]);
  });

  test('at rest costs no call', async () => {
    await using world = await openSubscribed([101, 102]);
    await world.keep();
    const before = world.tenant.journal.length;
    for (let n = 0; n < 5; n += 1) await world.keep();
    expect(world.tenant.journal.length).toBe(before);
  });
});

describe('the address', () => {
  test('is named by the mailbox id, and every subscription has a secret of its own', async () => {
    await using world = await openSubscribed([101, 102]);
    await world.keep();
    const there = world.tenant.webhooks.subscriptions();
    expect(there.every(({ resource, mailboxId }) => resource === `users/${mailboxId}/events`)).toBe(true);
    const secrets = new Set(there.map(({ clientState }) => clientState));
    expect(secrets.size).toBe(2);
    for (const secret of secrets) expect(secret).toMatch(/^[0-9a-f]{64}$/);
  });

  test('of a mailbox that the directory does not tell is what the operator wrote', async () => {
    await using world = await openSubscribed([101]);
    world.tenant.faults.set({ mayReadUsers: false });
    await world.keep();
    expect(world.tenant.webhooks.subscriptions()[0]?.resource).toBe(`users/${mailboxOf(101)}/events`);
  });

  test('that is another one takes the subscriptions along', async () => {
    await using world = await openSubscribed([101, 102]);
    await world.keep();
    const moved = world.keeperWith({ webhookBaseUrl: world.served.url.replace('127.0.0.1', 'localhost') });
    await moved.keepAll(always);
    const urls = world.tenant.webhooks.subscriptions().map(({ notificationUrl }) => new URL(notificationUrl));
    expect(urls.map(({ hostname }) => hostname)).toEqual(['localhost', 'localhost']);
    expect(await world.rows()).toHaveLength(2);
  });

  test('of the daemon that was started last counts, and the other one leaves it alone', async () => {
    await using world = await openSubscribed([101]);
    await world.keep();
    await world.keeperWith({ webhookBaseUrl: null }).keepAll(always);
    await world.keep();
    expect(world.subscribed()).toEqual([]);
  });

  test('that is none ends every subscription: rooms are polled', async () => {
    await using world = await openSubscribed([101, 102]);
    await world.keep();
    await world.keeperWith({ webhookBaseUrl: null }).keepAll(always);
    expect(world.subscribed()).toEqual([]);
    expect(await world.rows()).toEqual([]);
  });
});

describe('a crash', () => {
  test('between our table and Graph loses nothing and doubles nothing', async () => {
    await using world = await openSubscribed([101]);
    const stop = new AbortController();
    world.tenant.faults.add({
      match: { method: 'POST', path: '^/subscriptions' },
      action: { do: 'hang' },
      times: 1,
    });
    const killed = world.keeperWith().keepAll(stop.signal);
    await world.tenant.until((entry) => entry.method === 'POST' && entry.path.includes('/subscriptions'));
    const [written] = await world.rows();
    stop.abort(new Error('killed'));
    await killed;
    await world.keep();
    expect(world.tenant.webhooks.subscriptions()).toMatchObject([{ clientState: written!['client_state'] }]);
  });

  test('between Graph and our table: the subscription is found and taken, with the secret it was made with', async () => {
    await using world = await openSubscribed([101]);
    world.tenant.faults.add({
      match: { method: 'POST', path: '^/subscriptions' },
      action: { do: 'dropAnswer' },
      times: 1,
    });
    await world.keep();
    const [lost] = world.tenant.webhooks.subscriptions();
    await world.hurry();
    await world.keeperWith().keepAll(always);
    const [row] = await world.rows();
    expect(world.tenant.webhooks.subscriptions()).toMatchObject([{ id: lost!.id }]);
    expect(row).toMatchObject({ subscription_id: lost!.id, client_state: lost!.clientState });
  });

  test('between Graph and our table of a room that is switched off then leaves nothing behind', async () => {
    await using world = await openSubscribed([101]);
    world.tenant.faults.add({
      match: { method: 'POST', path: '^/subscriptions' },
      action: { do: 'dropAnswer' },
      times: 1,
    });
    await world.keep();
    await world.db.query('UPDATE bridge_resource_mappings SET active = 0');
    await world.keep();
    expect([world.subscribed(), await world.rows()]).toEqual([[], []]);
  });

  test('that took our table along: those whose secret is not known are made anew', async () => {
    await using world = await openSubscribed([101, 102]);
    await world.keep();
    const before = world.tenant.webhooks.subscriptions().map(({ clientState }) => clientState);
    await world.db.query('TRUNCATE bridge_subscriptions');
    await world.keep();
    const there = world.tenant.webhooks.subscriptions();
    const secrets = (await world.rows()).map((row) => row['client_state'] as string);
    expect(there.map(({ clientState }) => clientState).toSorted()).toEqual(secrets.toSorted());
    expect(before.some((secret) => secrets.includes(secret!))).toBe(false);
  });

  test('that took our table and the rooms along: what still calls us is ended at the next start', async () => {
    await using world = await openSubscribed([101, 102]);
    await world.keep();
    await world.db.query('TRUNCATE bridge_subscriptions');
    await world.db.query('DELETE FROM bridge_resource_mappings WHERE resource_id = 102');
    await world.keeperWith().keepAll(always);
    expect(world.subscribed()).toEqual([101]);
  });
});

describe('a subscription', () => {
  test('is asked for just under three days and renewed after about a third of them', async () => {
    await using world = await openSubscribed([101]);
    await world.keep();
    const [row] = await world.rows();
    const inMinutes = (at: unknown) => ((at as Date).getTime() - Date.now()) / minute;
    expect(inMinutes(row!['expires_at'])).toBeGreaterThan(4_190);
    expect(inMinutes(row!['expires_at'])).toBeLessThan(4_210);
    expect(inMinutes(row!['due_at'])).toBeGreaterThan(4_200 * 0.3);
    expect(inMinutes(row!['due_at'])).toBeLessThan(4_200 * 0.41);
  });

  test('is renewed, and its room looked at', async () => {
    await using world = await openSubscribed([101]);
    await world.keep();
    const [before] = world.tenant.webhooks.subscriptions();
    await world.pulled();
    await world.hurry();
    world.tenant.advance(minute);
    await world.keep();
    const [after] = world.tenant.webhooks.subscriptions();
    expect(after!.id).toBe(before!.id);
    expect(after!.expiresAt).toBeGreaterThan(before!.expiresAt);
    expect(await world.due()).toEqual([101]);
    expect(made(world, 'renewed')).toBe(1);
  });

  test('whose end Graph sets sooner is renewed sooner, however wrong a clock is', async () => {
    await using world = await openSubscribed([101]);
    const { subscriptions } = world.outlook;
    const inThe = (ms: number) =>
      world.keeperWith({
        subscriptions: {
          ...subscriptions,
          create: async (...wish) => ({
            ...(await subscriptions.create(...wish)),
            expiresAt: new Date(Date.now() + ms).toISOString(),
          }),
        },
      });
    const dueIn: number[] = [];
    for (const ms of [90 * minute, -minute, 400 * 86_400_000]) {
      await world.db.query('DELETE FROM bridge_subscriptions');
      await inThe(ms).keepAll(always);
      const [row] = await world.rows();
      dueIn.push(((row!['due_at'] as Date).getTime() - Date.now()) / minute);
    }
    expect(dueIn[0]).toBeLessThan(40);
    expect(dueIn[1]).toBeGreaterThan(0);
    expect(dueIn[1]).toBeLessThan(1);
    expect(dueIn[2]).toBeLessThan(4_200 * 0.41);
  });

  test('that Graph does not know any more is made anew, and its room looked at', async () => {
    await using world = await openSubscribed([101]);
    await world.keep();
    await world.pulled();
    world.tenant.webhooks.vanish();
    await world.hurry();
    await world.keep();
    expect(world.subscribed()).toEqual([101]);
    expect(await world.due()).toEqual([101]);
    expect([made(world, 'lost'), made(world, 'created')]).toEqual([1, 2]);
  });

  test('that vanished without a word is missed when our table is compared with what Graph has', async () => {
    await using world = await openSubscribed([101, 102]);
    await world.keep();
    world.tenant.webhooks.vanish(mailboxOf(101));
    await world.db.query("UPDATE bridge_subscriptions SET renewed_at = now() - interval '1 hour'");
    const later = world.keeperWith(); // the first look after a start compares
    await later.keepAll(always);
    expect(world.subscribed()).toEqual([101, 102]);
    expect(asked(world, 'PATCH')).toBe(1);
  });

  test('of somebody else is left alone', async () => {
    await using world = await openSubscribed([101]);
    const { subscriptions } = world.outlook;
    await subscriptions.create(
      {
        room: { mailbox: mailboxOf(103) },
        notificationUrl: `${world.served.url.replace('127.0.0.1', 'localhost')}/webhook/outlook-notifications`,
        lifecycleUrl: `${world.served.url}/webhook/outlook-notifications`,
        clientState: 'of somebody else',
        minutes: 100,
      },
      () => false,
      always,
    );
    await world.keep();
    expect(world.subscribed()).toEqual([101, 103]);
  });
});

describe('trouble', () => {
  test('of one room is written down with what to do, and stops no other', async () => {
    await using world = await openSubscribed([101, 102, 103]);
    const sick = await world.outlook.resolveMailbox(mailboxOf(101), always);
    const { subscriptions } = world.outlook;
    const keeper = world.keeperWith({
      subscriptions: {
        ...subscriptions,
        // Graph refuses this mailbox
        create: (wish, ...rest) =>
          wish.room.mailbox === sick
            ? subscriptions.create({ ...wish, room: { mailbox: 'nobody@bergen.example' } }, ...rest)
            : subscriptions.create(wish, ...rest),
      },
    });
    await keeper.keepAll(always);
    expect(world.subscribed()).toEqual([102, 103]);
    const [row] = (await world.rows()).filter((one) => one['subscription_id'] === null);
    expect(row).toMatchObject({
      attempt: 1,
      error_message: expect.stringContaining('404') as string,
      hint: expect.stringContaining('WEBHOOK_BASE_URL') as string,
    });
    expect((row!['due_at'] as Date).getTime()).toBeGreaterThan(Date.now() + 15_000);
    expect(world.facts.filter(({ fact }) => fact === 'subscription-failed')).toHaveLength(1);
  });

  test('of all rooms at once is one line, few calls, and no end of trying', async () => {
    const resources = Array.from({ length: 40 }, (_, n) => 200 + n);
    await using world = await openSubscribed(resources);
    world.tenant.faults.add({
      match: { method: 'POST', path: '^/subscriptions' },
      action: { do: 'refuse', status: 400, code: 'ValidationError', message: 'No answer.' },
    });
    await world.keep();
    expect(asked(world, 'POST')).toBeLessThan(20);
    expect(world.facts.filter(({ fact }) => fact === 'subscription-failed')).toHaveLength(1);
    world.tenant.faults.clear();
    await world.hurry();
    await world.keeperWith().keepAll(always);
    expect(world.subscribed()).toEqual(resources);
  });

  test('that asks for rest gets it', async () => {
    await using world = await openSubscribed([101]);
    world.tenant.faults.add({
      match: { method: 'POST', path: '^/subscriptions' },
      action: { do: 'refuse', status: 429, code: 'TooManyRequests', message: 'Later.', retryAfter: 600 },
      times: 1,
    });
    await world.keep();
    const [row] = await world.rows();
    expect(((row!['due_at'] as Date).getTime() - Date.now()) / 1_000).toBeGreaterThan(500);
  });

  test('at the removal of one whose time is over for long is no trouble', async () => {
    await using world = await openSubscribed([101]);
    await world.keep();
    await world.db.query("UPDATE bridge_subscriptions SET expires_at = now() - interval '2 hours'");
    await world.db.query('DELETE FROM bridge_resource_mappings');
    world.tenant.faults.add({
      match: { method: 'DELETE' },
      action: { do: 'refuse', status: 403, code: 'Forbidden', message: 'No.' },
    });
    await world.keep();
    expect(await world.rows()).toEqual([]);
  });
});

test('of many daemons one keeps the subscriptions, and every room has one subscription', async () => {
  const resources = Array.from({ length: 60 }, (_, n) => 200 + n);
  await using world = await openSubscribed(resources);
  const keepers = [world.keeper, world.keeperWith(), world.keeperWith()];
  await until(async () => {
    await Promise.all(keepers.map((keeper) => keeper.keepAll(always)));
    return (await world.rows()).every((row) => row['subscription_id'] !== null);
  });
  expect(world.subscribed()).toEqual(resources);
  expect(asked(world, 'POST')).toBe(resources.length);
});

test.each([
  ['all rooms', 'subscription_rooms', (requests: Requests) => requests.createAll(always)],
  ['one room', 'subscription_reports', (requests: Requests) => requests.create(mailboxOf(101), always)],
])(
  'a subscription of %s that the keeper makes while it is asked for is not waited for',
  async (_, question, ask) => {
    await using world = await openSubscribed([101]);
    const { pool } = world.db;
    const query = async (asked: QueryConfig, values?: unknown[]) => {
      const answer = await pool.query(asked, values);
      if (asked.name === question) await world.keep();
      return answer;
    };
    const db = Object.assign(Object.create(pool) as Database, { query });
    // longer than the test: a wait for another try of the keeper, which is not due, has no end
    await ask(createSubscriptionRequests({ db, waitMs: 24 * 60 * minute }));
    expect(world.subscribed()).toEqual([101]);
  },
);
