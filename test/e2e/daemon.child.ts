/**
 * One daemon in a process of its own, so that tests can kill it: settings from the environment, facts as JSON lines on
 * stdout, signals as in `main.ts`. It ends when its stdin closes, so that no test that was cut off leaves it behind.
 */
import { flushCompileCache } from 'node:module';
import { toConfig } from '../../src/config.ts';
import { createDaemon } from '../../src/daemon/core.ts';
import { monotonicMs } from '../../src/sandbox/tenant/clock.ts';

const stop = new AbortController();
process.once('SIGTERM', () => {
  stop.abort(new Error('stopped by SIGTERM'));
  process.once('SIGTERM', () => process.exit(2));
  setTimeout(() => process.exit(2), 12_000).unref();
  say({ stopping: true });
});
process.stdin.resume().once('close', () => process.exit(3));

const say = (line: object) => process.stdout.write(`${JSON.stringify({ at: monotonicMs(), ...line })}\n`);

const daemon = await createDaemon(toConfig(process.env), (fact) =>
  say(fact.fact === 'bug' ? { ...fact, error: fact.error.stack ?? fact.error.message } : fact),
);
say({ ready: daemon.replica });
// Node writes its compile cache at the end of a process, and most of these are killed before
flushCompileCache();
await daemon.run(stop.signal);
await daemon[Symbol.asyncDispose]();
process.exit(0);
