/**
 * Composition root: builds the whole program and owns everything it opens. The only file that knows every part.
 *
 * `createDaemon` is what works on the rooms; `openService` is the daemon as an operator runs it, with its HTTP surface,
 * which answers also while the database is away.
 */
import { randomUUID } from 'node:crypto';
import { readCapture } from './booking/capture.ts';
import { createHeat } from './booking/heat.ts';
import { openListener, type Hearing } from './booking/listener.ts';
import type { Config } from './config.ts';
import { setTimeout as pause } from 'node:timers/promises';
import { backOffMs } from './back-off.ts';
import { databaseFailure, openPool, openReadingPool, openSession, type Database } from './database.ts';
import { Invalid, Permanent, Retryable, messageOf } from './errors.ts';
import type { Fact, Tell } from './facts.ts';
import { createApp } from './http/app.ts';
import type { Directory } from './http/outlook.ts';
import { serveApp } from './http/serve.ts';
import type { Logger } from './log.ts';
import { createAlertWebhook } from './ops/alert-webhook.ts';
import { createAlerts } from './ops/alerts.ts';
import { createHealth } from './ops/health.ts';
import { createMetrics } from './ops/metrics.ts';
import { forgetLog } from './ops/retention.ts';
import { every, listSchedules, runSchedules, type Chore } from './ops/schedule.ts';
import { createTell } from './ops/tell.ts';
import { Wake } from './ops/wake.ts';
import { credentialEnds } from './outlook/credential.ts';
import { createOutlook } from './outlook/events.ts';
import { createDispatcher } from './outlook/http.ts';
import { readInstallation } from './sync/installation.ts';
import { createActivity } from './sync/report/activity.ts';
import { createCancellationReports } from './sync/report/cancellation-reports.ts';
import { createCancellations } from './sync/ask/cancellations.ts';
import { createDaily } from './sync/report/daily.ts';
import { createConflicts } from './sync/ask/conflicts.ts';
import { createHeld } from './sync/ask/held.ts';
import { createImports } from './sync/ask/imports.ts';
import { createPlanner } from './sync/plan/plan.ts';
import { createPolling } from './sync/ask/polling.ts';
import { createReservationTypes } from './sync/report/reservation-types.ts';
import { createMappingList } from './sync/report/mapping-list.ts';
import { createManual } from './sync/ask/manual.ts';
import { createNotifications } from './sync/subscribe/notifications.ts';
import { beat, beatEveryMs, leave, ringAll } from './sync/replicas.ts';
import { createReports } from './sync/report/reports.ts';
import { createRoomList } from './sync/ask/room-list.ts';
import { createRoomReports } from './sync/report/room-reports.ts';
import { createRoomSwitch } from './sync/ask/room-switch.ts';
import { createStart } from './sync/start-mode.ts';
import { createSync } from './sync/sync.ts';
import type { OutlookSide } from './sync/sides.ts';
import { createSubscriptionRequests } from './sync/subscribe/subscription-requests.ts';
import { createKeeper } from './sync/subscribe/subscriptions.ts';
import { compareRooms, mendRooms, missedSince, sweepRooms } from './sync/sweep.ts';
import { createWork, type Rhythm } from './sync/work.ts';

export interface Daemon extends AsyncDisposable {
  /** Names this daemon in the log, in pg_stat_activity and to its peers. */
  readonly replica: string;
  readonly db: Database;
  readonly outlook: OutlookSide;
  readonly directory: Directory;
  /** Looks at once for something to do. */
  ring(): void;
  hearing(): Hearing;
  working(): readonly { readonly resourceId: number; readonly name: string }[];
  peers(): number;
  /** Works until `signal` aborts; then ends what is under way, gives its rooms back and resolves. Never rejects. */
  run(signal: AbortSignal): Promise<void>;
}

