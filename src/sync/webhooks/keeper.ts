/**
 * The keeper of subscriptions: sees to it that Graph calls us for every room that can change there, and for no other.
 *
 *     wanted ──► asked for ──► there ──► renewed at a third of its life ──► …
 *                   ▲             │ gone (404), or removed by Graph
 *                   └─────────────┘
 *     not wanted any more ──► ended at Graph ──► out of our table
 *
 * Whatever is tried and fails is tried again, later and later; meanwhile its room is polled. What Graph was asked is in
 * our table before it is asked (`subscription-store.ts`): a subscription made right before a crash is found again by a
 * mark of its secret in its lifecycle address, and taken. One daemon at a time keeps the subscriptions.
 */
import { createHash } from 'node:crypto';
import { backOffMs } from '../../back-off.ts';
import type { Database } from '../../database.ts';
import { Permanent, Retryable, messageOf } from '../../errors.ts';
import type { Tell } from '../../facts.ts';
import {
  asOnlyKeeper,
  subscriptionsAreDue,
  claimSubscriptions,
  doubtSubscriptions,
  dueSubscriptions,
  knownSubscriptions,
  storeFailure,
  storeForgotten,
  storeMailboxOf,
  storeSubscription,
  writeWanted,
  type DueSubscription,
} from './subscription-store.ts';

interface Subscription {
  readonly id: string;
  readonly notificationUrl: string;
  readonly lifecycleUrl: string;
  /** An ISO instant, by Graph's clock. */
  readonly expiresAt: string;
}

/** What the keeper asks of Outlook; `outlook/subscriptions.ts` fits it. */
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

export interface KeeperOptions {
  readonly db: Database;
  readonly subscriptions: SubscriptionSide;
  readonly resolveMailbox: (address: string, signal: AbortSignal) => Promise<string | null>;
  /** Without a trailing slash. Null: no subscriptions; those that are there are ended. */
  readonly webhookBaseUrl: string | null;
  readonly tell: Tell;
  readonly random?: () => number;
}

/** Just under three days, which every version of Graph allows. Renewed at a third of it, so two days are left to fail. */
const lifeMinutes = 4_200;
const atATime = 6;
/** Few enough that what changes meanwhile is seen soon. */
const rowsARound = 60;
const roundsMost = 200;
/** After so many failures without a success in between it is not the rooms: take a short rest. */
const failuresMost = 5;
const compareEveryMs = 3_600_000;

/** Where Graph calls us, below WEBHOOK_BASE_URL. */
export const receiverPath = '/webhook/outlook-notifications';

