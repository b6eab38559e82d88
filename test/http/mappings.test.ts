import { expect, test } from 'vitest';
import { openApi, type Answer } from './api.ts';
import { lostAnswer, tryAgain } from '../sync/lost-answers.ts';

const mappingsOf = (answer: Answer) => answer.body['mappings'] as Record<string, unknown>[];

test('the mappings of a reservation are found by its type and id, one for each room', async () => {
  await using api = await openApi();
  const wish = { title: 'Budsjett', from: api.day(1, '10:00'), to: api.day(1, '11:00') };
  const { id } = await api.desk.book([101, 102], wish);
  await api.desk.book(101, { ...wish, title: 'Another' });
  await api.settle();
  const found = await api.call('GET', `/mappings?reservation_type=event&reservation_id=${id}`);
  expect(found.body).toMatchObject({ count: 2, total: 2 });
  expect(mappingsOf(found)).toMatchObject([
    { title: 'Budsjett', resource_id: 101, room: 'formannskapssalen@bergen.example', sync_status: 'synced' },
    { title: 'Budsjett', resource_id: 102 },
  ]);
});

test('the mappings of a room come the soonest first, a page of them, with how many there are', async () => {
  await using api = await openApi();
  for (const day of [3, 1, 2])
    await api.desk.book(101, {
      title: `Day ${day}`,
      from: api.day(day, '10:00'),
      to: api.day(day, '11:00'),
    });
  await api.settle();
  const found = await api.call('GET', '/mappings?resource_id=101&limit=2');
  expect(found.body).toMatchObject({ count: 2, total: 3 });
  expect(mappingsOf(found).map((mapping) => mapping['title'])).toEqual(['Day 1', 'Day 2']);
});

test('the mappings of a status are listed, and a status that is none is refused', async () => {
  await using api = await openApi();
  await api.desk.book(101, { from: api.day(1, '10:00'), to: api.day(1, '11:00') });
  await api.settle();
  expect(mappingsOf(await api.call('GET', '/mappings?status=error'))).toEqual([]);
  expect(mappingsOf(await api.call('GET', '/mappings?status=synced'))).toHaveLength(1);
  expect(await api.call('GET', '/mappings?status=lost')).toMatchObject({
    status: 400,
    body: { field: 'status' },
  });
});

test('explain shows both sides as they are, and the old and the new of each change in words', async () => {
  await using api = await openApi();
  const booked = await api.desk.book(101, {
    title: 'Korprøve',
    from: api.day(1, '10:00'),
    to: api.day(1, '11:00'),
  });
  await api.settle();
  await api.desk.move(booked, api.day(2, '12:00'), api.day(2, '13:30'));
  await api.desk.retitle(booked, 'Øvelse');
  await api.settle();
  await api.desk.retitle(booked, 'Not sent yet');
  const [mapping] = await api.db.query<{ id: number }>('SELECT id FROM bridge_mappings');
  const { body } = await api.call('GET', `/mappings/${mapping!.id}/explain`);
  expect(body).toMatchObject({
    mapping: { id: mapping!.id },
    standing: {
      paused: false,
      organizer: 'Kari Nordmann',
      booking: { title: 'Not sent yet' },
      outlook: { title: 'Øvelse' },
      fields: ['title'],
    },
  });
  const [last] = (body['lines'] as { text: string }[]).slice(-1);
  expect(last!.text).toContain(
    `time from ${api.day(1, '10:00')}–11:00 to ${api.day(2, '12:00')}–13:30; title from «Korprøve» to «Øvelse»`,
  );
  expect(last!.text).not.toMatch(/startsAt|endsAt|isPrivate|description/);
});

test('explain names the fields alone of a change whose former values are unknown, after a write without an answer', async () => {
  await using api = await openApi();
  const booked = await api.desk.book(101, {
    title: 'Korprøve',
    from: api.day(1, '10:00'),
    to: api.day(1, '11:00'),
  });
  await api.settle();
  api.outlook.fail(() => lostAnswer());
  await api.desk.move(booked, api.day(2, '12:00'), api.day(2, '13:30'));
  await api.desk.retitle(booked, 'Øvelse');
  await api.settle();
  api.outlook.fail(null);
  await tryAgain(api);
  const [mapping] = await api.db.query<{ id: number }>('SELECT id FROM bridge_mappings');
  const { status, body } = await api.call('GET', `/mappings/${mapping!.id}/explain`);
  expect(status).toBe(200);
  const [last] = (body['lines'] as { action: string; text: string }[]).slice(-1);
  expect(last).toMatchObject({
    action: 'updated',
    text: expect.stringMatching(/: time; title\.$/) as string,
  });
});
