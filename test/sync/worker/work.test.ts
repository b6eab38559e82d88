import { migrateCommand } from '../../../src/command-name.ts';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test, vi } from 'vitest';
import { Agent } from 'undici';
import { DatabaseError } from 'pg';
import type { BookedItem } from '../../../src/appearance.ts';
import type { Fact } from '../../../src/facts.ts';
import type { LeasedRoom, Taken } from '../../../src/sync/store/work-list.ts';
import { EarlyQuery } from '../../../src/database.ts';
import { Retryable } from '../../../src/errors.ts';
import { answerEarly } from '../../support/early.ts';
import type { SentInRoom } from '../../../src/sync/store/sent.ts';
import { afterRecord, createWork, type WorkOptions } from '../../../src/sync/worker/loop.ts';

type Answer = Omit<Taken, 'recorded'>;

/** A statement of the lease session. */
interface Asked {
  readonly name: string;
  readonly values: readonly unknown[];
}

/** The answer to a statement: of a take, with these rooms; else `value`. */
function answered(asked: object, answer: Answer, value: unknown = null) {
  if (asked instanceof EarlyQuery) answerEarly(asked, { answer });
  const { name, values } = asked as { readonly name?: string; readonly values?: readonly unknown[] };
  return { rows: [name === 'bridge_release_rooms' ? { released: values![0] } : { value }] };
}

const none: Answer = { folded: 0, rooms: [], stopped: [], more: false };

const roomOf = (id: number) =>
  ({ id, name: `Room ${id}`, resourceId: id, attempt: 0, epoch: 1, due: [] }) as unknown as LeasedRoom;

const drained = { rest: null, outage: null, answered: true };

/** A lease session that answers as `query` does, and ends when `lost` aborts. */
const sessionOf = (query: (asked: Asked) => Promise<unknown>, lost = new AbortController().signal) => ({
  session: { query } as never,
  lost,
  pid: 1,
  close: async () => undefined,
});

/** The loop on lease sessions that `openLease` makes; it ends at its third wait. */
async function runUntilThirdWait(
  openLease: WorkOptions['openLease'],
  {
    waitOr = (sleep) => sleep,
    drain = () => Promise.reject(new Error('there is no room')),
    pause,
    afterTake = () => undefined,
    sentIn = () => [],
  }: {
    /** The wait of the loop; `sleep` counts it. */
    readonly waitOr?: (sleep: (ms: number) => Promise<void>) => WorkOptions['wakes']['waitOr'];
    readonly drain?: WorkOptions['drain'];
    /** The pause between attempts, if it is not counted as a wait. */
    readonly pause?: WorkOptions['sleep'];
    readonly afterTake?: () => void;
    readonly sentIn?: WorkOptions['sentIn'];
  } = {},
) {
  const ended = new AbortController();
  const facts: Fact[] = [];
  const waits: number[] = [];
  let opened = 0;
  const sleep = async (ms: number) => {
    waits.push(ms);
    if (waits.length === 3) ended.abort();
  };
  const work = createWork({
    replica: '00000000-0000-0000-0000-000000000000',
    sentIn,
    needAdapter: async () => undefined,
    openLease: () => {
      opened += 1;
      return openLease();
    },
    drain,
    wakes: { waitOr: waitOr(sleep), ring: () => undefined },
    pace: { afterTake: async () => afterTake(), lost: () => undefined, yields: false, waitMs: 1 },
    window: { pastDays: 7, futureDays: 365 },
    writes: () => true,
    autoSync: true,
    peers: () => 0,
    ringPeers: () => undefined,
    tell: (fact) => void facts.push(fact),
    random: () => 1,
    sleep: pause ?? sleep,
  });
  await work.run(ended.signal);
  return { facts, waits, opened };
}

test('a lease session that is lost is opened again at once, and with growing waits when each is lost again', async () => {
  let gone = new AbortController();
  const { waits, opened } = await runUntilThirdWait(
    async () => {
      gone = new AbortController();
      return sessionOf(async (asked: object) => answered(asked, none), gone.signal);
    },
    { waitOr: () => async () => gone.abort(new Error('the connection has ended')) },
  );
  expect(waits).toEqual([400, 800, 1_600]);
  expect(opened).toBe(4);
});

