/**
 * One line for each request: what was asked, by its template, so without ids, names or anything else of the address;
 * what was answered, how long it took, and an id that the answer carries too. Reading is level debug, for pages and
 * probes ask all day; what changes something or is refused is level info, and our own failures are warnings.
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
      // the name of the key, never that of the person
      keyName: c.get('keyName') as string | undefined,
    };
    log[levelOf(method, fields.route, status)](fields, 'request');
  });
}

/** Called by Microsoft, up to thousands of times a second. */
const receiver = '/webhook/outlook-notifications';

function levelOf(method: string, route: string, status: number): 'debug' | 'info' | 'warn' {
  // a probe that is told "not ready" asks again every few seconds; what is wrong is a log line of its own
  if (route === receiver || route === '/ready') return 'debug';
  const reads = ['GET', 'HEAD', 'OPTIONS'].includes(method);
  // an outage is a log line of its own, not one for each page that asks meanwhile
  if (status === 503) return reads ? 'debug' : 'info';
  if (status >= 500) return 'warn';
  return status >= 400 || !reads ? 'info' : 'debug';
}

/** The path as it is described; 'unknown' for one that is not. */
export const routeOf = (c: Context): string =>
  matchedRoutes(c).findLast(({ method }) => method !== 'ALL')?.path ?? 'unknown';
