/**
 * The bridge beside job queues that do the same work: from a change in the booking system to its acceptance by Graph, and
 * what each leaves of the throughput of booking writes. All take turns in one run, on one server.
 */
import { measureBookingWrites } from './booking-writes.ts';
import { median, quantile, type Figure } from './figures.ts';
import { change, graphMs, idlePauseMs, openFloor, openOurs, openPlain, type Side } from './latency.ts';
import { installPeer, jobTrigger, peers, startPeer } from './peer.ts';
import { addDatabase, openBridge, pause, startAcceptingServer } from './stage.ts';

const rounds = 3;
const turns = 4;

/** Takes about two minutes. */
export async function measurePeers(changes = 160): Promise<Figure[]> {
  return [...(await latencies(changes)), ...(await kept())];
}

async function latencies(changes: number): Promise<Figure[]> {
  await using opened = new AsyncDisposableStack();
  const bridge = opened.use(await openBridge(40));
  const graph = opened.use(await startAcceptingServer({ LATENCY_MS: String(graphMs) }));
  const sides = new Map<string, Side>();
  const floorUrl = await addDatabase(bridge.serverUrl, 'floor', 'portico');
  sides.set('floor', await openFloor(floorUrl, graph.origin, opened));
  sides.set('the bridge', await openOurs(bridge, graph.origin, opened));
  for (const peer of peers) {
    const url = await addDatabase(bridge.serverUrl, peer.replace('-', '_'), 'portico');
    await installPeer(peer, url);
    const { child } = await startPeer(peer, { DATABASE_URL: url, ORIGIN: graph.origin });
    sides.set(peer, await openPlain(url, child, jobTrigger(peer), opened));
  }

  let number = 0;
  const run = async (side: Side, count: number) => {
    const took: number[] = [];
    for (let n = 0; n < count; n += 1) {
      took.push((await change(side, ++number, graph)).sent);
      await pause(idlePauseMs());
    }
    return took;
  };
  for (const side of sides.values()) await run(side, 60); // all warm up
  const measured: Map<string, number[]>[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const took = new Map<string, number[]>();
    for (let turn = 0; turn < turns; turn += 1)
      for (const [name, side] of sides)
        took.set(name, [...(took.get(name) ?? []), ...(await run(side, changes / turns))]);
    measured.push(took);
  }
  return [...sides.keys()]
    .filter((name) => name !== 'floor')
    .flatMap((name) =>
      ([0.5, 0.99] as const).map((part) => {
        const of = (side: string) => measured.map((took) => quantile(took.get(side)!, part));
        const floor = of('floor');
        return {
          what: `change sent → accepted, idle, p${part * 100} / floor, ${name}`,
          values: of(name).map((ms, round) => ms / floor[round]!),
          target: '–',
          note: `${median(of(name)).toFixed(2)} / ${median(floor).toFixed(2)} ms`,
        };
      }),
    );
}

async function kept(): Promise<Figure[]> {
  const measured = await measureBookingWrites({
    writers: [1, 8],
    variants: ['bare', 'working', 'graphile-worker', 'pg-boss'],
    rounds: 5,
  });
  return measured.map(({ writers, variant, min, median: middle, max }) => ({
    what: `booking writes kept, ${writers} writer(s), ${variant === 'working' ? 'the bridge' : variant === 'bare' ? 'a bare outbox trigger' : variant}`,
    values: [min, middle, max],
    target: '–',
  }));
}
