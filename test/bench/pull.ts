/**
 * From a change in Outlook to the committed reservation: the simulated tenant posts its notification, the daemon asks for
 * the changes, reads the event and writes the booking. As a ratio to the bare minimum: a receiver that reads the event and adds it, which
 * has a tenant and a database of its own. The tenants are in this process, the daemon and the receiver in theirs.
 */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { freePort } from '../../src/sandbox/postgres.ts';
import type { Environment } from '../../src/settings.ts';
import { openPool } from '../../src/database.ts';
import { startTenant, type Tenant } from '../../src/sandbox/tenant/tenant.ts';
import { monotonicMs } from '../../src/sandbox/tenant/clock.ts';
import { median, quantile, type Figure } from './figures.ts';
import { addDatabase, addResources, forkChild, openBridge, pause, settled, type Bridge } from './stage.ts';

const rounds = 3;
const rooms = 8;
const mailbox = (n: number) => `room-${n % rooms}@bench.example`;

interface Told {
  readonly at: number;
  readonly action: string;
  readonly latencyMs: number | null;
}

/** Delta shows a change that much later than its notification says. */
const lagsMs = [0, 1_000, 5_000, 30_000];
/** What a call to Graph takes while delta lags. */
const latencyMs = 50;
/** Of a call to Graph, and of delta, where the daemon is compared with the bare receiver. */
const comparedMs = 10;
const comparedLagMs = 3_000;

/** A tenant and the program that hears of its events. */
interface Side {
  readonly tenant: Tenant;
  readonly child: ChildProcess;
}

/** Takes about 60 s. */
export async function measurePull(changes = 60): Promise<Figure[]> {
  await using opened = new AsyncDisposableStack();
  const bridge = opened.use(await openBridge(rooms));
  const ours = await openOurs(bridge, opened);
  const bare = await openBare(bridge, opened);
  const { tenant, child } = ours;

  const total: Record<'imported' | 'moved', number[][]> = { imported: [], moved: [] };
  const own: number[][] = [];
  const made: { room: string; id: string }[] = [];
  const heard = () => toldBy(child);
  /** read: what an event costs; sure: the delta rounds that make sure, one in 5 s per room whatever the number of events. */
  const calls = { read: 0, sure: 0 };
  for (let round = 0; round < rounds; round += 1) {
    const [imported, moved, bridgeMs]: number[][] = [[], [], []];
    for (let n = 0; n < changes; n += 1) {
      const room = mailbox(n);
      const before = tenant.journal.at(-1)!.seq;
      const day = new Date(Date.now() + (2 + round * changes + n) * 86_400_000).toISOString().slice(0, 10);
      let told = heard();
      let at = monotonicMs();
      const event = tenant.people.book(room, {
        subject: `Kor ${n}`,
        start: `${day}T10:00:00Z`,
        end: `${day}T11:00:00Z`,
      });
      let answer = await told;
      imported!.push(answer.at - at);
      bridgeMs!.push(answer.latencyMs ?? 0);
      made.push({ room, id: event.id });
      for (const { seq, method, path } of tenant.journal)
        if (seq > before && method !== 'POST') calls[/\/delta/.test(path) ? 'sure' : 'read'] += 1;
      await pause(15);
      told = heard();
      at = monotonicMs();
      tenant.people.move(room, event.id, { start: `${day}T12:00:00Z`, end: `${day}T13:00:00Z` });
      answer = await told;
      moved!.push(answer.at - at);
      await pause(15);
    }
    total.imported.push(imported!);
    total.moved.push(moved!);
    own.push(bridgeMs!);
  }
  const compared = await compare(ours, bare, 2 * changes);
  const lagging: Figure[] = [];
  for (const [turn, deltaLagMs] of lagsMs.entries()) {
    tenant.faults.set({ deltaLagMs, latencyMs });
    const took: number[] = [];
    for (let n = 0; n < 24; n += 1) took.push(await importOne(ours, n, 300 + 10 * turn));
    for (const [name, part] of parts)
      lagging.push({
        what: `new event → committed booking, Graph at ${latencyMs} ms, delta ${deltaLagMs / 1_000} s late, ${name}`,
        values: [quantile(took, part)],
        target: '≤ 250',
        unit: 'ms',
      });
  }
  const ms = (what: string, of: readonly number[][], part: number): Figure => ({
    what,
    values: of.map((round) => quantile(round, part)),
    target: '–',
    unit: 'ms',
  });
  return [
    ms('new event in Outlook → committed booking, p50', total.imported, 0.5),
    ms('new event in Outlook → committed booking, p99', total.imported, 0.99),
    ms('moved event in Outlook → committed booking, p50', total.moved, 0.5),
    ms('moved event in Outlook → committed booking, p99', total.moved, 0.99),
    ms('notification received → committed booking, p50', own, 0.5),
    ms('notification received → committed booking, p99', own, 0.99),
    {
      what: 'Graph calls per new event',
      values: [calls.read / (rounds * changes)],
      target: '1',
      note: `and ${calls.sure} rounds of changes that made sure, at most one in 5 s per room`,
    },
    ...compared,
    ...lagging,
  ];
}

