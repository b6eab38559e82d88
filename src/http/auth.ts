/**
 * Access to the API. With a key set, every endpoint but the open ones asks for one, or for the session of a browser that
 * sent one once; what a browser's session changes has to be asked for by our own pages.
 *
 * Without a key the API is for this machine: a request that came through a proxy, that names another host (a page that
 * resolves its own name to 127.0.0.1) or none, or that a page of another origin makes, is refused. So is what looks like a proxy
 * that says nothing of itself.
 */
import type { Context, MiddlewareHandler } from 'hono';
import { html } from 'hono/html';
import type { ApiKey } from '../config.ts';
import { challenge, createKeyCheck, presentedKey, type KeyCheck } from './key.ts';
import { bareProxySign, forwardingHeader, isFromOtherPage, isFromOwnPage, isLoopback } from './origin.ts';
import { Problem } from './problem.ts';
import { createSessions, type Sessions } from './session.ts';

/** Answered to anybody, with and without a key set: probes have none, and Microsoft has none. */
const open: ReadonlySet<string> = new Set(['/health', '/ready', '/webhook/outlook-notifications']);

/** Answered to anybody who may still get in: where the key is typed, and where a session ends. */
const doorstep: ReadonlySet<string> = new Set(['/login', '/login/style.css', '/logout']);

/** Pages: a browser that has no session is shown the way to one. */
const page = /^\/(dashboard|docs)?\/?$/;

export interface AuthOptions {
  /** Empty: no key is asked for. */
  readonly keys: readonly ApiKey[];
  /** The header, in lower case, in which a proxy names the person; believed only beside a key or session. */
  readonly userHeader?: string | null;
  /** Where Microsoft reaches us: on a public address a proxy is in front, as we speak no TLS. */
  readonly webhookBaseUrl?: string | null;
  /** Milliseconds on a monotonic clock. */
  readonly now?: () => number;
}

/** What opens: null where no key is set. */
export type Door = { readonly keys: KeyCheck; readonly sessions: Sessions } | null;

/** The door, and what stands before every endpoint: it lets a request through, or says why not. */
export function createAuth({
  keys,
  userHeader = null,
  webhookBaseUrl = null,
  now = () => performance.now(),
}: AuthOptions): {
  readonly door: Door;
  readonly guard: MiddlewareHandler;
} {
  const door = keys.length === 0 ? null : { keys: createKeyCheck(keys, now), sessions: createSessions(keys) };
  const hasProxy = webhookBaseUrl !== null && !isLoopback(new URL(webhookBaseUrl).host);
  return {
    door,
    async guard(c, next) {
      if (!open.has(c.req.path)) {
        const answer = door === null ? refuseStrangers(c, hasProxy) : await admit(c, door, userHeader);
        if (answer !== undefined) return answer;
        if (door === null && !doorstep.has(c.req.path)) c.set('caller', 'this machine');
      }
      return next();
    },
  };
}

/** Nothing: come in. Else where a browser should go. Throws the Problem that refuses anybody else. */
async function admit(
  c: Context,
  { keys, sessions }: NonNullable<Door>,
  userHeader: string | null,
): Promise<Response | undefined> {
  refuseKeyInQuery(c);
  if (doorstep.has(c.req.path)) return undefined;
  const presented = presentedKey(c);
  const user = userHeader === null ? null : userOf(c.req.header(userHeader));
  const sent = presented === null ? null : keys.find(presented);
  if (sent !== null) {
    // a proxy may add the key to whatever browsers send it; a script says nothing of pages
    if (!reads(c) && isFromOtherPage(c))
      throw new Problem(
        403,
        'This was asked for by a page of another site.',
        'Use the pages of this service. A script sends the key without Origin and Sec-Fetch-Site.',
      );
    return enter(c, sent, user);
  }
  const session = await sessions.find(c);
  if (session !== null) {
    if (!['GET', 'HEAD', 'OPTIONS'].includes(c.req.method) && !isFromOwnPage(c))
      throw new Problem(
        403,
        'A session changes things from our own pages only, and this request does not say that it is from one.',
        'Scripts send the API key as X-API-Key instead of the cookie.',
      );
    return enter(c, session, user);
  }
  if (presented !== null) throw keys.refuse(c);
  if (c.req.method === 'GET' && page.test(c.req.path) && /\btext\/html\b/.test(c.req.header('accept') ?? ''))
    return showTheWay(c);
  throw new Problem(
    401,
    'This endpoint asks for the API key.',
    'Send it as X-API-Key or as Authorization: Bearer.',
    { headers: challenge },
  );
}

