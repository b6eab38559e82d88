/** Refusals of Graph and of the network, as our three kinds of errors. Everything outside `outlook/` sees these errors, never a status code. */
import { Conflict, Permanent, Retryable, messageOf, type Reach, type RefusedFor } from '../errors.ts';
import { membersOf, textOf } from './format.ts';
import { cut } from './text.ts';

/** An answer of Graph, whole or one inside a `$batch`. Header names are in lower case. */
export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** Parsed JSON; undefined where there was none. */
  readonly body: unknown;
  /** `performance.now()` when it had arrived. */
  readonly at: number;
  readonly ms: number;
  readonly requestId: string | undefined;
}

/** Graph failed on a call that was too large, such as a long window (msgraph docs#6499): request less. */
export class GatewayTimeout extends Retryable {}

/** The subject of a call, which determines the reach of a failure. */
export interface About {
  /** For messages: 'create an event'. */
  readonly what: string;
  /** The mailbox it concerns; null: directory or subscriptions. */
  readonly mailbox: string | null;
  /** POST, PATCH or DELETE: without an answer it may still have been executed. */
  readonly writes: boolean;
  /** The remedy for a refusal if Graph's answer has none. */
  readonly hint?: string | undefined;
}

/** The code of an error answer in lower case: Graph's spelling of them differs from its own documentation's. */
export function codeOf(answer: Pick<Answer, 'body'>): string {
  return textOf(membersOf(membersOf(answer.body).error).code)?.toLowerCase() ?? '';
}

/** Codes of a 404 about the event and not about its mailbox (Microsoft: errors). */
const eventCodes = new Set(['erroritemnotfound', 'itemnotfound']);

/** Codes for a malformed id or the id of another mailbox; a recreated mailbox does not know its old ids. */
const malformed = new Set(['errorinvalididmalformed', 'errorinvalidmailboxitemid']);

/** Whether the mailbox answered that this event does not exist. Any other 404 says nothing about the event. */
export const isGone = (answer: Answer): boolean =>
  (answer.status === 404 && eventCodes.has(codeOf(answer))) ||
  (answer.status === 400 && malformed.has(codeOf(answer)));

/** Codes of a 403 about the event and not about rights (msgraph-sdk-dotnet#3047). */
const eventRefusals = new Set(['errorcannotdeleteobject']);

/** Whether the mailbox is full (msgraph docs#6546, OfficeDocs-O365ServiceDescriptions#527, docs-contrib#6596). */
const isFull = (answer: Answer): boolean =>
  answer.status === 507 || (answer.status === 403 && codeOf(answer).includes('quotaexceeded'));

/** Whether the idempotency key was already used for another event; 400 and 409 were both seen. */
export const isTaken = (answer: Answer): boolean =>
  (answer.status === 400 || answer.status === 409) && codeOf(answer) === 'errorduplicatetransactionid';

/**
 * Milliseconds asked for by a Retry-After header: seconds, also fractional as in Microsoft's own samples, or an HTTP
 * date (RFC 9110 §10.2.3), which is compared with the answer's own Date because our clock may be wrong. `undefined`
 * when it is missing or unreadable. At most an hour.
 */
export function retryAfterMs(headers: Answer['headers']): number | undefined {
  const value = headers['retry-after'];
  if (typeof value !== 'string') return undefined;
  let ms = Number.NaN;
  if (/^\s*\d+(\.\d+)?\s*$/.test(value)) ms = Number(value) * 1_000;
  else if (/^\s*[A-Za-z]{3}/.test(value)) {
    const sent = typeof headers.date === 'string' ? Date.parse(headers.date) : Number.NaN;
    ms = Date.parse(value) - (Number.isNaN(sent) ? Date.now() : sent);
  }
  return Number.isNaN(ms) ? undefined : Math.min(3_600_000, Math.max(0, Math.ceil(ms)));
}

/** Failures of many mailboxes without a success in between are a Graph outage, not failures of rooms. */
const manyMailboxes = 3;

export interface Failures {
  /** Records a successful call. */
  succeeded(): void;
  /** The error to throw for an unsuccessful answer. */
  refused(answer: Answer, about: About): Retryable | Permanent | Conflict;
  /** The error for a missing or unreadable answer. `isUnreachable`: Graph answers no other call either. */
  unanswered(error: unknown, about: About, isUnreachable: boolean): Retryable;
}