test('what was sent just before a session was lost is stored by the next one, however late that is opened', async () => {
  const room = roomOf(7);
  const one = {
    id: 10,
    reservation: { type: 'event', id: 3 },
    room: 7,
    resourceId: 101,
    eventId: 'event-10',
    state: {} as BookedItem,
  };
  const gone = new AbortController();
  const doubted: unknown[] = [];
  let opened = 0;
  await runUntilThirdWait(
    async () => {
      opened += 1;
      // the server restarts
      if (opened === 2) throw new Retryable('the database system is starting up', { reach: 'side' });
      return sessionOf(
        async (asked: Asked) => {
          if (asked.name === 'bridge_store_doubt') doubted.push(asked.values[0], asked.values[2]);
          return answered(asked, opened === 1 ? { ...none, rooms: [room] } : none, []);
        },
        opened === 1 ? gone.signal : undefined,
      );
    },
    {
      waitOr: (sleep) => async (ms) => {
        gone.abort(new Error('the connection has ended'));
        await sleep(ms);
      },
      drain: async () => drained,
      // it is remembered for a short time only
      sentIn: () => (opened === 1 ? [one] : []),
    },
  );
  expect(doubted).toEqual([[7], JSON.stringify([one])]);
});

test('a daemon that wakes from being frozen takes no room before it has a new lease session', async () => {
  const now = performance.now.bind(performance);
  let frozenMs = 0;
  const clock = vi.spyOn(performance, 'now').mockImplementation(() => now() + frozenMs);
  const takenIn: number[] = [];
  let opened = 0;
  const { facts } = await runUntilThirdWait(
    async () => {
      const session = (opened += 1);
      return sessionOf(async (asked: Asked) => {
        if (asked.name === 'lease_rooms') takenIn.push(session);
        return answered(asked, none, []);
      });
    },
    {
      waitOr: (sleep) => async (ms) => {
        frozenMs += 60_000;
        await sleep(ms);
      },
    },
  ).finally(() => clock.mockRestore());
  expect(takenIn).toEqual([1, 2, 3]);
  expect(facts.filter(({ fact }) => fact === 'lease-lost')).toHaveLength(2);
});

test('a room whose release fails with its session is read first, although a take waited behind the release', async () => {
  const room = roomOf(7);
  const releasing = Promise.withResolvers<never>();
  const gone = new AbortController();
  const lost = new Error('Connection terminated unexpectedly');
  const doubted: unknown[] = [];
  let opened = 0;
  let takes = 0;
  await runUntilThirdWait(
    async () => {
      opened += 1;
      return sessionOf(
        async (asked: Asked) => {
          if (opened === 1 && gone.signal.aborted) throw lost;
          if (asked.name === 'bridge_store_doubt') doubted.push(asked.values[0]);
          if (asked.name === 'bridge_release_rooms') return await releasing.promise;
          if (asked.name === 'lease_rooms') takes += 1;
          return answered(asked, takes === 1 ? { ...none, rooms: [room] } : none, []);
        },
        opened === 1 ? gone.signal : undefined,
      );
    },
    {
      drain: async () => drained,
      waitOr: (sleep) => async (ms) => {
        if (opened > 1) return await sleep(ms);
        // the next take is asked for while the release is under way
        setImmediate(() => {
          gone.abort(lost);
          releasing.reject(lost);
        });
      },
    },
  );
  expect(doubted).toEqual([[7]]);
});

