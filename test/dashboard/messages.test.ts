/** The words of the page: both languages say all of them, nothing stands outside of them, and what is heard is still said. */
import { globSync, readFileSync } from 'node:fs';
import ts from 'typescript';
import { expect, test } from 'vitest';
import en from '../../src/http/dashboard/en.json' with { type: 'json' };
import nb from '../../src/http/dashboard/nb.json' with { type: 'json' };
// @ts-expect-error -- the page's JavaScript is checked by a tsconfig of its own
import { translated } from '../../src/http/dashboard/translate.js';
// @ts-expect-error -- the same
import { useLanguage } from '../../src/http/dashboard/language.js';
// @ts-expect-error -- the same
import { distance, duration, listed, span } from '../../src/http/dashboard/format.js';
// @ts-expect-error -- the same
import { stepWords } from '../../src/http/dashboard/step-words.js';

type Message = string | { one: string; other: string };
const english: Record<string, Message> = en;
const norwegian: Record<string, Message> = nb;
const formsOf = (message: Message) => (typeof message === 'string' ? [message] : Object.values(message));
const placeholders = (form: string) => [...form.matchAll(/\{(\w+)\}/g)].map(([, name]) => name!).toSorted();

test('both languages have the same messages, in the same order', () => {
  expect(Object.keys(norwegian)).toEqual(Object.keys(english));
});

test('each message has the same plural forms and placeholders in both languages, and some text', () => {
  const differing = Object.entries(english).filter(([key, message]) => {
    const forms = [...formsOf(message), ...formsOf(norwegian[key]!)];
    const [first, ...rest] = forms.map((form) => placeholders(form).join(' '));
    return (
      typeof message !== typeof norwegian[key] ||
      rest.some((one) => one !== first) ||
      forms.some((form) => form.trim() === '')
    );
  });
  expect(differing).toEqual([]);
});

