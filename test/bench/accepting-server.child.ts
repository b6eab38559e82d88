/**
 * A Graph that accepts, as fast as node:http can, in a process of its own: tokens, creates, changes, deletes, reads and
 * batches of room calendars. It checks nothing and forgets nothing, so it is the same floor for both sides of a ratio.
 * Tells its parent of each subject that ends in `#n` when the request was read to its end. Settings by environment:
 * LATENCY_MS until each answer, of a batch for every four in it, as Graph works on four at a time; JITTERS=1: anything
 * between nothing and twice that, one in ten takes thirty times as long; FORGETS=1: every create makes an event, whatever its
 * transactionId. `POST /_throttle/<mailbox>`: that mailbox answers 429 with a second of Retry-After until another one, or
 * none, is named.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { monotonicMs } from '../../src/sandbox/tenant/clock.ts';

/** What the parent is told: a numbered subject was accepted. */
export interface Accepted {
  readonly number: number;
  /** `monotonicMs()` */
  readonly at: number;
}

/**
 * Answer of `GET /_count`: requests by method since the last `POST /_count`, those in batches as 'inner …', and how many
 * events carry marks that another one has.
 */
export interface Count {
  readonly requests: Readonly<Record<string, number>>;
  readonly lastAt: number;
  readonly events: number;
  readonly doubled: number;
}

type Event = Record<string, unknown> & { readonly id: string };

const latencyMs = Number(process.env['LATENCY_MS'] ?? 0);
const forgets = process.env['FORGETS'] === '1';
const jitters = process.env['JITTERS'] === '1';
const mailboxes = new Map<string, Map<string, Event>>();
const byTransaction = new Map<string, Event>();
let throttled = '';
let requests: Record<string, number> = {};
let lastAt = 0;
let made = 0;

function calendarOf(mailbox: string): Map<string, Event> {
  let calendar = mailboxes.get(mailbox);
  if (calendar === undefined) mailboxes.set(mailbox, (calendar = new Map()));
  return calendar;
}

interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

const tooMany = {
  status: 429,
  headers: { 'Retry-After': '1' },
  body: { error: { code: 'ApplicationThrottled', message: '' } },
};
const notFound = { status: 404, body: { error: { code: 'ErrorItemNotFound', message: '' } } };

/** One request to Graph, by itself or in a batch. */
function answer(method: string, target: string, body: Record<string, unknown> | null): Answer {
  const [path = '', query = ''] = target.split('?', 2);
  const [, root, mailbox = '', what, id] = path.split('/');
  if (throttled !== '' && decodeURIComponent(mailbox) === throttled) return tooMany;
  if (root !== 'users' || what === undefined) return { status: 200, body: { id: mailbox, value: [] } };
  const calendar = calendarOf(decodeURIComponent(mailbox));
  if (what === 'calendarView')
    return id === undefined
      ? { status: 200, body: { value: [...calendar.values()] } }
      : { status: 200, body: { value: [], '@odata.deltaLink': `${graph}${path}?$deltatoken=1` } };
  if (method === 'POST') return { status: 201, body: create(calendar, body ?? {}) };
  if (id === undefined) return { status: 200, body: { value: found(calendar, query) } };
  const event = calendar.get(decodeURIComponent(id));
  if (event === undefined) return notFound;
  if (method === 'GET') return { status: 200, body: event };
  if (method === 'DELETE') {
    calendar.delete(event.id);
    return { status: 204 };
  }
  const changed = { ...event, ...body };
  calendar.set(event.id, changed);
  return { status: 200, body: changed };
}

function create(calendar: Map<string, Event>, body: Record<string, unknown>): Event {
  const key = String(body['transactionId'] ?? '');
  const earlier = forgets ? undefined : byTransaction.get(key);
  if (earlier !== undefined) return earlier;
  const event: Event = { ...body, id: `event-${++made}`, isOrganizer: true, type: 'singleInstance' };
  calendar.set(event.id, event);
  if (key !== '') byTransaction.set(key, event);
  return event;
}

const markOf = (event: Event) => JSON.stringify(event['singleValueExtendedProperties']);

