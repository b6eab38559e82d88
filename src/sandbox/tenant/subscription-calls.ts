import type { GraphAnswer, GraphRequest, TenantCore } from './core.ts';
import type { WebhookPost } from './delivery.ts';
import { asMembers, type Members } from './event-fields.ts';
import { GraphError, badRequest, invalidParameter } from './graph-error.ts';
import type { ChangeType, Mailbox } from './mailbox.ts';
import { checkOptions } from './query.ts';
import { MOST_PER_MAILBOX, type Subscription } from './subscriptions.ts';
import { MINUTE_MS, readInstant } from './zones.ts';

const MEMBERS = [
  'changeType',
  'notificationUrl',
  'lifecycleNotificationUrl',
  'resource',
  'expirationDateTime',
  'clientState',
  'latestSupportedTlsVersion',
  'includeResourceData',
  'encryptionCertificate',
  'encryptionCertificateId',
];
const CHANGE_TYPES = ['created', 'updated', 'deleted'];
/** Microsoft: subscription, event: "10,080 minutes (under seven days)"; anything under 45 minutes becomes 45. */
const LONGEST_MS = 10_080 * MINUTE_MS;
const SHORTEST_MS = 45 * MINUTE_MS;
/** Microsoft: change-notifications lifecycle events: never both within ten minutes. */
const APART_MS = 10 * MINUTE_MS;
const PAGE_SIZE = 100;
const LONGEST_CLIENT_STATE = 128;

const webhooks = new WeakMap<TenantCore, WebhookPost>();

/** Gives the calls of a tenant the way to reach webhooks. */
export const useWebhooks = (core: TenantCore, post: WebhookPost) => void webhooks.set(core, post);

/** POST /subscriptions. Each URL is validated before the answer. */
export async function createSubscription(core: TenantCore, request: GraphRequest): Promise<GraphAnswer> {
  checkOptions(request.query, []);
  const body = asMembers(request.body);
  const wanted = readWanted(core, body);
  const refuseDuplicate = () => {
    const other = core.subscriptions.like(wanted.resource, wanted.changeTypes);
    if (!other) return;
    throw new GraphError(
      409,
      'Conflict',
      `Subscription Id ${other.id} already exists for the requested combination`,
    );
  };
  refuseDuplicate();
  if (
    core.subscriptions.subscriptions().filter((one) => one.mailboxId === wanted.mailboxId).length >=
    MOST_PER_MAILBOX
  ) {
    throw new GraphError(403, 'ExtensionError', 'Too many subscriptions for this mailbox.');
  }
  for (const url of new Set([wanted.notificationUrl, wanted.lifecycleNotificationUrl])) {
    if (url !== null) await validate(core, url);
  }
  refuseDuplicate();
  const subscription = core.subscriptions.add({ ...wanted, immutable: request.prefer.immutable });
  return {
    status: 201,
    body: { '@odata.context': contextOf(core, '/$entity'), ...view(core, subscription) },
  };
}

/** GET /subscriptions: this app's, a page at a time. It takes no $filter and no $select. */
export function listSubscriptions(core: TenantCore, request: GraphRequest): GraphAnswer {
  checkOptions(request.query, ['$skiptoken']);
  const skip = Number(request.query.get('$skiptoken') ?? 0);
  if (!Number.isInteger(skip) || skip < 0) throw badRequest('Badly formed token.');
  const all = core.subscriptions.subscriptions();
  const next = skip + PAGE_SIZE < all.length;
  return {
    status: 200,
    body: {
      '@odata.context': contextOf(core, ''),
      value: all.slice(skip, skip + PAGE_SIZE).map((one) => view(core, one)),
      ...(next
        ? { '@odata.nextLink': `${core.graphBaseUrl}/subscriptions?$skiptoken=${skip + PAGE_SIZE}` }
        : {}),
    },
  };
}

