import { expect, test } from 'vitest';
import { openApi } from './api.ts';

test('a paused room is off and keeps its events; resumed, it gets what it missed', async () => {
  await using api = await openApi();
  await api.desk.book(101, { from: api.day(1, '10:00'), to: api.day(1, '11:00') });
  await api.settle();
  expect((await api.call('POST', '/rooms/101/pause')).body).toMatchObject({
    message: 'Paused',
    room: { active: 0, health: 'off' },
  });
  await api.desk.book(101, { title: 'Meanwhile', from: api.day(2, '10:00'), to: api.day(2, '11:00') });
  await api.settle();
  expect(api.outlook.in('formannskapssalen@bergen.example')).toHaveLength(1);
  expect((await api.call('POST', '/rooms/101/resume')).body).toMatchObject({
    message: 'Resumed',
    room: { active: 1, health: 'ok' },
  });
  await api.settle();
  expect(api.outlook.in('formannskapssalen@bergen.example')).toHaveLength(2);
});

test('pausing and resuming twice changes nothing more', async () => {
  await using api = await openApi();
  const messages = [];
  for (const action of ['pause', 'pause', 'resume', 'resume'])
    messages.push((await api.call('POST', `/rooms/101/${action}`)).body['message']);
  expect(messages).toEqual(['Paused', 'It was paused already', 'Resumed', 'It was not paused']);
});

test('a room whose mailbox serves another resource meanwhile is not resumed', async () => {
  await using api = await openApi();
  await api.call('POST', '/rooms/101/pause');
  await api.db.query(
    `INSERT INTO bridge_resource_mappings (resource_id, outlook_item_id) VALUES (103, 'formannskapssalen@bergen.example')`,
  );
  expect(await api.call('POST', '/rooms/101/resume')).toMatchObject({
    status: 409,
    body: { hint: expect.stringContaining('Pause that room first') },
  });
});

test('a resync compares a room with both sides again', async () => {
  await using api = await openApi();
  await api.settle();
  const [before] = await api.db.query<{ baselined_at: Date }>(
    'SELECT baselined_at FROM bridge_room_state ORDER BY resource_mapping_id LIMIT 1',
  );
  const answer = await api.call('POST', '/rooms/101/resync');
  expect(answer.body).toMatchObject({ message: 'Both sides were compared' });
  const room = answer.body['room'] as { baselined_at: string };
  expect(Date.parse(room.baselined_at)).toBeGreaterThan(before!.baselined_at.getTime());
});

test('a paused room is not compared: the answer says to resume it', async () => {
  await using api = await openApi();
  await api.call('POST', '/rooms/101/pause');
  expect(await api.call('POST', '/rooms/101/resync')).toMatchObject({
    status: 422,
    body: { hint: expect.stringContaining('Resume it') },
  });
});

test.each(['pause', 'resume', 'resync'])('%s of a resource that is no room is 404', async (action) => {
  await using api = await openApi();
  expect((await api.call('POST', `/rooms/999/${action}`)).status).toBe(404);
});
