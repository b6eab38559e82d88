/**
 * The texts of the page in its language. Each is in en.json and nb.json under the same key. translate.js translates the
 * English texts of the server.
 */
import en from './en.json' with { type: 'json' };
import nb from './nb.json' with { type: 'json' };

/** @typedef {keyof typeof en} Key */
/** @typedef {{ [name: string]: string | number }} Values */

/** @type {Record<string, { locale: string, messages: Record<Key, string | { one: string, other: string }> }>} */
const languages = { en: { locale: 'en-GB', messages: en }, nb: { locale: 'nb-NO', messages: nb } };
const english = /** @type {const} */ ({ locale: 'en-GB', messages: en });

/** @param {string} name */
function open(name) {
  const { locale, messages } = languages[name] ?? english;
  return {
    name: name in languages ? name : 'en',
    locale,
    messages,
    plural: new Intl.PluralRules(locale),
    numbers: new Intl.NumberFormat(locale),
  };
}
let language = open(globalThis.document?.documentElement.lang ?? 'en');

/** Sets the language of all texts: `en` or `nb`. @param {string} name */
export function useLanguage(name) {
  language = open(name);
}

/** `en` or `nb`. */
export const languageInUse = () => language.name;

/** As BCP 47 tag for Intl. */
export const locale = () => language.locale;

/** @param {number} value */
export const number = (value) => language.numbers.format(value);

/**
 * A message with its placeholders filled; numbers have the format of the language, and `n` selects the plural form.
 * @param {Key} key
 * @param {Values} [values]
 */
export function say(key, values = {}) {
  const message = language.messages[key];
  const form = typeof message === 'string' ? message : message[pluralOf(Number(values['n']))];
  return filled(form, values);
}

/** @param {number} n @returns {'one' | 'other'} */
const pluralOf = (n) => (language.plural.select(n) === 'one' ? 'one' : 'other');

/** @param {string} form @param {Values} values */
const filled = (form, values) =>
  form.replace(/\{(\w+)\}/g, (whole, name) => {
    const value = values[name];
    return value === undefined ? whole : typeof value === 'number' ? number(value) : value;
  });

/**
 * The message of a name that the API gives (a state, an action); the name itself where there is none.
 * @param {string} area
 * @param {string} name
 */
export function named(area, name) {
  const key = `${area}.${name}`;
  return key in en ? say(/** @type {Key} */ (key)) : name;
}
