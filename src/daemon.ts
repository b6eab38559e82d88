/** Composition root: builds the whole program and owns everything it opens. The only file that knows every part. */
import { randomUUID } from 'node:crypto';
import { createHeat } from './booking/heat.ts';
import { openListener, type Hearing } from './booking/listener.ts';
import type { Config } from './config.ts';
import { openPool, openSession, type Database } from './database.ts';
import type { Tell } from './facts.ts';
import { at, every } from './ops/schedule.ts';
import { Wake } from './ops/wake.ts';
import { createOutlook } from './outlook/events.ts';
import { readInstallation } from './sync/installation.ts';
import { createPush } from './sync/push.ts';
import { createRemovals } from './sync/removals.ts';
import { beat, beatEveryMs, leave, ringAll } from './sync/replicas.ts';
import { createDrain } from './sync/room.ts';
import type { OutlookSide } from './sync/sides.ts';
import { missedSince, onceAcrossReplicas, sweepRooms } from './sync/sweep.ts';
import { createWork, type Rhythm } from './sync/work.ts';

export interface Daemon extends AsyncDisposable {
  /** Names this daemon in the log, in pg_stat_activity and to its peers. */
  readonly replica: string;
  readonly db: Database;
  readonly outlook: OutlookSide;
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
 * (run `migrate`), or was set up with another zone or adapter.
 */
export async function createDaemon(config: Config, tell: Tell): Promise<Daemon> {
  await using opened = new AsyncDisposableStack(); // a failure below closes what was opened above
  const replica = randomUUID();
  const name = `bridge ${replica.slice(0, 8)}`;
  const db = openPool(config.database, name);
  opened.defer(() => db.end());
  const installation = await readInstallation(db, config.timezone, config.adapter);

  const wake = new Wake();
  let peers = 0;
  let hearing: Hearing = { heard: false, since: new Date(), reason: 'not connected yet' };
  const heat = createHeat({ mode: config.wake, peers: () => peers, heard: () => hearing.heard });
  const rhythm: Rhythm = {
    waitOr: (ms, signal) => wake.waitOr(ms, signal),
    ring: () => wake.ring(),
    afterTake: (session, folded) => heat.afterTake(session, folded),
    lost: () => heat.lost(),
    get waitMs() {
      return heat.waitMs;
    },
  };

  const outlook = opened.use(
    createOutlook({ graph: config.graph, timezone: config.timezone, beforeSend: () => work.maySend() }),
  );
  const push = createPush({
    outlook,
    tell,
    installationId: installation.id,
    mayRemove: createRemovals(db, config.brake, tell),
  });
  const drain = createDrain({ db, outlook, push, window: config.window, tell });
  const work = createWork({
    replica,
    openLease: () => openLease(config, name),
    drain: drain.drain,
    rhythm,
    window: config.window,
    writes: config.startMode === 'sync',
    autoSync: config.autoSync,
    peers: () => peers,
    ringPeers: () =>
      void ringAll(db).catch((error: Error) => tell({ fact: 'bug', error, where: 'ringing the others' })),
    tell,
  });

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
    running.use(
      every(beatEveryMs, tell, 'the heartbeat', async () => {
        const pids = [work.leasePid()].filter((pid) => pid !== null);
        peers = await beat(db, replica, pids);
        const missed = await missedSince(db);
        if (missed === 0) return;
        tell({ fact: 'capture-missed', times: missed });
        await sweepRooms(db);
        wake.ring();
      }),
    );
    running.use(
      at(config.schedules.sweep, config.timezone, tell, 'the sweep', () =>
        onceAcrossReplicas(db, 'sweep', 30, async () => {
          await sweepRooms(db);
          wake.ring();
        }),
      ),
    );
    tell({ fact: 'started', replica, rooms: installation.rooms });
    await work.run(signal);
    tell({ fact: 'stopped' });
  }

  const owned = opened.move(); // from here the caller closes it, last opened first
  return {
    replica,
    db,
    outlook,
    run,
    ring: () => wake.ring(),
    hearing: () => hearing,
    working: () => work.working(),
    peers: () => peers,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Our leases end with their session, so it is given up sooner than any other when the server does not answer. */
const leaseAnswerMs = 8_000;

async function openLease(config: Config, name: string) {
  const own = await openSession(config.database, `${name} leases`, leaseAnswerMs);
  try {
    const { rows } = await own.session.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
    return { ...own, pid: rows[0]!.pid };
  } catch (error) {
    await own.close();
    throw error;
  }
}
