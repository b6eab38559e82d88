/**
 * Daemons as processes of their own on one booking database and one simulated tenant, to be killed, frozen and cut
 * off; and the question that every such test ends with: does Outlook show what the booking system says?
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { expect } from 'vitest';
import type { Fact } from '../../src/facts.ts';
import { createDesk } from '../../src/sandbox/desk.ts';
import { clockShim } from '../../src/environment.ts';
import type { Environment } from '../../src/settings.ts';
import type { TenantEvent } from '../../src/sandbox/tenant/people.ts';
import { startTenant, type Tenant } from '../../src/sandbox/tenant/tenant.ts';
import { openTestDatabase, type TestDatabase } from '../support/database.ts';
import { isHeard } from '../support/service.ts';
import { createFactLog, until } from '../support/until.ts';
import { environmentOf } from '../support/settings.ts';
import { day } from '../support/dates.ts';

export { day } from '../support/dates.ts';

export interface FleetOptions {
  /** How many rooms are mapped: resources 501, 502, … */
  readonly rooms: number;
  readonly env?: Environment;
  readonly latencyMs?: number;
  /** A database to use instead of one of the common server. The fleet disposes of it. */
  readonly database?: TestDatabase;
}

/** A fact as another process told it: an error is its text, `at` is `monotonicMs()`. */
type ToldFact = Fact & { readonly at: number };

export interface Child extends AsyncDisposable {
  readonly replica: string;
  readonly process: ChildProcess;
  readonly facts: readonly ToldFact[];
  /** The first fact that matches, also an earlier one; `since`: only later ones. */
  until(match: (fact: ToldFact) => boolean, since?: number): Promise<ToldFact>;
  /** Sends a signal to this one process. */
  signal(name: 'SIGKILL' | 'SIGTERM' | 'SIGSTOP' | 'SIGCONT'): void;
  /** Resolves when it has taken the first SIGTERM. */
  readonly stopping: Promise<void>;
  /** Its exit code, or null when a signal ended it. */
  readonly ended: Promise<number | null>;
}

export const upnOf = (resource: number) => `room-${resource}@fleet.example`;

