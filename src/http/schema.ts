/** Parts shared by the endpoints: schemas of parameters and answers, and refusals. */
import { OpenAPIHono, z, type Hook } from '@hono/zod-openapi';
import type { Env } from 'hono';
import { Invalid } from '../errors.ts';
import { readId, type Id } from '../id.ts';
import { Named, resolveNamed } from './named.ts';

const limitMost = 1_000;
const clipped = (value: unknown) => `'${String(value).slice(0, 60)}'`;

/** Text that PostgreSQL can store: without NUL and without half of a surrogate pair. */
export const text = (most: number) =>
  z
    .string({ error: ({ input }) => (input === undefined ? 'is missing' : 'is no text') })
    .max(most, { error: `is longer than ${most} characters` })
    .regex(/^[^\0]*$/, { error: 'has a NUL in it' })
    .refine((value) => value.isWellFormed(), { error: 'has half of a surrogate pair in it' });

/** A whole number in a path or query string, from 0 to `most`. */
export const whole = (most: number) =>
  z
    .string()
    .refine((text) => /^\d{1,16}$/.test(text) && Number(text) <= most, {
      error: ({ input }) => `${clipped(input)} is not a whole number from 0 to ${most}`,
    })
    .transform(Number);

const keyMost = 200;
/** A value that `own` rejects may be a key: the hook resolves it to a number or refuses it. */
const orKey = <T extends Id>(read: (text: string) => T | null, own: RegExp, refusal: string) =>
  text(keyMost).transform((given, context): T => {
    const known = read(given);
    if (known !== null && own.test(given)) return known;
    if (known !== null || /\D/.test(given)) return new Named(given, known) as unknown as T;
    context.addIssue(`${clipped(given)} is not a ${refusal}`);
    return z.NEVER;
  });
const resourceMost = 2 ** 31 - 1;
const readResource = (given: string) => {
  const id = readId(given);
  return typeof id === 'number' && id <= resourceMost ? id : null;
};

/** The code of a room may consist of digits, so digits are resolved as well. */
const noneIsOwn = /(?!)/;
/** A key of a reservation that is a whole number is used as the number. */
const ownNumber = /^[1-9]\d*$/;

/** A resource in a path or query string, by its number or its key. */
export const resourceId = orKey(readResource, noneIsOwn, `whole number from 0 to ${resourceMost}`).openapi({
  type: ['integer', 'string'],
  example: 123,
});
/** A reservation in a path or query string, by its number (any bigint) or its key. */
export const reservationId = orKey<Id>(readId, ownNumber, 'id: a whole number below 2^63').openapi({
  type: ['integer', 'string'],
  example: 456,
});
/** An id in an answer. */
export const answeredId = z.union([z.number().int(), z.string().regex(/^-?\d+$/)]).openapi({
  description: 'A number, or its digits as text if many JSON parsers would round it.',
});
export const mappingId = whole(Number.MAX_SAFE_INTEGER).openapi({ type: 'integer', example: 1 });

/** An id in a body: scripts send it as a number or as its digits. */
export const bodyId = idOf(whole(Number.MAX_SAFE_INTEGER));
/** An id of the booking system in a body. A number that JSON.parse would round arrives as its digits (body.ts). */
export const bodyReservationId = idOf(reservationId);
/** A resource in a body. */
export const bodyResourceId = idOf(resourceId, resourceMost);

function idOf<T extends z.ZodType>(digits: T, most = Number.MAX_SAFE_INTEGER) {
  return z
    .union([z.number().int().nonnegative().max(most), digits], {
      error: ({ input }) => (input === undefined ? 'is missing' : `${clipped(input)} is not an id`),
    })
    .openapi({ type: ['integer', 'string'], example: 456 });
}

/** The adapter defines the types: see `knownType`. */
export const reservationType = z
  .string()
  .regex(/^\w{1,64}$/, { error: ({ input }) => `${clipped(input)} is not a type of reservation` })
  .openapi({ example: 'event', description: 'PorticoEstate: event, booking or allocation.' });

export interface TypeParts {
  /** The booking system's types of reservations; null: any word is accepted. */
  readonly reservationTypes: () => Promise<readonly string[] | null>;
}

