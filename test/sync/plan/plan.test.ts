/** What a plan says of what Exchange, people and a database really do; `plan-property.test.ts` has the random worlds. */
import { describe, expect, test } from 'vitest';
import { openSession } from '../../../src/database.ts';
import { Permanent } from '../../../src/errors.ts';
import { isWaitedFor, rolledBack } from '../../../src/sync/plan/rolled-back.ts';
import { failed } from '../outlook-in-memory.ts';
import { untilTrue } from '../../support/until.ts';
import { linesOf, mailboxOf, openStory, syncedLines, type Policy } from './plan-world.ts';
import { at } from '../../support/dates.ts';
import { dinner } from '../two-way-world.ts';

const room = mailboxOf(101);
const other = mailboxOf(102);

/** Two rooms in step with Outlook. */
async function open(policy: Partial<Policy> = {}) {
  const w = await openStory({
    conflict: 'booking',
    overlap: 'flag',
    importMode: 'auto',
    brake: { max: 10, share: 0.2 },
    ...policy,
  });
  await w.settle();
  const book = (title: string, on: number, resource: number | readonly number[] = 101) =>
    w.desk.book(resource, { title, from: w.day(on, '10:00'), to: w.day(on, '12:00') });
  return { ...w, book };
}
type World = Awaited<ReturnType<typeof open>>;

const on = (days: number, title = 'Dinner') =>
  dinner({ title, startsAt: at(days, '15:00'), endsAt: at(days, '17:00') });

/** The plan, which is what the sync then does. */
async function planned(w: World): Promise<string[]> {
  const lines = linesOf(await w.plan());
  expect(await syncedLines(w)).toEqual(lines);
  return lines;
}

describe('whose event it is', () => {
  test('an event that took the place of one that is gone, as the same meeting, gets its reservation', async () => {
    await using w = await open();
    const before = w.outlook.put(room, on(3), null);
    await w.settle();
    await w.notify();
    await w.settle();
    const [{ id } = { id: 0 }] = await w.reserved();
    w.outlook.remove(before.id);
    const after = w.outlook.put(room, on(3, 'Banquet'), null);
    w.outlook.alter(after.id, { iCalUId: before.iCalUId });
    expect(await planned(w)).toEqual([`101 adopt event/${id}`, `101 change-booking event/${id}`]);
  });

  test('an event in the place of a deleted one is imported, and is no conflict with what goes', async () => {
    await using w = await open();
    const before = w.outlook.put(room, on(3), null);
    await w.notify();
    await w.settle();
    const [{ id } = { id: 0 }] = await w.reserved();
    w.outlook.remove(before.id);
    const after = w.outlook.put(room, on(3, 'Banquet'), null);
    expect(await planned(w)).toEqual([`101 cancel-booking event/${id}`, `101 import ${after.id}`]);
  });

  test('the event of a create whose answer was lost is recognised, and is no import', async () => {
    await using w = await open();
    const { id } = await w.book('Choir', 3);
    const item = dinner({
      title: 'Choir',
      description: '',
      startsAt: at(3, '10:00'),
      endsAt: at(3, '12:00'),
    });
    w.outlook.put(room, item, { type: 'event', id });
    expect(await planned(w)).toEqual([`101 adopt event/${id}`]);
  });

  test("a copy that carries a reservation's properties at another time under another title is an event of its own", async () => {
    await using w = await open();
    const { id } = await w.book('Choir', 3);
    await w.settle();
    await w.desk.cancel({ type: 'event', id });
    await w.settle();
    await w.desk.reenable({ type: 'event', id });
    const copy = w.outlook.put(room, on(5, 'Party'), { type: 'event', id });
    expect(await planned(w)).toEqual([`101 create event/${id}`, `101 import ${copy.id}`]);
  });
});

