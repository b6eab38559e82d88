/** The claim on a room's calendar, asked of a simulated tenant and of answers as told. */
import { expect, test } from 'vitest';
import { always, hall, library, openWorld } from './world.ts';

test('what is written is read back, by its own property, from its own calendar', async () => {
  await using world = await openWorld();
  expect(await world.outlook.readClaim(hall, always)).toEqual({ is: 'none' });
  expect(await world.outlook.writeClaim(hall, 'ours', always)).toBeNull();
  expect(await world.outlook.writeClaim(hall, 'ours, again', always)).toBeNull();
  expect(await world.outlook.readClaim(hall, always)).toEqual({ is: 'claim', text: 'ours, again' });
  expect(await world.outlook.readClaim(library, always)).toEqual({ is: 'none' });
});

test.each([400, 403, 404, 405, 501] as const)(
  'a calendar that answers %d takes no claim, and says why',
  async (status) => {
    await using world = await openWorld();
    world.tenant.faults.set({ calendarRefusal: status });
    const why = expect.stringContaining(`Graph says ${status}`) as string;
    expect(await world.outlook.readClaim(hall, always)).toEqual({ is: 'refused', why });
    expect(await world.outlook.writeClaim(hall, 'ours', always)).toEqual(why);
  },
);

test('trouble of the mailbox is no refusal of the claim', async () => {
  await using world = await openWorld();
  world.tenant.faults.add({
    match: { path: '/calendar(\\?|$)' },
    action: { do: 'refuse', status: 503, code: 'MailboxInfoStale' },
  });
  await expect(world.outlook.readClaim(hall, always)).rejects.toMatchObject({ name: 'Retryable' });
  await expect(world.outlook.writeClaim(hall, 'ours', always)).rejects.toMatchObject({ name: 'Retryable' });
});

test('a claim whose writing meets another write is written later', async () => {
  await using world = await openWorld();
  world.tenant.faults.add({
    match: { method: 'PATCH', path: '/calendar$' },
    times: 1,
    action: { do: 'refuse', as: 'irresolvableConflict' },
  });
  await expect(world.outlook.writeClaim(hall, 'ours', always)).rejects.toMatchObject({ name: 'Retryable' });
  expect(await world.outlook.writeClaim(hall, 'ours', always)).toBeNull();
});
