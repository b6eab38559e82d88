/** `doctor`: validates the webhook with the same request as Microsoft. */
import { randomUUID } from 'node:crypto';
import { isLoopbackUrl } from '../settings.ts';
import type { Config } from '../config.ts';
import { messageOf } from '../errors.ts';
import type { Report } from './doctor-findings.ts';

const answerMs = 10_000; // Microsoft: change-notifications-delivery-webhooks

export async function checkWebhook(
  { webhookBaseUrl: base, http }: Pick<Config, 'webhookBaseUrl' | 'http'>,
  report: Report,
): Promise<void> {
  if (base !== null && http.keys.length === 0) await checkKeyless(base, report);
  if (base === null)
    return report(
      'note',
      'webhook',
      'WEBHOOK_BASE_URL is not set: changes in Outlook are found by polling.',
      'WEBHOOK_BASE_URL=https://…   (an address at which Microsoft can reach this daemon)',
    );
  const address = `${base}/webhook/outlook-notifications`;
  // Microsoft's tokens contain such characters and must be returned byte for byte
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
      return report('ok', 'webhook', `${address} answers as Microsoft requires`);
    report(
      'problem',
      'webhook',
      `${address} answers ${answer.status} ${type} instead of 200 text/plain with the token.`,
      'Configure the reverse proxy to pass POST /webhook/outlook-notifications with its query to this daemon unchanged, without login or redirect.',
    );
  } catch (error) {
    const cause =
      error instanceof Error && error.cause !== undefined ? ` (${messageOf(error.cause).trim()})` : '';
    report(
      'warning',
      'webhook',
      `${address} cannot be reached from this machine: ${messageOf(error)}${cause}.`,
      'Check that the daemon runs, and DNS, certificate and firewall. It must be reachable from the internet, not from this machine. Test it from outside: curl -X POST -d "" "' +
        `${address}?validationToken=hello"`,
    );
  }
}

/** Without an API key: whether the reverse proxy exposes the whole API. */
async function checkKeyless(base: string, report: Report): Promise<void> {
  const repair = 'API_KEY=…   (a new one: openssl rand -hex 32)';
  const answer = await fetch(`${base}/openapi.json`, {
    redirect: 'manual',
    signal: AbortSignal.timeout(answerMs),
  }).catch(() => null); // reported by checkWebhook
  await answer?.body?.cancel();
  if (answer?.status === 200)
    report(
      'problem',
      'settings',
      `${base} exposes the whole API without authentication, because no API key is set.`,
      repair,
    );
  else if (!isLoopbackUrl(base))
    report(
      'warning',
      'settings',
      'WEBHOOK_BASE_URL is set and API_KEY is not: a reverse proxy that sends no X-Forwarded headers would expose the API to the internet.',
      repair,
    );
}
