/**
 * Facts as they happen, as server-sent events. A slow client loses the oldest facts and gets their number (`missed`); a client
 * that does not read at all is disconnected. A stream ends after a quarter of an hour and at shutdown. The client then reconnects
 * with Last-Event-ID, if it still has access, and gets the facts in between.
 */
import { createRoute, z } from '@hono/zod-openapi';
import { streamSSE, type SSEStreamingApi } from 'hono/streaming';
import type { Fact } from '../facts.ts';
import { shownFact, type Told } from '../ops/tell.ts';
import { Problem } from './problem.ts';
import { answers, newRoutes } from './schema.ts';

/** A stream ends after this time: the client reconnects and authenticates again. */
const lifeMs = 900_000;

export interface LiveOptions {
  readonly watch: Told['watch'];
  /** Aborts when the daemon stops: every stream ends then. */
  readonly stopping: AbortSignal;
  readonly clientsMost?: number;
  /** Bound of the facts queued for one client, and of those kept for reconnects. */
  readonly queueMost?: number;
  readonly beatMs?: number;
}

export interface LiveParts {
  readonly live: LiveOptions;
}

interface Sent {
  readonly id: string;
  readonly event: string;
  readonly data: string;
}

/** A client that reads nothing for this time is disconnected. */
const stuckMs = 30_000;
/** The time that EventSource waits before it reconnects. */
const comeBackMs = 2_000;

const liveRoute = createRoute({
  method: 'get',
  path: '/live',
  tags: ['Activity'],
  summary: 'Facts as they happen, as server-sent events',
  responses: {
    ...answers('', z.object({})),
    200: {
      description:
        '`event` is the name of the fact, `data` the fact as JSON; comments keep the connection open.',
      content: { 'text/event-stream': { schema: z.string() } },
    },
  },
});

export function liveRoutes({ live }: LiveParts) {
  const { stopping, clientsMost = 50, beatMs = 15_000 } = live;
  const feed = createFeed(live);
  let clients = 0;

  async function serve(stream: SSEStreamingApi, since: string | undefined): Promise<void> {
    const gone = new AbortController();
    stream.onAbort(() => gone.abort());
    const over = AbortSignal.any([stopping, gone.signal, AbortSignal.timeout(lifeMs)]);
    using queue = feed.open(since);
    await send(stream, () => stream.write(`retry: ${comeBackMs}\n\n`));
    while (!over.aborted) {
      const { told, missed } = queue.take();
      if (missed > 0)
        await send(stream, () => stream.writeSSE({ event: 'missed', data: JSON.stringify({ missed }) }));
      for (const fact of told) await send(stream, () => stream.writeSSE(fact));
      if (told.length > 0) continue;
      const isFilled = await queue.filled(beatMs, over);
      if (!isFilled && !over.aborted) await send(stream, () => stream.write(': still here\n\n'));
    }
  }

  return newRoutes().openapi(liveRoute, (c) => {
    if (stopping.aborted || clients >= clientsMost)
      throw new Problem(
        503,
        stopping.aborted ? 'The daemon is stopping.' : `${clientsMost} clients are connected already.`,
        'Try again shortly; GET /log has the recent changes.',
        { headers: { 'Retry-After': '10' } },
      );
    clients += 1;
    c.header('X-Accel-Buffering', 'no'); // nginx would buffer it
    const since = c.req.header('last-event-id');
    return streamSSE(c, (stream) => serve(stream, since).finally(() => (clients -= 1)));
  });
}

/** Writes; a client that reads nothing for half a minute is disconnected. */
async function send(stream: SSEStreamingApi, write: () => Promise<unknown>): Promise<void> {
  const stuck = setTimeout(() => stream.abort(), stuckMs);
  await write().finally(() => clearTimeout(stuck));
}

function createFeed({ watch, stopping, queueMost = 500 }: LiveOptions) {
  const boot = Date.now().toString(36);
  let count = 0;
  const kept: Sent[] = [];
  const queues = new Set<(fact: Sent) => void>();

  const unwatch = watch((fact: Fact) => {
    count += 1;
    const told = { id: `${boot}-${count}`, event: fact.fact, data: JSON.stringify(shownFact(fact)) };
    kept.push(told);
    if (kept.length > queueMost) kept.shift();
    for (const offer of queues) offer(told);
  });
  stopping.addEventListener('abort', unwatch, { once: true });

  /** The queue of one client; `since`: the id of its last fact. */
  function open(since: string | undefined) {
    const seen = kept.findIndex((told) => told.id === since);
    let waiting = seen === -1 ? [] : kept.slice(seen + 1);
    let missed = 0;
    let ring = () => {};
    const offer = (fact: Sent) => {
      if (waiting.length >= queueMost) {
        waiting.shift();
        missed += 1;
      }
      waiting.push(fact);
      ring();
    };
    queues.add(offer);
    return {
      take() {
        const taken = { told: waiting, missed };
        waiting = [];
        missed = 0;
        return taken;
      },
      /** Resolves when there are facts (true), after `ms`, or when `signal` aborts (false). */
      filled(ms: number, signal: AbortSignal): Promise<boolean> {
        return new Promise((resolve) => {
          const end = (isFilled: boolean) => () => {
            clearTimeout(timer);
            signal.removeEventListener('abort', aborted);
            ring = () => {};
            resolve(isFilled);
          };
          const aborted = end(false);
          const timer = setTimeout(aborted, ms);
          signal.addEventListener('abort', aborted);
          ring = end(true);
          if (signal.aborted) aborted();
          else if (waiting.length > 0) ring();
        });
      },
      [Symbol.dispose]: () => void queues.delete(offer),
    };
  }

  return { open };
}
