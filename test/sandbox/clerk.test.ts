/** The booking desk of the demo. */
import { expect, test } from 'vitest';
import { createClerk, suggestedEvent } from '../../src/sandbox/clerk.ts';
import { openTestDatabase } from '../support/database.ts';

test('the clerk never changes the event that the demo suggests to change by hand', async () => {
  await using db = await openTestDatabase({ schema: 'portico' });
  const clerk = createClerk(db.pool, 1);
  await clerk.prepare(30);
  const event = () =>
    db.query(
      `SELECT e.name, e.active, e.from_, e.to_, array_agg(r.resource_id ORDER BY r.resource_id) AS resources
       FROM bb_event e JOIN bb_event_resource r ON r.event_id = e.id WHERE e.id = $1 GROUP BY e.id`,
      [suggestedEvent],
    );
  const before = await event();
  expect(before).toHaveLength(1);
  const verbs = new Set<string>();
  for (let acts = 0; acts < 400; acts += 1) verbs.add((await clerk.act())?.verb ?? 'none');
  expect(await event()).toEqual(before);
  expect([...verbs]).toEqual(
    expect.arrayContaining(['moved', 'retitled', 'cancelled', 're-enabled', 'other room']),
  );
});
