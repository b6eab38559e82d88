/** A row of the room list changes, or a new one takes its place: the resource has another mailbox, or the same one by another name. */
import { describe, expect, test } from 'vitest';
import { takeOver } from '../../../src/sync/store/claims.ts';
import { both, dinner, heard, isActive, open, other, room, type Rooms } from '../two-way-world.ts';

/** A reservation of the booking system and a meeting that a person invited the room to, both known to both sides. */
async function openTwo(options: Parameters<typeof open>[0] = {}, rooms?: Readonly<Record<number, string>>) {
  const w = await open(options, rooms);
  await w.desk.book(101, { title: 'Choir', from: w.day(3, '18:00'), to: w.day(3, '20:00') });
  const meeting = w.outlook.invite(room, dinner());
  await heard(w);
  w.outlook.writes.length = 0;
  return { w, meeting };
}

const add = (w: Rooms, mailbox: string, resource = 101) =>
  w.db.query('INSERT INTO bridge_resource_mappings (resource_id, outlook_item_id) VALUES ($1, $2)', [
    resource,
    mailbox,
  ]);
const remove = async (w: Rooms) => {
  await w.db.query('DELETE FROM bridge_resource_mappings WHERE resource_id = 101');
  await w.settle();
};
const switchOff = async (w: Rooms) => {
  await w.db.query('UPDATE bridge_resource_mappings SET active = 0 WHERE resource_id = 101');
  await w.settle();
};
const change = (w: Rooms, mailbox: string) =>
  w.db.query('UPDATE bridge_resource_mappings SET outlook_item_id = $1 WHERE resource_id = 101', [mailbox]);

const mailboxes = (w: Rooms) =>
  w.db.query(
    `SELECT DISTINCT outlook_item_id AS mailbox, sync_status AS status FROM bridge_mappings WHERE resource_id = 101`,
  );

/** Both reservations are as they were, and the mailbox shows them; the one before is as it was left. */
async function expectShown(w: Rooms, mailbox: string) {
  expect(await isActive(w)).toEqual([true, true]);
  expect(w.outlook.titles(mailbox)).toEqual(['Dinner', 'Choir']);
  expect(w.outlook.titles(room)).toEqual(['Dinner', 'Choir']);
  expect(w.outlook.answers).toEqual([]);
  expect(await mailboxes(w)).toEqual([{ mailbox, status: 'synced' }]);
  expect(await w.db.query('SELECT FROM bridge_removals')).toEqual([]);
}

describe('another mailbox is shown all reservations, and none of them is cancelled', () => {
  test('by a row that takes the place of one that was removed', async () => {
    const { w: opened } = await openTwo();
    await using w = opened;
    await remove(w);
    await add(w, other);
    await w.settle();
    await expectShown(w, other);
  });

  test('by a row beside one that was switched off', async () => {
    const { w: opened } = await openTwo();
    await using w = opened;
    await switchOff(w);
    await add(w, other);
    await w.settle();
    await expectShown(w, other);
  });

  test('by a change of the row, also while it is switched off', async () => {
    const { w: opened } = await openTwo();
    await using w = opened;
    await switchOff(w);
    await change(w, other);
    await w.settle();
    expect(await mailboxes(w)).toEqual([{ mailbox: room, status: 'synced' }]);
    await w.db.query('UPDATE bridge_resource_mappings SET active = 1');
    await w.settle();
    await expectShown(w, other);
  });

  test('the former one is recognised when its row is switched on again', async () => {
    const { w: opened } = await openTwo();
    await using w = opened;
    const before = w.outlook.in(room);
    await switchOff(w);
    await add(w, other);
    await w.settle();
    await w.db.query('UPDATE bridge_resource_mappings SET active = 1 - active WHERE outlook_item_id = $1', [
      other,
    ]);
    await w.db.query('UPDATE bridge_resource_mappings SET active = 1 WHERE outlook_item_id = $1', [room]);
    w.outlook.writes.length = 0;
    await w.settle();
    expect(w.outlook.writes).toEqual([]);
    expect(w.outlook.in(room)).toEqual(before);
    await expectShown(w, room);
  });

  test('two resources exchange their mailboxes: each is held for the claim of the other until a person takes it over', async () => {
    const { w: opened } = await openTwo({}, both);
    await using w = opened;
    await w.desk.book(102, { title: 'Lecture', from: w.day(4, '10:00'), to: w.day(4, '12:00') });
    await w.settle();
    w.outlook.writes.length = 0;
    await switchOff(w);
    await w.db.query('UPDATE bridge_resource_mappings SET outlook_item_id = $1 WHERE resource_id = 102', [
      room,
    ]);
    await w.db.query(
      'UPDATE bridge_resource_mappings SET outlook_item_id = $1, active = 1 WHERE resource_id = 101',
      [other],
    );
    await w.settle();
    expect(w.outlook.writes).toEqual([]);
    for (const resource of [101, 102]) await takeOver(w.db.pool, resource);
    await w.settle();
    expect(await w.db.query('SELECT FROM bb_event WHERE active = 0')).toEqual([]);
    expect(w.outlook.titles(other)).toEqual(expect.arrayContaining(['Dinner', 'Choir']));
    expect(w.outlook.titles(room)).toContain('Lecture');
    // the event of the other's reservation is none of a reservation here: a person deletes or imports it
    expect(await mailboxes(w)).toEqual(
      expect.arrayContaining([
        { mailbox: other, status: 'synced' },
        { mailbox: other, status: 'conflict' },
      ]),
    );
    expect((await w.reserved(101)).map(({ item }) => item.title).toSorted()).toEqual(['Choir', 'Dinner']);
  });

  test('a row is given another resource: what the mailbox shows is in that one', async () => {
    const { w: opened } = await openTwo();
    await using w = opened;
    w.outlook.refuseClaims(true);
    await w.db.query('UPDATE bridge_resource_mappings SET resource_id = 102');
    await w.settle();
    expect((await w.reserved(102)).map(({ item }) => item.title)).toContain('Dinner');
    expect(await isActive(w)).toEqual([true, true]);
    await add(w, other);
    await w.settle();
    expect(await isActive(w)).toEqual([true, true]);
    expect(w.outlook.titles(other)).toEqual(['Dinner', 'Choir']);
    expect(await mailboxes(w)).toEqual([{ mailbox: other, status: 'synced' }]);
  });

  test('a mailbox that was made anew under its address while its row was away', async () => {
    const { w: opened } = await openTwo();
    await using w = opened;
    await remove(w);
    w.outlook.makeAnew(room);
    await add(w, room);
    await w.settle();
    await expectShown(w, room);
  });
});

