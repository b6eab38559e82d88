/**
 * Access to the API. With a key set, every endpoint except the open ones requires a key or a browser session; changes with a
 * session must come from our own pages.
 *
 * Without a key the API serves this machine only: requests through a proxy, with another host name (DNS rebinding) or none, and
 * requests from a page of another origin are refused. A proxy that sends no headers of its own cannot be told from a program of
 * this machine, which may speak HTTP/1.0 (PHP's file_get_contents does); `doctor` asks whether the public address opens the API.
 */
import type { Context, MiddlewareHandler } from 'hono';
import { html } from 'hono/html';
import type { ApiKey } from '../config.ts';
import { challenge, createKeyCheck, presentedKey, type KeyCheck } from './key.ts';
import { forwardingHeader, isFromOtherPage, isFromOwnPage, isLoopback } from './origin.ts';
import { Problem } from './problem.ts';
import { createSessions, type Sessions } from './session.ts';

/** Open with and without a key set, because probes and Microsoft have no key. */
const open: ReadonlySet<string> = new Set(['/health', '/ready', '/webhook/outlook-notifications']);

/** Open for login and logout. */
const doorstep: ReadonlySet<string> = new Set(['/login', '/login/style.css', '/logout']);

/** Pages that redirect a browser without a session to the login. */
const page = /^\/(dashboard|docs)?\/?$/;

export interface AuthOptions {
  /** Empty: no key is required. */
  readonly keys: readonly ApiKey[];
  /** The header, in lower case, with the user's name from a proxy; trusted only together with a key or session. */
  readonly userHeader?: string | null;
  /** Milliseconds on a monotonic clock. */
  readonly now?: () => number;
}

/** The valid keys; null if no key is set. */
export type Door = { readonly keys: KeyCheck; readonly sessions: Sessions } | null;

/** Access control and the middleware that applies it to every endpoint. */
export function createAuth({ keys, userHeader = null, now = () => performance.now() }: AuthOptions): {
  readonly door: Door;
  readonly guard: MiddlewareHandler;
} {
  const door = keys.length === 0 ? null : { keys: createKeyCheck(keys, now), sessions: createSessions(keys) };
  return {
    door,
    async guard(c, next) {
      if (!open.has(c.req.path)) {
        const answer = door === null ? refuseStrangers(c) : await admit(c, door, userHeader);
        if (answer !== undefined) return answer;
        if (door === null && !doorstep.has(c.req.path)) c.set('caller', 'this machine');
      }
      return next();
    },
  };
}

/** Returns nothing if access is granted, or the redirect for a browser. Throws the Problem that refuses other clients. */
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
    // a proxy may add the key to requests of browsers; a script sends no Origin and no Sec-Fetch-Site
    if (!reads(c) && isFromOtherPage(c))
      throw new Problem(
        403,
        'The request was made by a page of another site.',
        'Use the pages of this service. A script sends the key without Origin and Sec-Fetch-Site.',
      );
    return enter(c, sent, user);
  }
  const session = await sessions.find(c);
  if (session !== null) {
    if (!['GET', 'HEAD', 'OPTIONS'].includes(c.req.method) && !isFromOwnPage(c))
      throw new Problem(
        403,
        'A session can make changes only from our own pages, and this request does not come from one.',
        'Scripts send the API key as X-API-Key instead of the cookie.',
      );
    return enter(c, session, user);
  }
  if (presented !== null) throw keys.refuse(c);
  if (c.req.method === 'GET' && page.test(c.req.path) && /\btext\/html\b/.test(c.req.header('accept') ?? ''))
    return showTheWay(c);
  throw new Problem(
    401,
    'This endpoint requires the API key.',
    'Send it as X-API-Key or as Authorization: Bearer.',
    { headers: challenge },
  );
}

const reads = (c: Context): boolean => ['GET', 'HEAD'].includes(c.req.method);

/** Stores the caller in the context. Throws Problem for a change with a read-only key. */
function enter(c: Context, key: ApiKey, user: string | null): undefined {
  if (key.readOnly && !reads(c))
    throw new Problem(
      403,
      `The key ${key.name ?? ''} is read-only: ${c.req.method} is not allowed.`,
      'Use a key with write access: API_KEY or an API_KEY_<NAME> without READ.',
    );
  const name = key.name ?? 'API_KEY';
  c.set('keyName', name);
  c.set('readOnly', key.readOnly);
  c.set('caller', user === null ? name : `${user} (${name})`);
}

/** The name of the request's key, with the user's name from a proxy. Null: no key is required. */
export const callerOf = (c: Context): string | null => (c.get('caller') as string | undefined) ?? null;

/** Whether the request may make changes; without required keys it may. */
export const mayWrite = (c: Context): boolean => c.get('readOnly') !== true;

/** The name of the request's key. Null: no key is required. */
export const keyNameOf = (c: Context): string | null => (c.get('keyName') as string | undefined) ?? null;

/** A user's name from a proxy, without control characters; null: none. */
function userOf(header: string | undefined): string | null {
  if (header === undefined) return null;
  // node reads headers as Latin-1, proxies send UTF-8
  const decoded = Buffer.from(header, 'latin1').toString('utf8');
  const name = (decoded.includes('\ufffd') ? header : decoded).replaceAll(/\p{C}/gu, '').trim().slice(0, 200);
  return name === '' ? null : name;
}

const keyNames = /^(x-)?api[_-]?key$|^(access_?|auth_?|bearer_?)?token$|^key$/i;

/** Addresses are stored in histories and proxy logs, so a key in an address is exposed. */
function refuseKeyInQuery(c: Context): void {
  const name = Object.keys(c.req.query()).find((given) => keyNames.test(given));
  if (name === undefined) return;
  throw new Problem(
    401,
    `An API key in the address is not accepted (${name.slice(0, 20)}).`,
    'Send it as X-API-Key or as Authorization: Bearer. Addresses are stored in logs: if this was a valid key, replace it.',
    { headers: challenge },
  );
}

/** Redirects to the login page. A navigation from another site is redirected to itself first, because only then the browser sends its cookie. */
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

/** Throws unless the request was made on this machine and is addressed to it. */
function refuseStrangers(c: Context): undefined {
  const hint =
    'Set API_KEY and send it as X-API-Key: without a key the API answers only requests from this machine.';
  const proxy = forwardingHeader(c);
  if (proxy !== null)
    throw new Problem(401, `The request came through a proxy (${proxy}), and no API key is set.`, hint);
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