describe('the brake', () => {
  const series = (w: World, times: number, onDay: (n: number) => number, title = 'Yoga') =>
    Array.from({ length: times }, (_, n) => {
      const event = w.outlook.put(room, on(onDay(n), title), null);
      const originalStart = at(onDay(n), '15:00');
      w.outlook.alter(event.id, {
        seriesMasterId: 'master',
        type: 'occurrence',
        originalStart,
        iCalUId: `yoga-${event.id}`,
      });
      return event;
    });

  test('a series that is deleted as a whole is one deed, and nothing of it is held', async () => {
    await using w = await open();
    const all = series(w, 20, (n) => 2 + n);
    for (let n = 0; n < 10; n += 1) await w.book(`B${n}`, 2 + n);
    await w.notify();
    await w.settle();
    for (const { id } of all) w.outlook.remove(id);
    const plan = await w.plan();
    expect(plan).toMatchObject({ held: 0, counts: { 'cancel-booking': 20, create: 0 } });
    expect(await syncedLines(w)).toEqual(linesOf(plan));
  });

  test('a series whose day is moved moves its reservations, and makes none', async () => {
    await using w = await open();
    const all = series(w, 12, (n) => 2 + 7 * n);
    await w.notify();
    await w.settle();
    for (const { id } of all) w.outlook.remove(id);
    series(w, 12, (n) => 3 + 7 * n);
    const plan = await w.plan();
    expect(plan).toMatchObject({
      held: 0,
      counts: { adopt: 12, 'change-booking': 12, 'cancel-booking': 0, import: 0 },
    });
    expect(await syncedLines(w)).toEqual(linesOf(plan));
  });

  test('what is too much only over all rooms is held in each of them', async () => {
    await using w = await open({ brake: { max: 3, share: 0.2 } });
    for (let n = 0; n < 4; n += 1) for (const of of [101, 102]) await w.book(`B${n}`, 3 + n, of);
    await w.settle();
    for (const of of [room, other]) for (const { id } of w.outlook.in(of).slice(0, 2)) w.outlook.remove(id);
    const plan = await w.plan();
    expect(plan.rooms.map(({ held, counts }) => [held, counts['cancel-booking']])).toEqual([
      [2, 2],
      [2, 2],
    ]);
  });
});

describe('rooms and mailboxes', () => {
  test('a mailbox that was made anew is shown everything again, and nothing is cancelled', async () => {
    await using w = await open();
    const made = [await w.book('Choir', 3), await w.book('Board', 4)];
    w.outlook.identify(room, 'object-1');
    await w.settle();
    w.outlook.makeAnew(room);
    w.outlook.identify(room, 'object-2');
    expect(linesOf(await w.plan())).toEqual(made.map(({ id }) => `101 create event/${id}`));
  });

  test('a room that another installation has claimed says so, and what to do', async () => {
    await using w = await open();
    await w.book('Choir', 3);
    w.outlook.claims.set(room, JSON.stringify({ installation: 'another', resource: 7, number: 1 }));
    expect((await w.plan()).rooms[0]).toMatchObject({
      state: 'failed',
      error: expect.stringContaining('the claim of installation another, resource 7'),
      hint: expect.stringContaining('claim 101'),
      items: [],
    });
  });

  test('of two rows that map one mailbox the later one is held', async () => {
    await using w = await open();
    await w.db.query("UPDATE bridge_resource_mappings SET outlook_object_id = 'one'");
    expect((await w.plan()).rooms).toMatchObject([
      { state: 'planned' },
      { state: 'failed', error: expect.stringContaining('are mapped to the same mailbox') },
    ]);
  });

  test('a database that was set back is planned, since a person confirms what the plan says, and no number is given away', async () => {
    await using w = await open();
    const { id } = await w.book('Choir', 3);
    const claim = JSON.parse(w.outlook.claims.get(room)!) as { number: number };
    w.outlook.claims.set(room, JSON.stringify({ ...claim, number: claim.number + 100 }));
    const numbers = () => w.db.query('SELECT last_value FROM bridge_claim_seq');
    const before = await numbers();
    expect(linesOf(await w.plan())).toEqual([`101 create event/${id}`]);
    expect(await numbers()).toEqual(before);
    expect(await w.db.query("SELECT FROM bridge_settings WHERE name = 'set_back'")).toEqual([]);
  });

  test('one meeting that invited two rooms is one reservation', async () => {
    await using w = await open();
    for (const of of [room, other]) w.outlook.invite(of, on(3), { iCalUId: 'meeting' });
    const plan = await w.plan();
    expect(plan.rooms.map(({ items }) => items.map(({ action, why }) => [action, why]))).toEqual([
      [['import', 'it is in Outlook only']],
      [['import', `it is in Outlook only; one reservation together with ${room}`]],
    ]);
    expect(await syncedLines(w)).toEqual(linesOf(plan));
  });

  test('what is moved in one of its rooms is moved in the others', async () => {
    await using w = await open();
    const { id } = await w.book('Choir', 3, [101, 102]);
    await w.settle();
    w.outlook.edit(w.outlook.in(room)[0]!.id, { startsAt: at(5, '10:00'), endsAt: at(5, '12:00') });
    expect(await planned(w)).toEqual([`101 change-booking event/${id}`, `102 change event/${id}`]);
  });
});

