/** What runs by the clock: every so many milliseconds, or at the times of a cron expression. */
import { setTimeout as pause } from 'node:timers/promises';
import { Cron } from 'croner';
import type { Tell } from '../facts.ts';
import { Retryable } from '../errors.ts';
import { databaseFailure } from '../database.ts';

/** Runs `job` now and then `everyMs` after each end, until disposed of. A failed run is told and the next one tried. */
export function every(everyMs: number, tell: Tell, where: string, job: () => Promise<void>): AsyncDisposable {
  const closing = new AbortController();
  const loop = async () => {
    while (!closing.signal.aborted) {
      await guarded(tell, where, job);
      await pause(everyMs, undefined, { signal: closing.signal }).catch(() => undefined); // closing cuts the wait short
    }
  };
  const running = loop();
  return {
    async [Symbol.asyncDispose]() {
      closing.abort();
      await running;
    },
  };
}

/** Runs `job` at the times of a cron expression on the wall clock of `timezone`; never twice at once. */
export function at(
  expression: string,
  timezone: string,
  tell: Tell,
  where: string,
  job: () => Promise<void>,
): Disposable {
  const cron = new Cron(expression, { timezone, protect: true }, () => guarded(tell, where, job));
  return { [Symbol.dispose]: () => cron.stop() };
}

/** An outage of the database is told by the work loop, once; everything else here is a bug. */
async function guarded(tell: Tell, where: string, job: () => Promise<void>): Promise<void> {
  try {
    await job();
  } catch (error) {
    const failure = databaseFailure(error, where);
    if (!(failure instanceof Retryable)) tell({ fact: 'bug', error: failure, where });
  }
}
