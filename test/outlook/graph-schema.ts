/** Bodies against Microsoft's metadata (test/fixtures/graph/calendar.openapi.json), members it does not know refused. */
import { readFileSync } from 'node:fs';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';

interface Schema {
  [key: string]: unknown;
}
interface Description {
  readonly paths: Readonly<
    Record<
      string,
      Readonly<
        Record<string, { requestBody: { content: { 'application/json': { schema: Schema } } } } | undefined>
      >
    >
  >;
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> };
}

const file = new URL('../fixtures/graph/calendar.openapi.json', import.meta.url);
const description = JSON.parse(readFileSync(file, 'utf8')) as Description;
const ajv = new Ajv2020({ strict: false, validateFormats: false, allErrors: true });

/** Schemas that others build on may not be closed themselves. */
const bases = new Set(
  [...JSON.stringify(description).matchAll(/"allOf":\[\{"\$ref":"#\/components\/schemas\/([\w.]+)"/g)].map(
    ([, name]) => name,
  ),
);
const schemas = Object.fromEntries(
  Object.entries(description.components.schemas).map(([name, schema]) => [
    name,
    bases.has(name) ? schema : { ...schema, unevaluatedProperties: false },
  ]),
);
ajv.addSchema({ $id: 'graph', components: { schemas } });

const inFile = (schema: Schema): Schema =>
  JSON.parse(JSON.stringify(schema).replaceAll('"#/', '"graph#/')) as Schema;

const compiled = new Map<Schema, ValidateFunction>();

/** What is wrong with a body; empty when nothing is. Throws for a request the description does not know. */
export function wrongWith(method: string, path: string, body: unknown): string[] {
  const known = Object.entries(description.paths).find(([template]) =>
    new RegExp(`^${template.replaceAll('$', '\\$').replace(/\{\w+\}/g, '[^/]+')}$`).test(path),
  )?.[1][method.toLowerCase()];
  if (known === undefined) throw new Error(`the description has no body for ${method} ${path}`);
  const { schema } = known.requestBody.content['application/json'];
  const validate =
    compiled.get(schema) ??
    ajv.compile('$ref' in schema ? inFile(schema) : { ...inFile(schema), unevaluatedProperties: false });
  compiled.set(schema, validate);
  return validate(body) ? [] : (validate.errors ?? []).map((e) => `${e.instancePath} ${e.message}`);
}
