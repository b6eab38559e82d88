import { expect, test } from 'vitest';
import { openWorld } from './world.ts';

test('a commit in the booking system is an event in the room calendar', async () => {
  await using world = await openWorld();
  await world.start();
  await world.settled();
  const choir = await world.desk.book(101, {
    title: 'Kammerkoret øver',
    description: 'Noter: <b>ikke</b> HTML & 😀',
    from: '2026-12-01 18:00',
    to: '2026-12-01 20:00',
  });
  await world.settled();
  const [event] = world.events(101);
  expect(event).toMatchObject({
    subject: 'Kammerkoret øver',
    start: '2026-12-01T17:00:00.0000000Z',
    end: '2026-12-01T19:00:00.0000000Z',
    showAs: 'busy',
    attendees: [],
    isReminderOn: false,
  });
  expect(Object.values(event!.extendedProperties).sort()).toEqual([String(choir.id), 'event']);
  expect(world.tenant.mails).toEqual([]);
  expect(world.tenant.violations).toEqual([]);
});
