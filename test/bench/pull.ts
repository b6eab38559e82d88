/**
 * From a change in Outlook to the committed reservation: the simulated tenant posts its notification, the daemon asks for
 * the changes, reads the event and writes the booking. The tenant is in this process, the daemon in its own.
 */
import { once } from 'node:events';
import { freePort } from '../../src/sandbox/postgres.ts';
import { startTenant } from '../../src/sandbox/tenant/tenant.ts';
import { monotonicMs } from '../../src/sandbox/tenant/clock.ts';
import { quantile, type Figure } from './figures.ts';
import { forkChild, openBridge, settled } from './stage.ts';

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

/** Takes about 60 s. */
export async function measurePull(changes = 60): Promise<Figure[]> {
  await using opened = new AsyncDisposableStack();
  const bridge = opened.use(await openBridge(rooms));
  const tenant = opened.use(
    await startTenant({
      rooms: Array.from({ length: rooms }, (_, n) => ({ upn: mailbox(n), name: `Room ${n}` })),
    }),
  );
  const port = await freePort();
  const { child } = await forkChild('bench-service.child.ts', {
    DATABASE_URL: bridge.url,
    GRAPH_TENANT_ID: tenant.tenantId,
    GRAPH_CLIENT_ID: tenant.clientId,
    GRAPH_CLIENT_SECRET: tenant.clientSecret,
    GRAPH_BASE_URL: tenant.graphBaseUrl,
    GRAPH_AUTHORITY: tenant.authority,
    PORT: String(port),
    WEBHOOK_BASE_URL: `http://127.0.0.1:${port}`,
  });
  opened.defer(async () => {
    child.disconnect();
    await once(child, 'exit');
  });
  await settled(bridge.pool);
  while (tenant.webhooks.subscriptions().length < rooms)
    await new Promise((resolve) => setTimeout(resolve, 50));

  const total: Record<'imported' | 'moved', number[][]> = { imported: [], moved: [] };
  const own: number[][] = [];
  const made: { room: string; id: string }[] = [];
  const heard = () => once(child, 'message').then(([told]) => told as Told);
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
      await new Promise((resolve) => setTimeout(resolve, 15));
      told = heard();
      at = monotonicMs();
      tenant.people.move(room, event.id, { start: `${day}T12:00:00Z`, end: `${day}T13:00:00Z` });
      answer = await told;
      moved!.push(answer.at - at);
      await new Promise((resolve) => setTimeout(resolve, 15));
    }
    total.imported.push(imported!);
    total.moved.push(moved!);
    own.push(bridgeMs!);
  }
  const lagging: Figure[] = [];
  for (const [turn, deltaLagMs] of lagsMs.entries()) {
    tenant.faults.set({ deltaLagMs, latencyMs });
    const took: number[] = [];
    for (let n = 0; n < 24; n += 1) {
      const day = new Date(Date.now() + (200 + turn * 30 + n) * 86_400_000).toISOString().slice(0, 10);
      const told = heard();
      const at = monotonicMs();
      tenant.people.book(mailbox(n), {
        subject: `Late ${n}`,
        start: `${day}T10:00:00Z`,
        end: `${day}T11:00:00Z`,
      });
      took.push((await told).at - at);
    }
    for (const [name, part] of [
      ['p50', 0.5],
      ['p99', 0.99],
    ] as const)
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
    ...lagging,
  ];
}
