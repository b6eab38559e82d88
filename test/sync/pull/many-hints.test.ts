/** More hints of one room than are read at once. */
import { describe, expect, test } from 'vitest';
import { Retryable } from '../../../src/errors.ts';
import { hintsKeptMost } from '../../../src/sync/hint-limits.ts';
import { markHinted, markRooms } from '../../../src/sync/webhooks/subscription-store.ts';
import { at, both, dinner, open, room, type Rooms } from '../two-way-world.ts';

const named = (eventIds: readonly string[], etag: string | null = null) =>
  eventIds.map((eventId) => ({ eventId, deleted: false, etag }));

const hint = (w: Rooms, events: ReturnType<typeof named>) =>
  markRooms(w.db.pool, [{ id: 1, gapMs: 0, events }]);

const gone = (n: number) => named(Array.from({ length: n }, (_, at) => `gone-${at}`));

/** Those that were not read yet. */
const hinted = async (w: Rooms) =>
  (
    await w.db.query<{ event: string }>(
      'SELECT event_id AS event FROM bridge_hints WHERE misses = 0 ORDER BY 1',
    )
  ).map(({ event }) => event);

/** The room as it is taken now. */
const takeHinted = async (w: Rooms) => (await w.take()).rooms.find(({ id }) => id === 1)!;

test('those that are left are read later, after the other rooms', async () => {
  await using w = await open(undefined, both);
  await hint(w, gone(40));
  await w.drainOne(await takeHinted(w));
  expect(await hinted(w)).toHaveLength(24);
  expect(new Set(w.outlook.reads).size).toBe(16);
  expect(await w.db.query('SELECT FROM bridge_room_state WHERE hinted_at > pulled_at')).toHaveLength(1);
});

test('a settlement of the room meanwhile does not read them earlier', async () => {
  await using w = await open();
  await hint(w, gone(40));
  await w.drainOne(await takeHinted(w));
  await w.db.query(`UPDATE bridge_room_state SET hinted_at = now() + interval '1 hour'`);
  w.outlook.reads.length = 0;
  await w.desk.book(101, { title: 'Choir', from: w.day(3, '18:00'), to: w.day(3, '20:00') });
  await w.settle();
  expect(w.outlook.titles(room)).toEqual(['Choir']);
  expect(w.outlook.reads.filter((id) => id.startsWith('gone'))).toEqual([]);
  expect(await hinted(w)).toHaveLength(24);
});

test('a mapped event is read before unknown ones', async () => {
  await using w = await open();
  const event = w.outlook.put(room, dinner(), null);
  await w.notify();
  await w.settle();
  await hint(w, named([event.id]));
  await hint(w, gone(40));
  w.outlook.edit(event.id, { title: 'Supper' });
  w.outlook.trouble(() => ({ answer: 'page', rows: [], removed: [], nextLink: null, deltaLink: '99' }));
  await w.drainOne(await takeHinted(w));
  expect((await w.reserved()).map(({ item }) => item.title)).toEqual(['Supper']);
});

test('a delta round answers those whose version it shows, and no others', async () => {
  await using w = await open();
  const shown = Array.from({ length: 9 }, () => w.outlook.put(room, dinner(), null));
  await hint(w, [
    ...named(
      shown.map(({ id }) => id),
      'v2',
    ),
    { eventId: 'removed', deleted: true, etag: null },
  ]);
  const read: string[] = [];
  w.outlook.trouble(() => ({
    answer: 'page',
    rows: shown.map((event, n) => ({
      id: event.id,
      type: event.type,
      seriesMasterId: null,
      event: { ...event, etag: n === 0 ? 'v1' : 'v2' },
    })),
    removed: ['removed'],
    nextLink: null,
    deltaLink: '9',
  }));
  w.outlook.meanwhileRead(async () => void read.push(...(await hinted(w))));
  await w.drainOne(await takeHinted(w));
  expect(read).toEqual([shown[0]!.id]);
  expect(await hinted(w)).toEqual([]);
});

test('all remain if the delta round fails', async () => {
  await using w = await open();
  await hint(w, gone(12));
  w.outlook.trouble(() => {
    throw new Error('the daemon was killed');
  });
  const taken = await takeHinted(w);
  await expect(w.drainOne(taken)).rejects.toThrow('killed');
  expect(await hinted(w)).toHaveLength(12);
});

test('they are read although delta rounds fail', async () => {
  await using w = await open();
  const events = Array.from({ length: 9 }, () => w.outlook.put(room, dinner(), null));
  await hint(w, named(events.map(({ id }) => id)));
  w.outlook.trouble(() => {
    throw new Retryable('Graph says 504', { reach: 'room' });
  });
  await w.drainOne(await takeHinted(w));
  expect(await hinted(w)).toHaveLength(9);
  await w.db.query(`UPDATE bridge_room_state SET hinted_at = now(), retry_at = NULL, pull_due_at = now()`);
  await w.drainOne(await takeHinted(w));
  expect(await hinted(w)).toEqual([]);
});

