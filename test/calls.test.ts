import { expect, test } from 'vitest';
import { combined } from '../src/calls.ts';

/** A call whose answers are given by hand; `calls` are its arguments. */
function held() {
  const calls: (readonly number[])[] = [];
  const answers: PromiseWithResolvers<readonly string[]>[] = [];
  const call = (together: readonly number[]) => {
    calls.push(together);
    answers.push(Promise.withResolvers());
    return answers.at(-1)!.promise;
  };
  return { call, calls, answers };
}

test('the first call is made at once, and those that arrive meanwhile together', async () => {
  const { call, calls, answers } = held();
  const one = combined(call, { most: 2 });
  const results = [1, 2, 3, 4].map((n) => one(n));
  expect(calls).toEqual([[1]]);
  answers[0]!.resolve(['a']);
  expect(await results[0]).toBe('a');
  expect(calls).toEqual([[1], [2, 3]]);
  answers[1]!.resolve(['b', 'c']);
  expect(await Promise.all([results[1], results[2]])).toEqual(['b', 'c']);
  expect(calls).toEqual([[1], [2, 3], [4]]);
  answers[2]!.resolve(['d']);
  expect(await results[3]).toBe('d');
});

test('a failure is the failure of each of its call, and of no later one', async () => {
  const { call, answers } = held();
  const one = combined(call);
  const first = one(1);
  const second = one(2);
  answers[0]!.reject(new Error('no'));
  await expect(first).rejects.toThrow('no');
  answers[1]!.resolve(['b']);
  expect(await second).toBe('b');
  const third = one(3);
  answers[2]!.resolve(['c']);
  expect(await third).toBe('c');
});
