import { expect, test } from 'vitest';
import type { Fact } from '../../src/facts.ts';
import { createHealth } from '../../src/ops/health.ts';
import type { Queue } from '../../src/ops/gauges.ts';
import { createMetrics } from '../../src/ops/metrics.ts';

const item = { room: 'A', resourceId: 101, mappingId: 7, reservationType: 'event', reservationId: 456 };
const empty: Queue = {
  outbox_rows: 0,
  due: 0,
  oldest_ms: null,
  rooms: {},
  alerts: {},
  conflicts: 0,
  replicas: 1,
};

function open(queue: () => Promise<Queue> = async () => empty, waitMs = 50) {
  const health = createHealth();
  return { health, ...createMetrics({ health: health.state, queue, waitMs }) };
}

test('the latency from commit to acceptance is a histogram from 1 ms to 60 s', async () => {
  const metrics = open();
  for (const latencyMs of [0.8, 85, 59_000, null])
    metrics.observe({ ...item, fact: 'pushed', action: 'created', latencyMs, callMs: 40 });
  const text = await metrics.text();
  expect(text).toMatch(/bridge_commit_to_accepted_seconds_bucket\{le="0.001"\} 1$/m);
  expect(text).toMatch(/bridge_commit_to_accepted_seconds_bucket\{le="0.1"\} 2$/m);
  expect(text).toMatch(/bridge_commit_to_accepted_seconds_bucket\{le="60"\} 3$/m);
  expect(text).toMatch(/bridge_graph_call_seconds_count 4$/m);
  expect(text).toMatch(/bridge_pushed_total\{action="created"\} 4$/m);
});

test('every kind of trouble has its line from the start, and is counted', async () => {
  const metrics = open();
  expect((await metrics.text()).match(/^bridge_errors_total\{.*\} 0$/gm)?.length).toBe(13);
  const facts: Fact[] = [
    { ...item, fact: 'item-delayed', error: '', inMs: 1 },
    { ...item, fact: 'item-parked', error: '', hint: null },
    { ...item, fact: 'room-resting', error: '', hint: null, inMs: 1, throttled: true },
    { fact: 'listening', heard: false, reason: '' },
    { fact: 'listening', heard: true, reason: '' },
    { fact: 'capture-missed', times: 3 },
  ];
  for (const fact of facts) metrics.observe(fact);
  const text = await metrics.text();
  for (const [kind, count] of Object.entries({
    delayed: 1,
    parked: 1,
    throttled: 1,
    deaf: 1,
    'capture-missed': 3,
    bug: 0,
  }))
    expect(text).toContain(`bridge_errors_total{kind="${kind}"} ${count}\n`);
});

test('no label names a room, an item or an address', async () => {
  const metrics = open(async () => ({ ...empty, rooms: { ok: 3, held: 1 }, alerts: { critical: 1 } }));
  metrics.observe({ ...item, fact: 'pushed', action: 'updated', latencyMs: 5, callMs: 5 });
  metrics.observe({ ...item, fact: 'pulled', action: 'imported', latencyMs: 5 });
  metrics.observe({ fact: 'schedule-ran', schedule: 'sweep', ms: 5, failed: null });
  metrics.observe({ ...alert, room: 'A', resourceId: 101 });
  const lines = (await metrics.text()).matchAll(/(\w+)="([^"]*)"/g);
  const labels = new Map([...lines].map(([, name, value]) => [name, value]));
  expect(new Set(labels.keys())).toEqual(
    new Set([
      'le',
      'action',
      'kind',
      'health',
      'side',
      'outcome',
      'event',
      'type',
      'schedule',
      'result',
      'severity',
    ]),
  );
});

test('the latency of the other direction is a histogram too, and rounds of changes are counted', async () => {
  const metrics = open();
  for (const latencyMs of [8, 800, null])
    metrics.observe({ ...item, fact: 'pulled', action: 'imported', latencyMs });
  for (const rows of [3, 0, 0])
    metrics.observe({ fact: 'room-pulled', room: 'A', resourceId: 101, rows, ms: 5 });
  const text = await metrics.text();
  expect(text).toMatch(/bridge_noticed_to_committed_seconds_bucket\{le="0.01"\} 1$/m);
  expect(text).toMatch(/bridge_noticed_to_committed_seconds_count 2$/m);
  expect(text).toMatch(/bridge_pulled_total\{action="imported"\} 3$/m);
  expect(text).toMatch(/bridge_polls_total\{outcome="nothing"\} 2$/m);
});

test('alerts are counted by type, those that are open by severity, and runs of schedules by result', async () => {
  const metrics = open(async () => ({ ...empty, alerts: { warning: 2, critical: 0 } }));
  metrics.observe(alert);
  metrics.observe({ fact: 'alert-undelivered', type: 'brake', error: 'it answered 404' });
  metrics.observe({ fact: 'schedule-ran', schedule: 'sweep', ms: 5, failed: 'no such table' });
  const text = await metrics.text();
  expect(text).toMatch(/^bridge_alerts_total\{event="opened",type="brake"\} 1$/m);
  expect(text).toMatch(/^bridge_alerts_total\{event="closed",type="stuck"\} 0$/m);
  expect(text).toMatch(/^bridge_alerts_open\{severity="warning"\} 2$/m);
  expect(text).toMatch(/^bridge_alerts_undelivered_total 1$/m);
  expect(text).toMatch(/^bridge_schedule_runs_total\{schedule="sweep",result="failed"\} 1$/m);
});

const alert = {
  fact: 'alert',
  event: 'opened',
  type: 'brake',
  severity: 'critical',
  room: null,
  resourceId: null,
  message: 'held',
} as const satisfies Fact;

test('the queue is read once for each scrape', async () => {
  let reads = 0;
  const metrics = open(async () => {
    reads += 1;
    return { ...empty, outbox_rows: 4, due: 9, oldest_ms: 1_500, rooms: { ok: 2 } };
  });
  const text = await metrics.text();
  expect(reads).toBe(1);
  expect(text).toMatch(/^bridge_outbox_rows 4$/m);
  expect(text).toMatch(/^bridge_due_items 9$/m);
  expect(text).toMatch(/^bridge_oldest_due_seconds 1.5$/m);
  expect(text).toMatch(/^bridge_rooms\{health="ok"\} 2$/m);
});

test.each([
  ['fails', () => Promise.reject(new Error('away'))],
  ['never answers', () => new Promise<Queue>(() => undefined)],
])(
  'a database that %s costs its own lines only, and they are missing rather than stale',
  async (_how, away) => {
    let queue: () => Promise<Queue> = async () => ({ ...empty, due: 9 });
    const metrics = open(() => queue());
    expect(await metrics.text()).toMatch(/^bridge_due_items 9$/m);
    queue = away;
    metrics.health.observe({ fact: 'outage', side: 'booking', error: 'away', hint: null });
    const text = await metrics.text();
    expect(text).not.toMatch(/^bridge_due_items \d/m);
    expect(text).toMatch(/^bridge_outage\{side="booking"\} 1$/m);
    expect(text).toMatch(/^bridge_outage\{side="outlook"\} 0$/m);
  },
);
