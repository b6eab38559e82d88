import { expect, test } from 'vitest';
import type { TenantEvent } from '../../src/sandbox/tenant/people.ts';
import { day, instantOf } from '../support/dates.ts';
import { isWrite } from '../support/writes.ts';
import { createRandom } from '../support/random.ts';
import { marksOf, openFleet, upnOf, type Child, type Fleet } from './fleet.ts';

/**
 * A clerk and people in Outlook who do anything at any moment, much of it on top of something else, while answers are lost,
 * delta repeats itself and daemons are killed. Afterwards both sides show the same, each thing once and one slot once, and
 * nothing is gone that no person took away.
 * Other histories: `SEED=7,8 STEPS=2000 POLICY=outlook npm test -- test/e2e/both-ways.test.ts`.
 */
const given = process.env['SEED'];
const seeds = given === undefined ? [1, 2] : given.split(',').map(Number);
const steps = Number(process.env['STEPS'] ?? 500);
const policy = process.env['POLICY'] ?? 'booking';

test.each(seeds)(
  'whatever people do on both sides, both end up equal and nothing is lost (seed %i)',
  async (seed) => {
    await using fleet = await openFleet({
      rooms: 4,
      latencyMs: 2,
      env: {
        BRAKE_MAX: '0',
        CONFLICT_POLICY: policy,
        OVERLAP_POLICY: 'import',
        POLL_INTERVAL_SECONDS: '1',
      },
    });
    const life = createLife(fleet, seed);
    const daemon = await fleet.start();
    await fleet.settled();
    for (const method of ['POST', 'PATCH', 'DELETE', 'GET'])
      fleet.tenant.faults.add({ match: { method }, probability: 0.04, action: { do: 'dropAnswer' } });
    fleet.tenant.faults.set({ deltaRepeats: true });
    let running = daemon;
    for (let step = 0; step < steps; step += 1) {
      await life.step(step);
      if (step % 120 === 119) running = await restart(fleet, running);
    }
    fleet.tenant.faults.clear();
    await bothSidesRead(fleet);
    const problems = await life.problems();
    // what our tables say of it, to be read when it fails
    const lives = problems.length === 0 ? [] : await life.lives(problems);
    expect(problems, `seed ${seed}\n${lives.join('\n')}`).toEqual([]);
    expect(fleet.tenant.violations).toEqual([]);
    expect(running.facts.filter((fact) => fact.fact === 'bug')).toEqual([]);

    const before = fleet.tenant.journal.at(-1)!.seq;
    const version = await fleet.db.query('SELECT sum(hashtext(e::text)) FROM bb_event e');
    await fleet.db.query(
      'UPDATE bridge_room_state SET reconciled_at = NULL, baselined_at = NULL, push_due_at = now()',
    );
    await bothSidesRead(fleet);
    expect(fleet.tenant.journal.filter((entry) => entry.seq > before && isWrite(entry))).toEqual([]);
    expect(await fleet.db.query('SELECT sum(hashtext(e::text)) FROM bb_event e')).toEqual(version);
  },
  60_000 + steps * 400,
);

/** Kills a daemon where it stands and starts another one. */
async function restart(fleet: Fleet, running: Child): Promise<Child> {
  running.signal('SIGKILL');
  await running.ended;
  return await fleet.start();
}

/** Resolves when both sides were read three times over, and nothing is due. */
async function bothSidesRead(fleet: Fleet): Promise<void> {
  for (let round = 0; round < 3; round += 1) {
    await fleet.settled();
    const [now] = await fleet.db.query<{ now: Date }>('SELECT clock_timestamp() AS now');
    await fleet.db.query('UPDATE bridge_room_state SET pull_due_at = now()');
    await fleet.db.query("SELECT pg_notify('bridge_changes', '')");
    await fleet.until(
      `SELECT count(*) AS answer FROM bridge_room_state
       WHERE pulled_at IS NULL OR pulled_at < '${now!.now.toISOString()}' OR lease_owner IS NOT NULL`,
      (behind) => behind === 0,
    );
  }
  await fleet.settled();
}

