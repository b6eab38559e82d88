/**
 * The metrics at `/metrics`. docs/metrics.md has their meanings; a test compares the two. Labels are few and
 * bounded (action, kind, side, health, …): never a room, an item or an address.
 */
import { Counter, Histogram, Registry } from 'prom-client';
import type { Fact } from '../facts.ts';
import { alertTypes } from './alert-types.ts';
import { addGauges, type Queue } from './gauges.ts';
import type { HealthState } from './health.ts';

export interface MetricsOptions {
  readonly health: () => HealthState;
  readonly queue: () => Promise<Queue>;
  /** The time that a scrape waits for the database before it omits the shared gauges. */
  readonly waitMs?: number;
}

/** Every kind of failure, so that each has a line with 0 from the start. */
const kinds = [
  'delayed',
  'parked',
  'resting',
  'throttled',
  'refused',
  'held',
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
    help: 'From the notification or poll that reported a change in Outlook to the committed reservation.',
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60],
    registers,
  });
  const pulled = new Counter({
    name: 'bridge_pulled_total',
    help: 'Changes made in the booking system because of Outlook, by this daemon.',
    labelNames: ['action'] as const,
    registers,
  });
  const polls = new Counter({
    name: 'bridge_polls_total',
    help: 'Delta rounds read from Outlook, by outcome.',
    labelNames: ['outcome'] as const,
    registers,
  });
  for (const outcome of ['changes', 'nothing']) polls.inc({ outcome }, 0);
  const conflicts = new Counter({
    name: 'bridge_conflicts_total',
    help: 'Conflicts since the start.',
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
    help: 'Items settled by this daemon, by action.',
    labelNames: ['action'] as const,
    registers,
  });
  const errors = new Counter({
    name: 'bridge_errors_total',
    help: 'Failures by kind.',
    labelNames: ['kind'] as const,
    registers,
  });
  for (const kind of kinds) errors.inc({ kind }, 0);
  const notifications = new Counter({
    name: 'bridge_notifications_total',
    help: 'Notifications from Outlook, by outcome.',
    labelNames: ['outcome'] as const,
    registers,
  });
  for (const outcome of ['accepted', 'lifecycle', 'rejected']) notifications.inc({ outcome }, 0);
  const subscriptions = new Counter({
    name: 'bridge_subscriptions_total',
    help: 'Actions on subscriptions by this daemon.',
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
  for (const type of alertTypes) for (const event of ['opened', 'closed']) alerts.inc({ event, type }, 0);
  const undelivered = new Counter({
    name: 'bridge_alerts_undelivered_total',
    help: 'Messages that ALERT_WEBHOOK_URL did not accept.',
    registers,
  });
  const runs = new Counter({
    name: 'bridge_schedule_runs_total',
    help: 'Runs of schedules by this daemon.',
    labelNames: ['schedule', 'result'] as const,
    registers,
  });
  addGauges(registers, { health, queue, waitMs });

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
    case 'room-held':
    case 'start-held':
      return 'held';
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
    case 'planned':
    case 'plan-confirmed':
    case 'conflict':
    case 'conflict-over':
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
