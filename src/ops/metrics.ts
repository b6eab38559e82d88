/**
 * What Prometheus reads at `/metrics`. docs/metrics.md says what each means; a test compares the two. Labels are few and
 * bounded (action, kind, side, health, …): never a room, an item or an address.
 */
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { Fact } from '../facts.ts';
import type { HealthState } from './health.ts';

/** What is counted in the database when the metrics are read. */
export interface Queue {
  readonly outbox_rows: number;
  readonly due: number;
  /** Age of the oldest change that waits; null: none does. */
  readonly oldest_ms: number | null;
  /** Active rooms by health. */
  readonly rooms: Readonly<Record<string, number>>;
}

export interface MetricsOptions {
  readonly health: () => HealthState;
  readonly queue: () => Promise<Queue>;
  /** How long a scrape waits for the database before it goes without its part. */
  readonly waitMs?: number;
}

/** Every kind of trouble there is, so that each has its line from the start, at 0. */
const kinds = [
  'delayed',
  'parked',
  'resting',
  'throttled',
  'refused',
  'brake',
  'outage',
  'deaf',
  'lease-lost',
  'capture-missed',
  'capture-broken',
  'bug',
] as const;
type Kind = (typeof kinds)[number];

export function createMetrics({ health, queue, waitMs = 1_500 }: MetricsOptions) {
  const registry = new Registry();
  const registers = [registry];
  const latency = new Histogram({
    name: 'bridge_commit_to_accepted_seconds',
    help: 'From a change in the booking system to its acceptance by Microsoft Graph.',
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60],
    registers,
  });
  const importLatency = new Histogram({
    name: 'bridge_noticed_to_committed_seconds',
    help: 'From the notification or page that told of a change in Outlook to the committed reservation.',
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60],
    registers,
  });
  const pulled = new Counter({
    name: 'bridge_pulled_total',
    help: 'What was done in the booking system because of Outlook, by this daemon.',
    labelNames: ['action'] as const,
    registers,
  });
  const polls = new Counter({
    name: 'bridge_polls_total',
    help: 'Rounds of changes read from Outlook, by whether there were any.',
    labelNames: ['outcome'] as const,
    registers,
  });
  for (const outcome of ['changes', 'nothing']) polls.inc({ outcome }, 0);
  const conflicts = new Counter({
    name: 'bridge_conflicts_total',
    help: 'Items that were left for a person to decide.',
    registers,
  });
  const call = new Histogram({
    name: 'bridge_graph_call_seconds',
    help: 'Duration of the calls to Microsoft Graph that wrote items.',
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
    registers,
  });
  const pushed = new Counter({
    name: 'bridge_pushed_total',
    help: 'Items settled by this daemon, by what was done to them.',
    labelNames: ['action'] as const,
    registers,
  });
  const errors = new Counter({
    name: 'bridge_errors_total',
    help: 'What went wrong, by kind.',
    labelNames: ['kind'] as const,
    registers,
  });
  for (const kind of kinds) errors.inc({ kind }, 0);
  const notifications = new Counter({
    name: 'bridge_notifications_total',
    help: 'Notifications of Outlook, by what became of them.',
    labelNames: ['outcome'] as const,
    registers,
  });
  for (const outcome of ['accepted', 'lifecycle', 'rejected']) notifications.inc({ outcome }, 0);
  const subscriptions = new Counter({
    name: 'bridge_subscriptions_total',
    help: 'What was done to subscriptions by this daemon.',
    labelNames: ['action'] as const,
    registers,
  });
  for (const action of ['created', 'renewed', 'removed', 'lost', 'failed']) subscriptions.inc({ action }, 0);
  const alerts = new Counter({
    name: 'bridge_alerts_total',
    help: 'Alerts raised and closed by this daemon, by type.',
    labelNames: ['event', 'type'] as const,
    registers,
  });
  const undelivered = new Counter({
    name: 'bridge_alerts_undelivered_total',
    help: 'Messages that the address in ALERT_WEBHOOK_URL did not take.',
    registers,
  });
  const runs = new Counter({
    name: 'bridge_schedule_runs_total',
    help: 'Runs of schedules by this daemon.',
    labelNames: ['schedule', 'result'] as const,
    registers,
  });
  gauges(registers, health, sharedFor(queue, waitMs));

  function observe(fact: Fact): void {
    const kind = kindOf(fact);
    if (kind !== null) errors.inc({ kind }, fact.fact === 'capture-missed' ? fact.times : 1);
    if (fact.fact === 'alert') alerts.inc({ event: fact.event, type: fact.type });
    else if (fact.fact === 'alert-undelivered') undelivered.inc();
    else if (fact.fact === 'schedule-ran')
      runs.inc({ schedule: fact.schedule, result: fact.failed === null ? 'ok' : 'failed' });
    else if (fact.fact === 'subscription') subscriptions.inc({ action: fact.action });
    else if (fact.fact === 'subscription-failed') subscriptions.inc({ action: 'failed' });
    else if (fact.fact === 'notifications-rejected') notifications.inc({ outcome: 'rejected' }, fact.count);
    else if (fact.fact === 'notified') {
      notifications.inc({ outcome: 'accepted' }, fact.changes);
      notifications.inc({ outcome: 'lifecycle' }, fact.lifecycle);
    }
    if (fact.fact === 'pulled') {
      pulled.inc({ action: fact.action });
      if (fact.latencyMs !== null) importLatency.observe(fact.latencyMs / 1_000);
    } else if (fact.fact === 'room-pulled') polls.inc({ outcome: fact.rows > 0 ? 'changes' : 'nothing' });
    else if (fact.fact === 'conflict') conflicts.inc();
    if (fact.fact !== 'pushed') return;
    pushed.inc({ action: fact.action });
    if (fact.latencyMs !== null) latency.observe(fact.latencyMs / 1_000);
    if (fact.callMs > 0) call.observe(fact.callMs / 1_000);
  }

  return { observe, contentType: registry.contentType, text: () => registry.metrics() };
}

