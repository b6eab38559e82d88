/** How long the rooms of a daemon wait for another one when it is killed in the middle of its work. */
import { monotonicMs } from '../../src/sandbox/tenant/clock.ts';
import type { Database } from '../../src/database.ts';
import type { Figure } from './figures.ts';
import {
  bookEvents,
  environmentOf,
  firstRoom,
  openBridge,
  pause,
  settled,
  startAcceptingServer,
  startDaemon,
} from './stage.ts';

const rooms = 12;
const rounds = 4;

/** Takes about 25 s. */
export async function measureTakeover(): Promise<Figure[]> {
  await using opened = new AsyncDisposableStack();
  const bridge = opened.use(await openBridge(rooms));
  const graph = opened.use(await startAcceptingServer({ LATENCY_MS: '100' }));
  const env = environmentOf(bridge, graph.origin);
  const first = await bookEvents(bridge.pool, rooms, rooms);
  const daemons = [await startDaemon(env), await startDaemon(env)];
  opened.defer(async () => {
    for (const daemon of daemons) await daemon[Symbol.asyncDispose]();
  });
  await settled(bridge.pool);
  await pause(1_500); // until they know of each other

  const seconds: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const accepted = new Map<number, number>();
    let killedAt = Number.POSITIVE_INFINITY;
    graph.onAccepted = ({ number, at }) => {
      const room = number % 1_000;
      // what arrives in the same moment was on its way
      if (at > killedAt + 2 && !accepted.has(room)) accepted.set(room, at);
    };
    const stop = new AbortController();
    const clerk = editAll(bridge.pool, first, stop.signal);
    await pause(700);
    const victim = daemons[round % 2]!;
    const { rows } = await bridge.pool.query<{ room: number }>(
      `SELECT r.resource_id - ${firstRoom} AS room FROM bridge_room_state s
       JOIN bridge_resource_mappings r ON r.id = s.resource_mapping_id WHERE lease_owner = $1`,
      [victim.replica],
    );
    killedAt = monotonicMs();
    await victim.kill();
    await pause(2_500);
    stop.abort();
    await clerk;
    await settled(bridge.pool);
    for (const { room } of rows)
      seconds.push(((accepted.get(room) ?? Number.POSITIVE_INFINITY) - killedAt) / 1_000);
    daemons[round % 2] = await startDaemon(env);
    await pause(1_200);
  }
  return [
    {
      what: 'kill -9 → next push of each of its rooms',
      values: seconds,
      target: '≤ 1',
      unit: 's',
      note: `${seconds.length} rooms of ${rounds} killed daemons, all busy`,
    },
  ];
}

/** Renames an event of each room in turn, a hundred times a second; each name ends in the number of its room. */
async function editAll(pool: Database, first: number, signal: AbortSignal): Promise<void> {
  for (let n = 0; !signal.aborted; n += 1) {
    const id = first + (n % rooms);
    await pool.query('UPDATE bb_event SET name = $2 WHERE id = $1', [
      id,
      `Møte #${n * 1_000 + (id % rooms)}`,
    ]);
    await pause(10);
  }
}
