/**
 * How quickly a notification of Graph is answered in a flood of 5,000 a second: true ones, the same ones again, and
 * forged ones, each in a POST of its own, while the daemon asks Graph (100 ms an answer) what changed in the rooms; against a
 * bare node:http that answers 202 to everything.
 */
import { Pool } from 'undici';
import { median, quantile, type Figure } from './figures.ts';
import {
  environmentOf,
  forkChild,
  openBridge,
  pause,
  settled,
  startAcceptingServer,
  type Bridge,
} from './stage.ts';

const rooms = 200;
const aSecond = 5_000;
const seconds = 3;
const rounds = 3;
/** Graph takes an answer after 3 s for none. */
const lateMs = 3_000;
const base = 'https://bench.example';
const path = '/webhook/outlook-notifications';

interface Wave {
  /** Milliseconds from when a true notification was to be sent until its answer, of each. */
  readonly valid: readonly number[];
  readonly late: number;
  /** Answers other than 202, and none. */
  readonly refused: number;
  readonly sent: { readonly valid: number; readonly forged: number };
}

/** Takes about 45 s. */
export async function measureWebhookFlood(): Promise<Figure[]> {
  await using opened = new AsyncDisposableStack();
  const bridge = opened.use(await openBridge(rooms));
  const graph = opened.use(await startAcceptingServer({ LATENCY_MS: '100' }));
  const secrets = await subscribe(bridge);
  const start = async (env: Readonly<Record<string, string | undefined>>) => {
    const { child, first } = await forkChild('receiver.child.ts', env);
    opened.defer(() => void child.disconnect());
    return (first as { url: string }).url;
  };
  const bare = await start({ BARE: '1' });
  const ours = await start({ ...environmentOf(bridge, graph.origin), WEBHOOK_BASE_URL: base });
  await settled(bridge.pool);

  for (const url of [bare, ours]) await flood(url, secrets, 1); // what is compiled on the way is not measured
  const before = await countsOf(ours);
  const waves: { bare: Wave; ours: Wave }[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const floor = await flood(bare, secrets, seconds);
    await pause(500);
    waves.push({ bare: floor, ours: await flood(ours, secrets, seconds) });
    await pause(500);
  }
  const after = await countsOf(ours);
  const sum = (pick: (wave: Wave) => number) => waves.reduce((all, { ours: wave }) => all + pick(wave), 0);
  const p99 = (wave: Wave) => quantile(wave.valid, 0.99);
  const ms = (pick: (wave: (typeof waves)[number]) => number) => median(waves.map(pick)).toFixed(1);
  return [
    {
      what: `true notification answered, p99, ${aSecond}/s, of a bare 202`,
      values: waves.map(({ bare: floor, ours: wave }) => p99(wave) / p99(floor)),
      target: '≤ 2',
      note: `${ms(({ ours: wave }) => p99(wave))} ms, bare ${ms(({ bare: floor }) => p99(floor))} ms; p50 ${ms(({ ours: wave }) => median(wave.valid))} ms, bare ${ms(({ bare: floor }) => median(floor.valid))} ms`,
    },
    {
      what: 'answers after 3 s, or other than 202',
      values: [sum((wave) => wave.late + wave.refused)],
      target: '0',
      note: `of ${sum((wave) => wave.sent.valid + wave.sent.forged)}`,
    },
    {
      what: 'true ones rejected, or forged ones accepted',
      values: [
        Math.abs(after.changes - before.changes - sum((wave) => wave.sent.valid)) +
          Math.abs(after.rejected - before.rejected - sum((wave) => wave.sent.forged)),
      ],
      target: '0',
    },
  ];
}

/** Writes the subscriptions as if Graph had all rooms' subscriptions. Returns their bodies' parts. */
async function subscribe(bridge: Bridge): Promise<readonly { id: string; secret: string }[]> {
  const { rows } = await bridge.pool.query<{ id: string; secret: string }>(
    `INSERT INTO bridge_subscriptions (resource_mapping_id, outlook_item_id, subscription_id, notification_url,
       expires_at, renewed_at, due_at)
     SELECT id, outlook_item_id, gen_random_uuid()::text, $1, now() + interval '2 days', now(), now() + interval '1 day'
     FROM bridge_resource_mappings RETURNING subscription_id AS id, client_state AS secret`,
    [base + path],
  );
  return rows;
}

/** Sends at its times, whatever the answers do; resolves when the last one is there. */
async function flood(
  url: string,
  subscriptions: readonly { id: string; secret: string }[],
  forSeconds: number,
): Promise<Wave> {
  const pool = new Pool(url, { connections: 128, pipelining: 1 });
  const valid: number[] = [];
  const sent = { valid: 0, forged: 0 };
  let [late, refused] = [0, 0];
  const send = async (at: number, n: number) => {
    const { body, isForged } = notification(subscriptions, n);
    if (isForged) sent.forged += 1;
    else sent.valid += 1;
    try {
      const answer = await pool.request({
        path,
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body,
      });
      await answer.body.dump();
      if (answer.statusCode !== 202) refused += 1;
    } catch {
      refused += 1; // no answer at all counts like a wrong one
    }
    const ms = performance.now() - at;
    if (ms > lateMs) late += 1;
    if (!isForged) valid.push(ms);
  };
  const began = performance.now();
  const total = aSecond * forSeconds;
  const under: Promise<void>[] = [];
  while (under.length < total) {
    const should = Math.min(total, Math.floor(((performance.now() - began) / 1_000) * aSecond));
    while (under.length < should) under.push(send(began + (under.length / aSecond) * 1_000, under.length));
    await pause(1);
  }
  await Promise.all(under);
  await pool.close();
  return { valid, late, refused, sent };
}

/** Of ten: six true ones, two that came before, one with a wrong secret, one of an unknown subscription. */
function notification(subscriptions: readonly { id: string; secret: string }[], n: number) {
  const doubled = n % 10 === 6 || n % 10 === 7;
  const { id, secret } = subscriptions[(doubled ? n - 6 : n) % subscriptions.length]!;
  const kind = n % 10;
  const event = `AAMkAGI1AAAt9AHjAAA${'x'.repeat(120)}=`;
  const element = {
    subscriptionId: kind === 9 ? `${id.slice(0, -6)}${String(n).padStart(6, '0')}` : id,
    subscriptionExpirationDateTime: '2030-01-01T00:00:00Z',
    clientState: kind === 8 ? 'f'.repeat(64) : secret,
    changeType: 'updated',
    tenantId: '00000000-0000-0000-0000-000000000000',
    resource: `Users/x/Events/${event}`,
    resourceData: {
      '@odata.type': '#Microsoft.Graph.Event',
      '@odata.id': `Users/x/Events/${event}`,
      id: event,
    },
  };
  return { body: JSON.stringify({ value: [element] }), isForged: kind >= 8 };
}

async function countsOf(url: string): Promise<{ changes: number; rejected: number }> {
  const answer = await fetch(`${url}/webhook/stats`);
  const { statistics } = (await answer.json()) as {
    statistics: { notifications: { changes: number; rejected: number } };
  };
  return statistics.notifications;
}