const reads = (c: Context): boolean => ['GET', 'HEAD'].includes(c.req.method);

/** Remembers the caller. Throws Problem for a change with a key that only reads. */
function enter(c: Context, key: ApiKey, user: string | null): undefined {
  if (key.readOnly && !reads(c))
    throw new Problem(
      403,
      `The key ${key.name ?? ''} only reads: ${c.req.method} is not possible with it.`,
      'Use a key that may change things: API_KEY or an API_KEY_<NAME> without READ.',
    );
  const name = key.name ?? 'API_KEY';
  c.set('keyName', name);
  c.set('readOnly', key.readOnly);
  c.set('caller', user === null ? name : `${user} (${name})`);
}

/** The name of the key behind a request, and of the person where a proxy says it. Null: nobody was asked for a key. */
export const callerOf = (c: Context): string | null => (c.get('caller') as string | undefined) ?? null;

/** Whether the key behind a request may change anything; nobody was asked for one: it may. */
export const mayWrite = (c: Context): boolean => c.get('readOnly') !== true;

/** The name of the key behind a request. Null: nobody was asked for one. */
export const keyNameOf = (c: Context): string | null => (c.get('keyName') as string | undefined) ?? null;

/** A name as a proxy sends it, without control characters; null: none. */
function userOf(header: string | undefined): string | null {
  if (header === undefined) return null;
  // node reads headers as Latin-1, proxies send UTF-8
  const decoded = Buffer.from(header, 'latin1').toString('utf8');
  const name = (decoded.includes('\ufffd') ? header : decoded).replaceAll(/\p{C}/gu, '').trim().slice(0, 200);
  return name === '' ? null : name;
}

const keyNames = /^(x-)?api[_-]?key$|^(access_?|auth_?|bearer_?)?token$|^key$/i;

/** Addresses are kept in histories and in the logs of proxies, so a key in one is a key given away. */
function refuseKeyInQuery(c: Context): void {
  const name = Object.keys(c.req.query()).find((given) => keyNames.test(given));
  if (name === undefined) return;
  throw new Problem(
    401,
    `The API key is not taken from the address (${name.slice(0, 20)}).`,
    'Send it as X-API-Key or as Authorization: Bearer. Addresses end up in logs: if this was the key, set another.',
    { headers: challenge },
  );
}

/** To the login page; who came from another site goes round once more, because only then its cookie comes along. */
function showTheWay(c: Context): Response | Promise<Response> {
  const { pathname, search } = new URL(c.req.url);
  if (['cross-site', 'same-site'].includes(c.req.header('sec-fetch-site') ?? ''))
    return c.html(
      html`<!doctype html>
        <html lang="en">
          <meta charset="utf-8" />
          <meta http-equiv="refresh" content="0;url=${pathname + search}" />
          <title>One moment</title>
          <p><a href="${pathname + search}">Go on</a></p>
        </html>`,
      401,
    );
  return c.redirect(
    pathname === '/' && search === '' ? '/login' : `/login?next=${encodeURIComponent(pathname + search)}`,
    302,
  );
}

/** Throws unless the request was made on this machine, for this machine. */
function refuseStrangers(c: Context, hasProxy: boolean): undefined {
  const hint = 'Set API_KEY and send it as X-API-Key: without a key the API answers this machine only.';
  const proxy = forwardingHeader(c);
  if (proxy !== null)
    throw new Problem(401, `The request came through a proxy (${proxy}), and no API key is set.`, hint);
  const sign = bareProxySign(c, hasProxy);
  if (sign !== null)
    throw new Problem(
      401,
      `The request may have come through a proxy (${sign}), and no API key is set.`,
      hint,
    );
  const host = c.req.header('host');
  if (host === undefined || !isLoopback(host))
    throw new Problem(
      401,
      `The request names ${host === undefined ? 'no host' : `the host '${host.slice(0, 100)}'`}, and no API key is set.`,
      hint,
    );
  if (isFromOtherPage(c))
    throw new Problem(401, 'The request was made by a page of another site, and no API key is set.', hint);
}
