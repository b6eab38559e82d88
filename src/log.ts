/**
 * The log: JSON lines on stdout with constant lower-case messages and facts as fields. Personal data and secrets are redacted by
 * field name, down to the third level; `ops/redact.ts` removes them from texts.
 */
import { pino, type Logger } from 'pino';

export type { Logger };

const secrets = [
  'authorization',
  'proxy-authorization',
  'x-api-key',
  'apiKey',
  'api_key',
  'cookie',
  'set-cookie',
  'password',
  'secret',
  'clientSecret',
  'client_secret',
  'client_assertion',
  'clientState',
  'token',
  'accessToken',
  'access_token',
  'validationToken',
];
const personal = [
  'title',
  'subject',
  'description',
  'body',
  'bodyPreview',
  'organizer',
  'organizerName',
  'organizer_name',
  'organizerEmail',
  'organizer_email',
  'attendees',
  'email',
];
const redacted = [...secrets, ...personal].flatMap((name) => [
  `["${name}"]`,
  `*["${name}"]`,
  `*.*["${name}"]`,
]);

export function createLog(level: string, destination?: { write(line: string): void }): Logger {
  const options = {
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    redact: { paths: redacted, censor: '[redacted]' },
  };
  return destination === undefined ? pino(options) : pino(options, destination);
}
