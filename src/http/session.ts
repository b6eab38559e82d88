/**
 * The session of a browser after the key was typed once: a signed cookie that says until when it is good, and nothing
 * else. Nothing is kept here, so every replica with the same API_KEY takes it and a restart ends nobody's session;
 * another API_KEY ends all of them.
 */
import { scryptSync } from 'node:crypto';
import type { Context } from 'hono';
import { deleteCookie, getSignedCookie, setSignedCookie } from 'hono/cookie';
import { isHttps } from './origin.ts';

export const sessionCookie = 'bridge_session';
const lifeSeconds = 12 * 60 * 60;

export interface Sessions {
  /** Whether the request carries a session that is ours and not over. */
  isOpen(c: Context): Promise<boolean>;
  /** Sets the cookie; resolves to the end of the session. */
  begin(c: Context): Promise<Date>;
  /** Takes the cookie back. */
  end(c: Context): void;
}

/** `now`: milliseconds since 1970, on clocks that are as equal as those of the replicas. */
export function createSessions(apiKey: string, now: () => number = Date.now): Sessions {
  // slow on purpose: who steals a cookie should not find out a short key by trying
  const secret = scryptSync(apiKey, 'outlook-booking-sync session', 32);
  const options = (c: Context) =>
    ({ path: '/', httpOnly: true, sameSite: 'Strict', secure: isHttps(c) }) as const;
  return {
    async isOpen(c) {
      const until = await getSignedCookie(c, secret, sessionCookie);
      return typeof until === 'string' && /^\d{1,13}$/.test(until) && Number(until) * 1_000 > now();
    },
    async begin(c) {
      const until = Math.floor(now() / 1_000) + lifeSeconds;
      await setSignedCookie(c, sessionCookie, String(until), secret, { ...options(c), maxAge: lifeSeconds });
      return new Date(until * 1_000);
    },
    end: (c) => void deleteCookie(c, sessionCookie, options(c)),
  };
}
