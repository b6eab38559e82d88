/** `plan`: it names what a sync would do, the sync does exactly that, and planning wrote nothing. */
import { expect, test } from 'vitest';
import type { Environment } from '../../src/settings.ts';
import { openWorld, rooms, type WorldOptions } from '../e2e/world.ts';
import { environmentOf } from '../support/settings.ts';
import { cli, runCommand, type Said } from './command-line.ts';
import { at } from '../support/dates.ts';

type World = Awaited<ReturnType<typeof openWorld>>;

interface Item {
  readonly action: string;
  readonly title: string | null;
  readonly reservation_type: string | null;
  readonly reservation_id: number | null;
  readonly outlook_event_id: string | null;
  readonly fields: readonly string[];
  readonly why: string;
  readonly held: boolean;
}
interface PlanOf {
  readonly complete: boolean;
  readonly differs: boolean;
  readonly counts: Readonly<Record<string, number>>;
  readonly equal: number;
  readonly held: number;
  readonly rooms: readonly {
    readonly resource_id: number;
    readonly state: string;
    readonly items: readonly Item[];
  }[];
}

const ask = { CONFLICT_POLICY: 'ask' };

async function open(options: WorldOptions & { readonly env?: Environment } = {}) {
  const env = { ...ask, ...options.env };
  const world = await openWorld({ mapped: [101], ...options, env });
  const run = (...args: readonly string[]): Promise<Said> =>
    runCommand({ ...environmentOf(world.db, world.tenant), ...env }, 'plan', ...args);
  return {
    ...world,
    run,
    plan: async (...args: readonly string[]) => (await run('--json', ...args)).json() as PlanOf,
    /** Brings both sides together and ends. */
    sync: () => synced(world),
  };
}

async function synced(world: World): Promise<void> {
  await world.db.query(
    'UPDATE bridge_room_state SET reconciled_at = NULL, baselined_at = NULL, push_due_at = now(), pull_due_at = now()',
  );
  const daemon = await world.start();
  await world.settled();
  await daemon.stop();
}

const upn = rooms[101]!.upn;
const eventNamed = (world: World, title: string) => {
  const event = world.events(101).find(({ subject }) => subject === title);
  if (event === undefined) throw new Error(`no event is called ${title}`);
  return event;
};

/** All rows of every table that a plan could have touched. */
async function contents(world: World): Promise<Record<string, string>> {
  const tables = await world.db.query<{ name: string }>(
    `SELECT relname AS name FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY 1`,
  );
  const all: Record<string, string> = {};
  for (const { name } of tables) {
    const [row] = await world.db.query<{ text: string }>(
      `SELECT coalesce(string_agg(t::text, E'\\n' ORDER BY t::text), '') AS text FROM ${name} t`,
    );
    all[name] = row!.text;
  }
  return all;
}

const kinds: Readonly<Record<string, string>> = {
  created: 'create',
  updated: 'change',
  deleted: 'delete',
  shadowed: 'delete',
  declined: 'decline',
  imported: 'import',
  joined: 'import',
  'booking-updated': 'change-booking',
  'booking-cancelled': 'cancel-booking',
  adopted: 'adopt',
};

/** What a sync did, in the words of a plan. */
async function done(world: World, mark: number): Promise<string[]> {
  const rows = await world.db.query<{ action: string; what: string; event: string }>(
    `SELECT DISTINCT action, reservation_type || '/' || reservation_id AS what, outlook_event_id AS event
     FROM bridge_log WHERE id > $1 AND action = ANY ($2)`,
    [mark, Object.keys(kinds)],
  );
  const open = await world.db.query<{ what: string | null; event: string }>(
    `SELECT reservation_type || '/' || reservation_id AS what, outlook_event_id AS event FROM bridge_mappings
     WHERE sync_status = 'conflict'`,
  );
  return [
    ...rows.map(
      ({ action, what, event }) => `${kinds[action]!} ${kinds[action] === 'import' ? event : what}`,
    ),
    ...open.map(({ what, event }) => `conflict ${what ?? event}`),
  ].toSorted();
}

const wanted = (plan: PlanOf): string[] =>
  plan.rooms
    .flatMap(({ items }) => items)
    .map((item) =>
      item.reservation_id === null
        ? `${item.action} ${item.outlook_event_id}`
        : `${item.action} ${item.reservation_type}/${item.reservation_id}`,
    )
    .toSorted();

