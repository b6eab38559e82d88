/** Events in Outlook that take each other's times: what left a time does not hold it any more, and what stays does. */
import { describe, expect, test } from 'vitest';
import type { Item } from '../../../src/item.ts';
import { at, both, conflicts, dinner, heard, open, other, room, type Rooms } from '../two-way-world.ts';

const slot = (from: string, to: string, day = 3): Pick<Item, 'startsAt' | 'endsAt'> => ({
  startsAt: at(day, from),
  endsAt: at(day, to),
});
const morning = slot('08:00', '10:00');
const noon = slot('10:00', '12:00');
const afternoon = slot('12:00', '14:00');
const evening = slot('14:00', '16:00');

/** Events by their titles, each with a reservation. */
async function booked(w: Rooms, items: Readonly<Record<string, Pick<Item, 'startsAt' | 'endsAt'>>>) {
  const events = Object.entries(items).map(([title, times]) =>
    w.outlook.put(room, dinner({ title, ...times }), null),
  );
  await heard(w);
  return events.map(({ id }) => id);
}

/** The times of active reservations by their titles. */
const times = async (w: Rooms, resource = 101) =>
  Object.fromEntries(
    (await w.reserved(resource)).flatMap(({ active, item: { title, startsAt, endsAt } }) =>
      active ? [[title, { startsAt, endsAt }]] : [],
    ),
  );

describe('events that exchange their times in Outlook', () => {
  test('are followed, both told in one round', async () => {
    await using w = await open();
    const [a, b] = await booked(w, { A: noon, B: afternoon });
    const ids = (await w.reserved()).map(({ id }) => id);
    w.outlook.edit(a!, afternoon);
    w.outlook.edit(b!, noon);
    await heard(w);
    expect(await conflicts(w)).toEqual([]);
    expect(await times(w)).toEqual({ A: afternoon, B: noon });
    expect((await w.reserved()).map(({ id }) => id).sort()).toEqual(ids.sort());
  });

  test('are followed, told one after the other', async () => {
    await using w = await open();
    const [a, b] = await booked(w, { A: noon, B: afternoon });
    w.outlook.edit(a!, afternoon);
    await heard(w);
    expect(await conflicts(w)).toMatchObject([{ kind: 'refused' }]);
    w.outlook.edit(b!, noon);
    await heard(w);
    expect(await conflicts(w)).toEqual([]);
    expect(await times(w)).toEqual({ A: afternoon, B: noon });
  });

  test('are followed as a ring of three, told in any order', async () => {
    await using w = await open();
    const [a, b, c] = await booked(w, { A: morning, B: noon, C: afternoon });
    w.outlook.edit(b!, afternoon);
    await heard(w);
    w.outlook.edit(a!, noon);
    await heard(w);
    w.outlook.edit(c!, morning);
    await heard(w);
    expect(await conflicts(w)).toEqual([]);
    expect(await times(w)).toEqual({ A: noon, B: afternoon, C: morning });
  });

  test('are followed where events of the booking system are among them', async () => {
    await using w = await open();
    await w.desk.book(101, { title: 'Choir', from: w.day(3, '18:00'), to: w.day(3, '20:00') });
    await w.settle();
    const [choir] = w.outlook.in(room);
    const { startsAt, endsAt } = choir!.item!;
    const [a] = await booked(w, { A: noon });
    w.outlook.edit(a!, { startsAt, endsAt });
    w.outlook.edit(choir!.id, noon);
    await heard(w);
    expect(await conflicts(w)).toEqual([]);
    expect(await times(w)).toEqual({ A: { startsAt, endsAt }, Choir: noon });
  });

  test('are followed along a chain that is longer than one batch', async () => {
    await using w = await open();
    const days = Array.from({ length: 20 }, (_, index) => index + 2);
    const ids = await booked(
      w,
      Object.fromEntries(days.map((day) => [`day ${day}`, slot('08:00', '10:00', day)])),
    );
    for (const [index, id] of ids.entries()) w.outlook.edit(id, slot('08:00', '10:00', days[index]! + 1));
    await heard(w);
    expect(await conflicts(w)).toEqual([]);
    expect(await times(w)).toEqual(
      Object.fromEntries(days.map((day) => [`day ${day}`, slot('08:00', '10:00', day + 1)])),
    );
  });

  test('stay flagged where one of them comes to lie on what stays', async () => {
    await using w = await open();
    const [a, b] = await booked(w, { A: noon, B: afternoon, C: evening });
    w.outlook.edit(a!, afternoon);
    w.outlook.edit(b!, slot('11:00', '15:00'));
    await heard(w);
    expect(await conflicts(w)).toMatchObject([{ kind: 'refused' }, { kind: 'refused' }]);
    expect(await times(w)).toEqual({ A: noon, B: afternoon, C: evening });
  });

  test('are followed beside one that stays flagged', async () => {
    await using w = await open();
    const [a, b, c] = await booked(w, { A: morning, B: noon, C: afternoon, D: evening });
    w.outlook.edit(a!, noon);
    w.outlook.edit(b!, morning);
    w.outlook.edit(c!, slot('12:00', '15:00'));
    await heard(w);
    expect(await conflicts(w)).toMatchObject([{ kind: 'refused' }]);
    expect(await times(w)).toEqual({ A: noon, B: morning, C: afternoon, D: evening });
  });

  test('do not pass over one that moved and still lies there', async () => {
    await using w = await open();
    const [a, b] = await booked(w, { A: noon, B: afternoon });
    w.outlook.edit(a!, afternoon);
    w.outlook.edit(b!, slot('13:00', '15:00'));
    await heard(w);
    expect((await conflicts(w)).map(({ kind }) => kind)).toEqual(['refused']);
    expect(await times(w)).toEqual({ A: noon, B: slot('13:00', '15:00') });
  });

  test('wait for a person where the booking system changed one of them meanwhile', async () => {
    await using w = await open({ conflict: 'ask' });
    const [a, b] = await booked(w, { A: noon, B: afternoon });
    const reservation = (await w.reserved()).find(({ item }) => item.title === 'B')!;
    await w.desk.move(reservation, w.day(9, '10:00'), w.day(9, '12:00'));
    w.outlook.edit(a!, afternoon);
    w.outlook.edit(b!, noon);
    await heard(w);
    expect(await times(w)).toMatchObject({ A: afternoon });
    expect((await conflicts(w)).map(({ kind }) => kind)).toEqual(['fields']);
  });
});

