/** What an answer owes to the keys of the booking system: nothing that a database could keep from it. */
import { describe, expect, test } from 'vitest';
import type { Keys } from '../../src/sync/report/keys.ts';
import { openApi } from './api.ts';

const keysThat = (change: Partial<Keys>): Keys => ({
  keyed: async () => ({ reservations: true, resources: true }),
  reservation: async () => null,
  resource: async () => null,
  add: async (value) => value,
  ...change,
});

describe('while the database answers nothing', () => {
  test.each(['/health', '/ready'])('GET %s asks it for no keys', async (path) => {
    const keys = keysThat({ keyed: () => new Promise(() => undefined) });
    await using api = await openApi({ change: { bookingKeys: keys } });
    expect((await api.call('GET', path)).body).toHaveProperty('status');
  });
});

test('what was done is answered without its keys where they cannot be read', async () => {
  const keys = keysThat({ add: () => Promise.reject(new Error('it is away')) });
  await using api = await openApi({ change: { bookingKeys: keys } });
  expect((await api.call('GET', '/sync/status')).body).toMatchObject({ success: true });
});