describe('while a drain is at work', () => {
  test.each([
    ['the mailbox', `outlook_item_id = '${other}'`],
    ['the resource', 'resource_id = 103'],
    ['the direction', `sync_direction = 'booking_to_outlook'`],
  ])('%s changes: it writes nothing down any more', async (_what, set) => {
    await using w = await open();
    await w.desk.book(101, { title: 'Choir', from: w.day(3, '18:00'), to: w.day(3, '20:00') });
    w.outlook.meanwhile(async () => {
      await w.db.query(`UPDATE bridge_resource_mappings SET ${set}`);
    });
    await expect(w.settle()).rejects.toThrow('the lease of room 1 was lost');
    expect(await w.db.query('SELECT outlook_event_id AS event FROM bridge_mappings')).toEqual([
      { event: null },
    ]);
  });

  test('the room is switched off and on: the next holder finds what was sent', async () => {
    await using w = await open();
    await w.desk.book(101, { title: 'Choir', from: w.day(3, '18:00'), to: w.day(3, '20:00') });
    w.outlook.meanwhile(async () => {
      for (const active of [0, 1])
        await w.db.query('UPDATE bridge_resource_mappings SET active = $1', [active]);
    });
    await expect(w.settle()).rejects.toThrow('the lease of room 1 was lost');
    await w.die();
    await w.settle();
    expect(w.outlook.titles(room)).toEqual(['Choir']);
    expect(await mailboxes(w)).toEqual([{ mailbox: room, status: 'synced' }]);
  });

  test('its mailbox changes: everything is in the new one afterwards', async () => {
    await using w = await open();
    await w.desk.book(101, { title: 'Choir', from: w.day(3, '18:00'), to: w.day(3, '20:00') });
    w.outlook.meanwhile(async () => {
      await change(w, other);
    });
    await expect(w.settle()).rejects.toThrow('the lease of room 1 was lost');
    await w.die();
    await w.settle();
    expect(await isActive(w)).toEqual([true]);
    expect(w.outlook.titles(other)).toEqual(['Choir']);
    expect(await mailboxes(w)).toEqual([{ mailbox: other, status: 'synced' }]);
  });
});