/** What people do, and what must be so afterwards. */
function createLife(fleet: Fleet, seed: number) {
  const random = createRandom(seed);
  const pick = <T>(of: readonly T[]): T => of[Math.floor(random() * of.length)]!;
  const { desk, tenant, resources } = fleet;
  for (const resource of resources)
    tenant.setAttendant(upnOf(resource), { mode: 'none', allowConflicts: true });
  /**
   * What was booked: an event under a name of its own that nobody changes but for its end, all else under type and id.
   * Removed: a person took it away.
   */
  const things = new Map<string, { removed: boolean }>();
  let next = 1;

  const name = () => {
    const made = `T${next++}.`;
    things.set(made, { removed: false });
    return made;
  };
  const nameOf = (title: string) => /^T\d+\./.exec(title)?.[0] ?? null;
  const took = (key: string | null) => {
    const thing = things.get(key ?? '');
    if (thing !== undefined) thing.removed = true;
  };
  const keyOf = (event: TenantEvent) => nameOf(event.subject) ?? marksOf(event);

  /** Few days, so that much lies on top of each other. */
  const hours = () => {
    const hour = 8 + Math.floor(random() * 10);
    const on = 2 + Math.floor(random() * 8);
    const text = (at: number) => day(on, `${String(at).padStart(2, '0')}:00`);
    return { from: text(hour), to: text(hour + 1 + Math.floor(random() * 3)) };
  };
  interface Place {
    readonly resource: number;
    readonly from: string;
    readonly to: string;
  }
  /** Somewhere, or just where something else lies, or around it. */
  const place = async (): Promise<Place> => {
    const anywhere = { resource: pick(resources), ...hours() };
    if (random() < 0.4) return anywhere;
    const taken = await fleet.db.query<Place>(
      `SELECT resource_id AS resource, to_char(starts_at AT TIME ZONE 'Europe/Oslo' - $1 * interval '1 hour', 'YYYY-MM-DD HH24:MI') AS "from",
         to_char(ends_at AT TIME ZONE 'Europe/Oslo' + $2 * interval '1 hour', 'YYYY-MM-DD HH24:MI') AS "to"
       FROM bridge_items WHERE active ORDER BY reservation_type, reservation_id, resource_id`,
      [random() < 0.3 ? 1 : 0, random() < 0.3 ? 1 : 0],
    );
    return taken.length === 0 ? anywhere : pick(taken);
  };
  const inOutlook = ({ from, to }: Pick<Place, 'from' | 'to'>) => ({
    start: instantOf(from),
    end: instantOf(to),
  });
  const rooms = ({ resource }: Place) => [
    ...new Set(random() < 0.2 ? [resource, pick(resources)] : [resource]),
  ];

  const anyEvent = (): { readonly room: string; readonly event: TenantEvent } | null => {
    const room = upnOf(pick(resources));
    const events = tenant.eventsIn(room).filter((event) => !event.isCancelled && things.has(keyOf(event)));
    return events.length === 0 ? null : { room, event: pick(events) };
  };
  const onEvent = (what: (room: string, event: TenantEvent) => void | Promise<void>) => async () => {
    const one = anyEvent();
    if (one !== null) await what(one.room, one.event);
  };

  /** The place is chosen first: the event may be gone after the daemon had its turn. */
  const moveInOutlook = async () => {
    const there = inOutlook(await place());
    await onEvent((room, event) => void tenant.people.move(room, event.id, there))();
  };

  type Kind = 'event' | 'booking' | 'allocation';
  interface Booked {
    readonly type: Kind;
    readonly id: number;
    readonly key: string;
  }
  const clerk =
    (what: (one: Booked) => Promise<void>, active = true) =>
    async () => {
      const type = pick(['event', 'event', 'booking', 'allocation'] as const);
      const rows = await fleet.db.query<{ id: number; title: string }>(
        `SELECT DISTINCT reservation_id::int AS id, title FROM bridge_items WHERE reservation_type = $1 AND active = $2 ORDER BY 1`,
        [type, active],
      );
      if (rows.length === 0) return;
      const { id, title } = pick(rows);
      await what({ type, id, key: type === 'event' ? (nameOf(title) ?? title) : `${type}/${id}` });
    };
  const clerkBooks = async () => {
    const at = await place();
    await desk.book(rooms(at), { ...at, title: name() });
  };
  const clerkStacks = async () => {
    const at = await place();
    const kind = pick([desk.bookGroup, desk.allocate]);
    const made = await kind(rooms(at), { ...at, of: 1 + Math.floor(random() * 2) });
    things.set(`${made.type}/${made.id}`, { removed: false });
  };
  const bookInOutlook = async (html?: string) => {
    const at = await place();
    const wish = { subject: name(), ...inOutlook(at) };
    tenant.people.book(upnOf(at.resource), html === undefined ? wish : { ...wish, html });
  };
  const deeds: readonly (() => Promise<void>)[] = [
    clerkBooks,
    clerkBooks,
    clerkStacks,
    clerkStacks,
    clerk(async (one) => {
      const { from, to } = await place();
      await desk.move(one, from, to);
    }),
    clerk(async (one) => {
      if (one.type === 'event') await desk.retitle(one, `${one.key} klerk ${next++}`);
    }),
    clerk(async (one) => {
      took(one.key);
      await desk.cancel(one);
    }),
    clerk(async (one) => {
      took(one.key);
      await desk.cancel(one);
    }),
    clerk((one) => desk.reenable(one), false),
    () => bookInOutlook(),
    () => bookInOutlook('<p>Ta med <b>stoler</b></p>'),
    moveInOutlook,
    moveInOutlook,
    onEvent(
      (room, event) =>
        void tenant.people.retitle(room, event.id, `${nameOf(event.subject) ?? ''} outlook ${next++}`.trim()),
    ),
    onEvent((room, event) => {
      took(keyOf(event));
      tenant.people.remove(room, event.id);
    }),
    onEvent((room, event) => {
      took(keyOf(event));
      tenant.people.remove(room, event.id);
    }),
    onEvent((room, event) => void tenant.people.touch(room, event.id)),
    onEvent((room) => void (random() < 0.1 ? tenant.forgetDeltaTokens(room) : undefined)),
    // lets the daemon look now and then
    () => fleet.until('SELECT count(*) AS answer FROM bridge_changes', (changes) => changes === 0),
  ];

  return {
    step: async (_: number) => await pick(deeds)(),
    /** The lives of what is not as it must be, step by step. */
    lives: async (problems: readonly string[]): Promise<string[]> => {
      const keys = [
        ...new Set(
          problems.flatMap((problem) => /T\d+\.|(?:booking|allocation)\/\d+/.exec(problem)?.[0] ?? []),
        ),
      ];
      const rows = await fleet.db.query<{ line: string }>(
        `WITH those AS (SELECT * FROM bridge_mappings m WHERE EXISTS (SELECT FROM unnest($1::text[]) n
           WHERE concat(m.booking_seen, m.outlook_base, m.booking_base, m.outlook_seen) LIKE '%"' || n || '%'
             OR m.reservation_type || '/' || m.reservation_id = n)
           -- an event that waits for a person may show neither
           OR m.sync_status IN ('conflict', 'error'))
         SELECT concat_ws(' ', to_char(l.at, 'MI:SS.MS'), l.mapping_id, l.action, l.reason, l.outlook_event_id) AS line
         FROM bridge_log l WHERE l.mapping_id IN (SELECT id FROM those)
         UNION ALL SELECT to_jsonb(m)::text FROM those m`,
        [keys],
      );
      return rows.map((row) => row.line);
    },
    /** What is not as it must be: shown on one side only, shown twice, or gone although no person took it away. */
    problems: async (): Promise<string[]> => {
      const items = await fleet.db.query<{ line: string; key: string; resource: number; hidden: boolean }>(`
        WITH shown AS (SELECT i.* FROM bridge_items i
          JOIN bridge_resource_mappings r ON r.resource_id = i.resource_id AND r.active = 1 WHERE i.active)
        SELECT format('%s %s–%s %s', i.resource_id, to_char(i.starts_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI'),
            to_char(i.ends_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI'), i.title) AS line, i.resource_id AS resource,
          CASE i.reservation_type WHEN 'event' THEN coalesce(substring(i.title FROM '^T\\d+\\.'), i.title)
            ELSE i.reservation_type || '/' || i.reservation_id END AS key,
          coalesce((SELECT range_agg(tstzrange(n.starts_at, n.ends_at)) @> tstzrange(i.starts_at, i.ends_at) FROM shown n
            WHERE n.resource_id = i.resource_id AND n.priority_level < i.priority_level), false) AS hidden
        FROM shown i ORDER BY i.reservation_type, i.reservation_id, i.resource_id`);
      const outlook = resources.flatMap((resource) =>
        tenant.eventsIn(upnOf(resource)).map((event) => ({
          line: `${resource} ${event.start.slice(0, 16)}–${event.end.slice(0, 16)} ${event.subject}`,
          key: keyOf(event),
        })),
      );
      const left = items.filter(({ hidden }) => !hidden);
      const keys = new Set(items.map(({ key }) => key));
      const byRoom = Map.groupBy(items, ({ key, resource }) => `${key} in ${resource}`);
      return [
        ...without(left, outlook).map(({ line, key }) => `only booked: ${line} (${key})`),
        ...without(outlook, left).map(({ line, key }) => `only in Outlook: ${line} (${key})`),
        ...[...byRoom].filter(([, rows]) => rows.length > 1).map(([one]) => `twice: ${one}`),
        ...[...things]
          .filter(([one, { removed }]) => !removed && !keys.has(one))
          .map(([one]) => `lost: ${one}`),
      ].sort();
    },
  };
}

/** Those of the first whose line the second does not have, as often. */
function without<T extends { readonly line: string }>(
  some: readonly T[],
  others: readonly { readonly line: string }[],
): T[] {
  const left = others.map(({ line }) => line);
  return some.filter(({ line }) => {
    const at = left.indexOf(line);
    if (at >= 0) left.splice(at, 1);
    return at < 0;
  });
}
