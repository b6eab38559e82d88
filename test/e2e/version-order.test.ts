/** Two versions on one database while people book: whichever starts last, the newer one's functions stay and nothing is lost. */
import { expect, test } from 'vitest';
import { migrate } from '../../src/cli/migrate.ts';
import { Permanent } from '../../src/errors.ts';
import { catalogue } from '../support/catalogue.ts';
import { cli } from '../cli/command-line.ts';
import { startService } from '../support/service.ts';
import { environmentOf } from '../support/settings.ts';
import { openWorld } from './world.ts';

type World = Awaited<ReturnType<typeof openWorld>>;

const silently = (world: World) => (signal: AbortSignal) => migrate(world.config, () => undefined, signal);

/** What the migrate of a newer version leaves: a migration of its own, a higher version, functions that are not ours. */
const newerFunctions = `UPDATE bridge_settings SET value = 'of the newer version' WHERE name = 'functions'`;
const newerMigration = `INSERT INTO bridge_migrations (name, run_on) VALUES ('9000_newer', now());
  ALTER TABLE bridge_mappings ADD newer text`;
const newerVersion = `INSERT INTO bridge_settings (name, value) VALUES ('version', '99.0.0')
  ON CONFLICT (name) DO UPDATE SET value = excluded.value`;
const migratedByNewer = `${newerMigration}; ${newerVersion}; ${newerFunctions}`;

/** People who book until they are told to stop; returns the titles of what they booked. */
function book(world: World) {
  const titles: string[] = [];
  let open = true;
  const working = (async () => {
    while (open) {
      const title = `Booking ${titles.length}`;
      const [day, hour] = [2 + Math.floor(titles.length / 10), 8 + (titles.length % 10)];
      const at = (minute: string) => world.day(day, `${String(hour).padStart(2, '0')}:${minute}`);
      await world.desk.book(101, { title, from: at('00'), to: at('45') });
      titles.push(title);
    }
  })();
  return {
    async stop(): Promise<string[]> {
      open = false;
      await working;
      return titles;
    },
  };
}

test.each([
  [
    'a migration it does not know',
    newerMigration,
    /migrated by a newer build of the bridge, with the migrations 9000; this is version [\d.]+, with migrations up to \d{4}\.$/,
  ],
  ['a higher version in the settings', newerVersion, /migrated by version 99\.0\.0 of .*this is version \d/],
])('an older migrate refuses %s, says how they differ and changes nothing', async (_what, newer, says) => {
  await using world = await openWorld({ mapped: [101] });
  await world.db.query(`${newerFunctions}; ${newer}`);
  const before = [await catalogue(world.db, 'all'), await world.db.query('TABLE bridge_settings')];
  const refusal = await silently(world)(new AbortController().signal).catch((error: unknown) => error);
  expect(refusal).toBeInstanceOf(Permanent);
  expect((refusal as Error).message).toMatch(says);
  const said = await cli(environmentOf(world.db, world.tenant), 'migrate');
  expect(said).toMatchObject({ code: 1, err: expect.stringContaining('Nothing was changed') });
  expect([await catalogue(world.db, 'all'), await world.db.query('TABLE bridge_settings')]).toEqual(before);
});

test('a daemon at work goes on when a newer version migrates beside it, and loses nothing', async () => {
  await using world = await openWorld({ mapped: [101] });
  await world.start();
  const people = book(world);
  await world.db.query(migratedByNewer);
  const titles = await people.stop();
  await world.settled();
  expect(world.titles(101).toSorted()).toEqual(titles.toSorted());
});

test('an older daemon that starts on a newer database says so, works with what is there, and is ready', async () => {
  await using world = await openWorld({ mapped: [101] });
  await world.db.query(migratedByNewer);
  const before = await catalogue(world.db, 'all');
  const people = book(world);
  const refused: unknown[] = [];
  await using service = await startService(world.config, async (signal) => {
    try {
      return (await silently(world)(signal)).wake;
    } catch (error) {
      refused.push(error);
      throw error;
    }
  });
  await service.heard();
  const titles = await people.stop();
  await world.settled();
  expect(world.titles(101).toSorted()).toEqual(titles.toSorted());
  expect(refused[0]).toBeInstanceOf(Permanent);
  expect((await service.call('GET', '/ready')).status).toBe(200);
  expect(await catalogue(world.db, 'all')).toEqual(before);
});
