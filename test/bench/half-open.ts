/**
 * How long a daemon is deaf when a firewall forgets its connections to PostgreSQL: nothing passes on them any more, and nobody says
 * so. From the cut to the first call of Graph for a change that was committed after it, with the daemon idle and busy.
 */
import type { Database } from '../../src/database.ts';
import { monotonicMs } from '../../src/sandbox/tenant/clock.ts';
import { openProxy } from '../support/proxy.ts';
import type { Figure } from './figures.ts';
import {
  bookEvents,
  environmentOf,
  openBridge,
  pause,
  settled,
  startAcceptingServer,
  startDaemon,
} from './stage.ts';

const rooms = 8;
const rounds = 3;

/** Takes about a minute. */
export async function measureHalfOpen(): Promise<Figure[]> {
  await using opened = new AsyncDisposableStack();
  const bridge = opened.use(await openBridge(rooms));
  const graph = opened.use(await startAcceptingServer({ LATENCY_MS: '20' }));
  const proxy = opened.use(await openProxy(bridge.url));
  const env = { ...environmentOf(bridge, graph.origin), DATABASE_URL: proxy.through(bridge.url) };
  const first = await bookEvents(bridge.pool, rooms, rooms);
  opened.use(await startDaemon(env));
  await settled(bridge.pool);

  const accepted = new Map<number, (at: number) => void>();
  graph.onAccepted = ({ number, at }) => accepted.get(number)?.(at);
  let number = 0;
  /** Renames an event; resolves with when Graph took that. */
  const rename = async () => {
    number += 1;
    const arrives = Promise.withResolvers<number>();
    accepted.set(number, arrives.resolve);
    await bridge.pool.query('UPDATE bb_event SET name = $2 WHERE id = $1', [
      first + (number % rooms),
      `Møte #${number}`,
    ]);
    return arrives.promise;
  };

  const seconds = { idle: [] as number[], again: [] as number[], busy: [] as number[] };
  for (let round = 0; round < rounds; round += 1) {
    await pause(6_000); // idle, and every heartbeat in order
    const cutAt = monotonicMs();
    proxy.blackhole();
    seconds.idle.push(((await rename()) - cutAt) / 1_000);
    const nextAt = monotonicMs();
    seconds.again.push(((await rename()) - nextAt) / 1_000);
  }
  for (let round = 0; round < rounds; round += 1) {
    await settled(bridge.pool);
    const stop = new AbortController();
    const clerk = editAll(bridge.pool, first, stop.signal);
    await pause(4_000);
    const cutAt = monotonicMs();
    proxy.blackhole();
    seconds.busy.push(((await rename()) - cutAt) / 1_000);
    stop.abort();
    await clerk;
  }
  return [
    {
      what: 'half-open connections, idle: cut → a change committed after it is accepted',
      values: seconds.idle,
      target: '≤ 3',
      unit: 's',
    },
    { what: '… and the next change after that', values: seconds.again, target: '–', unit: 's' },
    {
      what: 'half-open connections, busy: cut → a change committed after it is accepted',
      values: seconds.busy,
      target: '≤ 3',
      unit: 's',
    },
  ];
}

/** Changes an event of each room in turn, a hundred times a second. */
async function editAll(pool: Database, first: number, signal: AbortSignal): Promise<void> {
  for (let n = 0; !signal.aborted; n += 1) {
    await pool.query('UPDATE bb_event SET description = $2 WHERE id = $1', [
      first + (n % rooms),
      `change ${n}`,
    ]);
    await pause(10);
  }
}
