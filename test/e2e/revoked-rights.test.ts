/** A DBA takes a right away: one alert that says so, and ends when the right is there again. It is no bug. */
import { expect, test } from 'vitest';
import { openReceiver } from '../ops/receiver.ts';
import { bridgeGrants, openRole } from '../support/roles.ts';
import { startService } from '../support/service.ts';
import { until } from '../support/until.ts';
import { openWorld } from './world.ts';

const everythingOfOurs = [
  'GRANT ALL ON ALL TABLES IN SCHEMA public TO role',
  'GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO role',
  'GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO role',
  // the view reads with the rights of its owner
  'ALTER VIEW bridge_items OWNER TO role',
];

async function openWithRole() {
  await using opened = new AsyncDisposableStack();
  const world = opened.use(await openWorld({ mapped: [101] }));
  const receiver = opened.use(await openReceiver());
  const role = opened.use(await openRole(world.db, [...bridgeGrants, ...everythingOfOurs]));
  const config = { ...world.config, database: role.config, alertWebhookUrl: receiver.url };
  const service = opened.use(await startService(config));
  await service.heard();
  await world.settled();
  const owned = opened.move();
  return {
    ...world,
    role: role.name,
    check: () => fetch(`${service.url}/alerts/check`, { method: 'POST' }),
    told: (line: string) => receiver.until(() => receiver.lines().includes(line)),
    alerts: () =>
      world.db.query<{ type: string; message: string; open: boolean }>(
        'SELECT type, message, closed_at IS NULL AS open FROM bridge_alerts ORDER BY id',
      ),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

test('the right to read bookings', async () => {
  await using w = await openWithRole();
  await w.db.query(`REVOKE SELECT ON bb_event FROM ${w.role}`);
  await w.desk.book(101, { title: 'Choir', from: w.day(3, '18:00'), to: w.day(3, '20:00') });
  await w.told('opened booking-outage');
  // it is posted at once and written down next
  expect(await until(w.alerts, ({ length }) => length > 0)).toMatchObject([
    {
      open: true,
      message: expect.stringMatching(/answers but cannot be used: .*permission denied for table bb_event/),
    },
  ]);
  await w.db.query(`GRANT SELECT ON bb_event TO ${w.role}`);
  await w.told('closed booking-outage');
  await w.settled();
  expect(w.titles(101)).toEqual(['Choir']);
  expect(await w.alerts()).toMatchObject([{ type: 'booking-outage', open: false }]);
});

test('the right to write what Outlook says', async () => {
  await using w = await openWithRole();
  await w.db.query(`REVOKE INSERT ON bb_event FROM ${w.role}`);
  for (const [title, hour] of [
    ['Dinner', '15'],
    ['Lunch', '11'],
  ])
    w.tenant.people.book('formannskapssalen@bergen.example', {
      subject: title!,
      start: `${w.day(3, `${hour}:00`).replace(' ', 'T')}:00Z`,
      end: `${w.day(3, `${hour}:30`).replace(' ', 'T')}:00Z`,
    });
  await w.db.query('UPDATE bridge_room_state SET pull_due_at = now()');
  await w.db.query('SELECT bridge_wake()');
  await w.told('opened right-missing');
  expect(await w.alerts()).toMatchObject([
    {
      type: 'right-missing',
      message: expect.stringMatching(
        /permission denied for table bb_event \(bridge_import_item, line \d+, SQLSTATE 42501\)/,
      ),
    },
  ]);
  await w.db.query(`GRANT INSERT ON bb_event TO ${w.role}`);
  await w.settled();
  await w.check();
  await w.told('closed right-missing');
  expect(await w.alerts()).toMatchObject([{ type: 'right-missing', open: false }]);
  expect(await w.db.query('SELECT name FROM bb_event ORDER BY 1')).toEqual([
    { name: 'Dinner' },
    { name: 'Lunch' },
  ]);
});
