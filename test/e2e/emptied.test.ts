/** All calendars are emptied at once, by a script or a wrong retention policy: each room loses little, and all together much. */
import { expect, test } from 'vitest';
import { toConfig } from '../../src/config.ts';
import { at } from '../support/dates.ts';
import { startService, type RunningService } from '../support/service.ts';
import { until } from '../support/until.ts';
import { openFleet, upnOf } from './fleet.ts';
import { environmentOf } from '../support/settings.ts';

const rooms = 20;
const perRoom = 2;
/** BRAKE_MAX of .env.example. */
const brakeMax = 10;

/** Twenty rooms, in each of which people booked twice. */
async function openFull() {
  await using opened = new AsyncDisposableStack();
  const fleet = opened.use(await openFleet({ rooms }));
  const config = toConfig(environmentOf(fleet.db, fleet.tenant));
  const services: RunningService[] = [];
  opened.defer(async () => {
    for (const { end } of services) await end();
  });
  const start = async () => {
    const running = await startService(config);
    services.push(running);
    return {
      end: running.end,
      ask: async (path: string, method = 'GET') => (await running.call(method, path)).body,
    };
  };
  for (const resource of fleet.resources)
    for (let n = 0; n < perRoom; n += 1)
      fleet.tenant.people.book(upnOf(resource), {
        subject: `Lunch ${n}`,
        start: at(3 + n, '10:00'),
        end: at(3 + n, '11:00'),
      });
  const service = await start();
  await fleet.settled();
  const reserved = async () =>
    (
      await fleet.db.query<{ resource: number }>(
        'SELECT resource_id AS resource FROM bridge_items WHERE active ORDER BY 1',
      )
    ).map(({ resource }) => resource);
  expect(await reserved()).toHaveLength(rooms * perRoom);
  const owned = opened.move();
  return {
    ...fleet,
    service,
    start,
    reserved,
    empty: () => {
      for (const resource of fleet.resources)
        for (const { id } of fleet.events(resource)) fleet.tenant.people.remove(upnOf(resource), id);
    },
    /** All rooms were asked for changes since now, and nothing is due. */
    looked: async () => {
      const [asked] = await fleet.db.query<{ at: Date }>(
        'WITH asked AS (UPDATE bridge_room_state SET pull_due_at = now()) SELECT clock_timestamp() AS at',
      );
      await fleet.db.query("SELECT pg_notify('bridge_changes', '')");
      await fleet.until(
        `SELECT count(*) AS answer FROM bridge_room_state WHERE pulled_at < '${asked!.at.toISOString()}'`,
        (behind) => behind === 0,
      );
      await fleet.settled();
    },
    held: async () =>
      (
        await fleet.db.query<{ resource: number }>(
          `SELECT resource_id AS resource FROM bridge_mappings WHERE conflict ->> 'kind' = 'gone' ORDER BY 1`,
        )
      ).map(({ resource }) => resource),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
type World = Awaited<ReturnType<typeof openFull>>;

const emptied: readonly (readonly [string, (w: World) => Promise<World['service']>])[] = [
  [
    'while the daemon works',
    async (w) => {
      w.empty();
      await w.looked();
      return w.service;
    },
  ],
  [
    'while it is down',
    async (w) => {
      await w.service.end();
      w.empty();
      const service = await w.start();
      await w.looked();
      return service;
    },
  ],
  [
    'while it is down, and what changed is forgotten (410)',
    async (w) => {
      await w.service.end();
      w.empty();
      for (const resource of w.resources) w.tenant.forgetDeltaTokens(upnOf(resource));
      const service = await w.start();
      await w.looked();
      return service;
    },
  ],
];

test.each(emptied)(
  'all calendars emptied %s: no more than the bound is cancelled, and a person answers for each room',
  { timeout: 120_000 },
  async (_, happens) => {
    await using w = await openFull();
    const { ask } = await happens(w);
    const held = await w.held();
    expect(held.length).toBeGreaterThanOrEqual(rooms * perRoom - brakeMax);
    expect((await w.reserved()).length).toBeGreaterThanOrEqual(rooms * perRoom - brakeMax);

    const inRooms = [...new Set(held)];
    const { rooms: listed } = (await ask('/rooms')) as {
      rooms: readonly { resource_id: number; health: string }[];
    };
    expect(
      listed.filter(({ health }) => health === 'held').map(({ resource_id: resource }) => resource),
    ).toEqual(inRooms);

    const [released, refused, ...others] = inRooms;
    const before = await w.reserved();
    expect(await ask(`/rooms/${released!}/brake/release`, 'POST')).toMatchObject({ success: true });
    expect(await ask(`/rooms/${refused!}/brake/refuse`, 'POST')).toMatchObject({ success: true });
    await w.settled();
    expect(await w.held()).toEqual(held.filter((resource) => others.includes(resource)));
    const left = before.filter((resource) => resource !== released);
    await until(w.reserved, (reserved) => reserved.join() === left.join());
    expect(w.events(refused!)).toHaveLength(held.filter((resource) => resource === refused).length);
    expect(w.events(released!)).toEqual([]);
  },
);