const mark = async (world: World): Promise<number> => {
  const [row] = await world.db.query<{ mark: number }>('SELECT coalesce(max(id), 0) AS mark FROM bridge_log');
  return row!.mark;
};

/** One of every kind of difference, and one thing that is alike. */
async function everything(world: World & { sync(): Promise<void> }): Promise<void> {
  const { desk, tenant, day } = world;
  tenant.addPerson({ upn: 'kari@bergen.example', name: 'Kari' });
  tenant.setAttendant(upn, { mode: 'none', allowConflicts: true });
  const names = ['Alike', 'Moved here', 'Renamed there', 'Called off', 'Deleted there', 'Both'];
  const made = [];
  for (const [on, title] of names.entries())
    made.push(await desk.book(101, { title, from: day(on + 2, '10:00'), to: day(on + 2, '12:00') }));
  const allocation = await desk.allocate(101, { from: day(10, '10:00'), to: day(10, '12:00') });
  tenant.people.invite('kari@bergen.example', [upn], {
    subject: 'Kari invites',
    start: at(12, '10:00'),
    end: at(12, '11:00'),
  });
  tenant.people.respond(upn, eventNamed(world, 'Kari invites').id, 'accepted');
  await world.sync();

  await desk.move(made[1]!, day(3, '14:00'), day(3, '15:00'));
  tenant.people.retitle(upn, eventNamed(world, 'Renamed there').id, 'Another name');
  await desk.cancel(made[3]!);
  tenant.people.remove(upn, eventNamed(world, 'Deleted there').id);
  await desk.retitle(made[5]!, 'Ours');
  tenant.people.retitle(upn, eventNamed(world, 'Both').id, 'Theirs');
  // lies on the whole of an allocation that is shown
  expect(allocation.type).toBe('allocation');
  await desk.book(101, { title: 'On top', from: day(10, '09:00'), to: day(10, '13:00') });
  const [meeting] = await world.db.query<{ id: number }>(
    'SELECT reservation_id AS id FROM bridge_mappings WHERE NOT is_organizer',
  );
  await desk.cancel({ type: 'event', id: meeting!.id });
  tenant.people.book(upn, {
    subject: 'New there',
    start: at(14, '10:00'),
    end: at(14, '11:00'),
  });
  await desk.book(101, { title: 'Taken', from: day(15, '10:00'), to: day(15, '12:00') });
  tenant.people.book(upn, {
    subject: 'Too late',
    start: at(15, '09:30'),
    end: at(15, '10:30'),
  });
  // booked on both sides
  await desk.book(101, { title: 'Twice', from: day(16, '10:00'), to: day(16, '12:00') });
  tenant.people.book(upn, {
    subject: 'Twice',
    start: day(16, '10:00').replace(' ', 'T'),
    end: day(16, '12:00').replace(' ', 'T'),
    timeZone: 'W. Europe Standard Time',
  });
}

test(
  'every kind of difference is named, the plan writes nothing, and the sync then does exactly that',
  { timeout: 120_000 },
  async () => {
    await using world = await open();
    await everything(world);
    const before = await contents(world);
    const calls = world.tenant.journal.at(-1)!.seq;
    const said = await world.run('--json');
    const plan = said.json() as PlanOf;
    expect(said.code).toBe(2);
    expect(await contents(world)).toEqual(before);
    const planning = world.tenant.journal.filter(({ seq, path }) => seq > calls && !path.includes('token'));
    expect(planning.length).toBeGreaterThan(0);
    expect(planning.filter(({ method }) => method !== 'GET')).toEqual([]);

    const titles = (action: string) =>
      plan.rooms[0]!.items.filter((item) => item.action === action).map(({ title }) => title);
    expect(titles('create')).toEqual(['On top', 'Taken']);
    expect(titles('change')).toContain('Moved here');
    expect(titles('delete')).toHaveLength(2);
    expect(titles('decline')).toHaveLength(1);
    expect(titles('import')).toEqual(['New there']);
    expect(titles('change-booking')).toEqual(['Renamed there']);
    expect(titles('cancel-booking')).toEqual(['Deleted there']);
    expect(titles('adopt')).toEqual(['Twice']);
    expect(titles('conflict')).toEqual(['Ours', 'Too late']);
    expect(plan.equal).toBe(1);

    const since = await mark(world);
    await world.sync();
    expect(await done(world, since)).toEqual(wanted(plan));
  },
);

