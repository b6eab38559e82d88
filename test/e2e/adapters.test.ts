/** The whole product in both directions, before the booking system of each adapter. */
import { describe, expect, test } from 'vitest';
import { at, day } from '../support/dates.ts';
import { adapters } from '../support/adapters.ts';
import { openDeskWorld } from './desk-world.ts';

const titles = (rows: readonly { readonly title: string }[]) => rows.map(({ title }) => title);

describe.each(adapters)('%s', (adapter) => {
  test('what is booked, moved and cancelled at the desk is in Outlook', async () => {
    await using world = await openDeskWorld(adapter);
    const [room] = world.ids;
    const key = await world.write(() =>
      world.desk.book(world.db, room!, day(3, '10:00'), day(3, '11:00'), 'Choir'),
    );
    expect(world.shown(room!)).toMatchObject([
      { subject: 'Choir', start: at(3, '10:00'), end: at(3, '11:00'), showAs: 'busy' },
    ]);
    await world.write(() => world.desk.move(world.db, key, day(4, '12:00'), day(4, '13:30')));
    expect(world.shown(room!)).toMatchObject([
      { subject: 'Choir', start: at(4, '12:00'), end: at(4, '13:30') },
    ]);
    await world.write(() => world.desk.touch(world.db, key));
    await world.write(() => world.desk.cancel(world.db, key));
    expect(world.shown(room!)).toEqual([]);
    expect(world.writes()).toEqual(['POST', 'PATCH', 'DELETE']);
  });

  test('what is booked, moved and deleted in Outlook is in the booking system', async () => {
    await using world = await openDeskWorld(adapter);
    const [room] = world.ids;
    const { people } = world.tenant;
    const { id } = people.book(world.upn(room!), {
      subject: 'Budget',
      start: at(3, '10:00'),
      end: at(3, '11:00'),
    });
    await world.pullAll();
    expect(await world.items(room!)).toMatchObject([
      { title: 'Budget', start: at(3, '10:00'), end: at(3, '11:00'), state: 'active' },
    ]);
    people.move(world.upn(room!), id, { start: at(4, '12:00'), end: at(4, '13:00') });
    people.retitle(world.upn(room!), id, 'Budget II');
    await world.pullAll();
    expect(await world.items(room!)).toMatchObject([
      { title: 'Budget II', start: at(4, '12:00'), end: at(4, '13:00') },
    ]);
    people.remove(world.upn(room!), id);
    await world.pullAll();
    expect(await world.items(room!)).toEqual([]);
    expect(world.writes().filter((call) => call !== 'PATCH')).toEqual([]);
  });

  test('a meeting is imported with its room, and declined once it is cancelled at the desk', async () => {
    await using world = await openDeskWorld(adapter);
    const [room] = world.ids;
    world.tenant.people.invite('ada@bergen.example', [world.upn(room!)], {
      subject: 'Council',
      start: at(3, '10:00'),
      end: at(3, '11:00'),
    });
    await world.pullAll();
    const [item] = await world.items(room!);
    expect(item).toMatchObject({ start: at(3, '10:00'), end: at(3, '11:00') });
    await world.write(() => world.desk.cancel(world.db, item!));
    expect(world.shown(room!)).toEqual([]);
    expect(world.writes().filter((call) => call.includes('decline'))).toHaveLength(1);
  });

  test('an event on a reserved time is not imported', async () => {
    await using world = await openDeskWorld(adapter);
    const [room] = world.ids;
    await world.write(() => world.desk.book(world.db, room!, day(3, '10:00'), day(3, '11:00'), 'Choir'));
    world.tenant.people.book(world.upn(room!), {
      subject: 'Budget',
      start: at(3, '10:30'),
      end: at(3, '12:00'),
    });
    await world.pullAll();
    expect(titles(await world.items(room!))).toEqual(['Choir']);
    expect(
      await world.db.query(
        `SELECT conflict ->> 'kind' AS kind FROM bridge_mappings WHERE sync_status = 'conflict'`,
      ),
    ).toEqual([{ kind: 'overlap' }]);
  });
});
