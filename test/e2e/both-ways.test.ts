import { expect, test } from 'vitest';
import type { TenantEvent } from '../../src/sandbox/tenant/people.ts';
import { createRandom, day, openFleet, upnOf, type Child, type Fleet } from './fleet.ts';

/**
 * A clerk and people in Outlook who do anything at any moment, while answers are lost, delta repeats itself and daemons are
 * killed. Afterwards both sides show the same, each thing once, and nothing is gone that nobody took away.
 * Another history: `SEED=7 STEPS=2000 npx vitest run test/e2e/both-ways.test.ts`.
 */
const given = process.env['SEED'];
const seeds = given === undefined ? [1, 2] : [Number(given)];
const steps = Number(process.env['STEPS'] ?? 500);

test.each(seeds)(
  'whatever people do on both sides, both end up equal and nothing is lost (seed %i)',
  async (seed) => {
    await using fleet = await openFleet({
      rooms: 4,
      latencyMs: 2,
      env: { BRAKE_MAX: '0', OVERLAP_POLICY: 'import', POLL_INTERVAL_SECONDS: '1' },
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
    await calm(fleet);
    const problems = await life.problems();
    // what the books say of it, to be read when it fails
    const lives = problems.length === 0 ? [] : await life.lives(problems);
    expect(problems, `seed ${seed}\n${lives.join('\n')}`).toEqual([]);
    expect(fleet.tenant.violations).toEqual([]);
    expect(running.facts.filter((fact) => fact.fact === 'bug')).toEqual([]);

    const before = fleet.tenant.journal.at(-1)!.seq;
    const version = await fleet.db.query('SELECT sum(hashtext(e::text)) FROM bb_event e');
    await fleet.db.query(
      'UPDATE bridge_room_state SET reconciled_at = NULL, baselined_at = NULL, push_due_at = now()',
    );
    await calm(fleet);
    expect(fleet.tenant.journal.filter((entry) => entry.seq > before && entry.method !== 'GET')).toEqual([]);
    expect(await fleet.db.query('SELECT sum(hashtext(e::text)) FROM bb_event e')).toEqual(version);
  },
  240_000,
);

/** Kills a daemon where it stands and starts another one. */
async function restart(fleet: Fleet, running: Child): Promise<Child> {
  running.signal('SIGKILL');
  await running.ended;
  return await fleet.start();
}

/** Everything was looked at on both sides, twice, and nothing is due. */
async function calm(fleet: Fleet): Promise<void> {
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
  /** Every thing has a name of its own, which nobody changes but for its end. Removed: somebody took it away. */
  const things = new Map<string, { removed: boolean }>();
  const booked: { readonly type: 'event'; readonly id: number; readonly name: string }[] = [];
  let next = 1;

  const name = () => {
    const made = `T${next++}.`;
    things.set(made, { removed: false });
    return made;
  };
  const nameOf = (title: string) => /^T\d+\./.exec(title)?.[0] ?? null;
  const took = (title: string) => {
    const thing = things.get(nameOf(title) ?? '');
    if (thing !== undefined) thing.removed = true;
  };
  const hours = () => {
    const hour = 8 + Math.floor(random() * 10);
    const on = 2 + Math.floor(random() * 20);
    const text = (at: number) => day(on, `${String(at).padStart(2, '0')}:00`);
    return { from: text(hour), to: text(hour + 1 + Math.floor(random() * 3)) };
  };
  const instants = () => {
    const { from, to } = hours();
    return { start: `${from.replace(' ', 'T')}:00Z`, end: `${to.replace(' ', 'T')}:00Z` };
  };
  const anyEvent = (): { readonly room: string; readonly event: TenantEvent } | null => {
    const room = upnOf(pick(resources));
    const events = tenant
      .eventsIn(room)
      .filter((event) => !event.isCancelled && nameOf(event.subject) !== null);
    return events.length === 0 ? null : { room, event: pick(events) };
  };
  const onEvent = (what: (room: string, event: TenantEvent) => void) => async () => {
    const one = anyEvent();
    if (one !== null) what(one.room, one.event);
  };

  const clerkBooks = async () => {
    const title = name();
    const made = await desk.book(pick(resources), { ...hours(), title });
    booked.push({ type: 'event', id: made.id, name: title });
  };
  const clerk = (what: (one: (typeof booked)[number]) => Promise<void>) => async () => {
    const [row] = await fleet.db.query<{ id: number; name: string }>(
      'SELECT id, name FROM bb_event WHERE active = 1 ORDER BY random() LIMIT 1',
    );
    if (row !== undefined && nameOf(row.name) !== null)
      await what({ type: 'event', id: row.id, name: row.name });
  };
  const deeds: readonly (() => Promise<void>)[] = [
    clerkBooks,
    clerkBooks,
    clerk(async (one) => {
      const { from, to } = hours();
      await desk.move(one, from, to);
    }),
    clerk((one) => desk.retitle(one, `${nameOf(one.name)} klerk ${next++}`)),
    clerk(async (one) => {
      took(one.name);
      await desk.cancel(one);
    }),
    async () => {
      tenant.people.book(upnOf(pick(resources)), { subject: name(), ...instants() });
    },
    async () => {
      tenant.people.book(upnOf(pick(resources)), {
        subject: name(),
        ...instants(),
        html: '<p>Ta med <b>stoler</b></p>',
      });
    },
    onEvent((room, event) => void tenant.people.move(room, event.id, instants())),
    onEvent(
      (room, event) =>
        void tenant.people.retitle(room, event.id, `${nameOf(event.subject)} outlook ${next++}`),
    ),
    onEvent((room, event) => {
      took(event.subject);
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
      const names = [...new Set(problems.flatMap((problem) => /T\d+\./.exec(problem)?.[0] ?? []))];
      const rows = await fleet.db.query<{ line: string }>(
        `SELECT concat_ws(' ', to_char(l.at, 'MI:SS.MS'), l.mapping_id, l.action, l.reason, l.outlook_event_id) AS line
         FROM bridge_log l WHERE l.mapping_id IN (
           SELECT id FROM bridge_mappings m WHERE EXISTS (
             SELECT FROM unnest($1::text[]) n WHERE concat(m.booking_seen, m.outlook_base, m.booking_base) LIKE '%' || n || '%'))
         UNION ALL
         SELECT to_jsonb(m)::text FROM bridge_mappings m WHERE EXISTS (
           SELECT FROM unnest($1::text[]) n WHERE concat(m.booking_seen, m.outlook_base, m.booking_base) LIKE '%' || n || '%')`,
        [names],
      );
      return rows.map((row) => row.line);
    },
    /** What is not as it must be: shown on one side only, shown twice, or gone although nobody took it away. */
    problems: async (): Promise<string[]> => {
      const inBooking = await fleet.db.query<{ line: string; name: string }>(`
        SELECT format('%s %s–%s %s', i.resource_id, to_char(i.starts_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI'),
          to_char(i.ends_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI'), i.title) AS line, i.title AS name
        FROM bridge_items i JOIN bridge_resource_mappings r ON r.resource_id = i.resource_id AND r.active = 1 WHERE i.active`);
      const inOutlook = resources.flatMap((resource) =>
        tenant
          .eventsIn(upnOf(resource))
          .map(
            (event) => `${resource} ${event.start.slice(0, 16)}–${event.end.slice(0, 16)} ${event.subject}`,
          ),
      );
      const [left, right] = [inBooking.map(({ line }) => line), inOutlook];
      const named = (lines: readonly string[]) =>
        Map.groupBy(lines, (line) => /T\d+\./.exec(line)?.[0] ?? line);
      const shown = named(left);
      return [
        ...left.filter((line) => !right.includes(line)).map((line) => `only booked: ${line}`),
        ...right.filter((line) => !left.includes(line)).map((line) => `only in Outlook: ${line}`),
        ...[...shown].filter(([, lines]) => lines.length > 1).map(([one]) => `twice: ${one}`),
        ...[...things]
          .filter(([one, { removed }]) => !removed && !shown.has(one))
          .map(([one]) => `lost: ${one}`),
      ].sort();
    },
  };
}
