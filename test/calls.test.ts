import { expect, test } from 'vitest';
import { atMost, combined } from '../src/calls.ts';

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

test('at most so many works run at a time, in their order, also after a failure', async () => {
  const inTurn = atMost(2);
  const begun: number[] = [];
  const works = [1, 2, 3, 4].map((n) => {
    const end = Promise.withResolvers<number>();
    const done = inTurn(() => {
      begun.push(n);
      return end.promise;
    });
    return { end, done };
  });
  const [first, second, third, fourth] = works;
  expect(begun).toEqual([1, 2]);
  second!.end.reject(new Error('no'));
  await expect(second!.done).rejects.toThrow('no');
  expect(begun).toEqual([1, 2, 3]);
  first!.end.resolve(1);
  third!.end.resolve(3);
  fourth!.end.resolve(4);
  expect(await Promise.all([first!.done, third!.done, fourth!.done])).toEqual([1, 3, 4]);
  expect(begun).toEqual([1, 2, 3, 4]);
});
