/** What the endpoints have in common: the words of their parameters and of their answers, and how each is refused. */
import { OpenAPIHono, z, type Hook } from '@hono/zod-openapi';
import type { Env } from 'hono';
import { Invalid } from '../errors.ts';
import { readId, type Id } from '../id.ts';
import { Named, resolveNamed } from './named.ts';

const limitMost = 1_000;
const clipped = (value: unknown) => `'${String(value).slice(0, 60)}'`;

/** Words that may be looked up or stored: PostgreSQL has no text with a NUL in it. */
export const text = (most: number) =>
  z
    .string({ error: ({ input }) => (input === undefined ? 'is missing' : 'is no text') })
    .max(most, { error: `is longer than ${most} characters` })
    .regex(/^[^\0]*$/, { error: 'has a NUL in it' });

/** A whole number in a path or query string, from 0 to `most`. */
export const whole = (most: number) =>
  z
    .string()
    .refine((text) => /^\d{1,16}$/.test(text) && Number(text) <= most, {
      error: ({ input }) => `${clipped(input)} is no whole number from 0 to ${most}`,
    })
    .transform(Number);

const keyMost = 200;
/** What is not as `own` has it may be a key: the hook looks it up, takes it for the number that it is, or refuses it. */
const orKey = <T extends Id>(read: (text: string) => T | null, own: RegExp, refusal: string) =>
  text(keyMost).transform((given, context): T => {
    const known = read(given);
    if (known !== null && own.test(given)) return known;
    if (known !== null || /\D/.test(given)) return new Named(given, known) as unknown as T;
    context.addIssue(`${clipped(given)} is no ${refusal}`);
    return z.NEVER;
  });
const resourceMost = 2 ** 31 - 1;
const readResource = (given: string) => {
  const id = readId(given);
  return typeof id === 'number' && id <= resourceMost ? id : null;
};

/** A code of a room may have digits only, and is no number then. */
const noneIsOwn = /(?!)/;
/** A reservation whose key is a whole number has that number. */
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
/** One in an answer. */
export const answeredId = z.union([z.number().int(), z.string().regex(/^-?\d+$/)]).openapi({
  description: 'A number; the digits as text, where a number of JSON would be rounded by many readers.',
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
      error: ({ input }) => (input === undefined ? 'is missing' : `${clipped(input)} is no id`),
    })
    .openapi({ type: ['integer', 'string'], example: 456 });
}

/** Which words there are is for the adapter to say: see `knownType`. */
export const reservationType = z
  .string()
  .regex(/^\w{1,64}$/, { error: ({ input }) => `${clipped(input)} is no word for a type of reservation` })
  .openapi({ example: 'event', description: 'PorticoEstate: event, booking or allocation.' });

export interface TypeParts {
  /** The booking system's types of reservations; null: any word may be one. */
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

/** How many at most: 1 to 1000; a larger number counts as 1000. */
export const limit = (usual: number) =>
  z
    .string()
    .refine((text) => /^0*[1-9]\d{0,14}$/.test(text), {
      error: ({ input }) => `${clipped(input)} is no whole number from 1 to ${limitMost}`,
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
    hint: z.string().openapi({ description: 'What to do next.' }),
    field: z.string().optional().openapi({ description: 'What is wrong in the request (400).' }),
  })
  .openapi('Problem');

const problemWords: Readonly<Record<number, string>> = {
  400: 'A parameter is wrong; `field` names it.',
  401: 'The API key is missing or wrong.',
  403: 'Not with a key that only reads, and not for a page of another site.',
  404: 'There is no such thing.',
  409: 'A person has to decide first.',
  413: 'The body is larger than 1 MB.',
  415: 'The body is no JSON.',
  422: 'Understood, but it cannot be done.',
  429: 'Too many wrong keys.',
  431: 'The address, or a header, is longer than 16 kB.',
  503: 'Not now; Retry-After says when.',
};

const json = <Schema extends z.ZodType>(schema: Schema) => ({ 'application/json': { schema } });

/** The answers of an endpoint: its success, and the problems it shares with all others or names itself. */
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

/** How an endpoint refuses with this status, as the document has it. */
export const problemAnswer = (status: number) => ({
  description: problemWords[status]!,
  // Node answers that one, before there is anything to write a body
  ...(status === 431
    ? {}
    : { content: { 'application/json': { schema: { $ref: '#/components/schemas/Problem' } } } }),
});

/** Refuses a request whose parameters do not fit, naming the first that does not; keys become numbers. */
const refuse: Hook<unknown, Env, string, unknown> = async (result, c) => {
  if (result.success) return await resolveNamed(result.data, c);
  const issue = result.error.issues[0]!;
  const field = z.core.toDotPath(issue.path) || (result.target === 'json' ? 'body' : result.target);
  throw new Invalid(field, `${field}: ${inWords(issue)}`, 'The parameters are described in /openapi.json.');
};

/** What is wrong; where a schema has no words for it, ours for zod's. */
function inWords(issue: z.core.$ZodIssue): string {
  if (!/^Invalid (input|option):/.test(issue.message)) return issue.message;
  if (issue.message.endsWith('received undefined')) return 'is missing';
  if (issue.code === 'invalid_value') return `is none of ${issue.values.join(', ')}`;
  return issue.code === 'invalid_type' ? `is no ${issue.expected}` : issue.message;
}

/** The routes of one area. */
export const newRoutes = () => new OpenAPIHono({ defaultHook: refuse });
