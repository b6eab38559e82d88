#!/usr/bin/env node
/** The process: arguments, signals, exit code. Everything else is in `cli/`. */
import { enableCompileCache, flushCompileCache } from 'node:module';
import { fileURLToPath } from 'node:url';

// Nothing of ours is imported before this: to an older Node our `await using` is a syntax error somewhere in a file.
// (Before 22.18 Node does not read TypeScript at all and says ERR_UNKNOWN_FILE_EXTENSION: docs/cli.md.)
if (Number.parseInt(process.versions.node) < 24) {
  process.stderr.write(
    `outlook-booking-sync needs Node 24; this is ${process.version}. After \`npm ci\` it is there: npx node src/main.ts …\n`,
  );
  process.exit(64);
}

// A daemon needs no large nursery, and its heap need not double before it is swept: that is half the memory, for nothing. V8
// takes these at the start of a process only, so the process becomes itself anew, under the same id.
const heapFlags = ['--max-semi-space-size=2', '--heap-growing-percent=20'];
const serves = (process.argv[2] ?? 'serve') === 'serve';
if (serves && process.platform !== 'win32' && !heapFlags.every((flag) => process.execArgv.includes(flag)))
  process.execve?.(process.execPath, [
    process.execPath,
    ...process.execArgv,
    ...heapFlags,
    ...process.argv.slice(1),
  ]);

// What Node makes of a file (the types stripped, the code compiled) is kept from the first start on: each later one is
// quicker and needs 20 MB less, because what strips types is not even loaded. A folder that cannot be written is left alone.
enableCompileCache(fileURLToPath(new URL('../node_modules/.cache/outlook-booking-sync', import.meta.url)));
setTimeout(flushCompileCache, 20_000).unref(); // a daemon may never come to an orderly end

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
// `… | head` has read enough: end as after a Ctrl-C, which also leaves nothing of the demo behind
process.stdout.on('error', () => stop.abort(new Error('nobody reads the output any more')));

const { run } = await import('./cli/run.ts');
process.exitCode = await run(process.argv.slice(2), stop.signal);
// nothing may keep a finished program alive: a library's socket or timer has no more business
if (stop.signal.aborted) process.exit();
