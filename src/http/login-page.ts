/** The login page: one field, no script, readable in light and dark and on a phone. */
import { html, raw } from 'hono/html';
import { messageOf, type Language } from './language.ts';

export interface LoginPage {
  /** The path to open after the login. */
  readonly next: string;
  /** The error of the last attempt. */
  readonly problem: string | null;
  readonly language: Language;
}

const named = { key: '<code>API_KEY</code>', named: '<code>API_KEY_&lt;NAME&gt;</code>' };

export function loginPage({ next, problem, language }: LoginPage) {
  const say = (key: string) => messageOf(language, key);
  const other = say('other');
  return html`<!doctype html>
    <html lang="${language}">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <title>${say('login.title')}</title>
        <link rel="stylesheet" href="/login/style.css" />
        <link rel="icon" href="data:," />
      </head>
      <body>
        <main>
          <h1>outlook-booking-sync</h1>
          <p>${say('login.intro')}</p>
          <form method="post" action="/login">
            ${problem === null ? '' : html`<p id="problem" class="problem" role="alert">${problem}</p>`}
            <label for="key">${say('login.key')}</label>
            <input
              id="key"
              name="key"
              type="password"
              autocomplete="current-password"
              required
              maxlength="1000"
              autofocus
              aria-describedby="${problem === null ? 'help' : 'problem help'}"
              ${problem === null ? '' : html`aria-invalid="true"`}
            />
            <p id="help" class="help">
              ${raw(say('login.help').replace(/\{(key|named)\}/g, (_, name: 'key' | 'named') => named[name]))}
            </p>
            <input type="hidden" name="next" value="${next}" />
            <button type="submit">${say('login.button')}</button>
          </form>
          <p>
            <a
              href="/login?language=${other}&next=${encodeURIComponent(next)}"
              hreflang="${other}"
              lang="${other}"
              >${say('other.name')}</a
            >
          </p>
        </main>
      </body>
    </html>`;
}