describe('the same mailbox by another name keeps its events', () => {
  const inCapitals = 'Room101@example.org';
  const objectId = '3c8b1f0e-55c8-4d6b-9d5e-0f2b1f4f9a11';
  const newDomain = 'room101@new.example';

  const renames: readonly (readonly [string, string, (w: Rooms, name: string) => Promise<unknown>])[] = [
    ['in capitals, by a new row', inCapitals, async (w, name) => (await remove(w), await add(w, name))],
    ['in capitals, by a change', inCapitals, change],
    ['its object id, by a new row', objectId, async (w, name) => (await remove(w), await add(w, name))],
    [
      'its object id, beside the row that is off',
      objectId,
      async (w, name) => (await switchOff(w), await add(w, name)),
    ],
    ['its object id, by a change', objectId, change],
    ['another domain, by a new row', newDomain, async (w, name) => (await remove(w), await add(w, name))],
    ['another domain, by a change', newDomain, change],
  ];

  test.each(renames)('%s', async (_how, name, rename) => {
    const { w: opened, meeting } = await openTwo({ overlap: 'decline' });
    await using w = opened;
    if (name === objectId) {
      w.outlook.identify(room, objectId);
      w.outlook.claims.set(objectId, w.outlook.claims.get(room)!);
      await w.db.query('UPDATE bridge_room_state SET baselined_at = NULL, push_due_at = now()');
      await w.settle();
    } else {
      w.outlook.identify(room, name);
      w.outlook.claims.set(name, w.outlook.claims.get(room)!);
    }
    const before = w.outlook.in(room);
    await rename(w, name);
    await w.settle();
    expect(w.outlook.writes).toEqual([]);
    expect(w.outlook.in(room)).toEqual(before);
    expect(await mailboxes(w)).toEqual([{ mailbox: name, status: 'synced' }]);
    w.outlook.edit(meeting.id, { title: 'Supper' });
    await heard(w);
    expect(w.outlook.answers).toEqual([]);
    expect((await w.reserved()).map(({ item, active }) => [item.title, active])).toEqual([
      ['Supper', true],
      ['Choir', true],
    ]);
  });

  describe('and what was changed in it before the bridge read that', () => {
    async function openResolved(conflict: 'booking' | 'outlook') {
      const two = await openTwo({ conflict });
      two.w.outlook.objectIds.set(room, objectId);
      two.w.outlook.identify(room, objectId);
      two.w.outlook.claims.set(objectId, two.w.outlook.claims.get(room)!);
      await two.w.db.query('UPDATE bridge_room_state SET baselined_at = NULL, push_due_at = now()');
      await two.w.settle();
      two.w.outlook.objectIds.set(newDomain, objectId);
      return two;
    }
    const choirIn = (w: Rooms) => w.outlook.in(room).find(({ item }) => item?.title === 'Choir')!;
    const titles = async (w: Rooms) =>
      (await w.reserved()).flatMap(({ item, active }) => (active ? [item.title] : [])).toSorted();

    const addresses: readonly (readonly [string, (w: Rooms) => Promise<unknown>])[] = [
      ['its address changes', (w) => change(w, newDomain)],
      [
        'its address changes while its row is off',
        async (w) => {
          await switchOff(w);
          await change(w, newDomain);
          await w.db.query('UPDATE bridge_resource_mappings SET active = 1');
        },
      ],
      [
        'its address changes, and a daemon starts before it has resolved the new one',
        async (w) => {
          await change(w, newDomain);
          await w.db.query('SELECT bridge_follow_mailboxes()');
        },
      ],
      [
        'its address changes twice',
        async (w) => {
          await change(w, other);
          await change(w, newDomain);
        },
      ],
    ];
    describe.each(['booking', 'outlook'] as const)('with the policy %s', (policy) => {
      test.each(addresses)('an edit, when %s', async (_how, rename) => {
        const { w: opened } = await openResolved(policy);
        await using w = opened;
        w.outlook.edit(choirIn(w).id, { title: 'Orchestra' });
        await rename(w);
        await w.settle();
        expect(await titles(w)).toEqual(['Dinner', 'Orchestra']);
        expect(await mailboxes(w)).toEqual([{ mailbox: newDomain, status: 'synced' }]);
      });

      test.each(addresses)('a deletion, when %s', async (_how, rename) => {
        const { w: opened } = await openResolved(policy);
        await using w = opened;
        w.outlook.remove(choirIn(w).id);
        await rename(w);
        await w.settle();
        expect(await titles(w)).toEqual(['Dinner']);
        expect(w.outlook.titles(room)).toEqual(['Dinner']);
      });
    });

    test('a new address of another mailbox is shown everything, and nothing is cancelled', async () => {
      const { w: opened } = await openResolved('booking');
      await using w = opened;
      w.outlook.objectIds.set(other, 'another object id');
      w.outlook.identify(other, 'another object id');
      await change(w, other);
      await w.settle();
      expect(await isActive(w)).toEqual([true, true]);
      expect(w.outlook.titles(other)).toEqual(['Dinner', 'Choir']);
      expect(w.outlook.titles(room)).toEqual(['Dinner', 'Choir']);
    });

    test('a new address that the directory does not resolve is shown everything, and nothing is cancelled', async () => {
      const { w: opened } = await openResolved('booking');
      await using w = opened;
      await change(w, other);
      await w.settle();
      await expectShown(w, other);
    });
  });

  test('although it was taken for unknown events under its new name', async () => {
    const { w: opened, meeting } = await openTwo();
    await using w = opened;
    w.outlook.identify(room, inCapitals);
    await w.db.query(
      `INSERT INTO bridge_mappings (resource_id, outlook_item_id, outlook_event_id, sync_status, sync_direction, present, due_at)
       VALUES (101, $1, $2, 'imported', 'outlook_to_booking', false, now())`,
      [inCapitals, meeting.id],
    );
    await change(w, inCapitals);
    await w.settle();
    expect(await isActive(w)).toEqual([true, true]);
    expect(w.outlook.titles(room)).toEqual(['Dinner', 'Choir']);
    expect(await mailboxes(w)).toEqual([{ mailbox: inCapitals, status: 'synced' }]);
  });
});

test('a mapping that a fold made beside the change of its room names the mailbox of the room', async () => {
  const { w: opened } = await openTwo();
  await using w = opened;
  await change(w, other);
  await w.db.query(
    `UPDATE bridge_mappings SET outlook_item_id = $1, revision = revision + 1 WHERE sync_direction = 'booking_to_outlook'`,
    [room],
  );
  await w.settle();
  await expectShown(w, other);
});
