/**
 * Unknown query parameters are refused with a suggestion: otherwise `?limt=5` would mean the default limit, and `?resource=5` every
 * room.
 */
import type { OpenAPIHono } from '@hono/zod-openapi';
import type { MiddlewareHandler } from 'hono';
import { matchedRoutes } from 'hono/route';
import { Invalid } from '../errors.ts';
import { nearest } from './nearest.ts';

/** Endpoints for programs that add their own parameters: probes, Microsoft. */
const lenient: ReadonlySet<string> = new Set(['/health', '/ready', '/webhook/outlook-notifications']);

export function knownQueries(app: OpenAPIHono): MiddlewareHandler {
  let known: ReadonlyMap<string, readonly string[]> | null = null;
  return async function queries(c, next) {
    known ??= queriesOf(app);
    const route = matchedRoutes(c).findLast(({ method }) => method === c.req.method);
    const names = route === undefined ? undefined : known.get(`${route.method} ${route.path}`);
    if (names !== undefined && !lenient.has(c.req.path)) {
      const stranger = Object.keys(c.req.query()).find((name) => !names.includes(name));
      if (stranger !== undefined) throw unknown(stranger, names);
    }
    return next();
  };
}

function unknown(given: string, names: readonly string[]): Invalid {
  const name = given.slice(0, 60);
  if (names.length === 0)
    return new Invalid(name, `${name}: this endpoint takes no query parameters`, 'Leave it out.');
  const meant = nearest(name, names);
  const all = `Its parameters are ${names.join(', ')}.`;
  return new Invalid(
    name,
    `${name}: is not a parameter of this endpoint`,
    meant === null ? all : names.length === 1 ? `Did you mean ${meant}?` : `Did you mean ${meant}? ${all}`,
  );
}

/** `METHOD path` as the router has it → the names of its query parameters. */
function queriesOf({ openAPIRegistry: registry }: OpenAPIHono): ReadonlyMap<string, readonly string[]> {
  return new Map(
    registry.definitions.flatMap((definition) => {
      if (definition.type !== 'route') return [];
      const { method, path, request } = definition.route;
      const query = request?.query;
      const shape = query !== undefined && 'shape' in query ? (query.shape as object) : {};
      const routed = path.replaceAll(/\{(\w+)\}/g, ':$1');
      return [[`${method.toUpperCase()} ${routed}`, Object.keys(shape)] as const];
    }),
  );
}