test('a room with a row that a transaction keeps locked is not leased until its doubt is stored, and the others are', async () => {
  const [hall, cellar] = [roomOf(7), roomOf(8)];
  const [inHall, inCellar] = [7, 8].map((room) => ({
    id: 10 * room,
    eventId: `event-${room}`,
    state: {} as BookedItem,
    room,
  })) as [SentInRoom, SentInRoom];
  const gone = new AbortController();
  const asked: unknown[] = [];
  let opened = 0;
  await runUntilThirdWait(
    async () => {
      opened += 1;
      return sessionOf(
        async (query: Asked) => {
          const isFirst = opened === 1;
          if (!isFirst && query.name === 'bridge_store_doubt')
            asked.push(['doubted', query.values[0], JSON.parse(query.values[2] as string)]);
          if (!isFirst && query.name === 'lease_rooms') asked.push(['held', query.values[1]]);
          const locked = asked.filter((one) => (one as unknown[])[0] === 'doubted').length < 3 ? [7] : [];
          return answered(query, isFirst ? { ...none, rooms: [hall, cellar] } : none, locked);
        },
        opened === 1 ? gone.signal : undefined,
      );
    },
    {
      waitOr: (sleep) => async (ms) => {
        if (opened === 1) gone.abort(new Error('the connection has ended'));
        else await sleep(ms);
      },
      drain: async () => drained,
      sentIn: () => [inHall, inCellar],
    },
  );
  expect(asked).toEqual([
    ['doubted', [8, 7], [inHall, inCellar]],
    ['doubted', [7], [inHall]],
    ['held', [7]],
    ['doubted', [7], [inHall]],
    ['held', []],
    ['held', []],
  ]);
});

test('a daemon that is newer than its database is an outage with its repair, told once, and no bug', async () => {
  const missing = new DatabaseError('function bridge_take(uuid) does not exist', 0, 'error');
  missing.code = '42883';
  const { facts } = await runUntilThirdWait(() => Promise.reject(missing));
  expect(facts).toEqual([
    {
      fact: 'outage',
      side: 'booking',
      error: expect.stringContaining('function bridge_take(uuid) does not exist'),
      hint: expect.stringContaining(`Run: ${migrateCommand}`),
      refused: false,
    },
  ]);
});

test('a view that fails with each take is an outage with its repair, told once, and no bug', async () => {
  const failing = Object.assign(new DatabaseError('division by zero', 0, 'error'), { code: '22012' });
  const { facts } = await runUntilThirdWait(() => Promise.reject(failing));
  expect(facts).toEqual([
    {
      fact: 'outage',
      side: 'booking',
      error: expect.stringContaining('division by zero'),
      hint: expect.stringContaining('bridge_items'),
      refused: true,
    },
  ]);
});

test.each(['40001', '40P01', '55P03', '57014'])(
  'a statement that meets others in the same rows (%s) is tried again on the same lease, and is no outage',
  async (state) => {
    const met = Object.assign(new DatabaseError('could not serialize access', 0, 'error'), { code: state });
    let failures = 5;
    const { facts, opened } = await runUntilThirdWait(async () =>
      sessionOf(
        // what it locked is freed in a statement of its own
        async (asked: Asked) => {
          if (asked.name === 'lease_rooms' && failures-- > 0) throw met;
          return answered(asked, none);
        },
      ),
    );
    expect(facts).toEqual([]);
    expect(opened).toBe(1);
  },
);

test('a room whose row a transaction keeps for too long is let go of, and its lease goes on', async () => {
  const met = Object.assign(new DatabaseError('canceling statement due to lock timeout', 0, 'error'), {
    code: '55P03',
  });
  const room = roomOf(7);
  const asked: string[] = [];
  const { facts, opened } = await runUntilThirdWait(
    async () =>
      sessionOf(async (query: Asked) => {
        asked.push(query.name);
        if (query.name === 'bridge_release_rooms') throw met;
        return answered(query, asked.length === 1 ? { ...none, rooms: [room] } : none);
      }),
    {
      waitOr: (sleep) => async (ms) => {
        // the loop goes on once the room is let go of
        if (asked.includes('bridge_unlock_room')) await sleep(ms);
        else await new Promise(setImmediate);
      },
      drain: async () => drained,
      pause: async () => undefined,
    },
  );
  expect(asked.filter((name) => name === 'bridge_unlock_room')).toHaveLength(1);
  expect(facts).toEqual([]);
  expect(opened).toBe(1);
});

