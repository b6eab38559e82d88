/**
 * One request to Graph: connection, token, headers, places, timeouts. It repeats only a request with a refused
 * token; other repetitions are up to the caller, which knows their effects (undici's RetryHandler caps Retry-After
 * and never repeats a POST).
 */
import { randomUUID } from 'node:crypto';
import type { Dispatcher } from 'undici';
import type { GraphConfig } from '../config.ts';
import { Permanent, Retryable } from '../errors.ts';
import type { Tokens } from './auth.ts';
import { createFailures, retryAfterMs, type About, type Answer, type Failures } from './failure.ts';
import { request } from './request.ts';
import { cut, storable } from './text.ts';
import type { Lane, Throttle } from './throttle.ts';
import { Agent, EnvHttpProxyAgent } from './undici.ts';

/** One request. `path` is relative to GRAPH_BASE_URL, encoded, with its query. */
export interface Call {
  /** For messages: 'create an event'. */
  readonly what: string;
  /** The mailbox it counts for; null: directory or subscriptions. */
  readonly mailbox: string | null;
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  readonly path: string;
  /** JSON text. */
  readonly body?: string;
  /** Parts of the one Prefer header besides immutable ids. */
  readonly prefer?: string;
  /** If-Match. Microsoft does not document it for events; other clients send it. */
  readonly ifMatch?: string;
  readonly lane?: Lane;
  /** Of the mailbox's four places; a `$batch` takes all. */
  readonly places?: number;
  /** The remedy for a refusal if Graph's answer has none. */
  readonly hint?: string;
}

/** Data about each request for metrics. `status` 0: no answer. */
export interface CallMade {
  readonly what: string;
  readonly mailbox: string | null;
  readonly status: number;
  readonly ms: number;
}

export interface GraphHttp {
  /** The answer with any status. Throws Retryable without an answer, and the signal's reason if it aborts. */
  send(call: Call, signal: AbortSignal): Promise<Answer>;
  /** The answer of a successful call; throws the error of `failures` otherwise. */
  get(call: Call, signal: AbortSignal): Promise<Answer>;
  /** The error for an unsuccessful answer. */
  refused(answer: Answer, call: Call): Error;
  /** Records the throttling of a mailbox reported inside a `$batch`. */
  noteThrottling(answer: Answer, call: Call): void;
  readonly failures: Failures;
  /** The path of a nextLink or deltaLink. Throws Permanent for another host, because it would get our token. */
  pathOf(link: string): string;
  /** Graph's time (ms), from the Date header of its last answer. */
  now(): number;
}

export interface HttpOptions {
  readonly graph: GraphConfig;
  readonly dispatcher: Dispatcher;
  readonly tokens: Tokens;
  readonly throttle: Throttle;
  readonly onCall?: ((made: CallMade) => void) | undefined;
  /** Called right before a request that concerns a mailbox is sent; what it throws is thrown instead. */
  readonly beforeSend?: (() => void) | undefined;
}

const immutableIds = 'IdType="ImmutableId"';
/** Preferences of every call that returns events: immutable ids, times in UTC, bodies as text. */
export const preferEvents = 'outlook.timezone="UTC", outlook.body-content-type="text"';

/** Bytes; Graph refuses larger requests. */
const longestBody = 4_000_000;
const longestAnswer = 64_000_000;
const headersMs = 25_000;
const bodyMs = 30_000;
/** From sending to the last byte of the answer, also when it drips in byte by byte. */
const wholeMs = 60_000;
/** Calls without an answer, and with no answer to another call in between, before Graph itself is tried. */
const unansweredMost = 3;
const probeMs = 5_000;

/** Keep-alive connections, limited per origin, through the configured proxy if there is one. */
export function createDispatcher(proxy: GraphConfig['proxy'], connections: number): Dispatcher {
  const options = {
    connections,
    pipelining: 1,
    allowH2: false,
    connect: { timeout: 5_000 },
    headersTimeout: headersMs,
    bodyTimeout: bodyMs,
    keepAliveTimeout: 30_000,
    maxResponseSize: longestAnswer,
  };
  if (proxy === null) return new Agent(options);
  // '' keeps it from reading the environment
  return new EnvHttpProxyAgent({ ...options, httpProxy: '', httpsProxy: proxy.url, noProxy: proxy.except });
}

