/**
 * What is asked of Graph for one subscription that is due: to make it, to renew it, or to forget it; and what is written down of
 * the answer.
 */
import { createHash } from 'node:crypto';
import type { Database } from '../../database.ts';
import { Permanent, Retryable } from '../../errors.ts';
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

/** What the keeper asks of Outlook; `outlook/subscriptions.ts` fits it. */
export interface SubscriptionSide {
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

/** Just under three days, which every version of Graph allows. Renewed at a third of it, so two days are left to fail. */
const lifeMinutes = 4_200;
/** Where Graph calls us, below WEBHOOK_BASE_URL. */
export const receiverPath = '/webhook/outlook-notifications';

export interface AskGraphOptions {
  readonly db: Database;
  readonly subscriptions: SubscriptionSide;
  readonly resolveMailbox: (address: string, signal: AbortSignal) => Promise<string | null>;
  /** Null: no subscriptions; those that are there are ended. */
  readonly notificationUrl: string | null;
  readonly tell: Tell;
  readonly random: () => number;
}

/** All that Graph has, asked once. */
type List = () => Promise<readonly Subscription[]>;

export function createAskGraph(options: AskGraphOptions) {
  const { db, subscriptions, notificationUrl, tell, random } = options;

  /** Asks; what it returns writes the answer down. Throws Retryable and Permanent. */
  async function ask(row: DueSubscription, list: List, signal: AbortSignal): Promise<() => Promise<void>> {
    if (row.unwanted) return await end(row, list, signal);
    return row.subscriptionId !== null
      ? await renew(row, row.subscriptionId, signal)
      : await create(row, signal);
  }

  async function create(row: DueSubscription, signal: AbortSignal): Promise<() => Promise<void>> {
    if (notificationUrl === null) return () => Promise.resolve(); // ended before the next round
    const mailbox = row.mailbox ?? (await resolved(row.outlookItemId, signal));
    await storeMailboxOf(db, row.id, mailbox);
    const wish = {
      room: { mailbox },
      notificationUrl,
      lifecycleUrl: lifecycleUrl(notificationUrl, row.clientState),
      clientState: row.clientState,
      minutes: lifeMinutes,
    };
    // the list shows no secrets, so the address tells which one a subscription was made with
    const made = await subscriptions.create(
      wish,
      (existing) => existing.lifecycleUrl === wish.lifecycleUrl,
      signal,
    );
    return () => stored(row, made, 'created');
  }

  async function renew(row: DueSubscription, id: string, signal: AbortSignal): Promise<() => Promise<void>> {
    const renewed = await subscriptions.renew(id, lifeMinutes, signal);
    if (renewed !== null) return () => stored(row, renewed, 'renewed');
    return async () => {
      await storeForgotten(db, row);
      tell({ ...about(row), action: 'lost', until: null });
    };
  }

  /** Graph shall forget it. Where its answer to the create was lost, it is looked for first. */
  async function end(row: DueSubscription, list: List, signal: AbortSignal): Promise<() => Promise<void>> {
    let id = row.subscriptionId;
    if (id === null && row.mailbox !== null)
      id = (await list()).find((one) => one.lifecycleUrl.endsWith(markOf(row.clientState)))?.id ?? null;
    if (id !== null && !row.expired) await subscriptions.remove(id, signal);
    return async () => {
      await storeForgotten(db, row);
      if (id !== null) tell({ ...about(row), action: 'removed', until: null });
    };
  }

  async function stored(row: DueSubscription, made: Subscription, action: 'created' | 'renewed') {
    // our clock may be wrong, and so may the answer: never later than what was asked for gives
    const leftMs = Date.parse(made.expiresAt) - Date.now();
    const lifeMs = Math.min(lifeMinutes * 60_000, Math.max(leftMs, 120_000));
    const renewInMs = lifeMs * (0.3 + random() / 10);
    await storeSubscription(db, row, { subscriptionId: made.id, expiresAt: made.expiresAt, renewInMs });
    tell({ ...about(row), action, until: made.expiresAt });
  }

  /** Its object id, if the directory tells: addresses change, and some calls refuse them. */
  async function resolved(address: string, signal: AbortSignal): Promise<string> {
    try {
      return (await options.resolveMailbox(address, signal)) ?? address;
    } catch (error) {
      if (error instanceof Permanent || error instanceof Retryable) return address;
      throw error;
    }
  }

  return ask;
}

export const lifecycleUrl = (notificationUrl: string | null, clientState: string) =>
  `${notificationUrl ?? ''}?lifecycle=${markOf(clientState)}`;

/** Tells which secret a subscription was made with, and nothing else about it. */
const markOf = (clientState: string) => createHash('sha256').update(clientState).digest('hex').slice(0, 16);

const about = (row: DueSubscription) => ({
  fact: 'subscription' as const,
  room: row.room,
  resourceId: row.resourceId,
});
