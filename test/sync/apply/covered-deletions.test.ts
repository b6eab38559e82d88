/** The event of a reservation is deleted, and the reservation is covered by another one before that is reported. */
import { describe, expect, test } from 'vitest';
import { Retryable } from '../../../src/errors.ts';
import type { Write, WriteAnswer } from '../../../src/event.ts';
import { failed } from '../outlook-in-memory.ts';
import { heard, open, room, type Rooms } from '../two-way-world.ts';

const cover = 'Concert';
const policies = ['booking', 'outlook', 'newest', 'ask'] as const;

const allocated = async (w: Rooms) => {
  const below = await w.desk.allocate(101, { from: w.day(3, '10:00'), to: w.day(3, '12:00'), of: 2 });
  await w.settle();
  return { below, event: w.outlook.in(room)[0]! };
};
const covers = (w: Rooms) =>
  w.desk.book(101, { title: cover, from: w.day(3, '10:00'), to: w.day(3, '12:00') });

/** What waits for another try is due. */
async function again(w: Rooms): Promise<void> {
  await w.db.query(
    'UPDATE bridge_mappings SET due_at = now(), revision = revision + 1 WHERE due_at IS NOT NULL',
  );
  await w.db.query('UPDATE bridge_room_state SET push_due_at = now(), push_lane = 0');
  await w.settle();
}

async function expectCancelled(w: Rooms): Promise<void> {
  expect(await w.db.query('SELECT active FROM bb_allocation')).toEqual([{ active: 0 }]);
  expect(w.outlook.titles(room)).toEqual([cover]);
}

async function expectShadowed(w: Rooms): Promise<void> {
  expect(await w.db.query('SELECT active FROM bb_allocation')).toEqual([{ active: 1 }]);
  expect(w.outlook.titles(room)).toEqual([cover]);
  expect(
    await w.db.query(`SELECT sync_status FROM bridge_mappings WHERE reservation_type = 'allocation'`),
  ).toEqual([{ sync_status: 'shadowed' }]);
}

describe.each(policies)(
  'a person deletes it: its reservation is cancelled, with CONFLICT_POLICY %s',
  (conflict) => {
    test('reported after the removal for the cover was due', async () => {
      await using w = await open({ conflict });
      const { event } = await allocated(w);
      w.outlook.remove(event.id);
      await covers(w);
      await w.settle();
      await heard(w);
      await expectCancelled(w);
    });

    test('reported together with the cover', async () => {
      await using w = await open({ conflict });
      const { event } = await allocated(w);
      w.outlook.remove(event.id);
      await covers(w);
      await heard(w);
      await expectCancelled(w);
    });

    test('while the cover is not in Outlook yet', async () => {
      await using w = await open({ conflict });
      const { event } = await allocated(w);
      w.outlook.fail((write) =>
        write.do === 'create' ? failed(new Retryable('away', { reach: 'item' })) : null,
      );
      await covers(w);
      await w.settle();
      w.outlook.remove(event.id);
      await heard(w);
      w.outlook.fail(null);
      await again(w);
      await expectCancelled(w);
    });
  },
);

test('it is gone in several reads, and nothing reports it: its reservation is cancelled', async () => {
  await using w = await open();
  const { event } = await allocated(w);
  w.outlook.remove(event.id);
  await covers(w);
  await w.settle();
  for (let read = 0; read < 6; read += 1) await again(w);
  await expectCancelled(w);
});

test('Outlook does not show the new event for a moment: it is removed, and its reservation stays', async () => {
  await using w = await open();
  const { event } = await allocated(w);
  w.outlook.remove(event.id);
  await covers(w);
  await w.settle();
  w.outlook.restore(event);
  await again(w);
  await heard(w);
  await expectShadowed(w);
});

describe('the bridge has deleted it: its reservation stays', () => {
  const lost = (write: Write, apply: () => unknown): WriteAnswer | null =>
    write.do === 'remove'
      ? (apply(), failed(new Retryable('the answer was lost', { reach: 'item', ambiguous: true })))
      : null;

  test('and the answer was lost', async () => {
    await using w = await open();
    await allocated(w);
    w.outlook.fail(lost);
    await covers(w);
    await w.settle();
    w.outlook.fail(null);
    await heard(w);
    await again(w);
    await expectShadowed(w);
  });

  test('and the answer was lost, and its cover was away for a while', async () => {
    await using w = await open();
    const { event } = await allocated(w);
    // carried out late
    w.outlook.fail((write) =>
      write.do === 'remove'
        ? failed(new Retryable('the answer was lost', { reach: 'item', ambiguous: true }))
        : null,
    );
    await covers(w);
    await w.settle();
    await w.db.query(
      `UPDATE bridge_mappings SET sync_status = 'pending', due_at = NULL WHERE reservation_type = 'event'`,
    );
    await w.db.query(`UPDATE bridge_mappings SET outlook_event_id = NULL WHERE reservation_type = 'event'`);
    w.outlook.fail((write) =>
      write.do === 'create' ? failed(new Retryable('away', { reach: 'item' })) : null,
    );
    await again(w);
    w.outlook.remove(event.id);
    w.outlook.fail(null);
    await heard(w);
    await again(w);
    expect(await w.db.query('SELECT active FROM bb_allocation')).toEqual([{ active: 1 }]);
  });

  test('and the daemon was killed', async () => {
    await using w = await open();
    await allocated(w);
    w.outlook.fail((write, apply) => {
      if (write.do !== 'remove') return null;
      apply();
      throw new Error('killed');
    });
    await covers(w);
    for (let round = 0; round < 3; round += 1)
      for (const taken of (await w.take()).rooms) await w.drainOne(taken).catch(() => w.die());
    w.outlook.fail(null);
    await heard(w);
    await expectShadowed(w);
  });
});

test('a person deletes it, and the clerk moved its reservation under the cover: the booking system wins', async () => {
  await using w = await open({ conflict: 'booking' });
  const { below, event } = await allocated(w);
  w.outlook.remove(event.id);
  await w.desk.move(below, w.day(3, '10:00'), w.day(3, '11:00'));
  await covers(w);
  await heard(w);
  await expectShadowed(w);
});
