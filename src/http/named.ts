/**
 * Reservations and resources by their keys: a parameter that takes a number takes the key too, and an answer has the key beside
 * the number. A schema makes a `Named` of what is no number; the hook of all routes puts the number in its place.
 */
import type { Context, MiddlewareHandler } from 'hono';
import { Invalid } from '../errors.ts';
import type { Keys } from '../sync/report/keys.ts';
import { Problem } from './problem.ts';

/** A key that was given where a number may stand. No handler sees one. */
export class Named {
  readonly key: string;
  constructor(key: string) {
    this.key = key;
  }
}

const slot = 'keys' as never;

/** Gives the keys to the hook, and adds them to what is answered. */
export function answerKeys(keys: Keys): MiddlewareHandler {
  return async function keysOfAnswers(c, next) {
    c.set(slot, keys as never);
    await next();
    const isJson = c.res.headers.get('content-type')?.startsWith('application/json') === true;
    if (!isJson || c.req.path === '/openapi.json') return;
    const { reservations, resources } = await keys
      .keyed()
      .catch(() => ({ reservations: false, resources: false }));
    if (!reservations && !resources) return;
    const body: unknown = await c.res.clone().json();
    const { status, headers } = c.res;
    c.res = undefined;
    c.res = new Response(JSON.stringify(await keys.add(body)), { status, headers });
  };
}

type Fields = Record<string, unknown>;

/** Puts numbers in the place of keys, within what a schema made. Throws Invalid where there are no keys, Problem 404 for an unknown one. */
export async function resolveNamed(data: unknown, c: Context, path = ''): Promise<void> {
  if (Array.isArray(data)) {
    for (const [at, one] of data.entries()) await resolveNamed(one, c, `${path}${at}.`);
    return;
  }
  if (typeof data !== 'object' || data === null) return;
  const fields = data as Fields;
  for (const [name, value] of Object.entries(fields))
    if (value instanceof Named) fields[name] = await numberOf(value, name, fields, c, `${path}${name}`);
    else if (Array.isArray(value)) await resolveNamed(value, c, `${path}${name}.`);
}

async function numberOf({ key }: Named, name: string, fields: Fields, c: Context, field: string) {
  const keys = c.get(slot) as Keys | undefined;
  const type = fields['type'] ?? fields['reservation_type'];
  const isResource = name.startsWith('resource');
  const keyed = keys === undefined ? null : await keys.keyed();
  if (keyed === null || !(isResource ? keyed.resources : keyed.reservations))
    throw new Invalid(
      field,
      `${field}: '${key.slice(0, 60)}' is no ${isResource ? 'whole number from 0 to 2147483647' : 'id: a whole number below 2^63'}`,
      'The parameters are described in /openapi.json.',
    );
  if (!isResource && typeof type !== 'string')
    throw new Invalid(
      field,
      `${field}: a key needs reservation_type beside it`,
      'The parameters are described in /openapi.json.',
    );
  const id = isResource ? await keys!.resource(key) : await keys!.reservation(type as string, key);
  if (id !== null) return id;
  throw new Problem(
    404,
    `There is no resource '${key.slice(0, 60)}'.`,
    'GET /resource-mapping lists those that are mapped.',
  );
}
