/** Whose room is it? What the claim in a room's calendar says decides whether we work there at all. */
import { describe, expect, test } from 'vitest';
import { parseClaim } from '../../../src/sync/decide/claim.ts';
import { takeOver } from '../../../src/sync/store/claims.ts';
import { createStart } from '../../../src/sync/worker/start-mode.ts';
import {
  conflicts,
  dinner,
  heard,
  imported,
  isActive,
  open,
  other,
  resolve,
  room,
  shown,
  type Rooms,
} from '../two-way-world.ts';

const claimIn = (w: Rooms, mailbox = room) => parseClaim(w.outlook.claims.get(mailbox) ?? '');
const installation = async (w: Rooms) =>
  (
    await w.db.query<{ id: string }>(`SELECT value AS id FROM bridge_settings WHERE name = 'installation_id'`)
  )[0]!.id;
const start = (w: Rooms) => createStart({ db: w.db.pool, mode: 'sync' });

/** The whole window of every room is compared at its next round. */
async function scan(w: Rooms): Promise<void> {
  await w.db.query('UPDATE bridge_room_state SET baselined_at = NULL, push_due_at = now(), retry_at = NULL');
  await w.settle();
}

const standing = async (w: Rooms, resource = 101) =>
  (
    await w.db.query<{ health: string; why: string | null; hint: string | null; refused: string | null }>(
      `SELECT s.health, s.error_message AS why, s.hint, s.claim_refused AS refused FROM bridge_room_state s
       JOIN bridge_resource_mappings r ON r.id = s.resource_mapping_id WHERE r.resource_id = $1 AND r.active = 1`,
      [resource],
    )
  )[0]!;

const claimOf = (change: object) =>
  JSON.stringify({ installation: 'another-installation', resource: 101, number: 7, ...change });

test('each full scan raises the number in the database and in the mailbox, and no other round asks for it', async () => {
  await using w = await open();
  const first = claimIn(w)!;
  expect(first).toEqual({ installation: await installation(w), resource: 101, number: expect.any(Number) });
  await scan(w);
  expect(claimIn(w)!.number).toBeGreaterThan(first.number);
  const asked = w.outlook.claimCalls();
  await imported(w);
  await shown(w);
  await heard(w);
  expect(w.outlook.claimCalls()).toBe(asked);
});

describe('a mailbox that is another installation’s is left alone until a person takes it over', () => {
  test.each([
    [
      'another installation',
      claimOf({}),
      /carries the claim of installation another-installation, resource 101/,
    ],
    ['another resource of ours', null, /resource 102; resource 101 here is not what wrote it/],
    ['a claim that cannot be read', 'not ours', /carries a claim that cannot be read/],
  ])('%s', async (_whose, text, says) => {
    await using w = await open();
    const { reservation } = await shown(w);
    await w.desk.cancel(reservation);
    w.outlook.put(room, dinner(), null);
    const found = text ?? claimOf({ installation: await installation(w), resource: 102 });
    w.outlook.claims.set(room, found);
    await scan(w);
    expect(await standing(w)).toMatchObject({
      health: 'held',
      why: expect.stringMatching(says),
      hint: expect.stringContaining('claim 101'),
    });
    expect(w.outlook.writes).toEqual([]);
    expect(w.outlook.titles(room).toSorted()).toEqual(['Choir', 'Dinner']);
    expect(await w.reserved()).toHaveLength(1);

    expect(await takeOver(w.db.pool, 101)).toBe(found);
    await w.settle();
    expect(await standing(w)).toMatchObject({ health: 'ok', why: null });
    expect(claimIn(w)).toMatchObject({ installation: await installation(w), resource: 101 });
    expect(w.outlook.titles(room)).toEqual(['Dinner']);
    expect(await w.reserved()).toHaveLength(2);
    expect(await takeOver(w.db.pool, 101)).toBeNull();
  });

  test('one that changes hands again after it was taken over is held again', async () => {
    await using w = await open();
    w.outlook.claims.set(room, claimOf({}));
    await scan(w);
    await takeOver(w.db.pool, 101);
    w.outlook.claims.set(room, claimOf({ number: 8 }));
    await w.settle();
    expect(await standing(w)).toMatchObject({ health: 'held' });
  });
});

describe('a mailbox without the claim that we had there', () => {
  test('is another one: everything is shown again and nothing is cancelled', async () => {
    await using w = await open();
    const { event } = await shown(w);
    const { event: foreign } = await imported(w);
    w.outlook.vanish(event.id);
    w.outlook.vanish(foreign.id);
    w.outlook.claims.delete(room);
    await scan(w);
    expect(await isActive(w)).toEqual([true, true]);
    expect(w.outlook.titles(room)).toEqual(['Dinner', 'Choir']);
    expect(w.outlook.in(room).map(({ id }) => id)).not.toContain(event.id);
    expect(claimIn(w)).toMatchObject({ installation: await installation(w), resource: 101 });
    expect(await w.db.query('SELECT FROM bridge_removals')).toEqual([]);
  });

  test('is the old one where it shows an event we know: what is gone there is gone', async () => {
    await using w = await open();
    await shown(w);
    const { event: foreign } = await imported(w);
    w.outlook.vanish(foreign.id);
    w.outlook.claims.delete(room);
    await scan(w);
    expect((await w.reserved()).map(({ item, active }) => [item.title, active])).toEqual([
      ['Dinner', false],
      ['Choir', true],
    ]);
    expect(w.outlook.titles(room)).toEqual(['Choir']);
    expect(claimIn(w)).not.toBeNull();
  });

  test('is nothing new where the claim was never read', async () => {
    await using w = await open();
    const { event } = await shown(w);
    w.outlook.claims.delete(room);
    await w.db.query('UPDATE bridge_room_state SET claim_read_at = NULL');
    await scan(w);
    expect(w.outlook.in(room).map(({ id }) => id)).toEqual([event.id]);
    expect(claimIn(w)).not.toBeNull();
  });
});

