/**
 * Texts of the server in the page's language. The API, bridge_log and the alerts are in English; each of their sentences is
 * a message `server.…`, with the server's text in en.json and its translation in nb.json. An unknown text (of Graph, of
 * PostgreSQL, of an adapter) is shown unchanged.
 */
import en from './en.json' with { type: 'json' };
import { formerTexts } from './former-texts.js';
import { languageInUse, say } from './language.js';

/** @typedef {import('./language.js').Key} Key */

/** Placeholders with texts of the server, which are translated too. */
const quoted = new Set(['why', 'error', 'reason', 'what', 'fields', 'how', 'hint', 'fromTime', 'toTime']);
/** Values that a placeholder accepts, where that is not any text. @type {Record<string, string>} */
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

/** The most literal text first: of two patterns that match, the other one only has the wider placeholder. */
const patterns = Object.entries(en)
  .filter(([key, form]) => key.startsWith('server.') && typeof form === 'string')
  .map(([key, form]) => ({ key: /** @type {Key} */ (key), form: String(form) }))
  .flatMap(({ key, form }) => [form, ...(formerTexts[key] ?? [])].map((one) => ({ key, form: one })))
  .toSorted((a, b) => literal(b.form) - literal(a.form))
  .map(({ key, form }) => ({ key, pattern: pattern(form) }));

/** @param {string} form */
function literal(form) {
  return form.replace(/\{\w+\}/g, '').length;
}

/** The text of the server in the page's language. @param {string} text */
export function translated(text) {
  return languageInUse() === 'en' || text === '' ? text : translatedPart(text, 0);
}

/** @param {string} text @param {number} depth @returns {string} */
const translatedPart = (text, depth) =>
  matched(text, depth) ?? withoutFullStop(text, depth) ?? split(text, depth);

/** A sentence quoted inside another one has lost its full stop. @param {string} text @param {number} depth */
const withoutFullStop = (text, depth) => matched(`${text}.`, depth)?.slice(0, -1) ?? null;

/** The translation of a text that has the form of one message as a whole. @param {string} text @param {number} depth */
function matched(text, depth) {
  for (const { key, pattern: form } of patterns) {
    const found = form.exec(text);
    if (found === null) continue;
    const values = Object.entries(found.groups ?? {}).map(([name, value]) => [
      name,
      quoted.has(name) && depth < deepest ? translatedPart(value, depth + 1) : value,
    ]);
    return say(key, Object.fromEntries(values));
  }
  return null;
}

/** Translates sentence by sentence, then part by part; unknown parts stay. @param {string} text @param {number} depth */
function split(text, depth) {
  if (depth >= deepest) return text;
  for (const separator of [/(?<=[.!?]) (?=[\p{Lu}«])/u, /; /, /, /]) {
    const parts = text.split(separator);
    if (parts.length < 2) continue;
    const results = parts.map((part) => translatedPart(part, depth + 1));
    if (results.some((part, at) => part !== parts[at]))
      return results.join(separator.source.startsWith('(') ? ' ' : separator.source);
  }
  return text.endsWith('.') ? (beforeFullStop(text.slice(0, -1), depth) ?? text) : (field(text) ?? text);
}

/** @param {string} text @param {number} depth */
function beforeFullStop(text, depth) {
  const result = translatedPart(text, depth + 1);
  return result === text ? null : `${result}.`;
}

/** Fields by their names in the API and by their names in English texts. @type {Record<string, Key>} */
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