export type Metrics = ReturnType<typeof createMetrics>;

function kindOf(fact: Fact): Kind | null {
  switch (fact.fact) {
    case 'item-delayed':
      return 'delayed';
    case 'item-parked':
      return 'parked';
    case 'room-resting':
      return fact.throttled ? 'throttled' : 'resting';
    case 'room-refused':
      return 'refused';
    case 'brake-held':
      return 'brake';
    case 'listening':
      return fact.heard ? null : 'deaf';
    case 'outage':
    case 'lease-lost':
    case 'capture-missed':
    case 'capture-broken':
    case 'bug':
      return fact.fact;
    case 'pushed':
    case 'pulled':
    case 'conflict':
    case 'room-pulled':
    case 'room-well':
    case 'room-baselined':
    case 'room-reconciled':
    case 'outage-over':
    case 'subscription':
    case 'subscription-failed':
    case 'notified':
    case 'notifications-rejected':
    case 'alert':
    case 'alert-undelivered':
    case 'schedule-ran':
    case 'report':
    case 'started':
    case 'stopped':
      return null;
  }
}

/** Gauges are read when they are scraped; what comes from the database is left out when it does not answer in time. */
function gauges(registers: Registry[], health: () => HealthState, read: () => Promise<Queue | null>): void {
  const gauge = (name: string, help: string, value: () => number | null | Promise<number | null>) =>
    new Gauge({
      name,
      help,
      registers,
      async collect() {
        this.reset();
        const now = await value();
        if (now === null) this.remove();
        else this.set(now);
      },
    });
  const ofQueue = (pick: (queue: Queue) => number) => async () => {
    const queue = await read();
    return queue === null ? null : pick(queue);
  };
  gauge(
    'bridge_outbox_rows',
    'Changes noted by the triggers and not folded yet.',
    ofQueue((q) => q.outbox_rows),
  );
  gauge(
    'bridge_due_items',
    'Mappings with work to do.',
    ofQueue((q) => q.due),
  );
  gauge(
    'bridge_oldest_due_seconds',
    'Age of the oldest change that is not in Outlook yet.',
    ofQueue((q) => (q.oldest_ms ?? 0) / 1_000),
  );
  gauge('bridge_listener_heard', '1 while notifications of PostgreSQL reach this daemon.', () =>
    Number(health().listener.heard),
  );
  gauge('process_resident_memory_bytes', 'Resident memory in bytes.', () => process.memoryUsage.rss());
  gauge(
    'process_start_time_seconds',
    'Start of the process in seconds since 1970.',
    () => health().startedAt.getTime() / 1_000,
  );
  new Gauge({
    name: 'bridge_rooms',
    help: 'Active rooms by health.',
    labelNames: ['health'] as const,
    registers,
    async collect() {
      this.reset();
      for (const [state, count] of Object.entries((await read())?.rooms ?? {}))
        this.set({ health: state }, count);
    },
  });
  new Gauge({
    name: 'bridge_outage',
    help: '1 while this side as a whole is out of reach.',
    labelNames: ['side'] as const,
    registers,
    collect() {
      const { outages } = health();
      for (const side of ['outlook', 'booking'] as const) this.set({ side }, outages[side] === null ? 0 : 1);
    },
  });
}

/** One read serves all gauges of a scrape, and a database that is away does not keep the scrape waiting. */
function sharedFor(queue: () => Promise<Queue>, waitMs: number): () => Promise<Queue | null> {
  let reading: Promise<Queue | null> | null = null;
  return () => {
    reading ??= readWithin(queue, waitMs).finally(() => {
      reading = null;
    });
    return reading;
  };
}

async function readWithin(queue: () => Promise<Queue>, waitMs: number): Promise<Queue | null> {
  const late = Promise.withResolvers<null>();
  const timer = setTimeout(() => late.resolve(null), waitMs);
  // a database that does not answer is told of elsewhere; here its lines are missing, which is what an alert looks for
  const read = queue().catch(() => null);
  return await Promise.race([read, late.promise]).finally(() => clearTimeout(timer));
}
