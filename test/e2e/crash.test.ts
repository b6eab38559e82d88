import { describe, expect, test } from 'vitest';
import { createRandom } from '../support/random.ts';
import { day, openFleet, upnOf, type Child, type Fleet } from './fleet.ts';

type Desk = Fleet['desk'];
type Booked = Awaited<ReturnType<Desk['book']>>;

const choir = { title: 'Kammerkoret', from: day(2, '18:00'), to: day(2, '20:00') };

/** The event of a create shows neither the time nor the title that the reservation has at its end. */
async function cancelAsAnother(desk: Desk, booked: Booked): Promise<void> {
  await desk.retitle(booked, 'Domkoret');
  await desk.move(booked, day(4, '18:00'), day(4, '20:00'));
  await desk.cancel(booked);
}

/** What the clerk does that makes one write to Graph, and how the clerk takes it back. */
const writes = {
  create: {
    method: 'POST',
    before: (desk: Desk, _settled: () => Promise<void>) => desk.book(501, { ...choir, title: 'Before' }),
    act: (desk: Desk) => desk.book(501, { ...choir, from: day(3, '18:00'), to: day(3, '20:00') }),
    undo: cancelAsAnother,
  },
  change: {
    method: 'PATCH',
    before: (desk: Desk) => desk.book(501, choir),
    act: async (desk: Desk, booked: Booked) => {
      await desk.retitle(booked, 'Domkoret');
      return booked;
    },
    undo: (desk: Desk, booked: Booked) => desk.retitle(booked, choir.title),
  },
  deletion: {
    method: 'DELETE',
    before: (desk: Desk) => desk.book(501, choir),
    act: async (desk: Desk, booked: Booked) => {
      await desk.cancel(booked);
      return booked;
    },
    undo: (desk: Desk, booked: Booked) => desk.reenable(booked),
  },
  're-creation': {
    method: 'POST',
    before: async (desk: Desk, settled: () => Promise<void>) => {
      const booked = await desk.book(501, choir);
      await settled();
      await desk.cancel(booked);
      return booked;
    },
    act: async (desk: Desk, booked: Booked) => {
      await desk.reenable(booked);
      return booked;
    },
    undo: cancelAsAnother,
  },
} as const;

type Kind = keyof typeof writes;

type Act = () => Promise<Booked>;

/** Points of one write at which a daemon dies. Each lets the clerk act and resolves when the daemon is dead. */
const points = {
  'before Graph applies it': async (fleet: Fleet, victim: Child, method: string, act: Act) => {
    const fault = fleet.tenant.faults.add({ match: { method }, action: { do: 'hang' } });
    const booked = await act();
    await fleet.tenant.until((entry) => entry.method === method && entry.lost);
    fleet.tenant.faults.remove(fault);
    await kill(victim);
    return booked;
  },
  'after Graph applied it and before it answers': async (
    fleet: Fleet,
    victim: Child,
    method: string,
    act: Act,
  ) => {
    const shown = () => JSON.stringify(fleet.events(501));
    const before = shown();
    const fault = fleet.tenant.faults.add({ match: { method }, action: { do: 'delayAnswer', ms: 2_000 } });
    const booked = await act();
    await fleet.until('SELECT 0 AS answer', () => shown() !== before);
    fleet.tenant.faults.remove(fault);
    await kill(victim);
    return booked;
  },
  'after the answer and before it is written down': async (
    fleet: Fleet,
    victim: Child,
    method: string,
    act: Act,
  ) => {
    const fault = fleet.tenant.faults.add({ match: { method }, action: { do: 'delay', ms: 150 } });
    const booked = await act();
    await fleet.until(
      // a deletion is noted before it is sent, which waits for the same lock
      method === 'DELETE'
        ? "SELECT count(*) AS answer FROM bridge_mappings WHERE event_intent = 'remove'"
        : 'SELECT count(*) AS answer FROM bridge_room_state WHERE lease_owner IS NOT NULL',
      (held) => held === 1,
    );
    // the holder of this lock is alone: the daemon waits for it with its result
    const client = await fleet.db.pool.connect();
    await client.query('SELECT pg_advisory_lock(7230912, 2)');
    await fleet.until(`SELECT count(*) AS answer ${settling}`, (waiting) => waiting > 0);
    fleet.tenant.faults.remove(fault);
    await kill(victim);
    // PostgreSQL would finish what it was asked
    await fleet.db.query(`SELECT pg_terminate_backend(pid) ${settling}`);
    await fleet.until(`SELECT count(*) AS answer ${settling}`, (waiting) => waiting === 0);
    client.release(true);
    return booked;
  },
};

