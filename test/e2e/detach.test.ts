/** An upgrade of the booking system with the bridge detached, and a view that is missing for a moment. */
import { attachCommand } from '../../src/command-name.ts';
import { expect, test } from 'vitest';
import { detach, migrate } from '../../src/cli/migrate.ts';
import { readCapture } from '../../src/booking/capture.ts';
import { cli } from '../cli/command-line.ts';
import { environmentOf } from '../support/settings.ts';
import { openWorld, type Running } from './world.ts';

const never = new AbortController().signal;
const quiet = () => undefined;
const meeting = (world: Awaited<ReturnType<typeof openWorld>>, title: string, days: number) => ({
  title,
  from: world.day(days, '10:00'),
  to: world.day(days, '11:00'),
});
const wrong = ({ facts }: Running) =>
  facts.filter(({ fact }) => ['bug', 'item-parked', 'room-refused', 'room-resting'].includes(fact));
const outages = ({ facts }: Running) =>
  facts.filter((fact) => (fact.fact === 'outage' || fact.fact === 'outage-over') && fact.side === 'booking');
const dropped = `SELECT p.proname FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace
    AND p.proname IN ('bridge_import_item', 'bridge_change_item', 'bridge_cancel_item', 'bridge_on_bb_event')
  UNION ALL SELECT tgname FROM pg_trigger WHERE NOT tgisinternal AND tgrelid::regclass::text LIKE 'bb\\_%'`;

/** What an upgrade of the booking system does: types, names, new tables in the way of the old. */
const upgrades = [
  'ALTER TABLE bb_event ALTER contact_email TYPE varchar(255)',
  'ALTER TABLE bb_group ALTER name TYPE text',
  'ALTER TABLE bb_booking ALTER to_ TYPE timestamp(3)',
  'ALTER TABLE bb_organization ALTER email TYPE varchar(300)',
];

test('detached, the booking system can be upgraded; attached again, what happened meanwhile is made up for', async () => {
  await using world = await openWorld({ mapped: [101] });
  const running = await world.start();
  await world.desk.book(101, meeting(world, 'Før', 2));
  await world.settled();
  for (const upgrade of upgrades)
    await expect(world.db.query(upgrade)).rejects.toThrow('used by a view or rule');
  const said: string[] = [];
  await detach(world.config, (line) => said.push(line), never);
  expect(said.filter((line) => line.includes('cascade'))).toEqual([]);
  expect(await world.db.query(dropped)).toEqual([]);
  for (const upgrade of upgrades) await world.db.query(upgrade);
  await world.desk.book(101, meeting(world, 'Under', 3));
  world.tenant.eventsIn('formannskapssalen@bergen.example');
  running.daemon.ring();

  // every daemon that starts runs migrate: it attaches nothing by itself
  const { detached } = await migrate(world.config, quiet, never);
  expect(detached).toMatch(/^\d{4}-\d\d-\d\dT/);
  expect(await world.db.query(dropped)).toEqual([]);
  expect(await readCapture(world.db.pool)).toEqual({
    missing: [`the bridge is detached from the booking system since ${detached}`],
    extra: [],
    repair: attachCommand,
  });
  const doctor = await cli({ ...environmentOf(world.db, world.tenant) }, 'doctor', '--json');
  const { findings } = doctor.json() as { findings: { state: string; check: string; message: string }[] };
  expect(findings.filter(({ state }) => state === 'problem')).toMatchObject([
    { check: 'adapter', message: expect.stringContaining('detached from the booking system since') },
  ]);

  const told: string[] = [];
  await migrate(world.config, (line) => told.push(line), never, 'attach');
  await world.settled();
  expect(world.titles(101).toSorted()).toEqual(['Før', 'Under']);
  await world.desk.book(101, meeting(world, 'Etter', 4));
  await world.settled();
  expect(world.titles(101).toSorted()).toEqual(['Etter', 'Før', 'Under']);
  expect(await readCapture(world.db.pool)).toEqual({ missing: [], extra: [], repair: null });
  expect(wrong(running)).toEqual([]);
});

test('a view that is missing for a moment is one outage, named, and no bug; then all goes on', async () => {
  await using world = await openWorld({ mapped: [101, 102] });
  const running = await world.start();
  await world.settled();
  await world.db.query('ALTER VIEW bridge_items RENAME TO away');
  for (const room of [101, 102]) await world.desk.book(room, meeting(world, `Møte ${room}`, 2));
  const outage = await running.until((fact) => fact.fact === 'outage');
  expect(outage).toMatchObject({
    side: 'booking',
    error: expect.stringContaining('detached, not installed'),
  });
  await world.db.query('ALTER VIEW away RENAME TO bridge_items');
  await world.settled();
  expect([...world.titles(101), ...world.titles(102)]).toEqual(['Møte 101', 'Møte 102']);
  expect(wrong(running)).toEqual([]);
  expect(outages(running).map(({ fact }) => fact)).toEqual(['outage', 'outage-over']);
});

test('what others built upon our view is named, and detaching goes on once it is gone', async () => {
  await using world = await openWorld({ mapped: [101] });
  await world.db.query('CREATE VIEW their_report AS SELECT count(*) FROM bridge_items');
  await expect(detach(world.config, quiet, never)).rejects.toMatchObject({
    hint: expect.stringContaining('their_report'),
  });
  await world.db.query('DROP VIEW their_report');
  await detach(world.config, quiet, never);
  expect(await world.db.query(dropped)).toEqual([]);
});
