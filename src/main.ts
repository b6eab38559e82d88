#!/usr/bin/env node
/** The process: arguments, signals, exit code. Everything else is in `cli/`. */
import { run } from './cli/run.ts';

const stop = new AbortController();
for (const name of ['SIGINT', 'SIGTERM'] as const) {
  process.once(name, () => {
    stop.abort(new Error(`stopped by ${name}`));
    // the signal again ends us now; without it, this net does
    process.once(name, () => process.exit(2));
    setTimeout(() => process.exit(2), 12_000).unref();
  });
}
const [name = 'serve', ...args] = process.argv.slice(2);
process.exitCode = await run(name, args, stop.signal);
// nothing may keep a finished program alive: a library's socket or timer has no more business
if (stop.signal.aborted) process.exit();
