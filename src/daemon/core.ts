/**
 * The daemon without its HTTP server (`daemon.ts` adds it): the listener, the work loop, the heartbeat, the scheduled jobs and the
 * keeper of subscriptions, on connections of their own.
 */
import { randomUUID } from 'node:crypto';
import { readCapture } from '../booking/capture.ts';
import { needAdapter } from '../booking/detach.ts';
import { createAdaptiveNotify } from '../booking/adaptive-notify.ts';
import { openListener, type ListenerState } from '../booking/listener.ts';
import type { Config } from '../config.ts';
import { openWorkPool, type Database } from '../database.ts';
import type { Tell } from '../facts.ts';
import type { Directory } from '../http/outlook.ts';
import { every, runSchedules, type Job } from '../ops/schedule.ts';
import { Wake } from '../ops/wake.ts';
import { createOutlook } from '../outlook/events.ts';
import { readInstallation, storeAppearance } from '../sync/store/installation.ts';
import { beat, beatEveryMs, leave, ringAll } from '../sync/worker/replicas.ts';
import { hasKeys, keyId } from '../keys.ts';
import type { OutlookSide } from '../sync/outlook-side.ts';
import { withKeys } from '../sync/with-keys.ts';
import { createStart, type Hold } from '../sync/worker/start-mode.ts';
import { createKeeper } from '../sync/webhooks/keeper.ts';
import { markHinted } from '../sync/webhooks/subscription-store.ts';
import { watchMissedCaptures } from '../sync/worker/missed.ts';
import { catchUpRooms, mendRooms, sweepRooms } from '../sync/worker/sweep.ts';
import { createSentMemory } from '../sync/store/sent.ts';
import { foldAgain } from '../sync/store/work-list.ts';
import { createSync } from '../sync/sync.ts';
import { afterRecord, createWork } from '../sync/worker/loop.ts';
import { flushedMs } from '../sync/worker/running-rooms.ts';
import { roomJobs } from './jobs.ts';
import { answerMs, openLease } from './lease-session.ts';

const captureEveryMs = 30_000;
const checkEveryMs = 1_000;
const keepEveryMs = 1_000;

export interface Daemon extends AsyncDisposable {
  /** Names this daemon in the log, in pg_stat_activity and to its peers. */
  readonly replica: string;
  readonly db: Database;
  readonly outlook: OutlookSide;
  readonly directory: Directory;
  /** Wakes the work loop. */
  ring(): void;
  hearing(): ListenerState;
  working(): readonly { readonly resourceId: number; readonly name: string }[];
  peers(): number;
  /** Works until `signal` aborts; then completes the current rounds, releases its rooms and resolves. Never rejects. */
  run(signal: AbortSignal): Promise<void>;
}

/**
 * Opens the daemon's connections and reads its installation. Throws when the database does not answer, has no bridge in it (run
 * `migrate`), or was set up with another time zone or adapter. `further`: scheduled jobs beside its own.
 */
