/** The daemon as an operator runs it, called by a simulated tenant over real HTTP. */
import { expect, test } from 'vitest';
import { openCalled } from './called.ts';

test('rooms are subscribed by themselves, and a meeting made in Outlook is in the booking system without a poll', async () => {
  await using world = await openCalled();
  await world.start();
  await world.until(() => world.subscriptions().length === 2);
  await world.settled();
  world.meet(101, 'Formannskapsmøte');
  await world.until(() => world.imported('Formannskapsmøte'));
  expect(world.facts.some(({ fact }) => fact === 'notified')).toBe(true);
});

test('what was made in Outlook while no daemon was there is imported at the next start, without another notification', async () => {
  await using world = await openCalled({ POLL_INTERVAL_SECONDS: '900' });
  const first = await world.start();
  await world.until(() => world.subscriptions().length === 2);
  await world.settled();
  await first.end();
  world.tenant.webhooks.vanish();
  world.meet(102, 'Foreldremøte');
  await world.start();
  await world.until(() => world.imported('Foreldremøte'));
});

test('a room that is mapped while the daemon runs is subscribed, one that is switched off is not any more', async () => {
  await using world = await openCalled();
  await world.start();
  await world.until(() => world.subscriptions().length === 2);
  await world.map(103);
  await world.until(() => world.subscriptions().length === 3);
  await world.db.query('UPDATE bridge_resource_mappings SET active = 0 WHERE resource_id <> 103');
  await world.until(() => world.subscriptions().length === 1);
});

test('a daemon that was stopped in between takes its subscriptions up again and makes no others', async () => {
  await using world = await openCalled();
  const first = await world.start();
  await world.until(() => world.subscriptions().length === 2);
  await world.until(
    async () =>
      (await world.db.query('SELECT 1 FROM bridge_subscriptions WHERE subscription_id IS NULL')).length === 0,
  );
  const before = world.subscriptions().map(({ id }) => id);
  await first.end();
  world.meet(101, 'Mens ingen var hjemme');
  await world.start();
  await world.until(() => world.imported('Mens ingen var hjemme'));
  expect(world.subscriptions().map(({ id }) => id)).toEqual(before);
});

test('with every notification lost, polling brings the same, later', async () => {
  await using world = await openCalled({ POLL_INTERVAL_SECONDS: '1' });
  world.tenant.faults.set({ notifyLose: 1 });
  await world.start();
  await world.until(() => world.subscriptions().length === 2);
  world.meet(102, 'Uten varsel');
  await world.until(() => world.imported('Uten varsel'));
  expect(world.facts.some(({ fact }) => fact === 'notified')).toBe(false);
});

test('without WEBHOOK_BASE_URL what was subscribed before is ended', async () => {
  await using world = await openCalled();
  const first = await world.start();
  await world.until(() => world.subscriptions().length === 2);
  await first.end();
  await world.start({ webhookBaseUrl: null });
  await world.until(() => world.subscriptions().length === 0);
});
