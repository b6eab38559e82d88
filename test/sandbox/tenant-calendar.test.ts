/** The default calendar's extended properties, as Graph keeps them. */
import { expect, test } from 'vitest';
import { openTenant, ROOM } from './tenant-client.ts';

const id = 'String {66f5a359-4659-4830-9070-00047ec6ac6e} Name Claim';
const path = `/users/${ROOM}/calendar`;
const asked = `${path}?$expand=${encodeURIComponent(`singleValueExtendedProperties($filter=id eq '${id}')`)}`;
const patch = (value: unknown) => ({ singleValueExtendedProperties: [{ id, value }] });

test('a property is shown to a GET that expands it by its id, and to no other', async () => {
  await using world = await openTenant();
  expect((await world.ask('GET', asked)).body).not.toHaveProperty('singleValueExtendedProperties');
  const written = await world.ask('PATCH', path, patch('ours'));
  expect(written.status).toBe(200);
  expect(written.body).not.toHaveProperty('singleValueExtendedProperties');
  expect((await world.ask('GET', path)).body).not.toHaveProperty('singleValueExtendedProperties');
  expect((await world.ask('GET', asked)).body.singleValueExtendedProperties).toEqual([{ id, value: 'ours' }]);
});

test('it is overwritten and never removed', async () => {
  await using world = await openTenant();
  await world.ask('PATCH', path, patch('ours'));
  for (const body of [patch(null), { singleValueExtendedProperties: [{ id }] }, {}])
    expect((await world.ask('PATCH', path, body)).status).toBe(400);
  await world.ask('PATCH', path, { singleValueExtendedProperties: [] });
  await world.ask('PATCH', path, patch('theirs'));
  expect((await world.ask('GET', asked)).body.singleValueExtendedProperties).toEqual([
    { id, value: 'theirs' },
  ]);
  expect((await world.ask('DELETE', path)).status).toBe(405);
});

test.each([
  ['an expand without a filter', `${path}?$expand=singleValueExtendedProperties`],
  ['a select', `${path}?$select=id`],
  ['an id that is none', asked.replace('String', 'Text')],
])('%s is refused', async (_what, wrong) => {
  await using world = await openTenant();
  expect((await world.ask('GET', wrong)).status).toBe(400);
});

test('other fields are not changed, and a tenant may refuse the properties', async () => {
  await using world = await openTenant();
  expect((await world.ask('PATCH', path, { name: 'Room' })).status).toBe(400);
  world.tenant.faults.set({ calendarRefusal: 403 });
  expect((await world.ask('GET', asked)).status).toBe(403);
  expect((await world.ask('PATCH', path, patch('ours'))).status).toBe(403);
});