describe('what failed before', () => {
  const full = new Permanent('Graph says 403 ErrorQuotaExceeded', { reach: 'item', refusedFor: 'quota' });
  const never = new Permanent('Graph says 400 ErrorInvalidRequest', { reach: 'item' });

  test('a create that waits for room in a full mailbox is a create', async () => {
    await using w = await open();
    w.outlook.fail((write) => (write.do === 'create' ? failed(full) : null));
    const made = [await w.book('Choir', 3), await w.book('Board', 4)];
    await w.settle();
    w.outlook.fail(null);
    expect(await planned(w)).toEqual(made.map(({ id }) => `101 create event/${id}`));
  });

  test('a create that Outlook refuses for good waits, and what lies beneath it is shown', async () => {
    await using w = await open();
    w.outlook.fail((write) => (write.do === 'create' && write.item.title === 'Choir' ? failed(never) : null));
    const above = await w.book('Choir', 3);
    await w.settle();
    const below = await w.desk.allocate(101, { from: w.day(3, '10:00'), to: w.day(3, '12:00') });
    expect(await planned(w)).toEqual([`101 create allocation/${below.id}`, `101 waiting event/${above.id}`]);
  });

  test('a change that Outlook refuses is a conflict', async () => {
    await using w = await open();
    const made = await w.book('Choir', 3);
    await w.settle();
    w.outlook.fail((write) => (write.do === 'change' ? failed(never) : null));
    await w.desk.move(made, w.day(4, '10:00'), w.day(4, '12:00'));
    await w.settle();
    const [line] = (await w.plan()).rooms[0]!.items;
    expect(line).toMatchObject({
      action: 'conflict',
      reservation_id: made.id,
      why: expect.stringContaining('ErrorInvalidRequest'),
      fields: ['starts_at', 'ends_at'],
    });
    // the clerk moves it again, which Outlook may take
    await w.desk.move(made, w.day(5, '10:00'), w.day(5, '12:00'));
    w.outlook.fail(null);
    expect(await planned(w)).toEqual([`101 change event/${made.id}`]);
  });
});

describe('a plan keeps no other work waiting', () => {
  test('it notices who waits for what it has locked, and lets go of that', async () => {
    await using w = await open();
    const made = await w.book('Choir', 3);
    const ours = await openSession(w.db.config, 'a plan');
    const clerk = await openSession(w.db.config, 'a clerk');
    let written: Promise<unknown> = Promise.resolve();
    await rolledBack(ours.session, async (db) => {
      await db.query('UPDATE bb_event SET active = 0 WHERE id = $1', [made.id]);
      expect(await isWaitedFor(db)).toBe(false);
      written = clerk.session.query('UPDATE bb_event SET name = $2 WHERE id = $1', [made.id, 'Opera']);
      // locks of a transaction belong to no database, and the server has others
      await untilTrue(
        w.db,
        `EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock')`,
      );
      expect(await isWaitedFor(db)).toBe(true);
    });
    await written;
    expect(await w.db.query('SELECT name, active FROM bb_event')).toEqual([{ name: 'Opera', active: 1 }]);
    await ours.close();
    await clerk.close();
  });

  test('a room in which users write all the time is busy', async () => {
    await using w = await open();
    await w.book('Choir', 3);
    await w.fold();
    const client = await w.db.pool.connect();
    await client.query('BEGIN; UPDATE bridge_mappings SET lane = 1');
    const plan = await w.plan();
    await client.query('ROLLBACK');
    client.release();
    expect(plan.rooms).toMatchObject([
      {
        state: 'busy',
        error: 'Other sessions constantly write to rows that a sync of this room would write.',
      },
      { state: 'planned' },
    ]);
  });

  test('a statement that fails fails alone, and nothing stays', async () => {
    await using w = await open();
    const { session, close } = await openSession(w.db.config, 'a plan');
    const run = rolledBack(session, async (db) => {
      await db.query("INSERT INTO bridge_settings VALUES ('one', '1')");
      await Promise.allSettled([
        db.query('SELECT 1 / 0'),
        db.query("INSERT INTO bridge_settings VALUES ('two', '2')"),
      ]);
      const { rows } = await db.query(
        "SELECT name FROM bridge_settings WHERE name IN ('one', 'two') ORDER BY 1",
      );
      expect(rows).toEqual([{ name: 'one' }, { name: 'two' }]);
      throw new Error('the plan fails');
    });
    await expect(run).rejects.toThrow('the plan fails');
    expect(await w.db.query("SELECT FROM bridge_settings WHERE name IN ('one', 'two')")).toEqual([]);
    await close();
  });
});
