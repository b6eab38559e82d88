/**
 * Every operation of /openapi.json, called with parameters and bodies drawn from its own description and with hostile
 * ones: whatever is sent, the answer is one that the description promises (`call` checks that), never a failure of ours,
 * and without a stack or a secret in it.
 */
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openApi, type Api } from './api.ts';

const key = 'correct horse battery staple';

interface Schema {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly enum?: readonly unknown[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly example?: unknown;
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly anyOf?: readonly Schema[];
}
interface Operation {
  readonly parameters?: readonly { readonly name: string; readonly in: string; readonly schema: Schema }[];
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: Schema }>> };
}
interface Description {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> };
}

let api: Api;
let secrets: readonly string[];
let description: Description;
beforeAll(async () => {
  api = await openApi({ apiKey: key, worked: false, waitMs: 1 });
  await api.desk.book(101, { from: api.day(1, '10:00'), to: api.day(1, '11:00'), title: 'Formannskap' });
  await api.desk.book(102, { from: api.day(2, '10:00'), to: api.day(2, '11:00'), title: 'Bystyre' });
  await api.settle();
  await api.db.query(
    `INSERT INTO bridge_subscriptions (resource_mapping_id, outlook_item_id, subscription_id, notification_url)
     SELECT id, outlook_item_id, 'subscription-1', 'https://sync.example.org' FROM bridge_resource_mappings LIMIT 1`,
  );
  const states = await api.db.query<{ state: string }>(
    'SELECT client_state AS state FROM bridge_subscriptions',
  );
  secrets = [key, ...states.map(({ state }) => state)];
  description = (await api.call('GET', '/openapi.json', { headers: { 'X-API-Key': key } }))
    .body as unknown as Description;
});
afterAll(() => api[Symbol.asyncDispose]());

const hostileText = fc.oneof(
  fc.constantFrom(
    '',
    ' ',
    '-1',
    '0',
    '1e3',
    '0x10',
    '1.5',
    'NaN',
    'null',
    'true',
    '2147483647',
    '2147483648',
    '9007199254740991',
    '9223372036854775808',
    '1'.repeat(400),
    "101'; DROP TABLE bb_event; --",
    '\0',
    'a\0b',
    '\ud800',
    '%00',
    '%',
    '😀',
    '<script>alert(1)</script>',
    '__proto__',
    'constructor',
    '../../etc/passwd',
    'a'.repeat(3_000),
    '0001-01-01T00:00:00Z',
    '+275760-09-13T00:00:00Z',
    '-infinity',
    '2026-02-30',
  ),
  fc.string({ unit: 'binary', maxLength: 20 }),
);
const hostileJson = fc.oneof(
  hostileText,
  fc.constantFrom<unknown>(null, true, -1, 0.5, 2 ** 31, 2 ** 53, 1e300, [], {}, [[[[[]]]]], [null], {
    a: {},
  }),
  fc.jsonValue({ maxDepth: 3 }),
);

