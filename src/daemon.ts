/**
 * Composition root: builds the daemon and its HTTP server from all parts, and owns everything it opens. The server answers also while
 * the database is unavailable. `daemon/` has its larger parts; `core.ts` works on the rooms.
 */
import { readCaptureState } from './booking/capture-state.ts';
import { createTriggerTrial } from './booking/trigger-trial.ts';
import type { Config } from './config.ts';
import { openAlerts } from './daemon/alerting.ts';
import type { Daemon } from './daemon/core.ts';
import { serviceJobs } from './daemon/jobs.ts';
import { keepRunning } from './daemon/keep-running.ts';
import { createPlanReport, openPlanner } from './daemon/planning.ts';
import { openPool } from './database.ts';
import { Retryable, messageOf } from './errors.ts';
import type { Fact } from './facts.ts';
import { createApp } from './http/app.ts';
import { serveApp } from './http/serve.ts';
import type { Logger } from './log.ts';
import { createHealth } from './ops/health.ts';
import { createMetrics } from './ops/metrics.ts';
import { listSchedules } from './ops/schedule.ts';
import { createTell } from './ops/tell.ts';
import { createActivity } from './sync/report/activity.ts';
import { createCancellationReports } from './sync/report/cancellation-reports.ts';
import { createAudit } from './sync/manual/audit.ts';
import { createCalls } from './sync/manual/call.ts';
import { createCancellations } from './sync/manual/cancellations.ts';
import { createConflicts } from './sync/manual/conflicts.ts';
import { createUndo } from './sync/manual/undo.ts';
import { createHeldRemovals } from './sync/manual/held-removals.ts';
import { createImports } from './sync/manual/imports.ts';
import { createPolling } from './sync/manual/polling.ts';
import { createKeys, createReservationTypes } from './sync/report/keys.ts';
import { createMappingReports } from './sync/report/mapping-reports.ts';
import { createManual } from './sync/manual/manual.ts';
import { createNotifications } from './sync/webhooks/notifications.ts';
import { createReports } from './sync/report/reports.ts';
import { takeOver } from './sync/store/claims.ts';
import { createRoomCalendar } from './sync/report/room-calendar.ts';
import { createRoomReports, roomClocks } from './sync/report/room-reports.ts';
import { createSearch } from './sync/report/search.ts';
import { createRoomList, createRoomSwitch } from './sync/manual/room-list.ts';
import { createStart } from './sync/worker/start-mode.ts';
import { createSubscriptionRequests } from './sync/webhooks/subscription-requests.ts';

export interface Service extends AsyncDisposable {
  /** The address of the HTTP server. */
  readonly url: string;
  /** Calls `watcher` for every fact until the returned function is called. */
  watch(watcher: (fact: Fact) => void): () => void;
  /**
   * Works until `signal` aborts. Failures are reported, shown by /ready, and repeated. Throws only Invalid, for settings that differ
   * from those of the database, with which every booking could be an hour off.
   */
  run(signal: AbortSignal): Promise<void>;
}

export interface ServiceOptions {
  readonly config: Config;
  readonly log: Logger;
  /** Migrates the tables; returns how booking writes wake us. Throws Permanent without the right to. */
  readonly prepare: (signal: AbortSignal) => Promise<Config['wake']>;
}

/** Opens the HTTP server. Throws Permanent when its address is in use. */
export async function openService({ config, log, prepare }: ServiceOptions): Promise<Service> {
  await using opened = new AsyncDisposableStack();
  const db = openPool(config.database, 'bridge http', 6);
  opened.defer(() => db.end());
  // notifications are stored although all other connections are busy
  const receiverDb = openPool(config.database, 'bridge webhook', 2, 2_500, 300);
  opened.defer(() => receiverDb.end());
  const health = createHealth();
  const reports = createReports(db);
  const metrics = createMetrics({ health: health.state, queue: reports.queue });
  let writing = config.startMode === 'sync';
  const { tell, watch } = createTell({
    log,
    observers: [
      health.observe,
      metrics.observe,
      (fact) => alerts.observe(fact),
      (fact) => {
        if (fact.fact === 'plan-confirmed') writing = true;
        if (fact.fact === 'start-held') writing = false;
      },
    ],
  });
  const stopping = new AbortController();
  const start = createStart({ db, mode: config.startMode });
  const work = keepRunning({
    config,
    log,
    tell,
    prepare,
    jobs: () => jobs,
    onBuilt: (signal) => {
      if (writing) return;
      void reportPlan(signal).catch((error: unknown) => {
        // the failing part reports the cause; the schedule repeats the report
        if (!signal.aborted) log.warn({ error: messageOf(error) }, 'the plan could not be read');
      });
    },
  });
  /** The running daemon. Throws Retryable while there is none. */
  function started(): Daemon {
    const daemon = work.daemon();
    if (daemon === null) throw new Retryable('the daemon is not started', { reach: 'side' });
    return daemon;
  }
  const trial = createTriggerTrial(db);
  const captureNow = () => readCaptureState(db, trial.failures, work.refused());
  const planner = openPlanner(config, () => started().outlook, opened);
  const reportPlan = createPlanReport({ planner, start, tell, stopping: stopping.signal });
  const alerts = openAlerts(config, tell, captureNow, () => writing, opened);
  const { window } = config;
  const ring = () => work.daemon()?.ring();
  const begin = createCalls({ db, window, ring, needWrites: start.needWrites });
  const app = createApp({
    keys: config.http.keys,
    userHeader: config.http.userHeader,
    audit: createAudit(db),
    tell,
    log,
    timezone: config.timezone,
    health: health.state,
    readCapture: captureNow,
    alerts,
    schedules: () => listSchedules(db),
    roomClocks: () => roomClocks(db),
    manual: createManual({ db, window, begin }),
    reports,
    rooms: createRoomReports(db),
    held: createHeldRemovals(db, begin),
    roomSwitch: createRoomSwitch(db),
    claims: { takeOver: (resource) => takeOver(db, resource) },
    mappings: createMappingReports(db),
    search: createSearch(db),
    roomCalendar: createRoomCalendar(db),
    activity: createActivity(db),
    live: { watch, stopping: stopping.signal },
    cancellations: createCancellations({ db, begin, window }),
    cancellationReports: createCancellationReports(db, window),
    reservationTypes: createReservationTypes(db),
    bookingKeys: createKeys(db),
    imports: createImports(db, begin),
    polling: createPolling(db, begin),
    pollSeconds: config.pollSeconds,
    webhooks: config.webhookBaseUrl !== null,
    undo: createUndo(db),
    conflicts: createConflicts(db, begin),
    roomList: createRoomList(db),
    directory: {
      rooms: (signal) => started().directory.rooms(signal),
      roomLists: (signal) => started().directory.roomLists(signal),
    },
    metrics,
    notifications: createNotifications({ db: receiverDb, tell }),
    subscriptions: createSubscriptionRequests({ db }),
    webhookBaseUrl: config.webhookBaseUrl,
    start,
    planner,
    autoSync: config.autoSync,
    stopping: stopping.signal,
  });
  const served = opened.use(await serveApp(app, config.http));

  const jobs = serviceJobs({ config, db, alerts, reportPlan, tell });
  const owned = opened.move();
  return {
    url: served.url,
    watch,
    run: async (signal) => {
      signal.addEventListener('abort', () => stopping.abort(signal.reason));
      await work.run(signal);
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
