import { migrateCommand } from '../../../src/command-name.ts';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
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

/** A statement of the lease session, and its answer: of a take, with these rooms; else `value`. */
function answered(asked: object, answer: Answer, value: unknown = null) {
  if (asked instanceof EarlyQuery) answerEarly(asked, { answer });
  const { name, values } = asked as { readonly name?: string; readonly values?: readonly unknown[] };
  return { rows: [name === 'bridge_release_rooms' ? { released: values![0] } : { value }] };
}

/** The loop on lease sessions that `openLease` makes; it ends at its third wait. */
async function runUntilThirdWait(
  openLease: WorkOptions['openLease'],
  waitOr: (sleep: (ms: number) => Promise<void>) => WorkOptions['wakes']['waitOr'] = (sleep) => sleep,
  drain: WorkOptions['drain'] = () => Promise.reject(new Error('there is no room')),
  pause?: WorkOptions['sleep'],
  afterTake: () => void = () => undefined,
  sentIn: WorkOptions['sentIn'] = () => [],
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
  const taken: Answer = { folded: 0, rooms: [], stopped: [], more: false };
  const { waits, opened } = await runUntilThirdWait(
    async () => {
      gone = new AbortController();
      return {
        session: { query: async (asked: object) => answered(asked, taken) } as never,
        lost: gone.signal,
        pid: 1,
        close: async () => undefined,
      };
    },
    () => async () => gone.abort(new Error('the connection has ended')),
  );
  expect(waits).toEqual([400, 800, 1_600]);
  expect(opened).toBe(4);
});

test('what was sent just before a session was lost is stored by the next one, however late that is opened', async () => {
  const room = {
    id: 7,
    name: 'Hall',
    resourceId: 101,
    attempt: 0,
    epoch: 1,
    due: [],
  } as unknown as LeasedRoom;
  const taken: Answer = { folded: 0, rooms: [room], stopped: [], more: false };
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
      return {
        session: {
          query: async (asked: { readonly name: string; readonly values: readonly unknown[] }) => {
            if (asked.name === 'bridge_store_doubt') doubted.push(asked.values[0], asked.values[2]);
            return answered(asked, opened === 1 ? taken : { ...taken, rooms: [] }, []);
          },
        } as never,
        lost: opened === 1 ? gone.signal : new AbortController().signal,
        pid: 1,
        close: async () => undefined,
      };
    },
    (sleep) => async (ms) => {
      gone.abort(new Error('the connection has ended'));
      await sleep(ms);
    },
    async () => ({ rest: null, outage: null, answered: true }),
    undefined,
    undefined,
    // it is remembered for a short time only
    () => (opened === 1 ? [one] : []),
  );
  expect(doubted).toEqual([[7], JSON.stringify([one])]);
});

test('a room whose release fails with its session is read first, although a take waited behind the release', async () => {
  const room = {
    id: 7,
    name: 'Hall',
    resourceId: 101,
    attempt: 0,
    epoch: 1,
    due: [],
  } as unknown as LeasedRoom;
  const none: Answer = { folded: 0, rooms: [], stopped: [], more: false };
  const releasing = Promise.withResolvers<never>();
  const gone = new AbortController();
  const lost = new Error('Connection terminated unexpectedly');
  const doubted: unknown[] = [];
  let opened = 0;
  let takes = 0;
  await runUntilThirdWait(
    async () => {
      opened += 1;
      return {
        session: {
          query: async (asked: { readonly name: string; readonly values: readonly unknown[] }) => {
            if (opened === 1 && gone.signal.aborted) throw lost;
            if (asked.name === 'bridge_store_doubt') doubted.push(asked.values[0]);
            if (asked.name === 'bridge_release_rooms') return await releasing.promise;
            if (asked.name === 'lease_rooms') takes += 1;
            return answered(asked, takes === 1 ? { ...none, rooms: [room] } : none, []);
          },
        } as never,
        lost: opened === 1 ? gone.signal : new AbortController().signal,
        pid: 1,
        close: async () => undefined,
      };
    },
    (sleep) => async (ms) => {
      if (opened > 1) return await sleep(ms);
      // the next take is asked for while the release is under way
      setImmediate(() => {
        gone.abort(lost);
        releasing.reject(lost);
      });
    },
    async () => ({ rest: null, outage: null, answered: true }),
  );
  expect(doubted).toEqual([[7]]);
});

