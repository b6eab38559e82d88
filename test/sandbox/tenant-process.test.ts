import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { expect, test } from 'vitest';
import { connectTenant } from '../../src/sandbox/tenant/connect.ts';
import { login, openTenant, ROOM } from './tenant-client.ts';

const BOOKING = { subject: 'Choir', start: '2026-03-02T09:00Z', end: '2026-03-02T10:00Z' };

test('a tenant is controlled from elsewhere as it is from here', async () => {
  await using world = await openTenant();
  await using remote = await connectTenant(world.tenant.authority);
  const { id } = await remote.people.book(ROOM, BOOKING);
  expect((await remote.tenant.eventsIn(ROOM)).map((one) => one.id)).toEqual([id]);
});

test('faults are set from elsewhere', async () => {
  await using world = await openTenant();
  await using remote = await connectTenant(world.tenant.authority);
  await remote.faults.add({ action: { do: 'refuse', as: 'serviceUnavailable' } });
  expect((await world.ask('GET', `/users/${ROOM}/events`)).status).toBe(503);
});

test('members are read from elsewhere', async () => {
  await using world = await openTenant();
  await using remote = await connectTenant(world.tenant.authority);
  expect([await remote.faults.active(), await remote.tenant.mails()]).toEqual([[], []]);
});

test('an unknown function is an error, not silence', async () => {
  await using world = await openTenant();
  await using remote = await connectTenant(world.tenant.authority);
  const people = remote.people as unknown as Record<string, () => Promise<unknown>>;
  await expect(people.dance?.()).rejects.toThrow('no people.dance');
});

test('the journal is read and waited for from elsewhere', async () => {
  await using world = await openTenant();
  await using remote = await connectTenant(world.tenant.authority);
  const written = remote.until((entry) => entry.method === 'POST' && entry.status === 201);
  await world.create();
  const { seq } = await written;
  expect((await remote.journal(seq - 1)).map((entry) => entry.seq)).toEqual([seq]);
});

test('a tenant in its own process says where it is and ends with its parent', async () => {
  const child = spawn(
    process.execPath,
    ['src/sandbox/tenant/process.ts', '--rooms', '2', '--until-stdin-closes'],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  );
  const [line] = (await once(createInterface(child.stdout), 'line')) as [string];
  const coordinates = JSON.parse(line) as { authority: string; rooms: { upn: string }[] };
  {
    await using remote = await connectTenant(coordinates.authority);
    const { status } = await login({ ...remote, registerCertificate: () => {} } as never);
    expect([status, coordinates.rooms.map((room) => room.upn)]).toEqual([
      200,
      ['room-1@sandbox.example', 'room-2@sandbox.example'],
    ]);
  }
  child.stdin.end();
  expect(await once(child, 'exit')).toEqual([0, null]);
});
