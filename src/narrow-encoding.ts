/**
 * Texts in a database whose encoding is not UTF8. Texts in our own tables (states of Outlook, names, errors) are stored with an
 * escape for each character that the encoding lacks and are unescaped when read. Texts for the booking system are sent
 * unescaped (`Exact`); PostgreSQL refuses those with such characters.
 */
import pg from 'pg';

/** PostgreSQL's single-byte encodings with their WHATWG labels (https://encoding.spec.whatwg.org). */
const labels: Readonly<Record<string, string>> = {
  LATIN1: 'iso-8859-1',
  LATIN2: 'iso-8859-2',
  LATIN3: 'iso-8859-3',
  LATIN4: 'iso-8859-4',
  LATIN5: 'iso-8859-9',
  LATIN6: 'iso-8859-10',
  LATIN7: 'iso-8859-13',
  LATIN8: 'iso-8859-14',
  LATIN9: 'iso-8859-15',
  LATIN10: 'iso-8859-16',
  ISO_8859_5: 'iso-8859-5',
  ISO_8859_6: 'iso-8859-6',
  ISO_8859_7: 'iso-8859-7',
  ISO_8859_8: 'iso-8859-8',
  WIN866: 'ibm866',
  WIN874: 'windows-874',
  KOI8R: 'koi8-r',
  KOI8U: 'koi8-u',
};

/** pg_type.oid of text, varchar, json and jsonb, and of their arrays. */
const textTypes = [25, 1043, 114, 3802, 1009, 1015, 199, 3807];

/** A text that is sent without escapes; PostgreSQL refuses it (22P05) if its encoding lacks a character. */
export class Exact {
  readonly #text: string;
  constructor(text: string) {
    this.#text = text;
  }
  /** Called by pg. */
  toPostgres(): string {
    return this.#text;
  }
}

/** A query of its own class, such as EarlyQuery. `values` is missing in the types of pg. */
type Prepared = pg.Query & { values?: unknown[] | undefined };

/** Makes a session escape and unescape texts if `encoding` is a single-byte one. Multi-byte encodings are not handled. */
export function escapeTexts(client: pg.Client, encoding: string): void {
  const has = charactersOf(encoding);
  if (has === null) return;
  const escape = (value: unknown): unknown => {
    // composes letters and accents, which macOS sends separately, because these encodings have composed characters only
    if (value instanceof Exact) return value.toPostgres().normalize('NFC');
    if (typeof value === 'string')
      return value.replace(/[^\0-\x7f]/gu, (character) =>
        has.has(character) ? character : escaped(character),
      );
    return Array.isArray(value) ? value.map(escape) : value;
  };
  const send = client.query.bind(client) as (...given: unknown[]) => unknown;
  const query = (input: string | pg.QueryConfig | Prepared, ...rest: unknown[]): unknown => {
    if (input instanceof pg.Query) {
      // sent as it is, because pg tells it of the answer
      input.values = input.values?.map(escape);
      return send(input, ...rest);
    }
    return typeof input === 'string' || input.values === undefined
      ? send(input, ...rest.map((one) => (Array.isArray(one) ? one.map(escape) : one)))
      : send({ ...input, values: input.values.map(escape) }, ...rest);
  };
  client.query = query as typeof client.query;
  for (const type of textTypes) {
    const parse = pg.types.getTypeParser(type);
    client.setTypeParser(type, (text) => parse(unescaped(text)) as unknown);
  }
}

/** The non-ASCII characters of a single-byte encoding; null: UTF8 or another multi-byte encoding. */
function charactersOf(encoding: string): ReadonlySet<string> | null {
  const label = labels[encoding] ?? (/^WIN125\d$/.test(encoding) ? `windows-${encoding.slice(3)}` : null);
  if (label === null) return null;
  // ISO 8859 has control characters from 0x80 to 0x9f, which WHATWG decodes as windows-1252 and -1254
  const first = label.startsWith('iso') ? 0xa0 : 0x80;
  const bytes = Uint8Array.from({ length: 0x100 - first }, (_, at) => first + at);
  const text = label === 'iso-8859-1' ? String.fromCharCode(...bytes) : new TextDecoder(label).decode(bytes);
  return new Set([...text].filter((character) => !/[\ufffd\u0080-\u009f]/.test(character)));
}

/** DEL, which occurs in no text of either side and needs no escape in JSON, and the code point in hexadecimal. */
const escaped = (character: string) => `\x7f${character.codePointAt(0)!.toString(16)};`;
const unescaped = (text: string) =>
  // never an ASCII character, so that a forged escape cannot end a JSON string
  text.replace(/\x7f([89a-f][0-9a-f]|[1-9a-f][0-9a-f]{2,4}|10[0-9a-f]{4});/g, (_, number: string) =>
    String.fromCodePoint(Number.parseInt(number, 16)),
  );