test('every message is used', () => {
  const code = globSync(['src/http/dashboard/*.{js,html}', 'src/http/*.ts'])
    .map((file) => readFileSync(file, 'utf8'))
    .join('\n');
  const named = [...code.matchAll(/(?:named|say)\(\s*[`']([\w.]+)[.'`]/g)].map(([, area]) => `${area}.`);
  const unused = Object.keys(english).filter(
    (key) =>
      !key.startsWith('server.') &&
      !code.includes(`'${key}'`) &&
      !code.includes(`{{${key}}}`) &&
      !named.some((area) => key.startsWith(area)),
  );
  expect(unused).toEqual([]);
});

const pages = globSync('src/http/dashboard/*.js')
  .filter((file) => !file.endsWith('former-texts.js'))
  .sort();
/** Names of elements, classes and the like, which users do not read. */
const quiet = new Set([
  'class',
  'id',
  'type',
  'role',
  'tabindex',
  'rel',
  'href',
  'name',
  'data-state',
  'data-shown',
  'kind',
  'autocomplete',
]);

/** Texts of a file that read like words for people: a capital first, or several words. */
function wordsIn(file: string): string[] {
  const source = ts.createSourceFile(
    file,
    readFileSync(file, 'utf8'),
    ts.ScriptTarget.Latest,
    true,
    ts.ScriptKind.JS,
  );
  const found: string[] = [];
  const read = (node: ts.Node): void => {
    if (ts.isNewExpression(node) && /^Error$/.test(node.expression.getText())) return;
    if (ts.isImportDeclaration(node)) return;
    if (ts.isPropertyAssignment(node) && quiet.has(node.name.getText().replace(/'/g, ''))) return;
    if (
      ts.isCallExpression(node) &&
      /(querySelector(All)?|toggle|matches|closest|setAttribute|test)$/.test(node.expression.getText())
    )
      return;
    const text =
      ts.isStringLiteral(node) || ts.isNoSubstitutionTemplateLiteral(node)
        ? node.text
        : ts.isTemplateExpression(node)
          ? [node.head.text, ...node.templateSpans.map((one) => one.literal.text)].join(' ')
          : '';
    if (/^\p{Lu}\p{Ll}|\p{L}{2,},? \p{L}{2,}/u.test(text.trim())) found.push(text.trim());
    ts.forEachChild(node, read);
  };
  read(source);
  return found;
}

/** Read by programs: attributes of requests, fonts, time zones, keys. */
const forPrograms =
  /^(dd span|\[.*all day\)\?|Content-Type|UTC|INSERT INTO .*|11px system-ui.*|button, a\[href\].*|room |Escape|Enter|Arrow\w+|Home|End)$/;

test.each(pages)('%s says nothing that is in no message', (file) => {
  expect(wordsIn(file).filter((text) => !(text in english) && !forPrograms.test(text))).toEqual([]);
});

/** The literal part of a page: a file of HTML, or the templates in a script. */
function pageIn(file: string): string {
  const text = readFileSync(file, 'utf8');
  if (file.endsWith('.html')) return text;
  const parts: string[] = [];
  const read = (node: ts.Node): void => {
    if (ts.isTaggedTemplateExpression(node))
      parts.push(
        ts.isNoSubstitutionTemplateLiteral(node.template)
          ? node.template.text
          : [node.template.head.text, ...node.template.templateSpans.map((one) => one.literal.text)].join(''),
      );
    ts.forEachChild(node, read);
  };
  read(ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true));
  return parts.join('\n');
}

test.each(['src/http/dashboard/index.html', 'src/http/login-page.ts'])(
  '%s says nothing that is in no message',
  (file) => {
    const shown = pageIn(file).replace(/<[^>]*>/g, (tag) =>
      [...tag.matchAll(/(?:title|alt|placeholder|aria-label)="([^"]*)"/g)]
        .map(([, value]) => ` ${value} `)
        .join(''),
    );
    const words = shown
      .replace(/\{\{[\w.-]+\}\}/g, '')
      .replaceAll('outlook-booking-sync', '')
      .replace(/[\w-]+="[^"]*"/g, '')
      .match(/\p{L}{2,}/gu);
    expect(words ?? []).toEqual([]);
  },
);

/** A sentence of the server without what is filled in, as its pieces stand in the source. */
const pieces = (form: string) =>
  form
    .split(/\{\w+\}/)
    .map((piece) =>
      piece
        .trim()
        .replace(/^[.,;:()«»]+|[.,;:()«»]+$/g, '')
        .trim(),
    )
    .filter((piece) => /\p{L}{2,}/u.test(piece));

test('what the page can hear is what the server still says', () => {
  const files = globSync(['src/**/*.ts', 'database/functions/*.sql', 'sql/portico/*.sql']).map((file) =>
    readFileSync(file, 'utf8')
      // literals that go on in the next line, and quotes in them
      .replace(/' \+\s*'/g, '')
      .replace(/\\'/g, "'"),
  );
  const source = files.join('\n');
  const words = (text: string) => text.match(/[\p{L}_]{2,}/gu) ?? [];
  // a word that depends on a number, or on a choice, stands beside its sentence in the source: within a few lines
  const passages = files.flatMap((file) => {
    const lines = file.split('\n').map(words);
    return lines.map((_, at) => new Set(lines.slice(at, at + 8).flat()));
  });
  const isSaid = (piece: string) =>
    source.includes(piece) || passages.some((passage) => words(piece).every((word) => passage.has(word)));
  const gone = Object.entries(english)
    .filter(([key]) => key.startsWith('server.'))
    .filter(([, form]) => !pieces(String(form)).every(isSaid))
    .map(([key]) => key);
  expect(gone).toEqual([]);
});

test('what the server says is heard in Norwegian, its parts too, and what is not known as it came', () => {
  useLanguage('nb');
  expect(translated('The event is deleted in Outlook.')).toBe('Avtalen slettes i Outlook.');
  expect(translated('12 undone; their rooms follow')).toBe('12 angret; rommene følger etter');
  expect(translated('2 conflicts need a decision (A, B). The newest: Both sides changed title.')).toBe(
    '2 konflikter venter på at noen velger side (A, B). Den nyeste: Begge sider har endret tittelen.',
  );
  expect(
    translated('time from 2031-05-04 10:00–12:00 to 2031-05-05, all day; title from «A at noon» to «B»'),
  ).toBe('tidspunkt fra 2031-05-04 10:00–12:00 til 2031-05-05, hele dagen; tittel fra «A at noon» til «B»');
  expect(translated('create an event: Graph says 400 ErrorInvalidRequest: The request is invalid')).toBe(
    'create an event: Graph says 400 ErrorInvalidRequest: The request is invalid',
  );
});

test('stored texts in a former wording are translated, and unreadable rows as well', () => {
  useLanguage('nb');
  expect(translated('The time is taken in room Salen: event/345.')).toBe(
    translated('The time is taken in room Salen by event/345.'),
  );
  expect(translated('something more important takes its whole time')).toBe(
    translated('a more important item takes its whole time'),
  );
  expect(
    translated('the booking system cannot show this reservation: division by zero (SQLSTATE 22012)'),
  ).toBe('bookingsystemet kan ikke vise denne reservasjonen: division by zero (SQLSTATE 22012)');
  useLanguage('en');
});

test('in English the server is heard as it speaks', () => {
  useLanguage('en');
  for (const form of Object.values(english).flatMap(formsOf)) expect(translated(form)).toBe(form);
});

test('lengths, distances, days and lists are those of the language', () => {
  const at = new Date().toISOString();
  useLanguage('nb');
  expect(duration(2_500)).toBe('2,5 s');
  expect(duration(5 * 3_600_000)).toBe('5 t');
  expect(distance(at, Date.parse(at) + 120_000)).toBe('for 2 min siden');
  expect(distance(at, Date.parse(at) - 120_000)).toBe('om 2 min');
  expect(listed(['a', 'b', 'c', 'd', 'e'])).toBe('a, b, c og 2 til');
  expect(span(null, null)).toBe('ukjent tidspunkt');
  useLanguage('en');
  expect(duration(2_500)).toBe('2.5 s');
  expect(distance(at, Date.parse(at) + 120_000)).toBe('2 min ago');
});

test('a step is told in both languages from the same parts', () => {
  const step = {
    action: 'updated',
    reason: 'title',
    who: null,
    latency_ms: 120,
    call_ms: 40,
    why: 'title from «A» to «B»',
  };
  useLanguage('en');
  expect(stepWords(step)).toBe(
    'Its event was changed in Outlook, 120 ms after the change (the call took 40 ms): title from «A» to «B».',
  );
  useLanguage('nb');
  expect(stepWords(step)).toBe(
    'Avtalen ble endret i Outlook, 120 ms etter endringen (kallet tok 40 ms): tittel fra «A» til «B».',
  );
  useLanguage('en');
});