const parts = [
  ['p50', 0.5],
  ['p99', 0.99],
] as const;

/** New events of both sides in short turns, so that a neighbour's noise meets both. */
async function compare(ours: Side, bare: Side, changes: number): Promise<Figure[]> {
  for (const { tenant } of [ours, bare])
    tenant.faults.set({ latencyMs: comparedMs, deltaLagMs: comparedLagMs });
  const pairs: { readonly ours: number[]; readonly bare: number[] }[] = [];
  // the first round warms up
  for (let round = 0; round <= rounds; round += 1) {
    const pair: (typeof pairs)[number] = { ours: [], bare: [] };
    for (let n = 0; n < changes; n += 1) {
      for (const [name, side] of [
        ['bare', bare],
        ['ours', ours],
      ] as const) {
        pair[name].push(await importOne(side, n, 190 + 25 * round));
        await pause(15);
      }
    }
    if (round > 0) pairs.push(pair);
  }
  return parts.map(([name, part]) => {
    const of = (times: readonly number[]) => quantile(times, part);
    const inMs = (side: 'ours' | 'bare') => median(pairs.map((pair) => of(pair[side]))).toFixed(1);
    return {
      what: `new event → committed booking, delta ${comparedLagMs / 1_000} s late, ${name} / bare receiver`,
      values: pairs.map((pair) => of(pair.ours) / of(pair.bare)),
      target: name === 'p50' ? '≤ 2.5' : '≤ 4',
      note: `${inMs('ours')} / ${inMs('bare')} ms, Graph at ${comparedMs} ms`,
    };
  });
}

/** Milliseconds from a new event in Outlook to its committed booking. The event is the `n`th from a day, counted from now. */
async function importOne({ tenant, child }: Side, n: number, firstDay: number): Promise<number> {
  const date = new Date(Date.now() + (firstDay + Math.floor(n / rooms)) * 86_400_000)
    .toISOString()
    .slice(0, 10);
  const told = toldBy(child);
  const at = monotonicMs();
  tenant.people.book(mailbox(n), {
    subject: `Kor ${n}`,
    start: `${date}T10:00:00Z`,
    end: `${date}T11:00:00Z`,
  });
  return (await told).at - at;
}

/** The next message of a child. Rejects if it ends. */
async function toldBy(child: ChildProcess): Promise<Told> {
  const waiting = new AbortController();
  const { signal } = waiting;
  const ended = once(child, 'exit', { signal }).then(([code]) => {
    throw new Error(`a program under measurement ended with ${code}`);
  });
  const [told] = (await Promise.race([once(child, 'message', { signal }), ended])) as [Told];
  waiting.abort();
  return told;
}

const tenantOptions = {
  rooms: Array.from({ length: rooms }, (_, n) => ({ upn: mailbox(n), name: `Room ${n}` })),
};

const graphOf = (tenant: Tenant) => ({
  GRAPH_TENANT_ID: tenant.tenantId,
  GRAPH_CLIENT_ID: tenant.clientId,
  GRAPH_CLIENT_SECRET: tenant.clientSecret,
  GRAPH_BASE_URL: tenant.graphBaseUrl,
  GRAPH_AUTHORITY: tenant.authority,
});

/** The daemon with a subscription to each room. */
async function openOurs(bridge: Bridge, opened: AsyncDisposableStack): Promise<Side> {
  const tenant = opened.use(await startTenant(tenantOptions));
  const port = await freePort();
  const child = await openChild(opened, 'bench-service.child.ts', {
    ...graphOf(tenant),
    DATABASE_URL: bridge.url,
    PORT: String(port),
    WEBHOOK_BASE_URL: `http://127.0.0.1:${port}`,
  });
  await settled(bridge.pool);
  while (tenant.webhooks.subscriptions().length < rooms) await pause(50);
  return { tenant, child };
}

/** The bare receiver, on another database of the same server. */
async function openBare(bridge: Bridge, opened: AsyncDisposableStack): Promise<Side> {
  const tenant = opened.use(await startTenant(tenantOptions));
  const url = await addDatabase(bridge.serverUrl, 'bare', 'portico');
  const pool = opened.adopt(openPool({ url, ssl: false }, 'bench', 1), (one) => one.end());
  await addResources(pool, rooms);
  const child = await openChild(opened, 'bare-receiver.child.ts', {
    ...graphOf(tenant),
    DATABASE_URL: url,
    MAILBOXES: Array.from({ length: rooms }, (_, n) => mailbox(n)).join(),
  });
  return { tenant, child };
}

async function openChild(
  opened: AsyncDisposableStack,
  file: string,
  env: Environment,
): Promise<ChildProcess> {
  const { child } = await forkChild(file, env);
  opened.defer(async () => {
    child.disconnect();
    await once(child, 'exit');
  });
  return child;
}
