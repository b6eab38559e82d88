/** One slot is shown once: what lies under something more important is hidden, and appears when it is no longer covered. */
import { describe, expect, test } from 'vitest';
import { Permanent, Retryable } from '../../../src/errors.ts';
import type { Write } from '../../../src/event.ts';
import { failed } from '../outlook-in-memory.ts';
import { at, both, heard, open, other, room, type Rooms } from '../two-way-world.ts';

const event = 'Concert';
const allocation = 'Bergen Korforening';

/** An allocation, and an event on top of it from 10 to 12 (local), in step with Outlook; in 101 unless others are named. */
async function stacked(w: Rooms, rooms: number | readonly number[] = 101) {
  const from = w.day(3, '10:00');
  const to = w.day(3, '12:00');
  const below = await w.desk.allocate(101, { from, to, of: 2 });
  await w.settle();
  const above = await w.desk.book(rooms, { title: event, from, to });
  await w.settle();
  expect(w.outlook.titles(room)).toEqual([event]);
  expect(await w.mapping(below)).toMatchObject({ sync_status: 'shadowed', outlook_event_id: null });
  return { below, above, shown: w.outlook.in(room)[0]! };
}

/** The event on top is changed by a person in Outlook, who is heard in both rooms. */
const inOutlook =
  (change: (w: Rooms, id: string) => void) => async (w: Rooms, on: Awaited<ReturnType<typeof stacked>>) => {
    change(w, on.shown.id);
    await heard(w, 101, 102);
  };

/** The rooms are compared with the booking system, as the sweep does it. */
async function sweep(w: Rooms): Promise<void> {
  await w.db.query('UPDATE bridge_room_state SET reconciled_at = NULL, push_due_at = now()');
  await w.settle();
}

const triggersOff = (w: Rooms) =>
  w.db.query(`ALTER TABLE bb_event DISABLE TRIGGER USER; ALTER TABLE bb_event_date DISABLE TRIGGER USER;
    ALTER TABLE bb_event_resource DISABLE TRIGGER USER`);

const uncovering: Readonly<
  Record<string, (w: Rooms, on: Awaited<ReturnType<typeof stacked>>) => Promise<unknown>>
> = {
  'deleted in Outlook': inOutlook((w, id) => w.outlook.remove(id)),
  'moved away in Outlook': inOutlook((w, id) =>
    w.outlook.edit(id, { startsAt: at(5, '10:00'), endsAt: at(5, '12:00') }),
  ),
  'shortened in Outlook': inOutlook((w, id) =>
    w.outlook.edit(id, { endsAt: w.outlook.in(room)[0]!.item!.startsAt.replace(':00:00Z', ':30:00Z') }),
  ),
  'cancelled in the booking system': async (w, { above }) => {
    await w.desk.cancel(above);
    await w.settle();
  },
  'given another room': async (w, { above }) => {
    await w.desk.moveTo(above, 102);
    await w.settle();
  },
  'cancelled while the triggers are off, and found by the comparison': async (w, { above }) => {
    await triggersOff(w);
    await w.desk.cancel(above);
    await sweep(w);
  },
  'moved while the triggers are off, and found by the comparison': async (w, { above }) => {
    await triggersOff(w);
    await w.desk.move(above, w.day(5, '10:00'), w.day(5, '12:00'));
    await sweep(w);
  },
  'moved while the triggers are off, asked for by hand, and found by the comparison': async (
    w,
    { above },
  ) => {
    await triggersOff(w);
    await w.desk.move(above, w.day(5, '10:00'), w.day(5, '12:00'));
    await w.db.query(`UPDATE bridge_mappings SET sync_status = 'pending' WHERE reservation_type = 'event'`);
    await w.settle();
    await sweep(w);
  },
  'erased by a script that knows our table': async (w, { above }) => {
    await triggersOff(w);
    await w.desk.erase(above);
    await w.db.query(`DELETE FROM bridge_mappings WHERE reservation_type = 'event'`);
    await w.settle();
  },
};

describe('what lies beneath an event appears again when the event is', () => {
  for (const [what, happens] of Object.entries(uncovering))
    test(what, async () => {
      await using w = await open({}, both);
      const on = await stacked(w);
      await happens(w, on);
      expect(w.outlook.titles(room)).toContain(allocation);
      expect(await w.mapping(on.below)).toMatchObject({ sync_status: 'synced' });
    });

  test('called off by its organiser', async () => {
    await using w = await open();
    const below = await w.desk.allocate(101, { from: w.day(3, '15:00'), to: w.day(3, '16:00'), of: 2 });
    await w.settle();
    const [slot] = w.outlook.in(room);
    const meeting = w.outlook.invite(room, { ...slot!.item!, title: 'Meeting' });
    await w.db.query(`UPDATE bridge_resource_mappings SET sync_direction = 'both'`);
    await heard(w);
    await w.db.query(
      `UPDATE bridge_mappings SET resolution = 'outlook', due_at = now(), revision = revision + 1 WHERE sync_status = 'conflict'`,
    );
    await w.settle();
    w.outlook.alter(meeting.id, { shows: { is: 'released' } });
    await heard(w);
    expect(await w.mapping(below)).toMatchObject({ sync_status: 'synced' });
    expect(w.outlook.titles(room)).toContain(allocation);
  });

  test('taken out of one of its two rooms in Outlook', async () => {
    await using w = await open({}, both);
    const { below } = await stacked(w, [101, 102]);
    w.outlook.remove(w.outlook.in(room)[0]!.id);
    await heard(w, 101, 102);
    expect(w.outlook.titles(room)).toEqual([allocation]);
    expect(w.outlook.titles(other)).toEqual([event]);
    expect(await w.mapping(below)).toMatchObject({ sync_status: 'synced' });
  });
});

