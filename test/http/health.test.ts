import { attachCommand, migrateCommand } from '../../src/command-name.ts';
import { openPool } from '../../src/database.ts';
import { expect, test } from 'vitest';
import { openTestDatabase } from '../support/database.ts';
import { openApi } from './api.ts';

test('ready: PostgreSQL answers, its notifications are heard, and the triggers are there', async () => {
  await using api = await openApi();
  api.tell({ fact: 'listening', heard: true, reason: '' });
  const answer = await api.call('GET', '/ready');
  expect(answer.status).toBe(200);
  expect(answer.body).toEqual({
    success: true,
    status: 'ready',
    checks: {
      database: { ok: true, problems: [] },
      listening: { ok: true, problems: [] },
      capture: { ok: true, problems: [] },
    },
  });
});

test('not ready while notifications are not heard, with the reason', async () => {
  await using api = await openApi();
  api.tell({ fact: 'listening', heard: true, reason: '' });
  api.tell({ fact: 'listening', heard: false, reason: 'a connection pooler is in between' });
  const answer = await api.call('GET', '/ready');
  expect(answer.status).toBe(503);
  expect(answer.headers.get('retry-after')).toBe('1');
  expect(answer.body).toMatchObject({
    success: false,
    checks: { listening: { ok: false, problems: [expect.stringContaining('pooler')] } },
    hint: expect.any(String),
  });
});

test('a request in the first moments is told that it is starting, and nothing of a pooler', async () => {
  await using api = await openApi();
  const { hint } = (await api.call('GET', '/ready')).body;
  expect(hint).toBe('The daemon is starting: ask again in a moment.');
  api.tell({ fact: 'listening', heard: false, reason: 'no notification came back' });
  expect((await api.call('GET', '/ready')).body['hint']).toMatch(/LISTEN needs a direct connection/);
});

test('not ready while a trigger is disabled, with the statement that enables it', async () => {
  await using api = await openApi();
  api.tell({ fact: 'listening', heard: true, reason: '' });
  await api.db.query('ALTER TABLE bb_event DISABLE TRIGGER bridge_update');
  const answer = await api.call('GET', '/ready');
  expect(answer.status).toBe(503);
  expect(answer.body).toMatchObject({
    checks: { capture: { ok: false } },
    hint: 'Run: ALTER TABLE bb_event ENABLE TRIGGER bridge_update;',
  });
  await api.db.query('ALTER TABLE bb_event ENABLE TRIGGER bridge_update');
  expect((await api.call('GET', '/ready')).status).toBe(200);
});

test('not ready while detached, with the command that attaches, whatever the first failure was', async () => {
  await using api = await openApi();
  api.tell({ fact: 'listening', heard: true, reason: '' });
  const error = 'relation "public.bridge_items" does not exist';
  api.tell({ fact: 'outage', side: 'booking', error, hint: `Run: ${migrateCommand}`, refused: false });
  await api.db.query(`INSERT INTO bridge_settings (name, value) VALUES ('detached', now()::text)`);
  const { status, body } = await api.call('GET', '/ready');
  expect([status, body['hint']]).toEqual([503, `Run: ${attachCommand}`]);
});

test('a trigger of ours that nothing declares is named, and does no harm', async () => {
  await using api = await openApi();
  api.tell({ fact: 'listening', heard: true, reason: '' });
  await api.db.query(
    'CREATE TRIGGER bridge_again AFTER UPDATE ON bb_resource EXECUTE FUNCTION bridge_on_bb_event()',
  );
  const answer = await api.call('GET', '/ready');
  expect(answer.status).toBe(200);
  expect(answer.body).toMatchObject({
    checks: { capture: { ok: true, extra: ['the trigger bridge_again on bb_resource is not declared'] } },
  });
});

test('not ready while the daemon cannot start, with what it needs', async () => {
  await using api = await openApi();
  const hint = 'GRANT CREATE ON SCHEMA public TO bridge;';
  api.tell({ fact: 'outage', side: 'booking', error: 'permission denied for schema public', hint });
  const answer = await api.call('GET', '/ready');
  expect(answer.body).toMatchObject({ checks: { database: { ok: false } }, hint });
});

test.each([
  [null, /nothing is lost/],
  ['The disk of the database server is full.', /disk/],
] as const)('an outage that is no matter of notifications is not blamed on them: %s', async (hint, said) => {
  await using api = await openApi();
  const error = 'work: could not extend file: No space left on device';
  api.tell({ fact: 'outage', side: 'booking', error, hint });
  expect((await api.call('GET', '/ready')).body['hint']).toMatch(said);
  api.tell({ fact: 'listening', heard: true, reason: '' });
  const { body } = await api.call('GET', '/ready');
  expect(body).toMatchObject({ checks: { database: { ok: false, problems: [error] } } });
  expect(body['hint']).toMatch(said);
});

test('a server that answers and refuses is not reported as unreachable', async () => {
  await using db = await openTestDatabase({ schema: 'portico' });
  const url = new URL(db.url);
  url.pathname = '/never';
  const nowhere = openPool({ url: url.href, ssl: false }, 'a test', 1);
  await using api = await openApi({ db: nowhere });
  const ready = (await api.call('GET', '/ready')).body;
  expect(ready).toMatchObject({ checks: { database: { problems: [/does not exist/] } } });
  expect(ready['hint']).toContain('Check DB_NAME');
  const stats = await api.call('GET', '/sync/status');
  expect([stats.status, stats.body['error']]).toEqual([503, expect.stringContaining('does not exist')]);
  expect(stats.body['hint']).toContain('Check DB_NAME');
  await nowhere.end();
});

test('a database without the bridge in it is not ready, and says what to run', async () => {
  await using empty = await openTestDatabase({ schema: 'empty' });
  await using api = await openApi({ db: empty.pool });
  const ready = await api.call('GET', '/ready');
  expect(ready.status).toBe(503);
  expect(ready.body).toMatchObject({
    checks: { database: { ok: true }, capture: { ok: false } },
    hint: `Run: ${migrateCommand}`,
  });
  const status = await api.call('GET', '/sync/status');
  expect(status.status).toBe(503);
  expect(status.body['hint']).toBe(`Run: ${migrateCommand}`);
  expect(api.facts).toEqual([]);
});

test('healthy as long as the process lives, whatever else is wrong', async () => {
  await using api = await openApi();
  api.tell({ fact: 'outage', side: 'outlook', error: 'no route', hint: null });
  api.tell({ fact: 'listening', heard: false, reason: 'gone' });
  const answer = await api.call('GET', '/health');
  expect(answer.status).toBe(200);
  expect(answer.body).toMatchObject({ success: true, status: 'ok' });
  expect((await api.call('GET', '/stats')).body).toMatchObject({
    outages: { outlook: { error: 'no route' }, booking: null },
    listener: { heard: false, reason: 'gone' },
  });
});

test('the metrics tell of the queue, the rooms and the listener', async () => {
  await using api = await openApi({ worked: false });
  await api.settle();
  await api.desk.book(101, { from: api.day(1, '10:00'), to: api.day(1, '11:00') });
  api.tell({ fact: 'listening', heard: true, reason: '' });
  const answer = await api.call('GET', '/metrics');
  expect(answer.headers.get('content-type')).toContain('text/plain');
  expect(answer.text).toMatch(/^bridge_outbox_rows [1-9]/m);
  expect(answer.text).toMatch(/^bridge_listener_heard 1$/m);
  expect(answer.text).toMatch(/^bridge_rooms\{health="ok"\} 2$/m);
});
