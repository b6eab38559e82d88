/**
 * The log: JSON lines on stdout, message constant and lower-case, facts as fields. What could identify a person or
 * open a door is redacted by name, wherever it turns up.
 */
import { pino, type Logger } from 'pino';

export type { Logger };

const secrets = [
  'authorization',
  'access_token',
  'client_secret',
  'client_assertion',
  'clientState',
  'password',
  'apiKey',
  'cookie',
];
const personal = ['title', 'subject', 'description', 'body', 'organizerName', 'organizerEmail', 'email'];
const redacted = [...secrets, ...personal].flatMap((name) => [name, `*.${name}`, `*.*.${name}`]);

export function createLog(level: string, destination?: { write(line: string): void }): Logger {
  const options = {
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    redact: { paths: redacted, censor: '[redacted]' },
  };
  return destination === undefined ? pino(options) : pino(options, destination);
}
