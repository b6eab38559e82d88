/**
 * From a change in the booking system to its acceptance by Graph, as a ratio to the bare minimum: a trigger that
 * notifies, a program that listens, and its POST. Both write the same statement into the same tables (two databases of
 * one server), both call the same accepting server, in turn, one change at a time.
 */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import pg from 'pg';
import { monotonicMs } from '../../src/sandbox/tenant/clock.ts';
import { median, quantile, type Figure } from './figures.ts';
import type { Hop } from './hop-clock.ts';
import {
  addDatabase,
  bookEvents,
  environmentOf,
  firstRoom,
  forkChild,
  openBridge,
  pause,
  settled,
  slowDisk,
  startAcceptingServer,
  startDaemon,
  type AcceptingServer,
  type Bridge,
} from './stage.ts';

export interface Side {
  readonly client: pg.Client;
  /** The program that hears of its changes. */
  readonly child: ChildProcess;
  /** Event ids to change, in turn. */
  readonly events: readonly number[];
}

/** Milliseconds from sending the change, and from its commit's acknowledgement, to the acceptance. */
export interface Sample {
  readonly sent: number;
  readonly acknowledged: number;
  /** When it was sent, and when it was accepted (`monotonicMs`). */
  readonly from: number;
  readonly to: number;
}

const rounds = 3;
/** Changes in each round of a figure beside the first. */
const fewer = 60;
/** Of each call to Graph: real ones take 50 ms and more. */
export const graphMs = 10;
export const events = 40;
/** Ten changes within 100 ms make the daemon poll; idle is further apart than that. */
export const idlePauseMs = () => 12 + Math.random() * 8;
const busyPauseMs = () => 1 + Math.random() * 4;

/** Takes about 50 s. */
export async function measureLatency(changes = 160): Promise<Figure[]> {
  await using opened = new AsyncDisposableStack();
  const bridge = opened.use(await openBridge(events));
  const graph = opened.use(await startAcceptingServer({ LATENCY_MS: String(graphMs) }));
  const floorUrl = await addDatabase(bridge.serverUrl, 'floor', 'portico');
  const ours = await openOurs(bridge, graph.origin, opened);
  const floor = await openFloor(floorUrl, graph.origin, opened);

  let number = 0;
  const run = async (side: Side, count: number, pauseMs: () => number, write: typeof change = change) => {
    const samples: Sample[] = [];
    for (let n = 0; n < count; n += 1) {
      samples.push(await write(side, ++number, graph));
      await pause(pauseMs());
    }
    return samples;
  };
  /** In short turns, so that a neighbour's noise meets both. */
  const compare = async (count: number, write?: typeof change) => {
    const pair: Pair = { ours: [], floor: [] };
    for (let turn = 0; turn < 4; turn += 1) {
      pair.floor.push(...(await run(floor, count / 4, idlePauseMs, write)));
      pair.ours.push(...(await run(ours, count / 4, idlePauseMs, write)));
    }
    return pair;
  };
  await run(floor, 100, idlePauseMs); // both warm up
  await run(ours, 100, idlePauseMs);
  await graph.reset();

  const measured: Pair[] = [];
  const hops: HopTimes = { ours: [], floor: [] };
  await Promise.all([passedIn(ours.child), passedIn(floor.child)]);
  for (let round = 0; round < rounds; round += 1) {
    const pair = await compare(changes);
    measured.push(pair);
    for (const [name, side] of [
      ['ours', ours],
      ['floor', floor],
    ] as const)
      hops[name].push(hopTimes(pair[name], await passedIn(side.child)));
  }
  await settled(bridge.pool);
  const { requests } = await graph.count();
  const calls = (requests['PATCH'] ?? 0) + (requests['GET'] ?? 0);
  await notifyOfNew(floor);
  const books: Pair[] = [];
  for (let round = 0; round <= rounds; round += 1) books.push(await compare(fewer, book));
  await slowDisk(bridge.pool, 1_000);
  const onSlowDisk: Pair[] = [];
  for (let round = 0; round < rounds; round += 1) onSlowDisk.push(await compare(fewer));
  await slowDisk(bridge.pool, 0);
  const busy: number[] = [];
  for (let round = 0; round < rounds; round += 1)
    busy.push(of(await run(ours, changes, busyPauseMs), 'sent', 0.99));
  const half = (what: string, pairs: readonly Pair[], target: string): Figure => ({
    what,
    values: ratios(pairs, 'sent', 0.5),
    target,
    note: inMs(pairs, 'sent', 0.5),
  });
  return [
    ...figures(measured, busy, calls / (rounds * changes)),
    half('change sent → accepted, idle, disk of 1 ms, p50 / floor', onSlowDisk, '≤ 1.5'),
    // the first one warms up
    half('commit of a new booking sent → accepted, idle, p50 / floor', books.slice(1), '–'),
    ...hopFigures(hops),
  ];
}

