/** The login page: one field, no script, readable in light and dark and on a phone. */
import { html } from 'hono/html';

export interface LoginPage {
  /** Where to go on to; a path of ours. */
  readonly next: string;
  /** What was wrong with the last try. */
  readonly problem: string | null;
}

export const loginPage = ({ next, problem }: LoginPage) =>
  html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <title>Log in – outlook-booking-sync</title>
        <link rel="stylesheet" href="/login/style.css" />
        <link rel="icon" href="data:," />
      </head>
      <body>
        <main>
          <h1>outlook-booking-sync</h1>
          <p>Room bookings and Outlook, kept equal.</p>
          <form method="post" action="/login">
            ${problem === null ? '' : html`<p id="problem" class="problem" role="alert">${problem}</p>`}
            <label for="key">API key</label>
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
              The value of <code>API_KEY</code>, or of your own <code>API_KEY_&lt;NAME&gt;</code>, in the
              settings of the daemon. This browser stays logged in for 12 hours.
            </p>
            <input type="hidden" name="next" value="${next}" />
            <button type="submit">Log in</button>
          </form>
        </main>
      </body>
    </html>`;
