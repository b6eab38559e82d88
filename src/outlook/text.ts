/** Texts in the form that Exchange stores, so that written and read texts are equal. Pure. */
import { compile } from 'html-to-text';

/** Exchange stores 255 UTF-16 units of a subject (PidTagSubject; the rest is cut off silently). */
export const longestTitle = 255;
/** Our limit: far above real texts, far below Graph's limit of 4 MB per request. */
const longestDescription = 131_072;
const shortened = '\n\n[…] The text was too long and has been shortened.';

/** Characters that XML, and so Exchange, cannot carry; white space among the controls is kept. */
const unprintable = /[\u0000-\u0008\u000e-\u001f\u007f-\u0084\u0086-\u009f\ufffe\uffff]/gu;
const loneSurrogates = /\p{Surrogate}/gu;

/**
 * What may have to be changed: anything but the printable characters of alphabets and common punctuation, white space at the ends,
 * and in a line more than one space. Most texts have none of it, and one search shows that.
 */
const oddInLine = /[^ -~\u00a1-\u167f\u2010-\u2027]|^ | $| {2}/;
const oddInText = /[^\t\n -~\u00a1-\u167f\u2010-\u2027]|^\s|\s$/;

/** One trimmed line of at most 255 UTF-16 units, whole characters only. */
export function cleanTitle(text: string): string {
  if (text.length <= longestTitle && !oddInLine.test(text)) return text;
  const line = printable(text)
    .replace(/[\s\u0085]+/gu, ' ')
    .trim();
  return line.length <= longestTitle ? line : cut(line, longestTitle).trimEnd();
}

/** The text without characters that Exchange drops, with '\n' for line ends; truncated with a note if too long. */
export function cleanDescription(text: string): string {
  if (text.length <= longestDescription && !oddInText.test(text)) return text;
  const clean = printable(text)
    .replace(/\r\n?|[\v\f\u0085]/g, '\n')
    .trim();
  if (clean.length <= longestDescription) return clean;
  return cut(clean, longestDescription - shortened.length).trimEnd() + shortened;
}

/**
 * Cleans foreign text: removes characters that PostgreSQL cannot store as text or jsonb (U+0000 and
 * lone surrogates: 22P05, 22P02).
 */
export const storable = (text: string): string =>
  (text.isWellFormed() ? text : text.replace(loneSurrogates, '')).replaceAll('\u0000', '');

const printable = (text: string) => storable(text).replace(unprintable, '');

/** At most `length` UTF-16 units; never half of a pair. */
export function cut(text: string, length: number): string {
  const last = text.charCodeAt(length - 1);
  return text.slice(0, last >= 0xd800 && last <= 0xdbff ? length - 1 : length);
}

/** html-to-text takes time quadratic in the depth of unclosed tags; such input is only stripped of its tags. */
const mostTags = 20_000;
const longestHtml = 1_000_000;

const readHtml = compile({
  wordwrap: false,
  limits: { maxInputLength: longestHtml, maxDepth: 200, maxChildNodes: 20_000, ellipsis: ' … ' },
  selectors: [
    { selector: 'a', options: { hideLinkHrefIfSameAsText: true } },
    { selector: 'img', format: 'skip' },
    ...['h1', 'h2', 'h3', 'h4', 'h5', 'h6'].map((selector) => ({ selector, options: { uppercase: false } })),
    { selector: 'table', options: { uppercaseHeaderCells: false } },
  ],
});

/** The text of an HTML body. Never throws; takes time linear in the length, however hostile the input. */
export function textOfHtml(html: string): string {
  const bounded = html.length <= longestHtml ? html : cut(html, longestHtml);
  if (countTags(bounded) > mostTags) return stripTags(bounded);
  try {
    return readHtml(bounded);
  } catch {
    // the parser failed (stack too deep): fall back to the plain words
    return stripTags(bounded);
  }
}

function countTags(html: string): number {
  let count = 0;
  for (let at = html.indexOf('<'); at !== -1 && count <= mostTags; at = html.indexOf('<', at + 1)) count += 1;
  return count;
}

export const entities: Readonly<Record<string, string>> = {
  amp: '&',
  lt: '<',
  gt: '>',
  quot: '"',
  apos: "'",
  nbsp: ' ',
};

function stripTags(html: string): string {
  const words: string[] = [];
  let from = 0;
  for (let open = html.indexOf('<'); open !== -1; open = html.indexOf('<', from)) {
    words.push(html.slice(from, open), ' ');
    const close = html.indexOf('>', open);
    from = close === -1 ? html.length : close + 1;
  }
  return [...words, html.slice(from)]
    .join('')
    .replace(/&(\w{1,6});/g, (whole, name: string) => entities[name.toLowerCase()] ?? whole);
}
