/**
 * One line per request: path template (without ids, names or other parts of the address), status, duration, and an id that
 * is also in the answer. Reads have level debug because pages and probes poll; requests that change something or are refused
 * have level info, and our own failures are warnings.
 */
import type { Context, MiddlewareHandler } from 'hono';
import { every } from 'hono/combine';
import { requestId } from 'hono/request-id';
import { matchedRoutes } from 'hono/route';
import type { Logger } from '../log.ts';

export type RequestLog = Pick<Logger, 'debug' | 'info' | 'warn'>;

export function logRequests(log: RequestLog): MiddlewareHandler {
  return every(requestId({ limitLength: 64 }), async function answered(c, next) {
    const began = performance.now();
    await next();
    const { method } = c.req;
    const { status } = c.res;
    const ms = Math.round((performance.now() - began) * 10) / 10;
    const fields = {
      method,
      route: routeOf(c),
      status,
      ms,
      requestId: c.get('requestId') as string,
      // only the name of the key, never of the person
      keyName: c.get('keyName') as string | undefined,
    };
    log[levelOf(method, fields.route, status)](fields, 'request');
  });
}

/** Microsoft calls this up to thousands of times a second. */
const receiver = '/webhook/outlook-notifications';

function levelOf(method: string, route: string, status: number): 'debug' | 'info' | 'warn' {
  // a probe repeats every few seconds after "not ready", and the cause has its own log line
  if (route === receiver || route === '/ready') return 'debug';
  const reads = ['GET', 'HEAD', 'OPTIONS'].includes(method);
  // an outage has one log line, not one for each request meanwhile
  if (status === 503) return reads ? 'debug' : 'info';
  if (status >= 500) return 'warn';
  return status >= 400 || !reads ? 'info' : 'debug';
}

/** The path template; 'unknown' for a path without a route. */
export const routeOf = (c: Context): string =>
  matchedRoutes(c).findLast(({ method }) => method !== 'ALL')?.path ?? 'unknown';
