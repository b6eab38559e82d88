/** The overall state and the state of each component, as used by the predecessor's monitoring. */
import { createRoute, z } from '@hono/zod-openapi';
import { databaseFailure } from '../database.ts';
import { Retryable } from '../errors.ts';
import type { HealthState } from '../ops/health.ts';
import type { Schedule } from '../ops/schedule.ts';
import type { LatencyReport, QueueReport } from '../sync/report/reports.ts';
import { lineSchema, type ActivityParts } from './activity.ts';
import { alertSchema, type AlertParts } from './alerts.ts';
import { sentence, whyOf } from './mappings.ts';
import type { Capture } from './health.ts';
import { answers, instant, newRoutes, json } from './schema.ts';
import { scheduleSchema, type ScheduleParts } from './schedules.ts';
import { latencySchema, queueSchema, statisticsSchema } from './statistics.ts';
import type { StatsParts } from './stats.ts';

export interface SystemParts extends ActivityParts, ScheduleParts {
  readonly health: () => HealthState;
  readonly readCapture: () => Promise<Capture>;
  readonly reports: StatsParts['reports'];
  readonly alerts: { readonly store: AlertParts['alerts']['store'] };
}

/** A database that does not answer within this time counts as unavailable, so that a probe is answered within 2 s. */
const databaseMs = 1_500;
/** A change or a scheduled job with a longer delay is late. */
const lateMs = 600_000;
const overdueMs = 120_000;

const state = z.enum(['healthy', 'degraded', 'unhealthy']);
type State = z.infer<typeof state>;
const check = z.object({ status: state, message: z.string() });
type Check = z.infer<typeof check>;

const checks = z.object({
  database: check,
  graph: check,
  listener: check,
  queue: check,
  alerts: check,
  schedules: check,
});
const system = {
  success: z.boolean().openapi({ description: 'False only when unhealthy.' }),
  status: state,
  timestamp: instant,
  uptime_seconds: z.number().int(),
  checks,
};

const systemSchema = z.object(system).openapi('SystemHealth');
const dashboardSchema = z
  .object({
    ...system,
    statistics: z.union([statisticsSchema, z.null()]),
    latency: z.union([latencySchema, z.null()]),
    queue: queueSchema.nullable(),
    rooms: z.record(z.string(), z.number().int()).nullable(),
    replicas: z.number().int().nullable(),
    alerts: z.array(alertSchema),
    schedules: z.array(scheduleSchema),
    recent: z.array(lineSchema),
  })
  .openapi('HealthDashboard');

const systemRoute = createRoute({
  method: 'get',
  path: '/health/system',
  tags: ['Health'],
  summary: 'State of database, Graph, listener, queue, alerts and schedules',
  responses: {
    ...answers('Healthy, or degraded: it works, and something wants a look.', systemSchema),
    503: {
      description: 'Unhealthy: the synchronization is stopped until this is repaired.',
      content: json(systemSchema),
    },
  },
});

const dashboardRoute = createRoute({
  method: 'get',
  path: '/health/dashboard',
  tags: ['Health'],
  summary: 'The same with figures: statistics, latency, queue, rooms, alerts, schedules and recent changes',
  responses: answers('What the database knows is null or empty while it is away.', dashboardSchema),
});

export function systemRoutes(parts: SystemParts) {
  return newRoutes()
    .openapi(systemRoute, async (c) => {
      const answer = systemOf(parts.health(), await read(parts));
      return answer.success ? c.json(answer, 200) : c.json(answer, 503, { 'Retry-After': '5' });
    })
    .openapi(dashboardRoute, async (c) => {
      const [known, more] = await Promise.all([read(parts), within(() => readMore(parts))]);
      return c.json({ ...systemOf(parts.health(), known), ...figures(known, more) }, 200);
    });
}

interface Known {
  readonly queue: QueueReport;
  readonly capture: Capture;
  readonly schedules: readonly Schedule[];
}

/** The data for the checks; null: the database does not answer. Throws errors other than outages. */
const read = ({ reports, readCapture, schedules }: SystemParts): Promise<Known | null> =>
  within(async () => {
    const [queue, capture, all] = await Promise.all([reports.queue(), readCapture(), schedules()]);
    return { queue, capture, schedules: all };
  });

async function readMore({ reports, alerts, activity }: SystemParts) {
  const [statistics, latency, open, lines] = await Promise.all([
    reports.statistics(),
    reports.latency(),
    alerts.store.list('open', 100),
    activity.newest(10, null),
  ]);
  return {
    statistics,
    latency,
    alerts: open,
    recent: lines.map((line) => ({ ...line, text: sentence(line), why: whyOf(line) })),
  };
}

