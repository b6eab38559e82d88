import { expect, test } from 'vitest';
import { together } from '../../src/sync/together.ts';

test('what fails is told only when all the rest has ended', async () => {
  const { promise: write, resolve: answered } = Promise.withResolvers<string>();
  const told: string[] = [];
  const all = together([Promise.reject(new Error('the database is away')), write]).catch((error: Error) =>
    told.push(error.message),
  );
  await new Promise(setImmediate);
  expect(told).toEqual([]);
  answered('written');
  await all;
  expect(told).toEqual(['the database is away']);
});

test('what succeeds comes in its order', async () => {
  expect(await together([Promise.resolve(1), Promise.resolve('two')])).toEqual([1, 'two']);
});