const settling = `FROM pg_stat_activity WHERE datname = current_database() AND query ~ 'bridge_(settle|attach)'
  AND wait_event = 'advisory' AND pid <> pg_backend_pid()`;

async function kill(victim: Child): Promise<void> {
  victim.signal('SIGKILL');
  await victim.ended;
}

describe.each(Object.keys(points) as (keyof typeof points)[])('a daemon killed %s', (point) => {
  test.each(Object.keys(writes) as Kind[])('of a %s: the next one finishes it, once', async (kind) => {
    await using fleet = await openFleet({ rooms: 1 });
    const { method, before, act } = writes[kind];
    const victim = await fleet.start();
    const booked = await before(fleet.desk, fleet.settled);
    await fleet.settled();
    await points[point](fleet, victim, method, () => act(fleet.desk, booked));
    await fleet.start();
    await fleet.settled();
    await fleet.expectEqual();
  });

  test.each(Object.keys(writes) as Kind[])(
    'of a %s that the clerk then takes back: Outlook shows the last word',
    async (kind) => {
      await using fleet = await openFleet({ rooms: 1 });
      const { method, before, act, undo } = writes[kind];
      const victim = await fleet.start();
      const booked = await before(fleet.desk, fleet.settled);
      await fleet.settled();
      const changed = await points[point](fleet, victim, method, () => act(fleet.desk, booked));
      await undo(fleet.desk, changed);
      await fleet.start();
      await fleet.settled();
      await fleet.expectEqual();
    },
  );
});

describe('an event whose deletion is undone in Outlook after the clerk moved its reservation, which has another one,', () => {
  const moved = { from: day(3, '10:00'), to: day(3, '12:00') };
  /** The room is read as after a notification. */
  const heard = async (fleet: Fleet) => {
    await fleet.db.query('UPDATE bridge_room_state SET pull_due_at = now()');
    await fleet.db.query("SELECT pg_notify('bridge_changes', '')");
  };

  async function replaced(fleet: Fleet) {
    const booked = await fleet.desk.book(501, choir);
    await fleet.settled();
    const [event] = fleet.events(501);
    // the deletion is reported when the reservation has changed already
    fleet.tenant.people.remove(upnOf(501), event!.id);
    await fleet.desk.move(booked, moved.from, moved.to);
    await heard(fleet);
    await fleet.until('SELECT 0 AS answer', () => fleet.events(501).some(({ id }) => id !== event!.id));
    await fleet.settled();
    return { booked, event: event! };
  }

  test.each(Object.keys(points) as (keyof typeof points)[])(
    'has it again, once, though the daemon is killed %s of the removal of the other one',
    async (point) => {
      await using fleet = await openFleet({ rooms: 1 });
      const victim = await fleet.start();
      const { booked, event } = await replaced(fleet);
      fleet.tenant.people.restore(upnOf(501), event.id);
      await points[point](fleet, victim, 'DELETE', async () => {
        await heard(fleet);
        return booked;
      });
      await fleet.start();
      await fleet.settled();
      await fleet.expectEqual();
      expect(fleet.events(501).map(({ id }) => id)).toEqual([event.id]);
    },
  );
});

const applied = [
  'after Graph applied it and before it answers',
  'after the answer and before it is written down',
] as const;

