/**
 * The language of a page: the reader's choice in the cookie, else the browser's (Accept-Language), else English. The texts are in
 * the dashboard's en.json and nb.json.
 */
import { readFileSync } from 'node:fs';
import type { Context, MiddlewareHandler } from 'hono';
import { setCookie } from 'hono/cookie';
import { languageDetector } from 'hono/language';
import { isHttps } from './origin.ts';

export const languages = ['en', 'nb'] as const;
export type Language = (typeof languages)[number];

type Messages = Readonly<Record<string, string | { readonly one: string; readonly other: string }>>;

const read = (language: Language) =>
  JSON.parse(readFileSync(new URL(`dashboard/${language}.json`, import.meta.url), 'utf8')) as Messages;
const messages = { en: read('en'), nb: read('nb') } as const satisfies Record<Language, Messages>;

const languageCookie = 'bridge_language';
const rememberedSeconds = 365 * 24 * 60 * 60;

/** Determines the language of a request (`languageOf`). A language in the address (`?language=nb`) is stored in the cookie. */
export const detectLanguage: MiddlewareHandler = languageDetector({
  supportedLanguages: [...languages],
  fallbackLanguage: 'en',
  lookupQueryString: 'language',
  lookupCookie: languageCookie,
  // both written forms of Norwegian
  convertDetectedLanguage: (language) => (/^(nb|no|nn)\b/i.test(language) ? 'nb' : language),
  // only an explicit choice is stored: the browser's language may change
  caches: false,
});

export const languageOf = (c: Context): Language => (c.get('language') as Language | undefined) ?? 'en';

/** Stores the language in the address; returns the address without it. Null: there is none. */
export function rememberLanguage(c: Context): string | null {
  const { pathname, searchParams } = new URL(c.req.url);
  if (!searchParams.has('language')) return null;
  setCookie(c, languageCookie, languageOf(c), {
    path: '/',
    httpOnly: true,
    sameSite: 'Lax',
    secure: isHttps(c),
    maxAge: rememberedSeconds,
  });
  searchParams.delete('language');
  return searchParams.size === 0 ? pathname : `${pathname}?${searchParams}`;
}

/** The Vary header of an answer that depends on the language. */
export const varies = { Vary: 'Accept-Language, Cookie' } as const;

/** A message without plural forms; its name if there is none. */
export function messageOf(language: Language, key: string): string {
  const message = messages[language][key];
  return typeof message === 'string' ? message : key;
}

/** Fills the `{{key}}` placeholders of a page; `access` and `key` are filled per request. Throws Error for an unknown key. */
export const fillPage = (page: string, language: Language): string =>
  page.replace(/\{\{([\w.-]+)\}\}/g, (whole, key: string) => {
    if (key === 'language') return language;
    if (key === 'access' || key === 'key') return whole;
    const message = messages[language][key];
    if (typeof message !== 'string') throw new Error(`${language}.json has no '${key}'`);
    return message.replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`);
  });