test('a choice about one of them, made while they are exchanged, is carried out', async () => {
  await using w = await open();
  const [a, b] = await booked(w, { A: noon, B: afternoon });
  w.outlook.edit(a!, afternoon);
  await heard(w);
  w.outlook.edit(b!, noon);
  // B is read first, then A, which is to leave the time that B gets
  w.outlook.meanwhileRead(async () =>
    w.outlook.meanwhileRead(
      async () =>
        void (await w.db.query(
          `UPDATE bridge_mappings SET resolution = 'booking', due_at = now(), revision = revision + 1
           WHERE sync_status = 'conflict'`,
        )),
    ),
  );
  await heard(w);
  expect(await times(w)).toEqual({ A: noon, B: afternoon });
  expect(w.outlook.in(room).find(({ id }) => id === a)!.item).toMatchObject(noon);
  expect(await conflicts(w)).toMatchObject([{ kind: 'refused' }]);
});

describe('an event that was moved onto a time that is taken', () => {
  async function onto(taken = 'B') {
    const w = await open();
    const [a, b] = await booked(w, { A: noon, [taken]: afternoon });
    w.outlook.edit(a!, afternoon);
    await heard(w);
    expect(await conflicts(w)).toMatchObject([{ kind: 'refused' }]);
    return { w, b: b! };
  }

  test('is followed when what lay there is moved on in Outlook', async () => {
    const { w, b } = await onto();
    await using _ = w;
    w.outlook.edit(b, evening);
    await heard(w);
    expect(await conflicts(w)).toEqual([]);
    expect(await times(w)).toEqual({ A: afternoon, B: evening });
  });
  test('is followed when what lay there is deleted in Outlook', async () => {
    const { w, b } = await onto();
    await using _ = w;
    w.outlook.remove(b);
    await heard(w);
    expect(await conflicts(w)).toEqual([]);
    expect(await times(w)).toEqual({ A: afternoon });
  });
  test('is followed when what lay there is cancelled in the booking system', async () => {
    const { w } = await onto();
    await using _ = w;
    await w.desk.cancel((await w.reserved()).find(({ item }) => item.title === 'B')!);
    await w.settle();
    expect(await conflicts(w)).toEqual([]);
    expect(await times(w)).toEqual({ A: afternoon });
  });
  test('is followed when it was deleted in the same moment', async () => {
    await using w = await open();
    const [a, b] = await booked(w, { A: noon, B: afternoon });
    w.outlook.edit(a!, afternoon);
    w.outlook.remove(b!);
    await heard(w);
    expect(await conflicts(w)).toEqual([]);
    expect(await times(w)).toEqual({ A: afternoon });
  });
  test('is followed when the other room of its reservation becomes free', async () => {
    await using w = await open({}, both);
    await w.desk.book(102, { title: 'Choir', from: w.day(3, '20:00'), to: w.day(3, '22:00') });
    await w.settle();
    const { startsAt, endsAt } = w.outlook.in(other)[0]!.item!;
    const meeting = w.outlook.invite(room, dinner({ title: 'A', ...noon }));
    const { iCalUId } = meeting;
    const copy = w.outlook.invite(other, dinner({ title: 'A', ...noon }), { iCalUId });
    await heard(w, 101, 102);
    for (const { id } of [meeting, copy]) w.outlook.edit(id, { startsAt, endsAt });
    await heard(w, 101, 102);
    expect((await conflicts(w)).length).toBeGreaterThan(0);
    await w.desk.cancel((await w.reserved(102)).find(({ item }) => item.title === 'Choir')!);
    await w.settle();
    expect(await conflicts(w)).toEqual([]);
    expect(await times(w)).toEqual({ A: { startsAt, endsAt } });
  });
});