/** GET /subscriptions/{id} */
export function readSubscription(core: TenantCore, request: GraphRequest, id: string): GraphAnswer {
  checkOptions(request.query, []);
  return {
    status: 200,
    body: { '@odata.context': contextOf(core, '/$entity'), ...view(core, find(core, id)) },
  };
}

/** PATCH /subscriptions/{id}: a new expiration, which also reauthorizes, and perhaps a new URL. */
export async function renewSubscription(
  core: TenantCore,
  request: GraphRequest,
  id: string,
): Promise<GraphAnswer> {
  checkOptions(request.query, []);
  const before = find(core, id);
  const { expirationDateTime, notificationUrl, ...rest } = asMembers(request.body);
  const other = Object.keys(rest).find((name) => !name.startsWith('@odata.'));
  // A lifecycle URL cannot be added later: delete and create anew (Microsoft: lifecycle events).
  if (other !== undefined) throw badRequest(`The property '${other}' of a subscription cannot be updated.`);
  if (expirationDateTime === undefined && notificationUrl === undefined)
    throw badRequest('Nothing to update.');
  const url =
    notificationUrl === undefined
      ? before.notificationUrl
      : readUrl(core, notificationUrl, 'notificationUrl');
  if (url !== before.notificationUrl) await validate(core, url);
  const now = core.clock.now();
  const expiresAt =
    expirationDateTime === undefined ? before.expiresAt : readExpiration(expirationDateTime, now);
  noteBoth(core, now - before.reauthorizedAt, before);
  const after: Subscription = { ...find(core, id), notificationUrl: url, expiresAt, renewedAt: now };
  core.subscriptions.replace(after);
  return { status: 200, body: { '@odata.context': contextOf(core, '/$entity'), ...view(core, after) } };
}

/** DELETE /subscriptions/{id} */
export function deleteSubscription(core: TenantCore, request: GraphRequest, id: string): GraphAnswer {
  checkOptions(request.query, []);
  core.subscriptions.remove(find(core, id).id);
  return { status: 204 };
}

/** POST /subscriptions/{id}/reauthorize: no new expiration, no content. */
export function reauthorizeSubscription(core: TenantCore, request: GraphRequest, id: string): GraphAnswer {
  checkOptions(request.query, []);
  const before = find(core, id);
  const now = core.clock.now();
  noteBoth(core, now - before.renewedAt, before);
  core.subscriptions.replace({ ...before, reauthorizedAt: now });
  return { status: 204 };
}

function noteBoth(core: TenantCore, apartMs: number, { id, mailboxId }: Subscription): void {
  if (apartMs >= APART_MS) return;
  core.journal.violate({
    rule: 'renew-and-reauthorize',
    mailbox: mailboxId,
    detail: `subscription ${id} was renewed and reauthorized within ten minutes`,
  });
}

function find(core: TenantCore, id: string): Subscription {
  const subscription = core.subscriptions.get(id);
  if (subscription) return subscription;
  throw new GraphError(404, 'ResourceNotFound', 'The object was not found.');
}

async function validate(core: TenantCore, url: string): Promise<void> {
  if (await webhooks.get(core)?.validates(url)) return;
  throw new GraphError(
    400,
    'ValidationError',
    'Subscription validation request failed. Notification endpoint must respond with 200 OK to validation request.',
  );
}

