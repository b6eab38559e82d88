/**
 * Who may call. With an API key set, every endpoint but the open ones asks for it; a wrong key costs one of 30 tries a
 * minute and address, a missing one costs nothing, and the right one is never refused.
 *
 * Without a key the API is for this machine: a request that came through a proxy, or that names another host (a page
 * that resolves its own name to 127.0.0.1), is refused, and so is one that a page of another origin makes.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { isIP } from 'node:net';
import type { HttpBindings } from '@hono/node-server';
import type { Context, MiddlewareHandler } from 'hono';
import { Problem } from './problem.ts';

/** Answered without a key: probes have none. */
const open: ReadonlySet<string> = new Set(['/health', '/ready']);

const triesAMinute = 30;
const addressesMost = 10_000;

export interface AuthOptions {
  readonly apiKey: string | null;
  /** Milliseconds on a monotonic clock. */
  readonly now?: () => number;
}

/** Lets a request through or throws the Problem that refuses it. */
export function requireKey({ apiKey, now = () => performance.now() }: AuthOptions): MiddlewareHandler {
  const wrong = createTries(now);
  const check = apiKey === null ? refuseStrangers : (c: Context) => checkKey(c, digest(apiKey), wrong);
  return async function auth(c, next) {
    if (!open.has(c.req.path)) check(c);
    await next();
  };
}

function checkKey(c: Context, right: Buffer, wrong: Tries): void {
  const given = c.req.header('x-api-key') ?? /^Bearer +(.+)$/i.exec(c.req.header('authorization') ?? '')?.[1];
  if (given === undefined || given === '')
    throw new Problem(
      401,
      'This endpoint asks for the API key.',
      'Send it as X-API-Key or as Authorization: Bearer.',
      { headers: { 'WWW-Authenticate': 'Bearer' } },
    );
  // digests are equally long, so the comparison takes the same time whatever was sent
  if (timingSafeEqual(digest(given.trim()), right)) return;
  const waitSeconds = wrong.count(addressOf(c));
  if (waitSeconds > 0)
    throw new Problem(429, 'Too many wrong API keys from this address.', `Wait ${waitSeconds} s.`, {
      headers: { 'Retry-After': String(waitSeconds) },
    });
  throw new Problem(
    401,
    'The API key is wrong.',
    'It is the value of API_KEY in the settings of the daemon.',
    {
      headers: { 'WWW-Authenticate': 'Bearer' },
    },
  );
}

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

/** The other end of the connection. Headers that say otherwise are anybody's to write. */
function addressOf(c: Context): string {
  const { incoming } = (c.env ?? {}) as Partial<HttpBindings>;
  return (incoming?.socket.remoteAddress ?? 'unknown').replace(/^::ffff:/, '');
}

interface Tries {
  /** Counts one wrong key; returns 0, or the seconds to wait when there were too many within a minute. */
  count(address: string): number;
}

function createTries(now: () => number): Tries {
  const windows = new Map<string, { readonly since: number; tries: number }>();
  return {
    count(address) {
      let window = windows.get(address);
      if (window === undefined || now() - window.since >= 60_000) {
        windows.delete(address);
        // the oldest window makes place: a flood of addresses must not fill the memory
        if (windows.size >= addressesMost) windows.delete(windows.keys().next().value!);
        windows.set(address, (window = { since: now(), tries: 0 }));
      }
      window.tries += 1;
      if (window.tries <= triesAMinute) return 0;
      return Math.max(1, Math.ceil((window.since + 60_000 - now()) / 1_000));
    },
  };
}

const forwarding =
  /^(forwarded|via|x-forwarded(-.+)?|x-real-ip|x-client-ip|true-client-ip|cf-connecting-ip)$/;

function refuseStrangers(c: Context): void {
  const hint = 'Set API_KEY and send it as X-API-Key: without a key the API answers this machine only.';
  const forwarded = Object.keys(c.req.header()).find((name) => forwarding.test(name));
  if (forwarded !== undefined)
    throw new Problem(401, `The request came through a proxy (${forwarded}), and no API key is set.`, hint);
  const host = c.req.header('host') ?? new URL(c.req.url).host;
  if (!isLoopback(host))
    throw new Problem(
      401,
      `The request names the host '${host.slice(0, 100)}', and no API key is set.`,
      hint,
    );
  const origin = c.req.header('origin');
  const foreign = origin !== undefined && origin !== 'null' && origin !== `http://${host}`;
  if (c.req.header('sec-fetch-site') === 'cross-site' || foreign || origin === 'null')
    throw new Problem(401, 'The request was made by a page of another site, and no API key is set.', hint);
}

/** localhost, 127.0.0.0/8 or ::1, with or without a port. */
function isLoopback(host: string): boolean {
  if (!URL.canParse(`http://${host}/`)) return false;
  const { hostname } = new URL(`http://${host}/`);
  return (
    /^(.+\.)?localhost\.?$/.test(hostname) ||
    hostname === '[::1]' ||
    (isIP(hostname) === 4 && hostname.startsWith('127.'))
  );
}
