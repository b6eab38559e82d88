/**
 * Checks of Graph for the operator: the token and its permissions, the expiry of the credential, the clocks, and read and write
 * access to a mailbox. The caller must hold the lease of the mailbox's room.
 */
import { randomUUID } from 'node:crypto';
import type { GraphConfig } from '../config.ts';
import { Retryable } from '../errors.ts';
import { createTokens, credentialEnds } from './auth.ts';
import { isGone } from './failure.ts';
import { membersOf, textOf } from './format.ts';
import { createDispatcher, createGraphHttp, encode, type Call } from './http.ts';
import { createDirectory } from './directory.ts';
import { createThrottle } from './throttle.ts';

/** The claims of a token. */
export interface TokenView {
  /** The application permissions granted in Entra; null if the token cannot be read. */
  readonly roles: readonly string[] | null;
}

/** Far outside of every window (at most 365 days), so that no daemon treats it as a booking. */
const daysBack = 1_000;
const dayMs = 86_400_000;
const createTries = 3;

export function createProbe(graph: GraphConfig) {
  const dispatcher = createDispatcher(graph.proxy, 8);
  const tokens = createTokens({ graph, dispatcher });
  const http = createGraphHttp({ graph, dispatcher, tokens, throttle: createThrottle(8) });

  /** Requests a token. Throws Retryable or Permanent with the remedy. */
  async function token(signal: AbortSignal): Promise<TokenView> {
    return { roles: rolesOf(await tokens.get(signal)) };
  }

  /** The expiry of the credential; null if unknown. For a secret the right Application.Read.All is needed. */
  async function credentialEnd(roles: readonly string[] | null, signal: AbortSignal): Promise<Date | null> {
    const { credential } = graph;
    if (!('secret' in credential)) return credentialEnds(graph);
    if (roles === null || !roles.some((role) => role.startsWith('Application.Read'))) return null;
    const path = `/applications(appId='${encode(graph.clientId)}')?$select=passwordCredentials`;
    const answer = await http.send(
      { what: "read the app's secrets", mailbox: null, method: 'GET', path },
      signal,
    );
    return endOfSecrets(answer.body, credential.secret);
  }

  const call = (
    mailbox: string,
    what: string,
    method: Call['method'],
    path: string,
    body?: object,
  ): Call => ({
    what,
    mailbox,
    method,
    path: `/users/${encode(mailbox)}/events${path}`,
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });

  const directory = createDirectory(http);

  /** Reads one event's id. Throws Graph's error with the remedy. */
  async function readMailbox(mailbox: string, signal: AbortSignal): Promise<void> {
    await http.get(call(mailbox, 'read a calendar', 'GET', '?$top=1&$select=id'), signal);
  }

  /**
   * Creates an event and deletes it permanently. Returns null, or the description of a remaining event. Throws if it could not be
   * created.
   */
  async function writeMailbox(mailbox: string, signal: AbortSignal): Promise<string | null> {
    const { starts, body } = trialEvent();
    const creating = call(mailbox, 'create an event', 'POST', '', body);
    const where = `an event 'outlook-booking-sync doctor' at ${starts.toISOString().slice(0, 10)} 00:00 UTC in ${mailbox}`;
    let id: string | null = null;
    for (let attempt = 1; id === null; attempt += 1) {
      try {
        id = textOf(membersOf((await http.get(creating, signal)).body).id);
        if (id === null) return where;
      } catch (error) {
        // the same key returns the same event, so an event created without an answer is found by repeating the create
        if (!(error instanceof Retryable) || !error.ambiguous) throw error;
        if (attempt === createTries) return where;
      }
    }
    // must not be interrupted: the created event has to be deleted
    const deletion = AbortSignal.timeout(30_000);
    for (const [method, action] of [
      ['POST', '/permanentDelete'],
      ['DELETE', ''],
      ['DELETE', ''],
    ] as const) {
      const deleting = call(mailbox, 'delete an event', method, `/${encode(id)}${action}`);
      const answer = await http.send(deleting, deletion).catch(() => null); // retried, and reported if it remains
      if (answer !== null && ((answer.status >= 200 && answer.status < 300) || isGone(answer))) return null;
    }
    return where;
  }

  return {
    token,
    credentialEnd,
    resolveMailbox: directory.resolveMailbox,
    readMailbox,
    writeMailbox,
    /** The difference of Graph's clock to ours in ms, in whole seconds, after a call. */
    clockMs: () => http.now() - Date.now(),
    [Symbol.asyncDispose]: async () => dispatcher.destroy(),
  };
}

/** A free, private event far in the past, without reminder and attendees. */
function trialEvent() {
  const starts = new Date(Math.floor(Date.now() / dayMs - daysBack) * dayMs);
  const time = (ms: number) => ({
    dateTime: new Date(starts.getTime() + ms).toISOString().slice(0, 19),
    timeZone: 'UTC',
  });
  const body = {
    subject: 'outlook-booking-sync doctor',
    body: { contentType: 'text', content: 'Made by doctor --write to see whether it may. Delete it.' },
    start: time(0),
    end: time(60_000),
    showAs: 'free',
    sensitivity: 'private',
    isReminderOn: false,
    transactionId: randomUUID(),
  };
  return { starts, body };
}

/** The `roles` claim of a token (Microsoft: access-token-claims-reference). Shown, never trusted. */
function rolesOf(token: string): string[] | null {
  try {
    const claims: unknown = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString());
    const { roles } = membersOf(claims);
    return Array.isArray(roles) ? roles.filter((role) => typeof role === 'string') : [];
  } catch {
    // opaque, as Microsoft reserves the right to make them
    return null;
  }
}

/** The expiry of the current secret, identified by its first three characters (its `hint`); the last of several. */
function endOfSecrets(body: unknown, secret: string): Date | null {
  const { passwordCredentials } = membersOf(body);
  if (!Array.isArray(passwordCredentials)) return null;
  const ends = passwordCredentials
    .map(membersOf)
    .filter(({ hint }) => textOf(hint) === null || secret.startsWith(textOf(hint)!))
    .map(({ endDateTime }) => Date.parse(textOf(endDateTime) ?? ''))
    .filter((end) => !Number.isNaN(end));
  return ends.length === 0 ? null : new Date(Math.max(...ends));
}
