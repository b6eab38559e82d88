import { expect, test } from 'vitest';
import { pairUp, split } from '../../src/cli/pairing.ts';

const named = (...names: string[]) => names.map((name) => ({ name, building: null }));
const pairs = (left: readonly string[], right: readonly string[]) =>
  pairUp(named(...left), named(...right)).map(
    ({ resource, room, sure }) => `${left[resource]} = ${right[room]}${sure ? '' : ' ?'}`,
  );

test('the same names are paired, whatever their order', () => {
  expect(pairs(['Formannskapssalen', 'Hall A'], ['Hall A', 'Formannskapssalen']).toSorted()).toEqual([
    'Formannskapssalen = Formannskapssalen',
    'Hall A = Hall A',
  ]);
});

test('letters of the north, accents, case and punctuation do not matter', () => {
  expect(pairs(['Møterom Fløyen', 'Kafé Ærlig'], ['moterom-floyen', 'KAFE Aerlig']).toSorted()).toEqual([
    'Kafé Ærlig = KAFE Aerlig',
    'Møterom Fløyen = moterom-floyen',
  ]);
});

test('a word that all rooms share does not make a pair', () => {
  expect(pairs(['Møterom Fløyen', 'Møterom Ulriken'], ['Møterom Lyderhorn', 'Møterom Sandviken'])).toEqual(
    [],
  );
});

test('another number is another room', () => {
  expect(pairs(['Møterom 1', 'Møterom 2'], ['Møterom 2', 'Møterom 03'])).toEqual(['Møterom 2 = Møterom 2']);
});

test('a small slip of the pen is forgiven', () => {
  expect(pairs(['Bystyresalen', 'Fløyen'], ['Bystyresallen', 'Ulriken'])).toEqual([
    'Bystyresalen = Bystyresallen',
  ]);
});

test('of two rooms with one name the building decides', () => {
  const left = [
    { name: 'Møterom 1', building: 'Rådhuset' },
    { name: 'Møterom 1', building: 'Biblioteket' },
  ];
  const right = [
    { name: 'Biblioteket Møterom 1', building: null },
    { name: 'Møterom 1', building: 'Rådhuset' },
  ];
  expect(
    pairUp(left, right)
      .map(({ resource, room }) => [resource, room])
      .toSorted(),
  ).toEqual([
    [0, 1],
    [1, 0],
  ]);
});

test('what could be either is proposed and not sure', () => {
  expect(pairs(['Møterom 1'], ['Møterom 1', 'Møterom 1'])).toEqual(['Møterom 1 = Møterom 1 ?']);
});

test('no name is paired twice', () => {
  const found = pairUp(named('Sal A', 'Sal A', 'Sal B'), named('Sal A', 'Sal B'));
  expect(new Set(found.map(({ resource }) => resource)).size).toBe(found.length);
  expect(new Set(found.map(({ room }) => room)).size).toBe(found.length);
});

test('numbers are words of their own', () => {
  expect(split('Rom12B 003')).toEqual(['rom', '12', 'b', '3']);
});