export function createKeeper(options: KeeperOptions) {
  const { db, subscriptions, tell, random = Math.random } = options;
  const { webhookBaseUrl } = options;
  const notificationUrl = webhookBaseUrl === null ? null : webhookBaseUrl + receiverPath;
  const lifecycleUrl = (clientState: string) => `${notificationUrl ?? ''}?lifecycle=${markOf(clientState)}`;
  let claimed = false;
  let restUntil = 0;
  let compareAt = 0;
  let failures = 0;
  let rests = 0;
  let lastTold: string | null = null;

  /** Does what is due, unless another daemon is at it. Throws when the database does not answer. */
  async function look(signal: AbortSignal): Promise<void> {
    if (!claimed) {
      await claimSubscriptions(db, notificationUrl);
      claimed = true;
    }
    if (performance.now() < restUntil) return;
    const compares = notificationUrl !== null && performance.now() >= compareAt;
    if (!(await subscriptionsAreDue(db, notificationUrl)) && !compares) return;
    await asOnlyKeeper(db, async () => {
      if (compares) await guarded(signal, () => compare(signal));
      for (let round = 0; round < roundsMost && !signal.aborted; round += 1) {
        // asked again each time: another daemon may have been started with another address
        if (!(await subscriptionsAreDue(db, notificationUrl))) return;
        await writeWanted(db, notificationUrl);
        const due = await dueSubscriptions(db, rowsARound);
        if (due.length === 0 || !(await workThrough(due, signal))) return;
      }
    });
  }

  /** A few at a time; false when something is wrong with all of them. */
  async function workThrough(due: readonly DueSubscription[], signal: AbortSignal): Promise<boolean> {
    const rows = due.values();
    let listed: Promise<readonly Subscription[]> | null = null;
    const list = () => (listed ??= subscriptions.list(signal));
    const worker = async () => {
      for (const row of rows) {
        if (signal.aborted || failures >= failuresMost) return;
        await keep(row, list, signal);
      }
    };
    await Promise.all(Array.from({ length: atATime }, worker));
    if (failures < failuresMost) return true;
    failures = 0;
    restUntil = performance.now() + Math.min(5_000, backOffMs(rests++, random()));
    return false;
  }

  async function keep(
    row: DueSubscription,
    list: () => Promise<readonly Subscription[]>,
    signal: AbortSignal,
  ): Promise<void> {
    let settle: () => Promise<void>;
    try {
      if (row.unwanted) settle = await end(row, list, signal);
      else if (row.subscriptionId !== null) settle = await renew(row, row.subscriptionId, signal);
      else settle = await create(row, signal);
    } catch (error) {
      if (signal.aborted) return;
      await failed(row, error);
      return;
    }
    failures = 0;
    rests = 0;
    lastTold = null;
    await settle();
  }

  async function create(row: DueSubscription, signal: AbortSignal): Promise<() => Promise<void>> {
    if (notificationUrl === null) return () => Promise.resolve(); // ended before the next look
    const mailbox = row.mailbox ?? (await resolved(row.outlookItemId, signal));
    await storeMailboxOf(db, row.id, mailbox);
    const wish = {
      room: { mailbox },
      notificationUrl,
      lifecycleUrl: lifecycleUrl(row.clientState),
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
  async function end(
    row: DueSubscription,
    list: () => Promise<readonly Subscription[]>,
    signal: AbortSignal,
  ): Promise<() => Promise<void>> {
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

  async function failed(row: DueSubscription, thrown: unknown): Promise<void> {
    failures += 1;
    const known = thrown instanceof Retryable || thrown instanceof Permanent;
    if (!known)
      tell({
        fact: 'bug',
        error: thrown instanceof Error ? thrown : new Error(String(thrown)),
        where: 'the keeper of subscriptions',
      });
    const inMs =
      thrown instanceof Retryable
        ? (thrown.afterMs ?? backOffMs(row.attempt, random()))
        : Math.min(900_000, 30_000 * 2 ** Math.min(row.attempt, 5)) * (0.75 + random() / 4);
    const [error, hint] = [messageOf(thrown), known ? (thrown.hint ?? null) : null];
    await storeFailure(db, row, { error, hint, inMs });
    // an outage hits every room with the same words; they are said once
    if (!known || error === lastTold) return;
    lastTold = error;
    tell({ fact: 'subscription-failed', room: row.room, resourceId: row.resourceId, error, hint, inMs });
  }

  /**
   * Compares our table with what Graph has: what it has forgotten without a word is asked for (and made again when it
   * is gone), and what calls our address without being in our table (a restored database) is ended.
   */
  async function compare(signal: AbortSignal): Promise<void> {
    const there = await subscriptions.list(signal);
    const known = await knownSubscriptions(db); // later than the list: whatever was made before it is in it
    const [ids, listed] = [
      new Set(known.map((row) => row.subscriptionId)),
      new Set(there.map(({ id }) => id)),
    ];
    const open = new Set(
      known.filter((row) => row.subscriptionId === null).map((row) => lifecycleUrl(row.clientState)),
    );
    const strays = there.filter(
      (one) => one.notificationUrl === notificationUrl && !ids.has(one.id) && !open.has(one.lifecycleUrl),
    );
    for (const stray of strays) await subscriptions.remove(stray.id, signal);
    const missing = known.filter((row) => row.subscriptionId !== null && !listed.has(row.subscriptionId));
    await doubtSubscriptions(
      db,
      missing.map((row) => row.id),
    );
    compareAt = performance.now() + compareEveryMs * (0.75 + random() / 2);
  }

  /** The comparison is for what is rare: when it fails, what is due is done all the same. */
  async function guarded(signal: AbortSignal, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof Retryable || error instanceof Permanent)) throw error;
      compareAt = performance.now() + 60_000;
    }
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

  return { look };
}

/** Tells which secret a subscription was made with, and nothing else about it. */
const markOf = (clientState: string) => createHash('sha256').update(clientState).digest('hex').slice(0, 16);

const about = (row: DueSubscription) => ({
  fact: 'subscription' as const,
  room: row.room,
  resourceId: row.resourceId,
});