function found(calendar: Map<string, Event>, query: string): Event[] {
  const id = /ep\/value eq '(\d+)'/.exec(decodeURIComponent(query))?.[1];
  return [...calendar.values()].filter((event) => id === undefined || markOf(event).includes(`"${id}"`));
}

/** Parent and child share a machine, and so a monotonic clock. */
function tell(body: Record<string, unknown>): void {
  const number = /#(\d+)$/.exec(String(body['subject'] ?? ''))?.[1];
  if (number !== undefined) process.send?.({ number: Number(number), at: lastAt } satisfies Accepted);
}

async function receive(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { method = 'GET', url = '/' } = request;
  let text = '';
  for await (const chunk of request as AsyncIterable<Buffer>) text += chunk.toString();
  const read = monotonicMs();
  if (!url.startsWith('/v1.0')) return send(response, identityOrCount(method, url));
  lastAt = read;
  const body = text === '' ? null : (JSON.parse(text) as Record<string, unknown>);
  const target = url.slice('/v1.0'.length);
  if (target === '/$batch') {
    const inner = (body as unknown as Batch).requests;
    for (const one of inner) if (one.body !== undefined) tell(one.body);
    await latency(Math.ceil(inner.length / 4));
    return send(response, { status: 200, body: batch(inner) });
  }
  if (body !== null) tell(body);
  if (latencyMs > 0) await latency(1);
  counted(method);
  send(response, answer(method, target, body));
}

const latency = (times: number) => {
  const ms = times * latencyMs * (!jitters ? 1 : Math.random() < 0.1 ? 30 : 2 * Math.random());
  return ms > 0 ? new Promise<void>((resolve) => setTimeout(resolve, ms)) : undefined;
};

const counted = (what: string) => void (requests[what] = (requests[what] ?? 0) + 1);

interface Batch {
  readonly requests: readonly {
    readonly id: string;
    readonly method: string;
    readonly url: string;
    readonly body?: Record<string, unknown>;
  }[];
}

function batch(inner: Batch['requests']): object {
  counted('$batch');
  return {
    responses: inner.map((one) => {
      counted(`inner ${one.method}`);
      return { id: one.id, ...answer(one.method, one.url, one.body ?? null) };
    }),
  };
}

function identityOrCount(method: string, url: string): Answer {
  if (url === '/_count' && method === 'GET') return { status: 200, body: count() };
  if (url.startsWith('/_throttle/')) {
    throttled = decodeURIComponent(url.slice('/_throttle/'.length));
    return { status: 204 };
  }
  if (url === '/_count') {
    requests = {};
    lastAt = 0;
    return { status: 204 };
  }
  if (url.includes('openid-configuration'))
    return {
      status: 200,
      body: {
        issuer: `${origin}/t/v2.0`,
        authorization_endpoint: `${origin}/t/oauth2/v2.0/authorize`,
        token_endpoint: `${origin}/t/oauth2/v2.0/token`,
        jwks_uri: `${origin}/t/keys`,
      },
    };
  return {
    status: 200,
    body: { token_type: 'Bearer', expires_in: 3_599, ext_expires_in: 3_599, access_token: 'a'.repeat(200) },
  };
}

function count(): Count {
  const marks = [...mailboxes].flatMap(([mailbox, calendar]) =>
    [...calendar.values()].map((event) => `${mailbox} ${markOf(event)}`),
  );
  return { requests, lastAt, events: marks.length, doubled: marks.length - new Set(marks).size };
}

function send(response: ServerResponse, { status, headers = {}, body }: Answer): void {
  const text = body === undefined ? '' : JSON.stringify(body);
  response.writeHead(status, {
    ...headers,
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text),
  });
  response.end(text);
}

const server = createServer((request, response) => {
  // a client that was killed in the middle of its request is what some measurements are about
  receive(request, response).catch(() => response.destroy());
});
server.keepAliveTimeout = 600_000;
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
const graph = `${origin}/v1.0`;
process.once('disconnect', () => process.exit(0));
process.send?.({ origin });