test('in an outage each room is tried in its turn, and not the one that has been due the longest again and again', async () => {
  const rooms = [1, 2, 3].map(roomOf);
  const tried: number[] = [];
  await runUntilThirdWait(
    async () =>
      sessionOf(async (asked: Asked) => {
        const [, held, places] = asked.values as [string, readonly number[], number];
        const free = rooms.filter(({ id }) => asked instanceof EarlyQuery && !held.includes(id));
        return answered(asked, { ...none, rooms: free.slice(0, Math.min(1, places)) });
      }),
    {
      waitOr: (sleep) => async (ms) => {
        if (tried.length >= 5) await sleep(ms);
        else await new Promise(setImmediate);
      },
      drain: async ({ id }) => {
        tried.push(id);
        return { rest: null, outage: new Retryable('Graph says 503', { reach: 'side' }), answered: false };
      },
    },
  );
  expect(tried.slice(0, 5)).toEqual([1, 1, 2, 3, 1]);
});

test('the request of a room is sent before the loop goes on, also on an idle connection', async () => {
  const passed: string[] = [];
  const sends = () => void passed.push('sent');
  const server = createServer((_, response) => void response.end()).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const agent = new Agent({ connections: 1 });
  const send = async () =>
    void (await (await agent.request({ origin, path: '/', method: 'GET' })).body.dump());
  await send(); // the connection is open and idle from here on
  subscribe('undici:client:sendHeaders', sends);
  const one: Answer = { ...none, folded: 1 };
  const room = roomOf(7);
  let takes = 0;
  await runUntilThirdWait(
    async () =>
      sessionOf(async (asked: object) =>
        answered(asked, (takes += 1) === 1 ? { ...one, rooms: [room] } : one),
      ),
    {
      drain: async () => {
        await Promise.resolve(); // as a drain that decides first
        await send();
        return drained;
      },
      afterTake: () => void passed.push('after the take'),
    },
  );
  unsubscribe('undici:client:sendHeaders', sends);
  await agent.destroy();
  await new Promise((resolve) => server.close(resolve));
  expect(passed.slice(0, 2)).toEqual(['sent', 'after the take']);
});

test.each([true, false])('a drain is told whether rooms wait for a place: %s', async (more) => {
  const room = roomOf(7);
  const told: boolean[] = [];
  let takes = 0;
  await runUntilThirdWait(
    async () =>
      sessionOf(async (asked: Asked) => {
        if (asked.name === 'lease_rooms') takes += 1;
        const taken: Answer = {
          folded: 0,
          rooms: takes === 1 ? [room] : [],
          stopped: [],
          more: more && takes === 1,
        };
        return answered(asked, taken);
      }),
    {
      drain: async (_, __, ___, othersWait) => {
        told.push(othersWait());
        return drained;
      },
    },
  );
  expect(told).toEqual([more]);
});

test('every other take with changes is of all rooms, and the one after a full fold is, too, and folds by itself', async () => {
  const folded = [1, 1, 300, 0, 0, 0];
  const takes: string[] = [];
  await runUntilThirdWait(
    async () =>
      sessionOf(async (asked) => {
        if (asked.name === 'bridge_fold') return { rows: [{ value: 0 }] };
        const [foldMost, , , changedFirst] = asked.values.slice(6);
        takes.push(`${changedFirst === true ? 'changed' : 'all'}${foldMost === 0 ? ', folded apart' : ''}`);
        return answered(asked, { ...none, folded: folded[takes.length - 1] ?? 0 });
      }),
    {
      waitOr: (sleep) => async (ms) => {
        if (takes.length >= folded.length) await sleep(ms);
      },
    },
  );
  expect(takes.slice(0, folded.length)).toEqual([
    'all',
    'changed',
    'all',
    'all, folded apart',
    'changed',
    'changed',
  ]);
});

test('a statement of a drain is sent after the commit of its lease', async () => {
  const recorded = Promise.withResolvers<void>();
  const events: string[] = [];
  const db = afterRecord({ query: async () => void events.push('sent') } as never, () => recorded.promise);
  const sent = db.query('SELECT 1');
  await new Promise(setImmediate);
  events.push('committed');
  recorded.resolve();
  await sent;
  expect(events).toEqual(['committed', 'sent']);
});
