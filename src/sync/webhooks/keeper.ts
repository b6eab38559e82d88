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
  writeWanted,
  type DueSubscription,
} from './subscription-store.ts';
import {
  createAskGraph,
  lifecycleUrl,
  receiverPath,
  type Subscription,
  type SubscriptionSide,
} from './ask-graph.ts';

export interface KeeperOptions {
  readonly db: Database;
  readonly subscriptions: SubscriptionSide;
  readonly resolveMailbox: (address: string, signal: AbortSignal) => Promise<string | null>;
  /** Without a trailing slash. Null: no subscriptions; those that are there are ended. */
  readonly webhookBaseUrl: string | null;
  readonly tell: Tell;
  readonly random?: () => number;
}

const atATime = 6;
/** Few enough that what changes meanwhile is seen soon. */
const rowsARound = 60;
const roundsMost = 200;
/** After so many failures without a success in between it is not the rooms: take a short rest. */
const failuresMost = 5;
const compareEveryMs = 3_600_000;

export function createKeeper(options: KeeperOptions) {
  const { db, subscriptions, tell, random = Math.random } = options;
  const { webhookBaseUrl } = options;
  const notificationUrl = webhookBaseUrl === null ? null : webhookBaseUrl + receiverPath;
  const ask = createAskGraph({ ...options, notificationUrl, random });
  let claimed = false;
  let restUntil = 0;
  let compareAt = 0;
  let failures = 0;
  let rests = 0;
  let lastTold: string | null = null;

  /** Does what is due, unless another daemon is at it. Throws when the database does not answer. */
  async function keepAll(signal: AbortSignal): Promise<void> {
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
      settle = await ask(row, list, signal);
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

  async function failed(row: DueSubscription, thrown: unknown): Promise<void> {
    failures += 1;
    const isExpected = thrown instanceof Retryable || thrown instanceof Permanent;
    if (!isExpected)
      tell({
        fact: 'bug',
        error: thrown instanceof Error ? thrown : new Error(String(thrown)),
        where: 'the keeper of subscriptions',
      });
    const inMs =
      thrown instanceof Retryable
        ? (thrown.afterMs ?? backOffMs(row.attempt, random()))
        : Math.min(900_000, 30_000 * 2 ** Math.min(row.attempt, 5)) * (0.75 + random() / 4);
    const [error, hint] = [messageOf(thrown), isExpected ? (thrown.hint ?? null) : null];
    await storeFailure(db, row, { error, hint, inMs });
    // an outage hits every room with the same words; they are said once
    if (!isExpected || error === lastTold) return;
    lastTold = error;
    tell({ fact: 'subscription-failed', room: row.room, resourceId: row.resourceId, error, hint, inMs });
  }

  /**
   * Compares our table with what Graph has: what it has forgotten without a word is asked for (and made again when it
   * is gone), and what calls our address without being in our table (a restored database) is ended.
   */
  async function compare(signal: AbortSignal): Promise<void> {
    const there = await subscriptions.list(signal);
    const ours = await knownSubscriptions(db); // later than the list: whatever was made before it is in it
    const [ids, listed] = [
      new Set(ours.map((row) => row.subscriptionId)),
      new Set(there.map(({ id }) => id)),
    ];
    const open = new Set(
      ours
        .filter((row) => row.subscriptionId === null)
        .map((row) => lifecycleUrl(notificationUrl, row.clientState)),
    );
    const strays = there.filter(
      (one) => one.notificationUrl === notificationUrl && !ids.has(one.id) && !open.has(one.lifecycleUrl),
    );
    for (const stray of strays) await subscriptions.remove(stray.id, signal);
    const missing = ours.filter((row) => row.subscriptionId !== null && !listed.has(row.subscriptionId));
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

  return { keepAll };
}
