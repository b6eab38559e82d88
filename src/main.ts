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
const serves = (process.argv[2] ?? 'serve') === 'serve' && process.platform !== 'win32';
const cacheFolder = fileURLToPath(new URL('../node_modules/.cache/outlook-booking-sync', import.meta.url));
const again = (env: NodeJS.ProcessEnv) =>
  process.execve?.(
    process.execPath,
    [process.execPath, ...new Set([...process.execArgv, ...heapFlags]), ...process.argv.slice(1)],
    { NODE_COMPILE_CACHE: cacheFolder, ...process.env, ...env },
  );
if (serves && !heapFlags.every((flag) => process.execArgv.includes(flag))) again({});

// What Node makes of a file (the types stripped, the code compiled) is kept from the first start on: each later one is
// quicker. A folder that cannot be written is left alone.
enableCompileCache(cacheFolder);
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

if (serves) {
  await import('./cli/serve.ts');
  // what strips types stays in memory, 20 MB: once it has done its work for all files, the process begins anew without it
  const { moduleLoadList } = process as unknown as { moduleLoadList?: readonly string[] };
  const hasStripped = moduleLoadList?.some((name) => name.includes('amaro')) ?? false;
  if (hasStripped && process.env['OUTLOOK_BOOKING_SYNC_COMPILED'] === undefined && !stop.signal.aborted) {
    flushCompileCache();
    again({ OUTLOOK_BOOKING_SYNC_COMPILED: '1' });
  }
}

const { run } = await import('./cli/run.ts');
process.exitCode = await run(process.argv.slice(2), stop.signal);
// nothing may keep a finished program alive: a library's socket or timer has no more business
if (stop.signal.aborted) process.exit();
