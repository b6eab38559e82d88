/** The decision about removals that the brake holds, on the command line. */
import { expect, test } from 'vitest';
import { cli } from '../cli/command-line.ts';
import { environmentOf } from '../support/settings.ts';
import { openWorld } from './world.ts';

/** Three reservations whose rows are gone at once, which the brake holds. */
async function openHeld() {
  const world = await openWorld({ mapped: [101, 102] });
  await world.start();
  for (const n of [2, 3, 4])
    await world.desk.book(101, {
      title: `Choir ${n}`,
      from: world.day(n, '18:00'),
      to: world.day(n, '20:00'),
    });
  await world.settled();
  await world.db.query('TRUNCATE bb_event CASCADE');
  await world.settled();
  expect(world.events(101)).toHaveLength(3);
  const command = (...words: string[]) => cli({ ...environmentOf(world.db, world.tenant) }, ...words);
  return { ...world, command, run: (...words: string[]) => command('brake', ...words) };
}

test('removals that the brake holds are listed, and released', async () => {
  await using w = await openHeld();
  const listed = await w.run();
  expect(listed.out).toContain('3 held in 101:');
  expect(listed.out).toMatch(/event\/\d+ «Choir 2» .*: its rows are gone; its event would be deleted/);
  expect((await w.run('--room', '102')).out).toContain('The brake holds nothing.');

  expect((await w.run('--room', '101', '--release')).out).toContain('3 released: 3 deleted.');
  expect(w.events(101)).toEqual([]);
  expect((await w.run('--json')).json()).toMatchObject({ success: true, count: 0 });
});

test('held removals are counted apart from conflicts, and the list of conflicts names the command for them', async () => {
  await using w = await openHeld();
  const report = (await w.command('report')).out;
  expect(report).toContain('to decide 3 removals held by the brake (list: brake)');
  expect((await w.command('report', '--json')).json()).toMatchObject({
    statistics: { summary: { conflict: 3 } },
    queue: { conflicts: 0, held: 3 },
  });
  const listed = (await w.command('conflicts')).out;
  expect(listed).toContain('No conflict is open.');
  expect(listed).toMatch(/3 removals held by the brake need a decision, too: .* brake\n/);
  expect((await w.command('conflicts', '--room', '101')).out).toMatch(/: .* brake --room 101\n/);
  expect((await w.command('conflicts', '--room', '102')).out).toBe('No conflict is open.\n');
  expect((await w.command('conflicts', '--json')).json()).toMatchObject({ count: 0, held: 3, more: false });

  // as in every other count, without switched off rooms
  await w.db.query('UPDATE bridge_resource_mappings SET active = 0 WHERE resource_id = 101');
  expect((await w.run()).out).toContain('The brake holds nothing.');
  expect((await w.command('conflicts')).out).toBe('No conflict is open.\n');
});

test('removals that a person refuses are not carried out', async () => {
  await using w = await openHeld();
  expect((await w.run('--room', '101', '--refuse')).out).toContain('3 refused.');
  await w.settled();
  expect(w.events(101)).toHaveLength(3);
  expect((await w.run()).out).toContain('The brake holds nothing.');
});

test.each([
  [['--release'], '--room'],
  [['--room', '101', '--release', '--refuse'], '--refuse'],
])('brake %j names the wrong option', async (words, option) => {
  await using w = await openWorld({ mapped: [101] });
  const said = await cli({ ...environmentOf(w.db, w.tenant) }, 'brake', ...words);
  expect([said.code, said.err]).toEqual([64, expect.stringContaining(option)]);
});