export async function openFleet(options: FleetOptions) {
  await using opened = new AsyncDisposableStack();
  const db = opened.use(options.database ?? (await openTestDatabase({ schema: 'bridge' })));
  const resources = Array.from({ length: options.rooms }, (_, index) => 501 + index);
  const tenant = opened.use(
    await startTenant({
      latencyMs: options.latencyMs ?? 0,
      rooms: resources.map((resource) => ({ upn: upnOf(resource), name: `Room ${resource}` })),
    }),
  );
  await addRooms(db, resources);
  const children: Child[] = [];
  opened.defer(async () => {
    await Promise.all(children.map((child) => child[Symbol.asyncDispose]()));
  });
  const owned = opened.move();
  return {
    db,
    tenant,
    resources,
    desk: createDesk(db.pool),
    /** Starts a daemon; resolves when it hears. `change`: settings of its own. */
    start: async (change: Environment = {}): Promise<Child> => {
      const env = { ...environmentOf(db, tenant), SYNC_PAST_DAYS: '1', ...options.env, ...change };
      const child = await startChild(env);
      children.push(child);
      await child.until(isHeard);
      return child;
    },
    events: (resource: number) => tenant.eventsIn(upnOf(resource)),
    /** Who holds a room, or held it when it died. */
    holder: async (resource: number) =>
      (
        await db.query<{ owner: string | null }>(
          `SELECT lease_owner AS owner FROM bridge_room_state s JOIN bridge_resource_mappings r ON r.id = s.resource_mapping_id
           WHERE r.resource_id = $1`,
          [resource],
        )
      )[0]?.owner ?? null,
    /** Books so many events in one statement, spread over the rooms. */
    bookMany: async (count: number) => {
      await db.query(
        `WITH e AS (INSERT INTO bb_event (activity_id, name, from_, to_, building_name, contact_name, contact_email, contact_phone, secret)
           SELECT 1, 'Møte ' || n, $1::timestamp + n * interval '1 hour', $1::timestamp + n * interval '1 hour' + interval '30 minutes',
             'x', 'x', 'x', 'x', 'x'
           FROM generate_series(1, $2::int) n RETURNING id)
         INSERT INTO bb_event_resource (event_id, resource_id) SELECT id, 501 + id % $3::int FROM e`,
        [day(2, '08:00'), count, resources.length],
      );
    },
    settled: () => untilAnswer(db, settledQuery, (busy) => busy === 0),
    /** Resolves when a query for a number answers one that satisfies the condition. */
    until: (query: string, condition: (answer: number) => boolean) => untilAnswer(db, query, condition),
    /** Fails unless Outlook shows every active reservation once in each of its rooms, and nothing else. */
    expectEqual: async () => {
      expect(shownIn(tenant, resources)).toEqual(await wantedIn(db));
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

export type Fleet = Awaited<ReturnType<typeof openFleet>>;

async function addRooms(db: TestDatabase, resources: readonly number[]): Promise<void> {
  await db.query(
    `INSERT INTO bb_resource (id, name, activity_id, rescategory_id, sort) SELECT r, 'Room ' || r, 3, 1, 1 FROM unnest($1::int[]) r`,
    [resources],
  );
  await db.query(
    `INSERT INTO bridge_resource_mappings (resource_id, outlook_item_id, outlook_item_name, active)
     SELECT r, 'room-' || r || '@fleet.example', 'Room ' || r, 1 FROM unnest($1::int[]) r`,
    [resources],
  );
}

/** What Node made of the files, kept: a daemon that is started for the hundredth time need not read them again. */
const compiled = new URL('../../node_modules/.cache/outlook-booking-sync', import.meta.url).pathname;

async function startChild(env: Environment): Promise<Child> {
  const child = spawn(process.execPath, [new URL('./daemon.child.ts', import.meta.url).pathname], {
    env: { PATH: process.env['PATH'] ?? '', NODE_COMPILE_CACHE: compiled, ...clockShim(), ...env },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const log = createFactLog<ToldFact>();
  const ready = Promise.withResolvers<string>();
  const stopping = Promise.withResolvers<void>();
  const ended = once(child, 'exit').then(([code]) => code as number | null);
  ended.then((code) => ready.reject(new Error(`the daemon ended with ${code}`))).catch(() => undefined);
  createInterface(child.stdout).on('line', (line) => {
    const told = JSON.parse(line) as ToldFact | { readonly ready: string } | { readonly stopping: true };
    if ('ready' in told) return ready.resolve(told.ready);
    if ('stopping' in told) return stopping.resolve();
    log.tell(told);
  });
  return {
    replica: await ready.promise,
    process: child,
    facts: log.facts,
    until: (match, since = 0) => log.until((fact) => fact.at >= since && match(fact)),
    signal: (name) => void child.kill(name),
    stopping: stopping.promise,
    ended,
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

/** How much is still to be done. */
const settledQuery = `
  SELECT (SELECT count(*) FROM bridge_changes) + (SELECT count(*) FROM bridge_mappings m
      JOIN bridge_resource_mappings r ON r.resource_id = m.resource_id AND r.active = 1 WHERE m.due_at IS NOT NULL)
    + (SELECT count(*) FROM bridge_room_state s JOIN bridge_resource_mappings r ON r.id = s.resource_mapping_id
       WHERE r.active = 1 AND (s.push_due_at IS NOT NULL OR s.lease_owner IS NOT NULL OR s.reconciled_at IS NULL
                               OR s.baselined_at IS NULL)) AS answer`;

const untilAnswer = async (
  db: TestDatabase,
  query: string,
  condition: (answer: number) => boolean,
): Promise<void> =>
  void (await until(
    async () => (await db.query<{ answer: number }>(query))[0]!.answer,
    condition,
    async () => `to ${query}\n${await openIn(db)}`,
  ));

/** The rooms in which something is still to be done, and what. */
async function openIn(db: TestDatabase): Promise<string> {
  const rows = await db.query(`
    SELECT r.resource_id, s.push_due_at, s.retry_at, s.throttled_until, s.lease_owner, s.health, s.error_message,
      s.baselined_at, s.reconciled_at, (SELECT count(*) FROM bridge_changes) AS changes, now(),
      (SELECT jsonb_agg(concat_ws(' ', m.reservation_type, m.reservation_id, m.sync_status, m.due_at, m.outlook_event_id, m.error_message))
        FROM bridge_mappings m WHERE m.resource_id = r.resource_id AND m.due_at IS NOT NULL) AS due
    FROM bridge_room_state s JOIN bridge_resource_mappings r ON r.id = s.resource_mapping_id
    WHERE s.push_due_at IS NOT NULL OR s.lease_owner IS NOT NULL`);
  return JSON.stringify(rows, null, 1).slice(0, 4_000);
}

/** One line per item that Outlook should show, from the booking system alone: the bridge's own tables are not asked. */
async function wantedIn(db: TestDatabase): Promise<string[]> {
  const rows = await db.query<{ line: string }>(`
    WITH shown AS (
      SELECT i.* FROM bridge_items i JOIN bridge_resource_mappings r ON r.resource_id = i.resource_id AND r.active = 1
      WHERE i.active)
    SELECT format('%s %s/%s %s–%s %s', a.resource_id, a.reservation_type, a.reservation_id,
      to_char(a.starts_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI'), to_char(a.ends_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI'),
      a.title) AS line
    FROM shown a
    WHERE NOT coalesce((SELECT range_agg(tstzrange(n.starts_at, n.ends_at)) @> tstzrange(a.starts_at, a.ends_at) FROM shown n
      WHERE n.resource_id = a.resource_id AND n.priority_level < a.priority_level), false)`);
  return rows.map((row) => row.line).sort();
}

function shownIn(tenant: Tenant, resources: readonly number[]): string[] {
  return resources
    .flatMap((resource) =>
      tenant
        .eventsIn(upnOf(resource))
        .map(
          (event) =>
            `${resource} ${marksOf(event)} ${event.start.slice(0, 16)}–${event.end.slice(0, 16)} ${event.subject}`,
        ),
    )
    .sort();
}

/** The reservation that an event says it belongs to, as `type/id`. */
export function marksOf({ extendedProperties }: TenantEvent): string {
  const ending = (name: string) =>
    Object.entries(extendedProperties).find(([id]) => id.endsWith(name))?.[1] ?? '?';
  return `${ending('BookingSystemType')}/${ending('BookingSystemId')}`;
}