export async function createDaemon(
  config: Config,
  tell: Tell,
  further: readonly Job[] = [],
): Promise<Daemon> {
  await using opened = new AsyncDisposableStack(); // a failure below closes what was opened above
  const replica = randomUUID();
  const name = `bridge ${replica.slice(0, 8)}`;
  const db = openWorkPool(config.database, name, 8, answerMs);
  opened.defer(() => db.end());
  // its own connection: reads of large rooms may occupy all others for longer than peers wait for a heartbeat
  const beats = openWorkPool(config.database, `${name} beats`, 1, answerMs);
  opened.defer(() => beats.end());
  const installation = await readInstallation(db, config.timezone, config.adapter);
  await storeAppearance(db, config.appearance);
  await mendRooms(db);
  await catchUpRooms(db);

  const wake = new Wake();
  const ring = () => wake.ring();
  const start = await watchStart(db, config.startMode, tell, ring);
  let peers = 0;
  let hearing: ListenerState = { heard: false, since: new Date(), reason: 'not connected yet' };
  const adaptive = createAdaptiveNotify({
    mode: config.wake,
    peers: () => peers,
    heard: () => hearing.heard,
  });

  const isKeyed = await hasKeys(db);
  const outlook = opened.use(
    createOutlook({
      graph: config.graph,
      timezone: config.timezone,
      freeEvents: config.freeEvents,
      ...(isKeyed ? { keyId } : {}),
      beforeSend: () => work.needLease(),
    }),
  );
  const leasedDb = afterRecord(db, () => work.recorded());
  // the numbers of new keys are stored together with the leases
  const side = isKeyed ? withKeys(leasedDb, outlook) : outlook;
  const keeper = createKeeper({
    db,
    subscriptions: outlook.subscriptions,
    resolveMailbox: outlook.resolveMailbox,
    webhookBaseUrl: config.webhookBaseUrl,
    tell,
  });
  const sentMemory = createSentMemory(flushedMs);
  const { drain, doubt } = createSync({
    db: leasedDb,
    outlook: side,
    tell,
    installationId: () => start.state().installation,
    window: config.window,
    pollMs: config.pollSeconds * 1_000,
    ...(config.webhookBaseUrl === null ? {} : { unsubscribedMs: Math.min(config.pollSeconds, 60) * 1_000 }),
    brake: config.brake,
    conflict: config.conflictPolicy,
    overlap: config.overlapPolicy,
    importMode: config.importMode,
    sentMemory,
  });
  const work = createWork({
    replica,
    openLease: () => openLease(config, name),
    needAdapter,
    drain,
    leaseOpened: doubt,
    wakes: wake,
    pace: adaptive,
    window: config.window,
    writes: () => start.state().writes,
    autoSync: config.autoSync,
    peers: () => peers,
    ringPeers: () =>
      void ringAll(db).catch((error: Error) => tell({ fact: 'bug', error, where: 'ringing the others' })),
    sentIn: sentMemory.in,
    tell,
  });
  const missedCaptures = watchMissedCaptures(db, ring);

  async function heartbeat(): Promise<void> {
    const pids = [work.leasePid()].filter((pid) => pid !== null);
    peers = await beat(beats, replica, pids);
  }

  /** Finds what is left of changes, and a changed start state. */
  async function checkState(): Promise<void> {
    await start.check();
    if (await foldAgain(db, config.window)) ring();
    const missed = await missedCaptures.check();
    if (missed > 0) tell({ fact: 'capture-missed', times: missed });
    await markHinted(db);
  }

  async function run(signal: AbortSignal): Promise<void> {
    await using running = new AsyncDisposableStack();
    running.defer(() => leave(db, replica).catch(() => undefined)); // without a database no daemon waits for us
    running.use(
      openListener({
        config: config.database,
        name: `${name} listens`,
        onWake: () => {
          adaptive.notified();
          ring();
        },
        onState: (state) => {
          hearing = state;
          tell({ fact: 'listening', heard: state.heard, reason: state.reason ?? '' });
        },
      }),
    );
    running.use(every(captureEveryMs, tell, 'the check of the triggers', createCaptureCheck(db, tell, ring)));
    running.use(every(beatEveryMs, tell, 'the heartbeat', heartbeat));
    running.use(every(checkEveryMs, tell, 'the check of the state', checkState));
    const jobs = [...roomJobs(config, db, ring), ...further];
    running.use(runSchedules({ db, timezone: config.timezone, replica, jobs, tell }));
    running.use(
      every(keepEveryMs, tell, 'the subscriptions', async () => {
        if (start.state().writes) await keeper.keepAll(signal);
      }),
    );
    tell({ fact: 'started', replica, rooms: installation.rooms });
    start.tellConfirmed();
    await work.run(signal);
    tell({ fact: 'stopped' });
  }

  const owned = opened.move(); // from here the caller closes it, last opened first
  return {
    replica,
    db,
    outlook: side,
    directory: outlook,
    run,
    ring,
    hearing: () => hearing,
    working: () => work.working(),
    peers: () => peers,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** The start state. A person may confirm the plan with any daemon, and any daemon may find that the database was set back. */
async function watchStart(db: Database, mode: Config['startMode'], tell: Tell, ring: () => void) {
  const start = createStart({ db, mode });
  let state = await start.read();
  const tellHold = ({ reason, why, hint }: Hold) => tell({ fact: 'start-held', reason, error: why, hint });
  if (state.hold !== null) tellHold(state.hold);
  return {
    state: () => state,
    async check(): Promise<void> {
      if (state.mode === 'shadow') return;
      const before = state;
      state = await start.read();
      if (state.hold !== null && state.hold.why !== before.hold?.why) tellHold(state.hold);
      if (before.writes || !state.writes) return;
      tell({ fact: 'plan-confirmed', at: (state.confirmedAt ?? new Date()).toISOString() });
      ring();
    },
    /** Reports a confirmation from before the start. */
    tellConfirmed(): void {
      if (mode === 'plan' && state.confirmedAt !== null)
        tell({ fact: 'plan-confirmed', at: state.confirmedAt.toISOString() });
    },
  };
}

/** Returns a check of the triggers and of the rooms' state. */
function createCaptureCheck(db: Database, tell: Tell, ring: () => void): () => Promise<void> {
  let missing: readonly string[] = [];
  return async () => {
    if ((await mendRooms(db)) > 0) ring();
    const { missing: triggers } = await readCapture(db);
    if (triggers.length > 0 && triggers.join() !== missing.join()) tell({ fact: 'capture-broken', triggers });
    // a trigger is back: a comparison finds the changes made without it
    if (missing.some((trigger) => !triggers.includes(trigger))) {
      await sweepRooms(db);
      ring();
    }
    missing = triggers;
  };
}
