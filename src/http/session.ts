/**
 * The session of a browser after a login: a cookie with its expiry and the name of the key, signed with that key. The server stores
 * nothing, so every replica with the same keys accepts it and it survives restarts; the sessions of a key end when the key is
 * changed or removed.
 */
import { scryptSync } from 'node:crypto';
import type { Context } from 'hono';
import { deleteCookie, getCookie, getSignedCookie, setSignedCookie } from 'hono/cookie';
import type { ApiKey } from '../config.ts';
import { isHttps } from './origin.ts';

export const sessionCookie = 'bridge_session';
const lifeSeconds = 12 * 60 * 60;

export interface Sessions {
  /** The key of the request's session; null: no valid session. */
  find(c: Context): Promise<ApiKey | null>;
  /** Sets the cookie; resolves with the end of the session. */
  begin(c: Context, key: ApiKey): Promise<Date>;
  /** Deletes the cookie. */
  end(c: Context): void;
}

/** `now`: milliseconds since 1970; the clocks of the replicas must agree. */
export function createSessions(keys: readonly ApiKey[], now: () => number = Date.now): Sessions {
  const secrets = new Map<ApiKey, Buffer<ArrayBuffer>>();
  function secretOf(key: ApiKey): Buffer<ArrayBuffer> {
    // slow on purpose, against guessing a short key from a stolen cookie
    const secret = secrets.get(key) ?? scryptSync(key.key, 'outlook-booking-sync session', 32);
    secrets.set(key, secret);
    return secret;
  }
  const options = (c: Context) =>
    ({ path: '/', httpOnly: true, sameSite: 'Strict', secure: isHttps(c) }) as const;
  return {
    async find(c) {
      // the name in the cookie only selects the key that verifies the signature
      const [, name] = /^\d{1,13}(?:\.(\w+))?\./.exec(getCookie(c, sessionCookie) ?? '') ?? [];
      const key = keys.find((one) => one.name === (name ?? null));
      if (key === undefined) return null;
      const said = await getSignedCookie(c, secretOf(key), sessionCookie);
      const [, until, signed] = /^(\d{1,13})(?:\.(\w+))?$/.exec(said || '') ?? [];
      return signed === name && Number(until) * 1_000 > now() ? key : null;
    },
    async begin(c, key) {
      const until = Math.floor(now() / 1_000) + lifeSeconds;
      const said = key.name === null ? String(until) : `${until}.${key.name}`;
      await setSignedCookie(c, sessionCookie, said, secretOf(key), { ...options(c), maxAge: lifeSeconds });
      return new Date(until * 1_000);
    },
    end: (c) => void deleteCookie(c, sessionCookie, options(c)),
  };
}
