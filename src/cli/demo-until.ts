/** Waits for a condition by polling. */
import { setTimeout as pause } from 'node:timers/promises';

const everyMs = 25;

/** Polls until `condition` is true. Rejects with `message` after `mostMs`, and with the signal's reason. */
export async function waitUntil(
  condition: () => Promise<boolean>,
  mostMs: number,
  message: () => string,
  signal: AbortSignal,
): Promise<void> {
  const givesUpAt = performance.now() + mostMs;
  while (!(await condition())) {
    if (performance.now() > givesUpAt) throw new Error(message());
    await pause(everyMs, undefined, { signal });
  }
}
