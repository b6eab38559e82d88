/**
 * The API keys, compared in constant time. Each address may send 30 wrong keys a minute. A missing key is not counted, and a
 * valid key is never refused, so that an attacker cannot lock out the operators.
 *
 * The address is the remote end of the connection. Headers with another address can be forged, and trusting them would give new
 * attempts for each forged address. Behind a proxy all wrong keys count together.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { getConnInfo } from '@hono/node-server/conninfo';
import type { Context } from 'hono';
import type { ApiKey } from '../config.ts';
import { Problem } from './problem.ts';

const triesAMinute = 30;
const addressesMost = 10_000;

/** The key as sent, in bytes: Node reads headers as Latin-1, forms as UTF-8. */
export interface Presented {
  readonly key: string;
  readonly encoding: 'latin1' | 'utf8';
}

export interface KeyCheck {
  /** The matching key; null: it is unknown. */
  find(presented: Presented): ApiKey | null;
  /** Counts a wrong key and returns the answer: 401, or 429 after too many within a minute. */
  refuse(c: Context): Problem;
}

/** `now`: milliseconds on a monotonic clock. */
export function createKeyCheck(keys: readonly ApiKey[], now: () => number): KeyCheck {
  const right = keys.map((key) => ({ key, hash: digest(Buffer.from(key.key)) }));
  const wrong = createTries(now);
  return {
    // all digests have the same length and all are compared, so the time does not depend on the input
    find({ key, encoding }) {
      const sent = digest(Buffer.from(key.trim(), encoding));
      return right.filter(({ hash }) => timingSafeEqual(sent, hash))[0]?.key ?? null;
    },
    refuse(c) {
      const waitSeconds = wrong.count(addressOf(c));
      if (waitSeconds > 0)
        return new Problem(429, 'Too many wrong API keys from this address.', `Wait ${waitSeconds} s.`, {
          headers: { 'Retry-After': String(waitSeconds) },
        });
      return new Problem(
        401,
        'The API key is wrong.',
        'It is the value of API_KEY, or of an API_KEY_<NAME>, in the settings of the daemon.',
        { headers: challenge },
      );
    },
  };
}

/** The header of a 401: https://www.rfc-editor.org/rfc/rfc9110#name-www-authenticate */
export const challenge = { 'WWW-Authenticate': 'Bearer' } as const;

/** The key in the headers of a request; null: none. */
export function presentedKey(c: Context): Presented | null {
  const key = c.req.header('x-api-key') ?? /^Bearer +(.+)$/i.exec(c.req.header('authorization') ?? '')?.[1];
  return key === undefined || key.trim() === '' ? null : { key, encoding: 'latin1' };
}

const digest = (bytes: Buffer): Buffer => createHash('sha256').update(bytes).digest();

function addressOf(c: Context): string {
  const { address = 'unknown' } = getConnInfo(c).remote;
  const plain = address.replace(/^::ffff:/, '');
  // a client with one IPv6 address has 2^64 of them: https://www.rfc-editor.org/rfc/rfc6177
  return plain.includes(':') ? networkOf(plain) : plain;
}

/** The first 64 bits of an IPv6 address. */
function networkOf(address: string): string {
  const [head = '', tail] = address.replace(/%.*$/, '').split('::');
  const before = head === '' ? [] : head.split(':');
  const after = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = tail === undefined ? 0 : 8 - before.length - after.length;
  return [...before, ...Array.from({ length: Math.max(0, zeros) }, () => '0'), ...after]
    .slice(0, 4)
    .join(':');
}

interface Tries {
  /** Counts one wrong key; returns 0, or the seconds to wait after too many within a minute. */
  count(address: string): number;
}

function createTries(now: () => number): Tries {
  const windows = new Map<string, { readonly since: number; tries: number }>();
  return {
    count(address) {
      const known = windows.get(address);
      const window =
        known === undefined || now() - known.since >= 60_000 ? { since: now(), tries: 0 } : known;
      // the least recently used address is dropped: a flood of addresses must not fill the memory
      windows.delete(address);
      if (windows.size >= addressesMost) windows.delete(windows.keys().next().value!);
      windows.set(address, window);
      window.tries += 1;
      if (window.tries <= triesAMinute) return 0;
      return Math.max(1, Math.ceil((window.since + 60_000 - now()) / 1_000));
    },
  };
}
