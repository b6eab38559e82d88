#!/usr/bin/env node
/** The process: arguments, signals, exit code. Everything else is in `cli/`. */
import { run } from './cli/run.ts';

const stop = new AbortController();
/** Within this, a second signal is the first one again: a terminal's Ctrl-C may come directly and through npm. */
const sameMs = 1_000;
let stoppedAt: number | null = null;
for (const name of ['SIGINT', 'SIGTERM'] as const) {
  process.on(name, () => {
    if (stoppedAt !== null && performance.now() - stoppedAt > sameMs) process.exit(2);
    if (stoppedAt !== null) return;
    stoppedAt = performance.now();
    stop.abort(new Error(`stopped by ${name}`));
    setTimeout(() => process.exit(2), 12_000).unref(); // the net
  });
}
process.exitCode = await run(process.argv.slice(2), stop.signal);
// nothing may keep a finished program alive: a library's socket or timer has no more business
if (stop.signal.aborted) process.exit();
