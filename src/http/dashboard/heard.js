/**
 * What the server says, in the page's language. The API speaks English, as do bridge_log and the alerts; each of its
 * sentences that the page knows stands under `server.…` in en.json as the server says it and in nb.json in Norwegian. A
 * sentence that is not known (words of Graph, of PostgreSQL, of an adapter) is shown as it came.
 */
import en from './en.json' with { type: 'json' };
import { languageInUse, say } from './language.js';

/** @typedef {import('./language.js').Key} Key */

/** Their values are sentences of the server themselves. */
const quoted = new Set(['why', 'error', 'reason', 'what', 'fields', 'how', 'hint', 'fromTime', 'toTime']);
/** What may stand for a placeholder, where that is not any text. @type {Record<string, string>} */
const shapes = {
  ...Object.fromEntries(
    ['n', 'id', 'minutes', 'days', 'seconds', 'share', 'failed', 'items'].map((name) => [name, '\\d+']),
  ),
  time: '[\\dTZ:.+-]+',
  fromTime: '[\\d: –-]+(?:, all day)?',
  toTime: '[\\d: –-]+(?:, all day)?',
};
const deepest = 3;

/** @param {string} text */
const escaped = (text) => text.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&');

/** @param {string} form @returns {RegExp} */
function pattern(form) {
  const parts = form.split(/\{(\w+)\}/);
  const source = parts
    .map((part, at) => (at % 2 === 0 ? escaped(part) : `(?<${part}>${shapes[part] ?? '.+?'})`))
    .join('');
  return new RegExp(`^${source}$`, 's');
}

/** What says most of its own comes first: of two that fit, the other one only has the wider placeholder. */
const patterns = Object.entries(en)
  .filter(([key, form]) => key.startsWith('server.') && typeof form === 'string')
  .map(([key, form]) => ({ key: /** @type {Key} */ (key), form: String(form) }))
  .toSorted((a, b) => literal(b.form) - literal(a.form))
  .map(({ key, form }) => ({ key, pattern: pattern(form) }));

/** @param {string} form */
function literal(form) {
  return form.replace(/\{\w+\}/g, '').length;
}

/** @param {string} text */
export function heard(text) {
  return languageInUse() === 'en' || text === '' ? text : translated(text, 0);
}

/** @param {string} text @param {number} depth @returns {string} */
function translated(text, depth) {
  return whole(text, depth) ?? sentence(text, depth) ?? apart(text, depth);
}

/** What is quoted in a sentence has lost its full stop. @param {string} text @param {number} depth */
const sentence = (text, depth) => whole(`${text}.`, depth)?.slice(0, -1) ?? null;

/** @param {string} text @param {number} depth */
function whole(text, depth) {
  for (const { key, pattern: form } of patterns) {
    const found = form.exec(text);
    if (found === null) continue;
    const values = Object.entries(found.groups ?? {}).map(([name, value]) => [
      name,
      quoted.has(name) && depth < deepest ? translated(value, depth + 1) : value,
    ]);
    return say(key, Object.fromEntries(values));
  }
  return null;
}

/** Sentence by sentence, then part by part; what is known of it is said in the page's language. @param {string} text @param {number} depth */
function apart(text, depth) {
  if (depth >= deepest) return text;
  for (const separator of [/(?<=[.!?]) (?=[\p{Lu}«])/u, /; /, /, /]) {
    const parts = text.split(separator);
    if (parts.length < 2) continue;
    const said = parts.map((part) => translated(part, depth + 1));
    if (said.some((part, at) => part !== parts[at]))
      return said.join(separator.source.startsWith('(') ? ' ' : separator.source);
  }
  return text.endsWith('.') ? (inside(text.slice(0, -1), depth) ?? text) : (field(text) ?? text);
}

/** Without its full stop. @param {string} text @param {number} depth */
function inside(text, depth) {
  const said = translated(text, depth + 1);
  return said === text ? null : `${said}.`;
}

/** A field as the API calls it, or as people do in English. @type {Record<string, Key>} */
const fields = {
  starts_at: 'field.starts_at',
  ends_at: 'field.ends_at',
  all_day: 'field.all_day',
  time: 'field.starts_at',
  title: 'field.title',
  text: 'field.description',
  description: 'field.description',
  privacy: 'field.is_private',
  is_private: 'field.is_private',
};

/** @param {string} text */
const field = (text) => (text in fields ? say(fields[text] ?? 'field.title') : null);