test(
  'once both sides are equal there is nothing to do, and the exit code reports it',
  { timeout: 60_000 },
  async () => {
    await using world = await open();
    await world.desk.book(101, { title: 'Choir', from: world.day(2, '10:00'), to: world.day(2, '12:00') });
    expect((await world.run()).code).toBe(2);
    await world.sync();
    const said = await world.run();
    expect(said.out).toContain('Nothing to do: 1 equal on both sides.');
    expect(said.code).toBe(0);
  },
);

test(
  'a table for people has the action, the time, the reservation and the reason',
  { timeout: 60_000 },
  async () => {
    await using world = await open();
    await world.desk.book(101, { title: 'Choir', from: world.day(2, '10:00'), to: world.day(2, '12:00') });
    const { out } = await world.run();
    expect(out).toContain('Formannskapssalen (resource 101, formannskapssalen@bergen.example)');
    expect(out).toMatch(
      /create in Outlook +\d{4}-\d\d-\d\d 10:00 +\d{4}-\d\d-\d\d 12:00 +Choir +event\/\d+ +it is not in Outlook yet/,
    );
    expect(out).toContain('Nothing was written.');
  },
);

test('removals that the brake would hold are marked, and are held', { timeout: 60_000 }, async () => {
  await using world = await open();
  for (let on = 2; on < 6; on += 1)
    await world.desk.book(101, { title: `B${on}`, from: world.day(on, '10:00'), to: world.day(on, '12:00') });
  await world.sync();
  for (const event of world.events(101)) world.tenant.people.remove(upn, event.id);
  const plan = await world.plan();
  expect(plan.held).toBe(4);
  expect(plan.rooms[0]!.items.map(({ action, held }) => [action, held])).toEqual(
    Array.from({ length: 4 }, () => ['cancel-booking', true]),
  );
  await world.sync();
  expect(await world.db.query(`SELECT FROM bridge_mappings WHERE sync_status = 'conflict'`)).toHaveLength(4);
});

test('no call is made to a room that a daemon works on', { timeout: 60_000 }, async () => {
  await using world = await open({ mapped: [101, 102] });
  const client = await world.db.pool.connect();
  try {
    await client.query(
      'SELECT pg_advisory_lock(7230911, id) FROM bridge_resource_mappings WHERE resource_id = 101',
    );
    const said = await world.run('--json');
    const plan = said.json() as PlanOf;
    expect(said.code).toBe(1);
    expect(plan.rooms.map(({ state }) => state)).toEqual(['busy', 'planned']);
    expect(world.tenant.journal.filter(({ path }) => path.includes(upn))).toEqual([]);
  } finally {
    client.release(true);
  }
});

test('a mailbox that cannot be read fails only its own room', { timeout: 60_000 }, async () => {
  await using world = await open({ mapped: [101, 102] });
  await world.db.query(
    `UPDATE bridge_resource_mappings SET outlook_item_id = 'nobody@bergen.example' WHERE resource_id = 102`,
  );
  const said = await world.run('--json');
  expect(said.code).toBe(1);
  expect((said.json() as PlanOf).rooms.map(({ state }) => state)).toEqual(['planned', 'failed']);
});

test('one room is planned alone, and an unmapped resource is refused', { timeout: 60_000 }, async () => {
  await using world = await open({ mapped: [101, 102] });
  expect((await world.plan('--room', '102')).rooms.map((room) => room.resource_id)).toEqual([102]);
  const said = await world.run('--room', '999');
  expect(said.code).toBe(64);
  expect(said.err).toContain('Resource 999 is not mapped to an active room.');
});

test(
  'while Graph is unavailable each room reports it, and the exit code is that of a failure',
  { timeout: 60_000 },
  async () => {
    await using world = await open({ mapped: [101, 102], env: { GRAPH_AUTHORITY: 'http://127.0.0.1:1' } });
    const said = await world.run('--json');
    expect(said.code).toBe(1);
    const { rooms: read, complete } = said.json() as PlanOf;
    expect(complete).toBe(false);
    expect(read.map(({ state }) => state)).toEqual(['failed', 'failed']);
  },
);

