/**
 * Keeps one subscription in Graph for each room that can change in Outlook, and no others.
 *
 *     wanted ──► requested ──► active ──► renewed after a third of its life ──► …
 *                   ▲             │ gone (404), or removed by Graph
 *                   └─────────────┘
 *     no longer wanted ──► removed from Graph ──► removed from our table
 *
 * Whatever fails is repeated with a growing delay; its room is polled meanwhile. A row is stored before the call to Graph
 * (`subscription-store.ts`): a subscription created right before a crash is found again by the mark of its secret in its lifecycle
 * address. One daemon at a time keeps the subscriptions.
 */
import { backOffMs } from '../../back-off.ts';
import { Retryable, isExpected, messageOf } from '../../errors.ts';
import {
  asOnlyKeeper,
  doubtSubscriptions,
  dueSubscriptions,
  knownSubscriptions,
  storeFailure,
  storeWebhookAddress,
  subscriptionsAreDue,
  writeWanted,
  type DueSubscription,
} from './subscription-store.ts';
import {
  callGraph,
  lifecycleUrl,
  receiverPath,
  type GraphCallContext,
  type Subscription,
} from './graph-calls.ts';

export interface KeeperOptions extends Omit<GraphCallContext, 'notificationUrl' | 'random'> {
  /** Without a trailing slash. Null: no subscriptions; existing ones are removed. */
  readonly webhookBaseUrl: string | null;
  readonly random?: () => number;
}

const callsAtATime = 6;
/** Few, so that changes of the table are noticed soon. */
const rowsARound = 60;
const roundsMost = 200;
/** This number of failures without a success in between is no matter of single rooms: the keeper rests. */
const failuresMost = 5;
const compareEveryMs = 3_600_000;
const compareAgainMs = 60_000;

export function createKeeper(options: KeeperOptions) {
  const { db, subscriptions, tell, webhookBaseUrl, random = Math.random } = options;
  const notificationUrl = webhookBaseUrl === null ? null : webhookBaseUrl + receiverPath;
  const context: GraphCallContext = { ...options, notificationUrl, random };
  let isAddressStored = false;
  let restUntil = 0;
  let compareAt = 0;
  let failures = 0;
  let rests = 0;
  let lastError: string | null = null;

  /** Processes due rows, unless another daemon does. Throws when the database does not answer. */
  async function keepAll(signal: AbortSignal): Promise<void> {
    if (!isAddressStored) await storeWebhookAddress(db, notificationUrl);
    isAddressStored = true;
    if (performance.now() < restUntil) return;
    const compares = notificationUrl !== null && performance.now() >= compareAt;
    if (!compares && !(await subscriptionsAreDue(db, notificationUrl))) return;
    await asOnlyKeeper(db, async () => {
      if (compares) await compare(signal);
      for (let round = 0; round < roundsMost && !signal.aborted; round += 1) {
        // checked each time: a daemon may have been started with another address
        if (!(await subscriptionsAreDue(db, notificationUrl))) return;
        await writeWanted(db, notificationUrl);
        const due = await dueSubscriptions(db, rowsARound);
        if (due.length === 0 || !(await keepEach(due, signal))) return;
      }
    });
  }

  /** Returns false when the keeper has to rest. */
  async function keepEach(due: readonly DueSubscription[], signal: AbortSignal): Promise<boolean> {
    const rows = due.values();
    let listed: Promise<readonly Subscription[]> | null = null;
    const list = () => (listed ??= subscriptions.list(signal));
    const worker = async () => {
      for (const row of rows) {
        if (signal.aborted || failures >= failuresMost) return;
        await keep(row, list, signal);
      }
    };
    await Promise.all(Array.from({ length: callsAtATime }, worker));
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
    let store: () => Promise<void>;
    try {
      store = await callGraph(context, row, list, signal);
    } catch (error) {
      if (!signal.aborted) await failed(row, error);
      return;
    }
    failures = 0;
    rests = 0;
    lastError = null;
    await store();
  }

  async function failed(row: DueSubscription, thrown: unknown): Promise<void> {
    failures += 1;
    const isKnown = isExpected(thrown);
    if (!isKnown)
      tell({
        fact: 'bug',
        error: thrown instanceof Error ? thrown : new Error(String(thrown)),
        where: 'the keeper of subscriptions',
      });
    const inMs = retryMs(thrown, row.attempt, random);
    const [error, hint] = [messageOf(thrown), isKnown ? (thrown.hint ?? null) : null];
    await storeFailure(db, row, { error, hint, inMs });
    // an outage has the same error for every room: it is reported once
    if (!isKnown || error === lastError) return;
    lastError = error;
    tell({ fact: 'subscription-failed', room: row.room, resourceId: row.resourceId, error, hint, inMs });
  }

  /** When the comparison fails, the due rows are processed all the same. */
  async function compare(signal: AbortSignal): Promise<void> {
    try {
      await compareWithGraph(context, signal);
      compareAt = performance.now() + compareEveryMs * (0.75 + random() / 2);
    } catch (error) {
      if (signal.aborted) return;
      if (!isExpected(error)) throw error;
      compareAt = performance.now() + compareAgainMs;
    }
  }

  return { keepAll };
}

function retryMs(error: unknown, attempt: number, random: () => number): number {
  return error instanceof Retryable
    ? (error.afterMs ?? backOffMs(attempt, random()))
    : Math.min(900_000, 30_000 * 2 ** Math.min(attempt, 5)) * (0.75 + random() / 4);
}

/**
 * Compares our table with Graph: rows without a subscription in Graph are due, and subscriptions for our address without a row (after
 * a restore of the database) are removed.
 */
async function compareWithGraph(
  { db, subscriptions, notificationUrl }: GraphCallContext,
  signal: AbortSignal,
): Promise<void> {
  const inGraph = await subscriptions.list(signal);
  const rows = await knownSubscriptions(db); // after the list, so that each listed subscription of ours has its row
  const ids = new Set(rows.map((row) => row.subscriptionId));
  const listed = new Set(inGraph.map(({ id }) => id));
  const requested = new Set(
    rows
      .filter((row) => row.subscriptionId === null)
      .map((row) => lifecycleUrl(notificationUrl, row.clientState)),
  );
  const strays = inGraph.filter(
    (one) => one.notificationUrl === notificationUrl && !ids.has(one.id) && !requested.has(one.lifecycleUrl),
  );
  for (const stray of strays) await subscriptions.remove(stray.id, signal);
  const missing = rows.filter((row) => row.subscriptionId !== null && !listed.has(row.subscriptionId));
  await doubtSubscriptions(
    db,
    missing.map((row) => row.id),
  );
}
