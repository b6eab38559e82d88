/** Bodies: at most 1 MB, and none at all is as good as any, whatever its content type says. */
import type { MiddlewareHandler } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { Problem } from './problem.ts';

export const limitBody: MiddlewareHandler = bodyLimit({
  maxSize: 1_000_000,
  onError: () => {
    throw new Problem(413, 'The body is larger than 1 MB.', 'Send less at a time.');
  },
});

/** `curl -X POST -H 'Content-Type: application/json'` without a body sends no JSON, and means none. */
export const allowNoBody: MiddlewareHandler = async (c, next) => {
  const declared = c.req.header('content-type') !== undefined && !['GET', 'HEAD'].includes(c.req.method);
  if (declared && (await c.req.arrayBuffer()).byteLength === 0) {
    const headers = new Headers(c.req.raw.headers);
    headers.delete('content-type');
    const { method, url, signal } = c.req.raw;
    c.req.raw = new Request(url, { method, headers, signal });
  }
  await next();
};
