/** The people of the demo who use Outlook. */
import { expect, test } from 'vitest';
import { rooms } from '../../src/sandbox/world.ts';
import { startTenant } from '../../src/sandbox/tenant/tenant.ts';
import { createVisitors } from '../../src/sandbox/visitors.ts';

/** BRAKE_MAX of .env.example. */
const brakeMax = 10;

test('in three hours they never delete as many in an hour as the brake would hold', async () => {
  await using tenant = await startTenant({ seed: 1 });
  for (const room of rooms) tenant.addRoom(room);
  let now = 0;
  const visitors = createVisitors(tenant, rooms, 3, { now: () => now });
  const deleted: number[] = [];
  const verbs = new Set<string>();
  // one of them every three seconds, as in the demo
  for (; now < 3 * 3_600_000; now += 3_000) {
    const visit = visitors.act();
    if (visit !== null) verbs.add(visit.verb);
    if (visit?.verb === 'deletes') deleted.push(now);
  }
  const inAnHour = deleted.map(
    (at) => deleted.filter((other) => other <= at && at - other < 3_600_000).length,
  );
  expect(Math.max(...inAnHour)).toBeLessThan(brakeMax);
  expect([...verbs].toSorted()).toEqual(['books', 'calls off', 'deletes', 'invites', 'moves', 'renames']);
  const events = rooms.flatMap((room) => tenant.eventsIn(room.upn).filter((event) => !event.isCancelled));
  expect(
    events.length,
    'a few rows that a person deletes stay a large part of the whole',
  ).toBeLessThanOrEqual(12);
});
