/** An edit in Outlook that was not reported yet, when the booking system has the event removed: it is followed, or the log tells of it. */
import { describe, expect, test } from 'vitest';
import type { Item } from '../../../src/item.ts';
import {
  at,
  both,
  conflicts,
  heard,
  invited,
  isActive,
  open,
  other,
  resolve,
  room,
  shown,
  type Rooms,
} from '../two-way-world.ts';

const texts = { title: 'Quartet', description: 'Bring the keys' };
const items = async (w: Rooms) => (await w.reserved(102)).map(({ item }) => item);
const reasons = (w: Rooms, action: string) =>
  w.db.query<{ reason: string | null }>('SELECT reason FROM bridge_log WHERE action = $1', [action]);

/** The event of a reservation is edited, and the reservation moved to room 102, before that is reported. */
async function movedTo102(w: Rooms, edit: Partial<Item>, name?: string): Promise<void> {
  const { reservation, event } = await shown(w);
  w.outlook.edit(event.id, edit);
  if (name !== undefined) await w.db.query('UPDATE bb_event SET name = $1', [name]);
  await w.desk.moveTo(reservation, 102);
  await w.settle();
  await heard(w, 101, 102);
}

describe('of the event of a reservation that the booking system moves to another room', () => {
  for (const conflict of ['booking', 'outlook', 'newest', 'ask'] as const)
    test(`its texts go to the reservation: ${conflict}`, async () => {
      await using w = await open({ conflict }, both);
      await movedTo102(w, texts);
      expect(await items(w)).toMatchObject([texts]);
      expect(w.outlook.in(room)).toEqual([]);
      expect(w.outlook.in(other)).toMatchObject([{ item: texts }]);
    });

  test('its time goes to the reservation', async () => {
    await using w = await open({}, both);
    const time = { startsAt: at(3, '20:00'), endsAt: at(3, '22:00') };
    await movedTo102(w, time);
    expect(await items(w)).toMatchObject([time]);
    expect(w.outlook.in(room)).toEqual([]);
    expect(w.outlook.in(other)).toMatchObject([{ item: time }]);
  });

  test('its time waits for a person if it is taken in the new room', async () => {
    await using w = await open({}, both);
    await w.desk.book(102, { title: 'Taken', from: w.day(3, '21:00'), to: w.day(3, '23:00') });
    await movedTo102(w, { startsAt: at(3, '20:00'), endsAt: at(3, '22:00') });
    expect(await conflicts(w)).toMatchObject([{ kind: 'refused' }]);
    expect(w.outlook.in(room)).toMatchObject([{ item: { startsAt: at(3, '20:00') } }]);
    await resolve(w, 'booking');
    expect(await conflicts(w)).toEqual([]);
    expect(w.outlook.in(room)).toEqual([]);
  });

  test('its title wins over the one of the booking system: outlook', async () => {
    await using w = await open({ conflict: 'outlook' }, both);
    await movedTo102(w, texts, 'Orchestra');
    expect(await items(w)).toMatchObject([texts]);
    expect(w.outlook.titles(other)).toEqual(['Quartet']);
  });

  test('its title gives way, the text is followed, and the log names the title: booking', async () => {
    await using w = await open({ conflict: 'booking' }, both);
    await movedTo102(w, texts, 'Orchestra');
    expect(await items(w)).toMatchObject([{ title: 'Orchestra', description: 'Bring the keys' }]);
    expect(w.outlook.titles(other)).toEqual(['Orchestra']);
    expect(w.outlook.in(room)).toEqual([]);
    expect(await reasons(w, 'booking-updated')).toEqual([
      { reason: 'description (both sides changed title: the booking system was followed)' },
    ]);
  });

  test('its title gives way alone, and the log names it: booking', async () => {
    await using w = await open({ conflict: 'booking' }, both);
    await movedTo102(w, { title: 'Quartet' }, 'Orchestra');
    expect(w.outlook.in(room)).toEqual([]);
    expect(w.outlook.titles(other)).toEqual(['Orchestra']);
    expect(await reasons(w, 'deleted')).toEqual([
      { reason: 'its event was edited in Outlook before: title' },
    ]);
  });

  for (const [keep, title] of [
    ['booking', 'Orchestra'],
    ['outlook', 'Quartet'],
  ] as const)
    test(`a person decides about its title: ask, ${keep}`, async () => {
      await using w = await open({ conflict: 'ask' }, both);
      await movedTo102(w, texts, 'Orchestra');
      expect(await conflicts(w)).toMatchObject([{ kind: 'fields', fields: ['title'] }]);
      expect(w.outlook.titles(room)).toEqual(['Quartet']);
      await resolve(w, keep);
      await heard(w, 101, 102);
      expect(await conflicts(w)).toEqual([]);
      expect(await items(w)).toMatchObject([{ title, description: 'Bring the keys' }]);
      expect(w.outlook.in(room)).toEqual([]);
      expect(w.outlook.titles(other)).toEqual([title]);
    });

  test('its texts go to the other room of a reservation that loses one', async () => {
    await using w = await open({}, both);
    await w.desk.book([101, 102], { title: 'Choir', from: w.day(3, '18:00'), to: w.day(3, '20:00') });
    await w.settle();
    w.outlook.edit(w.outlook.in(room)[0]!.id, texts);
    await w.db.query('DELETE FROM bb_event_resource WHERE resource_id = 101');
    await w.settle();
    expect(await items(w)).toMatchObject([texts]);
    expect(w.outlook.in(room)).toEqual([]);
    expect(w.outlook.in(other)).toMatchObject([{ item: texts }]);
  });

  test('the texts of another organiser’s meeting go to the reservation before it is declined', async () => {
    await using w = await open({}, both);
    const { event, reservation } = await invited(w);
    w.outlook.edit(event.id, texts);
    await w.desk.moveTo(reservation, 102);
    await w.settle();
    expect(await items(w)).toMatchObject([texts]);
    expect(w.outlook.answers).toMatchObject([{ id: event.id, answer: 'decline' }]);
    expect(w.outlook.in(other)).toMatchObject([{ item: texts }]);
  });

  test('nothing is followed in a room that takes nothing from Outlook', async () => {
    await using w = await open({}, both);
    await w.db.query(`UPDATE bridge_resource_mappings SET sync_direction = 'booking_to_outlook'`);
    await movedTo102(w, texts);
    expect(await items(w)).toMatchObject([{ title: 'Choir' }]);
    expect(w.outlook.in(room)).toEqual([]);
  });
});

