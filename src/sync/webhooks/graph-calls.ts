/** The calls to Graph for one due subscription (create, renew, remove), and the storage of their results. */
import { createHash } from 'node:crypto';
import type { Database } from '../../database.ts';
import { isExpected } from '../../errors.ts';
import type { Tell } from '../../facts.ts';
import {
  storeForgotten,
  storeMailboxOf,
  storeSubscription,
  type DueSubscription,
} from './subscription-store.ts';

export interface Subscription {
  readonly id: string;
  readonly notificationUrl: string;
  readonly lifecycleUrl: string;
  /** An ISO instant, by Graph's clock. */
  readonly expiresAt: string;
}

/** What the keeper needs of Outlook; implemented by `outlook/subscriptions.ts`. */
interface SubscriptionSide {
  create(
    wish: {
      readonly room: { readonly mailbox: string };
      readonly notificationUrl: string;
      readonly lifecycleUrl: string;
      readonly clientState: string;
      readonly minutes: number;
    },
    isOurs: (existing: Subscription) => boolean,
    signal: AbortSignal,
  ): Promise<Subscription>;
  /** Null when it is gone. */
  renew(id: string, minutes: number, signal: AbortSignal): Promise<Subscription | null>;
  list(signal: AbortSignal): Promise<readonly Subscription[]>;
  remove(id: string, signal: AbortSignal): Promise<void>;
}

/** Just under three days, which every version of Graph allows. Renewed after a third, so two days remain for failures. */
const lifeMinutes = 4_200;
/** The receiver of notifications, below WEBHOOK_BASE_URL. */
export const receiverPath = '/webhook/outlook-notifications';

export interface GraphCallContext {
  readonly db: Database;
  readonly subscriptions: SubscriptionSide;
  readonly resolveMailbox: (address: string, signal: AbortSignal) => Promise<string | null>;
  /** Null: no subscriptions; existing ones are removed. */
  readonly notificationUrl: string | null;
  readonly tell: Tell;
  readonly random: () => number;
}

/** All subscriptions in Graph, read once. */
type List = () => Promise<readonly Subscription[]>;

/** Calls Graph. Returns the function that stores the result. Throws Retryable and Permanent. */
export async function callGraph(
  context: GraphCallContext,
  row: DueSubscription,
  list: List,
  signal: AbortSignal,
): Promise<() => Promise<void>> {
  if (row.unwanted) return await remove(context, row, list, signal);
  return row.subscriptionId !== null
    ? await renew(context, row, row.subscriptionId, signal)
    : await create(context, row, signal);
}

async function create(context: GraphCallContext, row: DueSubscription, signal: AbortSignal) {
  const { db, subscriptions, notificationUrl } = context;
  if (notificationUrl === null) return () => Promise.resolve(); // removed in the next round
  const mailbox = row.mailbox ?? (await resolve(context, row.outlookItemId, signal));
  await storeMailboxOf(db, row.id, mailbox);
  const wish = {
    room: { mailbox },
    notificationUrl,
    lifecycleUrl: lifecycleUrl(notificationUrl, row.clientState),
    clientState: row.clientState,
    minutes: lifeMinutes,
  };
  // the list does not contain secrets, so the lifecycle address identifies the secret of a subscription
  const created = await subscriptions.create(
    wish,
    (existing) => existing.lifecycleUrl === wish.lifecycleUrl,
    signal,
  );
  return () => store(context, row, created, 'created');
}

async function renew(context: GraphCallContext, row: DueSubscription, id: string, signal: AbortSignal) {
  const { db, subscriptions, tell } = context;
  const renewed = await subscriptions.renew(id, lifeMinutes, signal);
  if (renewed !== null) return () => store(context, row, renewed, 'renewed');
  return async () => {
    await storeForgotten(db, row);
    tell({ ...about(row), action: 'lost', until: null });
  };
}

/** After a lost answer to its create, the subscription is searched first. */
async function remove(context: GraphCallContext, row: DueSubscription, list: List, signal: AbortSignal) {
  const { db, subscriptions, tell } = context;
  let id = row.subscriptionId;
  if (id === null && row.mailbox !== null)
    id = (await list()).find((one) => one.lifecycleUrl.endsWith(markOf(row.clientState)))?.id ?? null;
  if (id !== null && !row.expired) await subscriptions.remove(id, signal);
  return async () => {
    await storeForgotten(db, row);
    if (id !== null) tell({ ...about(row), action: 'removed', until: null });
  };
}

async function store(
  { db, tell, random }: GraphCallContext,
  row: DueSubscription,
  { id, expiresAt }: Subscription,
  action: 'created' | 'renewed',
): Promise<void> {
  // our clock and the answer may be wrong: never later than the requested life allows
  const leftMs = Date.parse(expiresAt) - Date.now();
  const lifeMs = Math.min(lifeMinutes * 60_000, Math.max(leftMs, 120_000));
  const renewInMs = lifeMs * (0.3 + random() / 10);
  await storeSubscription(db, row, { subscriptionId: id, expiresAt, renewInMs });
  tell({ ...about(row), action, until: expiresAt });
}

/** The object id of the mailbox, if the directory allows it: addresses change, and some calls refuse them. */
async function resolve(context: GraphCallContext, address: string, signal: AbortSignal): Promise<string> {
  try {
    return (await context.resolveMailbox(address, signal)) ?? address;
  } catch (error) {
    if (isExpected(error)) return address;
    throw error;
  }
}

export const lifecycleUrl = (notificationUrl: string | null, clientState: string) =>
  `${notificationUrl ?? ''}?lifecycle=${markOf(clientState)}`;

/** Identifies the secret of a subscription without revealing it. */
const markOf = (clientState: string) => createHash('sha256').update(clientState).digest('hex').slice(0, 16);

const about = (row: DueSubscription) => ({
  fact: 'subscription' as const,
  room: row.room,
  resourceId: row.resourceId,
});
