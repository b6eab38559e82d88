/**
 * What we cost the booking system: the throughput that its writers keep with us installed, as a ratio to the same
 * writers on the same tables without us, measured side by side in short slices, in turn.
 *
 * - `bare`: the least a trigger can do: it inserts two columns into a table without an index, and nothing else.
 * - `absent`: installed, and no daemon is there.
 * - `idle`: installed, and no daemon is there to hold the lock, so each transaction notifies: the price of being woken.
 * - `silent`: the lock is held and nobody folds: the triggers alone, the limit of what `working` can reach.
 * - `working`: the daemon's own listener, adaptive notify and take keep up with the writers; the outbox is folded all the time.
 * - `graphile-worker`, `pg-boss`: a trigger that adds a job, and a worker that takes the jobs and does nothing.
 * - `notify`: the same triggers with a plain NOTIFY and a daemon that listens and folds, as everybody else does it.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import pg from 'pg';
import { createAdaptiveNotify } from '../../src/booking/adaptive-notify.ts';
import { openListener } from '../../src/booking/listener.ts';
import type { WakeMode } from '../../src/config.ts';
import { Wake } from '../../src/ops/wake.ts';
import { startPostgres } from '../../src/sandbox/postgres.ts';
import { foldMost, takeRooms } from '../../src/sync/store/work-list.ts';
import { fillDatabase } from '../support/templates.ts';
import type { Slice } from './booking-writes.child.ts';
import { installPeer, isPeer, jobTrigger, startPeer, type Peer } from './peer.ts';
import { diskSettings } from './stage.ts';

export type Variant = 'bare' | 'absent' | 'idle' | 'silent' | 'working' | 'notify' | Peer;

export interface KeptWrites {
  readonly writers: number;
  readonly variant: Variant;
  /** Throughput kept, 1 = as without us: the median of the rounds, and the extremes. */
  readonly median: number;
  readonly min: number;
  readonly max: number;
  /** The same beside the bare trigger; null where that was not measured, or is this. */
  readonly ofBare: number | null;
}

export interface WriteOptions {
  readonly writers?: readonly number[];
  readonly variants?: readonly Variant[];
  readonly rounds?: number;
  readonly sliceMs?: number;
  /** Microseconds that each flush of the WAL sleeps, for a disk slower than this one (`commit_delay`). */
  readonly diskUs?: number;
}

/**
 * Takes about `writers.length * (rounds + 1) * (variants.length + 1) * (sliceMs + 150)`; as it is, about 50 s. The slices are short and
 * many, so that a neighbour's noise meets all variants. Starts a PostgreSQL of its own.
 */
export async function measureBookingWrites({
  writers = [1, 8, 32],
  variants = ['bare', 'working', 'absent', 'notify'],
  rounds = 8,
  sliceMs = 450,
  diskUs = 0,
}: WriteOptions = {}): Promise<KeptWrites[]> {
  await using opened = new AsyncDisposableStack();
  const server = opened.use(
    await startPostgres({
      settings: {
        ...diskSettings,
        commit_delay: String(diskUs),
        commit_siblings: '0',
      },
    }),
  );
  const all = ['without', ...variants] as const;
  const urls = new Map<Variant | 'without', string>();
  for (const variant of all) urls.set(variant, await prepare(server.url, variant));
  const child = fork(new URL('./booking-writes.child.ts', import.meta.url));
  opened.defer(() => void child.kill());
  const write = async (slice: Slice) => {
    child.send(slice);
    return ((await once(child, 'message')) as [number])[0];
  };

  const kept: KeptWrites[] = [];
  for (const n of writers) {
    const perSecond = new Map<Variant | 'without', number[]>(all.map((variant) => [variant, []]));
    for (let round = -1; round < rounds; round += 1)
      for (const variant of turned(all, round)) {
        const slice = { url: urls.get(variant)!, writers: n, ms: round < 0 ? sliceMs / 3 : sliceMs };
        await using _ = await accompany(variant, slice.url);
        // what has just been opened settles: a daemon that begins to poll does so once in a busy hour, not in each slice
        await write({ ...slice, ms: settlesMs });
        const measured = await write(slice);
        if (round >= 0) perSecond.get(variant)!.push(measured); // the first round warms up
      }
    const base = perSecond.get('without')!;
    for (const variant of variants) {
      const ratios = perSecond.get(variant)!.map((tps, round) => tps / base[round]!);
      ratios.sort((a, b) => a - b);
      const median = middle(ratios);
      const bare = variant === 'bare' ? undefined : perSecond.get('bare');
      const ofBare =
        bare === undefined ? null : middle(perSecond.get(variant)!.map((tps, round) => tps / bare[round]!));
      kept.push({ writers: n, variant, median, min: ratios[0]!, max: ratios.at(-1)!, ofBare });
    }
  }
  return kept;
}

const settlesMs = 150;

const middle = (values: readonly number[]) =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;

/** The variants in another order each round, so that none always comes after the same one. */
const turned = <T>(all: readonly T[], round: number): readonly T[] => {
  const by = (round + all.length) % all.length;
  return [...all.slice(by), ...all.slice(0, by)];
};

