import { expect, test } from 'vitest';
import { openApi, type Answer, type Api } from './api.ts';

const mailbox = 'formannskapssalen@bergen.example';
const roomOf = (answer: Answer) => answer.body['room'] as Record<string, unknown>;
const removalsOf = (answer: Answer) =>
  answer.body['removals'] as { mapping_id: number; title: string; side: string }[];
const json = (body: object) => ({
  body: JSON.stringify(body),
  headers: { 'Content-Type': 'application/json' },
});

/** Twelve events in one room, all in Outlook, and then their rows are gone: more than the brake lets go. */
async function openHeld(): Promise<Api> {
  const api = await openApi();
  for (let day = 1; day <= 12; day += 1)
    await api.desk.book(101, {
      title: `Møte ${day}`,
      from: api.day(day, '10:00'),
      to: api.day(day, '11:00'),
    });
  await api.settle();
  await api.loseEvents();
  await api.settle();
  return api;
}

/** As the ten-minute sweep does it. */
const sweep = async (api: Api) => {
  await api.db.query('UPDATE bridge_room_state SET reconciled_at = NULL, push_due_at = now()');
  await api.settle();
};

test('the rooms are listed with their state, what is due, how far they lag and how far their backfill is', async () => {
  await using api = await openApi({ worked: false });
  await api.db.query('ALTER TABLE bb_event_resource DISABLE TRIGGER USER');
  for (const day of [1, 2])
    await api.desk.book(102, { from: api.day(day, '10:00'), to: api.day(day, '11:00') });
  await api.db.query('TRUNCATE bridge_changes');
  await api.settle();
  await api.desk.book(101, { from: api.day(1, '10:00'), to: api.day(1, '11:00') });
  await api.db.query('ALTER TABLE bb_event_resource ENABLE TRIGGER USER');
  await api.fold();
  const { body } = await api.call('GET', '/rooms');
  expect(body).toMatchObject({ success: true, count: 2 });
  expect(body['rooms']).toMatchObject([
    { resource_id: 101, outlook_item_id: mailbox, health: 'ok', sync_direction: 'both', due: 1, held: 0 },
    { resource_id: 102, health: 'ok', due: 0, lag_ms: 0, backfill: { total: 2, done: 2 } },
  ]);
  expect(roomOf(await api.call('GET', '/rooms/101'))['lag_ms']).toBeGreaterThan(0);
});

test('a room that rests says why, until when, and what to do', async () => {
  await using api = await openApi({ worked: false });
  await api.settle();
  await api.db
    .query(`UPDATE bridge_room_state SET health = 'refused', error_message = 'Access is denied', hint = 'Ask the admin.',
    retry_at = now() + interval '1 minute' WHERE resource_mapping_id = 1`);
  expect(roomOf(await api.call('GET', '/rooms/101'))).toMatchObject({
    health: 'refused',
    error: 'Access is denied',
    hint: 'Ask the admin.',
    retry_at: expect.stringContaining('T'),
  });
  await api.db.query('UPDATE bridge_resource_mappings SET active = 0 WHERE resource_id = 101');
  expect(roomOf(await api.call('GET', '/rooms/101'))).toMatchObject({ health: 'off', active: 0 });
  expect((await api.call('GET', '/rooms/103')).status).toBe(404);
});

test('a room says how many of its reservations failed or wait for a choice; what the brake holds is counted apart', async () => {
  await using api = await openApi();
  for (let day = 1; day <= 6; day += 1)
    await api.desk.book(day === 6 ? 102 : 101, {
      from: api.day(day, '10:00'),
      to: api.day(day, '11:00'),
    });
  await api.settle();
  await api.db.query(`
    UPDATE bridge_mappings SET sync_status = CASE WHEN place < 2 THEN 'error' ELSE 'conflict' END, due_at = NULL,
      conflict = CASE place WHEN 2 THEN '{"kind": "gone"}' WHEN 3 THEN '{"kind": "deleted"}' END::jsonb
    FROM (SELECT id AS own, row_number() OVER (ORDER BY id) - 1 AS place FROM bridge_mappings WHERE resource_id = 101) p
    WHERE id = own AND place < 4`);
  expect((await api.call('GET', '/rooms')).body['rooms']).toMatchObject([
    { resource_id: 101, failed: 2, conflicts: 1 },
    { resource_id: 102, failed: 0, conflicts: 0 },
  ]);
});

