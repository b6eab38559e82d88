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

/** Facts that are failures, and the kind that each is counted as. */
const failureKinds = {
  'item-delayed': 'delayed',
  'item-parked': 'parked',
  'room-resting': 'resting',
  'room-refused': 'refused',
  'room-held': 'held',
  'start-held': 'held',
  'brake-held': 'brake',
  outage: 'outage',
  listening: 'deaf',
  'lease-lost': 'lease-lost',
  'capture-missed': 'capture-missed',
  'capture-broken': 'capture-broken',
  bug: 'bug',
} as const satisfies Partial<Record<Fact['fact'], string>>;

export function createMetrics({ health, queue, waitMs = 1_500 }: MetricsOptions) {
  const registry = new Registry();
  const registers = [registry];
  const histogram = (name: string, help: string, buckets: number[]) =>
    new Histogram({ name, help, buckets, registers });
  /** `values` of the label have a line with 0 from the start. */
  function counter<Label extends string>(name: string, help: string, label?: Label, values: string[] = []) {
    const made = new Counter({ name, help, labelNames: label === undefined ? [] : [label], registers });
    for (const value of values) made.inc({ [label!]: value } as Record<Label, string>, 0);
    return made;
  }
  const latency = histogram(
    'bridge_commit_to_accepted_seconds',
    'From a change in the booking system to its acceptance by Microsoft Graph.',
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60],
  );
  const importLatency = histogram(
    'bridge_noticed_to_committed_seconds',
    'From the notification or poll that reported a change in Outlook to the committed reservation.',
    [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60],
  );
  const pulled = counter(
    'bridge_pulled_total',
    'Changes made in the booking system because of Outlook, by this daemon.',
    'action',
  );
  const polls = counter('bridge_polls_total', 'Delta rounds read from Outlook, by outcome.', 'outcome', [
    'changes',
    'nothing',
  ]);
  const conflicts = counter('bridge_conflicts_total', 'Conflicts since the start.');
  const call = histogram(
    'bridge_graph_call_seconds',
    'Duration of the calls to Microsoft Graph that wrote items.',
    [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
  );
  const pushed = counter('bridge_pushed_total', 'Items settled by this daemon, by action.', 'action');
  const errors = counter('bridge_errors_total', 'Failures by kind.', 'kind', [
    ...Object.values(failureKinds),
    'throttled',
  ]);
  const notifications = counter(
    'bridge_notifications_total',
    'Notifications from Outlook, by outcome.',
    'outcome',
    ['accepted', 'lifecycle', 'rejected'],
  );
  const subscriptions = counter(
    'bridge_subscriptions_total',
    'Actions on subscriptions by this daemon.',
    'action',
    ['created', 'renewed', 'removed', 'lost', 'failed'],
  );
  const alerts = new Counter({
    name: 'bridge_alerts_total',
    help: 'Alerts raised and closed by this daemon, by type.',
    labelNames: ['event', 'type'] as const,
    registers,
  });
  for (const type of alertTypes) for (const event of ['opened', 'closed']) alerts.inc({ event, type }, 0);
  const undelivered = counter(
    'bridge_alerts_undelivered_total',
    'Messages that ALERT_WEBHOOK_URL did not accept.',
  );
  const runs = new Counter({
    name: 'bridge_schedule_runs_total',
    help: 'Runs of schedules by this daemon.',
    labelNames: ['schedule', 'result'] as const,
    registers,
  });
  addGauges(registers, { health, queue, waitMs });

  function observe(fact: Fact): void {
    const kind = failureKindOf(fact);
    if (kind !== null) errors.inc({ kind }, fact.fact === 'capture-missed' ? fact.times : 1);
    if (fact.fact === 'pushed') {
      pushed.inc({ action: fact.action });
      if (fact.latencyMs !== null) latency.observe(fact.latencyMs / 1_000);
      if (fact.callMs > 0) call.observe(fact.callMs / 1_000);
    } else if (fact.fact === 'pulled') {
      pulled.inc({ action: fact.action });
      if (fact.latencyMs !== null) importLatency.observe(fact.latencyMs / 1_000);
    } else if (fact.fact === 'notified') {
      notifications.inc({ outcome: 'accepted' }, fact.changes);
      notifications.inc({ outcome: 'lifecycle' }, fact.lifecycle);
    } else if (fact.fact === 'notifications-rejected') notifications.inc({ outcome: 'rejected' }, fact.count);
    else if (fact.fact === 'room-pulled') polls.inc({ outcome: fact.rows > 0 ? 'changes' : 'nothing' });
    else if (fact.fact === 'conflict') conflicts.inc();
    else if (fact.fact === 'subscription') subscriptions.inc({ action: fact.action });
    else if (fact.fact === 'subscription-failed') subscriptions.inc({ action: 'failed' });
    else if (fact.fact === 'alert') alerts.inc({ event: fact.event, type: fact.type });
    else if (fact.fact === 'alert-undelivered') undelivered.inc();
    else if (fact.fact === 'schedule-ran')
      runs.inc({ schedule: fact.schedule, result: fact.failed === null ? 'ok' : 'failed' });
  }

  return { observe, contentType: registry.contentType, text: () => registry.metrics() };
}

export type Metrics = ReturnType<typeof createMetrics>;

function failureKindOf(fact: Fact): string | null {
  if (fact.fact === 'room-resting' && fact.throttled) return 'throttled';
  if (fact.fact === 'listening' && fact.heard) return null;
  return fact.fact in failureKinds ? failureKinds[fact.fact as keyof typeof failureKinds] : null;
}