describe('of the event of a cancelled reservation', () => {
  test('is deleted with it, and the log names the fields', async () => {
    await using w = await open({ conflict: 'outlook' });
    const { reservation, event } = await shown(w);
    w.outlook.edit(event.id, texts);
    await w.desk.cancel(reservation);
    await w.settle();
    await heard(w);
    expect(w.outlook.in(room)).toEqual([]);
    expect(await isActive(w)).toEqual([false]);
    expect(await reasons(w, 'deleted')).toEqual([
      { reason: 'its event was edited in Outlook before: title, text' },
    ]);
  });

  test('is declined with it, and the log names the fields', async () => {
    await using w = await open({ conflict: 'outlook' });
    const { reservation, event } = await invited(w);
    w.outlook.edit(event.id, { startsAt: at(3, '16:00') });
    await w.desk.cancel(reservation);
    await w.settle();
    expect(w.outlook.answers).toMatchObject([{ id: event.id, answer: 'decline' }]);
    expect(await reasons(w, 'declined')).toEqual([
      { reason: 'its event was edited in Outlook before: time' },
    ]);
  });

  test('no edit: the log names none', async () => {
    await using w = await open();
    const { reservation } = await shown(w);
    await w.desk.cancel(reservation);
    await w.settle();
    expect(await reasons(w, 'deleted')).toEqual([{ reason: null }]);
  });
});

describe('of an event that another reservation covers', () => {
  /** An event on the whole time of an allocation, whose own event was edited before. */
  async function covered(w: Rooms, edit: Partial<Item>): Promise<void> {
    const time = { from: w.day(3, '10:00'), to: w.day(3, '12:00') };
    await w.desk.allocate(101, { ...time, of: 2 });
    await w.settle();
    w.outlook.edit(w.outlook.in(room)[0]!.id, edit);
    await w.desk.book(101, { title: 'Concert', ...time });
    await w.settle();
  }

  test('its time is followed, and both are shown', async () => {
    await using w = await open();
    await covered(w, { startsAt: at(3, '20:00'), endsAt: at(3, '22:00') });
    expect(w.outlook.in(room)).toMatchObject([
      { item: { title: 'Concert' } },
      { item: { startsAt: at(3, '20:00') } },
    ]);
  });
});

test('of an event in a room that is switched off stays: nothing is removed there', async () => {
  await using w = await open({}, both);
  const { reservation, event } = await shown(w);
  await w.db.query('UPDATE bridge_resource_mappings SET active = 0 WHERE resource_id = 101');
  w.outlook.edit(event.id, texts);
  await w.desk.cancel(reservation);
  await w.settle();
  expect(w.outlook.in(room)).toMatchObject([{ id: event.id, item: texts }]);
  await w.db.query('UPDATE bridge_resource_mappings SET active = 1 WHERE resource_id = 101');
  await w.settle();
  expect(w.outlook.in(room)).toEqual([]);
  expect(await reasons(w, 'deleted')).toEqual([
    { reason: 'its event was edited in Outlook before: title, text' },
  ]);
});