describe('the comparison of a room', () => {
  const unguarded = async (w: Rooms, change: string) => {
    await w.db.query(`ALTER TABLE bridge_mappings DISABLE TRIGGER USER; ${change};
      ALTER TABLE bridge_mappings ENABLE TRIGGER USER`);
  };

  test('finds what is hidden although nothing covers it', async () => {
    await using w = await open();
    const { below } = await stacked(w);
    await unguarded(w, `UPDATE bridge_mappings SET present = false WHERE reservation_type = 'event'`);
    await unguarded(w, `DELETE FROM bridge_mappings WHERE reservation_type = 'event'`);
    await w.db.query(`DELETE FROM bb_event_resource`);
    await w.db.query('DELETE FROM bridge_changes');
    await sweep(w);
    expect(w.outlook.titles(room)).toContain(allocation);
    expect(await w.mapping(below)).toMatchObject({ sync_status: 'synced' });
  });

  test('finds what is shown although it is covered', async () => {
    await using w = await open();
    const { below } = await stacked(w);
    const slot = w.outlook.in(room)[0]!.item!;
    const stray = w.outlook.put(room, { ...slot, title: allocation }, { type: 'allocation', id: below.id });
    await unguarded(
      w,
      `UPDATE bridge_mappings SET sync_status = 'synced', outlook_event_id = '${stray.id}', outlook_base = '${JSON.stringify(stray.item)}',
         agreement = 'agreed', booking_base = booking_seen WHERE reservation_type = 'allocation'`,
    );
    await sweep(w);
    expect(w.outlook.titles(room)).toEqual([event]);
    expect(await w.mapping(below)).toMatchObject({ sync_status: 'shadowed' });
  });

  test('leaves a room alone in which everything is as it should be', async () => {
    await using w = await open();
    await stacked(w);
    w.outlook.writes.length = 0;
    const [before] = await w.db.query('SELECT sum(revision) FROM bridge_mappings');
    await sweep(w);
    expect(await w.db.query('SELECT sum(revision) FROM bridge_mappings')).toEqual([before]);
    expect(w.outlook.writes).toEqual([]);
  });
});

describe('what Outlook refuses covers nothing', () => {
  const refusing = (title: string) => (write: Write) =>
    write.do === 'create' && write.item.title === title
      ? failed(new Permanent('ErrorInvalidProperty: The property is invalid.', { reach: 'item' }))
      : null;

  test('an allocation that comes later is shown', async () => {
    await using w = await open();
    w.outlook.fail(refusing(event));
    const [from, to] = [w.day(3, '10:00'), w.day(3, '12:00')];
    const above = await w.desk.book(101, { title: event, from, to });
    await w.settle();
    expect(await w.mapping(above)).toMatchObject({ sync_status: 'error' });
    await w.desk.allocate(101, { from, to, of: 2 });
    await w.settle();
    expect(w.outlook.titles(room)).toEqual([allocation]);
  });

  test('an allocation that was there before, or comes together with it, is shown, and goes once it is taken after all', async () => {
    await using w = await open();
    w.outlook.fail(refusing(event));
    const [from, to] = [w.day(3, '10:00'), w.day(3, '12:00')];
    const below = await w.desk.allocate(101, { from, to, of: 2 });
    const above = await w.desk.book(101, { title: event, from, to });
    await w.settle();
    expect(w.outlook.titles(room)).toEqual([allocation]);
    w.outlook.fail(null);
    await w.desk.retitle(above, 'Concert again');
    await w.settle();
    expect(w.outlook.titles(room)).toEqual(['Concert again']);
    expect(await w.mapping(below)).toMatchObject({ sync_status: 'shadowed' });
  });

  test('nor does what Outlook cannot take at its new time, while it shows it at the old one', async () => {
    await using w = await open();
    const { above, below } = await stacked(w);
    w.outlook.fail((write) =>
      write.do === 'change' ? failed(new Permanent('No.', { reach: 'item' })) : null,
    );
    const later = await w.desk.allocate(101, { from: w.day(4, '10:00'), to: w.day(4, '12:00'), of: 1 });
    await w.desk.move(above, w.day(4, '10:00'), w.day(4, '12:00'));
    await w.settle();
    for (const one of [below, later]) expect(await w.mapping(one)).toMatchObject({ sync_status: 'synced' });
  });

  test('but an event whose new title alone was refused is shown, and covers', async () => {
    await using w = await open();
    const { above, below } = await stacked(w);
    w.outlook.fail((write) =>
      write.do === 'change' ? failed(new Permanent('No.', { reach: 'item' })) : null,
    );
    await w.desk.retitle(above, 'Concert in the hall');
    await w.settle();
    await sweep(w);
    expect(await w.mapping(below)).toMatchObject({ sync_status: 'shadowed' });
    expect(w.outlook.titles(room)).toEqual([event]);
  });

  test('nor does what is tried again and again without success', async () => {
    await using w = await open();
    let tries = 0;
    w.outlook.fail((write) =>
      write.do === 'create' && write.item.title === event
        ? failed(new Retryable('Later.', { reach: 'item', afterMs: (tries += 1) < 6 ? 0 : 600_000 }))
        : null,
    );
    const [from, to] = [w.day(3, '10:00'), w.day(3, '12:00')];
    await w.desk.book(101, { title: event, from, to });
    await w.desk.allocate(101, { from, to, of: 2 });
    await w.settle();
    expect(w.outlook.titles(room)).toEqual([allocation]);
  });
});