test('what the brake holds is listed, and the room is held', async () => {
  await using api = await openHeld();
  const answer = await api.call('GET', '/rooms/101');
  expect(roomOf(answer)).toMatchObject({ health: 'held', held: 12 });
  expect(
    removalsOf(answer)
      .map((removal) => removal.title)
      .slice(0, 2),
  ).toEqual(['Møte 1', 'Møte 2']);
  expect(new Set(removalsOf(answer).map((removal) => removal.side))).toEqual(new Set(['outlook']));
  expect((await api.call('GET', '/stats')).body).toMatchObject({ rooms: { held: 1, ok: 1 } });
});

test('a release deletes exactly the events that are named', async () => {
  await using api = await openHeld();
  const [first, second] = removalsOf(await api.call('GET', '/rooms/101'));
  const named = { mappings: [first!.mapping_id, second!.mapping_id] };
  const answer = await api.call('POST', '/rooms/101/brake/release', json(named));
  expect(answer.body).toMatchObject({ success: true, count: 2, results: { deleted: 2, errors: 0 } });
  expect(api.outlook.titles(mailbox)).not.toContain('Møte 1');
  expect(api.outlook.in(mailbox).length).toBe(10);
  await sweep(api);
  expect(api.outlook.in(mailbox).length).toBe(10);
});

test('a release without a list lets go all that is held', async () => {
  await using api = await openHeld();
  const answer = await api.call('POST', '/rooms/101/brake/release');
  expect(answer.body).toMatchObject({ count: 12, results: { deleted: 12 } });
  expect(api.outlook.in(mailbox)).toEqual([]);
  expect(removalsOf(await api.call('GET', '/rooms/101'))).toEqual([]);
});

test('a released event stays when its reservation is back, and nothing of the release is left over', async () => {
  await using api = await openApi();
  for (let day = 1; day <= 12; day += 1)
    await api.desk.book(101, {
      title: `Møte ${day}`,
      from: api.day(day, '10:00'),
      to: api.day(day, '11:00'),
    });
  await api.settle();
  await api.db.query('CREATE TABLE saved AS TABLE bb_event_resource');
  await api.db.query('TRUNCATE bb_event_resource');
  await api.settle();
  await api.db.query('INSERT INTO bb_event_resource SELECT * FROM saved LIMIT 1');
  const answer = await api.call('POST', '/rooms/101/brake/release');
  expect(answer.body).toMatchObject({ count: 12, results: { deleted: 11 } });
  expect(api.outlook.in(mailbox).length).toBe(1);
  expect(await api.db.query('SELECT 1 FROM bridge_removals WHERE applied_at IS NULL')).toEqual([]);
});

test('a refusal keeps the events for good: no sweep, no clean-up and no release touches them again', async () => {
  await using api = await openHeld();
  expect((await api.call('POST', '/rooms/101/brake/refuse')).body).toMatchObject({
    success: true,
    count: 12,
  });
  expect(roomOf(await api.call('GET', '/rooms/101'))).toMatchObject({ health: 'ok', held: 0 });
  await sweep(api);
  expect((await api.call('DELETE', '/sync/cleanup-orphaned')).body).toMatchObject({ count: 0 });
  expect((await api.call('POST', '/rooms/101/brake/release')).body).toMatchObject({ count: 0 });
  await api.call('POST', '/sync/to-outlook');
  expect(api.outlook.in(mailbox).length).toBe(12);
});

test('a reservation that comes back after a refusal is shown by the event that was kept', async () => {
  await using api = await openApi();
  for (let day = 1; day <= 12; day += 1)
    await api.desk.book(101, {
      title: `Møte ${day}`,
      from: api.day(day, '10:00'),
      to: api.day(day, '11:00'),
    });
  await api.settle();
  const before = api.outlook.in(mailbox).map((event) => event.id);
  await api.db.query('CREATE TABLE saved AS TABLE bb_event_resource');
  await api.db.query('TRUNCATE bb_event_resource');
  await api.settle();
  await api.call('POST', '/rooms/101/brake/refuse');
  await api.db.query('INSERT INTO bb_event_resource SELECT * FROM saved');
  await api.settle();
  expect(api.outlook.in(mailbox).map((event) => event.id)).toEqual(before);
  expect((await api.call('GET', '/sync/status')).body).toMatchObject({
    statistics: { summary: { synced: 12 } },
  });
});

