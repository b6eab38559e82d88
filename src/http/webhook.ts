/**
 * The receiver of Microsoft Graph's notifications (Microsoft: change-notifications-delivery-webhooks). It is open because Graph has
 * no key: each notification is verified by its secret, and the answer does not reveal the result.
 *
 * Graph counts an answer within 3 seconds; the 202 goes out when the rooms are marked in the database, or their hints
 * are stored, and a 503 when that cannot be done, so that Graph delivers the whole POST again (for up to 4 hours).
 */
import type { HttpBindings } from '@hono/node-server';
import { z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import type { Notifications } from '../sync/webhooks/notifications.ts';
import { receiverPath } from '../sync/webhooks/graph-calls.ts';
import { Problem } from './problem.ts';
import { answers, newRoutes, problemAnswer } from './schema.ts';

export interface WebhookParts {
  readonly notifications: Pick<Notifications, 'receive'>;
  /** Limit in bytes of all bodies that are being read or processed. */
  readonly bodiesMost?: number;
}

/** Bytes in memory. */
interface Held {
  bytes: number;
}

/** A thousand notifications in one POST are about 1 MB. */
const longestBody = 4_000_000;

/** To be mounted before the middleware for keys, hosts and logging. */
export function webhookRoutes({ notifications, bodiesMost = 64_000_000 }: WebhookParts) {
  const all: Held = { bytes: 0 };
  const routes = newRoutes();
  routes.get(receiverPath, (c) => {
    const token = tokenOf(c.req.url);
    return token === null ? c.json({ success: true, message: here }, 200) : echo(c, token);
  });
  routes.post(receiverPath, async (c) => {
    const token = tokenOf(c.req.url);
    if (token !== null) return echo(c, token);
    const own: Held = { bytes: 0 };
    try {
      const text = await bodyOf(c, own, all, bodiesMost);
      await notifications.receive(elementsOf(text, c));
    } finally {
      all.bytes -= own.bytes;
    }
    return c.body(null, 202);
  });
  describe(routes);
  return routes;
}

const here = 'This is where Microsoft Graph sends its notifications.';

/**
 * The bytes of `validationToken`, which Graph sends once before it creates a subscription: percent-encoded, blanks as `+`. They are
 * decoded as bytes, because they must be returned unchanged. Null: there is none.
 */
function tokenOf(url: string): Buffer | null {
  const start = url.indexOf('?');
  if (start < 0 || !url.includes('validationToken', start)) return null;
  const [query = ''] = url.slice(start + 1).split('#', 1);
  const pair = query.split('&').find((part) => /^validationToken(=|$)/.test(part));
  if (pair === undefined) return null;
  const encoded = pair.slice('validationToken='.length).replaceAll('+', ' ');
  const byByte = encoded.replaceAll(/%([0-9a-f]{2})/gi, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
  return Buffer.from(byByte, 'latin1');
}

function echo(c: Context, token: Buffer): Response {
  return c.body(new Uint8Array(token), 200, {
    'Content-Type': 'text/plain; charset=utf-8',
    'X-Content-Type-Options': 'nosniff',
  });
}

/**
 * Reads the body from the socket, because the web's Request and its streams would cost three times the rest. Stops at the size
 * limit, its own or that of all bodies together. Counts it in `own` and `all`.
 */
async function bodyOf(c: Context, own: Held, all: Held, most: number): Promise<string> {
  const { incoming } = c.env as HttpBindings;
  const chunks: Buffer[] = [];
  try {
    // kept open for the refusal
    for await (const chunk of incoming.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      own.bytes += chunk.length;
      all.bytes += chunk.length;
      if (own.bytes > longestBody || all.bytes > most) break;
      chunks.push(chunk);
    }
  } catch {
    // the sender is gone
    throw new Problem(400, 'body: it was cut off', 'Send it again.', { more: { field: 'body' } });
  }
  if (own.bytes > longestBody)
    throw new Problem(413, 'The body is larger than 4 MB.', 'Graph never sends that much at a time.');
  if (all.bytes > most)
    throw new Problem(503, 'Too many notifications arrive at once.', 'Send it again.', {
      headers: { 'Retry-After': '5' },
    });
  return Buffer.concat(chunks).toString();
}

/** The notifications, unverified. An empty body is well-formed and has none. */
function elementsOf(text: string, c: Context): readonly unknown[] {
  if (text === '') return [];
  let body: unknown;
  try {
    // https://www.rfc-editor.org/rfc/rfc8259#section-8.1: a byte order mark may be ignored
    body = JSON.parse(text.startsWith('\ufeff') ? text.slice(1) : text);
  } catch {
    refuseEncoded(c);
    body = undefined; // refused below, like everything else that is not a notification
  }
  const value = typeof body === 'object' && body !== null && 'value' in body ? body.value : undefined;
  if (Array.isArray(value)) return value;
  throw new Problem(
    400,
    'body: it is not a notification from Microsoft Graph',
    'Send JSON, {"value": [...]}; see Microsoft\'s changeNotificationCollection.',
    { more: { field: 'body' } },
  );
}

/** Graph sends plain UTF-8. A proxy that changes this has to be told. */
function refuseEncoded(c: Context): void {
  const coding = c.req.header('content-encoding') ?? 'identity';
  const [, charset = 'utf-8'] = /charset="?([\w-]+)/i.exec(c.req.header('content-type') ?? '') ?? [];
  const isPlain = /^identity$/i.test(coding) && /^(utf-?8|us-ascii)$/i.test(charset);
  if (isPlain) return;
  throw new Problem(
    415,
    `The body cannot be read: it is sent as ${/^identity$/i.test(coding) ? charset : coding}`.slice(0, 100) +
      '.',
    'Send JSON in UTF-8, without Content-Encoding.',
  );
}

const token = z
  .object({ validationToken: z.string().optional() })
  .openapi({ description: 'Sent once by Graph before it creates a subscription; returned decoded.' });
const notification = z
  .object({
    value: z.array(
      z.looseObject({
        subscriptionId: z.string(),
        clientState: z.string(),
        lifecycleEvent: z.string().optional(),
      }),
    ),
  })
  .openapi('Notifications');

function describe(routes: ReturnType<typeof newRoutes>): void {
  const welcome = z.object({ success: z.literal(true), message: z.string() });
  const echoed = {
    description: 'The token, if one was sent.',
    content: { 'text/plain': { schema: z.string() }, 'application/json': { schema: welcome } },
  };
  const { 400: malformed, 503: later } = answers('', welcome);
  const shared = { path: receiverPath, tags: ['Webhooks'], security: [] };
  routes.openAPIRegistry.registerPath({
    ...shared,
    method: 'get',
    summary: 'Check of the receiver',
    request: { query: token },
    responses: { 200: echoed },
  });
  routes.openAPIRegistry.registerPath({
    ...shared,
    method: 'post',
    summary: 'Receiver of Microsoft Graph’s notifications',
    request: { query: token, body: { content: { 'application/json': { schema: notification } } } },
    responses: {
      200: echoed,
      202: { description: 'Well-formed; the answer does not reveal whether it was genuine.' },
      400: malformed,
      413: { ...problemAnswer(413), description: 'The body is larger than 4 MB.' },
      415: { ...problemAnswer(415), description: 'The body is compressed, or not in UTF-8.' },
      503: later,
    },
  });
}
