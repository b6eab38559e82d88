/**
 * The dashboard: static files, read once. The page uses the public API. It loads nothing from another host, and the content
 * security policy in headers.ts allows only these files.
 */
import { readFileSync, readdirSync } from 'node:fs';
import { createRoute, z } from '@hono/zod-openapi';
import { etag } from 'hono/etag';
import packageJson from '../../package.json' with { type: 'json' };
import { keyNameOf, mayWrite } from './auth.ts';
import { detectLanguage, fillPage, languageOf, languages, rememberLanguage, varies } from './language.ts';
import { Problem } from './problem.ts';
import { answers, newRoutes } from './schema.ts';

const folder = new URL('dashboard/', import.meta.url);
const own = (name: string) => new URL(name, folder);
const packaged = (name: string) => new URL(import.meta.resolve(name));

const script = 'text/javascript; charset=utf-8';
const style = 'text/css; charset=utf-8';

/** Name → file and type. Nothing else is served. */
const files = new Map<string, readonly [file: URL, type: string]>([
  ...readdirSync(folder)
    .filter((name) => name.endsWith('.js'))
    .map((name) => [name, [own(name), script]] as const),
  ...languages.map((name) => [`${name}.json`, [own(`${name}.json`), 'application/json']] as const),
  ['style.css', [own('style.css'), style]],
  ['icon.svg', [own('icon.svg'), 'image/svg+xml']],
  ['uplot.js', [packaged('uplot/dist/uPlot.esm.js'), script]],
  ['uplot.css', [packaged('uplot/dist/uPlot.min.css'), style]],
]);

export interface DashboardParts {
  /** Empty: there are no sessions. */
  readonly keys: readonly unknown[];
  /** The booking system's time zone: the page shows no time in another one, whichever of its calls fails. */
  readonly timezone: string;
}

const pageRoute = (path: '/' | '/dashboard') =>
  createRoute({
    method: 'get',
    path,
    tags: ['Dashboard'],
    summary: 'The dashboard',
    request: { query: z.object({ language: z.enum(languages).optional() }) },
    responses: {
      200: {
        description: 'The page, in the chosen language or the browser’s.',
        content: { 'text/html': { schema: z.string() } },
      },
      303: { description: 'The language of the address is stored in a cookie.' },
    },
  });

const fileRoute = createRoute({
  method: 'get',
  path: '/dashboard/{file}',
  tags: ['Dashboard'],
  summary: 'A script, style or picture of the dashboard',
  request: { params: z.object({ file: z.string() }) },
  responses: {
    ...answers('', z.object({}), [404]),
    200: { description: 'The file.', content: { '*/*': { schema: z.string() } } },
  },
});

const iconRoute = createRoute({
  method: 'get',
  path: '/favicon.ico',
  tags: ['Dashboard'],
  summary: 'The icon of the dashboard',
  responses: { 200: { description: 'The icon.', content: { '*/*': { schema: z.string() } } } },
});

export function dashboardRoutes({ keys, timezone }: DashboardParts) {
  const text = readFileSync(own('index.html'), 'utf8');
  const shown = keys.length === 0 ? text : text.replace(/ data-without-key\s+hidden/, '');
  const page = shown.replace('{{version}}', packageJson.version).replace('{{zone}}', timezone);
  const pages = { en: fillPage(page, 'en'), nb: fillPage(page, 'nb') };
  const texts = new Map([...files].map(([name, [file, type]]) => [name, [readFileSync(file, 'utf8'), type]]));
  const routes = newRoutes();
  // revalidated each time and answered with 304, so that a new version is visible at once
  routes.use('/dashboard/*', etag());
  for (const path of ['/', '/dashboard'] as const) {
    routes.use(path, detectLanguage);
    routes.openapi(pageRoute(path), (c) => {
      const remembered = rememberLanguage(c);
      if (remembered !== null) return c.redirect(remembered, 303);
      const page = pages[languageOf(c)].replace('{{access}}', mayWrite(c) ? 'write' : 'read');
      return c.html(page.replace('{{key}}', keyNameOf(c) ?? ''), 200, {
        'Cache-Control': 'no-cache',
        ...varies,
      });
    });
  }
  // browsers ask for it on pages that name no icon
  const icon = readFileSync(own('icon.svg'), 'utf8');
  routes.openapi(iconRoute, (c) =>
    c.body(icon, 200, { 'Content-Type': 'image/svg+xml', 'Cache-Control': 'max-age=86400' }),
  );
  return routes.openapi(fileRoute, (c) => {
    const { file } = c.req.valid('param');
    const [text, type] = texts.get(file) ?? [];
    if (text === undefined || type === undefined)
      throw new Problem(
        404,
        `The dashboard has no file '${file.slice(0, 60)}'.`,
        'The page is at /dashboard.',
      );
    return c.body(text, 200, { 'Content-Type': type, 'Cache-Control': 'no-cache' });
  });
}