test('a refusal of some leaves the others held, and both are explained', async () => {
  await using api = await openHeld();
  const [first] = removalsOf(await api.call('GET', '/rooms/101'));
  const answer = await api.call('POST', '/rooms/101/brake/refuse', json({ mappings: [first!.mapping_id] }));
  expect(answer.body).toMatchObject({ count: 1 });
  expect(removalsOf(await api.call('GET', '/rooms/101')).length).toBe(11);
  const told = await api.call('GET', `/mappings/${first!.mapping_id}/explain`);
  const lines = told.body['lines'] as { action: string; text: string }[];
  expect(lines.map((line) => line.action)).toEqual(['created', 'parked', 'kept']);
  expect(lines[2]!.text).toBe('Its event is kept: a person refused its removal.');
});

test('the brake of one room cannot be released through another', async () => {
  await using api = await openHeld();
  const [first] = removalsOf(await api.call('GET', '/rooms/101'));
  const answer = await api.call('POST', '/rooms/102/brake/release', json({ mappings: [first!.mapping_id] }));
  expect(answer.body).toMatchObject({ count: 0 });
  expect((await api.call('POST', '/rooms/103/brake/release')).status).toBe(404);
  expect((await api.call('POST', '/rooms/101/brake/release', json({ mappings: ['all'] }))).status).toBe(400);
  expect(api.outlook.in(mailbox).length).toBe(12);
});

test('a mapping that never existed is 404, one that is gone keeps its lines', async () => {
  await using api = await openApi();
  const event = await api.desk.book(101, {
    title: 'Høring',
    from: api.day(1, '10:00'),
    to: api.day(1, '11:00'),
  });
  await api.settle();
  await api.desk.erase(event);
  await api.settle();
  await api.call('DELETE', '/sync/cleanup-orphaned');
  const { body } = await api.call('GET', '/mappings/1/explain');
  expect(body).toMatchObject({
    count: 2,
    mapping: null,
    lines: [{ action: 'created' }, { action: 'deleted' }],
  });
  expect((await api.call('GET', '/mappings/1/explain?limit=1')).body).toMatchObject({
    lines: [{ action: 'deleted' }],
  });
  expect((await api.call('GET', '/mappings/77/explain')).status).toBe(404);
});

test('a room is given settings of its own, which take effect at once and are taken away with null', async () => {
  await using api = await openApi();
  await api.desk.book(101, { title: 'Kor', from: api.day(1, '10:00'), to: api.day(1, '11:00') });
  await api.settle();
  const own = { conflict_policy: 'ask', overlap_policy: 'decline', import_mode: 'manual', privacy: 'full' };
  const set = await api.call('PATCH', '/rooms/101', json({ ...own, title_template: 'Rom: {title}' }));
  expect(set).toMatchObject({ status: 200, body: { room: { ...own, title_template: 'Rom: {title}' } } });
  expect(roomOf(await api.call('GET', '/rooms/101'))).toMatchObject(own);
  expect((await api.call('GET', '/plan')).body).toMatchObject({
    rooms: [
      { resource_id: 101, settings: expect.arrayContaining(['privacy=full']) as string[] },
      { settings: [] },
    ],
  });
  const back = await api.call('PATCH', '/rooms/101', json({ privacy: null }));
  expect(roomOf(back)).toMatchObject({ ...own, privacy: null, title_template: 'Rom: {title}' });
});

test.each([
  [{ privacy: 'secret' }, 'privacy'],
  [{ conflict_policy: 'newer' }, 'conflict_policy'],
  [{ title_template: '{title} {who}' }, 'title_template'],
  [{ title_template: '' }, 'title_template'],
  [{ title_template: 'x'.repeat(201) }, 'title_template'],
  [{ colour: 'red' }, 'colour'],
  [{}, 'body'],
])('settings %j are refused with the name of the field', async (wish, field) => {
  await using api = await openApi();
  const { status, body } = await api.call('PATCH', '/rooms/101', json(wish));
  expect(status).toBe(400);
  expect(body['error']).toContain(field);
  expect(roomOf(await api.call('GET', '/rooms/101'))).toMatchObject({ privacy: null, title_template: null });
});
