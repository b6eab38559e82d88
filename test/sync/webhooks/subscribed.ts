/** A simulated tenant that calls us, the receiver it calls, and keepers of subscriptions: everything but the sync itself. */
import { OpenAPIHono } from '@hono/zod-openapi';
import type { Fact } from '../../../src/facts.ts';
import { answerProblem } from '../../../src/http/problem.ts';
import { serveApp } from '../../../src/http/serve.ts';
import { webhookRoutes } from '../../../src/http/webhook.ts';
import { createOutlook } from '../../../src/outlook/events.ts';
import { startTenant } from '../../../src/sandbox/tenant/tenant.ts';
import { createNotifications } from '../../../src/sync/webhooks/notifications.ts';
import { createKeeper, type KeeperOptions } from '../../../src/sync/webhooks/keeper.ts';
import { openTestDatabase } from '../../support/database.ts';
import { graphOf } from '../../support/settings.ts';

/** A signal that is never aborted. */
export const always = new AbortController().signal;

export const mailboxOf = (resource: number) => `room${resource}@bergen.example`;

/** `resources` are mapped from the start, each to the mailbox of its number. */
export async function openSubscribed(resources: readonly number[] = [101, 102]) {
  await using opened = new AsyncDisposableStack();
  const db = opened.use(await openTestDatabase({ schema: 'bridge' }));
  const mailboxes = [...new Set([...resources, 101, 102, 103])];
  const tenant = opened.use(await startTenant());
  const resourceOf = new Map(
    mailboxes.map((n) => [tenant.addRoom({ upn: mailboxOf(n), name: `Room ${n}` }), n]),
  );
  const outlook = opened.use(
    createOutlook({
      graph: graphOf(tenant),
      timezone: 'Europe/Oslo',
    }),
  );
  const facts: Fact[] = [];
  const tell = (fact: Fact) => void facts.push(fact);
  const notifications = createNotifications({ db: db.pool, tell, readEveryMs: 5 });
  const app = new OpenAPIHono().route('/', webhookRoutes({ notifications }));
  app.onError((error, c) => answerProblem(error, c, tell));
  const served = opened.use(await serveApp(app, { host: '127.0.0.1', port: 0 }));

  const map = (resource: number) =>
    db.query('INSERT INTO bridge_resource_mappings (resource_id, outlook_item_id) VALUES ($1, $2)', [
      resource,
      mailboxOf(resource),
    ]);
  for (const resource of resources) await map(resource);

  const keeperWith = (change: Partial<KeeperOptions> = {}) =>
    createKeeper({
      db: db.pool,
      subscriptions: outlook.subscriptions,
      resolveMailbox: outlook.resolveMailbox,
      webhookBaseUrl: served.url,
      tell,
      random: () => 0.5,
      ...change,
    });
  const keeper = keeperWith();

  const owned = opened.move();
  return {
    db,
    tenant,
    outlook,
    notifications,
    served,
    facts,
    map,
    keeper,
    /** Another daemon, or the same after a restart. */
    keeperWith,
    /** What the keeper does when it looks now. */
    keep: () => keeper.keepAll(always),
    /** All that is due later is due now. */
    hurry: () => db.query('UPDATE bridge_subscriptions SET due_at = now()'),
    /** Resources of the rooms that Graph calls us for. */
    subscribed: () =>
      tenant.webhooks
        .subscriptions()
        .map(({ mailboxId }) => resourceOf.get(mailboxId)!)
        .toSorted((a, b) => a - b),
    rows: () => db.query('SELECT * FROM bridge_subscriptions ORDER BY id'),
    /** The mark is taken away, as a pull does it before it reads the room. */
    pulled: () =>
      db.query('UPDATE bridge_room_state SET pull_due_at = NULL, hinted_at = NULL; DELETE FROM bridge_hints'),
    /** Resources of the rooms that are due to be looked at. */
    due: async () =>
      (
        await db.query<{ resource: number }>(
          `SELECT resource_id AS resource FROM bridge_room_state s
           JOIN bridge_resource_mappings r ON r.id = s.resource_mapping_id WHERE pull_due_at <= now() OR hinted_at IS NOT NULL ORDER BY 1`,
        )
      ).map(({ resource }) => resource),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

export type Subscribed = Awaited<ReturnType<typeof openSubscribed>>;

/** A genuine notification for a room, in Graph's words. */
export async function notificationFor(world: Subscribed, resource: number, change: object = {}) {
  const [row] = await world.db.query<{ subscription_id: string; client_state: string }>(
    `SELECT subscription_id, client_state FROM bridge_subscriptions
     WHERE outlook_item_id = $1 AND ended_at IS NULL`,
    [mailboxOf(resource)],
  );
  return {
    id: 'lsgTZMr9KwAAA',
    subscriptionId: row!.subscription_id,
    subscriptionExpirationDateTime: '2030-01-01T00:00:00Z',
    clientState: row!.client_state,
    tenantId: world.tenant.tenantId,
    changeType: 'updated',
    resource: `Users/${mailboxOf(resource)}/Events/AAMkAD=`,
    resourceData: { '@odata.type': '#Microsoft.Graph.Event', id: 'AAMkAD=' },
    ...change,
  };
}

/** POSTs notifications to the receiver. */
export const post = (world: Subscribed, value: readonly unknown[]) =>
  fetch(`${world.served.url}/webhook/outlook-notifications`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ value }),
  });