/** A database with so many future events in 20 mapped rooms. */
export async function prepare(
  serverUrl: string,
  variant: Variant | 'without',
  count = 2_000,
): Promise<string> {
  const url = new URL(serverUrl);
  url.pathname = `/${variant}`;
  await run(serverUrl, `CREATE DATABASE "${variant}"`);
  await fillDatabase(
    variant === 'without' || variant === 'bare' || isPeer(variant) ? 'portico' : 'bridge',
    url.href,
    false,
  );
  await run(url.href, events.replace('2000', String(count)));
  if (variant === 'without') return url.href;
  if (isPeer(variant)) {
    await installPeer(variant, url.href);
    await run(url.href, jobTrigger(variant));
    return url.href;
  }
  if (variant === 'bare') {
    await run(url.href, bareTrigger);
    return url.href;
  }
  await run(url.href, rooms);
  if (variant === 'notify') await run(url.href, plainNotify);
  return url.href;
}

const events = `
  TRUNCATE bb_event CASCADE;
  INSERT INTO bb_event (id, activity_id, name, from_, to_, building_name, contact_name, contact_email, contact_phone, secret)
  SELECT n, (SELECT min(id) FROM bb_activity), 'event', date_trunc('hour', now()) + n * interval '1 hour',
         date_trunc('hour', now()) + (n + 1) * interval '1 hour', '', '', '', '', ''
  FROM generate_series(1, 2000) n;
  INSERT INTO bb_event_resource (event_id, resource_id)
  SELECT e.id, r.id FROM bb_event e
  JOIN (SELECT id, row_number() OVER (ORDER BY id) - 1 AS n, count(*) OVER () AS rooms FROM bb_resource) r
    ON r.n = e.id % least(r.rooms, 20);
  VACUUM ANALYZE bb_event;
`;

const rooms = `
  INSERT INTO bridge_resource_mappings (resource_id, outlook_item_id)
  SELECT DISTINCT resource_id, 'room-' || resource_id || '@example.org' FROM bb_event_resource;
`;

const bareTrigger = `
  CREATE TABLE outbox (reservation_type text, reservation_id bigint);
  CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS
  $$ BEGIN INSERT INTO outbox SELECT 'event', id FROM new_rows; RETURN NULL; END $$;
  CREATE TRIGGER note AFTER UPDATE ON bb_event REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION note();
`;

const plainNotify = `
  CREATE OR REPLACE FUNCTION bridge_wake() RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS
  $$ BEGIN PERFORM pg_notify('bridge_changes', ''); END $$;
`;

async function run(url: string, script: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    for (const statement of script.split(';\n')) await client.query(statement);
  } finally {
    await client.end();
  }
}

/** What is there beside the writers while they write. */
export async function accompany(variant: Variant | 'without', url: string): Promise<AsyncDisposable> {
  const opened = new AsyncDisposableStack();
  if (variant === 'without') return opened;
  if (isPeer(variant)) {
    opened.use(await startPeer(variant, { DATABASE_URL: url }));
    return opened;
  }
  await run(url, variant === 'bare' ? 'TRUNCATE outbox' : 'TRUNCATE bridge_changes');
  if (variant === 'bare' || variant === 'absent') return opened;
  if (variant === 'idle' || variant === 'silent') {
    const ear = new pg.Client({ connectionString: url });
    await ear.connect();
    await ear.query('LISTEN bridge_changes; SELECT pg_advisory_lock_shared(7230912, 6)');
    if (variant === 'silent') await ear.query('SELECT pg_advisory_lock(7230912, 1)');
    opened.defer(() => ear.end());
    return opened;
  }
  await runDaemon(url, variant === 'notify' ? 'notify' : 'adaptive', opened);
  return opened;
}

/** The part of a daemon that booking writes meet: it listens, polls while bookings come fast, and folds. */
async function runDaemon(url: string, mode: WakeMode, opened: AsyncDisposableStack): Promise<void> {
  const stop = new AbortController();
  const wake = new Wake();
  const adaptive = createAdaptiveNotify({ mode });
  const heard = Promise.withResolvers<void>();
  opened.use(
    openListener({
      config: { url, ssl: false },
      name: 'bench',
      onWake: () => {
        adaptive.notified();
        wake.ring();
      },
      onState: () => heard.resolve(),
    }),
  );
  await heard.promise;
  const session = new pg.Client({ connectionString: url });
  await session.connect();
  await session.query('SET synchronous_commit = off'); // as the daemon's own session has it
  const running = (async () => {
    // as the work loop takes
    let changedFirst = false;
    while (!stop.signal.aborted) {
      const from = performance.now();
      const { folded, recorded } = await takeRooms(session, { ...look, changedFirst });
      await recorded;
      changedFirst = !changedFirst || folded === 0;
      await adaptive.afterTake(session, folded, performance.now() - from);
      if (folded < foldMost || adaptive.yields) await wake.waitOr(adaptive.waitMs, stop.signal);
    }
    await session.end();
  })();
  opened.defer(async () => {
    stop.abort();
    await running;
  });
}

const look = {
  replica: '00000000-0000-4000-8000-000000000000',
  held: [],
  rooms: 0,
  items: 1,
  window: { pastDays: 7, futureDays: 365 },
  anyLane: true,
  askedOnly: false,
};
