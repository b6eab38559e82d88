/** The directory as the API shows it, with the simulated tenant behind it. */
import { expect, test } from 'vitest';
import { Retryable } from '../../src/errors.ts';
import type { Directory } from '../../src/http/outlook.ts';
import { hall, openWorld } from '../outlook/world.ts';
import { openApi } from './api.ts';

test('the rooms of the tenant are listed with what they are mapped to', async () => {
  await using world = await openWorld();
  await using api = await openApi({ change: { directory: world.outlook } });
  await api.db.query(
    `UPDATE bridge_resource_mappings SET outlook_item_id = upper($1) WHERE resource_id = 101`,
    [hall.mailbox],
  );
  const answer = await api.call('GET', '/outlook/available-rooms');
  expect(answer.body).toMatchObject({
    success: true,
    count: 2,
    hint: null,
    rooms: [
      { name: 'Hall', email: hall.mailbox, resource_id: 101 },
      { name: 'Library', resource_id: null },
    ],
  });
});

test('the room lists of the tenant are listed', async () => {
  await using world = await openWorld();
  await using api = await openApi({ change: { directory: world.outlook } });
  expect((await api.call('GET', '/outlook/available-groups')).body).toMatchObject({
    success: true,
    count: 1,
    groups: [{ name: 'All rooms', email: expect.any(String) }],
  });
});

test('a directory that refuses gives an empty list with a hint', async () => {
  await using world = await openWorld();
  world.tenant.faults.set({ mayReadPlaces: false });
  await using api = await openApi({ change: { directory: world.outlook } });
  for (const path of ['/outlook/available-rooms', '/outlook/available-groups']) {
    const answer = await api.call('GET', path);
    expect(answer.status).toBe(200);
    expect(answer.body).toMatchObject({ count: 0, hint: expect.stringContaining('Place.Read.All') });
  }
});

test('an Outlook that does not answer is not taken for a broken database', async () => {
  const away = async () => {
    throw new Retryable('the token endpoint does not answer', { reach: 'side' });
  };
  const directory: Directory = { rooms: away, roomLists: away };
  await using api = await openApi({ change: { directory } });
  const answer = await api.call('GET', '/outlook/available-rooms');
  expect(answer.status).toBe(503);
  expect(answer.body['error']).toBe('Outlook does not answer.');
});