describe.each(['booking', 'outlook', 'newest'])('with CONFLICT_POLICY %s', (policy) => {
  const open = () => openFleet({ rooms: 1, env: { CONFLICT_POLICY: policy } });
  const { method, before, act } = writes.change;
  const expectTitle = async (fleet: Fleet, title: string) => {
    await fleet.settled();
    await fleet.expectEqual();
    expect(fleet.events(501).map(({ subject }) => subject)).toEqual([title]);
  };

  describe.each([
    ['another title', 'Oslo Domkor'],
    ['the former title', choir.title],
  ])('the clerk gives it %s', (_, title) => {
    test.each(applied)('after a daemon was killed %s of a change: that is the last word', async (point) => {
      await using fleet = await open();
      const victim = await fleet.start();
      const booked = await before(fleet.desk);
      await fleet.settled();
      await points[point](fleet, victim, method, () => act(fleet.desk, booked));
      await fleet.desk.retitle(booked, title);
      await fleet.start();
      await expectTitle(fleet, title);
    });

    test('after the answer to a change was lost: that is the last word', async () => {
      await using fleet = await open();
      await fleet.start();
      const booked = await before(fleet.desk);
      await fleet.settled();
      const fault = fleet.tenant.faults.add({ match: { method }, action: { do: 'dropAnswer' } });
      await act(fleet.desk, booked);
      await fleet.tenant.until((entry) => entry.method === method && entry.lost);
      await fleet.desk.retitle(booked, title);
      fleet.tenant.faults.remove(fault);
      await expectTitle(fleet, title);
    });
  });
});

describe('of two daemons, one killed', () => {
  test('in the middle of a backlog: the other one takes its rooms, nothing is doubled or lost', async () => {
    await using fleet = await openFleet({ rooms: 12, latencyMs: 15 });
    const [first] = [await fleet.start(), await fleet.start()];
    await fleet.settled();
    await fleet.bookMany(240);
    const written = () => fleet.tenant.journal.filter((entry) => entry.status === 201).length;
    await fleet.tenant.until(() => written() >= 60);
    first.signal('SIGKILL');
    await fleet.settled();
    await fleet.expectEqual();
  });

  test('with a single change in flight: the other one makes it', async () => {
    await using fleet = await openFleet({ rooms: 2 });
    const daemons = [await fleet.start(), await fleet.start()];
    await fleet.settled();
    const fault = fleet.tenant.faults.add({
      match: { method: 'POST', mailbox: upnOf(501) },
      action: { do: 'hang' },
    });
    await fleet.desk.book(501, choir);
    await fleet.tenant.until((entry) => entry.method === 'POST' && entry.lost);
    const holder = await fleet.holder(501);
    fleet.tenant.faults.remove(fault);
    daemons.find((daemon) => daemon.replica === holder)!.signal('SIGKILL');
    await fleet.tenant.until((entry) => entry.method === 'POST' && entry.status === 201);
    await fleet.settled();
    await fleet.expectEqual();
  });
});

test('killed again and again in several hundred pushes, each time somewhere else: nothing is lost or doubled', async () => {
  const seed = Number(process.env['SEED'] ?? 20_261_121);
  await using fleet = await openFleet({ rooms: 8, latencyMs: 4, env: { BRAKE_MAX: '0' } });
  const random = createRandom(seed);
  const pick = <T>(of: readonly T[]): T => of[Math.floor(random() * of.length)]!;
  const daemons: Child[] = [await fleet.start(), await fleet.start()];
  const booked: Booked[] = [];
  const step = async (n: number) => {
    const from = day(2 + (n % 300), `${String(8 + (n % 10)).padStart(2, '0')}:00`);
    const chance = random();
    if (booked.length < 10 || chance < 0.5)
      booked.push(
        await fleet.desk.book(pick(fleet.resources), {
          title: `Møte ${n}`,
          from,
          to: from.replace(':00', ':45'),
        }),
      );
    else if (chance < 0.75) await fleet.desk.retitle(pick(booked), `Nytt navn ${n}`);
    else if (chance < 0.85) await fleet.desk.cancel(pick(booked));
    else if (chance < 0.92) await fleet.desk.reenable(pick(booked));
    else await fleet.desk.move(pick(booked), from, from.replace(':00', ':30'));
  };
  for (let n = 0; n < 480; n += 1) {
    await step(n);
    if (n % 40 !== 39) continue;
    const victim = Math.floor(random() * 2);
    await kill(daemons[victim]!);
    daemons[victim] = await fleet.start();
  }
  await fleet.settled();
  await fleet.expectEqual();
  expect(daemons.flatMap(({ facts }) => facts.filter((fact) => fact.fact === 'bug'))).toEqual([]);
}, 240_000);
