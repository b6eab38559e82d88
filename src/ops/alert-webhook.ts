/**
 * Delivery of alerts: POSTed as JSON to ALERT_WEBHOOK_URL, one at a time and in order, with retries for some minutes. Works without
 * the database. Slack, Teams and Mattermost show `text`; the fields are
 * under `alert`, because Mattermost refuses a message whose own `type` it does not know
 * (developers.mattermost.com/integrate/webhooks/incoming).
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { Dispatcher } from 'undici';
import { backOffMs } from '../back-off.ts';
import { messageOf } from '../errors.ts';
import { sleep } from '../sleep.ts';
import type { Tell } from '../facts.ts';
import type { AlertRow } from './alert-store.ts';

/** The message about an alert; `id` is null while the database is unavailable. */
export type Posted = Omit<AlertRow, 'id' | 'status' | 'seen_at' | 'acknowledged_at'> & {
  readonly id: number | null;
};

export interface AlertWebhook extends AsyncDisposable {
  post(event: 'opened' | 'closed', alert: Posted): void;
}

export interface AlertWebhookOptions {
  /** Null: no delivery. */
  readonly url: string | null;
  readonly dispatcher: Dispatcher;
  readonly tell: Tell;
  /** Time limit of one attempt. */
  readonly timeoutMs?: number;
  /** The number of attempts per message; with the pauses, about ten minutes. */
  readonly tries?: number;
  /** The pause before attempt `attempt + 1`. */
  readonly restMs?: (attempt: number) => number;
}

interface Message {
  readonly type: string;
  readonly body: string;
}

/** Maximum number of waiting messages; the oldest are dropped and reported. */
const waitingMost = 200;
/** Time limit of waiting messages at shutdown. */
const closingMs = 3_000;
/** A message longer than that is cut (Slack shows 40,000 characters, Mattermost 16,383). */
const textMost = 4_000;

export function createAlertWebhook(options: AlertWebhookOptions): AlertWebhook {
  const { url, dispatcher, tell, timeoutMs = 10_000, tries = 45 } = options;
  const restMs = options.restMs ?? ((attempt: number) => backOffMs(attempt, Math.random()));
  const waiting: Message[] = [];
  const closing = new AbortController();
  let sending: Promise<void> | null = null;

  function post(event: 'opened' | 'closed', alert: Posted): void {
    if (url === null || closing.signal.aborted) return;
    waiting.push({
      type: alert.type,
      body: JSON.stringify({ text: textOf(event, alert), event, source: 'outlook-booking-sync', alert }),
    });
    if (waiting.length > waitingMost)
      tell({
        fact: 'alert-undelivered',
        type: waiting.shift()!.type,
        error: `${waitingMost} others wait behind it`,
      });
    start(url);
  }

  function start(to: string): void {
    sending ??= sendAll(to).finally(() => {
      sending = null;
      if (waiting.length > 0) start(to); // it arrived while the last one was sent
    });
  }

  async function sendAll(to: string): Promise<void> {
    for (let message = waiting.shift(); message !== undefined; message = waiting.shift())
      await send(to, message);
  }

  async function send(to: string, { type, body }: Message): Promise<void> {
    let error = '';
    for (let attempt = 0; attempt < tries; attempt += 1) {
      try {
        const status = await tryOnce(to, body);
        if (status < 300) return;
        error = `it answered ${status}`;
        // retries would not help
        if (status < 500 && status !== 408 && status !== 429) break;
      } catch (failure) {
        error = messageOf(failure);
      }
      if (closing.signal.aborted) break;
      await sleep(restMs(attempt), closing.signal);
    }
    tell({ fact: 'alert-undelivered', type, error });
  }

  async function tryOnce(to: string, body: string): Promise<number> {
    const url = new URL(to);
    const { origin, pathname, search } = url;
    const login = loginOf(url);
    const answer = await dispatcher.request({
      origin,
      path: pathname + search,
      method: 'POST',
      headers: {
        'content-type': 'application/json; charset=utf-8',
        'user-agent': 'outlook-booking-sync',
        ...(login === null ? {} : { authorization: login }),
      },
      body,
      signal: AbortSignal.timeout(timeoutMs),
    });
    await answer.body.dump();
    return answer.statusCode;
  }

  return {
    post,
    async [Symbol.asyncDispose]() {
      closing.abort();
      const late = pause(closingMs, undefined, { ref: false });
      if (sending !== null) await Promise.race([sending, late]);
    },
  };
}

/** The header for the user and password of a URL; null: it has none. */
function loginOf({ username, password }: URL): string | null {
  if (username === '' && password === '') return null;
  return `Basic ${Buffer.from(`${decoded(username)}:${decoded(password)}`).toString('base64')}`;
}

/** A % that begins no escape stands for itself: a password may contain one. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** The text shown in a chat. */
function textOf(event: 'opened' | 'closed', alert: Posted): string {
  const { severity, type, message, hint } = alert;
  const text =
    event === 'closed'
      ? `Over: ${type}. ${message}`
      : `${severity.toUpperCase()} ${type}: ${message}${hint === null ? '' : ` What to do: ${hint}`}`;
  return text.slice(0, textMost);
}
