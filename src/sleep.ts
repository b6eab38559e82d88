import { setTimeout as pause } from 'node:timers/promises';

/** Resolves after `ms`, or when `signal` aborts. Never rejects. */
export const sleep = (ms: number, signal: AbortSignal): Promise<void> =>
  pause(ms, undefined, { signal }).catch(() => undefined);