/** A part of a path: also apostrophes, which OData would read as quotes. */
export const encode = (part: string): string => encodeURIComponent(part).replaceAll("'", '%27');

export function createGraphHttp(options: HttpOptions): GraphHttp {
  const { dispatcher, tokens, throttle, onCall, beforeSend } = options;
  const failures = createFailures();
  const { origin, pathname } = new URL(options.graph.baseUrl);
  const basePath = pathname.replace(/\/+$/, '');
  const throttling = createThrottling();
  const clock = createGraphClock();
  const reachable = createReachable(async () => {
    // without a token: any answer will do
    const service = { origin, path: `${basePath}/`, method: 'GET', headers: [], body: null } as const;
    await request(dispatcher, service, AbortSignal.timeout(probeMs), probeMs);
  });

  const aboutOf = (call: Call): About => ({
    what: call.what,
    mailbox: call.mailbox,
    writes: call.method !== 'GET',
    hint: call.hint,
  });

  async function send(call: Call, signal: AbortSignal): Promise<Answer> {
    if (call.body !== undefined && Buffer.byteLength(call.body) > longestBody)
      throw new Permanent(`${call.what}: ${Buffer.byteLength(call.body)} bytes are more than Graph takes`, {
        hint: 'Shorten the description.',
      });
    const { mailbox, places = 1, lane = 'quick' } = call;
    const entered = throttle.enter(mailbox, places, lane, signal);
    if (entered !== undefined) await entered;
    try {
      throttling.check(call);
      const token = tokens.current() ?? (await tokens.get(signal));
      let answer = await sendOnce(call, token, signal);
      if (answer.status === 401) {
        tokens.expire(token);
        answer = await sendOnce(call, await tokens.get(signal), signal);
      }
      throttling.note(answer, call);
      return answer;
    } finally {
      throttle.leave(mailbox, places);
    }
  }

  async function sendOnce(call: Call, token: string, signal: AbortSignal): Promise<Answer> {
    signal.throwIfAborted();
    if (call.mailbox !== null) beforeSend?.();
    const started = performance.now();
    let status = 0;
    try {
      const answer = await request(
        dispatcher,
        {
          origin,
          path: basePath + call.path,
          method: call.method,
          headers: headersOf(call, token),
          body: call.body ?? null,
        },
        signal,
        wholeMs,
      );
      const at = performance.now();
      const { headers, text } = answer;
      status = answer.status;
      reachable.answered();
      clock.read(headers.date, at);
      if (status < 400 || status === 404 || status === 400 || status === 412) failures.succeeded();
      const requestId = headers['request-id'];
      return {
        status,
        headers,
        body: parse(text),
        at,
        ms: at - started,
        requestId: typeof requestId === 'string' ? requestId : undefined,
      };
    } catch (error) {
      signal.throwIfAborted();
      throw failures.unanswered(error, aboutOf(call), await reachable.isLost());
    } finally {
      onCall?.({ what: call.what, mailbox: call.mailbox, status, ms: performance.now() - started });
    }
  }

  function pathOf(link: string): string {
    const start = `${origin}${basePath}/`;
    if (link.startsWith(start)) return link.slice(start.length - 1);
    const url = URL.canParse(link) ? new URL(link) : null;
    if (url !== null && url.origin === origin && url.pathname.startsWith(`${basePath}/`))
      return url.pathname.slice(basePath.length) + url.search;
    throw new Permanent(`a link of Graph leads to '${url?.origin ?? cut(link, 100)}' and is not followed`, {
      reach: 'room',
      hint: 'GRAPH_BASE_URL names another host than the one Graph answers with.',
    });
  }

  const refused = (answer: Answer, call: Call) => failures.refused(answer, aboutOf(call));

  return {
    send,
    async get(call, signal) {
      const answer = await send(call, signal);
      if (answer.status >= 200 && answer.status < 300) return answer;
      throw refused(answer, call);
    },
    refused,
    noteThrottling: throttling.note,
    failures,
    pathOf,
    now: clock.now,
  };
}

