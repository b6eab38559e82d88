/**
 * Reservations and resources by key: a parameter for a number also accepts the key, and an answer has the key next to the number. A
 * schema turns a value that is not a number into a `Named`; the hook of all routes replaces it by the number.
 */
import type { Context, MiddlewareHandler } from 'hono';
import { Invalid } from '../errors.ts';
import type { Id } from '../id.ts';
import type { Keys } from '../sync/report/keys.ts';
import { Problem } from './problem.ts';

/** A key in place of a number, or digits that may be a key. The hook resolves it before the handler. */
export class Named {
  readonly key: string;
  /** The number of its digits, used if no resource or reservation has that key; null: not a number. */
  readonly number: Id | null;
  constructor(key: string, number: Id | null) {
    this.key = key;
    this.number = number;
  }
}

const slot = 'keys' as never;

/** Endpoints that must answer at once and have no keys in their answers. */
const probes = ['/health', '/ready', '/openapi.json'];

/** Resolves keys in requests and adds them to answers. */
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
    // a completed action is answered even without keys
    const answer = await keys.add(body).catch(() => body);
    c.res = new Response(JSON.stringify(answer), { status, headers });
  };
}

type Fields = Record<string, unknown>;

/** Replaces keys by numbers in a parsed value. Throws Invalid if the system has no keys, Problem 404 for an unknown key. */
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
      `${field}: '${key.slice(0, 60)}' is not ${isResource ? 'a whole number from 0 to 2147483647' : 'an id: a whole number below 2^63'}`,
      'The parameters are described in /openapi.json.',
    );
  if (!isResource && typeof type !== 'string')
    throw new Invalid(
      field,
      `${field}: a key also needs reservation_type`,
      'The parameters are described in /openapi.json.',
    );
  const id = isResource ? await keys!.resource(key) : await keys!.reservation(type as string, key);
  if (id !== null || number !== null) return id ?? number;
  throw new Problem(
    404,
    `There is no resource '${key.slice(0, 60)}'.`,
    'GET /resource-mapping lists the mapped ones.',
  );
}
