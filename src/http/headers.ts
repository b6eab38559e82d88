/** The headers every answer carries, whatever it is; a page may bring a policy of its own. */
import type { MiddlewareHandler } from 'hono';
import { every } from 'hono/combine';
import { secureHeaders } from 'hono/secure-headers';
import { isHttps } from './origin.ts';

const self = "'self'";
const none = "'none'";

const secured = secureHeaders({
  overwrite: false,
  // not no-referrer: with that the forms of our own pages have the origin 'null'
  referrerPolicy: 'same-origin',
  xFrameOptions: 'DENY',
  strictTransportSecurity: false,
  // the JSON has it too: a browser that is made to take it for a page does nothing with it
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
  // without includeSubDomains: other services of the same domain are not ours to bind
  if (isHttps(c)) headers.set('Strict-Transport-Security', halfAYear);
};

export const safeHeaders: MiddlewareHandler = every(secured, rest);