test('a room with a row that a transaction keeps locked is not leased until its doubt is stored, and the others are', async () => {
  const none: Answer = { folded: 0, rooms: [], stopped: [], more: false };
  const [hall, cellar] = [7, 8].map(
    (id) =>
      ({ id, name: `Room ${id}`, resourceId: id, attempt: 0, epoch: 1, due: [] }) as unknown as LeasedRoom,
  ) as [LeasedRoom, LeasedRoom];
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
      return {
        session: {
          query: async (query: { readonly name: string; readonly values: readonly unknown[] }) => {
            const isFirst = opened === 1;
            if (!isFirst && query.name === 'bridge_store_doubt')
              asked.push(['doubted', query.values[0], JSON.parse(query.values[2] as string)]);
            if (!isFirst && query.name === 'lease_rooms') asked.push(['held', query.values[1]]);
            const locked = asked.filter((one) => (one as unknown[])[0] === 'doubted').length < 3 ? [7] : [];
            return answered(query, isFirst ? { ...none, rooms: [hall, cellar] } : none, locked);
          },
        } as never,
        lost: opened === 1 ? gone.signal : new AbortController().signal,
        pid: 1,
        close: async () => undefined,
      };
    },
    (sleep) => async (ms) => {
      if (opened === 1) gone.abort(new Error('the connection has ended'));
      else await sleep(ms);
    },
    async () => ({ rest: null, outage: null, answered: true }),
    undefined,
    undefined,
    () => [inHall, inCellar],
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

test.each(['40001', '40P01', '55P03', '57014'])(
  'a statement that meets others in the same rows (%s) is tried again on the same lease, and is no outage',
  async (state) => {
    const met = Object.assign(new DatabaseError('could not serialize access', 0, 'error'), { code: state });
    const taken: Answer = { folded: 0, rooms: [], stopped: [], more: false };
    let failures = 5;
    const { facts, opened } = await runUntilThirdWait(async () => ({
      session: {
        // what it locked is freed in a statement of its own
        query: async (asked: { readonly name: string }) => {
          if (asked.name === 'lease_rooms' && failures-- > 0) throw met;
          return answered(asked, taken);
        },
      } as never,
      lost: new AbortController().signal,
      pid: 1,
      close: async () => undefined,
    }));
    expect(facts).toEqual([]);
    expect(opened).toBe(1);
  },
);

test('a room whose row a transaction keeps for too long is let go of, and its lease goes on', async () => {
  const met = Object.assign(new DatabaseError('canceling statement due to lock timeout', 0, 'error'), {
    code: '55P03',
  });
  const none: Answer = { folded: 0, rooms: [], stopped: [], more: false };
  const room = {
    id: 7,
    name: 'Hall',
    resourceId: 101,
    attempt: 0,
    epoch: 1,
    due: [],
  } as unknown as LeasedRoom;
  const asked: string[] = [];
  const { facts, opened } = await runUntilThirdWait(
    async () => ({
      session: {
        query: async (query: { name: string }) => {
          asked.push(query.name);
          if (query.name === 'bridge_release_rooms') throw met;
          return answered(query, asked.length === 1 ? { ...none, rooms: [room] } : none);
        },
      } as never,
      lost: new AbortController().signal,
      pid: 1,
      close: async () => undefined,
    }),
    (sleep) => async (ms) => {
      // the loop goes on once the room is let go of
      if (asked.includes('bridge_unlock_room')) await sleep(ms);
      else await new Promise(setImmediate);
    },
    async () => ({ rest: null, outage: null, answered: true }),
    async () => undefined,
  );
  expect(asked.filter((name) => name === 'bridge_unlock_room')).toHaveLength(1);
  expect(facts).toEqual([]);
  expect(opened).toBe(1);
});

test('in an outage each room is tried in its turn, and not the one that has been due the longest again and again', async () => {
  const none: Answer = { folded: 0, rooms: [], stopped: [], more: false };
  const rooms = [1, 2, 3].map(
    (id) =>
      ({ id, name: `Room ${id}`, resourceId: id, attempt: 0, epoch: 1, due: [] }) as unknown as LeasedRoom,
  );
  const tried: number[] = [];
  await runUntilThirdWait(
    async () => ({
      session: {
        query: async (asked: { values: readonly unknown[] }) => {
          const [, held, places] = asked.values as [string, readonly number[], number];
          const free = rooms.filter(({ id }) => asked instanceof EarlyQuery && !held.includes(id));
          return answered(asked, { ...none, rooms: free.slice(0, Math.min(1, places)) });
        },
      } as never,
      lost: new AbortController().signal,
      pid: 1,
      close: async () => undefined,
    }),
    (sleep) => async (ms) => {
      if (tried.length >= 5) await sleep(ms);
      else await new Promise(setImmediate);
    },
    async ({ id }) => {
      tried.push(id);
      return { rest: null, outage: new Retryable('Graph says 503', { reach: 'side' }), answered: false };
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
  const none: Answer = { folded: 1, rooms: [], stopped: [], more: false };
  const room = {
    id: 7,
    name: 'Hall',
    resourceId: 101,
    attempt: 0,
    epoch: 1,
    due: [],
  } as unknown as LeasedRoom;
  let takes = 0;
  await runUntilThirdWait(
    async () => ({
      session: {
        query: async (asked: object) =>
          answered(asked, (takes += 1) === 1 ? { ...none, rooms: [room] } : none),
      } as never,
      lost: new AbortController().signal,
      pid: 1,
      close: async () => undefined,
    }),
    undefined,
    async () => {
      await Promise.resolve(); // as a drain that decides first
      await send();
      return { rest: null, outage: null, answered: true };
    },
    undefined,
    () => void passed.push('after the take'),
  );
  unsubscribe('undici:client:sendHeaders', sends);
  await agent.destroy();
  await new Promise((resolve) => server.close(resolve));
  expect(passed.slice(0, 2)).toEqual(['sent', 'after the take']);
});

test.each([true, false])('a drain is told whether rooms wait for a place: %s', async (more) => {
  const room = {
    id: 7,
    name: 'Hall',
    resourceId: 101,
    attempt: 0,
    epoch: 1,
    due: [],
  } as unknown as LeasedRoom;
  const told: boolean[] = [];
  let takes = 0;
  await runUntilThirdWait(
    async () => ({
      session: {
        query: async (asked: { name: string }) => {
          if (asked.name === 'lease_rooms') takes += 1;
          const taken: Answer = {
            folded: 0,
            rooms: takes === 1 ? [room] : [],
            stopped: [],
            more: more && takes === 1,
          };
          return answered(asked, taken);
        },
      } as never,
      lost: new AbortController().signal,
      pid: 1,
      close: async () => undefined,
    }),
    undefined,
    async (_, __, ___, othersWait) => {
      told.push(othersWait());
      return { rest: null, outage: null, answered: true };
    },
  );
  expect(told).toEqual([more]);
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
