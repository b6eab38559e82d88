/**
 * What works on the rooms: the listener, the loop, the heartbeat, the chores and the keeper of webhooks, on connections of
 * their own. It has no surface; `daemon.ts` puts one around it.
 */
import { randomUUID } from 'node:crypto';
import { readCapture } from '../booking/capture.ts';
import { needAdapter } from '../booking/detach.ts';
import { createAdaptiveNotify, type AdaptiveNotify } from '../booking/adaptive-notify.ts';
import { openListener, type Hearing } from '../booking/listener.ts';
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
import { watchMissedCaptures } from '../sync/worker/missed.ts';
import { catchUpRooms, compareRooms, mendRooms, sweepRooms } from '../sync/worker/sweep.ts';
import { foldAgain } from '../sync/store/work-list.ts';
import { createSync } from '../sync/sync.ts';
import { createWork, type Rhythm } from '../sync/worker/loop.ts';
import { answerMs, openLease } from './lease-session.ts';

const captureEveryMs = 30_000;
/** The missing-event check reads every calendar as a whole: not all of them at once. */
const spreadMs = 600_000;

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
  further: readonly Job[] = [],
): Promise<Daemon> {
  await using opened = new AsyncDisposableStack(); // a failure below closes what was opened above
  const replica = randomUUID();
  const name = `bridge ${replica.slice(0, 8)}`;
  const db = openWorkPool(config.database, name, 8, answerMs);
  opened.defer(() => db.end());
  const installation = await readInstallation(db, config.timezone, config.adapter);
  await storeAppearance(db, config.appearance);
  await mendRooms(db);
  await catchUpRooms(db);

  const start = createStart({ db, mode: config.startMode });
  let begun = await start.read();
  const tellHold = ({ reason, why, hint }: Hold) => tell({ fact: 'start-held', reason, error: why, hint });
  if (begun.hold !== null) tellHold(begun.hold);
  const wake = new Wake();
  let peers = 0;
  let hearing: Hearing = { heard: false, since: new Date(), reason: 'not connected yet' };
  const adaptive = createAdaptiveNotify({
    mode: config.wake,
    peers: () => peers,
    heard: () => hearing.heard,
  });
  const rhythm = createRhythm(wake, adaptive);

  const isKeyed = await hasKeys(db);
  const outlook = opened.use(
    createOutlook({
      graph: config.graph,
      timezone: config.timezone,
      freeEvents: config.freeEvents,
      ...(isKeyed ? { keyId } : {}),
      beforeSend: () => work.maySend(),
    }),
  );
  const side = isKeyed ? withKeys(db, outlook) : outlook;
  const keeper = createKeeper({
    db,
    subscriptions: outlook.subscriptions,
    resolveMailbox: outlook.resolveMailbox,
    webhookBaseUrl: config.webhookBaseUrl,
    tell,
  });
  const { drain, doubt } = createSync({
    db,
    outlook: side,
    tell,
    installationId: () => begun.installation,
    window: config.window,
    pollMs: config.pollSeconds * 1_000,
    ...(config.webhookBaseUrl === null ? {} : { unsubscribedMs: Math.min(config.pollSeconds, 60) * 1_000 }),
    brake: config.brake,
    conflict: config.conflictPolicy,
    overlap: config.overlapPolicy,
    importMode: config.importMode,
  });
  const work = createWork({
    replica,
    openLease: () => openLease(config, name),
    needAdapter,
    drain,
    leaseOpened: doubt,
    rhythm,
    window: config.window,
    writes: () => begun.writes,
    autoSync: config.autoSync,
    peers: () => peers,
    ringPeers: () =>
      void ringAll(db).catch((error: Error) => tell({ fact: 'bug', error, where: 'ringing the others' })),
    tell,
  });

  /** What runs by the clock, once across all daemons. */
  const jobs: readonly Job[] = [
    {
      name: 'sweep',
      cron: config.schedules.sweep,
      run: async () => {
        await sweepRooms(db);
        wake.ring();
      },
    },
    {
      name: 'missing',
      cron: config.schedules.missing,
      run: async () => {
        await compareRooms(db, spreadMs);
      },
    },
  ];

  /** A person may have confirmed the plan, to whichever daemon; and whichever may have found that we were set back. */
  async function begin(): Promise<void> {
    const before = begun;
    begun = await start.read();
    if (begun.hold !== null && begun.hold.why !== before.hold?.why) tellHold(begun.hold);
    if (before.writes || !begun.writes) return;
    tell({ fact: 'plan-confirmed', at: (begun.confirmedAt ?? new Date()).toISOString() });
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
          adaptive.notified();
          wake.ring();
        },
        onState: (state) => {
          hearing = state;
          tell({ fact: 'listening', heard: state.heard, reason: state.reason ?? '' });
        },
      }),
    );
    let missing: readonly string[] = [];
    const missedCaptures = watchMissedCaptures(db, () => wake.ring());
    running.use(
      every(captureEveryMs, tell, 'the check of the triggers', async () => {
        if ((await mendRooms(db)) > 0) wake.ring();
        const capture = await readCapture(db);
        const triggers = capture.missing;
        if (triggers.length > 0 && triggers.join() !== missing.join())
          tell({ fact: 'capture-broken', triggers });
        // one is back: what was booked without it is found by a comparison
        if (missing.some((trigger) => !triggers.includes(trigger))) {
          await sweepRooms(db);
          wake.ring();
        }
        missing = triggers;
      }),
    );
    running.use(
      every(beatEveryMs, tell, 'the heartbeat', async () => {
        const pids = [work.leasePid()].filter((pid) => pid !== null);
        peers = await beat(db, replica, pids);
        if (begun.mode !== 'shadow') await begin();
        if (await foldAgain(db, config.window)) wake.ring();
        const missed = await missedCaptures.check();
        if (missed > 0) tell({ fact: 'capture-missed', times: missed });
      }),
    );
    running.use(runSchedules({ db, timezone: config.timezone, replica, jobs: [...jobs, ...further], tell }));
    running.use(
      every(1_000, tell, 'the subscriptions', async () => {
        if (begun.writes) await keeper.keepAll(signal);
      }),
    );
    tell({ fact: 'started', replica, rooms: installation.rooms });
    if (config.startMode === 'plan' && begun.confirmedAt !== null)
      tell({ fact: 'plan-confirmed', at: begun.confirmedAt.toISOString() });
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
    ring: () => wake.ring(),
    hearing: () => hearing,
    working: () => work.working(),
    peers: () => peers,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** The loop is woken by notifications and sleeps as adaptive NOTIFY lets it. */
function createRhythm(wake: Wake, adaptive: AdaptiveNotify): Rhythm {
  return {
    waitOr: (ms, signal) => wake.waitOr(ms, signal),
    ring: () => wake.ring(),
    afterTake: (session, folded, tookMs) => adaptive.afterTake(session, folded, tookMs),
    lost: () => adaptive.lost(),
    get yields() {
      return adaptive.yields;
    },
    get waitMs() {
      return adaptive.waitMs;
    },
  };
}