/**
 * Whether Graph can be reached at all. A single item may break its connection, and one room may be the only one with calls: after
 * several calls without an answer, Graph itself is tried. `probe` throws if it does not answer.
 */
function createReachable(probe: () => Promise<void>) {
  let unanswered = 0;
  let lost = false;
  let probing: Promise<void> | null = null;

  function answered(): void {
    unanswered = 0;
    lost = false;
  }

  return {
    answered,
    /** After a call without an answer: whether Graph answers nothing else either. */
    async isLost(): Promise<boolean> {
      unanswered += 1;
      if (lost || unanswered < unansweredMost) return lost;
      probing ??= probe()
        .then(answered, () => void (lost = true))
        .finally(() => (probing = null));
      await probing;
      return lost;
    },
  };
}

/** The rest that Graph requested, by mailbox. */
function createThrottling() {
  /** By mailbox, '' without one: the end of its rest (`performance.now()`). */
  const restsUntil = new Map<string, number>();
  const keyOf = (call: Call) => call.mailbox?.toLowerCase() ?? '';
  return {
    /** Throws Retryable while the mailbox rests. */
    check(call: Call): void {
      const key = keyOf(call);
      const until = restsUntil.get(key);
      if (until === undefined) return;
      const afterMs = Math.ceil(until - performance.now());
      if (afterMs <= 0) restsUntil.delete(key);
      else
        throw new Retryable(`${call.what}: Graph asked for ${afterMs} ms of rest`, {
          reach: call.mailbox === null ? 'side' : 'room',
          afterMs,
        });
    },
    note(answer: Answer, call: Call): void {
      if (answer.status !== 429 && answer.status !== 503) return;
      const afterMs = retryAfterMs(answer.headers);
      if (afterMs === undefined || afterMs === 0) return;
      const key = keyOf(call);
      restsUntil.set(key, Math.max(restsUntil.get(key) ?? 0, answer.at + afterMs));
    },
  };
}

/** Graph's time, by the Date header of its last answer. */
function createGraphClock() {
  let last: { readonly sent: number; readonly at: number } | null = null;
  return {
    read(date: unknown, at: number): void {
      if (typeof date === 'string') last = { sent: Date.parse(date), at };
    },
    now: (): number =>
      last === null || Number.isNaN(last.sent) ? Date.now() : last.sent + (performance.now() - last.at),
  };
}

/** Flat, as undici takes them without a copy. There must be one Prefer header: of two, one is silently lost. */
function headersOf(call: Call, token: string): string[] {
  const headers = [
    'authorization',
    `Bearer ${token}`,
    'accept',
    'application/json',
    'prefer',
    call.prefer === undefined ? immutableIds : `${immutableIds}, ${call.prefer}`,
    'client-request-id',
    randomUUID(),
    'user-agent',
    'outlook-booking-sync',
  ];
  if (call.ifMatch !== undefined) headers.push('if-match', call.ifMatch);
  if (call.body !== undefined) headers.push('content-type', 'application/json');
  return headers;
}

/** JSON, or undefined for anything else (a proxy's page, an empty body). */
function parse(text: string): unknown {
  if (text === '') return undefined;
  try {
    return unstorable.test(text) ? JSON.parse(text, storableText) : JSON.parse(text);
  } catch {
    // the status is sufficient; a required body is checked by its reader
    return undefined;
  }
}

/** Escapes that may stand for U+0000 or half of a surrogate pair. */
const unstorable = /\\u(0000|d[89a-f])/i;
const storableText = (_: string, value: unknown): unknown =>
  typeof value === 'string' ? storable(value) : value;

/** A success with an invalid body is treated like a lost answer. */
export function unreadable(what: string, answer: Answer, writes: boolean): Retryable {
  const details = answer.requestId === undefined ? {} : { requestId: answer.requestId };
  return new Retryable(`${what}: the answer of Graph (${answer.status}) cannot be read`, {
    ...details,
    ambiguous: writes,
  });
}
