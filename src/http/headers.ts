/** The headers of every answer; a page may set its own content security policy. */
import type { MiddlewareHandler } from 'hono';
import { every } from 'hono/combine';
import { secureHeaders } from 'hono/secure-headers';
import { isHttps } from './origin.ts';

const self = "'self'";
const none = "'none'";

const secured = secureHeaders({
  overwrite: false,
  // not no-referrer: with it the forms of our own pages have the origin 'null'
  referrerPolicy: 'same-origin',
  xFrameOptions: 'DENY',
  strictTransportSecurity: false,
  // also for JSON, in case a browser is tricked into rendering it as a page
  contentSecurityPolicy: {
    defaultSrc: [none],
    scriptSrc: [self],
    styleSrc: [self],
    imgSrc: [self, 'data:'],
    connectSrc: [self],
    formAction: [self],
    baseUri: [none],
    frameAncestors: [none],
  },
});

const halfAYear = 'max-age=15552000';

const rest: MiddlewareHandler = async (c, next) => {
  await next();
  const { headers } = c.res;
  if (!headers.has('cache-control')) headers.set('Cache-Control', 'no-store');
  // without includeSubDomains, which would affect other services of the domain
  if (isHttps(c)) headers.set('Strict-Transport-Security', halfAYear);
};

export const safeHeaders: MiddlewareHandler = every(secured, rest);
