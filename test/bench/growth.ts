/**
 * What more mappings and more rooms cost: a push, a sweep, a start and an idle minute, at each size, in one run. What is
 * filled in is only shown (`booking_to_outlook`), since the accepting server knows nothing of it; the idle minute is
 * measured with rooms that are polled.
 */
import pg from 'pg';
import { openPool, type Database } from '../../src/database.ts';
import { monotonicMs } from '../../src/sandbox/tenant/clock.ts';
import { sweepRooms } from '../../src/sync/worker/sweep.ts';
import { quantile, type Figure } from './figures.ts';
import { backendsMs, processorMs } from './processor.ts';
import {
  agreeOnAll,
  addDatabase,
  addRooms,
  bookEvents,
  diskSettings,
  environmentOf,
  firstRoom,
  pause,
  settled,
  startAcceptingServer,
  startDaemon,
  startServer,
  type AcceptingServer,
  type BenchDaemon,
} from './stage.ts';

interface Size {
  readonly mappings: number;
  readonly rooms: number;
}

const sizes: readonly Size[] = [
  { mappings: 1_000, rooms: 10 },
  { mappings: 100_000, rooms: 1_000 },
];
const million: Size = { mappings: 1_000_000, rooms: 10_000 };
const rounds = 3;
const changes = 60;
const idleMs = 10_000;

interface Side {
  readonly size: Size;
  readonly url: string;
  readonly pool: Database;
  readonly client: pg.Client;
  /** The first of the events that are changed. */
  readonly first: number;
  readonly daemon: BenchDaemon;
  readonly startMs: number;
}

/** Takes about 90 s; with a million mappings some ten minutes. */
export async function measureGrowth(withMillion = false): Promise<Figure[]> {
  await using opened = new AsyncDisposableStack();
  const server = opened.use(await startServer(diskSettings));
  const graph = opened.use(await startAcceptingServer());
  const sides: Side[] = [];
  for (const size of withMillion ? [...sizes, million] : sizes)
    sides.push(await openSide(server.url, size, graph, opened));
  const pushes = await measurePushes(sides, graph);
  const figures: Figure[] = [];
  for (const [n, side] of sides.entries()) {
    const at = `${side.size.mappings.toLocaleString('en')} mappings, ${side.size.rooms.toLocaleString('en')} rooms`;
    const smallest = pushes[0]!;
    figures.push({
      what: `push, p50, at ${at} / at the smallest`,
      values: pushes[n]!.map((ms, round) => ms / smallest[round]!),
      target: n === 0 ? '–' : '≤ 1.3',
      note: `${pushes[n]!.map((ms) => ms.toFixed(2)).join(', ')} ms`,
    });
    figures.push({ what: `start to hearing, at ${at}`, values: [side.startMs], target: '–', unit: 'ms' });
    figures.push(await measureSweep(side, at));
    figures.push(await sizeOf(side, at));
    figures.push(...(await measureIdleMinute(server.url, side.size.rooms, graph)));
  }
  return figures;
}

async function openSide(
  serverUrl: string,
  size: Size,
  graph: AcceptingServer,
  opened: AsyncDisposableStack,
): Promise<Side> {
  const url = await addDatabase(serverUrl, `at_${size.mappings}`, 'bridge');
  const pool = openPool({ url, ssl: false }, 'bench', 4, 1_800_000);
  opened.defer(() => pool.end());
  await addRooms(pool, size.rooms);
  await fill(pool, size);
  // those that are changed later are in Graph as well
  const first = await bookEvents(pool, changes, size.rooms);
  const startedAt = performance.now();
  const daemon = opened.use(await startDaemon(environmentOf({ url }, graph.origin)));
  const startMs = performance.now() - startedAt;
  await settled(pool);
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  opened.defer(() => client.end());
  return { size, url, pool, client, first, daemon, startMs };
}

/** Milliseconds from a change to its acceptance, the median of each round, by side; the sides take turns. */
async function measurePushes(sides: readonly Side[], graph: AcceptingServer): Promise<number[][]> {
  const medians: number[][] = sides.map(() => []);
  let number = 0;
  for (let round = 0; round <= rounds; round += 1) {
    const samples: number[][] = sides.map(() => []);
    for (let turn = 0; turn < 4; turn += 1)
      for (const [n, side] of sides.entries())
        for (let one = 0; one < changes / 4; one += 1) {
          samples[n]!.push(await change(side, side.first + (number % changes), ++number, graph));
          await pause(12 + Math.random() * 6);
        }
    // the first round warms up
    if (round > 0) for (const [n, of] of samples.entries()) medians[n]!.push(quantile(of, 0.5));
  }
  return medians;
}