export function createFailures(): Failures {
  const failing = new Set<string>();

  /** `least`: its reach as long as it does not occur everywhere. */
  function reachOfFailure(about: About, least: 'item' | 'room' = 'room'): Reach {
    if (about.mailbox === null) return least === 'room' ? 'side' : least;
    failing.add(about.mailbox.toLowerCase());
    return failing.size >= manyMailboxes ? 'side' : least;
  }

  function refused(answer: Answer, about: About): Retryable | Permanent | Conflict {
    const { status, requestId } = answer;
    const message = `${about.what}: ${graphMessage(answer)}`;
    const details = requestId === undefined ? {} : { requestId };
    const afterMs = retryAfterMs(answer.headers);
    const again = (
      reach: Reach,
      more: { hint?: string; ambiguous?: boolean; refusedFor?: RefusedFor } = {},
    ) => new Retryable(message, { ...details, reach, afterMs, ...more });

    if (status === 401)
      return again(reachOfFailure(about), { hint: hints.refusedToken, refusedFor: 'token' });
    // also on plain reads (Q&A 271870), without any conflict; a subscription is never changed by others
    if (status === 412 || (status === 409 && codeOf(answer) === 'errorirresolvableconflict'))
      return about.writes && about.mailbox !== null ? new Conflict(message, details) : again('item');
    if (status === 409) return new Permanent(message, details);
    // throttling is per mailbox (Microsoft: throttling-limits); what lies outside of one concerns all
    if (status === 429) return again(about.mailbox === null ? 'side' : 'room');
    // a single item or query may cause it
    if (status === 500) return again('item', { ambiguous: about.writes });
    if (status === 504)
      return new GatewayTimeout(message, {
        ...details,
        reach: reachOfFailure(about),
        afterMs,
        ambiguous: about.writes,
      });
    if (status === 502) return again(reachOfFailure(about), { ambiguous: about.writes });
    if (status === 503) return again(reachOfFailure(about));
    if (isFull(answer))
      return again(about.mailbox === null || about.writes ? 'item' : 'room', {
        hint: hints.quota,
        refusedFor: 'quota',
      });
    if (status === 408 || status === 423 || status === 424) return again('item');
    if (status >= 505 || status < 400) return again('item', { ambiguous: about.writes });
    return new Permanent(message, { ...details, ...permanent(answer, about) });
  }

  return {
    succeeded: () => failing.clear(),
    refused,
    unanswered(error, about, isUnreachable) {
      const code = codeOfNetwork(error);
      const message = `${about.what}: ${code === '' ? messageOf(error) : `${messageOf(error)} (${code})`}`;
      if (notSent.test(code) || notSent.test(messageOf(error)))
        return new Retryable(message, { reach: 'side', hint: hintOfNetwork(code), cause: error });
      if (isUnreachable)
        return new Retryable(message, {
          reach: 'side',
          hint: hints.network,
          ambiguous: about.writes,
          cause: error,
        });
      // a single item may break the connection; a mailbox that does not answer affects all its items
      const reach = reachOfFailure(about, /TIMEOUT/.test(code) ? 'room' : 'item');
      return new Retryable(message, { reach, ambiguous: about.writes, cause: error });
    },
  };
}

const hints = {
  refusedToken:
    'Graph refuses a fresh token: check GRAPH_TENANT_ID, GRAPH_BASE_URL and the permissions of the app registration.',
  access:
    "Give the app Calendars.ReadWrite for this mailbox (admin consent, or Exchange's RBAC for Applications). It takes up to two hours to work.",
  quota: 'The mailbox is full: empty its deleted items, or give it more room. Then it goes on by itself.',
  mailbox:
    'Check the address of the mailbox: it has none in Exchange Online, is not licensed, or is younger than 15 minutes.',
  network: 'Check the connection to GRAPH_BASE_URL and GRAPH_AUTHORITY: DNS, firewall, HTTPS_PROXY.',
  certificate: "If the server's certificate is from a private authority, name it in NODE_EXTRA_CA_CERTS.",
  proxy: 'Check HTTPS_PROXY: the proxy refuses to connect to Graph.',
};

/** The reach of a permanent refusal and its remedy. */
function permanent(answer: Answer, about: About): { hint?: string; reach: Reach; refusedFor?: RefusedFor } {
  const { status } = answer;
  if (about.mailbox === null)
    return { reach: 'item', ...(about.hint === undefined ? {} : { hint: about.hint }) };
  if (eventRefusals.has(codeOf(answer))) return { reach: 'item' };
  if (status === 403) return { reach: 'room', refusedFor: 'access', hint: hints.access };
  if (status === 404) return { reach: 'room', refusedFor: 'mailbox', hint: hints.mailbox };
  return { reach: 'item' };
}

/** Maximum UTF-16 units of Graph's message that are shown. */
const longestMessage = 500;

/** Graph's message: `Graph says 400 ErrorInvalidRequest: …`. */
function graphMessage(answer: Answer): string {
  const error = membersOf(membersOf(answer.body).error);
  const [code, message] = [textOf(error.code), textOf(error.message)];
  const what = [code, message === null ? null : cut(message, longestMessage)].filter((part) => part !== null);
  return `Graph says ${answer.status}${what.length === 0 ? '' : ` ${what.join(': ')}`}`;
}

/** Failures before any byte of the request was sent: it was certainly not executed. */
const notSent =
  /^(ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|UND_ERR_CONNECT_TIMEOUT|UND_ERR_CLOSED|UND_ERR_DESTROYED|CERT_.*|ERR_TLS_.*|ERR_SSL_.*|.*_CERT.*|UNABLE_TO_.*)$|^Proxy response/;

/** The code of a network error, also of the one behind it (undici nests them). */
export function codeOfNetwork(error: unknown): string {
  let at: unknown = error;
  for (let depth = 0; depth < 5 && at instanceof Error; depth += 1) {
    if ('code' in at && typeof at.code === 'string' && at.code !== 'UND_ERR_ABORTED') return at.code;
    // several addresses were tried; any of them is sufficient
    at = at instanceof AggregateError && at.errors.length > 0 ? at.errors[0] : at.cause;
  }
  return '';
}

function hintOfNetwork(code: string): string {
  if (code === 'UND_ERR_ABORTED' || code === '') return hints.proxy;
  return /CERT|UNABLE_TO|TLS|SSL/.test(code) ? hints.certificate : hints.network;
}
