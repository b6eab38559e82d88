/** Invalid and extreme values in every parameter and body field of /openapi.json: each is answered, none is a bug. */
import { expect, test } from 'vitest';
import { describedBy, openApi, type Answer, type Api } from './api.ts';

interface Parameter {
  readonly name: string;
  readonly in: 'path' | 'query';
}
interface Schema {
  readonly $ref?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
}
interface Operation {
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: { readonly content: { readonly 'application/json': { readonly schema: Schema } } };
}

const long = 'x'.repeat(10_000);
/** In a path or a query string, encoded. */
const texts = [
  '',
  '%20',
  '0',
  '-1',
  '1.5',
  '2147483647',
  '2147483648',
  '9223372036854775807',
  '9223372036854775808',
  '9'.repeat(100),
  'NaN',
  '%00',
  'a%00b',
  '%ED%A0%80',
  '%',
  '%F0%9F%98%80',
  '%25%5C_',
  '..%2F..%2Fetc',
  'https:%2F%2Foutlook.office.com%2Fcalendar%2Fitem%2F%2500abc',
  'event%2F9223372036854775808',
  long,
  '0000-01-01',
  '9999-12-31',
  '2026-02-30',
  '2026-01-01T00:00:00Z',
  'Europe/Nowhere',
];
/** As a value of a body field, JSON. */
const values = [
  'null',
  '-1',
  '1.5',
  '1e400',
  '2147483648',
  '9223372036854775808',
  '9'.repeat(100),
  '""',
  '"\\u0000"',
  '"\\ud800"',
  `"${long}"`,
  '"9223372036854775808"',
  '"2026-02-30"',
  '"Europe/Nowhere"',
  '[]',
  '[null]',
  '{}',
  '{"__proto__":{"a":1}}',
];
/** A whole body. */
const bodies = [
  'null',
  '1',
  '"x"',
  '[]',
  '{',
  '{"a":1}',
  '{"__proto__":null}',
  '\\u0000',
  '"\\ud800"',
  `[${'['.repeat(5_000)}`,
];

const usual: Readonly<Record<string, string>> = {
  type: 'event',
  reservation_type: 'event',
  date: '2026-06-01',
  from_date: '2026-06-01',
  to_date: '2026-06-02',
  event: 'AAMk',
  q: 'choir',
};
const usualOf = (name: string) => usual[name] ?? '101';

/** SQLSTATEs, texts of PostgreSQL and of JavaScript. */
const raw =
  /invalid input syntax|out of range|invalid byte sequence|relation "|column "|syntax error|violates|SQLSTATE|malformed array|cannot read prop|is not a function|\bat .*\.ts\b/i;

async function tell(api: Api, method: string, path: string, body?: string): Promise<string | null> {
  const init = body === undefined ? {} : { headers: { 'Content-Type': 'application/json' }, body };
  const asked = `${method} ${path.slice(0, 160)}${body === undefined ? '' : ` ${body.slice(0, 160)}`}`;
  let answer: Answer;
  try {
    answer = await api.call(method, path, init);
  } catch (error) {
    return `${asked}: ${(error as Error).message.slice(0, 300)}`;
  }
  const { status } = answer;
  if (status < 400) return null;
  const isClear = typeof answer.body['error'] === 'string' && typeof answer.body['hint'] === 'string';
  if (![400, 404, 409, 413, 415, 422, 431].includes(status))
    return `${asked}: ${status} ${answer.text.slice(0, 200)}`;
  if (status === 431) return null;
  if (!isClear) return `${asked}: ${status} without an error: ${answer.text.slice(0, 200)}`;
  if (status === 400 && typeof answer.body['field'] !== 'string')
    return `${asked}: names no field: ${answer.text.slice(0, 200)}`;
  if (raw.test(answer.text.replaceAll(/'[^']*'/g, ''))) return `${asked}: raw: ${answer.text.slice(0, 200)}`;
  return null;
}

test('each is answered with a clear error, or as usual', { timeout: 600_000 }, async () => {
  await using api = await openApi({ waitMs: 50 });
  const document = await describedBy(api.app);
  const { schemas } = document.components as { schemas: Record<string, Schema> };
  const resolved = (schema: Schema): Schema =>
    schema.$ref === undefined ? schema : schemas[schema.$ref.split('/').at(-1)!]!;
  const problems: string[] = [];
  let calls = 0;
  const ask = async (...asked: [method: string, path: string, body?: string]) => {
    calls += 1;
    const problem = await tell(api, ...asked);
    if (problem !== null) problems.push(problem);
  };
  for (const [template, methods] of Object.entries(document.paths))
    for (const [lower, operation] of Object.entries(methods) as [string, Operation][]) {
      if (['/live', '/ready', '/health'].includes(template)) continue;
      const method = lower.toUpperCase();
      const parameters = operation.parameters ?? [];
      const addressOf = (given: Readonly<Record<string, string>>) => {
        const path = template.replaceAll(/\{(\w+)\}/g, (_, name: string) => given[name] ?? usualOf(name));
        const query = parameters.filter((one) => one.in === 'query' && given[one.name] !== undefined);
        return query.length === 0
          ? path
          : `${path}?${query.map(({ name }) => `${name}=${given[name]}`).join('&')}`;
      };
      const needed = Object.fromEntries(
        parameters
          .filter(({ name }) => name === 'q' || name === 'date')
          .map(({ name }) => [name, usualOf(name)]),
      );
      for (const { name, in: where } of parameters)
        for (const text of texts)
          if (where === 'query' || text !== '') await ask(method, addressOf({ ...needed, [name]: text }));
      // twice
      for (const { name } of parameters.filter((one) => one.in === 'query'))
        await ask(method, `${addressOf({ ...needed, [name]: usualOf(name) })}&${name}=%00`);
      const schema = operation.requestBody?.content['application/json'].schema;
      if (schema === undefined) continue;
      for (const body of bodies) await ask(method, addressOf(needed), body);
      const fill = async (whole: Schema, around: (value: string) => string): Promise<void> => {
        const { properties = {} } = resolved(whole);
        const names = Object.keys(properties);
        for (const name of names) {
          const others = names
            .filter((other) => other !== name)
            .map((other) => `${JSON.stringify(other)}:${JSON.stringify(usualOf(other))}`);
          for (const others_ of [others, []])
            for (const value of values)
              await ask(
                method,
                addressOf(needed),
                around(`{${[`"${name}":${value}`, ...others_].join(',')}}`),
              );
          const items = resolved(properties[name]!).items;
          if (items !== undefined) await fill(items, (value) => around(`{"${name}":[${value}]}`));
        }
      };
      await fill(schema, (value) => value);
    }
  expect(calls).toBeGreaterThan(1_000);
  expect(problems).toEqual([]);
  expect(api.facts.filter(({ fact }) => fact === 'bug')).toEqual([]);
});
