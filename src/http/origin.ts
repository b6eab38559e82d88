/**
 * The origin of a request, from headers that a browser sets and a page cannot: `Origin`, `Sec-Fetch-Site`, `Host`.
 *
 * Hono's csrf middleware checks form bodies only and leaves JSON to CORS; here every state-changing request of a browser must come
 * from our own pages, independent of its body.
 */
import { isIP } from 'node:net';
import type { Context } from 'hono';

/**
 * Whether the browser uses https to the proxy that terminates TLS, according to the proxy's header or the origin of a form. Both can be
 * forged; the only effects are the cookie's Secure and HSTS, which a browser on plain http ignores, so only the forger is affected.
 */
export function isHttps(c: Context): boolean {
  const said = c.req.header('x-forwarded-proto')?.split(',')[0]?.trim().toLowerCase();
  if (said !== undefined) return said === 'https';
  if (/(^|[;,\s])proto="?https\b/i.test(c.req.header('forwarded') ?? '')) return true;
  return c.req.header('origin') === `https://${c.req.header('host')}`;
}

/** Whether one of our own pages made the request; false if unknown. */
export function isFromOwnPage(c: Context): boolean {
  const site = c.req.header('sec-fetch-site');
  if (site !== undefined) return site === 'same-origin';
  return isOwnOrigin(c);
}

/** Whether a page of another site made the request; false if unknown (a script, curl). */
export function isFromOtherPage(c: Context): boolean {
  // a followed link only shows a page; it changes and reveals nothing
  if (c.req.method === 'GET' && c.req.header('sec-fetch-mode') === 'navigate') return false;
  const site = c.req.header('sec-fetch-site');
  if (site !== undefined) return site !== 'same-origin' && site !== 'none';
  return c.req.header('origin') !== undefined && !isOwnOrigin(c);
}

function isOwnOrigin(c: Context): boolean {
  const origin = c.req.header('origin');
  const host = c.req.header('host');
  return origin === `https://${host}` || (origin === `http://${host}` && !isHttps(c));
}

/** localhost, 127.0.0.0/8 or ::1, with or without a port. */
export function isLoopback(host: string): boolean {
  if (!URL.canParse(`http://${host}/`)) return false;
  const { hostname } = new URL(`http://${host}/`);
  return (
    /^(.+\.)?localhost\.?$/.test(hostname) ||
    hostname === '[::1]' ||
    (isIP(hostname) === 4 && hostname.startsWith('127.'))
  );
}

/** Headers set by proxies: the standard's, nginx's, and those of CDNs, ingresses and clouds. */
const forwarding =
  /^(forwarded|via|x-(original-)?forwarded(-.+)?|x-real-ip|(x-|true-|fly-)(cluster-)?client-ip|cf-connecting-ip|x-envoy-external-address)$/;

/** The header that reveals a proxy, or null. */
export const forwardingHeader = (c: Context): string | null =>
  Object.keys(c.req.header()).find((name) => forwarding.test(name)) ?? null;