/**
 * Opens the daemon's connections and reads who it is. Throws when the database does not answer, has no bridge in it
 * (run `migrate`), or was set up with another zone or adapter. `further` chores run by the clock beside its own.
 */
export async function createDaemon(
  config: Config,
  tell: Tell,
  further: readonly Chore[] = [],
): Promise<Daemon> {
  await using opened = new AsyncDisposableStack(); // a failure below closes what was opened above
  const replica = randomUUID();
  const name = `bridge ${replica.slice(0, 8)}`;
  const db = openPool(config.database, name, 8, answerMs);
  opened.defer(() => db.end());
  const installation = await readInstallation(db, config.timezone, config.adapter);
  await mendRooms(db);

  const start = createStart({ db, mode: config.startMode });
  let begun = await start.read();
  const wake = new Wake();
  let peers = 0;
  let hearing: Hearing = { heard: false, since: new Date(), reason: 'not connected yet' };
  const heat = createHeat({ mode: config.wake, peers: () => peers, heard: () => hearing.heard });
  const rhythm: Rhythm = {
    waitOr: (ms, signal) => wake.waitOr(ms, signal),
    ring: () => wake.ring(),
    afterTake: (session, folded, tookMs) => heat.afterTake(session, folded, tookMs),
    lost: () => heat.lost(),
    get yields() {
      return heat.yields;
    },
    get waitMs() {
      return heat.waitMs;
    },
  };

  const outlook = opened.use(
    createOutlook({ graph: config.graph, timezone: config.timezone, beforeSend: () => work.maySend() }),
  );
  const keeper = createKeeper({
    db,
    subscriptions: outlook.subscriptions,
    resolveMailbox: outlook.resolveMailbox,
    webhookBaseUrl: config.webhookBaseUrl,
    tell,
  });
  const { drain } = createSync({
    db,
    outlook,
    tell,
    installationId: installation.id,
    window: config.window,
    pollMs: config.pollSeconds * 1_000,
    ...(config.webhookBaseUrl === null ? {} : { unheardMs: Math.min(config.pollSeconds, 60) * 1_000 }),
    brake: config.brake,
    conflict: config.conflictPolicy,
    overlap: config.overlapPolicy,
    importMode: config.importMode,
  });
  const work = createWork({
    replica,
    openLease: () => openLease(config, name),
    drain,
    rhythm,
    window: config.window,
    writes: () => begun.writes,
    autoSync: config.autoSync,
    peers: () => peers,
    ringPeers: () =>
      void ringAll(db).catch((error: Error) => tell({ fact: 'bug', error, where: 'ringing the others' })),
    tell,
  });

  /** A person may have confirmed the plan, to whichever daemon. */
  async function begin(): Promise<void> {
    begun = await start.read();
    if (begun.confirmedAt === null) return;
    tell({ fact: 'plan-confirmed', at: begun.confirmedAt.toISOString() });
    wake.ring();
  }

  async function run(signal: AbortSignal): Promise<void> {
    await using running = new AsyncDisposableStack();
    running.defer(() => leave(db, replica).catch(() => undefined)); // without a database there is nobody to leave
    running.use(
      openListener({
        config: config.database,
        name: `${name} listens`,
        onRing: () => {
          heat.notified();
          wake.ring();
        },
        onState: (state) => {
          hearing = state;
          tell({ fact: 'listening', heard: state.heard, reason: state.reason ?? '' });
        },
      }),
    );
    let missing = '';
    running.use(
      every(captureEveryMs, tell, 'the look at the triggers', async () => {
        if ((await mendRooms(db)) > 0) wake.ring();
        const capture = await readCapture(db);
        const triggers = capture.missing;
        if (triggers.length > 0 && triggers.join() !== missing) tell({ fact: 'capture-broken', triggers });
        missing = triggers.join();
      }),
    );
    running.use(
      every(beatEveryMs, tell, 'the heartbeat', async () => {
        const pids = [work.leasePid()].filter((pid) => pid !== null);
        peers = await beat(db, replica, pids);
        if (begun.mode === 'plan' && !begun.writes) await begin();
        const missed = await missedSince(db);
        if (missed === 0) return;
        tell({ fact: 'capture-missed', times: missed });
        await sweepRooms(db);
        wake.ring();
      }),
    );
    // everything that runs by the clock, once across all daemons
    const chores: readonly Chore[] = [
      {
        name: 'sweep',
        cron: config.schedules.sweep,
        job: async () => {
          await sweepRooms(db);
          wake.ring();
        },
      },
      {
        name: 'missing',
        cron: config.schedules.missing,
        job: async () => {
          await compareRooms(db, spreadMs);
        },
      },
      ...further,
    ];
    running.use(runSchedules({ db, timezone: config.timezone, replica, chores, tell }));
    running.use(
      every(1_000, tell, 'the look at the subscriptions', async () => {
        if (begun.writes) await keeper.look(signal);
      }),
    );
    tell({ fact: 'started', replica, rooms: installation.rooms });
    if (begun.confirmedAt !== null) tell({ fact: 'plan-confirmed', at: begun.confirmedAt.toISOString() });
    await work.run(signal);
    tell({ fact: 'stopped' });
  }

  const owned = opened.move(); // from here the caller closes it, last opened first
  return {
    replica,
    db,
    outlook,
    directory: outlook,
    run,
    ring: () => wake.ring(),
    hearing: () => hearing,
    working: () => work.working(),
    peers: () => peers,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

const captureEveryMs = 30_000;
/** The missing-event check reads every calendar as a whole: not all of them at once. */
const spreadMs = 600_000;
/** Everything on the way from wake to work is answered in milliseconds; what is not comes from a half-open connection. */
const answerMs = 8_000;

async function openLease(config: Config, name: string) {
  const own = await openSession(config.database, `${name} leases`, answerMs);
  try {
    // nobody waits for the disk between wake and work: what a crash of the server forgets of it is looked at again
    await own.session.query('SET synchronous_commit = off');
    // an earlier session of ours that the server has not missed yet would keep our rooms from us
    const { rows } = await own.session.query<{ pid: number }>(`
      SELECT pg_backend_pid() AS pid, count(pg_terminate_backend(a.pid)) FROM pg_stat_activity a
      WHERE a.datname = current_database() AND a.usename = current_user AND a.pid <> pg_backend_pid()
        AND a.application_name = current_setting('application_name')`);
    return { ...own, pid: rows[0]!.pid };
  } catch (error) {
    await own.close();
    throw error;
  }
}

export interface Service extends AsyncDisposable {
  /** Where the HTTP surface listens. */
  readonly url: string;
  /** Calls `watcher` for every fact until the returned function is called. */
  watch(watcher: (fact: Fact) => void): () => void;
  /**
   * Works until `signal` aborts. What keeps it from working is told, shown by /ready, and tried again; only settings
   * that are not those the database was set up with reject, as Invalid: every booking would be read an hour off.
   */
  run(signal: AbortSignal): Promise<void>;
}

export interface ServiceOptions {
  readonly config: Config;
  readonly log: Logger;
  /** Brings the tables up to date before the work begins; returns how booking writes wake us. Permanent: it may not. */
  readonly prepare: (signal: AbortSignal) => Promise<Config['wake']>;
}

/** Opens the HTTP surface. Throws Permanent when its address is taken. */
export async function openService({ config, log, prepare }: ServiceOptions): Promise<Service> {
  await using opened = new AsyncDisposableStack();
  const db = openPool(config.database, 'bridge http', 6);
  opened.defer(() => db.end());
  // what Outlook tells us is written down although every other connection is busy
  const heard = openPool(config.database, 'bridge webhook', 2, 2_500);
  opened.defer(() => heard.end());
  const health = createHealth();
  const reports = createReports(db);
  const metrics = createMetrics({ health: health.state, queue: reports.queue });
  const { tell, watch } = createTell({
    log,
    observers: [
      health.observe,
      metrics.observe,
      (fact) => alerts.observe(fact),
      (fact) => {
        if (fact.fact === 'plan-confirmed') writing = true;
      },
    ],
  });
  const stopping = new AbortController();
  let writing = config.startMode === 'sync';
  let daemon: Daemon | null = null;
  let refused: Permanent | null = null;
  const start = createStart({ db, mode: config.startMode });
  const manual = createManual({
    db,
    window: config.window,
    ring: () => daemon?.ring(),
    needWrites: start.needWrites,
  });
  const planner = openPlanner(config, () => started().outlook, opened);
  /** The daemon behind the surface. Throws Retryable while there is none. */
  function started(): Daemon {
    if (daemon === null) throw new Retryable('the daemon is not started', { reach: 'side' });
    return daemon;
  }
  async function captureNow() {
    const capture = await readCapture(db);
    // what our role may not mend, a DBA can
    return capture.missing.length > 0 && refused !== null
      ? { ...capture, repair: refused.hint ?? null }
      : capture;
  }
  const alerts = openAlerts(config, tell, captureNow, () => writing, opened);
  const app = createApp({
    apiKey: config.http.apiKey,
    tell,
    log,
    health: health.state,
    readCapture: captureNow,
    alerts,
    schedules: () => listSchedules(db),
    manual,
    reports,
    rooms: createRoomReports(db),
    held: createHeld(db, manual),
    roomSwitch: createRoomSwitch(db),
    mappings: createMappingList(db),
    activity: createActivity(db),
    live: { watch, stopping: stopping.signal },
    cancellations: createCancellations({ db, manual, window: config.window }),
    cancellationReports: createCancellationReports(db, config.window),
    reservationTypes: createReservationTypes(db),
    imports: createImports(db, manual),
    polling: createPolling(db, manual),
    pollSeconds: config.pollSeconds,
    webhooks: config.webhookBaseUrl !== null,
    conflicts: createConflicts(db, manual),
    roomList: createRoomList(db),
    directory: {
      rooms: (signal) => started().directory.rooms(signal),
      roomLists: (signal) => started().directory.roomLists(signal),
    },
    metrics,
    notifications: createNotifications({ db: heard, tell }),
    subscriptions: createSubscriptionRequests({ db }),
    webhookBaseUrl: config.webhookBaseUrl,
    start,
    planner,
    stopping: stopping.signal,
  });
  const served = opened.use(await serveApp(app, config.http));

  /** Without the right to install anything we work with what is there; /ready says what is missing. */
  async function prepared(signal: AbortSignal): Promise<Config['wake']> {
    try {
      const wake = await prepare(signal);
      refused = null;
      return wake;
    } catch (error) {
      if (!(error instanceof Permanent)) throw error;
      refused = error;
      log.error({ error: error.message, hint: error.hint }, 'migrate could not be run');
      return config.wake;
    }
  }

  const chores: readonly Chore[] = [
    ...(config.startMode === 'sync'
      ? []
      : [{ name: 'plan', cron: config.schedules.sweep, job: reportPlan } satisfies Chore]),
    { name: 'alerts', cron: '*/30 * * * * *', job: async () => void (await alerts.check()) },
    { name: 'old-alerts', cron: '43 3 * * *', job: async () => void (await alerts.book.deleteOld(30)) },
    {
      name: 'log-retention',
      cron: '17 3 * * *',
      job: async (signal) => void (await forgetLog(db, config.logRetentionDays, signal)),
    },
    {
      name: 'report',
      cron: config.schedules.report,
      job: async () => tell({ fact: 'report', report: { ...(await createDaily(db).read()) } }),
    },
  ];

  /** What a sync would do, for the log and the live feed, while nothing is written. */
  async function reportPlan(signal: AbortSignal): Promise<void> {
    if ((await start.read()).writes) return;
    const wish = { resourceId: null, itemsMost: 0, withinMs: planReportMs };
    const until = AbortSignal.any([signal, stopping.signal]);
    let plan = await planner.plan(wish, until);
    // right after the start nothing may be sent yet, and a room may be busy: a whole plan is worth a moment
    for (let again = 0; again < 4 && plan !== null && !plan.complete; again += 1) {
      await pause(500, undefined, { signal: until });
      plan = await planner.plan(wish, until);
    }
    if (plan === null) return;
    const { rooms, complete, counts, equal, held } = plan;
    tell({ fact: 'planned', rooms: rooms.length, complete, counts, equal, held });
  }

  async function run(signal: AbortSignal): Promise<void> {
    signal.addEventListener('abort', () => stopping.abort(signal.reason));
    let downSince: number | null = null;
    for (let attempt = 0; !signal.aborted; attempt += 1) {
      try {
        const wake = await prepared(signal);
        await using started = await createDaemon({ ...config, wake }, tell, chores);
        if (downSince !== null)
          tell({ fact: 'outage-over', side: 'booking', ms: performance.now() - downSince });
        downSince = null;
        daemon = started;
        if (!writing)
          void reportPlan(signal).catch((error: unknown) => {
            // what keeps it from being read is told by whoever needs it; the next report is by the clock
            if (!signal.aborted) log.warn({ error: messageOf(error) }, 'the plan could not be read');
          });
        await started.run(signal);
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof Invalid) throw error;
        const failure = databaseFailure(error, 'start');
        if (!(failure instanceof Retryable || failure instanceof Permanent))
          tell({ fact: 'bug', error: failure, where: 'the start' });
        else if (downSince === null)
          tell({ fact: 'outage', side: 'booking', error: failure.message, hint: failure.hint ?? null });
        downSince ??= performance.now();
        const restMs = failure instanceof Retryable ? backOffMs(attempt, Math.random()) : 15_000;
        await pause(restMs, undefined, { signal }).catch(() => undefined); // stopping cuts the wait short
      } finally {
        daemon = null;
      }
    }
  }

  const owned = opened.move();
  return { url: served.url, watch, run, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** Two rooms at a time, so that planning is never what the daemon is busy with. */
const plannedAtATime = 2;
/** The report of a plan takes no longer than this; rooms whose turn did not come are in the next one. */
const planReportMs = 300_000;

/** Plans are read on sessions of their own, which PostgreSQL lets write nothing. */
function openPlanner(config: Config, outlook: () => OutlookSide, opened: AsyncDisposableStack) {
  const db = openReadingPool(config.database, 'bridge plan', plannedAtATime + 1);
  opened.defer(() => db.end());
  return createPlanner({
    db,
    outlook,
    window: config.window,
    policy: { conflict: config.conflictPolicy, overlap: config.overlapPolicy, importMode: config.importMode },
    brake: config.brake,
    roomsAtATime: plannedAtATime,
  });
}

/** Alerts have a pool of their own, so that they wait for nobody; `opened` closes it all. */
function openAlerts(
  config: Config,
  tell: Tell,
  capture: Parameters<typeof createAlerts>[0]['readCapture'],
  writing: () => boolean,
  opened: AsyncDisposableStack,
) {
  const db = openPool(config.database, 'bridge alerts', 2, answerMs);
  opened.defer(() => db.end());
  const dispatcher = createDispatcher(config.graph.proxy, 1);
  opened.defer(() => dispatcher.destroy());
  return opened.use(
    createAlerts({
      db,
      webhook: opened.use(createAlertWebhook({ url: config.alertWebhookUrl, dispatcher, tell })),
      tell,
      holder: randomUUID(),
      readCapture: capture,
      credentialEnds: () => credentialEnds(config.graph),
      webhooks: config.webhookBaseUrl !== null,
      get sends() {
        return config.autoSync && writing();
      },
    }),
  );
}
