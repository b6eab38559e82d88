import { expect, test } from 'vitest';
import { openPool } from '../../src/database.ts';
import { openProxy } from '../support/proxy.ts';
import { openApi, type Api } from './api.ts';

const hear = (api: Api) => api.tell({ fact: 'listening', heard: true, reason: '' });

test('healthy when nothing is wrong, part by part', async () => {
  await using api = await openApi({ worked: false });
  hear(api);
  const answer = await api.call('GET', '/health/system');
  expect(answer.status).toBe(200);
  expect(answer.body).toMatchObject({ success: true, status: 'healthy', uptime_seconds: expect.any(Number) });
  const checks = answer.body['checks'] as Record<string, { status: string }>;
  expect(Object.keys(checks)).toEqual(['database', 'graph', 'listener', 'queue', 'alerts', 'schedules']);
  expect(Object.values(checks).every(({ status }) => status === 'healthy')).toBe(true);
});

test.each([
  ['listener', (api: Api) => api.tell({ fact: 'listening', heard: false, reason: 'a pooler' }), /a pooler/],
  [
    'queue',
    (api: Api) =>
      api.db.query(
        `INSERT INTO bridge_changes (reservation_type, changed_at) VALUES ('event', now() - interval '20 minutes')`,
      ),
    /1 changes wait, the oldest for 20 minutes/,
  ],
  [
    'queue',
    (api: Api) =>
      api.db.query(
        `INSERT INTO bridge_unfolded (changed_at, code, error_message, retry_at) VALUES (now(), '22012', 'm', now())`,
      ),
    /0 changes wait, 1 cannot be followed/,
  ],
  [
    'queue',
    (api: Api) =>
      api.db.query(
        `WITH changed AS (INSERT INTO bridge_changes (reservation_type, changed_at) VALUES ('event', now() - interval '20 minutes'))
         INSERT INTO bridge_unfolded (changed_at, code, error_message, retry_at) VALUES (now(), '22012', 'm', now())`,
      ),
    /1 changes wait, the oldest for 20 minutes, 1 cannot be followed/,
  ],
  [
    'alerts',
    (api: Api) =>
      api.db.query(`INSERT INTO bridge_alerts (type, severity, message) VALUES ('bug', 'critical', 'm')`),
    /1 critical and 0 other/,
  ],
  [
    'schedules',
    (api: Api) =>
      api.db.query(
        `INSERT INTO bridge_schedules (name, cron, next_run_at) VALUES ('sweep', '* * * * *', now() - interval '5 minutes')`,
      ),
    /overdue: sweep/,
  ],
  [
    'schedules',
    (api: Api) =>
      api.db.query(
        `INSERT INTO bridge_schedules (name, cron, next_run_at, last_result) VALUES ('report', '* * * * *', now(), 'failed: no')`,
      ),
    /last run failed: report/,
  ],
  [
    'schedules',
    (api: Api) =>
      api.db.query(
        `INSERT INTO bridge_schedules (name, cron, next_run_at, last_result)
         VALUES ('sweep', '* * * * *', now() - interval '5 minutes', NULL), ('report', '* * * * *', now(), 'failed: no')`,
      ),
    /overdue: sweep.* the last run failed: report/,
  ],
  [
    'database',
    (api: Api) => api.db.query('ALTER TABLE bb_event DISABLE TRIGGER bridge_update'),
    /not captured/,
  ],
  [
    'graph',
    (api: Api) => api.db.query(`UPDATE bridge_room_state SET health = 'refused'`),
    /mailboxes that refuse access: 2,/,
  ],
])('degraded by %s, and it says why', async (part, spoil, why) => {
  await using api = await openApi({ worked: false });
  hear(api);
  await spoil(api);
  const answer = await api.call('GET', '/health/system');
  expect(answer.status).toBe(200);
  expect(answer.body).toMatchObject({
    success: true,
    status: 'degraded',
    checks: { [part]: { status: 'degraded', message: expect.stringMatching(why) } },
  });
});

test('unhealthy while Graph is unreachable', async () => {
  await using api = await openApi({ worked: false });
  hear(api);
  api.tell({ fact: 'outage', side: 'outlook', error: 'no route to host', hint: null });
  const answer = await api.call('GET', '/health/system');
  expect(answer.status).toBe(503);
  expect(answer.body).toMatchObject({
    success: false,
    status: 'unhealthy',
    checks: { graph: { status: 'unhealthy', message: 'no route to host' } },
  });
});

test('unhealthy while the database does not answer, in time for a probe, and the dashboard says what is known', async () => {
  await using api = await openApi({ worked: false });
  await using proxy = await openProxy(api.db.url);
  const pool = openPool({ url: proxy.through(api.db.url), ssl: false }, 'test', 5);
  await using cut = await openApi({ worked: false, db: pool });
  hear(cut);
  proxy.silentNew = true;
  const answer = await cut.call('GET', '/health/system');
  expect(answer.status).toBe(503);
  expect(answer.body).toMatchObject({ status: 'unhealthy', checks: { database: { status: 'unhealthy' } } });
  const dashboard = await cut.call('GET', '/health/dashboard');
  expect(dashboard.status).toBe(200);
  expect(dashboard.body).toMatchObject({
    success: false,
    status: 'unhealthy',
    statistics: null,
    rooms: null,
  });
  proxy.reset();
  await pool.end();
});

test('the dashboard has the figures beside it', async () => {
  await using api = await openApi({ worked: false });
  hear(api);
  await api.db.query(`INSERT INTO bridge_alerts (type, severity, message) VALUES ('bug', 'critical', 'm')`);
  await api.db.query(`INSERT INTO bridge_log (mapping_id, resource_id, action) VALUES (1, 101, 'created')`);
  await api.db.query(
    `INSERT INTO bridge_schedules (name, cron, next_run_at) VALUES ('sweep', '* * * * *', now())`,
  );
  expect((await api.call('GET', '/health/dashboard')).body).toMatchObject({
    success: true,
    status: 'degraded',
    statistics: { total_mappings: 0, summary: { synced: 0 } },
    queue: { due: 0 },
    rooms: { ok: 2 },
    alerts: [{ type: 'bug' }],
    schedules: [{ name: 'sweep' }],
    recent: [{ action: 'created' }],
  });
});
