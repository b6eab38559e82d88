/** The audit trail: a change and its caller are recorded before the change is made; a change that cannot be recorded is refused. */
import type { Context, MiddlewareHandler } from 'hono';
import { Retryable } from '../errors.ts';
import { readId } from '../id.ts';
import type { Audit, Request } from '../sync/manual/audit.ts';
import type { Keys } from '../sync/report/keys.ts';
import { routeOf } from './access-log.ts';
import { callerOf } from './auth.ts';

const pathMost = 500;
const bodyMost = 2_000;

export const auditRequests =
  ({ asked, answered }: Audit, keys: Keys): MiddlewareHandler =>
  async (c, next) => {
    const who = callerOf(c);
    const route = routeOf(c);
    if (who === null || route === 'unknown' || ['GET', 'HEAD', 'OPTIONS'].includes(c.req.method))
      return next();
    const id = await asked(await requestOf(c, who, route, keys));
    await next();
    await answered(id, c.res.status).catch((error: unknown) => {
      // the caller already has the answer, and the line has the request
      if (!(error instanceof Retryable)) throw error;
    });
  };

async function requestOf(c: Context, who: string, route: string, keys: Keys): Promise<Request> {
  const given = c.req.path.split('/');
  const named = new Map(
    route
      .split('/')
      .flatMap((part, at) => (part.startsWith(':') ? [[part.slice(1), decoded(given[at] ?? '')]] : [])),
  );
  const body = await c.req.text();
  const type = named.get('type');
  const id =
    type === undefined
      ? readId(named.get('id') ?? '')
      : await keys.reservation(type, named.get('id') ?? '').catch(() => null);
  const place = named.get('resource') ?? '';
  const resource = readId(place) ?? (place === '' ? null : await keys.resource(place).catch(() => null));
  return {
    who,
    what: `${c.req.method} ${route.replaceAll(/:(\w+)/g, '{$1}')}`,
    mapping: route.startsWith('/conflicts/') && typeof id === 'number' ? id : null,
    reservation: type !== undefined && /^\w{1,64}$/.test(type) && id !== null ? { type, id } : null,
    resourceId: typeof resource === 'number' && resource < 2 ** 31 ? resource : null,
    detail: { path: kept(c.req.path, pathMost), ...(body === '' ? {} : { body: kept(body, bodyMost) }) },
  };
}

/** Decoded as by the router; malformed text is returned unchanged. */
function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** The text without characters that PostgreSQL's JSON cannot store. */
const kept = (text: string, most: number): string => text.slice(0, most).replaceAll('\0', '').toWellFormed();
