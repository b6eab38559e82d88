/** How fast a backlog of many rooms is brought to Graph, as a part of what undici alone can send. */
import { monotonicMs } from '../../src/sandbox/tenant/clock.ts';
import type { Figure } from './figures.ts';
import {
  bookEvents,
  environmentOf,
  forkChild,
  openBridge,
  settled,
  startAcceptingServer,
  startDaemon,
} from './stage.ts';

const rooms = 100;
const atOnce = 64;
const rounds = 3;

/** Takes about 40 s. */
export async function measureBacklog(): Promise<Figure[]> {
  return [await measure(0, 4_000, '≥ 0.70'), await measure(50, 4_000, '≥ 0.98')];
}

async function measure(latencyMs: number, count: number, target: string): Promise<Figure> {
  await using opened = new AsyncDisposableStack();
  const bridge = opened.use(await openBridge(rooms));
  const graph = opened.use(await startAcceptingServer({ LATENCY_MS: String(latencyMs) }));
  opened.use(await startDaemon(environmentOf(bridge, graph.origin)));
  await settled(bridge.pool);
  await bookEvents(bridge.pool, 500, rooms); // warms up
  await settled(bridge.pool);
  const ratios: number[] = [];
  const rates: string[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const raw = await rawRate(graph.origin, count);
    await graph.reset();
    await bookEvents(bridge.pool, count, rooms);
    const committedAt = monotonicMs();
    await settled(bridge.pool, 100);
    const { lastAt } = await graph.count();
    const ours = (count * 1_000) / (lastAt + latencyMs - committedAt);
    ratios.push(ours / raw);
    rates.push(`${ours.toFixed(0)} / ${raw.toFixed(0)}`);
  }
  return {
    what: `backlog of ${rooms} rooms, Graph at ${latencyMs} ms / raw undici`,
    values: ratios,
    target,
    note: `${rates.join(', ')} per s, ${atOnce} at once`,
  };
}

async function rawRate(origin: string, count: number): Promise<number> {
  const { child, first } = await forkChild('raw.child.ts', {
    ORIGIN: origin,
    COUNT: String(count),
    AT_ONCE: String(atOnce),
  });
  child.disconnect();
  return (first as { perSecond: number }).perSecond;
}
