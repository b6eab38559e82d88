/** Gauges read at each scrape, from this daemon's health and from the database. */
import { Gauge, type Registry } from 'prom-client';
import type { HealthState } from './health.ts';

type Counts = Readonly<Record<string, number>>;

/** Counts from the database for the metrics. */
export interface Queue {
  readonly outbox_rows: number;
  readonly due: number;
  /** Age of the oldest pending change; null: none. */
  readonly oldest_ms: number | null;
  /** Active rooms by health. */
  readonly rooms: Counts;
  /** Open alerts by severity. */
  readonly alerts: Counts;
  /** Open conflicts. */
  readonly conflicts: number;
  /** Daemons alive on this database. */
  readonly replicas: number;
}

export interface GaugeOptions {
  readonly health: () => HealthState;
  readonly queue: () => Promise<Queue>;
  /** The time that a scrape waits for the database before it omits the shared gauges. */
  readonly waitMs: number;
}

const queueGauges: readonly (readonly [name: string, help: string, (queue: Queue) => number])[] = [
  ['bridge_outbox_rows', 'Changes recorded by the triggers and not folded yet.', (q) => q.outbox_rows],
  ['bridge_due_items', 'Due mappings.', (q) => q.due],
  [
    'bridge_oldest_due_seconds',
    'Age of the oldest change that is not in Outlook yet.',
    (q) => (q.oldest_ms ?? 0) / 1_000,
  ],
  ['bridge_conflicts_open', 'Open conflicts.', (q) => q.conflicts],
  ['bridge_replicas', 'Daemons alive on this database.', (q) => q.replicas],
];

const queueCounts: readonly (readonly [
  name: string,
  help: string,
  label: string,
  (queue: Queue) => Counts,
])[] = [
  ['bridge_rooms', 'Active rooms by health.', 'health', (q) => q.rooms],
  ['bridge_alerts_open', 'Open alerts by severity.', 'severity', (q) => q.alerts],
];

/** Registers the gauges; those from the database are omitted if it does not answer in time. */
export function addGauges(registers: Registry[], { health, queue: readQueue, waitMs }: GaugeOptions): void {
  const read = sharedFor(readQueue, waitMs);
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
  for (const [name, help, pick] of queueGauges)
    gauge(name, help, async () => {
      const queue = await read();
      return queue === null ? null : pick(queue);
    });
  gauge('bridge_listener_heard', '1 while notifications of PostgreSQL reach this daemon.', () =>
    Number(health().listener.heard),
  );
  gauge('process_resident_memory_bytes', 'Resident memory in bytes.', () => process.memoryUsage.rss());
  gauge(
    'process_start_time_seconds',
    'Start of the process in seconds since 1970.',
    () => health().startedAt.getTime() / 1_000,
  );
  for (const [name, help, label, pick] of queueCounts)
    new Gauge({
      name,
      help,
      labelNames: [label],
      registers,
      async collect() {
        this.reset();
        const queue = await read();
        for (const [value, count] of Object.entries(queue === null ? {} : pick(queue)))
          this.set({ [label]: value }, count);
      },
    });
  new Gauge({
    name: 'bridge_outage',
    help: '1 while this side as a whole is unreachable.',
    labelNames: ['side'] as const,
    registers,
    collect() {
      const { outages } = health();
      for (const side of ['outlook', 'booking'] as const) this.set({ side }, outages[side] === null ? 0 : 1);
    },
  });
}

/** One read serves all gauges of a scrape, with a time limit. */
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
  // an outage of the database is reported elsewhere; here its gauges are missing, which an alert rule can detect
  const read = queue().catch(() => null);
  return await Promise.race([read, late.promise]).finally(() => clearTimeout(timer));
}