describe('a number that this database has never given out', () => {
  const setBack = async (w: Rooms) => {
    w.outlook.claims.set(room, claimOf({ installation: await installation(w), number: 1_000_000 }));
    await scan(w);
  };

  test('stops every room until a person confirms; then the installation has another id and goes on', async () => {
    await using w = await open();
    await shown(w);
    await setBack(w);
    expect(await standing(w)).toMatchObject({
      health: 'held',
      why: expect.stringContaining('number 1000000'),
    });
    expect(await start(w).read()).toMatchObject({
      mode: 'plan',
      writes: false,
      hold: { reason: 'set-back' },
    });
    await expect(start(w).needWrites()).rejects.toMatchObject({
      message: expect.stringContaining('set back'),
      hint: expect.stringContaining('plan --confirm'),
    });

    const before = await installation(w);
    expect(await start(w).confirm()).toMatchObject({ before: false });
    expect(await start(w).read()).toMatchObject({ mode: 'sync', writes: true, hold: null });
    expect(await installation(w)).not.toBe(before);
    await w.settle();
    expect(await standing(w)).toMatchObject({ health: 'ok' });
    expect(claimIn(w)).toMatchObject({ installation: await installation(w), resource: 101 });
    expect(w.outlook.titles(room)).toEqual(['Choir']);
  });

  test('is none of a row that was deleted and added again', async () => {
    await using w = await open();
    await scan(w);
    await w.db.query('DELETE FROM bridge_resource_mappings');
    await w.db.query('INSERT INTO bridge_resource_mappings (resource_id, outlook_item_id) VALUES (101, $1)', [
      room,
    ]);
    await w.settle();
    expect(await standing(w)).toMatchObject({ health: 'ok' });
    expect(await start(w).read()).toMatchObject({ writes: true, hold: null });
  });
});

test('where the calendar takes no property the room works without, and it is written down', async () => {
  await using w = await open();
  w.outlook.refuseClaims(true);
  await scan(w);
  await shown(w);
  await imported(w);
  expect(await standing(w)).toMatchObject({ health: 'ok', refused: 'Graph says 501' });
  expect(w.outlook.titles(room)).toEqual(['Dinner', 'Choir']);
});

describe('one mailbox, once by its address and once by its object id', () => {
  const objectId = '3c8b1f0e-55c8-4d6b-9d5e-0f2b1f4f9a11';
  const openTwice = async (names: Readonly<Record<number, string>>) => {
    const { openRooms } = await import('../bench-of-rooms.ts');
    const w = await openRooms(names);
    for (const address of [room, other]) w.outlook.objectIds.set(address, objectId);
    w.outlook.objectIds.set(objectId, objectId);
    w.outlook.put(objectId, dinner(), null);
    await w.settle();
    return w;
  };

  test.each([
    ['the address first', { 101: room, 102: objectId }],
    ['the object id first', { 101: objectId, 102: room }],
    ['two addresses', { 101: room, 102: other }],
  ])('%s: the later row is held, both are named, and nothing is imported twice', async (_which, names) => {
    await using w = await openTwice(names);
    expect(await standing(w, 101)).toMatchObject({ health: 'ok' });
    expect(await standing(w, 102)).toMatchObject({
      health: 'held',
      why: expect.stringMatching(/Resource 102 .* and resource 101 .* are mapped to the same mailbox/),
      hint: expect.stringContaining('mappings remove 102'),
    });
    expect(await w.reserved(101)).toHaveLength(1);
    expect(await w.reserved(102)).toEqual([]);
  });

  test('once the other row is gone, the room is held for its claim until it is taken over', async () => {
    await using w = await openTwice({ 101: room, 102: objectId });
    await w.db.query('UPDATE bridge_resource_mappings SET active = 0 WHERE resource_id = 101');
    await w.settle();
    expect(await standing(w, 102)).toMatchObject({
      health: 'held',
      hint: expect.stringContaining('claim 102'),
    });
    await takeOver(w.db.pool, 102);
    await w.settle();
    expect(await standing(w, 102)).toMatchObject({ health: 'ok' });
  });
});

describe('a mailbox that is given to another resource', () => {
  const given = async () => {
    const w = await open();
    const { event } = await shown(w);
    await w.db.query('UPDATE bridge_resource_mappings SET resource_id = 102 WHERE resource_id = 101');
    await w.settle();
    expect(await standing(w, 102)).toMatchObject({ health: 'held' });
    await takeOver(w.db.pool, 102);
    await scan(w);
    return { w, event };
  };

  test('asks about the events that the bridge made for the former one, and imports none of them', async () => {
    const { w: opened } = await given();
    await using w = opened;
    expect(await conflicts(w)).toMatchObject([{ kind: 'orphan' }]);
    expect(await w.reserved(102)).toEqual([]);
    await resolve(w, 'booking');
    expect(w.outlook.titles(room)).toEqual([]);
  });

  test('imports the one that a person wants there', async () => {
    const { w: opened } = await given();
    await using w = opened;
    await resolve(w, 'outlook');
    expect(await w.reserved(102)).toMatchObject([{ item: { title: 'Choir' } }]);
    expect(w.outlook.titles(room)).toEqual(['Choir']);
  });

  test('imports the copy of such an event', async () => {
    const { w: opened, event } = await given();
    await using w = opened;
    await resolve(w, 'booking');
    w.outlook.put(room, dinner({ title: 'Copy' }), event.properties);
    await heard(w, 102);
    expect((await w.reserved(102)).map(({ item }) => item.title)).toEqual(['Copy']);
  });
});