/** Values that a schema describes; `alien` stands for some of them, at any depth. */
function drawn(given: Schema, alien: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> {
  const schema =
    given.$ref === undefined ? given : description.components.schemas[given.$ref.split('/').at(-1)!]!;
  return fc.oneof({ weight: 6, arbitrary: fitting(schema, alien) }, { weight: 1, arbitrary: alien });
}

function fitting(schema: Schema, alien: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> {
  if (schema.enum !== undefined) return fc.constantFrom(...schema.enum);
  if (schema.anyOf !== undefined) return fc.oneof(...schema.anyOf.map((one) => drawn(one, alien)));
  const example =
    schema.example === undefined ? [] : Array<fc.Arbitrary<unknown>>(3).fill(fc.constant(schema.example));
  switch (String([schema.type].flat()[0])) {
    case 'integer':
    case 'number':
      return fc.oneof(
        ...example,
        fc.integer({ min: schema.minimum ?? 0, max: schema.maximum ?? 5 }),
        fc.constantFrom(1, 101),
      );
    case 'boolean':
      return fc.boolean();
    case 'array':
      return fc.array(drawn(schema.items ?? {}, alien), { maxLength: 3 });
    case 'object':
      return fc.record(
        Object.fromEntries(
          Object.entries(schema.properties ?? {}).map(([name, one]) => [name, drawn(one, alien)]),
        ),
        { requiredKeys: [...(schema.required ?? [])] },
      );
    default:
      return fc.oneof(
        ...example,
        fc.constantFrom('event', '101', 'formannskapssalen@bergen.example', '2030-01-01T10:00:00Z'),
        fc.string({ maxLength: 30 }),
      );
  }
}

interface Sent {
  readonly path: string;
  readonly init: RequestInit;
}

const encoded = (value: unknown) => encodeURIComponent(String(value).toWellFormed());
/** A dot alone, or two, would be another path: https://url.spec.whatwg.org/#path-state */
const segment = (value: unknown) => (/^(\.{0,2})$/.test(String(value)) ? 'dots' : encoded(value));

function requests(method: string, template: string, operation: Operation): fc.Arbitrary<Sent> {
  const values = (place: string) =>
    fc.record(
      Object.fromEntries(
        (operation.parameters ?? [])
          .filter((parameter) => parameter.in === place)
          .map(({ name, schema }) => [name, drawn(schema, hostileText)]),
      ),
      place === 'path' ? {} : { requiredKeys: [] },
    );
  const content = Object.entries(operation.requestBody?.content ?? {});
  const bodies = fc.oneof(
    fc.constant({}),
    ...content.map(([type, { schema }]) =>
      drawn(schema, hostileJson).map((value) => ({
        headers: { 'Content-Type': type },
        body: /json/.test(type) ? JSON.stringify(value) : formOf(value),
      })),
    ),
    fc.constantFrom('{', '', '\0', '[1,', '"\\ud800"', '{"__proto__":{"a":1}}').map((body) => ({
      headers: { 'Content-Type': 'application/json' },
      body,
    })),
    hostileText.map((text) => ({
      headers: { 'Content-Type': 'text/plain' },
      body: text.toWellFormed(),
    })),
  );
  return fc
    .record({
      inPath: values('path'),
      query: values('query'),
      stranger: fc.oneof(
        { weight: 9, arbitrary: fc.constant(null) },
        { weight: 1, arbitrary: fc.tuple(hostileText, hostileText) },
      ),
      sent: method === 'GET' ? fc.constant({}) : bodies,
    })
    .map(({ inPath, query, stranger, sent }) => {
      const pairs = [...Object.entries(query), ...(stranger === null ? [] : [stranger])];
      const search = pairs.map(([name, value]) => `${encoded(name)}=${encoded(value)}`).join('&');
      const path = template.replaceAll(/\{(\w+)\}/g, (_, name: string) => segment(inPath[name]));
      // a connection of its own: a machine that is busy elsewhere lets an idle one end under the next request
      const headers = { ...('headers' in sent ? sent.headers : {}), Connection: 'close' };
      return {
        path: search === '' ? path : `${path}?${search}`,
        init: { ...sent, redirect: 'manual', headers: { ...headers, 'X-API-Key': key } },
      };
    });
}

const formOf = (value: unknown) =>
  Object.entries(Object(value))
    .map(([name, one]) => `${encoded(name)}=${encoded(one)}`)
    .join('&');

test('an operation answers any request as described, without a failure, a stack or a secret', async () => {
  for (const [path, methods] of Object.entries(description.paths))
    for (const [verb, operation] of Object.entries(methods)) {
      if (path === '/live') continue; // a stream that does not end; live.test.ts reads it
      const method = verb.toUpperCase();
      const takes = operation.requestBody !== undefined || (operation.parameters ?? []).length > 0;
      await fc.assert(
        fc.asyncProperty(requests(method, path, operation), async (sent) => {
          const answer = await api.call(method, sent.path, sent.init);
          expect(answer.status, answer.text).not.toBe(500);
          const headers = JSON.stringify([...answer.headers]);
          for (const text of [answer.text, headers]) {
            expect(text).not.toMatch(/\n\s+at |node_modules|\bpg_\w+\(|SELECT .* FROM/);
            for (const secret of secrets) expect(text).not.toContain(secret);
          }
        }),
        { seed: 7, numRuns: takes ? 10 : 2, endOnFailure: true },
      );
    }
  expect(api.facts.filter(({ fact }) => fact === 'bug')).toEqual([]);
}, 60_000);