/** Throws Invalid for a type that the booking system does not have. */
export async function knownType(
  { reservationTypes }: TypeParts,
  type: string,
  field = 'type',
): Promise<void> {
  const types = await reservationTypes();
  if (types === null || types.includes(type)) return;
  throw new Invalid(
    field,
    `${field}: ${clipped(type)} is none of ${types.join(', ')}`,
    'The parameters are described in /openapi.json.',
  );
}

/** A limit from 1 to 1000; a larger number counts as 1000. */
export const limit = (usual: number) =>
  z
    .string()
    .refine((text) => /^0*[1-9]\d{0,14}$/.test(text), {
      error: ({ input }) => `${clipped(input)} is not a whole number from 1 to ${limitMost}`,
    })
    .default(String(usual))
    .transform((text) => Math.min(Number(text), limitMost))
    .openapi({ type: 'integer', minimum: 1, maximum: limitMost, default: usual });

/** An instant, ISO 8601 in UTC. */
export const instant = z.union([z.date(), z.string()]).openapi({ type: 'string', format: 'date-time' });
export const instantOrNull = z
  .union([z.date(), z.string(), z.null()])
  .openapi({ type: ['string', 'null'], format: 'date-time' });

const problemSchema = z
  .object({
    success: z.literal(false),
    error: z.string(),
    hint: z.string().openapi({ description: 'The remedy.' }),
    field: z.string().optional().openapi({ description: 'The invalid field of the request (400).' }),
  })
  .openapi('Problem');

const problemWords: Readonly<Record<number, string>> = {
  400: 'A parameter is invalid; `field` names it.',
  401: 'The API key is missing or wrong.',
  403: 'Refused for a read-only key or for a page of another site.',
  404: 'Not found.',
  409: 'A person has to decide first.',
  413: 'The body is larger than 1 MB.',
  415: 'The body is not JSON.',
  422: 'Valid, but not possible.',
  429: 'Too many wrong keys.',
  431: 'The address, or a header, is longer than 16 kB.',
  503: 'Temporarily unavailable; see Retry-After.',
};

/** The content of a request or an answer. */
export const json = <Schema extends z.ZodType>(schema: Schema) => ({ 'application/json': { schema } });

/** The answers of an endpoint: its success, the common problems, and its own ones. */
export function answers<Schema extends z.ZodType>(
  description: string,
  schema: Schema,
  also: readonly number[] = [],
) {
  const problems = [400, 401, 429, 503, ...also].map((status) => [
    status,
    { description: problemWords[status]!, content: json(problemSchema) },
  ]);
  return {
    ...(Object.fromEntries(problems) as Record<400 | 401 | 429 | 503, (typeof ok)['problem']>),
    200: { description, content: json(schema) },
  };
}
const ok = { problem: { description: '', content: json(problemSchema) } };

/** The answer of an endpoint that refuses with this status. */
export const problemAnswer = (status: number) => ({
  description: problemWords[status]!,
  // Node sends this answer itself, without a body
  ...(status === 431
    ? {}
    : { content: { 'application/json': { schema: { $ref: '#/components/schemas/Problem' } } } }),
});

/** Refuses a request with invalid parameters and names the first one; replaces keys by numbers. */
const refuse: Hook<unknown, Env, string, unknown> = async (result, c) => {
  if (result.success) return await resolveNamed(result.data, c);
  const issue = result.error.issues[0]!;
  const field = z.core.toDotPath(issue.path) || (result.target === 'json' ? 'body' : result.target);
  throw new Invalid(field, `${field}: ${inWords(issue)}`, 'The parameters are described in /openapi.json.');
};

/** The error text; replaces zod's own texts. */
function inWords(issue: z.core.$ZodIssue): string {
  if (!/^Invalid (input|option):/.test(issue.message)) return issue.message;
  if (issue.message.endsWith('received undefined')) return 'is missing';
  if (issue.code === 'invalid_value') return `is none of ${issue.values.join(', ')}`;
  return issue.code === 'invalid_type' ? `is not of type ${issue.expected}` : issue.message;
}

/** The routes of one area. */
export const newRoutes = () => new OpenAPIHono({ defaultHook: refuse });
