import { Agent, request } from 'undici';
import { monotonicMs, type Clock } from './clock.ts';
import type { Random } from './random.ts';

/** One POST to a webhook. */
export interface Delivery {
  readonly at: number;
  readonly url: string;
  readonly items: readonly object[];
  /** 0 when there was no answer in time. */
  readonly status: number;
  readonly tookMs: number;
  /** 1 for the first try. */
  readonly attempt: number;
}

/** Sends notifications to webhooks over real HTTP. */
export interface WebhookPost {
  queue(url: string, item: object, how?: { readonly delayMs?: number; readonly shuffle?: boolean }): void;
  /** POSTs a validation token; whether the endpoint echoed it, byte for byte, as text/plain, in time. */
  validates(url: string): Promise<boolean>;
  readonly deliveries: readonly Delivery[];
  close(): Promise<void>;
}

/** Microsoft: change notifications delivery, "2xx within 3 seconds", retried ones within 10, for up to 4 hours. */
const FIRST_TIMEOUT_MS = 3_000;
const RETRY_TIMEOUT_MS = 10_000;
const RETRY_FOR_MS = 4 * 3_600_000;
const FIRST_RETRY_MS = 1_000;
const LONGEST_RETRY_MS = 600_000;
const VALIDATION_TIMEOUT_MS = 10_000;
/** One POST may hold many notifications for several subscriptions. */
const MOST_ITEMS = 100;
const MOST_DELIVERIES = 10_000;

export function createWebhookPost(clock: Clock, random: Random): WebhookPost {
  const agent = new Agent({ connections: 16, pipelining: 1 });
  const deliveries: Delivery[] = [];
  const outbox = new Map<string, { items: object[]; shuffle: boolean }>();
  let flushing = false;
  let closed = false;

  const send = async (
    url: string,
    items: readonly object[],
    attempt: number,
    firstAt: number,
  ): Promise<void> => {
    const at = monotonicMs();
    const status = await statusOf(agent, url, items, attempt === 1 ? FIRST_TIMEOUT_MS : RETRY_TIMEOUT_MS);
    deliveries.push({ at, url, items, status, tookMs: monotonicMs() - at, attempt });
    if (deliveries.length > MOST_DELIVERIES) deliveries.splice(0, MOST_DELIVERIES / 10);
    if (closed || (status >= 200 && status < 300) || clock.now() - firstAt > RETRY_FOR_MS) return;
    const waitMs = Math.min(FIRST_RETRY_MS * 2 ** (attempt - 1), LONGEST_RETRY_MS);
    clock.after(waitMs, () => void send(url, items, attempt + 1, firstAt));
  };
  const flush = () => {
    flushing = false;
    for (const [url, { items, shuffle }] of outbox) {
      const ordered = shuffle ? random.shuffled(items) : items;
      for (let from = 0; from < ordered.length; from += MOST_ITEMS) {
        void send(url, ordered.slice(from, from + MOST_ITEMS), 1, clock.now());
      }
    }
    outbox.clear();
  };
  const put = (url: string, item: object, shuffle: boolean) => {
    if (closed) return;
    const box = outbox.get(url);
    if (box) box.items.push(item);
    else outbox.set(url, { items: [item], shuffle });
    if (!flushing) setImmediate(flush);
    flushing = true;
  };

  return {
    deliveries,
    queue(url, item, { delayMs = 0, shuffle = false } = {}) {
      if (delayMs > 0) clock.after(delayMs, () => put(url, item, shuffle));
      else put(url, item, shuffle);
    },
    validates: (url) =>
      echoes(
        agent,
        url,
        // Reserved characters, so that an echo that forgets to decode the token fails.
        `Validation: Testing client application reachability for subscription Request-Id: ${random.guid()} +/%&=é`,
      ),
    async close() {
      closed = true;
      outbox.clear();
      await agent.destroy();
    },
  };
}

async function statusOf(
  dispatcher: Agent,
  url: string,
  items: readonly object[],
  timeoutMs: number,
): Promise<number> {
  try {
    const { statusCode, body } = await request(url, {
      method: 'POST',
      dispatcher,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ value: items }),
      signal: AbortSignal.timeout(timeoutMs),
    });
    await body.dump();
    return statusCode;
  } catch {
    return 0; // unreachable or too slow: the caller tries again
  }
}

async function echoes(dispatcher: Agent, url: string, token: string): Promise<boolean> {
  const mark = new URL(url).search === '' ? '?' : '&';
  try {
    const { statusCode, headers, body } = await request(
      `${url}${mark}validationToken=${encodeURIComponent(token)}`,
      {
        method: 'POST',
        dispatcher,
        headers: { 'content-type': 'text/plain; charset=utf-8' },
        body: '',
        signal: AbortSignal.timeout(VALIDATION_TIMEOUT_MS),
      },
    );
    const echo = Buffer.from(await body.arrayBuffer());
    const isPlain = /^text\/plain\b/i.test(String(headers['content-type'] ?? ''));
    return statusCode === 200 && isPlain && echo.equals(Buffer.from(token));
  } catch {
    return false; // unreachable or too slow, which is as good as a wrong echo
  }
}
