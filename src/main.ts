#!/usr/bin/env node
/** The process: arguments, signals, exit code. Everything else is in `cli/`. */
import { enableCompileCache, flushCompileCache } from 'node:module';
import { fileURLToPath } from 'node:url';

// Checked before any import of our files, because older versions of Node fail on `await using` with a syntax error. (Before
// 22.18 Node does not run TypeScript at all and fails with ERR_UNKNOWN_FILE_EXTENSION: docs/cli.md.)
if (Number.parseInt(process.versions.node) < 24) {
  process.stderr.write(
    `outlook-booking-sync needs Node 24; this is ${process.version}. \`npm ci\` installs it for: npx node src/main.ts …\n`,
  );
  process.exit(64);
}

// A small young generation and slow heap growth halve the daemon's memory, and a single arena of glibc, which otherwise keeps free
// memory for each thread, saves another 4 %, without a measurable cost. All are read only at start, so the process replaces itself
// (execve) and keeps its id.
const heapFlags = ['--max-semi-space-size=2', '--heap-growing-percent=20'];
const arenas = 'MALLOC_ARENA_MAX';
const serves = (process.argv[2] ?? 'serve') === 'serve' && process.platform !== 'win32';
const cacheFolder = fileURLToPath(new URL('../node_modules/.cache/outlook-booking-sync', import.meta.url));
const restart = (env: NodeJS.ProcessEnv) =>
  process.execve?.(
    process.execPath,
    [process.execPath, ...new Set([...process.execArgv, ...heapFlags]), ...process.argv.slice(1)],
    { NODE_COMPILE_CACHE: cacheFolder, [arenas]: '1', ...process.env, ...env },
  );
const isSmall =
  heapFlags.every((flag) => process.execArgv.includes(flag)) && process.env[arenas] !== undefined;
if (serves && !isSmall) restart({});

// Node caches the stripped and compiled files, so later starts are faster. It ignores a folder that is not writable.
enableCompileCache(cacheFolder);
setTimeout(flushCompileCache, 20_000).unref(); // in case the daemon is killed
const stop = new AbortController();
/** A second signal within this time is a duplicate: Ctrl-C in a terminal may arrive directly and through npm. */
const duplicateMs = 1_000;
let stoppedAt: number | null = null;
for (const name of ['SIGINT', 'SIGTERM'] as const) {
  process.on(name, () => {
    if (stoppedAt !== null && performance.now() - stoppedAt > duplicateMs) process.exit(2);
    if (stoppedAt !== null) return;
    stoppedAt = performance.now();
    stop.abort(new Error(`stopped by ${name}`));
    setTimeout(() => process.exit(2), 12_000).unref(); // if the command does not end by itself
  });
}
// the reader of a pipe (`… | head`) has ended: stop as after Ctrl-C, which also cleans up after the demo
process.stdout.on('error', (error) => stop.abort(error));
process.stderr.on('error', () => undefined); // its reader may end, too

if (serves) {
  await import('./cli/serve.ts');
  // the type stripper (amaro) keeps 20 MB of memory; with all files in the cache, a restart avoids loading it
  const { moduleLoadList } = process as unknown as { moduleLoadList?: readonly string[] };
  const hasStripped = moduleLoadList?.some((name) => name.includes('amaro')) ?? false;
  if (hasStripped && process.env['OUTLOOK_BOOKING_SYNC_COMPILED'] === undefined && !stop.signal.aborted) {
    flushCompileCache();
    restart({ OUTLOOK_BOOKING_SYNC_COMPILED: '1' });
  }
}

const { run } = await import('./cli/run.ts');
process.exitCode = await run(process.argv.slice(2), stop.signal);
// sockets and timers of libraries must not keep a stopped program alive
if (stop.signal.aborted) process.exit();
