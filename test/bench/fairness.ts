/**
 * Whether one sick room slows the others: changes in 199 rooms while Graph throttles the 200th, and while that one is new
 * and has many bookings to bring over, against the same changes while nothing is wrong, in turn.
 */
import { monotonicMs } from '../../src/sandbox/tenant/clock.ts';
import { quantile, type Figure } from './figures.ts';
import {
  bookEvents,
  environmentOf,
  firstRoom,
  openBridge,
  pause,
  settled,
  startAcceptingServer,
  startDaemon,
  type AcceptingServer,
  type Bridge,
} from './stage.ts';

const rooms = 200;
const rounds = 3;
const changes = 250;
const paceMs = 10;
const enormous = 1_000;
const sick = 'room-0@bench.example';

/** Takes about 70 s. */
export async function measureFairness(): Promise<Figure[]> {
  await using opened = new AsyncDisposableStack();
  const bridge = opened.use(await openBridge(rooms));
  const graph = opened.use(await startAcceptingServer({ LATENCY_MS: '20' }));
  const first = await bookEvents(bridge.pool, rooms, rooms);
  opened.use(await startDaemon(environmentOf(bridge, graph.origin)));
  await settled(bridge.pool);
  const others = (await eventsOf(bridge, first)).filter(({ room }) => room !== firstRoom).map(({ id }) => id);
  const [own] = (await eventsOf(bridge, first)).filter(({ room }) => room === firstRoom).map(({ id }) => id);
  await changeAll(bridge, graph, others, changes); // warms up

  const ratios: Record<'throttled' | 'enormous', number[]> = { throttled: [], enormous: [] };
  const notes: Record<'throttled' | 'enormous', string[]> = { throttled: [], enormous: [] };
  const note = (what: 'throttled' | 'enormous', ms: number, well: number) => {
    ratios[what].push(ms / well);
    notes[what].push(`${ms.toFixed(0)} / ${well.toFixed(0)}`);
  };
  await bookIntoOne(bridge);
  for (let round = 0; round < rounds; round += 1) {
    const well = await changeAll(bridge, graph, others, changes);

    await graph.throttle(sick);
    const edited = new AbortController();
    const editing = editOne(bridge, own!, edited.signal);
    const throttled = await changeAll(bridge, graph, others, changes);
    edited.abort();
    await editing;
    await graph.throttle('');
    await settled(bridge.pool);

    await forgetRoom(bridge);
    const large = await changeAll(bridge, graph, others, changes);
    await settled(bridge.pool);

    note('throttled', throttled, well);
    note('enormous', large, well);
  }
  return [
    {
      what: `p99 of ${rooms - 1} rooms, one throttled / none`,
      values: ratios.throttled,
      target: '≤ 1.2',
      note: `${notes.throttled.join(', ')} ms`,
    },
    {
      what: `p99 of ${rooms - 1} rooms, one with ${enormous} to bring over / none`,
      values: ratios.enormous,
      target: '≤ 1.2',
      note: `${notes.enormous.join(', ')} ms`,
    },
  ];
}

const eventsOf = async ({ pool }: Bridge, first: number) =>
  (
    await pool.query<{ id: number; room: number }>(
      'SELECT event_id AS id, resource_id AS room FROM bb_event_resource WHERE event_id >= $1 ORDER BY 1',
      [first],
    )
  ).rows;

let number = 0;

/** p99 of changes that are made at their pace, whatever the answers do. */
async function changeAll(
  { pool }: Bridge,
  graph: AcceptingServer,
  events: readonly number[],
  count: number,
): Promise<number> {
  const sentAt = new Map<number, number>();
  const took: number[] = [];
  const all = Promise.withResolvers<void>();
  graph.onAccepted = (accepted) => {
    const from = sentAt.get(accepted.number);
    if (from === undefined) return;
    sentAt.delete(accepted.number);
    took.push(accepted.at - from);
    if (took.length === count) all.resolve();
  };
  for (let n = 0; n < count; n += 1) {
    number += 1;
    sentAt.set(number, monotonicMs());
    await pool.query('UPDATE bb_event SET name = $2 WHERE id = $1', [
      events[number % events.length],
      `Kammerkoret øver #${number}`,
    ]);
    await pause(paceMs);
  }
  await all.promise;
  return quantile(took, 0.99);
}

/** Keeps the sick room due. */
async function editOne({ pool }: Bridge, event: number, signal: AbortSignal): Promise<void> {
  for (let n = 0; !signal.aborted; n += 1) {
    await pool.query('UPDATE bb_event SET name = $2 WHERE id = $1', [event, `Utkast ${n}`]);
    await pause(50);
  }
}

/** Many bookings in one room, on both sides already. */
async function bookIntoOne({ pool }: Bridge): Promise<void> {
  await pool.query('SELECT bench_book($1, 1, $2)', [enormous, firstRoom]);
  await settled(pool);
}

/** As if the room had been added just now: nothing of it is known, and all of it is brought over. */
async function forgetRoom({ pool }: Bridge): Promise<void> {
  await pool.query(`UPDATE bridge_resource_mappings SET active = 0 WHERE resource_id = $1`, [firstRoom]);
  await pool.query(`DELETE FROM bridge_mappings WHERE resource_id = $1`, [firstRoom]);
  await pool.query(
    `UPDATE bridge_resource_mappings SET outlook_item_id = 'new-' || id || '-' || $2::text || '@bench.example', active = 1 WHERE resource_id = $1`,
    [firstRoom, number],
  );
}
