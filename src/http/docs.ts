/**
 * /docs: the API in Swagger UI, from the files of its package; there are no requests to other hosts. Swagger UI writes styles
 * into its page, so only this page's content security policy allows inline styles.
 */
import { readFileSync } from 'node:fs';
import { createRoute, z } from '@hono/zod-openapi';
import { html } from 'hono/html';
import { Problem } from './problem.ts';
import { answers, newRoutes } from './schema.ts';

const packaged = (name: string) => new URL(name, import.meta.resolve('swagger-ui-dist/package.json'));
const script = 'text/javascript; charset=utf-8';

/** Name → file and type. Nothing else is served. */
const files = new Map<string, readonly [file: URL, type: string]>([
  ['swagger-ui-bundle.js', [packaged('swagger-ui-bundle.js'), script]],
  ['swagger-ui.css', [packaged('swagger-ui.css'), 'text/css; charset=utf-8']],
  ['favicon-32x32.png', [packaged('favicon-32x32.png'), 'image/png']],
  ['start.js', [new URL('docs-start.js', import.meta.url), script]],
]);

const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "font-src 'self' data:",
  "connect-src 'self'",
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join('; ');

const pageRoute = createRoute({
  method: 'get',
  path: '/docs',
  tags: ['Description'],
  summary: 'This description as a page with a form to try each endpoint',
  responses: { 200: { description: 'A page.', content: { 'text/html': { schema: z.string() } } } },
});

const fileRoute = createRoute({
  method: 'get',
  path: '/docs/{file}',
  tags: ['Description'],
  summary: 'A script or style of /docs',
  request: { params: z.object({ file: z.string() }) },
  responses: {
    ...answers('', z.object({}), [404]),
    200: { description: 'The file.', content: { '*/*': { schema: z.string() } } },
  },
});

const page = html`<!doctype html>
  <html lang="en">
    <head>
      <meta charset="utf-8" />
      <meta name="viewport" content="width=device-width, initial-scale=1" />
      <title>API – outlook-booking-sync</title>
      <link rel="stylesheet" href="/docs/swagger-ui.css" />
      <link rel="icon" type="image/png" href="/docs/favicon-32x32.png" />
    </head>
    <body>
      <div id="docs"></div>
      <noscript
        ><p>
          This page needs JavaScript. The same as JSON: <a href="/openapi.json">/openapi.json</a>
        </p></noscript
      >
      <script src="/docs/swagger-ui-bundle.js"></script>
      <script src="/docs/start.js"></script>
    </body>
  </html>`;

export function docsRoutes() {
  // 2 MB that are rarely used: read at the first request
  const read = new Map<string, Uint8Array<ArrayBuffer>>();
  return newRoutes()
    .openapi(pageRoute, (c) =>
      c.html(page, 200, { 'Content-Security-Policy': policy, 'Cache-Control': 'no-cache' }),
    )
    .openapi(fileRoute, (c) => {
      const { file: name } = c.req.valid('param');
      const [file, type] = files.get(name) ?? [];
      if (file === undefined || type === undefined)
        throw new Problem(404, `/docs has no file '${name.slice(0, 60)}'.`, 'The page is at /docs.');
      const bytes = read.get(name) ?? new Uint8Array(readFileSync(file));
      read.set(name, bytes);
      return c.body(bytes, 200, { 'Content-Type': type, 'Cache-Control': 'private, max-age=3600' });
    });
}
