/** Graph calls per change in a burst: a hundred edits of ten bookings in two seconds, Graph at 50 ms. */
import { median, type Figure } from './figures.ts';
import {
  bookEvents,
  environmentOf,
  openBridge,
  pause,
  settled,
  startAcceptingServer,
  startDaemon,
} from './stage.ts';

const bookings = 10;
const edits = 100;
const burstMs = 2_000;
const rounds = 3;

/** Takes about 12 s. */
export async function measureCoalescing(): Promise<Figure[]> {
  await using opened = new AsyncDisposableStack();
  const bridge = opened.use(await openBridge(1));
  const graph = opened.use(await startAcceptingServer({ LATENCY_MS: '50' }));
  const first = await bookEvents(bridge.pool, bookings, 1);
  opened.use(await startDaemon(environmentOf(bridge, graph.origin)));
  await settled(bridge.pool);
  const calls: number[] = [];
  const writes: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    await graph.reset();
    for (let n = 0; n < edits; n += 1) {
      await bridge.pool.query('UPDATE bb_event SET name = $2 WHERE id = $1', [
        first + Math.floor(Math.random() * bookings),
        `Utkast ${round} ${n}`,
      ]);
      await pause(burstMs / edits);
    }
    await settled(bridge.pool);
    const { requests } = await graph.count();
    const inner = (what: string) => what.startsWith('inner');
    const sent = Object.entries(requests).filter(([what]) => !inner(what));
    calls.push(sent.reduce((sum, [, count]) => sum + count, 0) / edits);
    writes.push(((requests['PATCH'] ?? 0) + (requests['inner PATCH'] ?? 0)) / edits);
  }
  return [
    {
      what: 'Graph calls per change, 100 edits of 10 bookings in 2 s',
      values: calls,
      target: '≤ 0.2',
      note: `${median(writes).toFixed(2)} writes, inside of batches and out`,
    },
  ];
}
