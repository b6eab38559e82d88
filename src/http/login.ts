/** Login page, login and logout, with forms and with JSON. */
import { readFileSync } from 'node:fs';
import { createRoute, z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import { Invalid } from '../errors.ts';
import type { Door } from './auth.ts';
import { detectLanguage, languageOf, languages, messageOf, rememberLanguage, varies } from './language.ts';
import { loginPage } from './login-page.ts';
import { isFromOtherPage } from './origin.ts';
import { Problem } from './problem.ts';
import { answers, instantOrNull, newRoutes } from './schema.ts';

const tags = ['Login'];
const page = { 'text/html': { schema: z.string() } };

const credentials = z.object({
  key: z
    .string()
    .max(1_000)
    .optional()
    .openapi({ description: 'The value of API_KEY or of an API_KEY_<NAME>.' }),
  api_key: z.string().max(1_000).optional().openapi({ description: 'An alias of `key`.' }),
  next: z.string().max(1_000).optional().openapi({ description: 'The path to open after a login by form.' }),
});

const pageRoute = createRoute({
  method: 'get',
  path: '/login',
  tags,
  summary: 'The login page',
  security: [],
  request: { query: z.object({ next: credentials.shape.next, language: z.enum(languages).optional() }) },
  responses: {
    200: { description: 'The page.', content: page },
    303: {
      description: 'There is already a session, no key is set, or the language of the address was stored.',
    },
  },
});

const loginRoute = createRoute({
  method: 'post',
  path: '/login',
  tags,
  summary: 'Start a session: the answer sets its cookie',
  security: [],
  request: {
    body: {
      content: {
        'application/json': { schema: credentials },
        'application/x-www-form-urlencoded': { schema: credentials },
      },
    },
  },
  responses: {
    ...answers(
      'Started (JSON).',
      z.object({ success: z.literal(true), message: z.string(), expires_at: instantOrNull }),
      [403, 413],
    ),
    303: { description: 'Started (form).' },
  },
});

const logoutRoute = createRoute({
  method: 'post',
  path: '/logout',
  tags,
  summary: 'End the session of this browser',
  security: [],
  responses: {
    ...answers('It ended.', z.object({ success: z.literal(true), message: z.string() }), [403]),
    303: { description: 'Ended (form): redirect to the login page.' },
  },
});

const styleRoute = createRoute({
  method: 'get',
  path: '/login/style.css',
  tags,
  summary: 'The style of the login page',
  security: [],
  responses: { 200: { description: 'The file.', content: { 'text/css': { schema: z.string() } } } },
});

export function loginRoutes(door: Door) {
  const style = readFileSync(new URL('login.css', import.meta.url), 'utf8');
  const routes = newRoutes();
  routes.use('/login', detectLanguage);
  return routes
    .openapi(pageRoute, async (c) => {
      const next = ownPath(c.req.valid('query').next);
      const remembered = rememberLanguage(c);
      if (remembered !== null) return c.redirect(remembered, 303);
      if (door === null || (await door.sessions.find(c)) !== null) return c.redirect(next, 303);
      return c.html(loginPage({ next, problem: null, language: languageOf(c) }), 200, varies);
    })
    .openapi(loginRoute, async (c) => {
      refuseOtherPages(c);
      const form = isForm(c);
      const given = form ? c.req.valid('form') : c.req.valid('json');
      const next = ownPath(given.next);
      if (door === null) {
        if (form) return c.redirect(next, 303);
        const message = 'No API key is set: there is nothing to log in to';
        return c.json({ success: true as const, message, expires_at: null }, 200);
      }
      const key = given.key ?? given.api_key ?? '';
      const found = door.keys.find({ key, encoding: 'utf8' });
      if (found === null) {
        const problem =
          key.trim() === ''
            ? new Invalid('key', 'key: is missing', 'Send the value of API_KEY.')
            : door.keys.refuse(c);
        if (!form) throw problem;
        return again(c, next, problem) as never; // a page, although the description has a Problem
      }
      const until = await door.sessions.begin(c, found);
      if (form) return c.redirect(next, 303);
      return c.json({ success: true as const, message: 'Logged in', expires_at: until }, 200);
    })
    .openapi(logoutRoute, (c) => {
      refuseOtherPages(c);
      door?.sessions.end(c);
      if (/\btext\/html\b/.test(c.req.header('accept') ?? '')) return c.redirect('/login', 303);
      return c.json({ success: true as const, message: 'Logged out' }, 200);
    })
    .openapi(styleRoute, (c) =>
      c.body(style, 200, { 'Content-Type': 'text/css; charset=utf-8', 'Cache-Control': 'no-cache' }),
    );
}

const isForm = (c: Context): boolean =>
  /^(application\/x-www-form-urlencoded|multipart\/form-data)\b/i.test(c.req.header('content-type') ?? '');

/** The page again, with the error. */
function again(c: Context, next: string, problem: Problem | Invalid) {
  const [status, headers]: [ContentfulStatusCode, Record<string, string>] =
    problem instanceof Problem ? [problem.status, { ...problem.headers }] : [400, {}];
  const language = languageOf(c);
  const say = (key: string) => messageOf(language, key);
  const words =
    status === 400
      ? say('login.missing')
      : status === 429
        ? `${say('server.refused.many')} ${say('server.refused.wait').replace('{seconds}', headers['Retry-After'] ?? '')}`
        : `${say('server.refused.key')} ${say('server.refused.key.hint')}`;
  return c.html(loginPage({ next, problem: words, language }), status, headers);
}

/** Throws Problem for a login or logout by a page of another site. */
function refuseOtherPages(c: Context): void {
  if (isFromOtherPage(c))
    throw new Problem(
      403,
      'The request was made by a page of another site.',
      'Open /login and enter the key there.',
    );
}

/** The path if it is on this host, else the dashboard, to prevent open redirects. */
function ownPath(path: string | undefined): string {
  const base = 'http://bridge.invalid';
  if (path === undefined || !path.startsWith('/') || !URL.canParse(path, base)) return '/';
  const { origin, pathname, search, hash } = new URL(path, base);
  return origin === base && !pathname.startsWith('//') ? pathname + search + hash : '/';
}
