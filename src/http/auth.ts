/**
 * Who may call. With an API key set, every endpoint but the open ones asks for it, or for the session of a browser that
 * sent it once; what a browser's session changes has to be asked for by our own pages.
 *
 * Without a key the API is for this machine: a request that came through a proxy, that names another host (a page that
 * resolves its own name to 127.0.0.1) or none, or that a page of another origin makes, is refused.
 */
import type { Context, MiddlewareHandler } from 'hono';
import { html } from 'hono/html';
import { challenge, createKeyCheck, presentedKey, type KeyCheck } from './key.ts';
import { forwardingHeader, isFromOtherPage, isFromOwnPage, isLoopback } from './origin.ts';
import { Problem } from './problem.ts';
import { createSessions, type Sessions } from './session.ts';

/** Answered to anybody, with and without a key set: probes have none, and Microsoft has none. */
const open: ReadonlySet<string> = new Set(['/health', '/ready', '/webhook/outlook-notifications']);

/** Answered to anybody who may still get in: where the key is typed, and where a session ends. */
const doorstep: ReadonlySet<string> = new Set(['/login', '/login/style.css', '/logout']);

/** Pages: a browser that has no session is shown the way to one. */
const page = /^\/(dashboard|docs)?\/?$/;

export interface AuthOptions {
  readonly apiKey: string | null;
  /** Milliseconds on a monotonic clock. */
  readonly now?: () => number;
}

/** What opens: null where no key is set. */
export type Door = { readonly keys: KeyCheck; readonly sessions: Sessions } | null;

/** The door, and what stands before every endpoint: it lets a request through, or says why not. */
export function createAuth({ apiKey, now = () => performance.now() }: AuthOptions): {
  readonly door: Door;
  readonly guard: MiddlewareHandler;
} {
  const door =
    apiKey === null ? null : { keys: createKeyCheck(apiKey, now), sessions: createSessions(apiKey) };
  return {
    door,
    async guard(c, next) {
      if (!open.has(c.req.path)) {
        const answer = door === null ? refuseStrangers(c) : await admit(c, door);
        if (answer !== undefined) return answer;
      }
      return next();
    },
  };
}

/** Nothing: come in. Else where a browser should go. Throws the Problem that refuses anybody else. */
async function admit(c: Context, { keys, sessions }: NonNullable<Door>): Promise<Response | undefined> {
  refuseKeyInQuery(c);
  if (doorstep.has(c.req.path)) return undefined;
  const presented = presentedKey(c);
  if (presented !== null && keys.isRight(presented)) return undefined;
  if (await sessions.isOpen(c)) {
    if (!['GET', 'HEAD', 'OPTIONS'].includes(c.req.method) && !isFromOwnPage(c))
      throw new Problem(
        403,
        'A session changes things from our own pages only, and this request does not say that it is from one.',
        'Scripts send the API key as X-API-Key instead of the cookie.',
      );
    return undefined;
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
function refuseStrangers(c: Context): undefined {
  const hint = 'Set API_KEY and send it as X-API-Key: without a key the API answers this machine only.';
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
