/**
 * The session of a browser after a key was typed once: a cookie that says until when it is good and which key it was,
 * signed with that key. Nothing is kept here, so every replica with the same keys takes it and a restart ends nobody's
 * session; a key that is changed or taken away ends its sessions.
 */
import { scryptSync } from 'node:crypto';
import type { Context } from 'hono';
import { deleteCookie, getCookie, getSignedCookie, setSignedCookie } from 'hono/cookie';
import type { ApiKey } from '../config.ts';
import { isHttps } from './origin.ts';

export const sessionCookie = 'bridge_session';
const lifeSeconds = 12 * 60 * 60;

export interface Sessions {
  /** The key whose session the request carries; null: none that is ours and not over. */
  find(c: Context): Promise<ApiKey | null>;
  /** Sets the cookie; resolves to the end of the session. */
  begin(c: Context, key: ApiKey): Promise<Date>;
  /** Takes the cookie back. */
  end(c: Context): void;
}

/** `now`: milliseconds since 1970, on clocks that are as equal as those of the replicas. */
export function createSessions(keys: readonly ApiKey[], now: () => number = Date.now): Sessions {
  const secrets = new Map<ApiKey, Buffer<ArrayBuffer>>();
  function secretOf(key: ApiKey): Buffer<ArrayBuffer> {
    // slow on purpose: a stolen cookie should not give a short key away by trying
    const secret = secrets.get(key) ?? scryptSync(key.key, 'outlook-booking-sync session', 32);
    secrets.set(key, secret);
    return secret;
  }
  const options = (c: Context) =>
    ({ path: '/', httpOnly: true, sameSite: 'Strict', secure: isHttps(c) }) as const;
  return {
    async find(c) {
      // which key it says it was decides only what the signature is checked with
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
