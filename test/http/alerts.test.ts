import { expect, test } from 'vitest';
import { openApi, type Answer, type Api } from './api.ts';

interface Listed {
  readonly id: number;
  readonly type: string;
  readonly status: string;
  readonly acknowledged_at: string | null;
}
const listed = (answer: Answer) => answer.body['alerts'] as Listed[];
const types = (answer: Answer) => listed(answer).map(({ type }) => type);

const refuse = (api: Api, health = 'refused') =>
  api.db.query(
    `UPDATE bridge_room_state SET health = $1, error_message = 'Access is denied' WHERE resource_mapping_id =
     (SELECT id FROM bridge_resource_mappings WHERE resource_id = 102)`,
    [health],
  );

test('a brake that holds is listed with mailbox and resource, and is gone once a person has spoken', async () => {
  await using api = await openApi();
  for (let day = 1; day <= 12; day += 1)
    await api.desk.book(101, { from: api.day(day, '10:00'), to: api.day(day, '11:00') });
  await api.settle();
  await api.loseEvents();
  await api.settle();
  const answer = await api.call('POST', '/alerts/check');
  expect(answer.body).toMatchObject({ success: true, opened: 1, count: 1 });
  expect(listed(await api.call('GET', '/alerts'))).toMatchObject([
    {
      type: 'brake',
      severity: 'critical',
      room: 'formannskapssalen@bergen.example',
      mailbox: 'formannskapssalen@bergen.example',
      resource_id: 101,
      message: expect.stringContaining('12 removals'),
      hint: expect.stringContaining('/rooms/101/brake/release'),
      created_at: expect.stringContaining('T'),
      closed_at: null,
    },
  ]);
  await api.call('POST', '/rooms/101/brake/refuse');
  expect((await api.call('GET', '/alerts')).body).toMatchObject({ count: 0, alerts: [] });
  expect(types(await api.call('GET', '/alerts?status=all'))).toEqual(['brake']);
});

test('an acknowledged alert is still open, and says when it was acknowledged', async () => {
  await using api = await openApi({ worked: false });
  await refuse(api);
  await api.call('POST', '/alerts/check');
  const [alert] = listed(await api.call('GET', '/alerts'));
  expect(alert).toMatchObject({ type: 'room-refused', status: 'open', acknowledged_at: null });
  const first = await api.call('POST', `/alerts/${alert!.id}/acknowledge`);
  expect(first.body).toMatchObject({ success: true, alert: { id: alert!.id, status: 'acknowledged' } });
  const again = await api.call('POST', `/alerts/${alert!.id}/acknowledge`);
  expect(again.body['alert']).toEqual(first.body['alert']);
  await api.call('POST', '/alerts/check');
  expect(listed(await api.call('GET', '/alerts'))).toMatchObject([{ status: 'acknowledged' }]);
  expect((await api.call('POST', '/alerts/999/acknowledge')).status).toBe(404);
  expect((await api.call('POST', '/alerts/first/acknowledge')).status).toBe(400);
});

test('the statistics count what is open by severity and type', async () => {
  await using api = await openApi({ worked: false });
  await refuse(api);
  await api.db.query(`INSERT INTO bridge_alerts (type, severity, message, closed_at)
    VALUES ('bug', 'critical', 'gone', now() - interval '1 hour'), ('stuck', 'critical', 'long gone', now() - interval '3 days')`);
  await api.call('POST', '/alerts/check');
  expect((await api.call('GET', '/alerts/stats')).body).toEqual({
    success: true,
    statistics: {
      open: 1,
      critical: 1,
      warning: 0,
      acknowledged: 0,
      closed_last_24_hours: 1,
      by_type: { 'room-refused': 1 },
    },
  });
});

test('old alerts are deleted when they are closed, never while they are open', async () => {
  await using api = await openApi({ worked: false });
  await api.db.query(`INSERT INTO bridge_alerts (type, severity, message, created_at, closed_at) VALUES
    ('bug', 'critical', 'open', now() - interval '90 days', NULL),
    ('stuck', 'critical', 'old', now() - interval '90 days', now() - interval '31 days'),
    ('stuck', 'critical', 'younger', now() - interval '90 days', now() - interval '8 days')`);
  expect((await api.call('DELETE', '/alerts/old')).body).toMatchObject({ success: true, count: 1 });
  expect((await api.call('DELETE', '/alerts/old?days=7')).body).toMatchObject({ count: 1 });
  expect((await api.call('DELETE', '/alerts/old?days=0')).body).toMatchObject({ count: 0 });
  expect((await api.call('DELETE', '/alerts/old?days=-1')).status).toBe(400);
  expect(types(await api.call('GET', '/alerts?status=all'))).toEqual(['bug']);
});

test('the list is cut at its limit, open ones first', async () => {
  await using api = await openApi({ worked: false });
  await api.db.query(`INSERT INTO bridge_alerts (type, severity, message, created_at, closed_at) VALUES
    ('bug', 'critical', 'open', now() - interval '9 days', NULL), ('stuck', 'critical', 'closed', now(), now())`);
  expect(types(await api.call('GET', '/alerts?status=all&limit=1'))).toEqual(['bug']);
  expect(types(await api.call('GET', '/alerts?status=closed'))).toEqual(['stuck']);
  expect((await api.call('GET', '/alerts?status=some')).status).toBe(400);
});

test('the schedules are listed with their last and next run', async () => {
  await using api = await openApi({ worked: false });
  await api.db
    .query(`INSERT INTO bridge_schedules (name, cron, next_run_at, last_run_at, last_result, last_ms)
    VALUES ('sweep', '*/10 * * * *', now() + interval '1 minute', now(), 'ok', 12), ('report', '0 8 * * *', now(), NULL, NULL, NULL)`);
  expect((await api.call('GET', '/schedules')).body).toMatchObject({
    success: true,
    count: 2,
    schedules: [
      { name: 'report', last_run_at: null, last_result: null, next_run_at: expect.stringContaining('T') },
      { name: 'sweep', cron: '*/10 * * * *', last_result: 'ok', last_ms: 12 },
    ],
    rooms: [],
  });
});

test('the polls of all rooms and the renewals of their subscriptions are listed beside them', async () => {
  await using api = await openApi();
  await api.db.query(
    `INSERT INTO bridge_subscriptions (resource_mapping_id, outlook_item_id, subscription_id, notification_url, expires_at, due_at)
     SELECT id, outlook_item_id, 'subscription ' || id, 'https://hook.example', now() + interval '6 days', now() + interval '1 day' FROM bridge_resource_mappings`,
  );
  await api.db.query(
    "UPDATE bridge_room_state SET pulled_at = now(), next_poll_at = now() + interval '1 minute'",
  );
  const answer = await api.call('GET', '/schedules');
  const time = expect.stringContaining('T');
  expect(answer.body).toMatchObject({
    rooms: [
      { name: 'poll', last_run_at: time, next_run_at: time, rooms: 2 },
      { name: 'subscription-renewal', last_run_at: time, next_run_at: time, rooms: 2 },
    ],
  });
});
