/** The decision about removals that the brake holds, on the command line. */
import { expect, test } from 'vitest';
import { cli } from '../cli/command-line.ts';
import { environmentOf, openWorld } from './world.ts';

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
  const run = (...words: string[]) => cli({ ...environmentOf(world.db, world.tenant) }, 'brake', ...words);
  return { ...world, run };
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
