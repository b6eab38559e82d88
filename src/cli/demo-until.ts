/** Waiting for what only a question can tell. */
import { setTimeout as pause } from 'node:timers/promises';

const everyMs = 25;

/** Asks until the answer is yes. Rejects with `why` after `mostMs`, and with the signal's reason. */
export async function untilSo(
  isSo: () => Promise<boolean>,
  mostMs: number,
  why: () => string,
  signal: AbortSignal,
): Promise<void> {
  const givesUpAt = performance.now() + mostMs;
  while (!(await isSo())) {
    if (performance.now() > givesUpAt) throw new Error(why());
    await pause(everyMs, undefined, { signal });
  }
}
