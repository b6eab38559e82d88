/** Whether Microsoft could validate our webhook: the address is asked as Microsoft asks it. */
import { randomUUID } from 'node:crypto';
import { isLoopbackUrl, type Config } from '../config.ts';
import { messageOf } from '../errors.ts';
import type { Find } from './doctor-findings.ts';

const answerMs = 10_000; // Microsoft: change-notifications-delivery-webhooks

export async function checkWebhook(
  { webhookBaseUrl: base, http }: Pick<Config, 'webhookBaseUrl' | 'http'>,
  find: Find,
): Promise<void> {
  if (base !== null && http.keys.length === 0) await checkKeyless(base, find);
  if (base === null)
    return find(
      'note',
      'webhook',
      'None is set: changes in Outlook are found by asking each room now and then.',
      'WEBHOOK_BASE_URL=https://… where Microsoft can reach this daemon',
    );
  const address = `${base}/webhook/outlook-notifications`;
  // a token of Microsoft has such letters; it must come back byte for byte
  const token = `Validation: doctor ${randomUUID()} +&=%/æ`;
  try {
    const answer = await fetch(`${address}?validationToken=${encodeURIComponent(token)}`, {
      method: 'POST',
      redirect: 'manual',
      signal: AbortSignal.timeout(answerMs),
    });
    const text = (await answer.text()).slice(0, 10_000);
    const type = answer.headers.get('content-type') ?? 'none';
    if (answer.status === 200 && text === token && type.startsWith('text/plain'))
      return find('ok', 'webhook', `${address} answers as Microsoft wants it`);
    find(
      'problem',
      'webhook',
      `${address} answers ${answer.status} ${type} instead of 200 text/plain with the token.`,
      'Let the proxy in front pass POST /webhook/outlook-notifications with its query to this daemon unchanged: no login, no redirect.',
    );
  } catch (error) {
    const cause =
      error instanceof Error && error.cause !== undefined ? ` (${messageOf(error.cause).trim()})` : '';
    find(
      'warning',
      'webhook',
      `${address} is not reached from this machine: ${messageOf(error)}${cause}.`,
      'Is the daemon running? Check DNS, the certificate and the firewall. Microsoft must reach it from the internet; this machine need not. Try from outside: curl -X POST -d "" "' +
        `${address}?validationToken=hello"`,
    );
  }
}

/** Without a key: whether the proxy in front passes on what only this machine may ask. */
async function checkKeyless(base: string, find: Find): Promise<void> {
  const repair = 'API_KEY=…   (a new one: openssl rand -hex 32)';
  const answer = await fetch(`${base}/openapi.json`, {
    redirect: 'manual',
    signal: AbortSignal.timeout(answerMs),
  }).catch(() => null); // that it is not reached is said of the webhook
  await answer?.body?.cancel();
  if (answer?.status === 200)
    find(
      'problem',
      'settings',
      `${base} is open to anybody: no API key is set, and what it answers is the whole API.`,
      repair,
    );
  else if (!isLoopbackUrl(base))
    find(
      'warning',
      'settings',
      'WEBHOOK_BASE_URL is set and API_KEY is not: a proxy that says nothing of itself would open the API to the internet.',
      repair,
    );
}