/** Every room is compared with the booking system. */
async function measureSweep({ pool, client, daemon }: Side, at: string): Promise<Figure> {
  const before = { daemon: processorMs(daemon.child.pid!), backends: await backendsMs(pool) };
  const startedAt = performance.now();
  await sweepRooms(pool);
  await client.query('SELECT bridge_wake()');
  await settled(pool);
  const ms = performance.now() - startedAt;
  const cpu = processorMs(daemon.child.pid!) - before.daemon;
  const backends = (await backendsMs(pool)) - before.backends;
  return {
    what: `sweep, at ${at}`,
    values: [ms / 1_000],
    target: '–',
    unit: 's',
    note: `processor: daemon ${(cpu / 1_000).toFixed(2)} s, PostgreSQL ${(backends / 1_000).toFixed(2)} s`,
  };
}

async function sizeOf({ pool }: Side, at: string): Promise<Figure> {
  const { rows } = await pool.query<{ mb: number; rooms: number }>(
    `SELECT pg_total_relation_size('bridge_mappings') / 1048576.0 AS mb, pg_total_relation_size('bridge_room_state') / 1048576.0 AS rooms`,
  );
  return {
    what: `bridge_mappings on disk, at ${at}`,
    values: [Number(rows[0]!.mb)],
    target: '–',
    unit: 'MB',
    note: `bridge_room_state ${Number(rows[0]!.rooms).toFixed(1)} MB`,
  };
}

/** With nothing to do but the polls of once a minute. */
async function measureIdleMinute(
  serverUrl: string,
  rooms: number,
  graph: AcceptingServer,
): Promise<Figure[]> {
  await using opened = new AsyncDisposableStack();
  const url = await addDatabase(serverUrl, `idle_${rooms}`, 'bridge');
  const pool = openPool({ url, ssl: false }, 'bench', 2, 600_000);
  opened.defer(() => pool.end());
  await addRooms(pool, rooms);
  const daemon = opened.use(await startDaemon(environmentOf({ url }, graph.origin)));
  // the first round of each room is a full scan
  await settled(pool);
  await pause(2_000);
  await graph.reset();
  const before = { daemon: processorMs(daemon.child.pid!), backends: await backendsMs(pool) };
  await pause(idleMs);
  const cpu = processorMs(daemon.child.pid!) - before.daemon;
  const backends = (await backendsMs(pool)) - before.backends;
  const { requests } = await graph.count();
  const calls = Object.values(requests).reduce((a, b) => a + b, 0);
  return [
    {
      what: `idle minute, ${rooms.toLocaleString('en')} rooms polled each minute, processor of the daemon`,
      values: [(100 * cpu) / idleMs],
      target: rooms <= 1_000 ? '≤ 2' : '–',
      unit: '% of a core',
      note: `PostgreSQL ${((100 * backends) / idleMs).toFixed(1)} %; ${((calls * 60_000) / idleMs).toFixed(0)} calls a minute`,
    },
  ];
}

/** Reservations that both sides agree on already. */
async function fill(pool: Database, { mappings, rooms }: Size): Promise<void> {
  const client = await pool.connect();
  await client.query('SET session_replication_role = replica'); // nobody is told
  await client.query(`UPDATE bridge_resource_mappings SET sync_direction = 'booking_to_outlook'`);
  await client.query(
    `WITH e AS (
       INSERT INTO bb_event (activity_id, name, from_, to_, building_name, contact_name, contact_email, contact_phone, secret)
       SELECT 1, 'Møte ' || n, d.at, d.at + interval '20 minutes', 'x', 'x', 'x', 'x', 'x'
       FROM generate_series(1, $1::int) n,
         LATERAL (SELECT now()::date - 40 + (n / $2::int % 330) * interval '1 day' + (n / $2::int / 330) * interval '30 minutes' AS at) d
       RETURNING id)
     INSERT INTO bb_event_resource (event_id, resource_id) SELECT id, $3::int + id % $2::int FROM e`,
    [mappings, rooms, firstRoom],
  );
  await client.query(agreeOnAll);
  await client.query(
    'UPDATE bridge_room_state SET baselined_at = now(), reconciled_at = now(), push_due_at = NULL',
  );
  await client.query('RESET session_replication_role');
  await client.query('VACUUM ANALYZE');
  client.release();
}

async function change({ client }: Side, id: number, number: number, graph: AcceptingServer): Promise<number> {
  const accepted = new Promise<number>((resolve) => {
    graph.onAccepted = (one) => {
      if (one.number === number) resolve(one.at);
    };
  });
  const sentAt = monotonicMs();
  await client.query({
    name: 'rename',
    text: 'UPDATE bb_event SET name = $2 WHERE id = $1',
    values: [id, `Kammerkoret øver #${number}`],
  });
  return (await accepted) - sentAt;
}
