/** The user's guide as it was handed over (test/fixtures/guide), cut into what can be run. */
import { readFileSync } from 'node:fs';

const fixture = (name: string) => readFileSync(new URL(`../fixtures/guide/${name}`, import.meta.url), 'utf8');

export const guide = fixture('sync_usage_guide.txt');
const texts = [guide, fixture('README.txt')];

export interface Block {
  readonly language: string;
  readonly text: string;
  /** The heading above it. */
  readonly heading: string;
}

/** The fenced blocks in their order; those within a list are moved to the margin. */
export function blocksOf(text: string): Block[] {
  return [...text.matchAll(/^( *)```(\w*)\n([\s\S]*?)^ *```/gm)].map((found) => ({
    language: found[2]!,
    text: found[3]!.replaceAll(new RegExp(`^${found[1]!}`, 'gm'), ''),
    heading: [...text.slice(0, found.index).matchAll(/^#+ (.+)$/gm)].at(-1)?.[1] ?? '',
  }));
}

/** One command that is printed somewhere, as it is printed, the endpoint it asks, and the heading above it. */
interface Call {
  readonly command: string;
  readonly endpoint: string;
  readonly heading: string;
}

/** Every curl command; of crontab lines without their redirection to /dev/null. */
function callsOf(text: string): Call[] {
  return blocksOf(text)
    .filter(({ language, text: block }) => language === 'bash' && !block.startsWith('#!'))
    .flatMap(({ text: block, heading }) => commandsIn(block).map((line) => ({ line, heading })))
    .filter(({ line }) => line.includes('curl '))
    .map(({ line, heading }) => {
      const command = line.slice(line.indexOf('curl ')).replace(/ > \/dev\/null 2>&1$/, '');
      return { command, endpoint: endpointOf(command), heading };
    });
}

/** Lines, joined while a quotation is open or the next line is announced. */
function commandsIn(block: string): string[] {
  const commands: string[] = [];
  let open = '';
  for (const line of block.split('\n')) {
    if (open === '' && line.trimStart().startsWith('#')) continue;
    open += line;
    const isOpen = open.endsWith('\\') || (open.match(/'/g) ?? []).length % 2 === 1;
    if (isOpen) open += '\n';
    else {
      commands.push(open.trim());
      open = '';
    }
  }
  return commands.filter((command) => command !== '');
}

function endpointOf(command: string): string {
  const method = /-X (\w+)/.exec(command)?.[1] ?? 'GET';
  const path = /https?:\/\/[^/"\s]+(\/[^?"\s]*)/.exec(command)![1]!;
  return `${method} ${path}`;
}

/** Each different one once. */
export const calls: readonly Call[] = texts
  .flatMap(callsOf)
  .filter(({ command }, at, all) => all.findIndex((one) => one.command === command) === at);

/** Endpoints that are named in running text and lists: `GET /polling/stats`. Without parameters' names. */
export const named: readonly string[] = [
  ...new Set(
    texts.flatMap((text) =>
      [...text.matchAll(/`(GET|POST|PUT|PATCH|DELETE) (\/[^`\s]+)`/g)].map(
        (found) => `${found[1]!} ${found[2]!.replaceAll(/\{\w+\}/g, '{}')}`,
      ),
    ),
  ),
];

/** A printed answer and the call it is the answer of. */
export interface Printed {
  readonly endpoint: string;
  readonly body: Record<string, unknown>;
}

/** The answers; one that is printed far from its call is known by its message. */
export function printedAnswers(): Printed[] {
  const byMessage = new Map<unknown, string>();
  return blocksOf(guide).flatMap((block, at, all) => {
    if (block.language !== 'json') return [];
    const body = JSON.parse(block.text) as Record<string, unknown>;
    const before = all[at - 1]!;
    const asked = before.language === 'bash' ? callsOf('```bash\n' + before.text + '```')[0] : undefined;
    const endpoint = byMessage.get(body['message']) ?? asked?.endpoint;
    if (endpoint === undefined) throw new Error(`nobody asks for the answer under '${block.heading}'`);
    if (body['message'] !== undefined) byMessage.set(body['message'], endpoint);
    return [{ endpoint, body }];
  });
}

/** The block that contains a text. */
export function blockWith(language: string, text: string): string {
  const found = blocksOf(guide).find((block) => block.language === language && block.text.includes(text));
  if (found === undefined) throw new Error(`the guide has no block of ${language} with '${text}'`);
  return found.text;
}

/**
 * What an answer lacks of a printed one, as paths: every key must be there with a value of the same type. Of a list every
 * element must be like one that is printed, and at least one must be there. `tables`: paths of objects whose keys
 * are data.
 */
export function lacking(
  printed: unknown,
  given: unknown,
  tables: readonly string[] = [],
  path = '',
): string[] {
  if (Array.isArray(printed)) {
    if (!Array.isArray(given)) return [`${path}: ${typeOf(given)} instead of a list`];
    if (printed.length === 0) return [];
    if (given.length === 0) return [`${path}: nothing in the list`];
    // what only some of the printed elements have is asked of none
    return given.flatMap((element, at) =>
      printed
        .map((example) => lacking(example, element, tables, `${path}[${at}]`))
        .reduce((fewest, next) => (next.length < fewest.length ? next : fewest)),
    );
  }
  if (typeOf(printed) !== typeOf(given)) return [`${path}: ${typeOf(given)} instead of ${typeOf(printed)}`];
  if (typeof printed !== 'object' || printed === null) return [];
  const answer = given as Record<string, unknown>;
  if (tables.includes(path)) {
    const example = Object.values(printed)[0];
    return Object.entries(answer).flatMap(([key, value]) =>
      lacking(example, value, tables, `${path}.${key}`),
    );
  }
  return Object.entries(printed).flatMap(([key, value]) =>
    key in answer ? lacking(value, answer[key], tables, `${path}.${key}`) : [`${path}.${key}: not there`],
  );
}

const typeOf = (value: unknown) => (value === null ? 'null' : Array.isArray(value) ? 'list' : typeof value);