describe('more hints than a room may have', () => {
  const stored = (w: Rooms) => w.db.query<{ event: string }>('SELECT event_id AS event FROM bridge_hints');

  test('become a full scan, which finds what they named', async () => {
    await using w = await open();
    const event = w.outlook.put(room, dinner(), null);
    w.outlook.trouble(() => ({ answer: 'page', rows: [], removed: [], nextLink: null, deltaLink: '9' }));
    await hint(w, gone(hintsKeptMost));
    await hint(w, named([event.id]));
    expect(await stored(w)).toHaveLength(hintsKeptMost + 1);
    expect(await stored(w)).toContainEqual({ event: '' });
    expect(await stored(w)).not.toContainEqual({ event: event.id });
    await w.db.query(`UPDATE bridge_room_state SET baselined_at = now() - interval '1 hour'`);
    await markHinted(w.db.pool);
    w.outlook.reads.length = 0;
    await w.settle();
    expect((await w.reserved()).map(({ item }) => item.title)).toEqual([dinner().title]);
    expect(await stored(w)).not.toContainEqual({ event: '' });
    expect(w.outlook.reads.length).toBeLessThan(100);
  });

  test('in one POST are as few', async () => {
    await using w = await open();
    await hint(w, gone(3 * hintsKeptMost));
    expect(await stored(w)).toHaveLength(hintsKeptMost + 1);
  });

  test('cause one full scan in half a minute, and later another one', async () => {
    await using w = await open();
    await hint(w, gone(hintsKeptMost + 1));
    await markHinted(w.db.pool);
    const [first] = await w.db.query(
      `SELECT compare_at = baselined_at + interval '30 seconds' AS later, pull_due_at <= compare_at AS due FROM bridge_room_state`,
    );
    expect(first).toEqual({ later: true, due: true });
    // a delta round before that time does not forget it
    await w.notify();
    await w.drainOne(await takeHinted(w));
    const [second] = await w.db.query('SELECT pull_due_at <= compare_at AS due FROM bridge_room_state');
    expect(second).toEqual({ due: true });
  });

  test('do not wait for the full scan of the schedule, which is spread over minutes', async () => {
    await using w = await open();
    await hint(w, gone(hintsKeptMost + 1));
    await w.db
      .query(`UPDATE bridge_room_state SET compare_at = now(), next_poll_at = now() + interval '9 minutes',
      baselined_at = now() - interval '1 hour', hinted_at = NULL, sure_at = NULL`);
    await w.db.query(`DELETE FROM bridge_hints WHERE event_id <> ''`);
    await markHinted(w.db.pool);
    await w.settle();
    expect(await stored(w)).toEqual([]);
    expect(await w.db.query('SELECT FROM bridge_room_state WHERE compare_at IS NULL')).toHaveLength(1);
  });

  test('that come during the full scan need another one', async () => {
    await using w = await open();
    await hint(w, gone(hintsKeptMost + 1));
    await w.db.query(`UPDATE bridge_room_state SET baselined_at = now() - interval '1 hour'`);
    await markHinted(w.db.pool);
    w.outlook.whenListed(() => hint(w, named(['more'])).then(() => undefined));
    await w.drainOne(await takeHinted(w));
    expect(await stored(w)).toContainEqual({ event: '' });
    await markHinted(w.db.pool);
    expect(await w.db.query('SELECT FROM bridge_room_state WHERE compare_at > now()')).toHaveLength(1);
  });

  test('of events that are there are answered by the full scan, without a read of each', async () => {
    await using w = await open();
    const events = Array.from({ length: 40 }, (_, n) => {
      const event = w.outlook.put(
        room,
        dinner({ startsAt: at(n + 1, '10:00'), endsAt: at(n + 1, '11:00') }),
        null,
      );
      w.outlook.version(event.id, 'v1');
      return event.id;
    });
    await hint(w, named(events, 'v1'));
    await hint(w, gone(hintsKeptMost));
    // the full scan comes first
    await w.db.query(`UPDATE bridge_room_state SET baselined_at = now() - interval '1 hour', sure_at = NULL,
      hinted_at = now() + interval '1 hour'`);
    await markHinted(w.db.pool);
    w.outlook.reads.length = 0;
    await w.settle();
    const left = new Set((await stored(w)).map(({ event }) => event));
    expect(events.filter((id) => left.has(id))).toEqual([]);
    expect((await w.reserved()).length).toBe(40);
  });
});