describe('while an allocation waits for its cover to be shown', () => {
  test('its own changes go out', async () => {
    await using w = await open();
    const below = await w.desk.allocate(101, { from: w.day(3, '10:00'), to: w.day(3, '12:00'), of: 2 });
    await w.settle();
    w.outlook.fail((write) =>
      write.do === 'create' ? failed(new Retryable('Later.', { reach: 'item', afterMs: 60_000 })) : null,
    );
    await w.desk.book(101, { title: event, from: w.day(3, '09:00'), to: w.day(3, '13:00') });
    await w.settle();
    expect(w.outlook.titles(room)).toEqual([allocation]);
    await w.desk.move(below, w.day(3, '10:00'), w.day(3, '11:00'));
    await w.settle();
    expect(w.outlook.in(room)[0]!.item!.endsAt).toBe(
      (await w.reserved()).find(({ type }) => type === 'allocation')!.item.endsAt,
    );
    expect(await w.mapping(below)).toMatchObject({ sync_status: 'synced' });
  });

  test('what a person changes of its event in Outlook is heard before it is hidden', async () => {
    await using w = await open();
    await w.desk.allocate(101, { from: w.day(3, '10:00'), to: w.day(3, '12:00'), of: 2 });
    await w.settle();
    const [shown] = w.outlook.in(room);
    await w.desk.book(101, { title: event, from: w.day(3, '10:00'), to: w.day(3, '12:00') });
    w.outlook.edit(shown!.id, { startsAt: at(5, '10:00'), endsAt: at(5, '12:00') });
    await heard(w);
    expect(w.outlook.in(room).map(({ item }) => [item!.title, item!.startsAt])).toEqual([
      [event, (await w.reserved()).find(({ type }) => type === 'event')!.item.startsAt],
      [allocation, at(5, '10:00')],
    ]);
  });
});

test('what a person moves in Outlook to where something more important lies is hidden', async () => {
  await using w = await open({ overlap: 'import' });
  const below = await w.desk.allocate(101, { from: w.day(3, '10:00'), to: w.day(3, '12:00'), of: 2 });
  await w.desk.book(101, { title: event, from: w.day(4, '10:00'), to: w.day(4, '12:00') });
  await w.settle();
  const { id } = w.outlook.in(room).find(({ item }) => item?.title === allocation)!;
  w.outlook.edit(id, { startsAt: at(4, '10:00'), endsAt: at(4, '12:00') });
  await heard(w, 101);
  await w.settle();
  expect(await w.mapping(below)).toMatchObject({ sync_status: 'shadowed', outlook_event_id: null });
  expect(w.outlook.titles(room)).toEqual([event]);
});

test('an event that was moved in Outlook as its cover came, without a notification, moves its reservation', async () => {
  await using w = await open();
  const from = w.day(3, '10:00');
  const to = w.day(3, '12:00');
  const below = await w.desk.allocate(101, { from, to, of: 2 });
  await w.settle();
  const later = { startsAt: at(5, '10:00'), endsAt: at(5, '12:00') };
  w.outlook.edit(w.outlook.in(room)[0]!.id, later);
  await w.desk.book(101, { title: event, from, to });
  await w.settle();
  await heard(w);
  expect(w.outlook.titles(room)).toEqual([event, allocation]);
  expect((await w.reserved()).find(({ id, type }) => id === below.id && type === below.type)).toMatchObject({
    item: later,
  });
});
