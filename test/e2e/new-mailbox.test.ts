/** A mailbox that was deleted and made anew under its address, through real HTTP and the whole daemon. */
import { expect, test } from 'vitest';
import { at } from '../support/dates.ts';
import { until } from '../support/until.ts';
import { openWorld, rooms } from './world.ts';

const upn = rooms[101]!.upn;

async function openTwo(foreignIdStatus: 400 | 404) {
  const world = await openWorld({ mapped: [101] });
  const { tenant, db, desk, day } = world;
  tenant.faults.set({ foreignIdStatus });
  const daemon = await world.start();
  await desk.book(101, { title: 'Choir', from: day(3, '18:00'), to: day(3, '20:00') });
  await world.settled();
  tenant.people.book(upn, { subject: 'Lunch', start: at(4, '10:00'), end: at(4, '11:00') });
  await world.pullAll(daemon);
  const reservations = () =>
    db.query<{ id: number; name: string; active: number }>(
      'SELECT id, name, active FROM bb_event ORDER BY name',
    );
  expect((await reservations()).map(({ name }) => name)).toEqual(['Choir', 'Lunch']);
  return { ...world, daemon, reservations };
}

test.each([
  [404, 'by a round of changes'],
  [400, 'by a round of changes'],
  [404, 'by an edit of a reservation'],
  [400, 'by an edit of a reservation'],
  [404, 'by a cancellation'],
] as const)(
  'a mailbox made anew (old ids answer %i), met first %s, is shown everything and cancels nothing',
  async (foreignIdStatus, first) => {
    await using w = await openTwo(foreignIdStatus);
    const before = await w.reservations();
    const id = w.tenant.renewMailbox(upn);
    expect(w.titles(101)).toEqual([]);
    if (first === 'by a round of changes')
      await w.db.query('UPDATE bridge_room_state SET pull_due_at = now()');
    else if (first === 'by a cancellation')
      await w.db.query("UPDATE bb_event SET active = 0 WHERE name = 'Lunch'");
    else await w.db.query("UPDATE bb_event SET description = 'Bring notes' WHERE name = 'Choir'");
    w.daemon.daemon.ring();
    const left = first === 'by a cancellation' ? ['Choir'] : ['Choir', 'Lunch'];
    await until(
      () => w.titles(101).toSorted(),
      (titles) => titles.join() === left.join(),
    );
    await w.settled();
    await w.pullAll(w.daemon);
    expect(w.titles(101).toSorted()).toEqual(left);
    expect(await w.reservations()).toEqual(
      before.map((one) => ({ ...one, active: left.includes(one.name) ? 1 : 0 })),
    );
    expect(await w.db.query('SELECT outlook_object_id AS id FROM bridge_resource_mappings')).toEqual([
      { id },
    ]);
    // it is a mailbox like any other from now on
    w.tenant.people.retitle(upn, w.events(101)[0]!.id, 'Orchestra');
    await w.pullAll(w.daemon);
    expect((await w.reservations()).map(({ name }) => name)).toContain('Orchestra');
  },
);