interface Pair {
  readonly ours: Sample[];
  readonly floor: Sample[];
}

const of = (samples: readonly Sample[], from: keyof Sample, part: number) =>
  quantile(
    samples.map((sample) => sample[from]),
    part,
  );

const ratios = (pairs: readonly Pair[], from: keyof Sample, part: number) =>
  pairs.map((round) => of(round.ours, from, part) / of(round.floor, from, part));

function inMs(pairs: readonly Pair[], from: keyof Sample, part: number): string {
  const ms = (side: keyof Pair) => median(pairs.map((round) => of(round[side], from, part))).toFixed(2);
  return `${ms('ours')} / ${ms('floor')} ms`;
}

function figures(measured: readonly Pair[], busy: readonly number[], callsPerPush: number): Figure[] {
  const ratio = (from: keyof Sample, part: number) => ratios(measured, from, part);
  const note = (from: keyof Sample, part: number) => inMs(measured, from, part);
  return [
    { what: 'Graph calls per push, idle', values: [callsPerPush], target: '≤ 2' },
    {
      what: 'change sent → accepted, idle, p50 / floor',
      values: ratio('sent', 0.5),
      target: '≤ 1.5',
      note: note('sent', 0.5),
    },
    {
      what: 'change sent → accepted, idle, p99 / floor',
      values: ratio('sent', 0.99),
      target: '≤ 2',
      note: note('sent', 0.99),
    },
    {
      what: 'commit acknowledged → accepted, idle, p50 / floor',
      values: ratio('acknowledged', 0.5),
      target: '–',
      note: note('acknowledged', 0.5),
    },
    {
      what: 'commit acknowledged → accepted, idle, p99 / floor',
      values: ratio('acknowledged', 0.99),
      target: '–',
      note: note('acknowledged', 0.99),
    },
    { what: 'change sent → accepted, busy, p99', values: busy, target: '≤ 25', unit: 'ms' },
  ];
}

async function openSide(
  url: string,
  child: ChildProcess,
  first: number,
  opened: AsyncDisposableStack,
): Promise<Side> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  opened.defer(() => client.end());
  return { client, child, events: Array.from({ length: events }, (_, n) => first + n) };
}

/** PorticoEstate's tables with so many events and no bridge: the floor, or a job queue. */
export async function openPlain(
  url: string,
  child: ChildProcess,
  trigger: string,
  opened: AsyncDisposableStack,
): Promise<Side> {
  opened.defer(async () => {
    child.disconnect();
    await once(child, 'exit');
  });
  const side = await openSide(url, child, 0, opened);
  await side.client.query(trigger);
  const { rows } = await side.client.query<{ id: number }>(
    `WITH e AS (
       INSERT INTO bb_event (activity_id, name, from_, to_, building_name, contact_name, contact_email, contact_phone, secret)
       SELECT 1, 'Møte ' || n, now()::date + n, now()::date + n + interval '1 hour', 'x', 'x', 'x', 'x', 'x'
       FROM generate_series(1, $1::int) n RETURNING id)
     SELECT id FROM e`,
    [events],
  );
  return { ...side, events: rows.map((row) => row.id) };
}

/** The floor: a trigger that notifies with the subject, a program that listens, and its POST. */
export async function openFloor(url: string, origin: string, opened: AsyncDisposableStack): Promise<Side> {
  const { child } = await forkChild('floor.child.ts', { DATABASE_URL: url, ORIGIN: origin, HOPS: '1' });
  return await openPlain(
    url,
    child,
    `CREATE FUNCTION floor_notify() RETURNS trigger LANGUAGE plpgsql AS $$
       BEGIN PERFORM pg_notify('floor', (SELECT max(name) FROM new_rows)); RETURN NULL; END $$;
     CREATE TRIGGER floor AFTER UPDATE ON bb_event REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT
       EXECUTE FUNCTION floor_notify()`,
    opened,
  );
}

/** From now on the floor notifies of new events, too, and they may be booked into the bridge's rooms. */
async function notifyOfNew({ client }: Side): Promise<void> {
  await client.query(`CREATE TRIGGER floor_new AFTER INSERT ON bb_event REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT
    EXECUTE FUNCTION floor_notify()`);
  await client.query(
    `INSERT INTO bb_resource (id, name, activity_id, rescategory_id, sort)
     SELECT $1::int + n, 'Room ' || n, 1, 1, 1 FROM generate_series(0, $2::int - 1) n`,
    [firstRoom, events],
  );
}