function readWanted(core: TenantCore, body: Members): Omit<Subscription, 'id' | 'immutable'> {
  const unknown = Object.keys(body).find((name) => !MEMBERS.includes(name) && !name.startsWith('@odata.'));
  if (unknown !== undefined) {
    throw badRequest(`The property '${unknown}' does not exist on type 'microsoft.graph.subscription'.`);
  }
  if (body.includeResourceData)
    throw new GraphError(501, 'NotImplemented', 'The simulated tenant sends no resource data.');
  const { clientState = null, lifecycleNotificationUrl = null, latestSupportedTlsVersion = 'v1_2' } = body;
  if (
    clientState !== null &&
    (typeof clientState !== 'string' || clientState.length > LONGEST_CLIENT_STATE)
  ) {
    throw badRequest(`clientState is a string of at most ${LONGEST_CLIENT_STATE} characters.`);
  }
  if (!['v1_0', 'v1_1', 'v1_2', 'v1_3'].includes(String(latestSupportedTlsVersion))) {
    throw badRequest('latestSupportedTlsVersion is unknown.');
  }
  const now = core.clock.now();
  const { mailbox, resource } = readResource(core, body.resource);
  return {
    mailboxId: mailbox.id,
    resource,
    changeTypes: readChangeTypes(body.changeType),
    notificationUrl: readUrl(core, body.notificationUrl, 'notificationUrl'),
    lifecycleNotificationUrl:
      lifecycleNotificationUrl === null
        ? null
        : readUrl(core, lifecycleNotificationUrl, 'lifecycleNotificationUrl'),
    clientState,
    latestSupportedTlsVersion: String(latestSupportedTlsVersion),
    expiresAt: readExpiration(body.expirationDateTime, now),
    renewedAt: -Infinity,
    reauthorizedAt: -Infinity,
  };
}

function readResource(core: TenantCore, value: unknown): { mailbox: Mailbox; resource: string } {
  const [, named, path] =
    /^\/?users\/([^/]+)\/((?:calendar\/)?events)$/i.exec(typeof value === 'string' ? value : '') ?? [];
  if (named === undefined) throw invalidParameter(`Invalid resource '${String(value)}'.`);
  const mailbox = core.directory.get(decodeURIComponent(named));
  return { mailbox, resource: `users/${named}/${path}` };
}

function readChangeTypes(value: unknown): ChangeType[] {
  const types = (typeof value === 'string' ? value : '').split(',').map((type) => type.trim().toLowerCase());
  if (types.every((type) => CHANGE_TYPES.includes(type)) && new Set(types).size === types.length) {
    return types as ChangeType[];
  }
  throw badRequest(`Invalid changeType '${String(value)}'.`);
}

/** https, or http on this machine: the sandbox has no certificates. */
function readUrl(core: TenantCore, value: unknown, name: string): string {
  const url = typeof value === 'string' && URL.canParse(value) ? new URL(value) : undefined;
  const { allowHttpWebhooks } = core.faults.switchesFor(undefined);
  const isLocal =
    url !== undefined && allowHttpWebhooks && ['127.0.0.1', 'localhost', '[::1]'].includes(url.hostname);
  if (url && (url.protocol === 'https:' || (url.protocol === 'http:' && isLocal))) return String(value);
  throw badRequest(`${name} must be an https URL.`);
}

function readExpiration(value: unknown, now: number): number {
  const wanted = typeof value === 'string' ? readInstant(value) : undefined;
  if (wanted === undefined) throw badRequest('expirationDateTime is missing or malformed.');
  if (wanted <= now) throw badRequest('Subscription expiration must be in the future.');
  return Math.min(Math.max(wanted, now + SHORTEST_MS), now + LONGEST_MS);
}

const contextOf = (core: TenantCore, rest: string) => `${core.graphBaseUrl}/$metadata#subscriptions${rest}`;

const view = (core: TenantCore, subscription: Subscription) => ({
  id: subscription.id,
  resource: subscription.resource,
  applicationId: core.clientId,
  changeType: subscription.changeTypes.join(','),
  clientState: null,
  notificationUrl: subscription.notificationUrl,
  lifecycleNotificationUrl: subscription.lifecycleNotificationUrl,
  expirationDateTime: new Date(subscription.expiresAt).toISOString(),
  creatorId: core.clientId,
  latestSupportedTlsVersion: subscription.latestSupportedTlsVersion,
  includeResourceData: null,
  encryptionCertificate: null,
  encryptionCertificateId: null,
  notificationQueryOptions: null,
  notificationUrlAppId: null,
});
