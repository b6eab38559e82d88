/** Graph's subscriptions to the changes in a room's mailbox (Microsoft: resources/subscription). */
import { Permanent } from '../errors.ts';
import { membersOf, textOf } from './format.ts';
import type { Mailbox } from '../event.ts';
import { unreadable, encode, type Call, type GraphHttp } from './http.ts';
import { pagesOf } from './pages.ts';
import type { Answer } from './failure.ts';

export interface Subscription {
  readonly id: string;
  /** As Graph prints it, for example `/users/{id}/events`. */
  readonly resource: string;
  readonly notificationUrl: string;
  readonly lifecycleUrl: string;
  /** An ISO instant; Graph may have changed the requested one. */
  readonly expiresAt: string;
}

export interface SubscriptionWish {
  readonly room: Mailbox;
  /** Public https addresses. Graph calls both before it answers. */
  readonly notificationUrl: string;
  readonly lifecycleUrl: string;
  /** Secret that comes with every notification, at most 128 characters. */
  readonly clientState: string;
  readonly minutes: number;
}

/** Graph lifts anything shorter, and will refuse anything longer: 10,080 minutes, less some for the way there. */
const shortestMinutes = 45;
const longestMinutes = 10_070;
const changeType = 'created,updated,deleted';

const hint =
  'Graph must reach WEBHOOK_BASE_URL from the internet and get the validation token back within 10 seconds; the app needs Calendars.Read.';

export function createSubscriptions(http: GraphHttp) {
  const call = (what: string, method: Call['method'], path: string, body?: object): Call => ({
    what,
    mailbox: null,
    method,
    path,
    hint,
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const byId = (id: string) => `/subscriptions/${encode(id)}`;
  const expiry = (minutes: number) => {
    const clamped = Math.min(longestMinutes, Math.max(shortestMinutes, minutes));
    // by Graph's clock: ours may be wrong
    return new Date(http.now() + clamped * 60_000).toISOString();
  };

  /** Every subscription of this app, also those of other installations of it. */
  async function list(signal: AbortSignal): Promise<Subscription[]> {
    const found: Subscription[] = [];
    for await (const rows of pagesOf(http, call('list subscriptions', 'GET', '/subscriptions'), signal))
      found.push(...rows.map(readSubscription).filter((one) => one !== null));
    return found;
  }

  /**
   * Subscribes to a room. Graph refuses a second subscription to the same resource (409): if `isOurs` confirms that we
   * know its secret, it is renewed and used; otherwise it is replaced, because its secret is unknown.
   */
  async function create(
    wish: SubscriptionWish,
    isOurs: (existing: Subscription) => boolean,
    signal: AbortSignal,
  ): Promise<Subscription> {
    const first = await tryCreate(wish, signal);
    if (first !== null) return first;
    const resource = resourceOf(wish.room);
    for (const existing of await list(signal)) {
      if (plain(existing.resource) !== plain(resource)) continue;
      const taken =
        isOurs(existing) && existing.notificationUrl === wish.notificationUrl
          ? await renew(existing.id, wish.minutes, signal)
          : null;
      if (taken !== null) return taken;
      await remove(existing.id, signal);
    }
    const second = await tryCreate(wish, signal);
    if (second !== null) return second;
    throw new Permanent(`subscribe to ${resource}: Graph says there is one already, and shows none`, {
      reach: 'room',
      hint: 'Another app registration, or Graph itself, still holds it; it ends within a week.',
    });
  }

  /** Null: one exists already. */
  async function tryCreate(wish: SubscriptionWish, signal: AbortSignal): Promise<Subscription | null> {
    const creating = call('subscribe to a room', 'POST', '/subscriptions', {
      changeType,
      notificationUrl: wish.notificationUrl,
      lifecycleNotificationUrl: wish.lifecycleUrl,
      resource: resourceOf(wish.room),
      expirationDateTime: expiry(wish.minutes),
      clientState: wish.clientState,
      latestSupportedTlsVersion: 'v1_2',
    });
    const answer = await http.send(creating, signal);
    if (answer.status === 409) return null;
    return read(answer, creating);
  }

  /**
   * The subscription with its new end; null if it is gone (404). Renewing also reauthorizes, so the separate call is
   * never made: both within ten minutes can break the subscription (Microsoft: change-notifications-lifecycle-events).
   */
  async function renew(id: string, minutes: number, signal: AbortSignal): Promise<Subscription | null> {
    const renewing = call('renew a subscription', 'PATCH', byId(id), { expirationDateTime: expiry(minutes) });
    const answer = await http.send(renewing, signal);
    return answer.status === 404 ? null : read(answer, renewing);
  }

  /** Deletes a subscription; a missing one counts as deleted. */
  async function remove(id: string, signal: AbortSignal): Promise<void> {
    const removing = call('end a subscription', 'DELETE', byId(id));
    const answer = await http.send(removing, signal);
    if (answer.status !== 404 && answer.status >= 300) throw http.refused(answer, removing);
  }

  function read(answer: Answer, asked: Call): Subscription {
    if (answer.status < 200 || answer.status >= 300) throw http.refused(answer, asked);
    const subscription = readSubscription(answer.body);
    if (subscription === null) throw unreadable(asked.what, answer, true);
    return subscription;
  }

  return { create, renew, list, remove };
}

const resourceOf = (room: Mailbox) => `/users/${room.mailbox}/events`;
/** Graph prints resources with and without the leading slash, and in its own case. */
const plain = (resource: string) => resource.replace(/^\/+|\/+$/g, '').toLowerCase();

function readSubscription(value: unknown): Subscription | null {
  const { id, resource, notificationUrl, lifecycleNotificationUrl, expirationDateTime } = membersOf(value);
  const [key, ends] = [textOf(id), Date.parse(textOf(expirationDateTime) ?? '')];
  if (key === null || Number.isNaN(ends)) return null;
  return {
    id: key,
    resource: textOf(resource) ?? '',
    notificationUrl: textOf(notificationUrl) ?? '',
    lifecycleUrl: textOf(lifecycleNotificationUrl) ?? '',
    expiresAt: new Date(ends).toISOString(),
  };
}
