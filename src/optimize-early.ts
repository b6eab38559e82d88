/**
 * When V8 compiles a function for speed. By its defaults it waits for 400 calls (Maglev) and 3,000 (TurboFan), because most programs
 * end soon. A daemon runs for weeks and calls most of its functions once for each change: with few bookings it would run them
 * unoptimized for days, and each change would take longer for it (docs/decisions/012-idle-latency.md).
 */
import { setFlagsFromString } from 'node:v8';

export const optimizingFlags = [
  '--invocation-count-for-maglev=20',
  '--minimum-invocations-after-ic-update=20',
  '--invocation-count-for-turbofan=60',
];

/** For functions that are called from now on. A version of V8 without such a flag ignores it. */
export function optimizeEarly(): void {
  for (const flag of optimizingFlags) setFlagsFromString(flag);
}