function figures(known: Known | null, more: Awaited<ReturnType<typeof readMore>> | null) {
  const latency: LatencyReport | null = more?.latency ?? null;
  const queue = known?.queue ?? null;
  return {
    statistics: more?.statistics ?? null,
    latency,
    queue: queue && {
      outbox_rows: queue.outbox_rows,
      due: queue.due,
      unfolded: queue.unfolded,
      oldest_ms: queue.oldest_ms,
    },
    rooms: queue?.rooms ?? null,
    replicas: queue?.replicas ?? null,
    alerts: more?.alerts ?? [],
    schedules: [...(known?.schedules ?? [])],
    recent: more?.recent ?? [],
  };
}

async function within<T>(ask: () => Promise<T>): Promise<T | null> {
  const late = Promise.withResolvers<null>();
  const timer = setTimeout(() => late.resolve(null), databaseMs);
  const asked = ask().catch((error: unknown) => {
    if (databaseFailure(error, 'read the state of the whole') instanceof Retryable) return null;
    throw error;
  });
  return await Promise.race([asked, late.promise]).finally(() => clearTimeout(timer));
}

const healthy = (message: string): Check => ({ status: 'healthy', message });
const degraded = (message: string): Check => ({ status: 'degraded', message });
const unhealthy = (message: string): Check => ({ status: 'unhealthy', message });
const unknown = degraded('not known while the database does not answer');

function systemOf(health: HealthState, known: Known | null) {
  const all = {
    database: databaseOf(health, known),
    graph: graphOf(health, known),
    listener: health.listener.heard
      ? healthy('notifications of PostgreSQL are heard')
      : degraded(`notifications do not arrive: ${health.listener.reason ?? 'no reason known'}`),
    queue: known === null ? unknown : queueOf(known.queue),
    alerts: known === null ? unknown : alertsOf(known.queue.alerts),
    schedules: known === null ? unknown : schedulesOf(known.schedules),
  };
  const worst = Object.values(all).map((one) => one.status);
  const status: State = worst.includes('unhealthy')
    ? 'unhealthy'
    : worst.includes('degraded')
      ? 'degraded'
      : 'healthy';
  return {
    success: status !== 'unhealthy',
    status,
    timestamp: new Date(),
    uptime_seconds: health.uptimeSeconds,
    checks: all,
  };
}

function databaseOf({ outages }: HealthState, known: Known | null): Check {
  if (known === null) return unhealthy('PostgreSQL does not answer');
  if (outages.booking !== null) return unhealthy(outages.booking.error);
  const { missing } = known.capture;
  return missing.length > 0
    ? degraded(`changes are not captured: ${missing.slice(0, 5).join('; ')}`)
    : healthy('PostgreSQL answers and the triggers are there');
}

function graphOf({ outages }: HealthState, known: Known | null): Check {
  if (outages.outlook !== null) return unhealthy(outages.outlook.error);
  const refused = known?.queue.rooms['refused'] ?? 0;
  const waiting = known?.queue.rooms['waiting'] ?? 0;
  return refused + waiting > 0
    ? degraded(`mailboxes that refuse access: ${refused}, that back off after a failure: ${waiting}`)
    : healthy('no call was refused lately');
}

function queueOf({ oldest_ms, due, outbox_rows, unfolded }: QueueReport): Check {
  const troubles = [
    (oldest_ms ?? 0) > lateMs && `the oldest for ${Math.round(oldest_ms! / 60_000)} minutes`,
    unfolded > 0 && `${unfolded} cannot be followed; doctor lists them`,
  ].filter((one) => one !== false);
  const waits = [`${due + outbox_rows} changes wait`, ...troubles].join(', ');
  return troubles.length > 0 ? degraded(waits) : healthy(waits);
}

function alertsOf({ critical, warning }: QueueReport['alerts']): Check {
  const words = `${critical} critical and ${warning} other alerts are open`;
  return critical + warning > 0 ? degraded(words) : healthy('no alert is open');
}

function schedulesOf(schedules: readonly Schedule[]): Check {
  const failed = schedules.filter(({ last_result }) => last_result?.startsWith('failed') === true);
  const overdue = schedules.filter(({ late_ms }) => late_ms > overdueMs);
  const names = (some: readonly Schedule[]) => some.map(({ name }) => name).join(', ');
  const troubles = [
    overdue.length > 0 && `overdue: ${names(overdue)}. Is a daemon running?`,
    failed.length > 0 && `the last run failed: ${names(failed)}`,
  ].filter((one) => one !== false);
  return troubles.length > 0
    ? degraded(troubles.join(' Besides, '))
    : healthy(`${schedules.length} schedules run`);
}