test(
  'with IMPORT_MODE=manual an import waits for a person; with OVERLAP_POLICY=import a taken time is no conflict',
  { timeout: 60_000 },
  async () => {
    await using world = await open({ env: { OVERLAP_POLICY: 'import' } });
    await world.desk.book(101, { title: 'Choir', from: world.day(2, '10:00'), to: world.day(2, '12:00') });
    world.tenant.people.book(upn, {
      subject: 'On it',
      start: at(2, '09:30'),
      end: at(2, '10:30'),
    });
    expect((await world.plan()).counts).toMatchObject({ create: 1, import: 1, conflict: 0, waiting: 0 });
    const manual = { ...environmentOf(world.db, world.tenant), IMPORT_MODE: 'manual' };
    expect((await cli(manual, 'plan', '--json')).json().counts).toMatchObject({
      create: 1,
      import: 0,
      waiting: 1,
    });
  },
);

test('a covered reservation appears when its cover goes or is refused', { timeout: 60_000 }, async () => {
  await using world = await open();
  const { desk, day } = world;
  for (const on of [3, 5, 7]) {
    if (on < 7) await desk.allocate(101, { from: day(on, '10:00'), to: day(on, '12:00') });
    await desk.book(101, { title: `On ${on}`, from: day(on, '10:00'), to: day(on, '12:00') });
  }
  await world.sync();
  world.tenant.people.remove(upn, eventNamed(world, 'On 3').id);
  world.tenant.people.move(upn, eventNamed(world, 'On 5').id, {
    start: at(6, '10:00'),
    end: at(6, '11:00'),
  });
  // as Outlook leaves it when it refuses to create it
  const shown = eventNamed(world, 'On 7').id;
  await world.db
    .query(`UPDATE bridge_mappings SET sync_status = 'pending', revision = revision + 1 WHERE outlook_event_id = '${shown}';
    UPDATE bridge_mappings SET sync_status = 'error', outlook_event_id = NULL, revision = revision + 1
    WHERE outlook_event_id = '${shown}'`);
  world.tenant.people.remove(upn, eventNamed(world, 'On 7').id);
  await desk.allocate(101, { from: day(7, '10:00'), to: day(7, '12:00') });
  const plan = await world.plan();
  expect(plan.counts).toMatchObject({ create: 3, 'cancel-booking': 1, 'change-booking': 1, waiting: 1 });
  const since = await mark(world);
  await world.sync();
  expect(await done(world, since)).toEqual(wanted(plan).filter((line) => !line.startsWith('waiting')));
});

test(
  'a room of either one-way direction gets only the actions of its direction',
  { timeout: 60_000 },
  async () => {
    await using world = await open({ mapped: [101, 102] });
    await world.db.query(
      `UPDATE bridge_resource_mappings SET sync_direction = CASE resource_id WHEN 101 THEN 'booking_to_outlook' ELSE 'outlook_to_booking' END`,
    );
    for (const room of [101, 102]) {
      await world.desk.book(room, { title: 'Choir', from: world.day(2, '10:00'), to: world.day(2, '12:00') });
      world.tenant.people.book(rooms[room]!.upn, {
        subject: 'New',
        start: at(5, '10:00'),
        end: at(5, '11:00'),
      });
    }
    const plan = await world.plan();
    expect(plan.rooms.map(({ items }) => items.map(({ action }) => action))).toEqual([
      ['create'],
      ['import'],
    ]);
    const since = await mark(world);
    await world.sync();
    expect(await done(world, since)).toEqual(wanted(plan));
  },
);

test(
  'after the loss of the mappings, events with our properties are recognised, and none is created twice',
  { timeout: 60_000 },
  async () => {
    await using world = await open();
    for (const on of [2, 3])
      await world.desk.book(101, {
        title: `B${on}`,
        from: world.day(on, '10:00'),
        to: world.day(on, '12:00'),
      });
    await world.sync();
    await world.db.query('DELETE FROM bridge_mappings');
    const plan = await world.plan();
    expect(plan.counts).toMatchObject({ adopt: 2, create: 0, import: 0, delete: 0 });
    const since = await mark(world);
    await world.sync();
    expect(await done(world, since)).toEqual(wanted(plan));
  },
);