/** The bridge, with so many events that it knows, all of them settled. */
export async function openOurs(bridge: Bridge, origin: string, opened: AsyncDisposableStack): Promise<Side> {
  const first = await bookEvents(bridge.pool, events, events);
  const { child } = opened.use(await startDaemon({ ...environmentOf(bridge, origin), HOPS: '1' }));
  await settled(bridge.pool);
  return await openSide(bridge.url, child, first, opened);
}

/** Renames one event and waits until the server has accepted the new name. */
export async function change(side: Side, number: number, graph: AcceptingServer): Promise<Sample> {
  return await timed(side, number, graph, {
    name: 'rename',
    text: 'UPDATE bb_event SET name = $2 WHERE id = $1',
    values: [side.events[number % side.events.length], `Kammerkoret øver #${number}`],
  });
}

/** Books a new event into one room, as clerks do. What is timed begins with the commit. */
async function book(side: Side, number: number, graph: AcceptingServer): Promise<Sample> {
  await side.client.query('BEGIN');
  const { rows } = await side.client.query<{ id: number }>({
    name: 'book',
    text: `
      INSERT INTO bb_event (activity_id, name, from_, to_, building_name, contact_name, contact_email, contact_phone, secret)
      SELECT 1, $1, begins, begins + interval '20 minutes', 'x', 'x', 'x', 'x', 'x'
      FROM (SELECT now()::date + 2 + $2::int % 300 + interval '20 hours' AS begins) b RETURNING id`,
    values: [`Kammerkoret øver #${number}`, number],
  });
  await side.client.query({
    name: 'book_room',
    text: 'INSERT INTO bb_event_resource (event_id, resource_id) VALUES ($1, $2)',
    values: [rows[0]!.id, firstRoom + (number % events)],
  });
  return await timed(side, number, graph, { text: 'COMMIT' });
}

/** Runs the statement that commits and waits until the server has accepted what has this number. */
async function timed(
  side: Side,
  number: number,
  graph: AcceptingServer,
  statement: pg.QueryConfig,
): Promise<Sample> {
  const accepted = new Promise<number>((resolve) => {
    graph.onAccepted = (one) => {
      if (one.number === number) resolve(one.at);
    };
  });
  const sentAt = monotonicMs();
  await side.client.query(statement);
  const acknowledgedAt = monotonicMs();
  const at = await accepted;
  return { sent: at - sentAt, acknowledged: at - acknowledgedAt, from: sentAt, to: at };
}

type HopTimes = Record<'ours' | 'floor', Readonly<Record<string, number[]>>[]>;

/** What a program passed since it was last asked. */
async function passedIn(child: ChildProcess): Promise<readonly [Hop, number][]> {
  child.send('hops');
  for (;;) {
    const [message] = (await once(child, 'message')) as [{ hops?: [Hop, number][] }];
    if (message.hops !== undefined) return message.hops;
  }
}

const hopNames: readonly (readonly [string, Hop | 'from', Hop | 'to'])[] = [
  ['commit and NOTIFY', 'from', 'heard'],
  ['woken', 'heard', 'taking'],
  ['bridge_lease: fold, lease, read', 'taking', 'taken'],
  ['decide', 'taken', 'sending'],
  ['undici', 'sending', 'sent'],
  ['request read by Graph', 'sent', 'to'],
];

/** Milliseconds of each hop of each change. */
function hopTimes(samples: readonly Sample[], passed: readonly [Hop, number][]): Record<string, number[]> {
  const times: Record<string, number[]> = Object.fromEntries(hopNames.map(([name]) => [name, []]));
  for (const { from, to } of samples) {
    const at = new Map<string, number>([
      ['from', from],
      ['to', to],
    ]);
    for (const [hop, when] of passed) if (when >= from && when <= to && !at.has(hop)) at.set(hop, when);
    for (const [name, first, last] of hopNames)
      if (at.has(first) && at.has(last)) times[name]!.push(at.get(last)! - at.get(first)!);
  }
  return times;
}

function hopFigures({ ours, floor }: HopTimes): Figure[] {
  return hopNames.map(([name]) => {
    const bare = floor.flatMap((round) => round[name]!);
    return {
      what: `  hop: ${name}`,
      values: ours.map((round) => median(round[name]!)),
      target: '–',
      unit: 'ms',
      note: bare.length === 0 ? '' : `floor ${median(bare).toFixed(2)} ms`,
    };
  });
}
