import { expect, test } from 'vitest';
import { openApi, type Api } from './api.ts';

const send = (api: Api, method: string, path: string, body: unknown) =>
  api.call(method, path, { headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) });
const floyen = { resource_id: 103, outlook_item_id: 'floyen@bergen.example' };

test('the rooms are listed as they stand in the table', async () => {
  await using api = await openApi();
  expect((await api.call('GET', '/resource-mapping')).body).toMatchObject({
    success: true,
    count: 2,
    mappings: [
      { resource_id: 101, outlook_item_id: 'formannskapssalen@bergen.example', active: 1 },
      { resource_id: 102 },
    ],
  });
  expect((await api.call('GET', '/resource-mapping?resource_id=102')).body).toMatchObject({ count: 1 });
});

test('a room that is added is worked on at once, and adding it again is no error', async () => {
  await using api = await openApi();
  await api.desk.book(103, { title: 'Før', from: api.day(1, '10:00'), to: api.day(1, '11:00') });
  const added = await send(api, 'POST', '/resource-mapping', floyen);
  expect(added.status).toBe(201);
  expect(added.body).toMatchObject({ mapping: { ...floyen, active: 1, sync_direction: 'both' } });
  await api.settle();
  expect(api.outlook.titles(floyen.outlook_item_id)).toEqual(['Før']);
  const again = await send(api, 'POST', '/resource-mapping', floyen);
  expect(again.status).toBe(200);
  expect(again.body['mapping_id']).toBe(added.body['mapping_id']);
});

test('a mailbox or a resource belongs to one active room', async () => {
  await using api = await openApi();
  const taken = 'FORMANNSKAPSSALEN@bergen.example';
  for (const wish of [
    { resource_id: 103, outlook_item_id: taken },
    { resource_id: 101, outlook_item_id: 'floyen@bergen.example' },
  ])
    expect((await send(api, 'POST', '/resource-mapping', wish)).status).toBe(409);
  const off = { resource_id: 103, outlook_item_id: taken, active: 0 };
  expect((await send(api, 'POST', '/resource-mapping', off)).status).toBe(201);
});

test('what is given is changed, and the rest stays', async () => {
  await using api = await openApi();
  const { body } = await send(api, 'POST', '/resource-mapping', { ...floyen, outlook_item_name: 'Fløyen' });
  const path = `/resource-mapping/${String(body['mapping_id'])}`;
  expect((await send(api, 'PATCH', path, { active: false })).body['mapping']).toMatchObject({
    ...floyen,
    active: 0,
    outlook_item_name: 'Fløyen',
  });
  expect((await send(api, 'PUT', path, { outlook_item_name: null })).body['mapping']).toMatchObject({
    active: 0,
    outlook_item_name: null,
  });
  expect(
    (await send(api, 'PUT', path, { outlook_item_id: 'bystyresalen@bergen.example', active: 1 })).status,
  ).toBe(409);
  expect((await api.call('GET', path)).body).toMatchObject({ mapping: { ...floyen, active: 0 } });
});

test('a room that is removed leaves its events where they are', async () => {
  await using api = await openApi();
  await api.desk.book(101, { title: 'Blir', from: api.day(1, '10:00'), to: api.day(1, '11:00') });
  await api.settle();
  const { body } = await api.call('GET', '/resource-mapping?resource_id=101');
  const [row] = body['mappings'] as { id: number }[];
  expect((await api.call('DELETE', `/resource-mapping/${row!.id}`)).status).toBe(200);
  await api.settle();
  expect(api.outlook.titles('formannskapssalen@bergen.example')).toEqual(['Blir']);
  expect((await api.call('DELETE', `/resource-mapping/${row!.id}`)).status).toBe(404);
});

test('what is no room is refused with the name of the field', async () => {
  await using api = await openApi();
  for (const [body, field] of [
    [{ outlook_item_id: 'a@b.example' }, 'resource_id'],
    [{ resource_id: 103 }, 'outlook_item_id'],
    [{ resource_id: 103, outlook_item_id: ' ' }, 'outlook_item_id'],
    [{ ...floyen, active: 2 }, 'active'],
    [{ ...floyen, sync_direction: 'sideways' }, 'sync_direction'],
    [{ ...floyen, resource_id: 2 ** 40 }, 'resource_id'],
  ] as const)
    expect((await send(api, 'POST', '/resource-mapping', body)).body).toMatchObject({
      success: false,
      field,
    });
  expect((await api.call('POST', '/resource-mapping')).status).toBe(400);
});

test('a room is added with settings of its own, and they are changed with the rest', async () => {
  await using api = await openApi();
  const wish = { ...floyen, privacy: 'busy-only', title_template: '{title}' };
  const added = await send(api, 'POST', '/resource-mapping', wish);
  expect(added).toMatchObject({ status: 201, body: { mapping: { ...wish, import_mode: null } } });
  const path = `/resource-mapping/${String(added.body['mapping_id'])}`;
  const changed = await send(api, 'PUT', path, { privacy: null, import_mode: 'manual' });
  expect(changed.body['mapping']).toMatchObject({ ...wish, privacy: null, import_mode: 'manual' });
  expect((await send(api, 'PUT', path, { import_mode: 'later' })).status).toBe(400);
});
