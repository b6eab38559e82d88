/** Request bodies: at most 1 MB; a missing body is accepted with any content type. */
import type { MiddlewareHandler } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { unrounded } from '../id.ts';
import { Problem } from './problem.ts';

export const limitBody: MiddlewareHandler = bodyLimit({
  maxSize: 1_000_000,
  onError: (c) => {
    // the rest of the body is not read, so the connection is of no more use
    c.header('Connection', 'close');
    throw new Problem(413, 'The body is larger than 1 MB.', 'Send less at a time.');
  },
});

/** Replaces numbers that JSON.parse would round by their digits. The endpoint refuses malformed JSON. */
export const exactNumbers: MiddlewareHandler = async (c, next) => {
  if (c.req.header('content-type')?.includes('json') === true) {
    const text = await c.req.text();
    const exact = exactly(text);
    if (exact !== text) {
      const { method, url, headers, signal } = c.req.raw;
      c.req.raw = new Request(url, { method, headers, signal, body: exact });
      c.req.bodyCache = {};
    }
  }
  await next();
};

function exactly(text: string): string {
  try {
    return unrounded(text);
  } catch {
    return text;
  }
}

/** `curl -X POST -H 'Content-Type: application/json'` without a body sends no JSON; it is treated as no body. */
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
