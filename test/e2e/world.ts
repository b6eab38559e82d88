/** The whole product in one process: a booking database, a clerk, the daemon, and a simulated tenant over real HTTP. */
import { toConfig, type Config } from '../../src/config.ts';
import type { Environment } from '../../src/settings.ts';
import { createDaemon, type Daemon } from '../../src/daemon/core.ts';
import type { Fact } from '../../src/facts.ts';
import { createDesk } from '../../src/sandbox/desk.ts';
import { startTenant } from '../../src/sandbox/tenant/tenant.ts';
import { openTestDatabase, type TestDatabase } from '../support/database.ts';
import { day } from '../support/dates.ts';
import { isHeard } from '../support/service.ts';
import { environmentOf } from '../support/settings.ts';
import { createFactLog, until } from '../support/until.ts';

/** Resource of the seed → its mailbox. */
export const rooms: Readonly<Record<number, { upn: string; name: string }>> = {
  101: { upn: 'formannskapssalen@bergen.example', name: 'Formannskapssalen' },
  102: { upn: 'bystyresalen@bergen.example', name: 'Bystyresalen' },
  103: { upn: 'floyen@bergen.example', name: 'Møterom Fløyen' },
  104: { upn: 'ulriken@bergen.example', name: 'Møterom Ulriken' },
  201: { upn: 'hall-a@bergen.example', name: 'Hall A' },
  202: { upn: 'hall-b@bergen.example', name: 'Hall B' },
};

export interface WorldOptions {
  readonly env?: Environment;
  /** Resources that are mapped from the start; default: 101 and 102. */
  readonly mapped?: readonly number[];
  /** A database to use instead of a fresh one. The world disposes of it. */
  readonly database?: TestDatabase;
}

export async function openWorld(options: WorldOptions = {}) {
  await using opened = new AsyncDisposableStack();
  const db = opened.use(options.database ?? (await openTestDatabase({ schema: 'bridge' })));
  const tenant = opened.use(await startTenant({ rooms: Object.values(rooms) }));
  const config = toConfig({ ...environmentOf(db, tenant), ...options.env });
  for (const resource of options.mapped ?? [101, 102]) await map(db, resource);
  const daemons: Running[] = [];
  opened.defer(async () => {
    for (const daemon of daemons) await daemon.stop();
  });
  const start = async (change: Partial<Config> = {}) => {
    const daemon = await startDaemon({ ...config, ...change });
    daemons.push(daemon);
    return daemon;
  };
  const owned = opened.move();
  return {
    db,
    tenant,
    config,
    start,
    desk: createDesk(db.pool),
    map: (resource: number) => map(db, resource),
    /** What a room shows in Outlook. */
    titles: (resource: number) => tenant.eventsIn(rooms[resource]!.upn).map((event) => event.subject),
    events: (resource: number) => tenant.eventsIn(rooms[resource]!.upn),
    /** Resolves when nothing is due any more in any room. */
    settled: () => settled(db),
    /** The same; what waits for its next try after a failure is tried at once. */
    retried: () => settled(db, () => tryNow(db)),
    /** Asks for the changes of all rooms, as a notification does, until a round has brought nothing new. */
    pullAll: (running: Running) => pullAll(db, running),
    /** A local wall-clock text some days from now. */
    day,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

export interface Running {
  readonly daemon: Daemon;
  readonly facts: readonly Fact[];
  /** The first fact that matches, also an earlier one. */
  until(match: (fact: Fact) => boolean): Promise<Fact>;
  stop(): Promise<void>;
}

async function startDaemon(config: Config): Promise<Running> {
  const told = createFactLog<Fact>();
  const daemon = await createDaemon(config, told.tell);
  const stop = new AbortController();
  const running = daemon.run(stop.signal);
  let ended: Promise<void> | null = null;
  const started: Running = {
    daemon,
    facts: told.facts,
    until: told.until,
    stop: () =>
      (ended ??= (async () => {
        stop.abort(new Error('the test is over'));
        await running;
        await daemon[Symbol.asyncDispose]();
      })()),
  };
  await started.until(isHeard);
  return started;
}

async function map(db: TestDatabase, resource: number): Promise<void> {
  const { upn, name } = rooms[resource]!;
  await db.query(
    'INSERT INTO bridge_resource_mappings (resource_id, outlook_item_id, outlook_item_name, active) VALUES ($1, $2, $3, 1)',
    [resource, upn, name],
  );
}

/** Resolves when the outbox is empty and nothing is due. */
const settled = (db: TestDatabase, before: () => Promise<void> = async () => undefined): Promise<unknown> =>
  until(
    async () => {
      await before();
      return await db.query(`
        SELECT r.resource_id AS resource, s.push_due_at, s.lease_owner, s.reconciled_at, s.baselined_at, s.retry_at, s.error_message,
          (SELECT count(*) FROM bridge_changes) AS changes,
          (SELECT count(*) FROM bridge_mappings m WHERE m.resource_id = r.resource_id AND m.due_at IS NOT NULL) AS due
        FROM bridge_room_state s JOIN bridge_resource_mappings r ON r.id = s.resource_mapping_id AND r.active = 1
        WHERE EXISTS (SELECT FROM bridge_changes) OR s.push_due_at IS NOT NULL OR s.lease_owner IS NOT NULL
          OR s.reconciled_at IS NULL OR s.baselined_at IS NULL
          OR EXISTS (SELECT FROM bridge_mappings m WHERE m.resource_id = r.resource_id AND m.due_at IS NOT NULL)`);
    },
    (busy) => busy.length === 0,
  );

/** Makes due now what is due later, but for a Retry-After. Rows that the daemon writes are left to the next call. */
async function tryNow(db: TestDatabase): Promise<void> {
  await db.query(`
    WITH items AS (
      UPDATE bridge_mappings SET due_at = now()
      WHERE id IN (SELECT id FROM bridge_mappings WHERE due_at > now() FOR NO KEY UPDATE SKIP LOCKED) RETURNING 1),
    rooms AS (
      UPDATE bridge_room_state SET retry_at = NULL, push_due_at = least(push_due_at, now()), pull_due_at = least(pull_due_at, now())
      WHERE resource_mapping_id IN (
        SELECT resource_mapping_id FROM bridge_room_state
        WHERE greatest(retry_at, push_due_at, pull_due_at) > now() AND lease_owner IS NULL FOR NO KEY UPDATE SKIP LOCKED) RETURNING 1)
    SELECT pg_notify('bridge_changes', '') WHERE EXISTS (SELECT FROM items) OR EXISTS (SELECT FROM rooms)`);
}

async function pullAll(db: TestDatabase, { daemon }: Running): Promise<void> {
  for (let round = 0; round < 2; round += 1) {
    const [asked] = await db.query<{ at: Date }>(
      `WITH asked AS (UPDATE bridge_room_state SET pull_due_at = now()) SELECT clock_timestamp() AS at`,
    );
    daemon.ring();
    await until(
      () =>
        db.query(
          `SELECT r.resource_id AS resource, s.pulled_at, s.lease_owner, s.error_message
           FROM bridge_room_state s JOIN bridge_resource_mappings r ON r.id = s.resource_mapping_id AND r.active = 1
           WHERE r.sync_direction <> 'booking_to_outlook' AND s.retry_at IS NULL
             AND (s.pulled_at IS NULL OR s.pulled_at < $1 OR s.lease_owner IS NOT NULL
               OR EXISTS (SELECT FROM bridge_mappings m WHERE m.resource_id = r.resource_id AND m.due_at IS NOT NULL))`,
          [asked!.at],
        ),
      (open) => open.length === 0,
    );
  }
}
