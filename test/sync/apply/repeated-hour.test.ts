/** Events in the hour that the autumn clock change repeats: local times name only the second of the two. */
import { describe, expect, test } from 'vitest';
import type { Item } from '../../../src/item.ts';
import { clockChange } from '../../support/dates.ts';
import { at, both, conflicts, dinner, heard, open, other, room, type Rooms } from '../two-way-world.ts';

const autumn = clockChange('back');
const hourMs = 3_600_000;
const hourLater = (time: string) => new Date(Date.parse(time) + hourMs).toISOString().replace('.000', '');

const first: Pick<Item, 'startsAt' | 'endsAt'> = {
  startsAt: at(autumn, '02:15'),
  endsAt: at(autumn, '02:45'),
};
const second = { startsAt: hourLater(first.startsAt), endsAt: hourLater(first.endsAt) };
const across = { startsAt: at(autumn, '02:30'), endsAt: hourLater(at(autumn, '02:15')) };

const log = (w: Rooms) =>
  w.db.query(`SELECT action, reason FROM bridge_log WHERE action <> 'parked' ORDER BY id`);

const notPossible = 'not possible here: startsAt, endsAt';

test('an event there is imported, set to the stored times in Outlook, and the difference is recorded', async () => {
  await using w = await open();
  w.outlook.put(room, dinner(first), null);
  await heard(w);
  expect(await w.reserved()).toMatchObject([{ active: true, item: dinner(second) }]);
  expect(w.outlook.in(room)).toMatchObject([{ item: dinner(second) }]);
  expect((await log(w))[0]).toEqual({ action: 'imported', reason: notPossible });
  expect(await conflicts(w)).toEqual([]);
  w.outlook.writes.length = 0;
  await heard(w);
  expect(w.outlook.writes).toEqual([]);
});

test('a meeting there stays as its organiser made it, and the difference is recorded', async () => {
  await using w = await open();
  w.outlook.invite(room, dinner(first));
  await heard(w);
  await heard(w);
  expect(await w.reserved()).toMatchObject([{ active: true, item: dinner(second) }]);
  expect(w.outlook.in(room)).toMatchObject([{ item: dinner(first) }]);
  expect(await log(w)).toEqual([{ action: 'imported', reason: notPossible }]);
});

test.each(['invited', 'moved'] as const)(
  'a meeting that was %s there is left for an event of its own when the booking system moves the reservation',
  async (how) => {
    await using w = await open();
    const meeting = w.outlook.invite(room, dinner(how === 'invited' ? first : {}));
    await heard(w);
    if (how === 'moved') w.outlook.edit(meeting.id, first);
    await heard(w);
    const [reservation] = await w.reserved();
    expect(reservation).toMatchObject({ item: second });
    await w.desk.move(reservation!, w.day(4, '10:00'), w.day(4, '11:00'));
    await heard(w);
    const [own, kept] = w.outlook.in(room).toSorted((one) => (one.id === meeting.id ? 1 : -1));
    expect(own).toMatchObject({
      isOrganizer: true,
      item: { startsAt: at(4, '10:00'), endsAt: at(4, '11:00') },
    });
    expect(kept).toMatchObject({ id: meeting.id, item: first });
  },
);

test('an event moved there is set to the stored times in Outlook, and the difference is recorded', async () => {
  await using w = await open();
  const event = w.outlook.put(room, dinner(), null);
  await heard(w);
  w.outlook.edit(event.id, first);
  await heard(w);
  expect(await w.reserved()).toMatchObject([{ active: true, item: dinner(second) }]);
  expect(w.outlook.in(room)).toMatchObject([{ item: dinner(second) }]);
  expect((await log(w))[1]).toEqual({
    action: 'booking-updated',
    reason: `startsAt, endsAt; ${notPossible}`,
  });
});

test('an import at other times keeps what it shows of an untitled event', async () => {
  await using w = await open();
  w.outlook.put(room, dinner({ title: '' }), null);
  await heard(w);
  expect(await log(w)).toEqual([{ action: 'imported', reason: null }]);
  expect(w.outlook.titles(room)).toEqual(['']);
});

describe.each([
  ['of no length', { startsAt: at(autumn, '02:30'), endsAt: hourLater(at(autumn, '02:30')) }],
  ['shorter', { startsAt: at(autumn, '02:30'), endsAt: at(autumn, '04:00') }],
])('an event that would be %s on the wall clock stays in Outlook as it is, and is listed', (_, times) => {
  test('when it is new', async () => {
    await using w = await open();
    w.outlook.put(room, dinner(times), null);
    await heard(w);
    expect(await w.reserved()).toEqual([]);
    expect(w.outlook.in(room)).toMatchObject([{ item: dinner(times) }]);
    expect(await w.db.query('SELECT sync_status, error_message FROM bridge_mappings')).toMatchObject([
      { sync_status: 'error', error_message: expect.stringContaining('The clock is put back') },
    ]);
  });

  test('when it is moved there', async () => {
    await using w = await open();
    const event = w.outlook.put(room, dinner(), null);
    await heard(w);
    w.outlook.edit(event.id, times);
    await heard(w);
    expect(await w.reserved()).toMatchObject([{ active: true, item: dinner() }]);
    expect(w.outlook.in(room)).toMatchObject([{ item: dinner(times) }]);
    expect(await conflicts(w)).toMatchObject([{ kind: 'refused' }]);
  });
});

test('an event that would end before its start on the wall clock is refused with the reason', async () => {
  await using w = await open();
  const event = w.outlook.put(room, dinner(across), null);
  await heard(w);
  expect(await w.db.query('SELECT sync_status, error_message FROM bridge_mappings')).toMatchObject([
    { sync_status: 'error', error_message: expect.stringContaining('The clock is put back') },
  ]);
  w.outlook.edit(event.id, second);
  await heard(w);
  expect(await w.reserved()).toMatchObject([{ active: true, item: dinner(second) }]);
});

test('a meeting of two rooms there comes to rest', async () => {
  await using w = await open({}, both);
  w.outlook.invite(room, dinner(first), { iCalUId: 'one meeting' });
  w.outlook.invite(other, dinner(first), { iCalUId: 'one meeting' });
  await heard(w, 101, 102);
  await heard(w, 101, 102);
  const lines = (await log(w)).length;
  await heard(w, 101, 102);
  expect(await log(w)).toHaveLength(lines);
  expect(await conflicts(w)).toEqual([]);
});
