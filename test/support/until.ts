/**
 * Waiting in tests: for what is told, until it is told; for what is not told (another process, rows that a daemon
 * writes), by asking again. Every wait has a bound, and its failure shows what was seen last.
 */
import { clearTimeout, setTimeout } from 'node:timers';
import { setTimeout as pause } from 'node:timers/promises';
import { inspect } from 'node:util';
import { TestRunner } from 'vitest';
import type { TestDatabase } from './database.ts';

/** Between two questions: a twentieth of the wait so far, so that long waits do not load the database. */
const betweenMs = (waitedMs: number) => Math.min(50, Math.max(10, waitedMs / 20));

/** Most of what the test that waits may take, so that the wait fails before the test does and can say why. */
const patienceMs = () => 0.8 * (TestRunner.getCurrentTest()?.timeout ?? 60_000);

const inOneLine = (value: unknown) => inspect(value, { breakLength: Infinity, depth: 4 }).slice(0, 1_000);

/** Asks until the answer is as it should be, by default true; returns that answer. `more` is added to the failure. */
export async function until<T>(
  ask: () => T | Promise<T>,
  isRight: (answer: T) => boolean = Boolean,
  more: () => Promise<string> = async () => '',
): Promise<T> {
  const begunAt = performance.now();
  for (const giveUpAt = begunAt + patienceMs(); ; await pause(betweenMs(performance.now() - begunAt))) {
    const answer = await ask();
    if (isRight(answer)) return answer;
    if (performance.now() > giveUpAt)
      throw new Error(`The wait is over, and the last answer was ${inOneLine(answer)} ${await more()}`);
  }
}

/** Asks the database until `condition`, an SQL expression, is true. */
export const untilTrue = async (db: Pick<TestDatabase, 'query'>, condition: string): Promise<void> =>
  void (await until(
    async () => (await db.query<{ answer: boolean }>(`SELECT (${condition}) AS answer`))[0]!.answer,
    (answer) => answer === true,
    async () => `of ${condition}`,
  ));

/** Waits that end as soon as `changed` is called and what they wait for is so. `show`: what is seen when one fails. */
export function createSignal(show: () => string) {
  const watchers = new Set<() => void>();
  return {
    changed(): void {
      for (const watcher of [...watchers]) watcher();
    },
    until(condition: () => boolean): Promise<void> {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      const watcher = () => {
        if (!condition()) return;
        watchers.delete(watcher);
        clearTimeout(giveUp);
        resolve();
      };
      const giveUp = setTimeout(() => {
        watchers.delete(watcher);
        reject(new Error(`The wait is over, and ${show()}`));
      }, patienceMs()).unref();
      promise.catch(() => undefined); // a wait that the test does not need any more fails silently
      watchers.add(watcher);
      watcher();
      return promise;
    },
  };
}

/** What a daemon told, and waits for what it tells. */
export function createFactLog<Told extends { readonly fact: string }>() {
  const facts: Told[] = [];
  const signal = createSignal(() => `the last facts were ${facts.slice(-8).map(inOneLine).join('\n')}`);
  return {
    facts: facts as readonly Told[],
    tell(fact: Told): void {
      facts.push(fact);
      signal.changed();
    },
    /** The first fact that matches, also an earlier one. */
    async until(match: (fact: Told) => boolean): Promise<Told> {
      let read = 0;
      let found: Told | undefined;
      await signal.until(() => {
        while (found === undefined && read < facts.length) {
          const fact = facts[read++]!;
          if (match(fact)) found = fact;
        }
        return found !== undefined;
      });
      return found!;
    },
  };
}
