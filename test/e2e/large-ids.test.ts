/** Ids that a JavaScript number rounds: two reservations beside each other are never taken for one, in either direction. */
import { expect, test } from 'vitest';
import { openTestDatabase } from '../support/database.ts';
import { at, day } from '../support/dates.ts';
import { enlargeIds, roundedIds } from '../support/large-ids.ts';
import { cli } from '../cli/command-line.ts';
import { environmentOf } from '../support/settings.ts';
import { openWorld, rooms } from './world.ts';

const [even, odd, imported] = roundedIds;
const upn = rooms[101]!.upn;

async function openLarge() {
  const database = await openTestDatabase({ schema: 'bridge' });
  await enlargeIds(database);
  const world = await openWorld({ database, mapped: [101] });
  world.tenant.addPerson({ upn: 'kari@bergen.example', name: 'Kari' });
  const daemon = await world.start();
  for (const [title, hour] of [
    ['Partall', 10],
    ['Oddetall', 12],
  ] as const)
    await world.desk.book(101, { title, from: day(3, `${hour}:00`), to: day(3, `${hour + 1}:00`) });
  await world.settled();
  return {
    ...world,
    daemon,
    pullAll: () => world.pullAll(daemon),
    event: (title: string) => world.events(101).find(({ subject }) => subject === title)!,
    reservations: () =>
      world.db.query<{ id: string; name: string; active: number }>(
        'SELECT id::text, name, active FROM bb_event ORDER BY id',
      ),
    cli: (...words: string[]) => cli({ ...environmentOf(world.db, world.tenant) }, ...words),
    [Symbol.asyncDispose]: () => world[Symbol.asyncDispose](),
  };
}

test('edits of two neighbours reach each its own side, both ways', async () => {
  await using world = await openLarge();
  expect(world.titles(101).toSorted()).toEqual(['Oddetall', 'Partall']);
  await world.db.query(`UPDATE bb_event SET name = 'Oddetall, endret' WHERE id = $1`, [odd]);
  await world.settled();
  expect(world.titles(101).toSorted()).toEqual(['Oddetall, endret', 'Partall']);
  world.tenant.people.retitle(upn, world.event('Oddetall, endret').id, 'Fra Outlook');
  world.tenant.people.book(upn, { subject: 'Ny', start: at(3, '16:00'), end: at(3, '17:00') });
  await world.pullAll();
  world.tenant.people.remove(upn, world.event('Partall').id);
  await world.pullAll();
  expect(await world.reservations()).toEqual([
    { id: even, name: 'Partall', active: 0 },
    { id: odd, name: 'Fra Outlook', active: 1 },
    { id: imported, name: 'Ny', active: 1 },
  ]);
});

test('when the mappings are lost, each finds its own event by its extended properties', async () => {
  await using world = await openLarge();
  const before = [world.event('Partall').id, world.event('Oddetall').id];
  // neither time nor title tells them apart any more
  await world.db.query(`UPDATE bb_event SET name = 'Lik', from_ = $1, to_ = $2`, [
    day(3, '10:00'),
    day(3, '11:00'),
  ]);
  await world.settled();
  await world.db.query('TRUNCATE bridge_mappings CASCADE');
  await world.settled();
  const found = await world.db.query(
    'SELECT reservation_id::text AS id, outlook_event_id AS event FROM bridge_mappings ORDER BY reservation_id',
  );
  expect(found).toEqual([
    { id: even, event: before[0] },
    { id: odd, event: before[1] },
  ]);
});

test('explain, search, plan, conflicts and undo name the very reservation', async () => {
  await using world = await openLarge();
  const explained = (await world.cli('explain', `event/${odd}`, '--json')).json();
  expect(explained).toMatchObject({ reservation_id: odd, items: [{ title: 'Oddetall' }] });
  const found = (await world.cli('search', odd, '--json')).json();
  expect(found.results).toMatchObject([{ reservation_id: odd, title: 'Oddetall' }]);

  world.tenant.people.invite('kari@bergen.example', [upn], {
    subject: 'Møte',
    start: at(3, '16:00'),
    end: at(3, '17:00'),
  });
  world.tenant.advance(10_000);
  await world.pullAll();
  await world.desk.move(
    { type: 'event', id: imported as unknown as number },
    day(3, '18:00'),
    day(3, '19:00'),
  );
  await world.settled();
  const { conflicts } = (await world.cli('conflicts', '--json')).json();
  expect(conflicts).toMatchObject([{ kind: 'moved', reservation_type: 'event', reservation_id: imported }]);

  await world.daemon.stop();
  await world.db.query(`UPDATE bb_event SET name = 'Til planen' WHERE id = $1`, [odd]);
  const plan = (await world.cli('plan', '--json')).json();
  expect(JSON.stringify(plan)).toContain(`"reservation_id":"${odd}"`);
});

test('undo makes active again what was cancelled, and nothing beside it', async () => {
  await using world = await openLarge();
  const since = new Date(Date.now() - 60_000).toISOString();
  world.tenant.people.remove(upn, world.event('Oddetall').id);
  world.tenant.people.remove(upn, world.event('Partall').id);
  await world.pullAll();
  expect((await world.reservations()).map(({ active }) => active)).toEqual([0, 0]);
  const undone = (await world.cli('undo', '--since', since, '--apply', '--json')).json();
  expect(undone.items.map((item: { reservation_id: unknown }) => item.reservation_id).toSorted()).toEqual([
    even,
    odd,
  ]);
  expect((await world.reservations()).map(({ active }) => active)).toEqual([1, 1]);
});
