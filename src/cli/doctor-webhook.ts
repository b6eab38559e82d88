/** Whether Microsoft could validate our webhook: the address is asked as Microsoft asks it. */
import { randomUUID } from 'node:crypto';
import { messageOf } from '../errors.ts';
import type { Find } from './doctor-findings.ts';

const answerMs = 10_000; // Microsoft: change-notifications-delivery-webhooks

export async function checkWebhook(base: string | null, find: Find): Promise<void> {
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
