import type { Clock } from './clock.ts';
import type { Delivery, WebhookPost } from './delivery.ts';
import type { StoredEvent } from './event-model.ts';
import { etagOf } from './event-view.ts';
import type { Switches } from './faults.ts';
import { idOf, type Change, type ChangeType, type Mailbox } from './mailbox.ts';
import type { Random } from './random.ts';

type LifecycleEvent = 'reauthorizationRequired' | 'subscriptionRemoved' | 'missed';

export interface Subscription {
  readonly id: string;
  readonly mailboxId: string;
  readonly resource: string;
  readonly changeTypes: readonly ChangeType[];
  readonly notificationUrl: string;
  readonly lifecycleNotificationUrl: string | null;
  readonly clientState: string | null;
  readonly latestSupportedTlsVersion: string;
  /** Notifications carry the kind of id that the POST asked for (Microsoft: Outlook immutable identifiers). */
  readonly immutable: boolean;
  readonly expiresAt: number;
  /** When it was last renewed with PATCH and last reauthorized. */
  readonly renewedAt: number;
  readonly reauthorizedAt: number;
}

/** Control of webhooks by tests. */
export interface Webhooks {
  /** Those that have not expired. */
  subscriptions(): readonly Subscription[];
  /** Sends a lifecycle notification to all subscriptions, or to those of one mailbox. `subscriptionRemoved` removes too. */
  lifecycle(event: LifecycleEvent, mailbox?: string): void;
  /** Posts a notification that Graph never sent: wrong clientState, or an unknown subscription. */
  forge(mailbox: string, changes?: { readonly clientState?: string; readonly subscriptionId?: string }): void;
  /** Subscriptions vanish without a word. */
  vanish(mailbox?: string): void;
  /** Recently posted notifications, oldest first. */
  readonly deliveries: readonly Delivery[];
}

export interface SubscriptionBook extends Webhooks {
  add(subscription: Omit<Subscription, 'id'>): Subscription;
  get(id: string): Subscription | undefined;
  /** One with the same resource and change types. */
  like(resource: string, changeTypes: readonly string[]): Subscription | undefined;
  replace(subscription: Subscription): void;
  remove(id: string): void;
  /** Tells the subscribers of a mailbox. */
  changed(mailbox: Mailbox, event: StoredEvent, change: Change): void;
}

/** Microsoft: subscription, "1,000 active subscriptions per mailbox". */
export const MOST_PER_MAILBOX = 1_000;

export function createSubscriptions(options: {
  clock: Clock;
  random: Random;
  tenantId: string;
  post: WebhookPost;
  switchesFor: (mailboxId: string) => Switches;
  findMailbox: (idOrUpn: string) => Mailbox | undefined;
}): SubscriptionBook {
  const { clock, random, tenantId, post, switchesFor, findMailbox } = options;
  const registry = createRegistry(clock, random);
  const chosen = (mailbox?: string) =>
    mailbox === undefined ? registry.all() : registry.of(findMailbox(mailbox)?.id ?? '');
  const tell = (subscription: Subscription, item: object) => {
    const { notifyLose, notifyDouble, notifyDelayMs, notifyShuffle } = switchesFor(subscription.mailboxId);
    if (notifyLose > 0 && random.next() < notifyLose) return;
    const times = notifyDouble > 0 && random.next() < notifyDouble ? 2 : 1;
    for (let time = 0; time < times; time++) {
      post.queue(subscription.notificationUrl, item, { delayMs: notifyDelayMs, shuffle: notifyShuffle });
    }
  };

  return {
    deliveries: post.deliveries,
    subscriptions: () => chosen(),
    get: registry.get,
    add: registry.add,
    replace: registry.replace,
    remove: registry.remove,
    like: (resource, changeTypes) =>
      chosen().find(
        (one) => combination(one.resource, one.changeTypes) === combination(resource, changeTypes),
      ),
    changed(mailbox, event, change) {
      for (const subscription of registry.of(mailbox.id)) {
        if (subscription.changeTypes.includes(change.type)) {
          tell(subscription, notification(tenantId, subscription, event, change.type));
        }
      }
    },
    lifecycle(event, mailbox) {
      for (const subscription of chosen(mailbox)) {
        if (event === 'subscriptionRemoved') registry.remove(subscription.id);
        if (subscription.lifecycleNotificationUrl === null) continue;
        post.queue(subscription.lifecycleNotificationUrl, {
          ...common(tenantId, subscription),
          lifecycleEvent: event,
        });
      }
    },
    forge(mailbox, changes = {}) {
      const [subscription] = chosen(mailbox);
      if (!subscription) throw new Error(`nobody has subscribed to ${mailbox}`);
      const item = forged(tenantId, subscription, `${random.letters(79)}=`);
      post.queue(subscription.notificationUrl, { ...item, ...changes });
    },
    vanish(mailbox) {
      for (const { id } of chosen(mailbox)) registry.remove(id);
    },
  };
}

/** The current subscriptions by id and by mailbox; expired ones are dropped at each read. */
function createRegistry(clock: Clock, random: Random) {
  const byId = new Map<string, Subscription>();
  const byMailbox = new Map<string, Set<string>>();
  const remove = (id: string) => {
    byMailbox.get(byId.get(id)?.mailboxId ?? '')?.delete(id);
    byId.delete(id);
  };
  const get = (id: string) => {
    const subscription = byId.get(id);
    if (!subscription || subscription.expiresAt > clock.now()) return subscription;
    remove(id);
    return undefined;
  };
  return {
    remove,
    get,
    all: () => [...byId.keys()].flatMap((id) => get(id) ?? []),
    of: (mailboxId: string) => [...(byMailbox.get(mailboxId) ?? [])].flatMap((id) => get(id) ?? []),
    replace: (subscription: Subscription) => void byId.set(subscription.id, subscription),
    add(without: Omit<Subscription, 'id'>): Subscription {
      const subscription = { ...without, id: random.guid() };
      byId.set(subscription.id, subscription);
      const ids = byMailbox.get(subscription.mailboxId);
      if (ids) ids.add(subscription.id);
      else byMailbox.set(subscription.mailboxId, new Set([subscription.id]));
      return subscription;
    },
  };
}

/** The identity of a subscription: resource and change types (Microsoft: subscription-create, 409). */
const combination = (resource: string, changeTypes: readonly string[]) =>
  `${resource.toLowerCase()} ${changeTypes.toSorted().join()}`;

const common = (tenantId: string, subscription: Subscription) => ({
  subscriptionId: subscription.id,
  subscriptionExpirationDateTime: new Date(subscription.expiresAt).toISOString(),
  clientState: subscription.clientState,
  tenantId,
});

function notification(
  tenantId: string,
  subscription: Subscription,
  event: StoredEvent,
  changeType: ChangeType,
) {
  const id = idOf(event, subscription.immutable);
  const path = `Users/${subscription.mailboxId}/Events/${id}`;
  return {
    ...common(tenantId, subscription),
    changeType,
    resource: path,
    resourceData: {
      '@odata.type': '#Microsoft.Graph.Event',
      '@odata.id': path,
      '@odata.etag': etagOf(event),
      id,
    },
  };
}

function forged(tenantId: string, subscription: Subscription, id: string) {
  const path = `Users/${subscription.mailboxId}/Events/${id}`;
  return {
    ...common(tenantId, subscription),
    clientState: 'forged',
    changeType: 'updated',
    resource: path,
    resourceData: { '@odata.type': '#Microsoft.Graph.Event', '@odata.id': path, id },
  };
}
