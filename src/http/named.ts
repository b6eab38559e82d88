/**
 * Reservations and resources by their keys: a parameter that takes a number takes the key too, and an answer has the key beside
 * the number. A schema makes a `Named` of what is no number; the hook of all routes puts the number in its place.
 */
import type { Context, MiddlewareHandler } from 'hono';
import { Invalid } from '../errors.ts';
import type { Id } from '../id.ts';
import type { Keys } from '../sync/report/keys.ts';
import { Problem } from './problem.ts';

/** A key that was given where a number may stand, or digits that may be one. No handler sees one. */
export class Named {
  readonly key: string;
  /** The number that its digits are, where no resource or reservation has that key; null: it is none. */
  readonly number: Id | null;
  constructor(key: string, number: Id | null) {
    this.key = key;
    this.number = number;
  }
}

const slot = 'keys' as never;

/** They say within a moment whether the database answers, and name nothing that has a key. */
const probes = ['/health', '/ready', '/openapi.json'];

/** Gives the keys to the hook, and adds them to what is answered. */
export function answerKeys(keys: Keys): MiddlewareHandler {
  return async function keysOfAnswers(c, next) {
    c.set(slot, keys as never);
    await next();
    const isJson = c.res.headers.get('content-type')?.startsWith('application/json') === true;
    if (!isJson || probes.includes(c.req.path)) return;
    const { reservations, resources } = await keys
      .keyed()
      .catch(() => ({ reservations: false, resources: false }));
    if (!reservations && !resources) return;
    const body: unknown = await c.res.clone().json();
    const { status, headers } = c.res;
    c.res = undefined;
    // what was done is answered, with its keys or without
    const answer = await keys.add(body).catch(() => body);
    c.res = new Response(JSON.stringify(answer), { status, headers });
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

async function numberOf({ key, number }: Named, name: string, fields: Fields, c: Context, field: string) {
  const keys = c.get(slot) as Keys | undefined;
  const type = fields['type'] ?? fields['reservation_type'];
  const isResource = name.startsWith('resource');
  const keyed = await keys?.keyed();
  const isKeyed = keyed !== undefined && (isResource ? keyed.resources : keyed.reservations);
  if (!isKeyed && number !== null) return number;
  if (!isKeyed)
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
  if (id !== null || number !== null) return id ?? number;
  throw new Problem(
    404,
    `There is no resource '${key.slice(0, 60)}'.`,
    'GET /resource-mapping lists those that are mapped.',
  );
}
