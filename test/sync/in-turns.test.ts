/** What shares time in a room is written one after the other, so that the first one takes the place. */
import { expect, test } from 'vitest';
import { inTurns } from '../../src/sync/together.ts';
import { at, conflicts, dinner, heard, open, room, titles } from './two-way-world.ts';

const places = [
  { name: 'later', startsAt: at(3, '14:00'), endsAt: at(3, '15:00') },
  { name: 'long', startsAt: at(3, '10:00'), endsAt: at(3, '13:00') },
  { name: 'within', startsAt: at(3, '10:00'), endsAt: at(3, '11:00') },
  { name: 'after it', startsAt: at(3, '12:00'), endsAt: at(3, '14:00') },
];

test('what overlaps, be it by others between, waits for its turn; the rest does not', async () => {
  const under = new Set<string>();
  const beside: string[] = [];
  const done = await inTurns(
    [...places, { name: 'nowhere', startsAt: '', endsAt: '' }],
    (one) => (one.startsAt === '' ? null : one),
    async ({ name }) => {
      beside.push(...[...under].map((other) => [name, other].toSorted().join()));
      under.add(name);
      await new Promise(setImmediate);
      under.delete(name);
      return name;
    },
  );
  expect(done).toEqual(['later', 'long', 'within', 'after it', 'nowhere']);
  expect(beside).not.toContainEqual(expect.stringMatching(/long,within|after it,(long|within)/));
  expect(beside).toContain('later,nowhere');
});

test('of events in Outlook that overlap the first becomes a reservation, and each of the others waits for a person', async () => {
  await using w = await open();
  for (const minute of ['00', '05', '10', '15', '20', '25'])
    w.outlook.put(room, dinner({ title: `At ${minute}`, startsAt: at(3, `15:${minute}`) }), null);
  await heard(w);
  expect((await titles(w)).booking).toEqual(['At 00']);
  expect(await conflicts(w)).toEqual(Array.from({ length: 5 }, () => ({ kind: 'overlap', fields: null })));
});

test('of reservations that are moved onto one free place the first one gets it', async () => {
  await using w = await open();
  const events = [4, 5, 6, 7].map((on) =>
    w.outlook.put(
      room,
      dinner({ title: `On ${on}`, startsAt: at(on, '15:00'), endsAt: at(on, '17:00') }),
      null,
    ),
  );
  await heard(w);
  for (const { id } of events) w.outlook.edit(id, { startsAt: at(9, '10:00'), endsAt: at(9, '12:00') });
  await heard(w);
  const moved = (await w.reserved()).filter(({ item }) => item.startsAt === at(9, '10:00'));
  expect(moved).toHaveLength(1);
  expect(await conflicts(w)).toEqual(
    Array.from({ length: 3 }, () => ({ kind: 'refused', fields: ['startsAt', 'endsAt'] })),
  );
});
